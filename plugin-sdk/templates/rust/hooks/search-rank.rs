impl SearchRank for Starter {
    /// In which order what was found is shown: who goes up, and by how much.
    fn rank(&self, query: &str, items: &[Item]) -> Result<Vec<Change>> {
        let named = items.iter().filter(|item| item.id.contains(query));
        Ok(named
            .map(|item| Change {
                id: item.id.clone(),
                delta: 1.0,
            })
            .collect())
    }
}
