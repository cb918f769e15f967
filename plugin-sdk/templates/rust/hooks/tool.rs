impl Tool for Starter {
    /// A function that the model may call; its names and arguments stand in the manifest.
    fn call(&self, _turn: &Turn, _name: &str, arguments: Value) -> Result<Value> {
        let text = arguments["text"].as_str().unwrap_or_default();
        Ok(json!({ "words": text.split_whitespace().count() }))
    }
}
