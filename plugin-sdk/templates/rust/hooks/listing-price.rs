impl ListingPrice for Starter {
    /// What something costs, in micro-credits.
    fn price(&self, _listing: &Value, _buyer: &[Pair], base: Quote) -> Result<Quote> {
        if base.amount == 0 {
            return Ok(base);
        }
        Ok(Quote {
            amount: base.amount / 10 * 9,
            reason: "a tenth less".into(),
        })
    }
}
