//! Lenient reading of one section's fields.

use serde_json::{Map, Value};
use tavern_domain::chat::ChatRole;

/// The most warnings of one section; a hostile one has as many mistakes as fields.
const WARNINGS: usize = 20;

/// A section, and what was wrong with it.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    section: &'static str,
    fields: &'a Map<String, Value>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(section: &'static str, fields: &'a Map<String, Value>) -> Self {
        Self {
            section,
            fields,
            warnings: Vec::new(),
        }
    }

    pub(super) fn warn(&mut self, text: &str) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(format!("{}: {text}", self.section));
        }
    }

    /// The field's value; `None` if it is missing or null.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn read<T>(&mut self, name: &str, kind: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value(name)?;
        let parsed = read(value);
        if parsed.is_none() && value.as_str().is_none_or(|text| !text.trim().is_empty()) {
            self.warn(&format!("{} is no {kind} and was left out.", shortened(name)));
        }
        parsed
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.read(name, "text", |value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, "yes or no", |value| match value {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => number.as_f64().map(|number| number != 0.0),
            Value::String(text) => match text.trim() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        })
    }

    pub(super) fn number(&mut self, name: &str) -> Option<f64> {
        self.read(name, "number", number)
    }

    /// A whole number; fractions are cut off, and what is out of range stops at its end.
    pub(super) fn integer(&mut self, name: &str) -> Option<i64> {
        self.read(name, "number", integer)
    }

    /// As [`Self::integer`]; what is below 0 is no count.
    pub(super) fn count(&mut self, name: &str) -> Option<u32> {
        self.read(name, "count", |value| count(integer(value)?))
    }

    /// Texts of a list; what is no text is left out.
    pub(super) fn texts(&mut self, name: &str) -> Vec<String> {
        self.read(name, "list", Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    }

    /// `system`, `user`, `assistant`, or SillyTavern's 0, 1, 2.
    pub(super) fn role(&mut self, name: &str) -> Option<ChatRole> {
        self.read(name, "role", |value| match value {
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "system" | "0" => Some(ChatRole::System),
                "user" | "1" => Some(ChatRole::User),
                "assistant" | "model" | "2" => Some(ChatRole::Assistant),
                _ => None,
            },
            Value::Number(number) => match number.as_i64()? {
                0 => Some(ChatRole::System),
                1 => Some(ChatRole::User),
                2 => Some(ChatRole::Assistant),
                _ => None,
            },
            _ => None,
        })
    }
}

/// A name as far as a message can show it.
pub(super) fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(60)).unwrap_or_default()
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| number(value).map(|number| number as i64))
}

pub(super) fn count(number: i64) -> Option<u32> {
    (number >= 0).then(|| u32::try_from(number).unwrap_or(u32::MAX))
}
