//! Assembly: one turn's prompt within a budget of tokens, and an account of it.
//!
//! [`assemble`] takes everything that may enter a prompt and lays it out as a preset says, as messages
//! for chat models or as one text for completion models. The rules are those that role-play front
//! ends share (preset order, injections at depth, overrides, nudges); `docs/PROMPT.md` names the
//! differences.
//!
//! What must be in the prompt is charged first: fixed texts, control prompts, the newest message. If
//! that does not fit, the turn fails with an error that names the parts and their sizes. Then come,
//! as long as there is room, the injections among the messages, nearest the end first; the history,
//! newest first; and whole blocks of examples, first ones first. Pinned examples come before the
//! history.
//!
//! Prefixes are kept stable, because providers charge less for a prompt that starts like the one
//! before. Nothing that changes from turn to turn moves what stands before it; and once the chat has
//! outgrown its room, its start does not move with every message, but in steps: the oldest messages
//! are dropped until the rest takes three quarters of the room, and that start holds until the room
//! is full again. The message it starts with is the turn's [`BuiltPrompt::anchor`], to be handed to
//! the next one; [`HistoryCut::Exact`] switches this off.

mod chat;
mod examples;
mod history;
mod injections;
mod input;
mod ledger;
mod lore;
mod output;
mod parts;
mod text;

pub use input::{CardPrompt, DepthPrompt, HistoryCut, HistoryMessage, Injection, PromptMode, TokenBudget, TurnPrompt};
pub use output::{Block, BuiltPrompt, PromptContent, PromptMessage, PromptTooLarge, Source};

use crate::macros::Macros;
use crate::tokens::Counter;

/// What a message of a chat costs besides its text.
pub const TOKENS_PER_MESSAGE: u32 = 4;
/// What opens a chat model's reply.
pub const TOKENS_PER_REPLY: u32 = 3;
/// What a completion model's prompt leaves free, because counts are not exact.
pub const TEXT_PADDING: u32 = 64;

/// Builds the prompt of a turn. The same turn, scene and seed give the same prompt.
///
/// Macros are expanded in a fixed order: sequences, the author's note, the preset's prompts as they
/// are ordered, injections, what comes last, what stands around the chat, examples. In the messages
/// of the chat names are put in and nothing else is done; lore and [`Injection`]s are taken as they are.
///
/// # Errors
/// [`PromptTooLarge`], if what must be in the prompt exceeds the budget.
pub fn assemble<'a>(
    turn: &TurnPrompt<'a>,
    macros: &mut Macros<'_>,
    counter: &Counter,
) -> Result<BuiltPrompt<'a>, PromptTooLarge> {
    match turn.mode {
        PromptMode::Chat => chat::build(turn, macros, counter),
        PromptMode::Text => text::build(turn, macros, counter),
    }
}

#[cfg(test)]
mod tests;
