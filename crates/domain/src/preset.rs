//! Presets: how prompts are put together and models are driven.

use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::{PresetId, UserId};

/// A preset of an account.
///
/// Its content stays the JSON that people exchange, in sections: `chat` (a chat-completion preset),
/// `instruct`, `context`, `sysprompt`, `samplers` (text completion), `reasoning`, `lore` (world-info
/// settings), `regexScripts` (a list). The prompt engine reads what it knows of them; nothing is lost.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    pub id: PresetId,
    pub owner: UserId,
    pub name: String,
    /// An object of sections.
    pub data: Value,
    pub version: i32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The sections of a preset.
pub const SECTIONS: [&str; 8] = [
    "chat",
    "instruct",
    "context",
    "sysprompt",
    "samplers",
    "reasoning",
    "lore",
    "regexScripts",
];
