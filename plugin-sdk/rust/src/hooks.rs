//! A trait for each hook, whose one method is the hook.
//!
//! What a hook may see and do is up to its permissions; `plugin-sdk/wit/hooks.wit` says which. An edit that is
//! not permitted is left out by the host and noted in the trace of the turn.

use serde_json::Value;

use crate::exports::{
    after_reply::Effect,
    before_prompt::Edit,
    listing_price::Quote,
    listing_validate::Finding,
    prompt_transform::Op,
    search_rank::{Change, Item},
    stream_filter::Verdict,
    world_info::{Candidate, Selection},
};
use crate::{Extension, Message, Pair, Result, Turn};

/// The life of an installation.
pub trait Lifecycle: Extension {
    /// Whether the configuration that `self` was read from can be worked with. That it can be read at all is
    /// found out before.
    ///
    /// # Errors
    /// [`crate::HookError::InvalidConfig`], with what its owner is to change.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Once in an upgrade: brings the values that `from_version` has left up to date. They are kept only if it
    /// succeeds, and otherwise that version stays. A rollback brings the values of then back, and calls nothing.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn migrate(&self, from_version: &str) -> Result<()> {
        let _ = from_version;
        Ok(())
    }
}

/// Before the prompt is made: puts notes and variables in, sets sampling, or stops the turn.
pub trait BeforePrompt: Extension {
    /// `history` is the end of the chat, oldest first.
    ///
    /// # Errors
    /// Why there is no result; the turn goes on without it.
    fn before_prompt(&self, turn: &Turn, history: &[Message]) -> Result<Vec<Edit>>;
}

/// While lore is chosen: activates, silences and adds entries.
pub trait WorldInfo: Extension {
    /// # Errors
    /// Why there is no result; the choice of the keys stays.
    fn select(&self, turn: &Turn, history: &[Message], candidates: &[Candidate]) -> Result<Selection>;
}

/// On the prompt as it would be sent.
pub trait PromptTransform: Extension {
    /// # Errors
    /// Why there is no result; the prompt stays as it is.
    fn transform(&self, turn: &Turn, prompt: &[Message]) -> Result<Vec<Op>>;
}

/// On the reply while it comes in.
pub trait StreamFilter: Extension {
    /// What filters one reply. It lives as long as the reply does.
    type Filter: ReplyFilter;

    /// # Errors
    /// Why the reply is not filtered.
    fn filter(&self, turn: &Turn) -> Result<Self::Filter>;
}

/// The filter of one reply.
pub trait ReplyFilter: 'static {
    /// What came, after what was held.
    ///
    /// # Errors
    /// Why there is no verdict; the text passes.
    fn push(&mut self, chunk: &str) -> Result<Verdict>;

    /// The end of the reply: `chunk` is what was held, and may be empty. [`Verdict::Hold`] lets it pass.
    ///
    /// # Errors
    /// As [`Self::push`].
    fn finish(&mut self, chunk: &str) -> Result<Verdict> {
        self.push(chunk)
    }
}

/// After a reply was stored, in the background.
pub trait AfterReply: Extension {
    /// `user` is what was answered, if anything was; `history` is what was before.
    ///
    /// # Errors
    /// Why there is no result.
    fn after_reply(
        &self,
        turn: &Turn,
        history: &[Message],
        user: Option<&Message>,
        reply: &Message,
    ) -> Result<Vec<Effect>>;
}

/// Macros: `{{name::argument::argument}}`.
pub trait MacroProvider: Extension {
    /// The text of a macro; `None` leaves it as it was written. The same call in the same turn must give the
    /// same text: draw chances from [`Turn::rng`].
    fn expand(&self, turn: &Turn, name: &str, arguments: &[String]) -> Option<String>;
}

/// Functions that the model may call.
pub trait Tool: Extension {
    /// `arguments` fit the schema of the manifest only as far as the model keeps to it.
    ///
    /// # Errors
    /// What went wrong, which is what the model is told.
    fn call(&self, turn: &Turn, name: &str, arguments: Value) -> Result<Value>;
}

/// What is to be published on the marketplace.
pub trait ListingValidate: Extension {
    /// # Errors
    /// Why it could not be looked at; somebody else does.
    fn validate(&self, listing: &Value) -> Result<Vec<Finding>>;
}

/// What something costs.
pub trait ListingPrice: Extension {
    /// # Errors
    /// Why there is no price; the base price holds.
    fn price(&self, listing: &Value, buyer: &[Pair], base: Quote) -> Result<Quote>;
}

/// In which order what was found is shown.
pub trait SearchRank: Extension {
    /// # Errors
    /// Why there is no order; the order stays.
    fn rank(&self, query: &str, items: &[Item]) -> Result<Vec<Change>>;
}
