//! From the bytes a file carries to text: character encodings, and base64 of any sloppiness.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tavern_domain::Limits;

use super::CardError;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What Windows-1252 has where Latin-1 has control characters; unused places stay control characters.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
}

/// The text without its byte order mark, and what had to be guessed.
pub(super) fn to_text(bytes: &[u8]) -> (Cow<'_, str>, Option<&'static str>) {
    if is_utf16(bytes) {
        let (pairs, _) = bytes.get(2..).unwrap_or_default().as_chunks::<2>();
        let read = if bytes.first() == Some(&0xff) {
            u16::from_le_bytes
        } else {
            u16::from_be_bytes
        };
        let units: Vec<u16> = pairs.iter().map(|pair| read(*pair)).collect();
        return (
            String::from_utf16_lossy(&units).into(),
            Some("The card is UTF-16; it was read as such."),
        );
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.into(), None),
        Err(_) => (
            mixed(bytes).into(),
            Some("Some bytes of the card are not UTF-8; they were read as Windows-1252."),
        ),
    }
}

fn mixed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&byte| {
            let place = usize::from(byte).checked_sub(0x80);
            place
                .and_then(|place| WINDOWS_1252.get(place))
                .copied()
                .unwrap_or_else(|| char::from(byte))
        }));
    }
    text
}

/// The bytes of the JSON that a picture carries as `text`: plain, as base64, or as base64 of that.
pub(super) fn unwrap_json<'a>(text: impl Into<Cow<'a, [u8]>>, limits: &Limits) -> Result<Cow<'a, [u8]>, CardError> {
    let limit = limits.card_json_bytes;
    let mut text = text.into();
    for _ in 0..2 {
        if looks_like_json(&text) {
            break;
        }
        if text.starts_with(b"rcc||") {
            return Err(CardError::Broken("it is encrypted for RisuAI".into()));
        }
        if text.len() > encoded_limit(limits) {
            return Err(CardError::TooLarge { limit });
        }
        text = decode_base64(&text)
            .ok_or_else(|| CardError::Broken("its text is neither JSON nor base64".into()))?
            .into();
    }
    if text.len() > limit {
        return Err(CardError::TooLarge { limit });
    }
    Ok(text)
}

/// Base64 takes a third more, and its line breaks a little.
pub(super) const fn encoded_limit(limits: &Limits) -> usize {
    let limit = limits.card_json_bytes;
    limit.saturating_add(limit / 2).saturating_add(1024)
}

fn looks_like_json(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    matches!(text.first(), Some(b'{' | b'['))
}

/// Both alphabets, with or without padding, through white space and NULs.
pub(super) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    if let Ok(bytes) = LENIENT.decode(text) {
        return Some(bytes);
    }
    let clean: Vec<u8> = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0 | b'='))
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    LENIENT.decode(clean).ok()
}
