//! From text to JSON: bounded in size and depth, repaired where JSON's own parser gives up.

use std::borrow::Cow;

use serde_json::Value;
use tavern_domain::Limits;

use super::warnings::Warnings;
use super::{CardError, encoding, repair};

/// JSON as it came, and what it says.
pub(super) struct Parsed {
    pub text: String,
    pub value: Value,
}

/// The text in `bytes`, within the limit.
pub(super) fn text(bytes: &[u8], limits: &Limits, warnings: &mut Warnings) -> Result<String, CardError> {
    let limit = limits.card_json_bytes;
    if bytes.len() > limit {
        return Err(CardError::TooLarge { limit });
    }
    let (text, guessed) = encoding::to_text(bytes);
    if let Some(guessed) = guessed {
        warnings.push(guessed);
    }
    // Some writers count the end of a C string as text.
    Ok(text.trim_end_matches('\0').to_owned())
}

pub(super) fn parse(text: String, limits: &Limits, warnings: &mut Warnings) -> Result<Parsed, CardError> {
    let (_, value) = repaired(&text, limits, warnings)?;
    Ok(Parsed { text, value })
}

/// The value of `text`, and the text as JSON's grammar wants it.
pub(super) fn repaired<'a>(
    text: &'a str,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<(Cow<'a, str>, Value), CardError> {
    let size = measure(text);
    if size.depth > limits.card_json_depth {
        return Err(CardError::TooDeep {
            limit: limits.card_json_depth,
        });
    }
    if size.values > limits.card_json_values {
        return Err(CardError::TooMany {
            limit: limits.card_json_values,
        });
    }
    match serde_json::from_str(text) {
        Ok(value) => Ok((text.into(), value)),
        Err(error) => {
            let (repaired, repairs) = repair::repair(text);
            if repairs.is_empty() {
                return Err(broken(&error));
            }
            let value = serde_json::from_str(&repaired).map_err(|error| broken(&error))?;
            for repair in repairs {
                warnings.push(repair);
            }
            Ok((repaired.into(), value))
        }
    }
}

fn broken(error: &serde_json::Error) -> CardError {
    CardError::Broken(format!(
        "it is not valid JSON at line {}, column {}",
        error.line(),
        error.column()
    ))
}

struct Size {
    /// The deepest nesting.
    depth: usize,
    /// Commas, lists and objects.
    values: usize,
}

/// Strings left aside. Exact for valid JSON, which is all that matters.
fn measure(text: &str) -> Size {
    let mut size = Size { depth: 0, values: 0 };
    let mut depth = 0_usize;
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                size.depth = size.depth.max(depth);
                size.values += 1;
            }
            b',' => size.values += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    size
}
