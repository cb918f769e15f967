//! Reads foreign JSON patiently: what is almost right is taken for what it was meant to be, and noted.
//!
//! Notes of one kind are counted, not listed, so that ten thousand entries with one fault make one
//! warning. Parsing is bounded in depth and in the number of values, since each takes many times the
//! memory that it takes in the text.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};
use tavern_domain::Limits;

pub(crate) type Object = Map<String, Value>;

/// Why a text is no JSON we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    Syntax { line: usize, column: usize },
    TooDeep { limit: usize },
    TooManyValues { limit: usize },
}

/// Text without its byte order mark and the NUL that C leaves behind; says whether bytes that are no
/// UTF-8 had to be replaced.
pub(crate) fn decode(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    let replaced = matches!(text, Cow::Owned(_));
    (text, replaced)
}

/// The value of `text`, and whether halves of characters had to be replaced in it. `values` is how many
/// values are still allowed, and is left without those in `text`.
pub(crate) fn parse(text: &str, limits: &Limits, values: &mut usize) -> Result<(Value, bool), JsonError> {
    let (depth, count) = measure(text);
    if depth > limits.card_json_depth {
        return Err(JsonError::TooDeep {
            limit: limits.card_json_depth,
        });
    }
    *values = values.checked_sub(count).ok_or(JsonError::TooManyValues {
        limit: limits.file_json_values,
    })?;
    serde_json::from_str(text).map(|value| (value, false)).or_else(|error| {
        let syntax = JsonError::Syntax {
            line: error.line(),
            column: error.column(),
        };
        let repaired = crate::card::json::without_lone_surrogates(text).ok_or(syntax)?;
        serde_json::from_str(&repaired)
            .map(|value| (value, true))
            .map_err(|_| syntax)
    })
}

/// The deepest nesting and the number of values, an empty list or object counted twice. Right for valid
/// JSON, which is all that matters.
fn measure(text: &str) -> (usize, usize) {
    let (mut depth, mut deepest, mut values) = (0_usize, 0, 1_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
                values = values.saturating_add(1);
            }
            b',' if !in_string => values = values.saturating_add(1),
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (deepest, values)
}

/// Whole numbers without a decimal point, as the programs write them that have one kind of number.
pub(crate) fn number(value: f64) -> Value {
    // Within 2^53 every whole number is exact.
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        #[allow(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// What was repaired, by field and kind.
#[derive(Debug)]
pub(crate) struct Notes {
    /// What the places are called: `entry`, `line`.
    unit: &'static str,
    rows: Vec<Row>,
    others: Vec<String>,
}

#[derive(Debug)]
struct Row {
    field: &'static str,
    problem: &'static str,
    first: usize,
    count: usize,
}

impl Notes {
    pub fn new(unit: &'static str) -> Self {
        Self {
            unit,
            rows: Vec::new(),
            others: Vec::new(),
        }
    }

    /// A whole sentence.
    pub fn say(&mut self, sentence: impl Into<String>) {
        self.others.push(sentence.into());
    }

    /// At a place counted from 1; 0 is the whole.
    pub fn at<'a>(&'a mut self, field: &'static str, place: usize) -> Note<'a> {
        Note {
            notes: self,
            field,
            place,
        }
    }

    fn add(&mut self, field: &'static str, place: usize, problem: &'static str) {
        let row = self
            .rows
            .iter_mut()
            .find(|row| row.field == field && row.problem == problem);
        match row {
            Some(row) => row.count += 1,
            None => self.rows.push(Row {
                field,
                problem,
                first: place,
                count: 1,
            }),
        }
    }

    /// Whole sentences, one for each kind of repair.
    pub fn into_warnings(self) -> Vec<String> {
        let mut warnings = self.others;
        warnings.extend(self.rows.into_iter().map(|row| {
            let Row { field, problem, .. } = row;
            let place = match (row.first, row.count) {
                (0, _) => String::new(),
                (first, 1) => format!(" ({} {first})", self.unit),
                (first, count) => format!(" ({} {first} and {} more)", self.unit, count - 1),
            };
            format!("`{field}` was {problem}{place}.")
        }));
        warnings
    }
}

/// Takes values out of one field. `None` is for what has no sensible reading: the default stays.
pub(crate) struct Note<'a> {
    notes: &'a mut Notes,
    field: &'static str,
    place: usize,
}

impl Note<'_> {
    pub fn add(&mut self, problem: &'static str) {
        self.notes.add(self.field, self.place, problem);
    }

    fn unusable<T>(&mut self, value: &Value) -> Option<T> {
        self.add(match value {
            Value::Null => "null; the default was used",
            Value::String(text) if text.trim().is_empty() => "an empty text; the default was used",
            _ => "of the wrong kind; the default was used",
        });
        None
    }

    pub fn text(&mut self, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => {
                self.add("not a text; it was taken as one");
                Some(value.to_string())
            }
            _ => self.unusable(value),
        }
    }

    pub fn flag(&mut self, value: &Value) -> Option<bool> {
        let flag = match value {
            Value::Bool(flag) => return Some(*flag),
            Value::Number(number) => number.as_f64().map(|number| number != 0.0),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        };
        match flag {
            Some(_) => self.add("not a truth value; it was taken as one"),
            None => return self.unusable(value),
        }
        flag
    }

    pub fn float(&mut self, value: &Value, least: f64, most: f64) -> Option<f64> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
            Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        };
        let Some(number) = number else {
            return self.unusable(value);
        };
        if !value.is_number() {
            self.add("not a number; it was taken as one");
        }
        if number < least || number > most {
            self.add("out of range; the nearest value was used");
        }
        Some(number.clamp(least, most))
    }

    /// Rounds halves away from zero.
    pub fn integer<T: TryFrom<i64>>(&mut self, value: &Value, least: T, most: T) -> Option<T>
    where
        i64: TryFrom<T>,
    {
        let bound = |bound| i64::try_from(bound).unwrap_or(i64::MAX);
        let (least, most) = (bound(least), bound(most));
        if let Some(whole) = value.as_i64().filter(|whole| (least..=most).contains(whole)) {
            return T::try_from(whole).ok();
        }
        #[allow(clippy::cast_precision_loss, reason = "bounds of 32 bits are exact")]
        let number = self.float(value, least as f64, most as f64)?;
        if number.fract() != 0.0 {
            self.add("not a whole number; it was rounded");
        }
        #[allow(clippy::cast_possible_truncation, reason = "clamped to the bounds")]
        T::try_from(number.round() as i64).ok()
    }

    /// Null is no fault where a field can be unset.
    pub fn optional<T>(&mut self, value: &Value, take: impl FnOnce(&mut Self, &Value) -> Option<T>) -> Option<T> {
        match value {
            Value::Null => None,
            // An empty input field of an editor.
            Value::String(text) if text.trim().is_empty() => self.unusable(value),
            _ => take(self, value),
        }
    }

    /// A list of texts; one text is split at its commas.
    pub fn texts(&mut self, value: &Value) -> Option<Vec<String>> {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.text(item)).collect()),
            Value::String(text) => {
                self.add("a text, not a list; it was split at its commas");
                Some(split_commas(text))
            }
            _ => self.unusable(value),
        }
    }
}

/// More parts than any list may have: what is cut here is refused there.
const MOST_PARTS: usize = 100_000;

/// The trimmed parts of `text`, blank ones left out.
pub(crate) fn split_commas(text: &str) -> Vec<String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.take(MOST_PARTS).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
