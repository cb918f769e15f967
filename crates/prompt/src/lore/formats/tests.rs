use serde_json::json;

use super::*;

mod leniency;
mod round_trips;
mod strategies;
mod typed;
mod wild;

fn read(value: &Value) -> ImportedBook {
    read_world_book(value.to_string().as_bytes(), &Limits::default()).expect("a good book")
}

fn write(book: &ImportedBook, format: LoreFormat) -> Value {
    write_world_file(&book.text, &book.entries, format)
}

/// What a program of `format` would save after opening the book.
fn through(book: &ImportedBook, format: LoreFormat) -> ImportedBook {
    read(&write(book, format))
}

fn without_sources(book: &ImportedBook) -> (WorldBookText, Vec<LoreEntry>) {
    let text = WorldBookText {
        source: None,
        ..book.text.clone()
    };
    let entries = book.entries.iter().map(|entry| LoreEntry {
        source: None,
        ..entry.clone()
    });
    (text, entries.collect())
}

fn silly_tavern(entry: Value) -> Value {
    json!({ "entries": { "0": entry } })
}

fn card_v2(entry: Value) -> Value {
    json!({ "entries": [entry] })
}
