//! What an assembly gives.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use tavern_domain::chat::ChatRole;

/// A prompt that fits, and the account of it.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltPrompt<'a> {
    pub content: PromptContent,
    /// Strings that end the reply, the most important first; for chat models the user's own alone.
    pub stop: Vec<String>,
    /// The tokens of [`Self::blocks`] that are in, and what opens the reply: never above `budget`.
    pub tokens: u32,
    /// What the model takes besides its reply.
    pub budget: u32,
    /// Every piece, kept or dropped, about in the order of the prompt.
    pub blocks: Vec<Block<'a>>,
    pub warnings: Vec<String>,
    /// Oldest messages that found no room.
    pub dropped_messages: usize,
    /// Last blocks of the examples that found no room.
    pub dropped_examples: usize,
    /// Index into the history of the first message that is in.
    pub first_included: Option<usize>,
    /// The id of the message that an outgrown history starts with: state for the next turn.
    pub anchor: Option<&'a str>,
    /// What the reply starts with. It stands at the end of the prompt, and a chat model that takes no
    /// beginnings cannot be asked so.
    pub prefill: Option<String>,
    /// To be put between a continued message and what is added to it; the prefill ends in it.
    pub continue_postfix: String,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptContent {
    Messages(Vec<PromptMessage>),
    Text(String),
}

/// A message for a chat model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    pub role: ChatRole,
    /// 1–64 of `A-Za-z0-9_-`.
    pub name: Option<String>,
    pub content: String,
}

/// A piece of a prompt, or one that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'a> {
    pub source: Source,
    /// For people.
    pub label: Cow<'a, str>,
    pub role: ChatRole,
    /// Messages from the end, for what stands among them.
    pub depth: Option<u32>,
    pub tokens: u32,
    pub included: bool,
    /// One short phrase.
    pub reason: &'static str,
    /// As it is in the prompt, names of speakers and sequences apart; of messages that were dropped, nothing.
    pub text: Cow<'a, str>,
    /// Indexes into the history, for messages of the chat.
    pub messages: Range<usize>,
}

/// Where a piece comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The main instructions, of the preset or the card.
    Main,
    /// A further prompt of the preset.
    Preset,
    Lore,
    Persona,
    Description,
    Personality,
    Scenario,
    Examples,
    History,
    PostHistory,
    AuthorsNote,
    /// The card's note among the messages.
    DepthPrompt,
    /// A summary, a memory, an extension's text.
    Injection,
    Guidance,
    /// What the kind of generation asks for.
    Control,
    /// What a template puts around the others.
    Template,
    /// What the reply starts with.
    Prefill,
}

impl Source {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Preset => "preset",
            Self::Lore => "lore",
            Self::Persona => "persona",
            Self::Description => "description",
            Self::Personality => "personality",
            Self::Scenario => "scenario",
            Self::Examples => "examples",
            Self::History => "history",
            Self::PostHistory => "post_history",
            Self::AuthorsNote => "authors_note",
            Self::DepthPrompt => "depth_prompt",
            Self::Injection => "injection",
            Self::Guidance => "guidance",
            Self::Control => "control",
            Self::Template => "template",
            Self::Prefill => "prefill",
        }
    }
}

impl fmt::Display for Source {
    /// As people read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main instructions",
            Self::Preset => "the preset's prompts",
            Self::PostHistory => "post-history instructions",
            Self::AuthorsNote => "author's note",
            Self::DepthPrompt => "the card's note",
            Self::Injection => "injections",
            other => other.as_str(),
        })
    }
}

/// What cannot be left out does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptTooLarge {
    pub needed: u32,
    pub available: u32,
    /// The newest message stands under [`Source::History`].
    pub parts: Vec<(Source, u32)>,
}

impl fmt::Display for PromptTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            needed,
            available,
            parts,
        } = self;
        write!(
            f,
            "What must be in the prompt has about {needed} tokens, and the model has room for {available} besides its reply ("
        )?;
        for (index, (source, tokens)) in parts.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{source} {tokens}")?;
        }
        f.write_str(").")
    }
}

impl std::error::Error for PromptTooLarge {}
