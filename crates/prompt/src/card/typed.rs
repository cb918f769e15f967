//! What the platform has fields for, out of a card's JSON of any version.

use serde_json::Value;
use tavern_domain::Limits;
use tavern_domain::character::CharacterText;

use super::fields::Fields;
use super::warnings::Warnings;
use super::{CardError, Object};

/// A card, taken apart.
pub(super) struct Typed {
    pub name: String,
    pub text: CharacterText,
    pub tags: Vec<String>,
    /// The card's `data` without the above; of a card without `data`, its root.
    pub rest: Object,
    /// What stands beside `data`.
    pub root: Object,
}

/// The fields that V1 has at the root, which later cards often repeat there.
pub(super) const V1_FIELDS: [&str; 6] = [
    "name",
    "description",
    "personality",
    "scenario",
    "first_mes",
    "mes_example",
];

pub(super) fn read(root: Object, limits: &Limits, warnings: &mut Warnings) -> Result<Typed, CardError> {
    let (data, root) = split(root, warnings)?;
    let version = spec_version(&data, &root, warnings);
    let mut fields = Fields::new(data, limits, warnings);
    let nickname = fields.text("nickname")?;
    let mut name = fields.name()?;
    if name.is_empty() {
        let stand_ins = [
            ("nickname", Some(nickname.as_str())),
            ("name at the root", root.get("name").and_then(Value::as_str)),
        ];
        for (what, stand_in) in stand_ins {
            let stand_in = stand_in.unwrap_or_default().trim();
            if name.is_empty() && !stand_in.is_empty() {
                name = stand_in.to_owned();
                fields.warn(format!("The card has no name; its {what} is used."));
            }
        }
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
        spec_version: version.to_owned(),
    };
    let tags = fields.tags()?;
    Ok(Typed {
        name,
        text,
        tags,
        rest: fields.rest(),
        root,
    })
}

/// Finds the card's data, and what stands beside it at the root.
fn split(mut root: Object, warnings: &mut Warnings) -> Result<(Object, Object), CardError> {
    let data = match root.shift_remove("data") {
        Some(Value::Object(data)) => data,
        other => {
            if other.is_some() || root.contains_key("spec") {
                warnings.push("The card has no `data`; its root was read instead.");
            }
            if !V1_FIELDS.iter().any(|field| root.contains_key(*field)) {
                let is_book = root.contains_key("entries");
                return Err(CardError::OtherData(if is_book {
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
        return Err(CardError::OtherData("a world book, not a character card"));
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

fn spec_version(data: &Object, rest: &Object, warnings: &mut Warnings) -> &'static str {
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
            warnings.push("The card names a specification that is not known here; it was read as V3.");
            "3.0"
        }
        None if number.is_some_and(|number| number >= 3.0) => "3.0",
        None if !rest.is_empty() || number.is_some_and(|number| number >= 2.0) => "2.0",
        None => "1.0",
    };
    if number.is_some_and(|number| number > 3.0) {
        warnings.push("The card follows a newer specification than 3.0; fields unknown here are kept as they are.");
    }
    by_name
}
