//! A scan: the same books, chat and seed activate the same entries, each once, whatever their keys and contents are.
//!
//! Paragraphs are entries (keys separated by commas, secondary keys, content); the last one is the chat.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_domain::chat::Variables;
use tavern_domain::lore::{LoreEntry, LoreSettings, SelectiveLogic};
use tavern_prompt::lore::{Activation, BookKind, BookRef, EntryRef, LoreIndex, LoreScan, ScanMessage};
use tavern_prompt::macros::{Macros, Scene};
use tavern_prompt::tokens::Counter;

fuzz_target!(|text: &str| {
    let mut paragraphs: Vec<&str> = text.split("\n\n").take(40).collect();
    let chat = paragraphs.pop().unwrap_or_default();
    let entries: Vec<(String, LoreEntry)> = paragraphs
        .iter()
        .enumerate()
        .map(|(index, paragraph)| (format!("e{index}"), entry(paragraph)))
        .collect();
    let book = BookRef {
        kind: BookKind::Chat,
        name: "Book",
        scan_depth: None,
        token_budget: Some(500),
        recursive: None,
        entries: entries.iter().map(|(key, entry)| EntryRef { key, entry }).collect(),
    };
    let settings = LoreSettings {
        min_activations: 2,
        ..LoreSettings::default()
    };
    let index = LoreIndex::build(&[book], &settings);
    let first = scan(&index, chat);
    assert!(first == scan(&index, chat));
    let mut keys: Vec<&str> = first.entries.iter().map(|entry| entry.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), first.entries.len());
    assert!(first.entries.iter().all(|entry| !entry.content.trim().is_empty()));
    assert_eq!(first.decisions.iter().count(), entries.len());
});

fn entry(paragraph: &str) -> LoreEntry {
    let mut lines = paragraph.splitn(3, '\n');
    let mut keys = || {
        lines
            .next()
            .unwrap_or_default()
            .split(',')
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (keys, secondary_keys) = (keys(), keys());
    let length = paragraph.len();
    LoreEntry {
        logic: [
            SelectiveLogic::AndAny,
            SelectiveLogic::NotAll,
            SelectiveLogic::NotAny,
            SelectiveLogic::AndAll,
        ][length % 4],
        content: lines.next().unwrap_or_default().to_owned(),
        use_regex: length % 5 == 0,
        constant: length % 7 == 0,
        case_sensitive: [None, Some(true), Some(false)].get(length % 11).copied().flatten(),
        match_whole_words: [None, Some(true), Some(false)].get(length % 13).copied().flatten(),
        group: if length % 6 == 0 {
            "a, b".to_owned()
        } else {
            String::new()
        },
        probability: if length % 9 == 0 { 50.0 } else { 100.0 },
        sticky: (length % 10 == 0).then_some(2),
        keys,
        secondary_keys,
        ..LoreEntry::default()
    }
}

fn scan(index: &LoreIndex, chat: &str) -> Activation {
    let message = |text| ScanMessage {
        name: "Ana",
        text,
        is_user: true,
    };
    let scan = LoreScan {
        messages: chat.lines().rev().map(message).collect(),
        character_names: vec!["Mira"],
        trigger: "normal",
        instruct: chat.len() % 2 == 0,
        prompt_budget: 4_000,
        seed: 3,
        ..LoreScan::default()
    };
    let scene = Scene {
        user: "Ana".into(),
        char: "Mira".into(),
        ..Scene::default()
    };
    let mut macros = Macros::new(scene, Variables::new(), Variables::new(), 3);
    index.activate(&scan, &mut macros, &Counter::default())
}
