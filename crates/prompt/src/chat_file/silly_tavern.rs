//! SillyTavern's chats: a header, then one message a line.

use serde_json::{Value, json};
use tavern_domain::Limits;
use tavern_domain::chat::ChatRole;
use tavern_domain::clock::Timestamp;

use super::{ChatFileError, ChatFormat, ChatHeader, ImportedChat, ImportedMessage, ImportedSwipe, accept, time};
use crate::lenient::{self, JsonError, Note, Notes, Object};

/// What newer files say for a name that is told by the messages.
const UNUSED: &str = "unused";

/// What a message says of the swipe that is shown, beside its text.
const OF_SHOWN: [&str; 3] = ["gen_started", "gen_finished", "extra"];

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.split('\n').enumerate();
    numbered
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty())
}

fn is_header(raw: &Object) -> bool {
    let fields = ["chat_metadata", "user_name", "character_name"];
    !raw.contains_key("mes") && fields.iter().any(|name| raw.contains_key(*name))
}

/// Whether one of the first lines is a header or a message: the first one may be damaged.
pub(super) fn is_by_lines(text: &str, limits: &Limits) -> bool {
    let mut values = limits.file_json_values;
    lines(text)
        .take(3)
        .any(|(_, line)| match lenient::parse(line, limits, &mut values) {
            Ok((Value::Object(raw), _)) => is_header(&raw) || raw.contains_key("mes"),
            _ => false,
        })
}

pub(super) fn read(text: &str, limits: &Limits) -> Result<ImportedChat, ChatFileError> {
    let mut notes = Notes::new("line");
    let mut chat = ImportedChat {
        format: ChatFormat::SillyTavern,
        header: ChatHeader::default(),
        metadata: Value::Null,
        messages: Vec::new(),
        warnings: Vec::new(),
    };
    let mut values = limits.file_json_values;
    let mut broken = None;
    for (line, text) in lines(text) {
        if let Some(line) = broken.take() {
            notes.at("JSON", line).add("broken; the line was left out");
        }
        let (bytes, limit) = (text.len(), limits.chat_line_bytes);
        if bytes > limit {
            return Err(ChatFileError::LineTooLong { line, bytes, limit });
        }
        let raw = match lenient::parse(text, limits, &mut values) {
            Ok((Value::Object(raw), repaired)) => {
                if repaired {
                    notes.at("text", line).add("cut inside a character; it was replaced");
                }
                raw
            }
            Err(error @ JsonError::TooManyValues { .. }) => return Err(error.into()),
            Err(JsonError::TooDeep { .. }) => {
                notes.at("JSON", line).add("nested too deep; the line was left out");
                continue;
            }
            Ok(_) | Err(JsonError::Syntax { .. }) => {
                broken = Some(line);
                continue;
            }
        };
        if raw.contains_key("mes") {
            let message = read_message(raw, &mut notes, line);
            accept(&mut chat.messages, message, line, limits)?;
        } else if is_header(&raw) && chat.header.raw.is_null() && chat.messages.is_empty() {
            (chat.header, chat.metadata) = read_header(raw);
        } else {
            notes.at("mes", line).add("missing; the line was left out");
        }
    }
    if let Some(line) = broken {
        notes
            .at("JSON", line)
            .add("broken off in the last line; it was left out");
    }
    if chat.header.raw.is_null() {
        notes.say("The file has no header.");
    }
    chat.warnings = notes.into_warnings();
    Ok(chat)
}

pub(super) fn read_header(mut raw: Object) -> (ChatHeader, Value) {
    let metadata = raw.get_mut("chat_metadata").map_or(Value::Null, Value::take);
    let name = |field| {
        let name = raw.get(field).and_then(Value::as_str);
        name.filter(|name| !name.is_empty() && *name != UNUSED)
            .map(str::to_owned)
    };
    let header = ChatHeader {
        user_name: name("user_name"),
        character_name: name("character_name"),
        created_at: raw.get("create_date").and_then(time::parse),
        raw: Value::Null,
    };
    let raw = Value::Object(raw);
    (ChatHeader { raw, ..header }, metadata)
}

fn extra_text(raw: &Object, name: &str) -> Option<String> {
    let text = raw.get("extra")?.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Chub has an object where others have the text.
fn text_of(value: &Value, note: &mut Note<'_>) -> String {
    match value.get("message") {
        Some(inner) => note.text(inner),
        None => note.text(value),
    }
    .unwrap_or_default()
}

fn swipe(text: String, info: Object) -> ImportedSwipe {
    ImportedSwipe {
        text,
        reasoning: extra_text(&info, "reasoning"),
        model: extra_text(&info, "model"),
        sent_at: info.get("send_date").and_then(time::parse),
        raw: if info.is_empty() {
            Value::Null
        } else {
            Value::Object(info)
        },
    }
}

fn role(raw: &Object, is_user: bool) -> ChatRole {
    let extra = |name: &str| raw.get("extra").and_then(|extra| extra.get(name));
    let kind = extra("type").and_then(Value::as_str);
    if is_user {
        ChatRole::User
    } else if extra("tool_invocations")
        .and_then(Value::as_array)
        .is_some_and(|calls| !calls.is_empty())
    {
        ChatRole::Tool
    } else if kind.is_some_and(|kind| !kind.is_empty() && kind != "assistant_message") {
        // Narrator, comment, and what the program says itself.
        ChatRole::System
    } else {
        ChatRole::Assistant
    }
}

/// A message whose oddities have been told before.
pub(super) fn message(raw: Object) -> ImportedMessage {
    read_message(raw, &mut Notes::new(""), 0)
}

fn read_message(raw: Object, notes: &mut Notes, line: usize) -> ImportedMessage {
    let text = raw
        .get("mes")
        .map(|value| text_of(value, &mut notes.at("mes", line)))
        .unwrap_or_default();
    let name = raw
        .get("name")
        .and_then(|value| notes.at("name", line).text(value))
        .unwrap_or_default();
    let mut flag = |name| {
        let value = raw.get(name)?;
        notes.at(name, line).optional(value, Note::flag)
    };
    let is_user = flag("is_user").unwrap_or_default();
    let is_hidden = flag("is_system").unwrap_or_default();
    let mut texts: Vec<String> = match raw.get("swipes") {
        Some(Value::Array(swipes)) => {
            let mut note = notes.at("swipes", line);
            swipes.iter().map(|swipe| text_of(swipe, &mut note)).collect()
        }
        Some(Value::Null) | None => Vec::new(),
        Some(_) => {
            notes.at("swipes", line).add("not a list; it was left out");
            Vec::new()
        }
    };
    if texts.is_empty() {
        texts.push(text.clone());
    }
    let last = texts.len() - 1;
    let number = raw.get("swipe_id").and_then(|value| {
        let mut note = notes.at("swipe_id", line);
        note.optional(value, |note, value| note.integer(value, 0, u32::MAX))
    });
    let active = number.and_then(|id| usize::try_from(id).ok()).unwrap_or_default();
    if active > last {
        notes.at("swipe_id", line).add("of no swipe; the last one was used");
    }
    let active = active.min(last);
    if let Some(shown) = texts.get_mut(active).filter(|shown| **shown != text) {
        notes
            .at("mes", line)
            .add("another text than its swipe; it was used for both");
        shown.clone_from(&text);
    }
    let infos = raw.get("swipe_info").and_then(Value::as_array);
    let swipes = texts.into_iter().enumerate().map(|(index, text)| {
        let mut info = infos
            .and_then(|infos| infos.get(index)?.as_object())
            .cloned()
            .unwrap_or_default();
        if index == active {
            for name in OF_SHOWN {
                if let Some(value) = raw.get(name) {
                    info.insert(name.to_owned(), value.clone());
                }
            }
            // The message's time is the swipe's where that has none.
            if let Some(value) = raw.get("send_date").filter(|_| !info.contains_key("send_date")) {
                info.insert("send_date".to_owned(), value.clone());
            }
        }
        swipe(text, info)
    });
    let swipes = swipes.collect();
    let sent_at = raw.get("send_date").and_then(time::parse);
    if sent_at.is_none() && raw.get("send_date").is_some_and(|date| !date.is_null()) {
        notes.at("send_date", line).add("in no known form of time");
    }
    ImportedMessage {
        name,
        role: role(&raw, is_user),
        is_hidden,
        swipes,
        active,
        sent_at,
        raw: Value::Object(raw),
    }
}

/// The chat as a file of SillyTavern, whatever it came in.
#[must_use]
pub fn write_chat(chat: &ImportedChat) -> String {
    let mut written = write_header(&chat.header, &chat.metadata);
    let is_own = chat.format == ChatFormat::SillyTavern;
    for message in &chat.messages {
        written.push('\n');
        written.push_str(&line(message, is_own));
    }
    written
}

/// The first line of a file of SillyTavern's, without its end.
#[must_use]
pub fn write_header(header: &ChatHeader, metadata: &Value) -> String {
    self::header(header, metadata).to_string()
}

/// A message as a line of SillyTavern's, without its end. Its `raw` is one of SillyTavern's, or null.
#[must_use]
pub fn write_message(message: &ImportedMessage) -> String {
    line(message, true)
}

fn line(message: &ImportedMessage, is_own: bool) -> String {
    let raw = message.raw.as_object().filter(|_| is_own).cloned();
    Value::Object(updated(message, raw.unwrap_or_default())).to_string()
}

fn date(time: Option<Timestamp>) -> Option<Value> {
    time.map(|time| Value::from(time.to_rfc3339()))
}

fn put(raw: &mut Object, name: &str, value: Option<Value>) {
    match value {
        Some(value) => raw.insert(name.to_owned(), value),
        None => raw.shift_remove(name),
    };
}

fn header(now: &ChatHeader, metadata: &Value) -> Value {
    let (mut raw, was) = match now.raw.as_object() {
        Some(raw) => (raw.clone(), Some(read_header(raw.clone()).0)),
        None => (Object::new(), None),
    };
    let name = |name: &Option<String>| Some(Value::from(name.as_deref().unwrap_or(UNUSED)));
    if was.as_ref().is_none_or(|was| was.user_name != now.user_name) {
        put(&mut raw, "user_name", name(&now.user_name));
    }
    if was.as_ref().is_none_or(|was| was.character_name != now.character_name) {
        put(&mut raw, "character_name", name(&now.character_name));
    }
    if was.as_ref().is_none_or(|was| was.created_at != now.created_at) {
        put(&mut raw, "create_date", date(now.created_at));
    }
    if !metadata.is_null() || was.is_none() {
        let none = metadata.is_null();
        let metadata = if none { json!({}) } else { metadata.clone() };
        raw.insert("chat_metadata".into(), metadata);
    }
    Value::Object(raw)
}

/// The message as it was, with what differs from it.
fn updated(message: &ImportedMessage, mut raw: Object) -> Object {
    let is_new = raw.is_empty();
    let was = self::message(raw.clone());
    if is_new || was.name != message.name {
        raw.insert("name".into(), Value::from(message.name.as_str()));
    }
    if is_new || was.role != message.role {
        raw.insert("is_user".into(), Value::Bool(message.role == ChatRole::User));
    }
    if is_new || was.is_hidden != message.is_hidden {
        raw.insert("is_system".into(), Value::Bool(message.is_hidden));
    }
    if was.sent_at != message.sent_at {
        put(&mut raw, "send_date", date(message.sent_at));
    }
    let active = message.active.min(message.swipes.len().saturating_sub(1));
    let Some(shown) = message.swipes.get(active) else {
        return raw;
    };
    if is_new || was.swipes != message.swipes || was.active != active {
        let is_another = was.swipes.get(was.active).is_none_or(|was| was.raw != shown.raw);
        write_swipes(message, active, is_another, &mut raw);
        raw.entry("extra").or_insert_with(|| json!({}));
    }
    if role(&raw, message.role == ChatRole::User) != message.role {
        write_role(message.role, &mut raw);
    }
    // They are one text, whatever the file said.
    raw.insert("mes".into(), Value::from(shown.text.as_str()));
    if let Some(Value::Array(swipes)) = raw.get_mut("swipes").filter(|swipes| swipes.get(0).is_some()) {
        for (slot, swipe) in swipes.iter_mut().zip(&message.swipes) {
            if slot.as_str() != Some(&swipe.text) {
                *slot = Value::from(swipe.text.as_str());
            }
        }
    }
    raw
}

fn write_role(role: ChatRole, raw: &mut Object) {
    let extra = raw.entry("extra").or_insert_with(|| json!({}));
    let Some(extra) = extra.as_object_mut() else {
        return;
    };
    match role {
        ChatRole::System => extra.insert("type".into(), Value::from("narrator")),
        ChatRole::User | ChatRole::Assistant | ChatRole::Tool => extra.shift_remove("type"),
    };
}

/// What was said of the swipe that was shown goes, if it `is_another` now.
fn write_swipes(message: &ImportedMessage, active: usize, is_another: bool, raw: &mut Object) {
    let mut infos: Vec<Object> = message.swipes.iter().map(info).collect();
    if message.swipes.len() > 1 || raw.contains_key("swipes") {
        let texts = message.swipes.iter().map(|swipe| Value::from(swipe.text.as_str()));
        raw.insert("swipes".into(), texts.collect());
        raw.insert("swipe_id".into(), Value::from(active));
        if message.swipes.len() > 1 || raw.contains_key("swipe_info") {
            raw.insert("swipe_info".into(), infos.iter().cloned().map(Value::Object).collect());
        }
    }
    let mut shown = infos.get_mut(active).map(std::mem::take).unwrap_or_default();
    for name in OF_SHOWN {
        let value = shown.shift_remove(name);
        if value.is_some() || is_another {
            put(raw, name, value);
        }
    }
}

/// The `swipe_info` of a swipe: as it was, with what differs from it.
fn info(now: &ImportedSwipe) -> Object {
    let mut raw = now.raw.as_object().cloned().unwrap_or_default();
    let was = swipe(String::new(), raw.clone());
    if was.sent_at != now.sent_at {
        put(&mut raw, "send_date", date(now.sent_at));
    }
    for (name, was, now) in [
        ("reasoning", &was.reasoning, &now.reasoning),
        ("model", &was.model, &now.model),
    ] {
        if was != now {
            let extra = raw.entry("extra").or_insert_with(|| json!({}));
            if !extra.is_object() {
                *extra = json!({});
            }
            if let Some(extra) = extra.as_object_mut() {
                put(extra, name, now.as_deref().map(Value::from));
            }
        }
    }
    raw
}
