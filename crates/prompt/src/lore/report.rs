//! What a scan tells about every entry: whether it is in, and why.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::index::Inner;

/// Why an entry is in or out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub key: Arc<str>,
    pub book: Arc<str>,
    pub comment: Arc<str>,
    pub activated: bool,
    /// As the entry has it.
    pub matched_key: Option<String>,
    pub matched_in: Option<MatchedIn>,
    /// In which the decision fell; 0 = the first scan.
    pub pass: u32,
    /// Of its content; 0 if it never came to counting.
    pub tokens: u32,
    pub reason: Reason,
}

/// A text in which a key was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedIn {
    /// From the end, 0 = newest.
    Message(u32),
    Field(ScannedField),
    /// In the order they were given.
    Injection(u32),
    /// The content of an entry: its comment, or its key if it has none.
    Lore(Arc<str>),
    /// A pattern that needs more than one text.
    Several,
}

/// A text that an entry may want to be looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScannedField {
    PersonaDescription,
    CharacterDescription,
    CharacterPersonality,
    CharacterDepthPrompt,
    Scenario,
    CreatorNotes,
}

impl fmt::Display for MatchedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(number) => write!(f, "message {number}"),
            Self::Field(field) => f.write_str(match field {
                ScannedField::PersonaDescription => "persona description",
                ScannedField::CharacterDescription => "character description",
                ScannedField::CharacterPersonality => "character personality",
                ScannedField::CharacterDepthPrompt => "character depth prompt",
                ScannedField::Scenario => "scenario",
                ScannedField::CreatorNotes => "creator's notes",
            }),
            Self::Injection(number) => write!(f, "injected text {number}"),
            Self::Lore(name) => write!(f, "lore: {name}"),
            Self::Several => f.write_str("several texts"),
        }
    }
}

/// A decision in one short phrase, by its `Display`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    // In.
    Key,
    Constant,
    Sticky,
    /// `@@activate`
    Activate,
    /// Asked for from outside, which says why.
    Forced(String),

    // Out: it is not for this turn.
    /// Kept out from outside, which says why.
    Silenced(String),
    Disabled,
    /// Not for this kind of generation.
    Trigger,
    /// Not for this character.
    Character,
    /// Messages that must be in the chat first.
    Delay(u32),
    /// The count of messages it rests until.
    Cooldown(u32),
    /// It has activated once, and may not again.
    OnceOnly,
    WaitsForRecursion,
    /// The level of recursion it waits for.
    WaitsForLevel(u32),
    ExcludedFromRecursion,
    /// Messages of the character that must be in the chat first.
    OnlyAfter(u32),
    OnlyEvery(u32),
    /// The greeting that the chat must have begun with.
    Greeting(u32),
    /// `@@dont_activate`
    DontActivate,

    // Out: its keys say so.
    NoKeys,
    NoKeyMatched,
    SecondaryKeys,
    AdditionalKeys,
    /// One of the keys that exclude it.
    ExcludeKey(String),

    // Out, though its keys matched.
    /// The name of the group in which another one is.
    Group(String),
    /// The percentage that chance did not grant.
    Probability(f64),
    /// Its book's own budget.
    OverBookBudget,
    OverBudget,
    /// Active, but with nothing to add.
    Empty,
    /// Active, but its outlet has no name.
    UnnamedOutlet,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("key"),
            Self::Constant => f.write_str("constant"),
            Self::Sticky => f.write_str("sticky"),
            Self::Activate => f.write_str("@@activate"),
            Self::Forced(why) => write!(f, "forced: {why}"),
            Self::Silenced(why) => write!(f, "silenced: {why}"),
            Self::Disabled => f.write_str("disabled"),
            Self::Trigger => f.write_str("not for this kind of generation"),
            Self::Character => f.write_str("not for this character"),
            Self::Delay(messages) => write!(f, "delayed until message {messages}"),
            Self::Cooldown(until) => write!(f, "cooldown until message {until}"),
            Self::OnceOnly => f.write_str("was active before, and may be only once"),
            Self::WaitsForRecursion => f.write_str("activated by recursion only"),
            Self::WaitsForLevel(level) => write!(f, "waits for recursion level {level}"),
            Self::ExcludedFromRecursion => f.write_str("not activated by recursion"),
            Self::OnlyAfter(messages) => write!(f, "only after {messages} messages of the character"),
            Self::OnlyEvery(messages) => write!(f, "only every {messages} messages of the character"),
            Self::Greeting(greeting) => write!(f, "only with greeting {greeting}"),
            Self::DontActivate => f.write_str("@@dont_activate"),
            Self::NoKeys => f.write_str("no keys"),
            Self::NoKeyMatched => f.write_str("no key matched"),
            Self::SecondaryKeys => f.write_str("secondary keys did not match"),
            Self::AdditionalKeys => f.write_str("additional keys did not match"),
            Self::ExcludeKey(key) => write!(f, "excluded by key: {key}"),
            Self::Group(group) => write!(f, "another entry of group {group} is in"),
            Self::Probability(percent) => write!(f, "probability of {percent} % not met"),
            Self::OverBookBudget => f.write_str("over the book's budget"),
            Self::OverBudget => f.write_str("over budget"),
            Self::Empty => f.write_str("nothing to add"),
            Self::UnnamedOutlet => f.write_str("outlet without a name"),
        }
    }
}

/// What is known of an entry that was looked at.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub rank: u32,
    pub activated: bool,
    /// Into [`Inner::keys`].
    pub key: Option<u32>,
    pub matched_in: Option<MatchedIn>,
    pub pass: u32,
    pub tokens: u32,
    pub reason: Reason,
}

/// An entry that could be in the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub key: Arc<str>,
    pub book: Arc<str>,
    pub comment: Arc<str>,
    /// Its first keys, as the entry has them.
    pub keys: Vec<String>,
    /// Unexpanded, decorators taken off.
    pub content: String,
    pub active: bool,
}

/// A decision for every entry of the index, in the order of consideration. Those that nothing concerned
/// are made when they are asked for, so that they cost nothing in a turn that nobody asks about.
#[derive(Clone, Default)]
pub struct Decisions {
    index: Option<Arc<Inner>>,
    /// By ascending rank, each once.
    notes: Vec<Note>,
}

impl Decisions {
    pub(super) fn new(index: Arc<Inner>, mut notes: Vec<Note>) -> Self {
        notes.sort_by_key(|note| note.rank);
        Self {
            index: Some(index),
            notes,
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.index.as_ref().map_or(0, |index| index.entries.len())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Decision> + '_ {
        let mut notes = self.notes.iter().peekable();
        let index = self.index.iter();
        index
            .flat_map(|index| (0..).zip(&index.entries))
            .filter_map(move |(rank, entry)| {
                if let Some(note) = notes.next_if(|note| note.rank == rank) {
                    return self.told(note);
                }
                let reason = if !entry.enabled {
                    Reason::Disabled
                } else if entry.primary.is_empty() {
                    Reason::NoKeys
                } else {
                    Reason::NoKeyMatched
                };
                self.told(&Note {
                    rank,
                    activated: false,
                    key: None,
                    matched_in: None,
                    pass: 0,
                    tokens: 0,
                    reason,
                })
            })
    }

    /// Those of entries that were looked at: some key was found, or none was needed.
    pub fn considered(&self) -> impl Iterator<Item = Decision> + '_ {
        self.notes.iter().filter_map(|note| self.told(note))
    }

    /// At most so many entries that could be in the prompt, for whoever chooses among them: those that are
    /// active first, then in the order of consideration.
    #[must_use]
    pub fn candidates(&self, most: usize) -> Vec<Candidate> {
        let Some(index) = &self.index else {
            return Vec::new();
        };
        let active: HashSet<u32> = self
            .notes
            .iter()
            .filter(|note| note.activated)
            .map(|note| note.rank)
            .collect();
        let ranked = || (0_u32..).zip(&index.entries);
        let first = ranked().filter(|(rank, _)| active.contains(rank));
        let rest = ranked().filter(|(rank, entry)| !active.contains(rank) && entry.enabled);
        first
            .chain(rest)
            .take(most)
            .map(|(rank, entry)| Candidate {
                key: Arc::clone(&entry.key),
                book: index.book(entry).map(|book| Arc::clone(&book.name)).unwrap_or_default(),
                comment: Arc::clone(&entry.comment),
                keys: entry
                    .primary
                    .clone()
                    .map(|key| index.key_text(key).to_owned())
                    .collect(),
                content: entry.content.to_string(),
                active: active.contains(&rank),
            })
            .collect()
    }

    fn told(&self, note: &Note) -> Option<Decision> {
        let index = self.index.as_ref()?;
        let entry = index.entries.get(note.rank as usize)?;
        Some(Decision {
            key: Arc::clone(&entry.key),
            book: index.book(entry).map(|book| Arc::clone(&book.name)).unwrap_or_default(),
            comment: Arc::clone(&entry.comment),
            activated: note.activated,
            matched_key: note.key.map(|key| index.key_text(key).to_owned()),
            matched_in: note.matched_in.clone(),
            pass: note.pass,
            tokens: note.tokens,
            reason: note.reason.clone(),
        })
    }
}

impl PartialEq for Decisions {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.considered()).finish_non_exhaustive()
    }
}
