//! `character_book` of Character Card V2 and V3, and the fields of a book that SillyTavern keeps, too.

use serde_json::Value;
use tavern_domain::lore::{LoreEntry, LorePosition, WorldBookText};

use super::fields::{self, Field, POSITIONS, decoded, object_in, row};
use super::silly_tavern;
use crate::lenient::{Note, Notes, Object, number};

pub(super) const BOOK: &[Field<WorldBookText>] = &[
    row!(["name"], text, name),
    row!(["description"], text, description),
    row!(["scan_depth"], absent integer(0), scan_depth),
    row!(["token_budget"], absent integer(0), token_budget),
    row!(["recursive_scanning"], absent flag, recursive),
    row!(
        ["extensions", "tags"],
        |book| (!book.tags.is_empty()).then(|| Value::from(book.tags.clone())),
        |book, value, note| book.tags = note.texts(value).unwrap_or_default()
    ),
];

/// What the specification has; what comes later goes before it.
const PLAIN: &[Field<LoreEntry>] = &[
    row!(["keys"], texts, keys),
    row!(["secondary_keys"], texts, secondary_keys),
    row!(["comment"], text, comment),
    row!(["content"], text, content),
    row!(["constant"], flag, constant),
    row!(["selective"], flag, selective),
    row!(["insertion_order"], integer(i32::MIN), order),
    row!(["enabled"], flag, enabled),
    row!(["priority"], absent integer(i32::MIN), priority),
    row!(
        ["position"],
        |entry| Some(Value::from(if entry.position == LorePosition::BeforeCharacter {
            "before_char"
        } else {
            "after_char"
        })),
        |entry, value, note| entry.position = position(value, note)
    ),
    // RisuAI's, in the books it puts into V2 cards.
    row!(["extensions", "risu_case_sensitive"], absent flag, case_sensitive),
    row!(["case_sensitive"], absent flag, case_sensitive),
    row!(
        ["extensions", "risu_activationPercent"],
        |entry| (entry.use_probability && entry.probability < 100.0).then(|| number(entry.probability)),
        |entry, value, note| {
            if let Some(percent) = note.optional(value, |note, value| note.float(value, 0.0, 100.0)) {
                entry.probability = percent;
            }
        }
    ),
];

pub(super) fn tables() -> [&'static [Field<LoreEntry>]; 2] {
    [PLAIN, silly_tavern::IN_CARDS]
}

/// SillyTavern's reading: whatever is not before the character is behind it.
fn position(value: &Value, note: &mut Note<'_>) -> LorePosition {
    match value.as_str() {
        Some("before_char") => LorePosition::BeforeCharacter,
        Some("after_char") => LorePosition::AfterCharacter,
        _ => decoded(&POSITIONS, value, note).unwrap_or(LorePosition::AfterCharacter),
    }
}

pub(super) fn blank() -> LoreEntry {
    LoreEntry {
        selective: false,
        position: LorePosition::AfterCharacter,
        ..LoreEntry::default()
    }
}

/// What the tables cannot say: two names for one title, and SillyTavern's `use_regex`.
pub(super) fn complete(entry: &mut LoreEntry, raw: &Object, notes: &mut Notes, place: usize) {
    if entry.comment.is_empty() {
        entry.comment = titled(raw).unwrap_or_default();
    }
    entry.use_regex = uses_regex(raw, &mut notes.at("use_regex", place));
}

fn titled(raw: &Object) -> Option<String> {
    raw.get("name").and_then(Value::as_str).map(str::to_owned)
}

/// SillyTavern says `use_regex` of every entry it exports, meaning that keys may be `/pattern/flags`.
fn uses_regex(raw: &Object, note: &mut Note<'_>) -> bool {
    if let Some(explicit) = fields::find(raw, &["extensions", "use_regex"]).and_then(Value::as_bool) {
        return explicit;
    }
    let by_silly_tavern = |name| {
        raw.get("extensions")
            .and_then(Value::as_object)
            .is_some_and(|it| it.contains_key(name))
    };
    if by_silly_tavern("useProbability") || by_silly_tavern("selectiveLogic") {
        return false;
    }
    let given = raw.get("use_regex");
    given
        .and_then(|value| note.optional(value, Note::flag))
        .unwrap_or_default()
}

pub(super) fn write(entry: &LoreEntry, was: Option<&LoreEntry>, raw: &mut Object, notes: &mut Notes) {
    let titled_by_name = was.is_some() && raw.get("comment").and_then(Value::as_str).is_none_or(str::is_empty);
    for table in tables() {
        fields::write(table, entry, was, raw);
    }
    let renamed = was.is_some_and(|was| was.comment != entry.comment);
    if renamed && (titled_by_name || entry.comment.is_empty()) && raw.contains_key("name") {
        raw.insert("name".into(), Value::from(entry.comment.as_str()));
    }
    if was.is_none_or(|was| was.use_regex != entry.use_regex) {
        raw.insert(
            "use_regex".into(),
            Value::Bool(entry.use_regex || all_patterns(&entry.keys)),
        );
    }
    if uses_regex(raw, &mut notes.at("use_regex", 0)) != entry.use_regex {
        object_in(raw, "extensions").insert("use_regex".into(), Value::Bool(entry.use_regex));
    }
}

/// V3 readers that take `use_regex` at its word would read text keys as patterns, and patterns as text.
pub(super) fn all_patterns(keys: &[String]) -> bool {
    let is_pattern = |key: &String| {
        let inner = key.trim().strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
        inner.is_some_and(|(pattern, flags)| !pattern.is_empty() && flags.bytes().all(|flag| b"gimsuy".contains(&flag)))
    };
    !keys.is_empty() && keys.iter().all(is_pattern)
}
