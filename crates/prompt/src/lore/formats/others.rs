//! RisuAI's lorebooks, Agnai's memory books, NovelAI's `.lorebook`: what they hold of an entry.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tavern_domain::chat::ChatRole;
use tavern_domain::lore::{LoreEntry, LorePosition, WorldBookText};

use super::fields::{Field, ROLES, row};
use crate::lenient::{Note, Object, number, split_commas};

pub(super) const RISU_ENTRY: &[Field<LoreEntry>] = &[
    row!(["key"], |entry| Some(joined(&entry.keys)), |entry, value, note| {
        if let Some(keys) = comma_list(value, note) {
            entry.keys = keys;
        }
    }),
    row!(
        ["secondkey"],
        |entry| Some(joined(&entry.secondary_keys)),
        |entry, value, note| {
            if let Some(keys) = comma_list(value, note) {
                entry.secondary_keys = keys;
            }
        }
    ),
    row!(["comment"], text, comment),
    row!(["content"], text, content),
    row!(["alwaysActive"], flag, constant),
    row!(["selective"], flag, selective),
    row!(["insertorder"], integer(i32::MIN), order),
    row!(
        ["activationPercent"],
        |entry| (entry.use_probability && entry.probability < 100.0).then(|| number(entry.probability)),
        |entry, value, note| {
            if let Some(percent) = note.optional(value, |note, value| note.float(value, 0.0, 100.0)) {
                entry.probability = percent;
            }
        }
    ),
    row!(["useRegex"], flag, use_regex),
    row!(["extentions", "risu_case_sensitive"], absent flag, case_sensitive),
];

fn joined(keys: &[String]) -> Value {
    Value::from(keys.join(", "))
}

fn comma_list(value: &Value, note: &mut Note<'_>) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(split_commas(text)),
        // Files made by other programs.
        Value::Array(_) => {
            note.add("a list, not a text; it was taken as one");
            note.texts(value)
        }
        Value::Null => None,
        _ => note.text(value).map(|text| split_commas(&text)),
    }
}

pub(super) fn blank() -> LoreEntry {
    LoreEntry {
        selective: false,
        ..LoreEntry::default()
    }
}

/// A folder is an entry to RisuAI; it has nothing to say.
pub(super) fn is_risu_folder(raw: &Object) -> bool {
    raw.get("mode").and_then(Value::as_str) == Some("folder")
}

pub(super) fn new_risu_entry() -> Object {
    Object::from_iter([
        ("mode".to_owned(), Value::from("normal")),
        ("bookVersion".to_owned(), Value::from(2)),
    ])
}

/// What RisuAI has decorators for instead of fields, before the content.
pub(super) fn decorated(entry: &LoreEntry) -> String {
    let mut content = String::new();
    if !entry.enabled {
        content.push_str("@@dont_activate\n");
    }
    if entry.position == LorePosition::AtDepth {
        let role = ROLES
            .iter()
            .find(|(_, role)| *role == entry.role && *role != ChatRole::System);
        // A String takes whatever is written to it.
        let _ = writeln!(content, "@@depth {}", entry.depth);
        if let Some((role, _)) = role {
            let _ = writeln!(content, "@@role {role}");
        }
    }
    if let Some(depth) = entry.scan_depth {
        let _ = writeln!(content, "@@scan_depth {depth}");
    }
    content.push_str(&entry.content);
    content
}

pub(super) const AGNAI_BOOK: &[Field<WorldBookText>] = &[
    row!(["name"], text, name),
    row!(["description"], text, description),
    row!(["scanDepth"], absent integer(0), scan_depth),
    row!(["tokenBudget"], absent integer(0), token_budget),
    row!(["recursiveScanning"], absent flag, recursive),
];

pub(super) const AGNAI_ENTRY: &[Field<LoreEntry>] = &[
    row!(["name"], text, comment),
    row!(["entry"], text, content),
    row!(["keywords"], texts, keys),
    row!(["weight"], integer(i32::MIN), order),
    row!(
        ["priority"],
        |entry| Some(Value::from(entry.priority.unwrap_or(entry.order))),
        |entry, value, note| {
            if let Some(priority) = note.optional(value, |note, value| note.integer(value, i32::MIN, i32::MAX)) {
                entry.priority = Some(priority);
            }
        }
    ),
    row!(["enabled"], flag, enabled),
    // Agnai keeps these of V2 cards without using them.
    row!(["selective"], flag, selective),
    row!(["secondaryKeys"], texts, secondary_keys),
    row!(["constant"], flag, constant),
    row!(
        ["position"],
        |entry| Some(Value::from(if entry.position == LorePosition::AfterCharacter {
            "after_char"
        } else {
            "before_char"
        })),
        |entry, value, _| {
            if value.as_str() == Some("after_char") {
                entry.position = LorePosition::AfterCharacter;
            }
        }
    ),
];

pub(super) const NOVEL_AI_ENTRY: &[Field<LoreEntry>] = &[
    row!(["text"], text, content),
    row!(["displayName"], text, comment),
    row!(["keys"], texts, keys),
    row!(["contextConfig", "budgetPriority"], integer(i32::MIN), order),
    row!(["forceActivation"], flag, constant),
    row!(["enabled"], flag, enabled),
];

/// What NovelAI wants besides in each entry: its own defaults.
pub(super) fn new_novel_ai_entry() -> Object {
    let config = json!({
        "prefix": "", "suffix": "\n", "tokenBudget": 2048, "reservedTokens": 0, "trimDirection": "trimBottom",
        "insertionType": "newline", "maximumTrimType": "sentence", "insertionPosition": -1,
    });
    let defaults = [
        ("contextConfig", config),
        ("lastUpdatedAt", json!(0)),
        ("searchRange", json!(1000)),
        ("keyRelative", json!(false)),
        ("nonStoryActivatable", json!(false)),
        ("category", json!("")),
        ("loreBiasGroups", json!([])),
    ];
    defaults
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}
