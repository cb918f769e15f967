//! What hooks give back, checked edit by edit: against the permissions, the limits, and what the edit is
//! about. What an extension may not do is left out and noted; the turn goes on with the rest. A result
//! that is too large as a whole is no result.

mod effects;
mod lore;
mod notes;
mod prompt;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;
use tavern_domain::extension::{Capability, Outcome};

pub(crate) use effects::{Effects, check_effects};
pub(crate) use lore::{CheckedSelection, check_selection, merge};
pub(crate) use notes::{BeforeEdits, check_before};
pub(crate) use prompt::{Plan, Prompt};

use crate::bindings::tavern::extension::types::{Pair, Role};
use crate::chain::Member;
use crate::instance::Failure;
use crate::settings::PluginLimits;

/// Lines of a trace's notes, and bytes of each.
pub const NOTES: usize = 16;
const NOTE_BYTES: usize = 240;
/// Bytes of the name of a variable, an annotation or an event, and of a stop string.
pub const NAME_BYTES: usize = 128;
/// How deep JSON may be nested.
pub const JSON_DEPTH: usize = 32;

/// Adds a line, unless there are enough; the last one says that there were more.
pub(crate) fn note(notes: &mut Vec<String>, line: &str) {
    if notes.len() >= NOTES {
        return;
    }
    let end = line.floor_char_boundary(NOTE_BYTES);
    let mut line = clean(line[..end].to_owned());
    if notes.len() == NOTES - 1 {
        "There was more.".clone_into(&mut line);
    }
    notes.push(line);
}

/// Without control characters, which do things to terminals and logs; lines and tabs stay.
pub(crate) fn clean(mut text: String) -> String {
    let is_kept = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    if !text.chars().all(is_kept) {
        text.retain(is_kept);
    }
    text
}

/// A JSON text of at most `bytes`, nested no deeper than [`JSON_DEPTH`].
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub(crate) fn json(text: &str, bytes: usize) -> Result<Value, String> {
    if text.len() > bytes {
        return Err(format!("has {} bytes, {bytes} are the limit", text.len()));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    // The parser itself goes no deeper than 128, so neither does this.
    fn depth(value: &Value) -> usize {
        1 + match value {
            Value::Array(values) => values.iter().map(depth).max().unwrap_or(0),
            Value::Object(fields) => fields.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    match depth(&value) {
        0..=JSON_DEPTH => Ok(value),
        _ => Err(format!("is nested deeper than {JSON_DEPTH}")),
    }
}

pub(crate) fn invalid(message: String) -> Failure {
    Failure {
        outcome: Outcome::OutputInvalid,
        message,
        retryable: false,
    }
}

/// Checks the edits of one result.
pub(crate) struct Checker<'a> {
    pub member: &'a Member,
    pub limits: &'a PluginLimits,
    pub notes: Vec<String>,
    /// Edits that were taken.
    pub taken: u32,
}

impl<'a> Checker<'a> {
    pub fn new(member: &'a Member, limits: &'a PluginLimits) -> Self {
        Self {
            member,
            limits,
            notes: Vec::new(),
            taken: 0,
        }
    }

    /// `refused` is what was wrong: the beginning names the edit.
    pub fn refuse<T>(&mut self, refused: impl fmt::Display) -> Option<T> {
        note(&mut self.notes, &refused.to_string());
        None
    }

    /// Whether the whole result is of a legal size: all its texts count, also of edits that are refused.
    pub fn size(&self, edits: usize, bytes: usize) -> Result<(), Failure> {
        let limits = self.limits;
        if edits > limits.edits {
            return Err(invalid(format!(
                "It gave {edits} edits, {} are the limit.",
                limits.edits
            )));
        }
        if bytes > limits.result_bytes {
            return Err(invalid(format!(
                "It gave {bytes} bytes of text, {} are the limit.",
                limits.result_bytes
            )));
        }
        Ok(())
    }

    pub fn may(&mut self, edit: &str, capability: Capability) -> Option<()> {
        match self.member.may(&capability) {
            true => Some(()),
            false => self.refuse(format_args!("{edit}: needs the permission `{capability}`")),
        }
    }

    /// Whether it may write in a message of this role.
    pub fn role(&mut self, edit: &str, role: Role) -> Option<()> {
        match role {
            Role::System => self.may(edit, Capability::System),
            Role::User | Role::Assistant => Some(()),
            // Results of functions belong to calls that the model made; there is none for this.
            Role::Tool => self.refuse(format_args!("{edit}: the role `tool` cannot be written")),
        }
    }

    pub fn text(&mut self, edit: &str, text: String) -> Option<String> {
        let limit = self.limits.text_bytes;
        match text.len() <= limit {
            true => Some(clean(text)),
            false => self.refuse(format_args!("{edit}: {} bytes, {limit} are the limit", text.len())),
        }
    }

    pub fn name(&mut self, edit: &str, name: String) -> Option<String> {
        if name.is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
            return self.refuse(format_args!(
                "{edit}: a name has 1 to {NAME_BYTES} bytes and no control characters"
            ));
        }
        Some(name)
    }

    /// JSON under a name.
    pub fn value(&mut self, edit: &str, pair: Pair) -> Option<(String, Value)> {
        let name = self.name(edit, pair.key)?;
        match json(&pair.value, self.limits.text_bytes) {
            Ok(value) => Some((name, value)),
            Err(wrong) => self.refuse(format_args!("{edit}: the value {wrong}")),
        }
    }

    pub fn variable(&mut self, pair: Pair) -> Option<(String, String)> {
        self.may("set-variable", Capability::Variables)?;
        let name = self.name("set-variable", pair.key)?;
        Some((name, self.text("set-variable", pair.value)?))
    }

    pub fn stop(&mut self, edit: &str, text: String) -> Option<String> {
        self.may(edit, Capability::Sampling)?;
        let text = clean(text);
        match text.len() {
            1..=NAME_BYTES => Some(text),
            _ => self.refuse(format_args!("{edit}: a stop string has 1 to {NAME_BYTES} bytes")),
        }
    }
}
