//! Tables of fields: what a format calls a field of ours, and how it writes its value.
//!
//! One table serves both directions, so that reading and writing cannot drift apart. Writing touches
//! only fields whose value is another than before: whatever a file says in its own way stays.

use serde_json::Value;
use tavern_domain::chat::ChatRole;
use tavern_domain::lore::{LoreCharacterFilter, LoreEntry, LorePosition, SelectiveLogic};

use crate::lenient::{Note, Notes, Object};

/// A field of a `T` (a book or an entry) in one format.
pub(super) struct Field<T: 'static> {
    /// Names of the objects it is in, and its own; one or two.
    pub path: &'static [&'static str],
    /// `None`: the field is left out.
    pub get: fn(&T) -> Option<Value>,
    /// Leaves the default where the value says nothing.
    pub set: fn(&mut T, &Value, &mut Note<'_>),
}

/// Fields that a format has and we have none for, by the names of two formats.
pub(super) type Carried = (&'static [&'static str], &'static [&'static str]);

pub(super) fn find<'a>(raw: &'a Object, path: &[&str]) -> Option<&'a Value> {
    match path {
        [name] => raw.get(*name),
        [outer, name] => raw.get(*outer)?.as_object()?.get(*name),
        _ => None,
    }
}

pub(super) fn put(raw: &mut Object, path: &[&str], value: Option<Value>) {
    let (object, name) = match path {
        [name] => (raw, *name),
        [outer, name] => {
            if value.is_none() && !raw.get(*outer).is_some_and(Value::is_object) {
                return;
            }
            (object_in(raw, outer), *name)
        }
        _ => return,
    };
    match value {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.shift_remove(name),
    };
}

/// The object called `name`, made if there is none.
pub(super) fn object_in<'a>(raw: &'a mut Object, name: &str) -> &'a mut Object {
    let slot = raw.entry(name).or_insert(Value::Null);
    if !slot.is_object() {
        *slot = Value::Object(Object::new());
    }
    slot.as_object_mut().expect("it has just been made one")
}

pub(super) fn read<T>(fields: &[Field<T>], raw: &Object, into: &mut T, notes: &mut Notes, place: usize) {
    for field in fields {
        if let (Some(value), [.., name]) = (find(raw, field.path), field.path) {
            (field.set)(into, value, &mut notes.at(name, place));
        }
    }
}

/// Writes every field, or those that are not as in `was`.
pub(super) fn write<T>(fields: &[Field<T>], now: &T, was: Option<&T>, raw: &mut Object) {
    for field in fields {
        let value = (field.get)(now);
        if was.is_none_or(|was| (field.get)(was) != value) {
            put(raw, field.path, value);
        }
    }
}

/// What of `raw` no field takes, at its first level.
pub(super) fn leftover<T>(fields: &[Field<T>], raw: &Object, also_known: &[&str]) -> Object {
    let known = |name: &str| also_known.contains(&name) || fields.iter().any(|field| field.path.first() == Some(&name));
    let unknown = raw.iter().filter(|(name, _)| !known(name));
    unknown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

macro_rules! row {
    ($path:expr, text, $($field:ident).+) => {
        row!($path, |it| Some(Value::from(it.$($field).+.as_str())), |it, value, note| {
            if let Some(text) = note.text(value) { it.$($field).+ = text; }
        })
    };
    ($path:expr, flag, $($field:ident).+) => {
        row!($path, |it| Some(Value::from(it.$($field).+)), |it, value, note| {
            if let Some(flag) = note.flag(value) { it.$($field).+ = flag; }
        })
    };
    ($path:expr, not_flag, $($field:ident).+) => {
        row!($path, |it| Some(Value::from(!it.$($field).+)), |it, value, note| {
            if let Some(flag) = note.flag(value) { it.$($field).+ = !flag; }
        })
    };
    ($path:expr, integer($least:expr), $field:ident) => {
        row!($path, |it| Some(Value::from(it.$field)), |it, value, note| {
            if let Some(number) = note.integer(value, $least, i32::MAX as _) { it.$field = number; }
        })
    };
    ($path:expr, float($most:expr), $field:ident) => {
        row!($path, |it| Some(number(it.$field)), |it, value, note| {
            if let Some(number) = note.float(value, 0.0, $most) { it.$field = number; }
        })
    };
    ($path:expr, texts, $($field:ident).+) => {
        row!($path, |it| Some(Value::from(it.$($field).+.clone())), |it, value, note| {
            if let Some(texts) = note.texts(value) { it.$($field).+ = texts; }
        })
    };
    // Unset is null in the file.
    ($path:expr, nullable $kind:tt $(($least:expr))?, $field:ident) => {
        row!($path, |it| Some(it.$field.map_or(Value::Null, Value::from)), |it, value, note| {
            if let Some(value) = row!(@$kind $(($least))?, value, note) { it.$field = Some(value); }
        })
    };
    // Unset is absent from the file.
    ($path:expr, absent $kind:tt $(($least:expr))?, $field:ident) => {
        row!($path, |it| it.$field.map(Value::from), |it, value, note| {
            if let Some(value) = row!(@$kind $(($least))?, value, note) { it.$field = Some(value); }
        })
    };
    (@flag, $value:ident, $note:ident) => { $note.optional($value, Note::flag) };
    (@integer($least:expr), $value:ident, $note:ident) => {
        $note.optional($value, |note, value| note.integer(value, $least, i32::MAX as _))
    };
    ($path:expr, coded, $field:ident, $codes:expr) => {
        row!($path, |it| code(&$codes, &it.$field), |it, value, note| {
            if let Some(it_is) = decoded(&$codes, value, note) { it.$field = it_is; }
        })
    };
    ($path:expr, $get:expr, $set:expr) => {
        $crate::lore::formats::fields::Field { path: &$path, get: $get, set: $set }
    };
}
pub(super) use row;

pub(super) const LOGICS: [(&str, SelectiveLogic); 4] = [
    ("and_any", SelectiveLogic::AndAny),
    ("not_all", SelectiveLogic::NotAll),
    ("not_any", SelectiveLogic::NotAny),
    ("and_all", SelectiveLogic::AndAll),
];

pub(super) const POSITIONS: [(&str, LorePosition); 8] = [
    ("before_char", LorePosition::BeforeCharacter),
    ("after_char", LorePosition::AfterCharacter),
    ("an_top", LorePosition::NoteTop),
    ("an_bottom", LorePosition::NoteBottom),
    ("at_depth", LorePosition::AtDepth),
    ("em_top", LorePosition::ExamplesTop),
    ("em_bottom", LorePosition::ExamplesBottom),
    ("outlet", LorePosition::Outlet),
];

pub(super) const ROLES: [(&str, ChatRole); 3] = [
    ("system", ChatRole::System),
    ("user", ChatRole::User),
    ("assistant", ChatRole::Assistant),
];

/// The place of `value` in its list, which is its number in SillyTavern's files; 0 for what it has not.
pub(super) fn code<T: PartialEq>(codes: &[(&str, T)], value: &T) -> Option<Value> {
    Some(Value::from(
        codes.iter().position(|(_, it)| it == value).unwrap_or_default(),
    ))
}

/// By number or by name.
pub(super) fn decoded<T: Copy>(codes: &[(&str, T)], value: &Value, note: &mut Note<'_>) -> Option<T> {
    let named = value
        .as_str()
        .and_then(|name| codes.iter().find(|(it, _)| it.eq_ignore_ascii_case(name.trim())));
    if let Some((_, it)) = named {
        note.add("a name, not a number; it was taken as one");
        return Some(*it);
    }
    let index = note.integer(value, 0, i64::from(u32::MAX))?;
    let known = usize::try_from(index).ok().and_then(|index| codes.get(index));
    if known.is_none() {
        note.add("a number without a meaning; the default was used");
    }
    known.map(|(_, it)| *it)
}

/// A truth value in old files, a level in newer ones.
pub(super) fn set_delay_until_recursion(entry: &mut LoreEntry, value: &Value, note: &mut Note<'_>) {
    let level = match value {
        Value::Bool(flag) => Some(u32::from(*flag)),
        Value::String(text) if ["true", "false"].contains(&text.trim()) => note.flag(value).map(u32::from),
        // Old files leave it unset.
        Value::Null => None,
        _ => note.integer(value, 0, i32::MAX as u32),
    };
    if let Some(level) = level {
        entry.delay_until_recursion = level;
    }
}

pub(super) fn filter_value(filter: &LoreCharacterFilter) -> Value {
    serde_json::json!({ "isExclude": filter.exclude, "names": filter.names, "tags": filter.tags })
}

pub(super) fn set_filter(entry: &mut LoreEntry, value: &Value, note: &mut Note<'_>) {
    let Value::Object(raw) = value else {
        if !value.is_null() {
            note.add("of the wrong kind; the default was used");
        }
        return;
    };
    let filter = &mut entry.character_filter;
    if let Some(exclude) = raw.get("isExclude").and_then(|value| note.flag(value)) {
        filter.exclude = exclude;
    }
    for (name, into) in [("names", &mut filter.names), ("tags", &mut filter.tags)] {
        if let Some(texts) = raw.get(name).and_then(|value| note.texts(value)) {
            *into = texts;
        }
    }
}
