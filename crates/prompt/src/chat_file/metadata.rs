//! What of `chat_metadata` has a field of ours. Unknown fields stay as they are.

use serde_json::Value;
use tavern_domain::chat::{AuthorsNote, ChatRole, NotePosition, Variables};

use crate::lenient::{Notes, Object};

/// By SillyTavern's numbers.
const POSITIONS: [NotePosition; 3] = [
    NotePosition::AfterPrompt,
    NotePosition::InChat,
    NotePosition::BeforePrompt,
];
const ROLES: [ChatRole; 3] = [ChatRole::System, ChatRole::User, ChatRole::Assistant];

/// The author's note of a chat; `None` if there is none.
#[must_use]
pub fn authors_note(metadata: &Value) -> Option<AuthorsNote> {
    let content = metadata.get("note_prompt")?.as_str().filter(|text| !text.is_empty())?;
    let mut notes = Notes::new("");
    let mut number = |name: &'static str| {
        let value = metadata.get(name)?;
        notes.at(name, 0).integer(value, 0, i32::MAX as u32)
    };
    let index = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
    let default = AuthorsNote::default();
    Some(AuthorsNote {
        content: content.to_owned(),
        position: index(number("note_position"))
            .and_then(|index| POSITIONS.get(index).copied())
            .unwrap_or(default.position),
        depth: number("note_depth").unwrap_or(default.depth),
        role: index(number("note_role"))
            .and_then(|index| ROLES.get(index).copied())
            .unwrap_or(default.role),
        interval: number("note_interval").unwrap_or(default.interval),
    })
}

/// Makes `note` the one of the chat.
pub fn put_authors_note(metadata: &mut Value, note: &AuthorsNote) {
    let at = |found: Option<usize>| Value::from(found.unwrap_or_default());
    let fields = [
        ("note_prompt", Value::from(note.content.as_str())),
        ("note_interval", Value::from(note.interval)),
        (
            "note_position",
            at(POSITIONS.iter().position(|it| *it == note.position)),
        ),
        ("note_depth", Value::from(note.depth)),
        ("note_role", at(ROLES.iter().position(|it| *it == note.role))),
    ];
    let metadata = object(metadata);
    for (name, value) in fields {
        metadata.insert(name.to_owned(), value);
    }
}

/// The variables of a chat; what is no text is written as JSON.
#[must_use]
pub fn variables(metadata: &Value) -> Variables {
    let variables = metadata.get("variables").and_then(Value::as_object);
    let texts = variables.into_iter().flatten().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), text)
    });
    texts.collect()
}

/// Makes `variables` those of the chat; one that says the same as before keeps its kind.
pub fn put_variables(metadata: &mut Value, variables: &Variables) {
    let was = self::variables(metadata);
    let slot = object(metadata).entry("variables").or_insert(Value::Null);
    let before = object(slot);
    let now = variables.iter().map(|(name, text)| {
        let same = before.get(name).filter(|_| was.get(name) == Some(text));
        (
            name.clone(),
            same.cloned().unwrap_or_else(|| Value::from(text.as_str())),
        )
    });
    *before = now.collect();
}

fn object(value: &mut Value) -> &mut Object {
    if !value.is_object() {
        *value = Value::Object(Object::new());
    }
    value.as_object_mut().expect("it has just been made one")
}
