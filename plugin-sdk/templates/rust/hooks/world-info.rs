impl WorldInfo for Starter {
    /// While lore is chosen: entries come in, and are kept out.
    fn select(&self, _turn: &Turn, history: &[Message], candidates: &[Candidate]) -> Result<Selection> {
        let said: Vec<_> = history.iter().map(|message| message.text.to_lowercase()).collect();
        let is_said = |title: &str| said.iter().any(|text| text.contains(&title.to_lowercase()));
        let titled = candidates.iter().filter(|entry| !entry.active && !entry.title.is_empty());
        Ok(Selection {
            activations: titled
                .filter(|entry| is_said(&entry.title))
                .map(|entry| Activation::activate(&entry.id, 1.0))
                .collect(),
            additions: Vec::new(),
        })
    }
}
