//! Finds the card and its assets in the text chunks of a PNG or APNG. Pixels are never looked at.
//!
//! `ccv3` goes before `chara`; the chunks may stand anywhere, be compressed (zTXt, iTXt) and hold
//! base64 of any sloppiness or plain JSON. Inflation stops at the limit, so a bomb costs no memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

use flate2::read::ZlibDecoder;
use serde_json::Value;
use tavern_domain::Limits;

use super::warnings::Warnings;
use super::{Card, CardError, CardForm, Object, Picture, PictureKind, assets, encoding, json, read_json};

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Copies of a card that are looked at; each may cost an inflation.
const MAX_TRIES: usize = 4;
const ASSET_PREFIX: &[u8] = b"chara-ext-asset_";

pub(super) struct Chunk<'a> {
    pub kind: [u8; 4],
    pub data: &'a [u8],
    /// `None` where the file ends before it.
    pub crc: Option<u32>,
    /// Of the whole chunk in the file.
    pub range: Range<usize>,
}

/// How a file ends, and where what ends it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Mark(usize),
    /// Right after a chunk.
    Missing(usize),
    InChunk(usize),
}

/// Visits the chunks before the end mark.
pub(super) fn walk<'a>(bytes: &'a [u8], mut visit: impl FnMut(Chunk<'a>)) -> End {
    let mut at = SIGNATURE.len();
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some((&[a, b, c, d, ref kind @ ..], body)) = rest.split_first_chunk::<8>() else {
            return if rest.is_empty() {
                End::Missing(at)
            } else {
                End::InChunk(at)
            };
        };
        if kind == b"IEND" {
            return End::Mark(at);
        }
        let Some((data, after)) = usize::try_from(u32::from_be_bytes([a, b, c, d]))
            .ok()
            .and_then(|length| body.split_at_checked(length))
        else {
            return End::InChunk(at);
        };
        let crc = after.first_chunk::<4>().map(|crc| u32::from_be_bytes(*crc));
        let end = crc.map_or(bytes.len(), |_| at + data.len() + 12);
        visit(Chunk {
            kind: *kind,
            data,
            crc,
            range: at..end,
        });
        if crc.is_none() {
            return End::InChunk(at);
        }
        at = end;
    }
}

/// Text, or text to be inflated, under one of the two keywords.
struct Candidate<'a> {
    is_v3: bool,
    is_compressed: bool,
    data: &'a [u8],
    has_good_crc: bool,
}

/// A copy of the card that is JSON.
struct Copy {
    is_v3: bool,
    has_good_crc: bool,
    parsed: json::Parsed,
    warnings: Warnings,
}

pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Card, CardError> {
    let mut warnings = Warnings::default();
    let Found {
        mut cards,
        card_count,
        assets: asset_chunks,
    } = search(bytes, limits.card_assets, &mut warnings);
    cards.sort_by_key(|candidate| !candidate.is_v3);
    let mut first_error = None;
    let mut copies = Vec::new();
    for candidate in cards.into_iter().take(MAX_TRIES) {
        match candidate.read(limits) {
            Ok(copy) if copy.parsed.value.as_object().is_some_and(|root| !root.is_empty()) => copies.push(copy),
            Ok(_) => first_error = first_error.or(Some(CardError::OtherData("no character card"))),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    if card_count > MAX_TRIES {
        warnings.push(format!(
            "The PNG holds {card_count} cards; {MAX_TRIES} of them were looked at."
        ));
    }
    tell_differences(&copies, &mut warnings);
    for copy in copies {
        let mut warnings = warnings.clone();
        if first_error.is_some() {
            warnings.push("A copy of the card in the PNG cannot be read; another one was used.");
        }
        if !copy.has_good_crc {
            warnings.push("The checksum of the card's chunk is wrong; the PNG may be damaged.");
        }
        for warning in Vec::from(copy.warnings) {
            warnings.push(warning);
        }
        match read_json(copy.parsed, CardForm::Png, limits, warnings) {
            Ok(mut card) => {
                card.picture = Some(Picture {
                    kind: PictureKind::Png,
                    bytes: None,
                });
                let mut told = std::mem::take(&mut card.warnings);
                assets::locate_chunks(&mut card, asset_chunks, limits, &mut told);
                card.warnings = told;
                return Ok(card);
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or(CardError::NoCard("PNG")))
}

/// Writers put copies of one card under both keywords; where the copies disagree, one is hidden.
fn tell_differences(copies: &[Copy], warnings: &mut Warnings) {
    let Some((used, others)) = copies.split_first() else {
        return;
    };
    let keyword = |copy: &Copy| if copy.is_v3 { "ccv3" } else { "chara" };
    let Some(mine) = data_of(used) else {
        return;
    };
    for other in others {
        let Some(theirs) = data_of(other) else {
            continue;
        };
        // V3 has fields that a V2 copy lacks by right, and what is blank may as well be missing.
        let differing: Vec<_> = theirs
            .iter()
            .filter(|(field, value)| {
                let mine = mine.get(*field).unwrap_or(&Value::Null);
                mine != *value && !(is_blank(mine) && is_blank(value))
            })
            .filter(|(field, _)| !matches!(field.as_str(), "spec" | "spec_version"))
            .map(|(field, _)| format!("`{}`", field.chars().take(80).collect::<String>()))
            .take(6)
            .collect();
        if !differing.is_empty() {
            warnings.push(format!(
                "The PNG's cards differ in {}; the first one under `{}` was used, not the one under `{}`.",
                differing.join(", "),
                keyword(used),
                keyword(other)
            ));
        }
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn data_of(copy: &Copy) -> Option<&Object> {
    let root = copy.parsed.value.as_object()?;
    Some(root.get("data").and_then(Value::as_object).unwrap_or(root))
}

struct Found<'a> {
    /// At most as many of each keyword as are tried.
    cards: Vec<Candidate<'a>>,
    card_count: usize,
    /// Where the texts of the assets are, by their path. Of assets with one path, the first counts.
    assets: BTreeMap<String, Range<usize>>,
}

fn search<'a>(bytes: &'a [u8], most_assets: usize, warnings: &mut Warnings) -> Found<'a> {
    let mut found = Found {
        cards: Vec::new(),
        card_count: 0,
        assets: BTreeMap::new(),
    };
    let mut tried = [0; 2];
    let end = walk(bytes, |chunk| {
        if let Some(is_v3) = card_kind(&chunk) {
            found.card_count += 1;
            let tried = &mut tried[usize::from(is_v3)];
            if *tried < MAX_TRIES {
                *tried += 1;
                found.cards.extend(candidate(&chunk, is_v3));
            }
        } else if found.assets.len() < most_assets
            && let Some((path, length)) = asset(&chunk)
        {
            // The text ends where the data does.
            let end = chunk.range.start + 8 + chunk.data.len();
            found.assets.entry(path).or_insert(end - length..end);
        }
    });
    match end {
        End::Mark(_) => {}
        End::Missing(_) => warnings.push("The PNG ends without its end mark; it may be cut off."),
        End::InChunk(_) => warnings.push("The PNG is cut off in the middle of a chunk."),
    }
    found
}

/// The path of an asset's chunk, and how many bytes its text has.
pub(super) fn asset(chunk: &Chunk<'_>) -> Option<(String, usize)> {
    if &chunk.kind != b"tEXt" {
        return None;
    }
    let (path, text) = split_at_nul(chunk.data.strip_prefix(ASSET_PREFIX)?)?;
    let path = path.strip_prefix(b":").unwrap_or(path);
    Some((String::from_utf8_lossy(path).into_owned(), text.len()))
}

/// Whether the chunk is a card's, and then whether its keyword is that of V3.
pub(super) fn card_kind(chunk: &Chunk<'_>) -> Option<bool> {
    if !matches!(&chunk.kind, b"tEXt" | b"zTXt" | b"iTXt") {
        return None;
    }
    let (keyword, _) = split_at_nul(chunk.data)?;
    let is_v3 = keyword.eq_ignore_ascii_case(b"ccv3");
    (is_v3 || keyword.eq_ignore_ascii_case(b"chara")).then_some(is_v3)
}

fn candidate<'a>(chunk: &Chunk<'a>, is_v3: bool) -> Option<Candidate<'a>> {
    let (_, value) = split_at_nul(chunk.data)?;
    let (is_compressed, data) = match &chunk.kind {
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
        has_good_crc: chunk.crc == Some(crc(&chunk.kind, chunk.data)),
    })
}

fn crc(kind: &[u8; 4], data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(kind);
    hasher.update(data);
    hasher.finalize()
}

fn split_at_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(0, bytes)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

impl Candidate<'_> {
    fn read(self, limits: &Limits) -> Result<Copy, CardError> {
        let text = if self.is_compressed {
            Cow::Owned(inflate(self.data, limits)?)
        } else {
            Cow::Borrowed(self.data)
        };
        let bytes = encoding::unwrap_json(text, limits)?;
        let mut warnings = Warnings::default();
        let text = json::text(&bytes, limits, &mut warnings)?;
        let parsed = json::parse(text, limits, &mut warnings)?;
        Ok(Copy {
            is_v3: self.is_v3,
            has_good_crc: self.has_good_crc,
            parsed,
            warnings,
        })
    }
}

fn inflate(data: &[u8], limits: &Limits) -> Result<Vec<u8>, CardError> {
    let limit = encoding::encoded_limit(limits);
    let mut text = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    ZlibDecoder::new(data)
        .take(most)
        .read_to_end(&mut text)
        .map_err(|_| CardError::Broken("its compressed chunk is damaged".into()))?;
    if text.len() > limit {
        return Err(CardError::TooLarge {
            limit: limits.card_json_bytes,
        });
    }
    Ok(text)
}

/// The chunks of assets, by their path and decoded; those that are damaged are left out.
pub(super) fn assets(picture: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let chunks = search(picture, usize::MAX, &mut Warnings::default()).assets;
    let decoded = |(path, range): (String, Range<usize>)| {
        let bytes = encoding::decode_base64(picture.get(range)?)?;
        Some((path, bytes))
    };
    chunks.into_iter().filter_map(decoded).collect()
}
