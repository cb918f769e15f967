//! From bytes to JSON: byte order mark, encoding, depth, broken escapes.

use serde_json::Value;
use tavern_domain::Limits;

use super::CardError;

/// The text as it was, and its value.
pub(super) fn parse(bytes: &[u8], limits: &Limits, warnings: &mut Vec<String>) -> Result<(String, Value), CardError> {
    if bytes.len() > limits.card_json_bytes {
        return Err(CardError::TooLarge {
            limit: limits.card_json_bytes,
        });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            warnings.push("Some bytes of the card are not UTF-8; they were replaced.".into());
            String::from_utf8_lossy(bytes).into_owned()
        }
    };
    // Some writers count the end of a C string as text.
    let text = match text.trim_end_matches('\0').len() {
        end if end < text.len() => text[..end].to_owned(),
        _ => text,
    };
    if depth(&text) > limits.card_json_depth {
        return Err(CardError::TooDeep {
            limit: limits.card_json_depth,
        });
    }
    let value = match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(error) => {
            let repaired = without_lone_surrogates(&text).ok_or_else(|| broken(&error))?;
            let value = serde_json::from_str(&repaired).map_err(|error| broken(&error))?;
            warnings.push("The card holds halves of characters; they were replaced.".into());
            value
        }
    };
    Ok((text, value))
}

fn broken(error: &serde_json::Error) -> CardError {
    CardError::Broken(format!(
        "it is not valid JSON at line {}, column {}",
        error.line(),
        error.column()
    ))
}

/// The deepest nesting, strings left aside. Exact for valid JSON, which is all that matters.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Replaces escapes of single surrogates, which no UTF-8 string can hold. `None` if there are none.
pub(crate) fn without_lone_surrogates(text: &str) -> Option<String> {
    let unit = |at: usize| {
        let escape = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(escape, 16).ok()
    };
    let mut repaired = String::with_capacity(text.len());
    let (mut rest_from, mut at, mut found) = (0, 0, false);
    while let Some(offset) = text[at..].find('\\') {
        let start = at + offset;
        at = match unit(start) {
            Some(0xd800..=0xdbff) if matches!(unit(start + 6), Some(0xdc00..=0xdfff)) => start + 12,
            Some(0xd800..=0xdfff) => {
                found = true;
                repaired.push_str(&text[rest_from..start]);
                repaired.push_str("\\ufffd");
                rest_from = start + 6;
                rest_from
            }
            // An escape is a backslash and a character of any width.
            _ => start + 1 + text[start + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    repaired.push_str(&text[rest_from..]);
    found.then_some(repaired)
}
