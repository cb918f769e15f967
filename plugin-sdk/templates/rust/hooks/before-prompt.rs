impl BeforePrompt for Starter {
    /// Before the prompt is made: notes and variables go in.
    fn before_prompt(&self, turn: &Turn, _history: &[Message]) -> Result<Vec<Edit>> {
        let text = self.text.clone().unwrap_or_else(|| {
            let name = turn.character.as_ref().map_or("Everybody", |character| &character.name);
            format!("{name} stays in character.")
        });
        Ok(vec![Note::in_chat(1, text).into()])
    }
}
