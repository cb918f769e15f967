//! What tells the formats apart when entries are read and written one by one.

use serde_json::{Value, json};
use tavern_domain::lore::{LoreEntry, LoreFormat, WorldBookText};

use super::fields::{self, Carried, Field, find, object_in, put};
use super::{card_book, others, silly_tavern};
use crate::lenient::{Notes, Object};

/// Under this name in `extensions`, what one format has no place for travels through another.
const FOREIGN: &str = "tavern";

/// Formats whose entries have the same fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    SillyTavern,
    Card,
    Risu,
    Agnai,
    NovelAi,
}

impl Family {
    pub const fn of(format: LoreFormat) -> Self {
        match format {
            LoreFormat::SillyTavern => Self::SillyTavern,
            LoreFormat::CardV2 | LoreFormat::CardV3 => Self::Card,
            LoreFormat::Risu => Self::Risu,
            LoreFormat::Agnai => Self::Agnai,
            LoreFormat::NovelAi => Self::NovelAi,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::SillyTavern => "silly_tavern",
            Self::Card => "character_book",
            Self::Risu => "risu",
            Self::Agnai => "agnai",
            Self::NovelAi => "novel_ai",
        }
    }

    /// The field of a book that holds its entries.
    pub const fn container(self) -> &'static str {
        match self {
            Self::Risu => "data",
            _ => "entries",
        }
    }

    /// The field of an entry that holds its number in the book.
    pub const fn id(self) -> Option<&'static str> {
        match self {
            Self::SillyTavern => Some("uid"),
            Self::Card | Self::Agnai => Some("id"),
            Self::Risu | Self::NovelAi => None,
        }
    }

    /// Whether its entries, and its books, have an object for what others invent.
    const fn is_extensible(self) -> bool {
        matches!(self, Self::SillyTavern | Self::Card)
    }

    fn entry_tables(self) -> [&'static [Field<LoreEntry>]; 2] {
        match self {
            Self::SillyTavern => [silly_tavern::ENTRY, &[]],
            Self::Card => card_book::tables(),
            Self::Risu => [others::RISU_ENTRY, &[]],
            Self::Agnai => [others::AGNAI_ENTRY, &[]],
            Self::NovelAi => [others::NOVEL_AI_ENTRY, &[]],
        }
    }

    fn book_table(self) -> &'static [Field<WorldBookText>] {
        match self {
            Self::SillyTavern | Self::Card => card_book::BOOK,
            Self::Agnai => others::AGNAI_BOOK,
            Self::Risu | Self::NovelAi => &[],
        }
    }

    fn carried(self, from: Self) -> Vec<(&'static [&'static str], &'static [&'static str])> {
        let pairs = silly_tavern::CARRIED.iter();
        match (from, self) {
            (Self::SillyTavern, Self::Card) => pairs.copied().collect(),
            (Self::Card, Self::SillyTavern) => pairs.map(|(here, there): &Carried| (*there, *here)).collect(),
            _ => Vec::new(),
        }
    }

    fn in_extensions(self) -> impl Fn(&str) -> bool {
        let carried = silly_tavern::CARRIED.iter().map(|(_, in_card)| *in_card);
        let of_entries = self.entry_tables().into_iter().flatten().map(|field| field.path);
        let mut known: Vec<&str> = Vec::new();
        for path in of_entries.chain(carried.filter(move |_| self == Self::Card)) {
            if let ["extensions", name] = path {
                known.push(name);
            }
        }
        if self == Self::Card {
            known.push("use_regex");
        }
        move |name| known.contains(&name)
    }

    /// As the raw entry says, without its source.
    pub fn read_entry(self, raw: &Object, notes: &mut Notes, place: usize) -> LoreEntry {
        let mut entry = match self {
            Self::SillyTavern => LoreEntry::default(),
            Self::Card => card_book::blank(),
            Self::Risu | Self::Agnai | Self::NovelAi => others::blank(),
        };
        for table in self.entry_tables() {
            fields::read(table, raw, &mut entry, notes, place);
        }
        match self {
            Self::Card => card_book::complete(&mut entry, raw, notes, place),
            Self::Risu => entry.enabled = !others::is_risu_folder(raw),
            _ => {}
        }
        if self.is_extensible() {
            entry.extensions = Value::Object(bag(raw, self.in_extensions(), notes, place));
        }
        entry
    }

    /// The entry in this format: `raw`, which is of this format, with what differs from it.
    pub fn update_entry(self, entry: &LoreEntry, raw: &mut Object) {
        let mut notes = Notes::new("");
        let was = self.read_entry(raw, &mut notes, 0);
        if self.is_extensible() {
            let known = self.in_extensions();
            write_bag(object_of(&entry.extensions), object_of(&was.extensions), raw, known);
        }
        if self == Self::Risu && was.enabled && !entry.enabled {
            let decorated = format!("@@dont_activate\n{}", entry.content);
            let entry = LoreEntry {
                content: decorated,
                ..entry.clone()
            };
            return self.write_fields(&entry, Some(&was), raw, &mut notes);
        }
        self.write_fields(entry, Some(&was), raw, &mut notes);
    }

    /// The entry in this format, with all fields.
    pub fn new_entry(self, entry: &LoreEntry) -> Object {
        let mut raw = match self {
            Self::Risu => others::new_risu_entry(),
            Self::NovelAi => others::new_novel_ai_entry(),
            _ => Object::new(),
        };
        let mut extensions = object_of(&entry.extensions).cloned().unwrap_or_default();
        let source = entry.source.as_ref().and_then(|source| {
            let family = Self::of(source.format);
            (family != self).then_some((family, source.json.as_object()?))
        });
        let left = source.map(|(family, json)| {
            let known = ["extensions", "uid", "id", "displayIndex", "use_regex"];
            let [first, second] = family.entry_tables();
            let mut left = fields::leftover(first, json, &known);
            left.retain(|name, _| !second.iter().any(|field| field.path.first() == Some(&name.as_str())));
            (family, left)
        });
        self.travel(&mut extensions, left, &mut raw);
        if self.is_extensible() {
            write_bag(Some(&extensions), None, &mut raw, self.in_extensions());
        }
        let mut notes = Notes::new("");
        if self == Self::Risu {
            let entry = LoreEntry {
                content: others::decorated(entry),
                ..entry.clone()
            };
            self.write_fields(&entry, None, &mut raw, &mut notes);
        } else {
            self.write_fields(entry, None, &mut raw, &mut notes);
        }
        if let Some((family, json)) = source {
            for (there, here) in self.carried(family) {
                if let Some(value) = find(json, there) {
                    put(&mut raw, here, Some(value.clone()));
                }
            }
        }
        raw
    }

    fn write_fields(self, entry: &LoreEntry, was: Option<&LoreEntry>, raw: &mut Object, notes: &mut Notes) {
        if self == Self::Card {
            return card_book::write(entry, was, raw, notes);
        }
        for table in self.entry_tables() {
            fields::write(table, entry, was, raw);
        }
    }

    /// Takes home what travelled through another format, and packs what came from one.
    fn travel(self, extensions: &mut Object, left: Option<(Self, Object)>, raw: &mut Object) {
        let mut foreign = match extensions.shift_remove(FOREIGN) {
            Some(Value::Object(foreign)) => foreign,
            _ => Object::new(),
        };
        if let Some((family, left)) = left.filter(|(_, left)| !left.is_empty()) {
            foreign.insert(family.name().to_owned(), Value::Object(left));
        }
        if let Some(Value::Object(home)) = foreign.shift_remove(self.name()) {
            for (name, value) in home {
                raw.entry(name).or_insert(value);
            }
        }
        if !foreign.is_empty() {
            extensions.insert(FOREIGN.to_owned(), Value::Object(foreign));
        }
    }

    /// Keeps an entry's number in another format, for the way back.
    pub fn carry_id(self, raw: &mut Object, from: Self, id: &Value) {
        if let (true, Some(name)) = (self.is_extensible(), from.id()) {
            let foreign = object_in(object_in(raw, "extensions"), FOREIGN);
            object_in(foreign, from.name()).insert(name.to_owned(), id.clone());
        }
    }

    /// As the raw book says, without its source and its entries.
    pub fn read_book(self, raw: &Object, notes: &mut Notes) -> WorldBookText {
        let mut book = WorldBookText::default();
        if let Some(original) = original_book(self, raw) {
            // The card that the file was made from; the file itself has no place for these.
            fields::read(self.book_table(), original, &mut book, notes, 0);
        }
        fields::read(self.book_table(), raw, &mut book, notes, 0);
        let has_extensions = self.is_extensible() || self == Self::Agnai;
        book.extensions = Value::Object(if has_extensions {
            bag(raw, |name| name == "tags", notes, 0)
        } else {
            Object::new()
        });
        book
    }

    pub fn update_book(self, book: &WorldBookText, raw: &mut Object) {
        let was = self.read_book(raw, &mut Notes::new(""));
        if self.is_extensible() || self == Self::Agnai {
            write_bag(object_of(&book.extensions), object_of(&was.extensions), raw, |name| {
                name == "tags"
            });
        }
        fields::write(self.book_table(), book, Some(&was), raw);
    }

    pub fn new_book(self, book: &WorldBookText) -> Object {
        let fixed = match self {
            Self::SillyTavern | Self::Card => json!({}),
            Self::Risu => json!({ "type": "risu", "ver": 1 }),
            Self::Agnai => json!({ "kind": "memory" }),
            Self::NovelAi => {
                json!({ "lorebookVersion": 5, "settings": { "orderByKeyLocations": false }, "categories": [] })
            }
        };
        let mut raw = object_of(&fixed).cloned().unwrap_or_default();
        let mut extensions = object_of(&book.extensions).cloned().unwrap_or_default();
        let left = book.source.as_ref().and_then(|source| {
            let family = Self::of(source.format);
            let json = super::book_in(source.json.as_object()?);
            let fixed = [
                "extensions",
                "entries",
                "data",
                "originalData",
                "type",
                "ver",
                "kind",
                "lorebookVersion",
            ];
            (family != self).then(|| (family, fields::leftover(family.book_table(), json, &fixed)))
        });
        self.travel(&mut extensions, left, &mut raw);
        if self.is_extensible() || self == Self::Agnai {
            write_bag(Some(&extensions), None, &mut raw, |name| name == "tags");
        }
        fields::write(self.book_table(), book, None, &mut raw);
        raw
    }
}

/// The card's book that a SillyTavern file was made from.
pub(super) fn original_book(family: Family, raw: &Object) -> Option<&Object> {
    let original = (family == Family::SillyTavern).then(|| raw.get("originalData"))?;
    original.and_then(Value::as_object)
}

fn object_of(value: &Value) -> Option<&Object> {
    value.as_object()
}

/// What `extensions` holds beside the fields we know.
fn bag(raw: &Object, known: impl Fn(&str) -> bool, notes: &mut Notes, place: usize) -> Object {
    let unknown = |extensions: &Object| {
        let unknown = extensions.iter().filter(|(name, _)| !known(name));
        unknown.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    match raw.get("extensions") {
        Some(Value::Object(extensions)) => unknown(extensions),
        Some(Value::Null) | None => Object::new(),
        Some(_) => {
            notes.at("extensions", place).add("not an object; it was left out");
            Object::new()
        }
    }
}

fn write_bag(now: Option<&Object>, was: Option<&Object>, raw: &mut Object, known: impl Fn(&str) -> bool) {
    let empty = Object::new();
    let now = now.unwrap_or(&empty);
    if was == Some(now) {
        return;
    }
    let extensions = object_in(raw, "extensions");
    for (name, value) in now.iter().filter(|(name, _)| !known(name)) {
        extensions.insert(name.clone(), value.clone());
    }
    if let Some(was) = was {
        extensions.retain(|name, _| now.contains_key(name) || !was.contains_key(name));
    }
}
