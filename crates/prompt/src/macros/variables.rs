//! The variables of a chat or an account, within their bounds.

use serde_json::Value;
use tavern_domain::chat::Variables;

use super::{MAX_VALUE_BYTES, MAX_VARIABLE_BYTES, MAX_VARIABLES};

/// Variables, what they weigh, and whether they were changed.
pub(super) struct Store {
    values: Variables,
    bytes: usize,
    is_changed: bool,
}

/// Why a variable stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no room.
    Full,
    /// It has to be a number, and is none.
    NoNumber,
    NoName,
}

impl Store {
    pub(super) fn new(values: Variables) -> Self {
        let bytes = values.iter().map(|(name, value)| name.len() + value.len()).sum();
        Self {
            values,
            bytes,
            is_changed: false,
        }
    }

    pub(super) fn finish(self) -> (Variables, bool) {
        (self.values, self.is_changed)
    }

    /// Empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        if name.is_empty() {
            return Err(Refused::NoName);
        }
        let old = self.values.get(name);
        if old.is_some_and(|old| old == value) {
            return Ok(());
        }
        let freed = old.map_or(0, |old| name.len() + old.len());
        let bytes = self.bytes - freed + name.len() + value.len();
        let is_one_too_many = freed == 0 && self.values.len() >= MAX_VARIABLES;
        // What shrinks an overfull store is welcome.
        let is_overfull = bytes > MAX_VARIABLE_BYTES && bytes > self.bytes;
        if is_one_too_many || is_overfull || value.len() > MAX_VALUE_BYTES {
            return Err(Refused::Full);
        }
        self.bytes = bytes;
        self.is_changed = true;
        self.values.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    pub(super) fn delete(&mut self, name: &str) {
        if let Some(value) = self.values.remove(name) {
            self.bytes -= name.len() + value.len();
            self.is_changed = true;
        }
    }

    /// Adds numbers, appends to a JSON list or else to the text.
    pub(super) fn add(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        let old = self.get(name);
        let sum = match (number_or_zero(old), number(value)) {
            (Some(old), Some(value)) => format_number(old + value),
            _ => appended_to_list(old, value).unwrap_or_else(|| format!("{old}{value}")),
        };
        self.set(name, &sum)
    }

    /// Adds `by` to a number (nothing counts as 0), and gives the sum.
    pub(super) fn count(&mut self, name: &str, by: f64) -> Result<String, Refused> {
        let old = number_or_zero(self.get(name)).ok_or(Refused::NoNumber)?;
        let sum = format_number(old + by);
        self.set(name, &sum)?;
        Ok(sum)
    }
}

fn appended_to_list(list: &str, value: &str) -> Option<String> {
    if !list.starts_with('[') {
        return None;
    }
    let mut list: Vec<Value> = serde_json::from_str(list).ok()?;
    list.push(Value::from(value));
    serde_json::to_string(&list).ok()
}

/// The decimal number that `text` is.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.len() > 64 {
        return None;
    }
    // Rust reads "inf" and "nan" as numbers, too.
    let is_decimal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(is_decimal) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// As [`number`]; nothing is 0.
pub(super) fn number_or_zero(text: &str) -> Option<f64> {
    if text.trim().is_empty() {
        Some(0.0)
    } else {
        number(text)
    }
}

fn format_number(number: f64) -> String {
    // Not "-0".
    if number == 0.0 {
        "0".to_owned()
    } else {
        number.to_string()
    }
}
