//! Finds the card in a WEBP: the user comment of its EXIF block, or its XMP block. No specification
//! has this; old front ends wrote it.

use std::borrow::Cow;

use tavern_domain::Limits;

use super::warnings::Warnings;
use super::{Card, CardError, CardForm, Picture, PictureKind, encoding, json, read_json};

const EXIF_IFD: u16 = 0x8769;
const USER_COMMENT: u16 = 0x9286;

pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Card, CardError> {
    let texts = riff_chunks(bytes).filter_map(|(kind, data)| match kind {
        b"EXIF" => user_comment(data),
        b"XMP " => xmp_text(data).map(Cow::Owned),
        _ => None,
    });
    let mut first_error = None;
    // One block of each kind is what the format allows.
    for text in texts.take(2) {
        match read_comment(text, limits) {
            Ok(card) => return Ok(card),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or(CardError::NoCard("WEBP")))
}

fn read_comment(text: Cow<'_, [u8]>, limits: &Limits) -> Result<Card, CardError> {
    let mut warnings = Warnings::default();
    let text = listed_bytes(&text).map_or(text, Cow::Owned);
    let bytes = encoding::unwrap_json(text, limits)?;
    let text = json::text(&bytes, limits, &mut warnings)?;
    let parsed = json::parse(text, limits, &mut warnings)?;
    let mut card = read_json(parsed, CardForm::Webp, limits, warnings)?;
    card.picture = Some(Picture {
        kind: PictureKind::Webp,
        bytes: None,
    });
    Ok(card)
}

/// The chunks of a RIFF file that are whole; each is padded to an even length.
fn riff_chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = bytes.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (kind, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        // A writer that miscounts its last chunk loses no card by it.
        let (data, after) = after.split_at_checked(length).unwrap_or((after, &[]));
        rest = after.get(length % 2..).unwrap_or_default();
        Some((kind, data))
    })
}

/// Some front ends wrote a card as its bytes in decimal, with commas between.
fn listed_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.starts_with(|letter: char| letter.is_ascii_digit()) || !text.contains(',') {
        return None;
    }
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

struct Tiff<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
}

impl Tiff<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk::<2>()?;
        Some(if self.is_big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    fn usize(&self, at: usize) -> Option<usize> {
        let bytes = *self.bytes.get(at..)?.first_chunk::<4>()?;
        let number = if self.is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        };
        usize::try_from(number).ok()
    }

    /// Where the entry of `tag` is in the directory at `directory`.
    fn entry(&self, directory: usize, tag: u16) -> Option<usize> {
        let count = usize::from(self.u16(directory)?);
        let start = directory.checked_add(2)?;
        (0..count)
            .filter_map(|index| start.checked_add(index * 12))
            .find(|at| self.u16(*at) == Some(tag))
    }
}

fn user_comment(data: &[u8]) -> Option<Cow<'_, [u8]>> {
    let bytes = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
    let tiff = Tiff {
        bytes,
        is_big_endian: bytes.starts_with(b"MM"),
    };
    let main = tiff.usize(4)?;
    let directory = tiff
        .entry(main, EXIF_IFD)
        .and_then(|entry| tiff.usize(entry.checked_add(8)?));
    let at = directory
        .and_then(|directory| tiff.entry(directory, USER_COMMENT))
        .or_else(|| tiff.entry(main, USER_COMMENT))?;
    let length = tiff.usize(at.checked_add(4)?)?;
    let start = tiff.usize(at.checked_add(8)?)?;
    let value = bytes.get(start..)?;
    // Written lengths are wrong oftener than texts are followed by something.
    let value = value.get(..length).unwrap_or(value);
    let text = match value.split_first_chunk::<8>() {
        Some((b"UNICODE\0", units)) => {
            let mark: &[u8] = match units {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => &[],
                _ if tiff.is_big_endian => &[0xfe, 0xff],
                _ => &[0xff, 0xfe],
            };
            let marked = [mark, units].concat();
            let (text, _) = encoding::to_text(&marked);
            return Some(Cow::Owned(trim(text.as_bytes()).to_vec()));
        }
        Some((b"ASCII\0\0\0" | b"JIS\0\0\0\0\0" | b"\0\0\0\0\0\0\0\0", text)) => text,
        _ => value,
    };
    Some(Cow::Borrowed(trim(text)))
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., 0 | b' '] = text {
        text = rest;
    }
    text
}

/// The first of the names under which a card can stand in XMP: as an attribute, or as an element's text.
fn xmp_text(data: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(data).ok()?;
    ["ccv3", "chara", "UserComment"].into_iter().find_map(|name| {
        let (_, after) = text.split_once(&format!(":{name}"))?;
        let value = match after.trim_start().strip_prefix('=') {
            Some(quoted) => {
                let quoted = quoted.trim_start();
                let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
                quoted.get(1..)?.split(quote).next()?
            }
            // Inside alternatives by language, the text is in the innermost element.
            None => {
                let (inner, _) = after.split_once(&format!(":{name}>"))?;
                inner.split('>').find_map(|part| {
                    let (value, _) = part.split_once('<')?;
                    Some(value).filter(|value| !value.trim().is_empty())
                })?
            }
        };
        Some(unescape(value.trim()).into_bytes())
    })
}

fn unescape(text: &str) -> String {
    // The ampersand comes last: what it was escaped from is no second escape.
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (escape, letter)| text.replace(escape, letter))
}
