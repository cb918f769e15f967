//! Chats as other programs write them, in; as SillyTavern writes them, out.
//!
//! SillyTavern's files have a header and then one message a line. A line that cannot be read costs that
//! line and no other. Nothing is lost: each message keeps its JSON, and writing starts from it and
//! changes only what differs from it. Times without a zone are taken as UTC.
//!
//! Rules: SillyTavern's chat files and its importers of Agnai's, RisuAI's, CAI Tools', oobabooga's,
//! KoboldAI Lite's and Chub's.

mod archive;
mod metadata;
mod others;
mod silly_tavern;
mod time;

use serde_json::Value;
use tavern_domain::Limits;
use tavern_domain::chat::ChatRole;
use tavern_domain::clock::Timestamp;

use crate::lenient::{self, JsonError};
pub use archive::write_archive;
pub use metadata::{authors_note, put_authors_note, put_variables, variables};
pub use silly_tavern::{write_chat, write_header, write_message};

/// A chat as read.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedChat {
    pub format: ChatFormat,
    pub header: ChatHeader,
    /// SillyTavern's `chat_metadata`, whole; of other formats, what the file says of the chat, under the
    /// format's name. Null if there is none.
    pub metadata: Value,
    /// Oldest first.
    pub messages: Vec<ImportedMessage>,
    /// What was repaired or left out; whole sentences, one for each kind.
    pub warnings: Vec<String>,
}

/// Formats of chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatFormat {
    /// JSONL, of one character or a group; Chub's, too.
    SillyTavern,
    Agnai,
    Risu,
    CaiTools,
    Ooba,
    KoboldLite,
}

/// What a file says before its messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatHeader {
    /// `None` where it is missing or `unused`, as newer files say.
    pub user_name: Option<String>,
    pub character_name: Option<String>,
    pub created_at: Option<Timestamp>,
    /// SillyTavern's first line, with null for its metadata; null of other formats.
    pub raw: Value,
}

impl ChatHeader {
    /// Of a [`Self::raw`] that was kept.
    #[must_use]
    pub fn of(raw: Value) -> Self {
        match raw {
            Value::Object(raw) => silly_tavern::read_header(raw).0,
            _ => Self::default(),
        }
    }
}

/// A message as read.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedMessage {
    /// May be empty where the format has roles only.
    pub name: String,
    pub role: ChatRole,
    /// Kept and shown, but not sent to the model.
    pub is_hidden: bool,
    /// Never empty.
    pub swipes: Vec<ImportedSwipe>,
    /// Index into `swipes`.
    pub active: usize,
    pub sent_at: Option<Timestamp>,
    /// The message as it was in the file, whole.
    pub raw: Value,
}

impl ImportedMessage {
    /// Of a [`Self::raw`] that was kept; `None` if it is none of SillyTavern's.
    #[must_use]
    pub fn of(raw: Value) -> Option<Self> {
        match raw {
            Value::Object(raw) if raw.contains_key("mes") => Some(silly_tavern::message(raw)),
            _ => None,
        }
    }
}

/// One of the alternative contents of a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportedSwipe {
    pub text: String,
    pub reasoning: Option<String>,
    pub model: Option<String>,
    /// The message's where the swipe that is shown has none of its own, and always that of an only one.
    pub sent_at: Option<Timestamp>,
    /// SillyTavern's `swipe_info`: `send_date`, `gen_started`, `gen_finished`, `extra`, as far as they are
    /// there; null if none is.
    pub raw: Value,
}

/// Why something is no chat we can take. The messages are made for the person who sent it. Lines are
/// counted from 1; in formats without lines, messages are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatFileError {
    #[error("The file has {bytes} bytes; the limit is {limit}.")]
    TooLarge { bytes: usize, limit: usize },
    #[error("The file is not valid JSON at line {line}, column {column}.")]
    NotJson { line: usize, column: usize },
    #[error("The file nests lists and objects more than {limit} levels deep.")]
    TooDeep { limit: usize },
    #[error("The file holds more than {limit} values.")]
    TooManyValues { limit: usize },
    #[error("This is no chat: {0}.")]
    NotAChat(&'static str),
    #[error("Line {line} has {bytes} bytes; the limit is {limit}.")]
    LineTooLong { line: usize, bytes: usize, limit: usize },
    #[error("The chat has more than {limit} messages.")]
    TooManyMessages { limit: usize },
    #[error("The message of line {line} has {count} swipes; the limit is {limit}.")]
    TooManySwipes { line: usize, count: usize, limit: usize },
    #[error("The {field} of line {line} has {bytes} bytes; the limit is {limit}.")]
    TextTooLong {
        line: usize,
        field: &'static str,
        bytes: usize,
        limit: usize,
    },
}

impl From<JsonError> for ChatFileError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax { line, column } => Self::NotJson { line, column },
            JsonError::TooDeep { limit } => Self::TooDeep { limit },
            JsonError::TooManyValues { limit } => Self::TooManyValues { limit },
        }
    }
}

/// Reads the chat in a file; the first one if it holds several, and says so.
///
/// # Errors
/// [`ChatFileError`] says what the file is instead, or which limit it breaks and where.
pub fn read_chat(bytes: &[u8], limits: &Limits) -> Result<ImportedChat, ChatFileError> {
    let mut chats = read_chats(bytes, limits)?.into_iter();
    let mut chat = chats.next().ok_or(ChatFileError::NotAChat("it has no messages"))?;
    let others = chats.len();
    if others > 0 {
        let sentence = format!("The file holds {others} more chats; the first one was read.");
        chat.warnings.push(sentence);
    }
    Ok(chat)
}

/// Reads every chat in a file: only CAI Tools and RisuAI put several into one.
///
/// # Errors
/// As [`read_chat`].
pub fn read_chats(bytes: &[u8], limits: &Limits) -> Result<Vec<ImportedChat>, ChatFileError> {
    let (size, limit) = (bytes.len(), limits.chat_file_bytes);
    if size > limit {
        return Err(ChatFileError::TooLarge { bytes: size, limit });
    }
    let (text, replaced) = lenient::decode(bytes);
    let mut chats = if silly_tavern::is_by_lines(&text, limits) {
        vec![silly_tavern::read(&text, limits)?]
    } else {
        let (value, _) = lenient::parse(&text, limits, &mut { limits.file_json_values })?;
        others::read(value, limits)?
    };
    if replaced {
        for chat in &mut chats {
            let sentence = "Some bytes of the file are not UTF-8; they were replaced.";
            chat.warnings.push(sentence.to_owned());
        }
    }
    Ok(chats)
}

/// Takes a message into the chat if it is within the limits.
fn accept(
    messages: &mut Vec<ImportedMessage>,
    message: ImportedMessage,
    line: usize,
    limits: &Limits,
) -> Result<(), ChatFileError> {
    let most = usize::try_from(limits.messages_per_session).unwrap_or(usize::MAX);
    if messages.len() >= most {
        return Err(ChatFileError::TooManyMessages { limit: most });
    }
    let (count, most) = (message.swipes.len(), limits.swipes);
    if count > most {
        return Err(ChatFileError::TooManySwipes {
            line,
            count,
            limit: most,
        });
    }
    let most_of_text = match message.role {
        ChatRole::User => limits.message_bytes,
        _ => limits.reply_bytes,
    };
    let check = |field, text: &str, limit| {
        let bytes = text.len();
        let too_long = ChatFileError::TextTooLong {
            line,
            field,
            bytes,
            limit,
        };
        if bytes > limit { Err(too_long) } else { Ok(()) }
    };
    check("name", &message.name, limits.message_bytes)?;
    for swipe in &message.swipes {
        check("text", &swipe.text, most_of_text)?;
        check(
            "reasoning",
            swipe.reasoning.as_deref().unwrap_or_default(),
            limits.reply_bytes,
        )?;
    }
    messages.push(message);
    Ok(())
}

#[cfg(test)]
mod tests;
