//! Chats as files: in from what other programs write, out as SillyTavern's.
//!
//! Nothing of a file is lost. Each message keeps its JSON, the session the header and the metadata, and
//! an export starts from these and writes what differs. What the platform has fields for (author's
//! note, variables, scenario) is taken into them if it is within the limits of these; otherwise it
//! stays where it is.

mod export;
mod import;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tavern_domain::chat::{AuthorsNote, Variables};
use tavern_domain::{Error, Limits, Result};
use tavern_prompt::chat_file::{ChatHeader, authors_note, put_authors_note, put_variables, variables};
use tavern_prompt::macros::{MAX_VARIABLE_BYTES, MAX_VARIABLES};

pub use import::{ChatImport, ChatSource, Imported};

/// Messages read or written at once.
const BATCH: usize = 100;

/// What a file says of a chat besides its messages, as kept with the session.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Head {
    /// SillyTavern's first line, less its metadata; null of other formats.
    header: Value,
    metadata: Value,
}

/// What of a chat's metadata the platform has fields for.
#[derive(Debug, Default, PartialEq)]
struct Settings {
    authors_note: Option<AuthorsNote>,
    variables: Variables,
    scenario: Option<String>,
}

impl Settings {
    /// What is over the limits of its field is not taken.
    fn of(metadata: &Value, limits: &Limits) -> Self {
        let scenario = metadata.get("scenario").and_then(Value::as_str);
        Self {
            authors_note: authors_note(metadata).filter(|note| note.content.len() <= limits.message_bytes),
            variables: Some(variables(metadata)).filter(are_few).unwrap_or_default(),
            scenario: scenario
                .filter(|text| !text.trim().is_empty() && text.len() <= limits.character_text_bytes)
                .map(str::to_owned),
        }
    }

    /// Makes these the settings of a chat; what is said already stays as it is.
    fn put(&self, metadata: &mut Value, limits: &Limits) {
        let was = Self::of(metadata, limits);
        if was.authors_note != self.authors_note {
            let none = AuthorsNote::default();
            put_authors_note(metadata, self.authors_note.as_ref().unwrap_or(&none));
        }
        if was.variables != self.variables {
            put_variables(metadata, &self.variables);
        }
        if was.scenario != self.scenario {
            if !metadata.is_object() {
                *metadata = Value::Object(serde_json::Map::new());
            }
            metadata["scenario"] = Value::from(self.scenario.as_deref().unwrap_or_default());
        }
    }
}

fn are_few(variables: &Variables) -> bool {
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    variables.len() <= MAX_VARIABLES && bytes <= MAX_VARIABLE_BYTES
}

impl Head {
    fn read(json: &str) -> Result<(ChatHeader, Value)> {
        let head: Self = serde_json::from_str(json).map_err(Error::internal)?;
        Ok((ChatHeader::of(head.header), head.metadata))
    }
}

#[cfg(test)]
mod tests;
