use serde_json::json;
use tavern_domain::clock::Timestamp;

use super::*;

mod archive;
mod bounds;
mod formats;
mod metadata;
mod round_trips;
mod silly_tavern;
mod time;

fn lines(lines: &[Value]) -> String {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    lines.join("\n")
}

fn read(text: &str) -> ImportedChat {
    read_chat(text.as_bytes(), &Limits::default()).expect("a good chat")
}

fn header() -> Value {
    json!({ "user_name": "You", "character_name": "Mira", "create_date": "2024-10-18@04h05m06s789ms", "chat_metadata": { "integrity": "x" } })
}

/// Of a chat whose only message is `message`.
fn only(message: Value) -> (ImportedMessage, Vec<String>) {
    let mut chat = read(&lines(&[header(), message]));
    (chat.messages.remove(0), chat.warnings)
}

fn texts(chat: &ImportedChat) -> Vec<&str> {
    chat.messages
        .iter()
        .map(|message| message.swipes[message.active].text.as_str())
        .collect()
}
