impl MacroProvider for Starter {
    /// The text of a macro; `None` leaves it as it was written.
    fn expand(&self, _turn: &Turn, _name: &str, arguments: &[String]) -> Option<String> {
        arguments.first().map(|text| text.to_uppercase())
    }
}
