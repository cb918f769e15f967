//! World books as other programs write them, in and out.
//!
//! Reading takes what was meant, and notes each repair. Nothing is lost: the JSON of the book and of
//! each entry is kept as its `source`, and writing in the same format starts from it and changes only
//! the fields whose value is another than the one it says. Between formats, what one has no place for
//! travels in `extensions` where the other has that, and comes home from there.
//!
//! Rules: SillyTavern's world editor and its exports of card books, Character Card V2 and V3, RisuAI's,
//! Agnai's and NovelAI's exports.

mod card_book;
mod family;
mod fields;
mod others;
mod silly_tavern;
mod write;

use serde_json::Value;
use tavern_domain::Limits;
use tavern_domain::lore::{LoreEntry, LoreFormat, LoreSource, WorldBookText};

use crate::lenient::{self, JsonError, Notes, Object};
use family::Family;
pub use write::{write_world_book, write_world_file};

/// A book as read.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedBook {
    pub format: LoreFormat,
    /// The name is empty where the format has none: SillyTavern's books are named by their file.
    pub text: WorldBookText,
    /// In the order in which their program considers them.
    pub entries: Vec<LoreEntry>,
    /// What was repaired or left out; whole sentences, one for each kind.
    pub warnings: Vec<String>,
}

/// Why something is no world book we can take. The messages are made for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoreFileError {
    #[error("The file has {bytes} bytes; the limit is {limit}.")]
    TooLarge { bytes: usize, limit: usize },
    #[error("The file is not valid JSON at line {line}, column {column}.")]
    NotJson { line: usize, column: usize },
    #[error("The file nests lists and objects more than {limit} levels deep.")]
    TooDeep { limit: usize },
    #[error("The file holds more than {limit} values.")]
    TooManyValues { limit: usize },
    #[error("This is no world book: {0}.")]
    NotABook(&'static str),
    #[error("The book has {count} entries; the limit is {limit}.")]
    TooManyEntries { count: usize, limit: usize },
    /// Counted from 1, in the order of the file.
    #[error("Entry {entry}: `{field}` {problem}.")]
    Entry {
        entry: usize,
        field: &'static str,
        problem: String,
    },
}

impl From<JsonError> for LoreFileError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax { line, column } => Self::NotJson { line, column },
            JsonError::TooDeep { limit } => Self::TooDeep { limit },
            JsonError::TooManyValues { limit } => Self::TooManyValues { limit },
        }
    }
}

/// Reads the world book in a file, whichever program wrote it: a book by itself or in a card's JSON.
///
/// # Errors
/// [`LoreFileError`] says what the file is instead, or which limit it breaks and where.
pub fn read_world_book(bytes: &[u8], limits: &Limits) -> Result<ImportedBook, LoreFileError> {
    let (size, limit) = (bytes.len(), limits.world_book_bytes);
    if size > limit {
        return Err(LoreFileError::TooLarge { bytes: size, limit });
    }
    let mut notes = Notes::new("entry");
    let (text, replaced) = lenient::decode(bytes);
    let mut values = limits.file_json_values;
    let (value, repaired) = lenient::parse(&text, limits, &mut values)?;
    if replaced {
        notes.say("Some bytes of the file are not UTF-8; they were replaced.");
    }
    if repaired {
        notes.say("The file holds halves of characters; they were replaced.");
    }
    read(value, limits, notes)
}

/// Reads a world book from JSON that has been parsed, within its own bounds: a card's `character_book`.
///
/// # Errors
/// As [`read_world_book`], but for what can be wrong with bytes.
pub fn read_world_book_value(value: Value, limits: &Limits) -> Result<ImportedBook, LoreFileError> {
    read(value, limits, Notes::new("entry"))
}

fn read(value: Value, limits: &Limits, mut notes: Notes) -> Result<ImportedBook, LoreFileError> {
    let (mut root, format) = recognise(value)?;
    let family = Family::of(format);
    let container = book_mut(&mut root).get_mut(family.container()).map(emptied);
    let raw_entries = in_order(container.unwrap_or_else(|| {
        notes.say("The book has no entries.");
        Value::Array(Vec::new())
    }));
    let (count, limit) = (raw_entries.len(), limits.world_entries);
    if count > limit {
        return Err(LoreFileError::TooManyEntries { count, limit });
    }
    let mut entries = Vec::with_capacity(count);
    for (index, (key, raw)) in raw_entries.into_iter().enumerate() {
        let place = index + 1;
        let Value::Object(raw) = raw else {
            notes.at("entries", place).add("not an object; it was left out");
            continue;
        };
        let mut entry = family.read_entry(&raw, &mut notes, place);
        check(&entry, limits).map_err(|(field, problem)| LoreFileError::Entry {
            entry: place,
            field,
            problem,
        })?;
        entry.source = Some(LoreSource {
            format,
            key: key.filter(|key| key_in(&raw, family).as_ref() != Some(key)),
            json: Value::Object(raw),
        });
        entries.push(entry);
    }
    let mut text = family.read_book(book_in(&root), &mut notes);
    text.source = Some(LoreSource {
        format,
        json: Value::Object(root),
        key: None,
    });
    Ok(ImportedBook {
        format,
        text,
        entries,
        warnings: notes.into_warnings(),
    })
}

/// Finds the book, and whose it is.
fn recognise(value: Value) -> Result<(Object, LoreFormat), LoreFileError> {
    let not_a_book = |what| Err(LoreFileError::NotABook(what));
    let Value::Object(mut root) = value else {
        return not_a_book("it is no JSON object");
    };
    let spec = root.get("spec").and_then(Value::as_str).map(str::to_owned);
    if spec.as_deref() == Some("lorebook_v3") {
        return match root.get("data") {
            Some(Value::Object(_)) => Ok((root, LoreFormat::CardV3)),
            _ => not_a_book("it says that it is one, but has no `data`"),
        };
    }
    if root.get("type").and_then(Value::as_str) == Some("risu") && root.get("data").is_some_and(Value::is_array) {
        return Ok((root, LoreFormat::Risu));
    }
    if root.contains_key("lorebookVersion") {
        return Ok((root, LoreFormat::NovelAi));
    }
    if root.get("kind").and_then(Value::as_str) == Some("memory") {
        return Ok((root, LoreFormat::Agnai));
    }
    let in_data = root.get_mut("data").and_then(|data| data.get_mut("character_book"));
    let in_card = match in_data {
        Some(book) => Some(book.take()),
        None => root.get_mut("character_book").map(Value::take),
    };
    match in_card {
        Some(Value::Object(book)) => {
            let by_entries = by_entries(&book);
            let format = match by_entries {
                // Some programs put a world file there as it is.
                LoreFormat::SillyTavern if book.get("entries").is_some_and(|it| !is_empty(it)) => by_entries,
                _ if spec.as_deref() == Some("chara_card_v3") => LoreFormat::CardV3,
                _ => LoreFormat::CardV2,
            };
            Ok((book, format))
        }
        Some(_) => not_a_book("it is a character card without one"),
        None if root.get("entries").is_some_and(|it| it.is_object() || it.is_array()) => {
            let format = by_entries(&root);
            Ok((root, format))
        }
        None if spec.is_some() || root.contains_key("first_mes") => not_a_book("it is a character card without one"),
        None => not_a_book("it has no `entries`"),
    }
}

fn is_empty(entries: &Value) -> bool {
    match entries {
        Value::Object(entries) => entries.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        _ => true,
    }
}

/// Books without a mark of their own are told by the fields of their entries.
fn by_entries(book: &Object) -> LoreFormat {
    let entries: Vec<&Object> = match book.get("entries") {
        Some(Value::Object(entries)) => entries.values().filter_map(Value::as_object).collect(),
        Some(Value::Array(entries)) => entries.iter().filter_map(Value::as_object).collect(),
        _ => Vec::new(),
    };
    let any = |name: &str| entries.iter().any(|entry| entry.contains_key(name));
    if any("contextConfig") || any("displayName") {
        LoreFormat::NovelAi
    } else if any("keywords") {
        LoreFormat::Agnai
    } else if any("key") || any("uid") {
        LoreFormat::SillyTavern
    } else if any("use_regex") {
        LoreFormat::CardV3
    } else if any("keys") || any("insertion_order") || book.get("entries").is_some_and(Value::is_array) {
        LoreFormat::CardV2
    } else {
        LoreFormat::SillyTavern
    }
}

/// The book itself, which `lorebook_v3` wraps.
fn book_in(root: &Object) -> &Object {
    match (root.get("spec").and_then(Value::as_str), root.get("data")) {
        (Some("lorebook_v3"), Some(Value::Object(data))) => data,
        _ => root,
    }
}

fn book_mut(root: &mut Object) -> &mut Object {
    if root.get("spec").and_then(Value::as_str) == Some("lorebook_v3") && root.get("data").is_some_and(Value::is_object)
    {
        let data = root.get_mut("data").and_then(Value::as_object_mut);
        return data.expect("it has just been seen to be one");
    }
    root
}

/// What was there; an empty one of its kind stays.
fn emptied(entries: &mut Value) -> Value {
    let empty = match entries {
        Value::Object(_) => Value::Object(Object::new()),
        Value::Array(_) => Value::Array(Vec::new()),
        _ => entries.clone(),
    };
    std::mem::replace(entries, empty)
}

/// As JavaScript walks an object: names that are numbers first, ascending, then the others as they come.
fn in_order(entries: Value) -> Vec<(Option<String>, Value)> {
    match entries {
        Value::Array(entries) => entries.into_iter().map(|entry| (None, entry)).collect(),
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.into_iter().collect();
            entries.sort_by_key(|(key, _)| key.parse::<u32>().map_or((true, 0), |number| (false, number)));
            entries.into_iter().map(|(key, entry)| (Some(key), entry)).collect()
        }
        _ => Vec::new(),
    }
}

/// The name under which an entry stands in an object of entries, by its own account.
fn key_in(raw: &Object, family: Family) -> Option<String> {
    raw.get(family.id()?)?.as_u64().map(|id| id.to_string())
}

fn check(entry: &LoreEntry, limits: &Limits) -> Result<(), (&'static str, String)> {
    for (field, text) in [("content", &entry.content), ("comment", &entry.comment)] {
        let (bytes, most) = (text.len(), limits.world_entry_bytes);
        if bytes > most {
            return Err((field, format!("has {bytes} bytes; the limit is {most}")));
        }
    }
    for (field, keys) in [("keys", &entry.keys), ("secondary_keys", &entry.secondary_keys)] {
        let (count, most) = (keys.len(), limits.world_keys);
        if count > most {
            return Err((field, format!("has {count} keys; the limit is {most}")));
        }
        let most = limits.world_key_bytes;
        if let Some(key) = keys.iter().find(|key| key.len() > most) {
            return Err((field, format!("has a key of {} bytes; the limit is {most}", key.len())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
