//! Whether what came out is what was expected: fields that are not named do not matter.

use serde_json::Value;

/// Where `found` is not as `expected`; nothing if it is.
///
/// Objects need the fields that are expected; lists are compared item by item; `{"contains": "…"}` wants a text
/// with these words in it; numbers are compared by value.
#[must_use]
pub fn difference(expected: &Value, found: &Value, at: &str) -> Option<String> {
    let differs = || Some(format!("{at}: expected {expected}, found {found}"));
    match (expected, found) {
        (Value::Object(wanted), Value::String(text)) if wanted.len() == 1 => match wanted.get("contains") {
            Some(Value::String(part)) if text.contains(part.as_str()) => None,
            _ => differs(),
        },
        (Value::Object(wanted), Value::Object(have)) => wanted.iter().find_map(|(name, value)| {
            let at = if at.is_empty() {
                name.clone()
            } else {
                format!("{at}.{name}")
            };
            difference(value, have.get(name).unwrap_or(&Value::Null), &at)
        }),
        (Value::Array(wanted), Value::Array(have)) if wanted.len() != have.len() => Some(format!(
            "{at}: expected {} items, found {}: {found}",
            wanted.len(),
            have.len()
        )),
        (Value::Array(wanted), Value::Array(have)) => wanted
            .iter()
            .zip(have)
            .enumerate()
            .find_map(|(index, (wanted, have))| difference(wanted, have, &format!("{at}[{index}]"))),
        (Value::Number(wanted), Value::Number(have)) => (wanted.as_f64() != have.as_f64()).then(differs).flatten(),
        _ => (expected != found).then(differs).flatten(),
    }
}

#[cfg(test)]
mod tests;
