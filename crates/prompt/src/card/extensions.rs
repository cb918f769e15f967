//! Reads what applications keep in a card's extensions. All of it works on [`Card::extensions`](super::Card),
//! fresh or stored; what is missing or of another kind is `None` or empty, never an error.

use serde_json::{Map, Value};

/// A note of the character that is put into the chat at a depth (SillyTavern's `depth_prompt`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepthPrompt {
    /// Never blank.
    pub prompt: String,
    /// Messages from the end; 0 is after the last one.
    pub depth: u32,
    pub role: DepthPromptRole,
}

/// In whose name a [`DepthPrompt`] speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DepthPromptRole {
    #[default]
    System,
    User,
    Assistant,
}

/// What SillyTavern takes where a card says nothing.
const DEFAULT_DEPTH: u32 = 4;

fn data(extensions: &Value) -> Option<&Map<String, Value>> {
    extensions.get("data")?.as_object()
}

fn extension<'a>(extensions: &'a Value, key: &str) -> Option<&'a Value> {
    data(extensions)?.get("extensions")?.get(key)
}

/// The world book in the card, as it came.
#[must_use]
pub fn character_book(extensions: &Value) -> Option<&Value> {
    data(extensions)?.get("character_book").filter(|book| book.is_object())
}

/// `None` if there is nothing to say. A depth that is no number is the default.
#[must_use]
pub fn depth_prompt(extensions: &Value) -> Option<DepthPrompt> {
    let value = extension(extensions, "depth_prompt")?;
    let prompt = value.get("prompt")?.as_str()?;
    if prompt.trim().is_empty() {
        return None;
    }
    let depth = value.get("depth").and_then(number).unwrap_or(f64::from(DEFAULT_DEPTH));
    Some(DepthPrompt {
        prompt: prompt.to_owned(),
        // The cast saturates, and a depth beyond any chat is its beginning.
        depth: depth.max(0.0) as u32,
        role: match value.get("role") {
            Some(Value::String(role)) if role.eq_ignore_ascii_case("user") => DepthPromptRole::User,
            Some(Value::String(role)) if role.eq_ignore_ascii_case("assistant") => DepthPromptRole::Assistant,
            Some(Value::Number(role)) if role.as_u64() == Some(1) => DepthPromptRole::User,
            Some(Value::Number(role)) if role.as_u64() == Some(2) => DepthPromptRole::Assistant,
            _ => DepthPromptRole::System,
        },
    })
}

/// How readily the character speaks up in a group, 0 to 1; `None` where the card does not say.
#[must_use]
pub fn talkativeness(extensions: &Value) -> Option<f64> {
    let root = || extensions.get("root")?.get("talkativeness");
    let flat = || data(extensions)?.get("talkativeness");
    let value = extension(extensions, "talkativeness").or_else(root).or_else(flat)?;
    number(value).map(|number| number.clamp(0.0, 1.0))
}

/// SillyTavern's regular-expression scripts of the character, as they came.
#[must_use]
pub fn regex_scripts(extensions: &Value) -> &[Value] {
    extension(extensions, "regex_scripts")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The name of a world book that the card wants beside its own.
#[must_use]
pub fn world_name(extensions: &Value) -> Option<&str> {
    extension(extensions, "world")?
        .as_str()
        .filter(|name| !name.trim().is_empty())
}

/// A finite number, also where it is spelt as a text.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    }
    .filter(|number: &f64| number.is_finite())
}
