impl Lifecycle for Starter {
    /// Whether the settings can be worked with; the schema is kept anyway.
    fn validate(&self) -> Result<()> {
        match &self.text {
            Some(text) if text.trim().is_empty() => Err(HookError::InvalidConfig(
                "text: say something, or leave it out".into(),
            )),
            _ => Ok(()),
        }
    }
}
