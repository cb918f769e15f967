//! Finds the card in the text chunks of a PNG or APNG. Pixels are never looked at.
//!
//! `ccv3` goes before `chara`; the chunks may stand anywhere, be compressed (zTXt, iTXt) and hold
//! base64 of any sloppiness or plain JSON. Inflation stops at the limit, so a bomb costs no memory.

use std::borrow::Cow;
use std::io::Read;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::Crc;
use flate2::read::ZlibDecoder;
use tavern_domain::Limits;

use super::{Card, CardError, read_json};

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Copies of a card that are tried before giving up; each may cost an inflation.
const MAX_TRIES: usize = 4;

/// Text, or text to be inflated, under one of the two keywords.
struct Candidate<'a> {
    is_v3: bool,
    is_compressed: bool,
    data: &'a [u8],
    has_good_crc: bool,
}

pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Card, CardError> {
    let mut warnings = Vec::new();
    let mut candidates = candidates(bytes, &mut warnings);
    candidates.sort_by_key(|candidate| !candidate.is_v3);
    if candidates.len() > 2 {
        warnings.push(format!(
            "The PNG holds {} cards; the first that can be read is used.",
            candidates.len()
        ));
    }
    let mut first_error = None;
    for candidate in candidates.iter().take(MAX_TRIES) {
        let mut warnings = warnings.clone();
        if first_error.is_some() {
            warnings.push("A copy of the card in the PNG cannot be read; another one was used.".into());
        }
        if !candidate.has_good_crc {
            warnings.push("The checksum of the card's chunk is wrong; the PNG may be damaged.".into());
        }
        let read = candidate
            .json(limits)
            .and_then(|json| read_json(&json, limits, warnings));
        match read {
            Ok(card) => return Ok(card),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or(CardError::NoCardInPng))
}

fn candidates<'a>(bytes: &'a [u8], warnings: &mut Vec<String>) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    let mut rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    loop {
        let Some((&[a, b, c, d, ref kind @ ..], body)) = rest.split_first_chunk::<8>() else {
            warnings.push("The PNG ends without its end mark; it may be cut off.".into());
            break;
        };
        let length = u32::from_be_bytes([a, b, c, d]);
        let Some((data, after)) = usize::try_from(length)
            .ok()
            .and_then(|length| body.split_at_checked(length))
        else {
            warnings.push("The PNG is cut off in the middle of a chunk.".into());
            break;
        };
        let Some((crc, after)) = after.split_first_chunk::<4>() else {
            warnings.push("The PNG is cut off at the end of a chunk.".into());
            found.extend(candidate(kind, data, false));
            break;
        };
        if kind == b"IEND" {
            break;
        }
        let mut candidate = candidate(kind, data, true);
        if let Some(candidate) = &mut candidate {
            let mut expected = Crc::new();
            expected.update(kind);
            expected.update(data);
            candidate.has_good_crc = u32::from_be_bytes(*crc) == expected.sum();
        }
        found.extend(candidate);
        rest = after;
    }
    found
}

fn candidate<'a>(kind: &[u8; 4], data: &'a [u8], has_good_crc: bool) -> Option<Candidate<'a>> {
    if !matches!(kind, b"tEXt" | b"zTXt" | b"iTXt") {
        return None;
    }
    let (keyword, value) = split_at_nul(data)?;
    let is_v3 = keyword.eq_ignore_ascii_case(b"ccv3");
    if !is_v3 && !keyword.eq_ignore_ascii_case(b"chara") {
        return None;
    }
    let (is_compressed, data) = match kind {
        b"tEXt" => (false, value),
        // One byte names the method; there is only one.
        b"zTXt" => (true, value.get(1..)?),
        _ => {
            let (_language, value_after) = split_at_nul(value.get(2..)?)?;
            let (_translated, text) = split_at_nul(value_after)?;
            (value.first() == Some(&1), text)
        }
    };
    Some(Candidate {
        is_v3,
        is_compressed,
        data,
        has_good_crc,
    })
}

fn split_at_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

impl Candidate<'_> {
    fn json(&self, limits: &Limits) -> Result<Vec<u8>, CardError> {
        let limit = limits.card_json_bytes;
        let too_large = || CardError::TooLarge { limit };
        // Base64 takes a third more, and its line breaks a little.
        let encoded_limit = limit.saturating_add(limit / 2).saturating_add(1024);
        let mut text = if self.is_compressed {
            Cow::Owned(inflate(self.data, encoded_limit).map_err(|problem| match problem {
                Inflation::TooLarge => too_large(),
                Inflation::Broken => CardError::Broken("its compressed chunk is damaged".into()),
            })?)
        } else {
            Cow::Borrowed(self.data)
        };
        // Some tools encode twice, and some not at all.
        for _ in 0..2 {
            if looks_like_json(&text) {
                break;
            }
            if text.len() > encoded_limit {
                return Err(too_large());
            }
            let decoded = decode_base64(&text);
            text = Cow::Owned(decoded.ok_or_else(|| CardError::Broken("its chunk is not base64".into()))?);
        }
        if text.len() > limit {
            return Err(too_large());
        }
        Ok(text.into_owned())
    }
}

enum Inflation {
    TooLarge,
    Broken,
}

fn inflate(data: &[u8], limit: usize) -> Result<Vec<u8>, Inflation> {
    let mut text = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    ZlibDecoder::new(data)
        .take(most)
        .read_to_end(&mut text)
        .map_err(|_| Inflation::Broken)?;
    if text.len() > limit {
        Err(Inflation::TooLarge)
    } else {
        Ok(text)
    }
}

fn looks_like_json(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    matches!(text.first(), Some(b'{' | b'['))
}

/// Both alphabets, with or without padding, through white space and NULs.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
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
