//! Chats of other programs, which are one JSON object each.

use serde_json::Value;
use tavern_domain::Limits;
use tavern_domain::chat::ChatRole;

use super::{ChatFileError, ChatFormat, ChatHeader, ImportedChat, ImportedMessage, ImportedSwipe, accept, time};
use crate::lenient::{Notes, Object};

pub(super) fn read(value: Value, limits: &Limits) -> Result<Vec<ImportedChat>, ChatFileError> {
    let Value::Object(mut root) = value else {
        return Err(ChatFileError::NotAChat("it is neither lines of JSON nor a JSON object"));
    };
    let kind = root.get("type").and_then(Value::as_str).map(str::to_owned);
    let chats = if root.contains_key("savedsettings") {
        vec![kobold_lite(root)]
    } else if let Some(histories) = root.get_mut("histories") {
        cai_tools(histories.take())
    } else if let Some(pairs) = ["data_visible", "visible"]
        .into_iter()
        .find_map(|name| list(&mut root, name))
    {
        vec![ooba(root, pairs)]
    } else if let Some(messages) = list(&mut root, "messages") {
        vec![agnai(root, messages)]
    } else if matches!(kind.as_deref(), Some("risuChat" | "risuAllChats")) {
        risu(root.shift_remove("data"))
    } else if let Some(pairs) = ["data", "internal"].into_iter().find_map(|name| list(&mut root, name)) {
        vec![ooba(root, pairs)]
    } else {
        return Err(ChatFileError::NotAChat("it has no messages of a known form"));
    };
    chats.into_iter().map(|chat| chat.finish(limits)).collect()
}

fn list(root: &mut Object, name: &str) -> Option<Vec<Value>> {
    match root.get_mut(name).filter(|items| items.is_array())?.take() {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

/// A chat whose messages have not been checked yet; `None` for what is no message.
struct Draft {
    format: ChatFormat,
    header: ChatHeader,
    metadata: Object,
    messages: Vec<Option<ImportedMessage>>,
}

impl Draft {
    fn new(format: ChatFormat, name: &str, about: Object, messages: Vec<Option<ImportedMessage>>) -> Self {
        let mut metadata = Object::new();
        let about: Object = about.into_iter().filter(|(_, value)| !value.is_null()).collect();
        if !about.is_empty() {
            metadata.insert(name.to_owned(), Value::Object(about));
        }
        Self {
            format,
            header: ChatHeader::default(),
            metadata,
            messages,
        }
    }

    fn finish(self, limits: &Limits) -> Result<ImportedChat, ChatFileError> {
        let mut notes = Notes::new("message");
        let mut messages = Vec::new();
        for (index, message) in self.messages.into_iter().enumerate() {
            match message {
                Some(message) => accept(&mut messages, message, index + 1, limits)?,
                None => notes.at("text", index + 1).add("missing; the message was left out"),
            }
        }
        Ok(ImportedChat {
            format: self.format,
            header: self.header,
            metadata: Value::Object(self.metadata),
            messages,
            warnings: notes.into_warnings(),
        })
    }
}

fn message(name: &str, is_user: bool, text: String, raw: Value) -> ImportedMessage {
    ImportedMessage {
        name: name.to_owned(),
        role: if is_user { ChatRole::User } else { ChatRole::Assistant },
        is_hidden: false,
        swipes: vec![ImportedSwipe {
            text,
            ..ImportedSwipe::default()
        }],
        active: 0,
        sent_at: None,
        raw,
    }
}

fn text(raw: &Value, name: &str) -> Option<String> {
    raw.get(name)?
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn sent(mut message: ImportedMessage, time: Option<&Value>) -> ImportedMessage {
    message.sent_at = time.and_then(time::parse);
    for swipe in message.swipes.iter_mut().take(1) {
        swipe.sent_at = message.sent_at;
    }
    message
}

/// Earlier answers are in `retries`; whoever has a `userId` is a person.
fn agnai(about: Object, messages: Vec<Value>) -> Draft {
    let messages = messages.into_iter().map(|raw| {
        let is_user = raw.get("userId").is_some_and(|id| !id.is_null());
        let name = ["handle", "name"].into_iter().find_map(|field| text(&raw, field));
        let created = raw.get("createdAt").cloned();
        let retries = raw
            .get("retries")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let content = raw.get("msg").and_then(Value::as_str)?.to_owned();
        let model = raw.get("adapter").and_then(Value::as_str).map(str::to_owned);
        let message = message(name.as_deref().unwrap_or_default(), is_user, content, raw);
        let mut message = sent(message, created.as_ref());
        for swipe in &mut message.swipes {
            swipe.model.clone_from(&model);
        }
        message
            .swipes
            .extend(retries.iter().filter_map(Value::as_str).map(|retry| ImportedSwipe {
                text: retry.to_owned(),
                ..ImportedSwipe::default()
            }));
        Some(message)
    });
    let messages = messages.collect();
    Draft::new(ChatFormat::Agnai, "agnai", about, messages)
}

/// One chat, or a list of them.
fn risu(data: Option<Value>) -> Vec<Draft> {
    let chats = match data {
        Some(Value::Array(chats)) => chats,
        Some(chat) => vec![chat],
        None => Vec::new(),
    };
    let chats = chats.into_iter().filter_map(|chat| match chat {
        Value::Object(chat) => Some(chat),
        _ => None,
    });
    chats
        .map(|mut chat| {
            let messages = list(&mut chat, "message").unwrap_or_default().into_iter().map(|raw| {
                let is_user = raw.get("role").and_then(Value::as_str) == Some("user");
                let name = text(&raw, "name").unwrap_or_default();
                let time = raw.get("time").cloned();
                let content = raw.get("data").and_then(Value::as_str)?.to_owned();
                let model = raw.get("generationInfo").and_then(|info| text(info, "model"));
                let mut message = sent(message(&name, is_user, content, raw), time.as_ref());
                for swipe in &mut message.swipes {
                    swipe.model.clone_from(&model);
                }
                Some(message)
            });
            let messages = messages.collect();
            let note = chat
                .get("note")
                .cloned()
                .filter(|note| note.as_str().is_some_and(|note| !note.is_empty()));
            let mut draft = Draft::new(ChatFormat::Risu, "risu", chat, messages);
            if let Some(note) = note {
                draft.metadata.insert("note_prompt".into(), note);
            }
            draft
        })
        .collect()
}

fn cai_tools(mut histories: Value) -> Vec<Draft> {
    let inner = match histories.get_mut("histories") {
        Some(inner) => inner.take(),
        None => histories,
    };
    let Value::Array(histories) = inner else {
        return Vec::new();
    };
    let chats = histories.into_iter().map(|mut history| {
        let messages = match history.get_mut("msgs").map(Value::take) {
            Some(Value::Array(messages)) => messages,
            _ => Vec::new(),
        };
        let messages = messages.into_iter().map(|raw| {
            let source = raw.get("src").unwrap_or(&Value::Null);
            let is_user = source.get("is_human").and_then(Value::as_bool).unwrap_or_default();
            let name = text(source, "name").unwrap_or_default();
            let created = raw.get("created").cloned();
            let content = raw.get("text").and_then(Value::as_str)?.to_owned();
            Some(sent(message(&name, is_user, content, raw), created.as_ref()))
        });
        let messages = messages.collect();
        let about = match history {
            Value::Object(about) => about,
            _ => Object::new(),
        };
        Draft::new(ChatFormat::CaiTools, "cai_tools", about, messages)
    });
    chats.collect()
}

/// Pairs of what was said and what was answered; the first may say nothing.
fn ooba(about: Object, pairs: Vec<Value>) -> Draft {
    let mut messages = Vec::new();
    for pair in pairs {
        let Value::Array(pair) = pair else {
            messages.push(None);
            continue;
        };
        for (text, is_user) in pair.into_iter().zip([true, false]) {
            match text {
                // A mark for greetings, which no one said.
                Value::String(text) if text.is_empty() || text == "<|BEGIN-VISIBLE-CHAT|>" => {}
                Value::String(text) => messages.push(Some(message("", is_user, text.clone(), Value::String(text)))),
                _ => messages.push(None),
            }
        }
    }
    Draft::new(ChatFormat::Ooba, "ooba", about, messages)
}

const KOBOLD_INPUT: &str = "{{[INPUT]}}";
const KOBOLD_OUTPUT: &str = "{{[OUTPUT]}}";

/// Texts with a mark before what the person said; several opponents stand in one name.
fn kobold_lite(mut root: Object) -> Draft {
    let settings = root.get("savedsettings").cloned().unwrap_or_default();
    let user = text(&settings, "chatname").unwrap_or_default();
    let opponents = text(&settings, "chatopponent").unwrap_or_default();
    let character = opponents.split("||$||").next().unwrap_or_default().to_owned();
    let prompt = root
        .get("prompt")
        .cloned()
        .filter(|prompt| prompt.as_str().is_some_and(|it| !it.is_empty()));
    let actions = list(&mut root, "actions").unwrap_or_default();
    let messages = prompt.into_iter().chain(actions).map(|raw| {
        let action = raw.as_str()?;
        let is_user = action.contains(KOBOLD_INPUT);
        let content = action
            .replace(KOBOLD_INPUT, "")
            .replace(KOBOLD_OUTPUT, "")
            .trim()
            .to_owned();
        let name = if is_user { &user } else { &character };
        Some(message(name, is_user, content, raw))
    });
    let messages = messages.collect();
    let mut draft = Draft::new(ChatFormat::KoboldLite, "kobold_lite", root, messages);
    draft.header.user_name = Some(user).filter(|name| !name.is_empty());
    draft.header.character_name = Some(character).filter(|name| !name.is_empty());
    draft
}
