//! What an author says should happen: one hook, what it is given, and what is expected of it.
//!
//! `tests/*.json` hold one case each, or a list of them. All that is left out of a turn has a default, so that a
//! case says only what it is about.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value};
use tavern_domain::extension::{Capability, Hook, KvScope, Outcome};
use tavern_plugins::turn::{Character, Message, Role};

use crate::recording::Answer;

/// Bytes of a file of cases.
const MAX_BYTES: u64 = 4 << 20;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// The file's name, if left out.
    #[serde(default)]
    pub name: String,
    pub hook: Hook,
    #[serde(default)]
    pub turn: Turn,
    /// Oldest first.
    #[serde(default)]
    pub history: Vec<Line>,
    /// What else the hook is given; see [`Input`].
    #[serde(default)]
    pub input: Input,
    /// The owner's settings, which have to fit the schema.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Values that are there, as JSON.
    #[serde(default)]
    pub kv: Values,
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// What the model says whenever it is asked. Without it, it cannot be reached.
    #[serde(default)]
    pub model: Option<String>,
    /// What hosts answer.
    #[serde(default)]
    pub http: Vec<Answer>,
    /// All that the manifest asks for, if left out.
    #[serde(default)]
    pub grants: Option<Vec<Capability>>,
    #[serde(default)]
    pub expect: Expect,
}

/// Values by scope and key.
pub type Values = BTreeMap<KvScope, BTreeMap<String, Value>>;

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Turn {
    pub id: String,
    pub chat: String,
    pub user: String,
    pub user_name: String,
    pub persona: String,
    pub character: Option<Person>,
    pub kind: String,
    pub locale: String,
    pub model: String,
    pub context_tokens: u32,
    pub reply_tokens: u32,
    pub variables: BTreeMap<String, String>,
    pub seed: u64,
    pub now_ms: i64,
    pub dry_run: bool,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            id: "turn-1".into(),
            chat: "chat-1".into(),
            user: "user-1".into(),
            user_name: "User".into(),
            persona: String::new(),
            character: Some(Person::default()),
            kind: "normal".into(),
            locale: "en".into(),
            model: "demo".into(),
            context_tokens: 8_192,
            reply_tokens: 512,
            variables: BTreeMap::new(),
            seed: 1,
            // 2026-01-01T12:00:00Z
            now_ms: 1_767_268_800_000,
            dry_run: false,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Person {
    pub name: String,
    pub description: String,
    pub personality: String,
    pub scenario: String,
    pub tags: Vec<String>,
}

impl Default for Person {
    fn default() -> Self {
        Self {
            name: "Ann".into(),
            description: String::new(),
            personality: String::new(),
            scenario: String::new(),
            tags: Vec::new(),
        }
    }
}

impl From<Person> for Character {
    fn from(person: Person) -> Self {
        Self {
            name: person.name,
            description: person.description,
            personality: person.personality,
            scenario: person.scenario,
            tags: person.tags,
        }
    }
}

/// A message. Without an id it gets one of its place: `m1` for the first of the history, `p1` for the first of
/// a prompt.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    #[serde(default)]
    pub id: Option<String>,
    pub role: Speaker,
    #[serde(default)]
    pub name: Option<String>,
    pub text: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    System,
    User,
    Assistant,
    Tool,
}

impl From<Speaker> for Role {
    fn from(speaker: Speaker) -> Self {
        match speaker {
            Speaker::System => Self::System,
            Speaker::User => Self::User,
            Speaker::Assistant => Self::Assistant,
            Speaker::Tool => Self::Tool,
        }
    }
}

impl Line {
    #[must_use]
    pub fn message(&self, id: impl FnOnce() -> String) -> Message {
        Message {
            id: self.id.clone().unwrap_or_else(id),
            role: self.role.into(),
            name: self.name.clone(),
            text: self.text.clone(),
        }
    }
}

/// What hooks are given beside turn and history. Each takes what is its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Input {
    /// `world-info`
    pub candidates: Vec<Entry>,
    /// `prompt-transform`
    pub prompt: Vec<Line>,
    /// `prompt-transform`: what the prompt may have in tokens; the turn's context less its reply if left out.
    pub budget: Option<u32>,
    /// `stream-filter`: the reply as it comes in.
    pub chunks: Vec<String>,
    /// `after-reply`
    pub user: Option<Line>,
    /// `after-reply`
    pub reply: Option<Line>,
    /// `macro-provider`
    pub calls: Vec<MacroCall>,
    /// `tool`
    pub name: String,
    /// `tool`
    pub arguments: Map<String, Value>,
    /// `lifecycle`: the version to migrate from. Without it, the configuration is validated.
    pub migrate_from: Option<String>,
    /// `listing-validate`, `listing-price`
    pub listing: Value,
    /// `listing-price`
    pub buyer: BTreeMap<String, String>,
    /// `listing-price`
    pub base: Price,
    /// `search-rank`
    pub query: String,
    /// `search-rank`
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub id: String,
    #[serde(default)]
    pub book: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub keys: Vec<String>,
    #[serde(default)]
    pub tokens: u32,
    #[serde(default)]
    pub active: bool,
    #[serde(default)]
    pub text: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MacroCall {
    pub name: String,
    #[serde(default)]
    pub arguments: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    /// Micro-credits.
    pub amount: u64,
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub id: String,
    #[serde(default)]
    pub score: f64,
    #[serde(default)]
    pub features: Vec<f64>,
}

impl From<Item> for tavern_plugins::outside::Item {
    fn from(item: Item) -> Self {
        Self {
            id: item.id,
            score: item.score,
            features: item.features,
        }
    }
}

/// What is not said is not looked at, but for the outcome: without one, it is to be ok or skipped.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    pub outcome: Option<Outcome>,
    /// As many as there are, in this order; of each, the fields that stand here.
    pub edits: Option<Vec<Value>>,
    /// What hooks give back that give no edits.
    pub result: Option<Value>,
    /// Values that are there afterwards. Null says that there is none.
    pub kv: Values,
    /// A text that some note of the trace has.
    pub note: Option<String>,
}

/// The cases of a file.
///
/// # Errors
/// When it cannot be read, or is not of this form.
pub fn read(path: &Path) -> Result<Vec<Case>> {
    let size = fs::metadata(path)
        .with_context(|| format!("{} cannot be read", path.display()))?
        .len();
    if size > MAX_BYTES {
        bail!("{} has {size} bytes, and cases may have {MAX_BYTES}", path.display());
    }
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    parse(&text, stem).with_context(|| format!("{} is no case", path.display()))
}

/// The cases of a text; those without a name get this one.
///
/// # Errors
/// When it is not of this form.
pub fn parse(text: &str, name: &str) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)?
    } else {
        vec![serde_json::from_str(text)?]
    };
    let single = cases.len() == 1;
    for (index, case) in cases.iter_mut().enumerate() {
        if case.name.is_empty() {
            case.name = if single {
                name.to_owned()
            } else {
                format!("{name} {}", index + 1)
            };
        }
    }
    Ok(cases)
}

/// The cases of all files of a folder, in the order of their names; none if there is no folder.
///
/// # Errors
/// As [`read`].
pub fn read_all(folder: &Path) -> Result<Vec<Case>> {
    let Ok(entries) = folder.read_dir() else {
        return Ok(Vec::new());
    };
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        cases.extend(read(&path)?);
    }
    Ok(cases)
}

#[cfg(test)]
mod tests;
