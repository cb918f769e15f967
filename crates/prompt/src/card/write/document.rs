//! The JSON of a card that is being written.

use serde_json::{Value, json};
use tavern_domain::Limits;
use tavern_domain::character::CharacterText;

use super::{CardSpec, CardState};
use crate::card::CardError;
use crate::card::raw::RawObject;
use crate::card::typed::{self, Typed};
use crate::card::warnings::Warnings;

pub(super) struct Document<'a> {
    /// The original, whole.
    text: &'a str,
    /// What reading the original gives; `None` if there is none.
    before: Option<Typed>,
    root: RawObject<'a>,
    data: RawObject<'a>,
    has_data: bool,
    is_changed: bool,
}

impl<'a> Document<'a> {
    /// Of valid JSON and its value.
    pub fn read(text: &'a str, value: Value, is_card: bool, limits: &Limits) -> Result<Self, CardError> {
        let no_object = || CardError::OtherData("no object, and so no character card");
        let mut root = RawObject::parse(text).ok_or_else(no_object)?;
        let before = match value {
            Value::Object(value) if is_card => {
                // A limit that was lowered since must not keep anybody from getting their card out.
                let limits = Limits {
                    character_name_chars: usize::MAX,
                    character_text_bytes: usize::MAX,
                    greetings: usize::MAX,
                    ..limits.clone()
                };
                Some(typed::read(value, &limits, &mut Warnings::default())?)
            }
            _ => None,
        };
        let raw_data = data_in(text);
        let has_data = raw_data.is_some();
        let data = match raw_data {
            Some(data) => data,
            None => {
                // The root is the data, less what says which specification it follows.
                let spec = root.split_off(&["spec", "spec_version"]);
                std::mem::replace(&mut root, spec)
            }
        };
        Ok(Self {
            text,
            before,
            root,
            data,
            has_data,
            is_changed: false,
        })
    }

    pub fn update(&mut self, state: &CardState<'_>) {
        let before = self.before.take();
        let (blank, no_tags) = (CharacterText::default(), Vec::new());
        let (name, was, tags) = before.as_ref().map_or(("", &blank, &no_tags), |before| {
            (&before.name, &before.text, &before.tags)
        });
        let now = state.text;
        for (field, now, was) in [
            ("name", state.name, name),
            ("description", &now.description, &was.description),
            ("personality", &now.personality, &was.personality),
            ("scenario", &now.scenario, &was.scenario),
            ("first_mes", &now.first_message, &was.first_message),
            ("mes_example", &now.example_dialogue, &was.example_dialogue),
            ("system_prompt", &now.system_prompt, &was.system_prompt),
            (
                "post_history_instructions",
                &now.post_history_instructions,
                &was.post_history_instructions,
            ),
            ("creator_notes", &now.creator_notes, &was.creator_notes),
            ("character_version", &now.character_version, &was.character_version),
        ] {
            if !is_same(now, was) {
                self.set(field, &now.into());
            }
        }
        for (field, now, was) in [
            (
                "alternate_greetings",
                &now.alternate_greetings[..],
                &was.alternate_greetings[..],
            ),
            (
                "group_only_greetings",
                &now.group_only_greetings,
                &was.group_only_greetings,
            ),
            ("tags", state.tags, tags),
        ] {
            if now.len() != was.len() || now.iter().zip(was).any(|(now, was)| !is_same(now, was)) {
                self.set(field, &now.into());
            }
        }
        match (&now.nickname, &was.nickname) {
            (Some(now), Some(was)) if is_same(now, was) => {}
            (Some(now), _) => self.set("nickname", &now.as_str().into()),
            (None, Some(_)) => self.remove("nickname"),
            (None, None) => {}
        }
        let (notes, notes_before) = (&now.creator_notes_by_language, &was.creator_notes_by_language);
        let is_same_note =
            |(now, was): (&(String, String), &(String, String))| is_same(&now.0, &was.0) && is_same(&now.1, &was.1);
        if notes.len() != notes_before.len() || !notes.iter().zip(notes_before).all(is_same_note) {
            if notes.is_empty() {
                self.remove("creator_notes_multilingual");
            } else {
                let notes = notes
                    .iter()
                    .map(|(language, text)| (language.clone(), text.as_str().into()));
                self.set("creator_notes_multilingual", &Value::Object(notes.collect()));
            }
        }
        match state.character_book {
            Some(Value::Null) => self.remove("character_book"),
            Some(book) => self.set("character_book", book),
            None => {}
        }
        self.before = before;
    }

    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Sets a field of the data, and its copy at the root if there is one.
    pub fn set(&mut self, field: &str, value: &Value) {
        self.is_changed = true;
        self.data.set(field, value);
        if self.has_data {
            let mirror = if field == "creator_notes" {
                "creatorcomment"
            } else {
                field
            };
            if self.root.contains(mirror) {
                self.root.set(mirror, value);
            }
        }
    }

    fn remove(&mut self, field: &str) {
        if self.data.contains(field) {
            self.is_changed = true;
            self.data.remove(field);
        }
    }

    pub fn field(&self, field: &str) -> Option<Value> {
        serde_json::from_str(self.data.get(field)?).ok()
    }

    /// The card in a specification. What the other one adds stays in place: unknown fields are kept by all.
    pub fn json(&self, spec: CardSpec, modified: Option<i64>) -> String {
        let modified = modified.filter(|_| spec == CardSpec::V3 || self.data.contains("modification_date"));
        let is_converted = !self.follows(spec);
        if !is_converted && !self.is_changed && modified.is_none() {
            return self.text.to_owned();
        }
        let (mut root, mut data) = (self.root.clone(), self.data.clone());
        if is_converted {
            let (name, version) = match spec {
                CardSpec::V2 => ("chara_card_v2", "2.0"),
                CardSpec::V3 => ("chara_card_v3", "3.0"),
            };
            root.set("spec", name);
            root.set("spec_version", version);
            complete(&mut data, spec);
        }
        if let Some(modified) = modified {
            data.set("modification_date", &modified);
        }
        root.set("data", &data);
        root.to_json()
    }

    /// Whether the original calls itself by this specification, or for V3 by one that is read as such.
    fn follows(&self, spec: CardSpec) -> bool {
        let name = self
            .root
            .get("spec")
            .and_then(|name| serde_json::from_str::<String>(name).ok());
        self.has_data
            && name.is_some_and(|name| match spec {
                CardSpec::V2 => name == "chara_card_v2",
                CardSpec::V3 => name != "chara_card_v2",
            })
    }
}

/// `data`, if it is an object.
fn data_in(text: &str) -> Option<RawObject<'_>> {
    // Borrowed from the text, and not from an object that is still to be changed.
    #[derive(serde::Deserialize)]
    struct Root<'a> {
        #[serde(borrow)]
        data: &'a serde_json::value::RawValue,
    }
    RawObject::parse(serde_json::from_str::<Root<'_>>(text).ok()?.data.get())
}

/// What is stored has no U+0000; that alone is no change.
fn is_same(now: &str, was: &str) -> bool {
    now == was || was.contains('\0') && was.chars().filter(|letter| *letter != '\0').eq(now.chars())
}

/// Adds what the specification demands.
fn complete(data: &mut RawObject<'_>, spec: CardSpec) {
    for field in [
        "name",
        "description",
        "personality",
        "scenario",
        "first_mes",
        "mes_example",
        "creator_notes",
        "system_prompt",
        "post_history_instructions",
        "creator",
        "character_version",
    ] {
        data.set_if_missing(field, "");
    }
    for field in ["alternate_greetings", "tags"] {
        data.set_if_missing(field, &json!([]));
    }
    data.set_if_missing("extensions", &json!({}));
    if spec == CardSpec::V3 {
        data.set_if_missing("group_only_greetings", &json!([]));
        if let Some(book) = data.get("character_book").and_then(with_use_regex) {
            data.set("character_book", &book);
        }
    }
}

/// The world book with `use_regex` in each entry, which V3 demands and V2 does not have. `None` if
/// there is nothing to add.
fn with_use_regex(book: &str) -> Option<Box<serde_json::value::RawValue>> {
    let mut book = RawObject::parse(book)?;
    let entries: Vec<&serde_json::value::RawValue> = serde_json::from_str(book.get("entries")?).ok()?;
    let mut is_changed = false;
    let entries: Option<Vec<_>> = entries
        .iter()
        .map(|entry| {
            let mut entry = RawObject::parse(entry.get())?;
            if !entry.contains("use_regex") {
                entry.set("use_regex", &false);
                is_changed = true;
            }
            Some(entry)
        })
        .collect();
    let entries = serde_json::value::to_raw_value(&entries?).ok()?;
    if !is_changed {
        return None;
    }
    book.set("entries", &entries);
    serde_json::value::to_raw_value(&book).ok()
}
