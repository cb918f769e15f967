//! From books to files.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use tavern_domain::lore::{LoreEntry, LoreFormat, WorldBookText};

use super::family::{Family, original_book};
use super::{book_in, key_in};
use crate::lenient::{Notes, Object};

/// The book in `format`, as it goes into a card or, but for V3, into a file of its own.
#[must_use]
pub fn write_world_book(book: &WorldBookText, entries: &[LoreEntry], format: LoreFormat) -> Value {
    let family = Family::of(format);
    let mut raw = match raw_book(book, family) {
        Some(mut raw) => {
            family.update_book(book, &mut raw);
            raw
        }
        None => family.new_book(book),
    };
    if family == Family::SillyTavern && original_book(family, &raw).is_some() {
        update_original(book, entries, &mut raw);
    }
    let as_object = match raw.get(family.container()) {
        Some(container) => container.is_object(),
        None => family == Family::SillyTavern,
    };
    let written = write_entries(book, entries, format, as_object);
    let entries = if as_object {
        let pairs = written.into_iter().map(|(key, raw)| (key, Value::Object(raw)));
        Value::Object(pairs.collect())
    } else {
        written.into_iter().map(|(_, raw)| Value::Object(raw)).collect()
    };
    raw.insert(family.container().to_owned(), entries);
    Value::Object(raw)
}

/// The book as a file of its own. V3 wraps it, unless it came without.
#[must_use]
pub fn write_world_file(book: &WorldBookText, entries: &[LoreEntry], format: LoreFormat) -> Value {
    let written = write_world_book(book, entries, format);
    if format != LoreFormat::CardV3 {
        return written;
    }
    let source = book.source.as_ref().filter(|source| source.format == format);
    match source.and_then(|source| source.json.as_object()) {
        Some(root) if std::ptr::eq(book_in(root), root) => written,
        Some(root) => {
            let mut root = root.clone();
            root.insert("data".to_owned(), written);
            Value::Object(root)
        }
        None => json!({ "spec": "lorebook_v3", "data": written }),
    }
}

/// What the book was in this family: its own source, or the card's book inside SillyTavern's file.
fn raw_book(book: &WorldBookText, family: Family) -> Option<Object> {
    let source = book.source.as_ref()?;
    let root = source.json.as_object()?;
    let from = Family::of(source.format);
    if from == family {
        return Some(book_in(root).clone());
    }
    let original = original_book(from, root).filter(|_| family == Family::Card)?;
    let mut original = original.clone();
    original.insert("entries".into(), Value::Array(Vec::new()));
    Some(original)
}

/// With the names they stand under if they are to be `in_object`: each another then.
fn write_entries(
    book: &WorldBookText,
    entries: &[LoreEntry],
    format: LoreFormat,
    in_object: bool,
) -> Vec<(String, Object)> {
    let family = Family::of(format);
    let originals = original_entries(book);
    let raws: Vec<Option<&Object>> = entries
        .iter()
        .map(|entry| raw_entry(entry, family, &originals))
        .collect();
    let mut ids = Ids::of(raws.iter().flatten().copied(), family);
    let mut written = Vec::with_capacity(entries.len());
    let mut keys = HashSet::new();
    for (entry, raw) in entries.iter().zip(raws) {
        let source = entry.source.as_ref();
        let (mut raw, is_new) = match raw {
            Some(raw) => {
                let mut raw = raw.clone();
                family.update_entry(entry, &mut raw);
                (raw, false)
            }
            None => (family.new_entry(entry), true),
        };
        if format == LoreFormat::CardV3 && source.is_none_or(|source| source.format != format) {
            raw.entry("use_regex").or_insert(Value::Bool(entry.use_regex));
        }
        if is_new {
            number(entry, &mut raw, family, &mut ids);
        }
        let key = if in_object {
            let own = source.filter(|_| !is_new).and_then(|source| source.key.clone());
            let free = own.or_else(|| key_in(&raw, family)).filter(|key| !keys.contains(key));
            free.unwrap_or_else(|| {
                // A copy of another entry: SillyTavern tells them apart by their number.
                let id = ids.take(None);
                if let Some(name) = family.id() {
                    raw.insert(name.to_owned(), Value::from(id));
                }
                id.to_string()
            })
        } else {
            String::new()
        };
        keys.insert(key.clone());
        written.push((key, raw));
    }
    written
}

/// Gives a new entry its number: the one it had elsewhere if that is free and keeps the order.
fn number(entry: &LoreEntry, raw: &mut Object, family: Family, ids: &mut Ids) {
    let Some(name) = family.id() else {
        if family == Family::NovelAi {
            raw.insert("id".into(), Value::from(ids.take(None).to_string()));
        }
        return;
    };
    let at_home = raw
        .get(name)
        .filter(|id| id.as_u64().is_none_or(|id| ids.taken.insert(id)));
    if at_home.is_some() {
        return;
    }
    let before = entry.source.as_ref().and_then(|source| {
        let from = Family::of(source.format);
        Some((from, source.json.get(from.id()?)?))
    });
    let id = Value::from(ids.take(before.and_then(|(_, id)| id.as_u64())));
    if let Some((from, before)) = before.filter(|(_, before)| **before != id) {
        family.carry_id(raw, from, before);
    }
    raw.insert(name.to_owned(), id);
}

fn raw_entry<'a>(entry: &'a LoreEntry, family: Family, originals: &HashMap<u64, &'a Object>) -> Option<&'a Object> {
    let source = entry.source.as_ref()?;
    let raw = source.json.as_object()?;
    match (Family::of(source.format), family) {
        (from, to) if from == to => Some(raw),
        (Family::SillyTavern, Family::Card) => originals.get(&raw.get("uid")?.as_u64()?).copied(),
        _ => None,
    }
}

/// The entries of the card's book inside SillyTavern's file, by their number.
fn original_entries(book: &WorldBookText) -> HashMap<u64, &Object> {
    let source = book.source.as_ref();
    let original = source.and_then(|source| original_book(Family::of(source.format), source.json.as_object()?));
    let entries = original.and_then(|original| original.get("entries")?.as_array());
    let numbered = entries.into_iter().flatten().filter_map(|entry| {
        let entry = entry.as_object()?;
        Some((entry.get("id")?.as_u64()?, entry))
    });
    numbered.collect()
}

/// SillyTavern puts the card's book into the card again when it is saved, so what was edited is edited
/// there, too.
fn update_original(book: &WorldBookText, entries: &[LoreEntry], raw: &mut Object) {
    let is_edited = |entry: &LoreEntry| {
        let source = entry.source.as_ref()?;
        let raw = source
            .json
            .as_object()
            .filter(|_| source.format == LoreFormat::SillyTavern)?;
        let was = Family::SillyTavern.read_entry(raw, &mut Notes::new(""), 0);
        Some(
            was != LoreEntry {
                source: None,
                ..entry.clone()
            },
        )
    };
    let written = write_entries(book, entries, LoreFormat::CardV2, false);
    let mut written: HashMap<u64, (&LoreEntry, Object)> = entries
        .iter()
        .zip(written)
        .filter_map(|(entry, (_, raw))| Some((raw.get("id")?.as_u64()?, (entry, raw))))
        .collect();
    let before = raw
        .get("originalData")
        .and_then(|original| original.get("entries")?.as_array());
    let mut kept = Vec::with_capacity(entries.len());
    for original in before.into_iter().flatten() {
        match original.get("id").and_then(Value::as_u64) {
            Some(id) => match written.remove(&id) {
                Some((entry, new)) if is_edited(entry) != Some(false) => kept.push(Value::Object(new)),
                Some(_) => kept.push(original.clone()),
                None => {}
            },
            None => kept.push(original.clone()),
        }
    }
    let mut added: Vec<_> = written
        .into_iter()
        .filter(|(_, (entry, _))| is_edited(entry) != Some(false))
        .collect();
    added.sort_by_key(|(id, _)| *id);
    kept.extend(added.into_iter().map(|(_, (_, new))| Value::Object(new)));
    let Some(Value::Object(original)) = raw.get_mut("originalData") else {
        return;
    };
    let was = book.source.as_ref().and_then(|source| {
        let root = source.json.as_object()?;
        Some(Family::SillyTavern.read_book(book_in(root), &mut Notes::new("")))
    });
    if was.is_some_and(|was| {
        was != WorldBookText {
            source: None,
            ..book.clone()
        }
    }) {
        Family::Card.update_book(book, original);
    }
    original.insert("entries".into(), Value::Array(kept));
}

/// Numbers of entries, each given once, and in ascending order: some formats sort by them.
struct Ids {
    taken: HashSet<u64>,
    next: u64,
}

impl Ids {
    fn of<'a>(raws: impl Iterator<Item = &'a Object>, family: Family) -> Self {
        let taken: HashSet<u64> = raws.filter_map(|raw| raw.get(family.id()?)?.as_u64()).collect();
        // A number beyond what programs count to is some other kind of number.
        let counted = taken.iter().filter(|id| **id < u64::from(u32::MAX));
        let next = counted.max().map_or(0, |last| last + 1);
        Self { taken, next }
    }

    /// `wanted` if it is behind all others, the next one otherwise.
    fn take(&mut self, wanted: Option<u64>) -> u64 {
        if let Some(wanted) = wanted.filter(|wanted| (self.next..u64::from(u32::MAX)).contains(wanted)) {
            self.next = wanted;
        }
        while !self.taken.insert(self.next) {
            self.next = self.next.saturating_add(1);
        }
        let id = self.next;
        self.next = id.saturating_add(1);
        id
    }
}
