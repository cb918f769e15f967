//! The notes of a chat, as they are stored.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tavern_extension::{Result, kv};

const KEY: &str = "notes";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// Oldest first.
    pub notes: Vec<Note>,
    /// What the model made of what happened.
    pub summary: String,
    /// Replies since the last summary.
    pub replies: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub text: String,
    /// Somebody asked for it: kept before others.
    #[serde(default)]
    pub marked: bool,
    /// It is from the reply, which may be replaced, and not from what was answered.
    #[serde(default)]
    reply: bool,
    /// The [`mark`] of the message that was answered.
    #[serde(default)]
    asked: u64,
}

/// Tells messages apart, since their ids are good for one turn alone.
pub fn mark(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Note {
    pub fn marked(text: String, asked: u64) -> Self {
        Self {
            text,
            marked: true,
            reply: false,
            asked,
        }
    }

    pub fn heard(text: String, asked: u64) -> Self {
        Self {
            marked: false,
            ..Self::marked(text, asked)
        }
    }

    pub fn of_reply(self) -> Self {
        Self { reply: true, ..self }
    }
}

impl Notes {
    pub fn load() -> Result<Self> {
        Ok(kv::CHAT.get(KEY)?.unwrap_or_default())
    }

    pub fn save(&self) -> Result<()> {
        kv::CHAT.set(KEY, self)
    }

    /// Takes the place of one that says about the same. Where there are too many, the oldest that nobody
    /// marked goes, and the oldest if all are.
    pub fn add(&mut self, note: Note, max: usize) {
        if let Some(same) = self.notes.iter().position(|other| similar(&other.text, &note.text)) {
            let old = self.notes.remove(same);
            self.notes.push(Note {
                marked: note.marked || old.marked,
                ..note
            });
        } else {
            self.notes.push(note);
        }
        while self.notes.len() > max.max(1) {
            let oldest = self.notes.iter().position(|note| !note.marked).unwrap_or(0);
            self.notes.remove(oldest);
        }
    }

    /// Forgets what the reply to this message said.
    pub fn forget_reply(&mut self, asked: u64) {
        self.notes.retain(|note| !note.reply || note.asked != asked);
    }
}

/// Words in lower case; those of fewer than three letters say little.
pub fn words(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.chars().nth(2).is_some())
        .map(str::to_lowercase)
        .collect()
}

/// At least four of five words are in both.
fn similar(one: &str, other: &str) -> bool {
    let (one, other) = (words(one), words(other));
    let common = one.intersection(&other).count();
    common > 0 && common * 5 >= one.union(&other).count() * 4
}

#[cfg(test)]
mod tests;
