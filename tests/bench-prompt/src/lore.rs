//! Scans of world books.
//!
//! The chat is four messages of 250 words. Entries have two words and a phrase of two words as keys, out of 20,000 words,
//! and 30 words of content; about one in a hundred activates. With recursion the scan takes three passes, the later ones
//! over what the earlier ones have activated. Whole words, any case. The floor is the same text in lower case and one pass
//! of a ready automaton of all keys over it. From nothing means that the index is built, too.

use std::hint::black_box;

use aho_corasick::AhoCorasick;
use rand::RngExt;
use tavern_domain::chat::Variables;
use tavern_domain::lore::{LoreEntry, LoreSettings};
use tavern_prompt::lore::{Activation, BookKind, BookRef, EntryRef, LoreIndex, LoreScan, ScanMessage};
use tavern_prompt::macros::{Macros, Scene};
use tavern_prompt::tokens::Counter;

use crate::data;
use crate::measure::{cold, heading, rounds, row};

const MESSAGES: usize = 4;
const WORDS: usize = 250;

/// Number of entries; with recursion the aims, warm and from nothing, and SillyTavern's time; SillyTavern's without.
const SIZES: [(usize, &str, &str, &str, &str); 5] = [
    (100, "0.05 ms", "0.5 ms", "6.7 ms", "3.2 ms"),
    (1_000, "0.3 ms", "3 ms", "91 ms", "36 ms"),
    (5_000, "1 ms", "10 ms", "829 ms", "194 ms"),
    (25_000, "5 ms", "50 ms", "12.9 s", "1.2 s"),
    (100_000, "20 ms", "200 ms", "minutes", "5.6 s"),
];

pub fn run() {
    heading("lore scan: entries");
    let chat = data::chat(MESSAGES, WORDS, &mut data::random(1));
    for (count, aim, cold_aim, peer, peer_flat) in SIZES {
        let book = Book::new(count, &chat);
        for (settings, aim, peer) in [(recursive(), aim, peer), (flat(), "", peer_flat)] {
            let kind = if settings.recursive { "recursion" } else { "one pass" };
            let index = book.index(&settings);
            let found = activate(&index, &chat);
            let active = found.entries.len();
            let texts: Vec<&str> = match settings.recursive {
                true => found.entries.iter().map(|entry| entry.content.as_str()).collect(),
                false => Vec::new(),
            };
            let floor = book.floor();
            let [ours, floor] = rounds([&mut || drop(black_box(activate(&index, &chat))), &mut || {
                black_box(pass(&floor, &chat, &texts));
            }]);
            row(
                &format!("{count}, {kind}, {active} active"),
                ours,
                Some(floor),
                aim,
                peer,
            );
        }
        let cold = cold(|| {
            let index = book.index(&recursive());
            let found = activate(&index, &chat);
            (index, found)
        });
        row(&format!("{count}, recursion, from nothing"), cold, None, cold_aim, "");
    }

    println!();
    heading("lore scan: the text's length, 5,000 entries");
    let book = Book::new(5_000, &chat);
    let floor = book.floor();
    for (settings, kind) in [(recursive(), "recursion"), (flat(), "one pass")] {
        let index = book.index(&settings);
        for times in [1, 4, 16] {
            // More words, and no more keys: what grows is the text alone.
            let mut random = data::random(2);
            let longer = |text: &String| format!("{} {text}", data::prose(WORDS * (times - 1), &mut random));
            let chat: Vec<String> = match times {
                1 => chat.clone(),
                _ => chat.iter().map(longer).collect(),
            };
            let active = activate(&index, &chat).entries.len();
            let [ours, floor] = rounds([&mut || drop(black_box(activate(&index, &chat))), &mut || {
                black_box(pass(&floor, &chat, &[]));
            }]);
            let what = format!("{times} × 1,000 words, {kind}, {active} active");
            row(&what, ours, Some(floor), "", "");
        }
    }
}

fn recursive() -> LoreSettings {
    LoreSettings {
        depth: 4,
        max_recursion_steps: 3,
        ..LoreSettings::default()
    }
}

fn flat() -> LoreSettings {
    LoreSettings {
        recursive: false,
        ..recursive()
    }
}

/// A book of entries under their keys.
pub struct Book(Vec<(String, LoreEntry)>);

impl Book {
    /// The first entry is activated by the chat, and activates the second, which activates the third.
    pub fn new(count: usize, chat: &[String]) -> Self {
        let mut random = data::random(3);
        let word_of_chat = chat
            .first()
            .and_then(|text| text.split(' ').nth(1))
            .expect("a message has many words");
        // Beyond those that anything else is made of.
        let links = [500_000, 500_001].map(data::word);
        let entries = (0..count).map(|index| {
            let mut key = || data::word(random.random_range(0..data::VOCABULARY));
            let mut keys = vec![key(), key(), format!("{} {}", key(), key())];
            let mut content = data::prose(30, &mut random);
            match index {
                0 => word_of_chat.clone_into(&mut keys[0]),
                1 | 2 => keys[0].clone_from(&links[index - 1]),
                _ => {}
            }
            if let Some(link) = links.get(index) {
                content.push(' ');
                content.push_str(link);
            }
            let entry = LoreEntry {
                keys,
                content,
                ..LoreEntry::default()
            };
            (format!("entry{index}"), entry)
        });
        Self(entries.collect())
    }

    pub fn index(&self, settings: &LoreSettings) -> LoreIndex {
        let entries = self.0.iter().map(|(key, entry)| EntryRef { key, entry });
        let book = BookRef {
            kind: BookKind::Character,
            name: "Book",
            scan_depth: None,
            token_budget: None,
            recursive: None,
            entries: entries.collect(),
        };
        LoreIndex::build(&[book], settings)
    }

    fn floor(&self) -> AhoCorasick {
        let keys = self.0.iter().flat_map(|(_, entry)| &entry.keys);
        AhoCorasick::new(keys).expect("the keys are no gigabytes")
    }
}

fn activate(index: &LoreIndex, chat: &[String]) -> Activation {
    let messages = chat.iter().map(|text| ScanMessage {
        name: "Ana",
        text,
        is_user: true,
    });
    let scan = LoreScan {
        messages: messages.collect(),
        trigger: "normal",
        // So that nothing is left out.
        prompt_budget: 100_000_000,
        ..LoreScan::default()
    };
    let mut macros = Macros::new(Scene::default(), Variables::new(), Variables::new(), 1);
    index.activate(&scan, &mut macros, &Counter::default())
}

fn pass(keys: &AhoCorasick, chat: &[String], more: &[&str]) -> usize {
    let texts = chat.iter().map(String::as_str).chain(more.iter().copied());
    texts
        .map(|text| keys.find_overlapping_iter(&text.to_lowercase()).count())
        .sum()
}
