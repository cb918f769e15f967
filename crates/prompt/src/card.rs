//! Reads character cards: V1, V2 and V3, as JSON or inside a PNG or APNG.
//!
//! Patient with what real cards get wrong, and silent about nothing: each repair is a warning.
//! Nothing is lost: the original JSON is kept, and what the platform has no field for besides.
//! Specifications: Character Card V1, V2 (malfoyslastname) and V3 (kwaroran).

mod fields;
pub(crate) mod json;
mod png;

use serde_json::{Map, Value};
use tavern_domain::Limits;
use tavern_domain::character::CharacterText;

use fields::Fields;

/// A card as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Within `Limits::character_name_chars`, never blank.
    pub name: String,
    pub text: CharacterText,
    /// In the card's order, without blank or repeated ones.
    pub tags: Vec<String>,
    /// The original JSON, byte for byte but for a byte order mark.
    pub payload: String,
    /// What the platform has no field for: `data` holds the rest of the card's `data` (`extensions`,
    /// `character_book`, `assets`, unknown fields), `root` what stood beside it. Of a V1 card, all is `data`.
    pub extensions: Value,
    /// What was repaired, cut or contradictory; whole sentences.
    pub warnings: Vec<String>,
    /// Set if the bytes are a picture as well.
    pub picture: Option<Picture>,
}

/// The picture a card came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    pub kind: PictureKind,
}

/// APNG is PNG, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureKind {
    Png,
}

/// Why something is no card we can take. The messages are made for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    #[error("This is {0}; cards are read from PNG and JSON.")]
    OtherFile(&'static str),
    #[error("This PNG carries no character card.")]
    NoCardInPng,
    #[error("This JSON is {0}.")]
    OtherJson(&'static str),
    #[error("The card's data cannot be read: {0}.")]
    Broken(String),
    #[error("The card's data has more than {limit} bytes once unpacked.")]
    TooLarge { limit: usize },
    #[error("The card's JSON nests lists and objects more than {limit} levels deep.")]
    TooDeep { limit: usize },
    #[error("The card's `{field}` {problem}.")]
    Field { field: String, problem: String },
}

/// Reads the card in `bytes`, whatever its form.
///
/// # Errors
/// [`CardError`] says what the bytes are instead, or which field breaks which limit.
pub fn read_card(bytes: &[u8], limits: &Limits) -> Result<Card, CardError> {
    if bytes.starts_with(png::SIGNATURE) {
        let mut card = png::read(bytes, limits)?;
        card.picture = Some(Picture { kind: PictureKind::Png });
        return Ok(card);
    }
    if let Some(other) = other_file(bytes) {
        return Err(CardError::OtherFile(other));
    }
    read_json(bytes, limits, Vec::new())
}

fn other_file(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    match text.first() {
        None => Some("an empty file"),
        _ if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => Some("a WEBP file"),
        _ if starts(b"\xff\xd8\xff") => Some("a JPEG file"),
        _ if starts(b"GIF8") => Some("a GIF file"),
        _ if starts(b"PK\x03\x04") => Some("a ZIP archive (CHARX cards are such)"),
        _ if starts(b"%PDF") => Some("a PDF file"),
        _ if starts(b"\x89PN") || bytes.get(1..4) == Some(b"PNG") => Some("a damaged PNG file"),
        Some(b'<') => Some("an HTML or XML file"),
        Some(b'{' | b'[' | b'"') => None,
        Some(_) if std::str::from_utf8(bytes).is_err() => Some("a file of unknown kind"),
        Some(_) => Some("a text file (YAML cards are such)"),
    }
}

fn read_json(bytes: &[u8], limits: &Limits, warnings: Vec<String>) -> Result<Card, CardError> {
    let mut warnings = warnings;
    let (payload, value) = json::parse(bytes, limits, &mut warnings)?;
    let Value::Object(root) = value else {
        return Err(CardError::OtherJson("no object, and so no character card"));
    };
    let (data, rest) = split(root, &mut warnings)?;
    let version = spec_version(&data, &rest, &mut warnings);
    let mut fields = Fields::new(data, limits, &mut warnings);
    let nickname = fields.text("nickname")?;
    let mut name = fields.name()?;
    if name.is_empty() && !nickname.trim().is_empty() {
        name = nickname.trim().to_owned();
        fields.warn("The card has no name; its nickname is used.");
    }
    fields.check_name(&name)?;
    let text = CharacterText {
        nickname: (!nickname.trim().is_empty()).then_some(nickname),
        description: fields.text("description")?,
        personality: fields.text("personality")?,
        scenario: fields.text("scenario")?,
        first_message: fields.text("first_mes")?,
        alternate_greetings: fields.greetings("alternate_greetings")?,
        group_only_greetings: fields.greetings("group_only_greetings")?,
        example_dialogue: fields.text("mes_example")?,
        system_prompt: fields.text("system_prompt")?,
        post_history_instructions: fields.text("post_history_instructions")?,
        creator_notes: fields.text("creator_notes")?,
        creator_notes_by_language: fields.by_language("creator_notes_multilingual")?,
        character_version: fields.text("character_version")?,
        spec_version: version,
    };
    let tags = fields.tags()?;
    let mut extensions = Map::from_iter([("data".to_owned(), Value::Object(fields.rest()))]);
    if !rest.is_empty() {
        extensions.insert("root".to_owned(), Value::Object(rest));
    }
    Ok(Card {
        name,
        text,
        tags,
        payload,
        extensions: Value::Object(extensions),
        warnings,
        picture: None,
    })
}

/// The fields that V1 has at the root, which later cards often repeat there.
const V1_FIELDS: [&str; 6] = [
    "name",
    "description",
    "personality",
    "scenario",
    "first_mes",
    "mes_example",
];

type Object = Map<String, Value>;

/// Finds the card's data, and what stands beside it at the root.
fn split(mut root: Object, warnings: &mut Vec<String>) -> Result<(Object, Object), CardError> {
    let data = match root.remove("data") {
        Some(Value::Object(data)) => data,
        other => {
            if other.is_some() || root.contains_key("spec") {
                warnings.push("The card has no `data`; its root was read instead.".into());
            }
            if !V1_FIELDS.iter().any(|field| root.contains_key(*field)) {
                let is_book = root.contains_key("entries");
                return Err(CardError::OtherJson(if is_book {
                    "a world book, not a character card"
                } else {
                    "no character card: it has neither `data` nor `name`"
                }));
            }
            if let Some(other) = other {
                root.insert("data".into(), other);
            }
            return Ok((root, Object::new()));
        }
    };
    if root.get("spec").and_then(Value::as_str) == Some("lorebook_v3") {
        return Err(CardError::OtherJson("a world book, not a character card"));
    }
    let differs = V1_FIELDS.iter().filter(|field| {
        let mirror = root.get(**field);
        mirror.is_some() && mirror != data.get(**field)
    });
    let differing: Vec<_> = differs.map(|field| format!("`{field}`")).collect();
    if !differing.is_empty() {
        warnings.push(format!(
            "The root of the card contradicts its `data` in {}; `data` was used.",
            differing.join(", ")
        ));
    }
    Ok((data, root))
}

fn spec_version(data: &Object, rest: &Object, warnings: &mut Vec<String>) -> String {
    let root = if rest.is_empty() { data } else { rest };
    let number = match root.get("spec_version") {
        Some(Value::String(text)) => text.trim().parse::<f64>().ok(),
        Some(value) => value.as_f64(),
        None => None,
    };
    let by_name = match root.get("spec").and_then(Value::as_str) {
        Some("chara_card_v3") => "3.0",
        Some("chara_card_v2") => "2.0",
        Some(_) => {
            warnings.push("The card names a specification that is not known here; it was read as V3.".into());
            "3.0"
        }
        None if !rest.is_empty() => "2.0",
        None => "1.0",
    };
    if number.is_some_and(|number| number > 3.0) {
        warnings
            .push("The card follows a newer specification than 3.0; fields unknown here are kept as they are.".into());
    }
    by_name.to_owned()
}

#[cfg(test)]
mod tests;
