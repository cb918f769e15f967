//! Files that other programs ship; skipped where they are not at hand.

use super::*;

fn data(name: &str) -> Option<Vec<u8>> {
    let path = format!("{}/../../../shared/data/sillytavern/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        eprintln!("skipped: {path} is not here");
    }
    bytes
}

fn comes_out_as_it_went_in(raw: &Value, book: &ImportedBook) {
    assert_eq!(&write_world_book(&book.text, &book.entries, book.format), raw);
    assert_eq!(
        serde_json::to_string(&write_world_book(&book.text, &book.entries, book.format)).ok(),
        serde_json::to_string(raw).ok(),
        "the order of the fields, too"
    );
}

#[test]
fn a_world_file_of_silly_tavern_round_trips() {
    let Some(bytes) = data("Eldoria.json") else { return };
    let book = read_world_book(&bytes, &Limits::default()).expect("a good book");
    let raw: Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(
        (book.format, book.entries.len(), book.warnings.len()),
        (LoreFormat::SillyTavern, 4, 0)
    );
    comes_out_as_it_went_in(&raw, &book);
    for format in [LoreFormat::CardV2, LoreFormat::CardV3] {
        let back = write(&through(&book, format), LoreFormat::SillyTavern);
        for (key, entry) in raw["entries"].as_object().expect("an object") {
            for (name, value) in entry.as_object().expect("an entry") {
                assert_eq!(&back["entries"][key][name], value, "{format:?}: {name} of {key}");
            }
        }
    }
}

#[test]
fn the_book_inside_a_card_of_silly_tavern_round_trips() {
    let Some(bytes) = data("Seraphina.png") else { return };
    let card = crate::read_card(&bytes, &Limits::default()).expect("a good card");
    let payload: Value = serde_json::from_str(&card.payload).expect("JSON");
    let book = read_world_book(card.payload.as_bytes(), &Limits::default()).expect("a good book");
    let raw = &payload["data"]["character_book"];
    assert_eq!((book.text.name.as_str(), book.entries.len()), ("Eldoria", 4));
    assert_eq!(book.entries[0].keys[0], "eldoria");
    comes_out_as_it_went_in(raw, &book);
    let by_value = read_world_book_value(raw.clone(), &Limits::default()).expect("a good book");
    assert_eq!(without_sources(&by_value), without_sources(&book));
}
