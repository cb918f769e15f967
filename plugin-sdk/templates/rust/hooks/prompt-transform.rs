impl PromptTransform for Starter {
    /// On the prompt as it would be sent; what is stored stays as it is.
    fn transform(&self, _turn: &Turn, prompt: &[Message]) -> Result<Vec<Op>> {
        let tidy = |text: &str| text.split('\n').map(str::trim_end).collect::<Vec<_>>().join("\n");
        let tidied = prompt.iter().map(|message| (message, tidy(&message.text)));
        Ok(tidied
            .filter(|(message, text)| *text != message.text)
            .map(|(message, text)| Op::replace(&message.id, text))
            .collect())
    }
}
