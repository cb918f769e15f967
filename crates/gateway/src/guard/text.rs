//! The text of a document, before the parser recurses into it.

use async_graphql::Pos;
use tavern_domain::Limits;

use crate::error::{ErrorCode, RequestError};

/// How deep brackets of all kinds may nest: selections, arguments and input values together.
/// Below the parser's own cap of 64 levels of selections, which does not count values.
const NESTING: usize = 48;

/// # Errors
/// QUERY_TOO_COMPLEX for too many bytes or tokens or too deep nesting; GRAPHQL_PARSE_FAILED for a
/// string without an end.
pub fn scan(text: &str, limits: &Limits) -> Result<(), RequestError> {
    if text.len() > limits.document_bytes {
        return Err(RequestError::too_complex("bytes", text.len(), limits.document_bytes));
    }
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut depth, mut deepest) = (0, 0_usize, 0_usize, 0);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += run(&bytes[at..], |byte| !matches!(byte, b'\n' | b'\r'));
                continue;
            }
            b'"' => string(&bytes[at..]).ok_or_else(|| unterminated(text, start))?,
            b'.' if bytes[at..].starts_with(b"...") => 3,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => run(&bytes[at..], |byte| byte == b'_' || byte.is_ascii_alphanumeric()),
            b'-' | b'0'..=b'9' => {
                1 + run(&bytes[at + 1..], |byte| {
                    matches!(byte, b'.' | b'+' | b'-') || byte.is_ascii_alphanumeric()
                })
            }
            b'{' | b'[' | b'(' => {
                depth += 1;
                deepest = deepest.max(depth);
                1
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => 1,
        };
        tokens += 1;
    }
    if tokens > limits.document_tokens {
        return Err(RequestError::too_complex("tokens", tokens, limits.document_tokens));
    }
    if deepest > NESTING {
        return Err(RequestError::too_complex("levels of brackets", deepest, NESTING));
    }
    Ok(())
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !belongs(byte)).unwrap_or(bytes.len())
}

/// The length of the string that `bytes` starts with; `None` if it does not end.
///
/// Text after a string without an end must not count as string: the parser may read it otherwise.
fn string(bytes: &[u8]) -> Option<usize> {
    let block = bytes.starts_with(br#"""""#);
    let mut at = if block { 3 } else { 1 };
    loop {
        let rest = bytes.get(at..)?;
        match (*rest.first()?, block) {
            (b'\\', true) if rest.starts_with(br#"\""""#) => at += 4,
            (b'"', true) if rest.starts_with(br#"""""#) => return Some(at + 3),
            (b'\\', false) => at += 2,
            (b'"', false) => return Some(at + 1),
            (b'\n' | b'\r', false) => return None,
            _ => at += 1,
        }
    }
}

fn unterminated(text: &str, offset: usize) -> RequestError {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let position = Pos {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    };
    RequestError::document(
        ErrorCode::ParseFailed,
        format!(
            "Syntax error at line {}, column {}: a string without an end.",
            position.line, position.column
        ),
    )
    .at(position)
}
