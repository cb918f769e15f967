//! Regex scripts: find and replace over messages, lore and reasoning.

use std::borrow::Cow;

use serde_json::Value;

use crate::macros::Macros;

/// What a script is applied to; the numbers are SillyTavern's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placement {
    UserInput = 1,
    AiOutput = 2,
    SlashCommand = 3,
    WorldInfo = 5,
    Reasoning = 6,
}

/// What the result is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It replaces what is stored.
    Store,
    /// It goes into a prompt only.
    Prompt,
    /// It is shown only.
    Display,
}

/// Scripts in the order they run, compiled.
#[derive(Debug, Clone, Default)]
pub struct Scripts {
    pub warnings: Vec<String>,
}

impl Scripts {
    /// From SillyTavern's JSON objects: the preset's first, then the card's.
    #[must_use]
    pub fn compile(_scripts: &[Value]) -> Self {
        Self::default()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        true
    }

    /// `depth`: messages from the end, 0 = the newest; `None` if the text is no message of the chat.
    #[must_use]
    pub fn apply<'t>(
        &self,
        text: &'t str,
        _placement: Placement,
        _purpose: Purpose,
        _depth: Option<u32>,
        _macros: &mut Macros<'_>,
    ) -> Cow<'t, str> {
        Cow::Borrowed(text)
    }
}
