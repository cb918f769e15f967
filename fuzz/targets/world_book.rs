//! A world book's file: it comes out as it went in, and in every other format it is a book of as many entries.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tavern_domain::Limits;
use tavern_domain::lore::{LoreEntry, LoreFormat};
use tavern_prompt::lore::formats::{
    ImportedBook, read_world_book, read_world_book_value, write_world_book, write_world_file,
};

const FORMATS: [LoreFormat; 6] = [
    LoreFormat::SillyTavern,
    LoreFormat::CardV2,
    LoreFormat::CardV3,
    LoreFormat::Risu,
    LoreFormat::Agnai,
    LoreFormat::NovelAi,
];

fuzz_target!(|data: &[u8]| {
    let limits = Limits {
        world_entries: 20,
        world_keys: 20,
        world_key_bytes: 200,
        ..Limits::default()
    };
    let book = match read_world_book(data, &limits) {
        Ok(book) => book,
        Err(error) => {
            assert!(error.to_string().len() < 1_000, "{error}");
            return;
        }
    };
    assert!(book.entries.len() <= 20);
    for format in FORMATS {
        let _ = write_world_file(&book.text, &book.entries, format);
        let written = write_world_book(&book.text, &book.entries, format);
        if format == book.format {
            let again =
                read_world_book_value(named(format, written), &Limits::default()).expect("what was written is a book");
            assert_eq!(entries(&again), entries(&book));
        }
    }
});

/// In the wrapping that says whose it is: a bare book is told by the fields of its entries, and strange ones may stand
/// among them.
fn named(format: LoreFormat, book: Value) -> Value {
    match format {
        LoreFormat::CardV2 => json!({ "character_book": book }),
        LoreFormat::CardV3 => json!({ "spec": "lorebook_v3", "data": book }),
        _ => book,
    }
}

/// Without the JSON that they came with.
fn entries(book: &ImportedBook) -> Vec<LoreEntry> {
    let without = |entry: &LoreEntry| LoreEntry {
        source: None,
        ..entry.clone()
    };
    book.entries.iter().map(without).collect()
}
