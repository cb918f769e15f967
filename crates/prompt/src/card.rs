//! Reads and writes character cards: V1, V2 and V3, as JSON, in a PNG, APNG or WEBP, or as a CHARX
//! archive, and the characters of Pygmalion, text-generation-webui (YAML) and Agnai.
//!
//! Patient with what real cards get wrong, and silent about nothing: each repair is a warning.
//! Nothing is lost: the original JSON is kept, what the platform has no field for besides, and a
//! card is written from both. Pixels are never decoded; what is unpacked is bounded by [`Limits`].
//! Specifications: Character Card V1, V2 (malfoyslastname) and V3 (kwaroran).

pub mod assets;
mod charx;
mod encoding;
pub mod extensions;
mod fields;
mod foreign;
mod json;
mod png;
mod raw;
pub(crate) mod repair;
mod typed;
mod warnings;
mod webp;
pub mod write;

use serde_json::{Map, Value};
use tavern_domain::Limits;
use tavern_domain::character::CharacterText;

pub use assets::{Asset, AssetPlace, asset_bytes};
pub use write::{CardFormat, CardSpec, CardState, SourceFiles, Written, write_card};

use warnings::Warnings;

type Object = Map<String, Value>;

/// A card as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Within `Limits::character_name_chars`, never blank.
    pub name: String,
    pub text: CharacterText,
    /// In the card's order, without blank or repeated ones.
    pub tags: Vec<String>,
    /// The original JSON, byte for byte but for a byte order mark; of a character that is no card
    /// (Pygmalion, YAML, Agnai) the V2 card it becomes. [`write_card`] starts from it.
    pub payload: String,
    /// What the platform has no field for: `data` holds the rest of the card's `data` (`extensions`,
    /// `character_book`, `assets`, unknown fields), `root` what stood beside it. Of a V1 card, all is `data`.
    /// [`extensions`] reads it.
    pub extensions: Value,
    /// What was repaired, cut or contradictory; whole sentences, of bounded number.
    pub warnings: Vec<String>,
    pub form: CardForm,
    /// The face: the file itself, or what it carries as its main icon.
    pub picture: Option<Picture>,
    /// In the card's order, unknown kinds included; at most `Limits::card_assets`.
    pub assets: Vec<Asset>,
}

impl Card {
    /// The world book in the card, as it came.
    #[must_use]
    pub fn character_book(&self) -> Option<&Value> {
        extensions::character_book(&self.extensions)
    }
}

/// What kind of file a card came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CardForm {
    Json,
    Yaml,
    Png,
    Webp,
    Charx,
}

/// The picture of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub kind: PictureKind,
    /// `None`: the card's file is the picture.
    pub bytes: Option<Vec<u8>>,
}

/// Told by the first bytes alone. APNG is PNG, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureKind {
    Png,
    Jpeg,
    Webp,
    Gif,
}

impl PictureKind {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            _ if bytes.starts_with(png::SIGNATURE) => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'G', b'I', b'F', b'8', ..] => Some(Self::Gif),
            _ => None,
        }
    }

    /// Without a dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
            Self::Gif => "gif",
        }
    }
}

/// Why something is no card we can take, or cannot be written. The messages are made for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    #[error("This is {0}; cards are read from PNG, WEBP, CHARX, JSON and YAML.")]
    OtherFile(&'static str),
    #[error("This {0} carries no character card.")]
    NoCard(&'static str),
    #[error("This is {0}.")]
    OtherData(&'static str),
    #[error("The card's data cannot be read: {0}.")]
    Broken(String),
    #[error("The card's data has more than {limit} bytes once unpacked.")]
    TooLarge { limit: usize },
    #[error("The card's data nests lists and objects more than {limit} levels deep.")]
    TooDeep { limit: usize },
    #[error("The card's data has more than {limit} values.")]
    TooMany { limit: usize },
    #[error("The card's `{field}` {problem}.")]
    Field { field: String, problem: String },
    #[error("This archive cannot be taken: {0}.")]
    Archive(String),
    #[error("A card is written into a PNG; the picture is {0}.")]
    NoPng(&'static str),
}

/// Reads the card in `bytes`, whatever its form; a file's name is not trusted to tell.
///
/// # Errors
/// [`CardError`] says what the bytes are instead, or which field breaks which limit.
pub fn read_card(bytes: &[u8], limits: &Limits) -> Result<Card, CardError> {
    match PictureKind::of(bytes) {
        Some(PictureKind::Png) => match png::read(bytes, limits) {
            Err(CardError::NoCard(_)) if charx::has_end_mark(bytes) => charx::read(bytes, limits),
            read => read,
        },
        Some(PictureKind::Webp) => webp::read(bytes, limits),
        _ if bytes.starts_with(b"PK\x03\x04") => charx::read(bytes, limits),
        kind => {
            if let Some(other) = other_file(bytes, kind) {
                // Archives that unpack themselves start as something else.
                return match charx::has_end_mark(bytes).then(|| charx::read(bytes, limits)) {
                    Some(Ok(card)) => Ok(card),
                    Some(Err(error)) if kind == Some(PictureKind::Jpeg) => Err(error),
                    _ => Err(CardError::OtherFile(other)),
                };
            }
            read_text(bytes, limits)
        }
    }
}

fn other_file(bytes: &[u8], kind: Option<PictureKind>) -> Option<&'static str> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    match (kind, text) {
        (_, []) => Some("an empty file"),
        (Some(PictureKind::Jpeg), _) => Some("a JPEG file"),
        (Some(PictureKind::Gif), _) => Some("a GIF file"),
        _ if bytes.starts_with(b"\x89PN") || bytes.get(1..4) == Some(b"PNG") => Some("a damaged PNG file"),
        (_, [b'%', b'P', b'D', b'F', ..]) => Some("a PDF file"),
        (_, [b'<', ..]) => Some("an HTML or XML file"),
        (_, [b'{' | b'[' | b'"', ..]) => None,
        _ if encoding::is_utf16(bytes) => None,
        // Text has no such letters; old encodings other than UTF-8 are let through.
        _ if bytes.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31)) => Some("a file of unknown kind"),
        _ => None,
    }
}

fn read_text(bytes: &[u8], limits: &Limits) -> Result<Card, CardError> {
    let mut warnings = Warnings::default();
    let text = json::text(bytes, limits, &mut warnings)?;
    let (form, parsed) = if text.trim_ascii_start().starts_with(['{', '[', '"']) {
        (CardForm::Json, json::parse(text, limits, &mut warnings)?)
    } else {
        (CardForm::Yaml, foreign::parse_yaml(&text, limits)?)
    };
    let mut card = read_json(parsed, form, limits, warnings)?;
    card.picture = assets::main_icon(&card, bytes, limits);
    Ok(card)
}

/// Of a card's JSON; the caller adds the picture and where assets lie.
fn read_json(parsed: json::Parsed, form: CardForm, limits: &Limits, mut warnings: Warnings) -> Result<Card, CardError> {
    let json::Parsed { mut text, value } = parsed;
    let Value::Object(mut root) = value else {
        return Err(CardError::OtherData("no object, and so no character card"));
    };
    if let Some((kind, card)) = foreign::convert(&mut root) {
        warnings.push(format!("This is a character of {kind}; it was made a V2 card."));
        root = card;
        text = serde_json::to_string(&root).map_err(|error| CardError::Broken(error.to_string()))?;
    }
    let read = typed::read(root, limits, &mut warnings)?;
    let assets = assets::list(&read.rest, limits, &mut warnings);
    let mut extensions = Map::from_iter([("data".to_owned(), Value::Object(read.rest))]);
    if !read.root.is_empty() {
        extensions.insert("root".to_owned(), Value::Object(read.root));
    }
    Ok(Card {
        name: read.name,
        text: read.text,
        tags: read.tags,
        payload: text,
        extensions: Value::Object(extensions),
        warnings: warnings.into(),
        form,
        picture: None,
        assets,
    })
}

#[cfg(test)]
mod tests;
