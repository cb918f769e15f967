impl ListingValidate for Starter {
    /// On what is to be published.
    fn validate(&self, listing: &Value) -> Result<Vec<Finding>> {
        let summary = listing["summary"].as_str().unwrap_or_default();
        let short = summary.len() < 20;
        Ok(short.then(|| Finding::Warn("The summary is short.".into())).into_iter().collect())
    }
}
