//! Answers at four hooks, and does nothing there: what is measured is the way in and out.

use tavern_extension::{
    BeforePrompt, Candidate, Edit, Extension, Message, Op, PromptTransform, ReplyFilter, Result, Selection,
    StreamFilter, Turn, Verdict, WorldInfo,
};

#[derive(Extension)]
#[hooks(BeforePrompt, WorldInfo, PromptTransform, StreamFilter)]
struct Nothing;

impl BeforePrompt for Nothing {
    fn before_prompt(&self, _: &Turn, _: &[Message]) -> Result<Vec<Edit>> {
        Ok(Vec::new())
    }
}

impl WorldInfo for Nothing {
    fn select(&self, _: &Turn, _: &[Message], _: &[Candidate]) -> Result<Selection> {
        Ok(Selection { activations: Vec::new(), additions: Vec::new() })
    }
}

impl PromptTransform for Nothing {
    fn transform(&self, _: &Turn, _: &[Message]) -> Result<Vec<Op>> {
        Ok(Vec::new())
    }
}

struct Pass;

impl StreamFilter for Nothing {
    type Filter = Pass;

    fn filter(&self, _: &Turn) -> Result<Pass> {
        Ok(Pass)
    }
}

impl ReplyFilter for Pass {
    fn push(&mut self, _: &str) -> Result<Verdict> {
        Ok(Verdict::Pass)
    }
}
