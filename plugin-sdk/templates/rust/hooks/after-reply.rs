impl AfterReply for Starter {
    /// After a reply was stored.
    fn after_reply(
        &self,
        _turn: &Turn,
        _history: &[Message],
        _user: Option<&Message>,
        reply: &Message,
    ) -> Result<Vec<Effect>> {
        Ok(vec![Effect::annotation("words", &reply.text.split_whitespace().count())?])
    }
}
