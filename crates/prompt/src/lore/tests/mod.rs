//! Activation, rule by rule.

mod budgets;
mod decorators;
mod gates;
mod groups;
mod keys;
mod order;
mod properties;
mod real;
mod recursion;
mod report;
mod timed;

use tavern_domain::chat::Variables;

use super::*;
use crate::macros::Scene;

/// Books, settings and a chat to be scanned.
#[derive(Debug, Clone)]
struct World {
    settings: LoreSettings,
    books: Vec<Book>,
    /// Newest first: name, text, whether the user's.
    messages: Vec<(&'static str, String, bool)>,
}

#[derive(Debug, Clone)]
struct Book {
    kind: BookKind,
    name: &'static str,
    scan_depth: Option<u32>,
    token_budget: Option<u32>,
    recursive: Option<bool>,
    entries: Vec<(String, LoreEntry)>,
}

impl Book {
    fn new(kind: BookKind, name: &'static str, entries: &[(&str, LoreEntry)]) -> Self {
        Self {
            kind,
            name,
            scan_depth: None,
            token_budget: None,
            recursive: None,
            entries: entries
                .iter()
                .map(|(key, entry)| ((*key).to_owned(), entry.clone()))
                .collect(),
        }
    }
}

impl World {
    /// One global book, and nobody has said anything.
    fn of(entries: &[(&str, LoreEntry)]) -> Self {
        Self::of_books(vec![Book::new(BookKind::Global, "book", entries)])
    }

    fn of_books(books: Vec<Book>) -> Self {
        Self {
            settings: LoreSettings::default(),
            books,
            messages: Vec::new(),
        }
    }

    /// Messages, newest first; the newest is the user's, and so is every other.
    fn saying(mut self, messages: &[&str]) -> Self {
        let texts = messages.iter().enumerate();
        self.messages = texts
            .map(|(place, text)| ("", (*text).to_owned(), place % 2 == 0))
            .collect();
        self
    }

    fn set(mut self, change: impl FnOnce(&mut LoreSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    fn index(&self) -> LoreIndex {
        let books: Vec<BookRef<'_>> = self
            .books
            .iter()
            .map(|book| BookRef {
                kind: book.kind,
                name: book.name,
                scan_depth: book.scan_depth,
                token_budget: book.token_budget,
                recursive: book.recursive,
                entries: book
                    .entries
                    .iter()
                    .map(|(key, entry)| EntryRef { key, entry })
                    .collect(),
            })
            .collect();
        LoreIndex::build(&books, &self.settings)
    }

    fn run(&self) -> Activation {
        self.run_with(|_| {})
    }

    fn run_with<'a>(&'a self, change: impl FnOnce(&mut LoreScan<'a>)) -> Activation {
        let mut scan = LoreScan {
            messages: self
                .messages
                .iter()
                .map(|(name, text, is_user)| ScanMessage {
                    name,
                    text,
                    is_user: *is_user,
                })
                .collect(),
            prompt_budget: 100_000,
            trigger: "normal",
            seed: 1,
            ..LoreScan::default()
        };
        change(&mut scan);
        let scene = Scene {
            char: "Mira".into(),
            user: "Tom".into(),
            ..Scene::default()
        };
        let mut macros = Macros::new(scene, Variables::new(), Variables::new(), scan.seed);
        self.index().activate(&scan, &mut macros, &Counter::default())
    }

    /// Keys of what enters the prompt, sorted.
    fn active(&self) -> Vec<String> {
        active(&self.run())
    }
}

fn active(activation: &Activation) -> Vec<String> {
    let mut keys: Vec<_> = activation.entries.iter().map(|entry| entry.key.clone()).collect();
    keys.sort();
    keys
}

/// Keys of what enters the prompt, in its order.
fn in_order(activation: &Activation) -> Vec<&str> {
    activation.entries.iter().map(|entry| entry.key.as_str()).collect()
}

fn decision(activation: &Activation, key: &str) -> Decision {
    let mut decisions = activation.decisions.iter();
    decisions
        .find(|decision| &*decision.key == key)
        .expect("every entry has its decision")
}

fn reason(activation: &Activation, key: &str) -> String {
    decision(activation, key).reason.to_string()
}

/// An entry with these keys, whose content is of no interest.
fn entry(keys: &[&str]) -> LoreEntry {
    with_content(keys, "…")
}

fn with_content(keys: &[&str], content: &str) -> LoreEntry {
    LoreEntry {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        content: content.to_owned(),
        ..LoreEntry::default()
    }
}

fn constant(content: &str) -> LoreEntry {
    LoreEntry {
        constant: true,
        ..with_content(&[], content)
    }
}

fn changed(mut entry: LoreEntry, change: impl FnOnce(&mut LoreEntry)) -> LoreEntry {
    change(&mut entry);
    entry
}
