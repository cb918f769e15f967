impl StreamFilter for Starter {
    type Filter = Plainer;

    fn filter(&self, _turn: &Turn) -> Result<Plainer> {
        Ok(Plainer)
    }
}

/// On the reply while it comes in: called where a trigger of the manifest was seen.
pub struct Plainer;

impl ReplyFilter for Plainer {
    fn push(&mut self, chunk: &str) -> Result<Verdict> {
        Ok(Verdict::Replace(chunk.replace("utilize", "use").replace("utilise", "use")))
    }
}
