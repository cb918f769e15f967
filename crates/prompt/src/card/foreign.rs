//! Characters of other programs, made V2 cards: Pygmalion (gradio), text-generation-webui (YAML or
//! JSON), Agnai. What has no counterpart in a card keeps its name in the card's `data`.

use serde_json::{Value, json};
use serde_saphyr::budget::BudgetBreach;
use tavern_domain::Limits;

use super::json::Parsed;
use super::{CardError, Object};

struct Format {
    name: &'static str,
    /// Theirs, ours.
    renames: &'static [(&'static str, &'static str)],
}

const PYGMALION: Format = Format {
    name: "Pygmalion",
    renames: &[
        ("char_name", "name"),
        ("char_persona", "description"),
        ("char_greeting", "first_mes"),
        ("example_dialogue", "mes_example"),
        ("world_scenario", "scenario"),
    ],
};

const TEXT_GENERATION_WEBUI: Format = Format {
    name: "text-generation-webui",
    renames: &[
        ("context", "description"),
        ("greeting", "first_mes"),
        ("example_dialogue", "mes_example"),
    ],
};

const AGNAI: Format = Format {
    name: "Agnai",
    renames: &[
        // Its description is for people; what the model is told is its persona.
        ("description", "creator_notes"),
        ("greeting", "first_mes"),
        ("sampleChat", "mes_example"),
        ("alternateGreetings", "alternate_greetings"),
        ("characterBook", "character_book"),
        ("systemPrompt", "system_prompt"),
        ("postHistoryInstructions", "post_history_instructions"),
        ("characterVersion", "character_version"),
    ],
};

/// The V2 card that a foreign character becomes, and the name of its program. Takes `root` only then.
pub(super) fn convert(root: &mut Object) -> Option<(&'static str, Object)> {
    let has = |field: &str| root.get(field).is_some_and(|value| !is_blank(value));
    if has("spec") || has("data") || has("first_mes") {
        return None;
    }
    let is_agnai = root.get("persona").is_some_and(|persona| persona.get("kind").is_some());
    let format = match () {
        () if has("char_name") => PYGMALION,
        () if is_agnai => AGNAI,
        () if has("name") && (has("context") || has("greeting")) => TEXT_GENERATION_WEBUI,
        () => return None,
    };
    let mut data = std::mem::take(root);
    for (theirs, ours) in format.renames {
        // Where both are filled, ours is what it says, and theirs stays beside it.
        if data.contains_key(*theirs) && data.get(*ours).is_none_or(is_blank) {
            data.shift_remove(*ours);
            if let Some(value) = data.shift_remove(*theirs) {
                data.insert((*ours).to_owned(), value);
            }
        }
    }
    if is_agnai && let Some(persona) = data.get("persona").map(persona) {
        data.insert("description".to_owned(), persona.into());
    }
    let card = json!({ "spec": "chara_card_v2", "spec_version": "2.0", "data": data });
    let Value::Object(card) = card else {
        return None;
    };
    Some((format.name, card))
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// Agnai keeps a persona as attributes with lists of values; plain text is the attribute `text`.
fn persona(persona: &Value) -> String {
    let Some(attributes) = persona.get("attributes").and_then(Value::as_object) else {
        return String::new();
    };
    let values = |value: &Value| match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let kind = persona.get("kind").and_then(Value::as_str);
    if kind == Some("text")
        && let Some(text) = attributes.get("text")
    {
        return values(text);
    }
    attributes
        .iter()
        .map(|(name, value)| format!("{name}: {}", values(value)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A card or character in YAML, as JSON.
pub(super) fn parse_yaml(text: &str, limits: &Limits) -> Result<Parsed, CardError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: limits.card_json_values,
            max_events: limits.card_json_values.saturating_mul(2),
            max_depth: limits.card_json_depth,
            flow_nesting_limit: limits.card_json_depth,
            // A character needs none, and an anchor repeated in an anchor is a bomb.
            max_anchors: 0,
            max_aliases: 0,
            max_documents: 1,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let value: Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| refused(text, &error, limits))?;
    match value {
        value @ Value::Object(_) => {
            let text = serde_json::to_string(&value).map_err(|error| CardError::Broken(error.to_string()))?;
            Ok(Parsed { text, value })
        }
        _ => Err(CardError::OtherFile("a text file")),
    }
}

fn refused(text: &str, error: &serde_saphyr::Error, limits: &Limits) -> CardError {
    if let serde_saphyr::Error::Budget { breach, .. } = error {
        return match breach {
            BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => CardError::TooMany {
                limit: limits.card_json_values,
            },
            BudgetBreach::Depth { .. } => CardError::TooDeep {
                limit: limits.card_json_depth,
            },
            BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. } => {
                CardError::Broken("its YAML has anchors, which are not read".into())
            }
            _ => CardError::Broken("its YAML is too large".into()),
        };
    }
    match error.location() {
        Some(place) if text.contains(':') => CardError::Broken(format!(
            "it is not valid YAML at line {}, column {}",
            place.line(),
            place.column()
        )),
        // Prose is no YAML either, and then there is nothing to say about its lines.
        _ => CardError::OtherFile("a text file"),
    }
}
