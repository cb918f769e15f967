//! Writes a character as a card: the JSON it came with, with what has changed since, as JSON, into a
//! PNG, or into a CHARX archive.
//!
//! Only fields whose value differs from what reading the original JSON gives are overwritten; all
//! else comes out as it came in, at every level. A character that did not change, written in the
//! specification it came in, gives its original JSON byte for byte.

mod archive;
mod document;
mod picture;
mod transfer;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tavern_domain::Limits;
use tavern_domain::character::CharacterText;

use super::warnings::Warnings;
use super::{CardError, PictureKind, charx, json, png};

use document::Document;

/// A character as it is now, and the card it came from.
#[derive(Debug, Clone, Copy)]
pub struct CardState<'a> {
    /// [`Card::payload`](super::Card) of its import; `None` for a character made here.
    pub payload: Option<&'a str>,
    pub name: &'a str,
    /// `spec_version` is not looked at.
    pub text: &'a CharacterText,
    pub tags: &'a [String],
    /// Set if the world book changed since: what it is now, `null` for none.
    pub character_book: Option<&'a Value>,
    /// Unix seconds of the last change here. Written only if something of the card did change; `None`
    /// leaves the card's own date.
    pub modified: Option<i64>,
}

/// The form to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CardFormat {
    Json,
    Png,
    Charx,
}

/// The specification to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CardSpec {
    /// In a PNG: `chara` alone. A CHARX is V3 always.
    V2,
    /// In a PNG: `ccv3`, and `chara` with the same as V2.
    V3,
}

/// The files that a card can be put into. Both may be missing where JSON is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct SourceFiles<'a> {
    /// The file the card came in. Assets are taken from it; a PNG or CHARX serves as the body of
    /// what is written in the same form.
    pub original: Option<&'a [u8]>,
    /// The face, if it is another than the original's. For a PNG it has to be a PNG.
    pub picture: Option<&'a [u8]>,
}

/// A card's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub bytes: Vec<u8>,
    pub content_type: &'static str,
    /// Of the file's name, without a dot.
    pub extension: &'static str,
    /// What the form cannot hold; whole sentences.
    pub warnings: Vec<String>,
}

/// Writes the card of a character.
///
/// # Errors
/// [`CardError::NoPng`] if a PNG is asked for and none is there; [`CardError`] as in reading if the
/// payload or an archive is none that an import gave.
pub fn write_card(
    state: &CardState<'_>,
    format: CardFormat,
    spec: CardSpec,
    files: &SourceFiles<'_>,
    limits: &Limits,
) -> Result<Written, CardError> {
    let payload = state.payload.unwrap_or("{}");
    let (text, value) = json::repaired(payload, limits, &mut Warnings::default())?;
    let mut document = Document::read(&text, value, state.payload.is_some(), limits)?;
    document.update(state);
    let modified = state.modified.filter(|_| document.is_changed());
    let mut warnings = Warnings::default();
    let (bytes, content_type, extension) = match format {
        CardFormat::Json => {
            transfer::tell_left_behind(&document, &mut warnings);
            (document.json(spec, modified).into_bytes(), "application/json", "json")
        }
        CardFormat::Png => {
            let bytes = write_png(&mut document, spec, modified, files, limits, &mut warnings)?;
            (bytes, "image/png", "png")
        }
        CardFormat::Charx => {
            let bytes = archive::write(&mut document, modified, files, limits, &mut warnings)?;
            (bytes, "application/zip", "charx")
        }
    };
    Ok(Written {
        bytes,
        content_type,
        extension,
        warnings: warnings.into(),
    })
}

fn write_png(
    document: &mut Document<'_>,
    spec: CardSpec,
    modified: Option<i64>,
    files: &SourceFiles<'_>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, CardError> {
    let kind = |bytes: &[u8]| PictureKind::of(bytes);
    let picture = files.picture.or(files.original).ok_or(CardError::NoPng("missing"))?;
    match kind(picture) {
        Some(PictureKind::Png) => {}
        Some(PictureKind::Jpeg) => return Err(CardError::NoPng("a JPEG")),
        Some(PictureKind::Webp) => return Err(CardError::NoPng("a WEBP")),
        Some(PictureKind::Gif) => return Err(CardError::NoPng("a GIF")),
        None => return Err(CardError::NoPng("missing")),
    }
    let mut assets = Vec::new();
    // The original's own chunks are copied with it; from another file they have to be fetched.
    if files.picture.is_some()
        && let Some(original) = files.original
    {
        if kind(original) == Some(PictureKind::Png) {
            let present = png::assets(picture);
            let theirs = png::assets(original).into_iter();
            assets.extend(theirs.filter(|(path, _)| !present.contains_key(path)));
        } else if charx::has_end_mark(original) {
            assets = transfer::entries_to_chunks(document, original, limits, warnings)?;
        }
    }
    transfer::tell_dangling(document, "embeded://", warnings);
    let chara = document.json(CardSpec::V2, modified);
    let ccv3 = (spec == CardSpec::V3).then(|| document.json(CardSpec::V3, modified));
    let mut cards = vec![("chara", chara.as_bytes())];
    cards.extend(ccv3.as_ref().map(|ccv3| ("ccv3", ccv3.as_bytes())));
    Ok(picture::put(
        picture,
        &picture::Texts {
            cards: &cards,
            assets: &assets,
            keeps_assets: true,
        },
    ))
}
