//! In and out again, within a format and through another.

use proptest::prelude::*;
use tavern_domain::lore::LorePosition;

use super::*;

proptest! {
    #[test]
    fn a_file_comes_out_as_it_went_in(file in strategies::any_file()) {
        let book = read(&file);
        prop_assert_eq!(write(&book, book.format), file);
    }

    #[test]
    fn an_edit_changes_its_field_and_no_other(file in strategies::any_file(), at in any::<prop::sample::Index>()) {
        let mut book = read(&file);
        let container = Family::of(book.format).container();
        let count = book.entries.len();
        prop_assume!(count > 0);
        let which = at.index(count);
        book.entries[which].content = "edited".to_owned();
        let mut written = write(&book, book.format);
        let again = read(&written);
        prop_assert_eq!(without_sources(&again), without_sources(&book));
        // Undone by hand, nothing is left of the edit.
        let content = match book.format {
            LoreFormat::Agnai => "entry",
            LoreFormat::NovelAi => "text",
            _ => "content",
        };
        let place = |file: &Value, which: usize| match &file[container] {
            Value::Object(entries) => entries.keys().nth(which).expect("it is there").clone(),
            _ => which.to_string(),
        };
        let mut file = file;
        for side in [&mut file, &mut written] {
            let side = if side["data"].is_object() { &mut side["data"] } else { side };
            let key = place(side, which);
            let entry = match &mut side[container] {
                Value::Array(entries) => &mut entries[which],
                entries => &mut entries[key],
            };
            entry.as_object_mut().expect("an entry").remove(content);
        }
        prop_assert_eq!(written, file);
    }

    #[test]
    fn the_typed_book_survives_every_format_that_can_hold_it(file in strategies::any_file()) {
        let book = read(&file);
        for format in [LoreFormat::SillyTavern, LoreFormat::CardV2, LoreFormat::CardV3] {
            let (mut text, mut entries) = without_sources(&through(&book, format));
            // What has no field of its own may have more in it: what travels.
            let expected = without_sources(&book);
            for (entry, expected) in entries.iter_mut().zip(&expected.1) {
                entry.extensions = expected.extensions.clone();
            }
            text.extensions = expected.0.extensions.clone();
            prop_assert_eq!((text, entries), expected, "{:?}", format);
        }
    }

    #[test]
    fn silly_tavern_loses_no_field_in_a_card(
        entries in proptest::collection::vec(strategies::whole_silly_tavern_entry(), 1..3),
        format in prop_oneof![Just(LoreFormat::CardV2), Just(LoreFormat::CardV3)],
    ) {
        let numbered = entries.into_iter().enumerate().map(|(index, mut entry)| {
            entry["uid"] = json!(index);
            (index.to_string(), entry)
        });
        let file = json!({ "entries": Value::Object(numbered.collect()) });
        let back = write(&through(&read(&file), format), LoreFormat::SillyTavern);
        prop_assert_eq!(&back["entries"], &file["entries"]);
    }

    #[test]
    fn a_card_book_loses_nothing_in_silly_tavern(book in strategies::card_book()) {
        let there = through(&read(&book), LoreFormat::SillyTavern);
        let back = write_world_book(&there.text, &there.entries, LoreFormat::CardV2);
        let entries = |book: &Value| book["entries"].as_array().expect("a list").clone();
        for (before, after) in entries(&book).iter().zip(entries(&back)) {
            for (name, value) in before.as_object().expect("an entry").iter().filter(|(name, _)| name.starts_with("x_") || *name == "name") {
                prop_assert_eq!(&after[name], value);
            }
        }
        prop_assert_eq!(without_sources(&read(&back)).1, without_sources(&there).1.into_iter().map(|entry| {
            LoreEntry { extensions: bag_at_home(&entry.extensions), ..entry }
        }).collect::<Vec<_>>());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = read_world_book(&bytes, &Limits::default());
    }

    #[test]
    fn arbitrary_values_in_any_field_never_panic(file in strategies::any_file(), text in r#"[\[\]{}",:0-9a-z]{0,12}"#, at in any::<prop::sample::Index>()) {
        let file = file.to_string();
        let mut cut = at.index(file.len());
        while !file.is_char_boundary(cut) {
            cut -= 1;
        }
        let mutated = format!("{}{text}{}", &file[..cut], &file[cut..]);
        if let Ok(book) = read_world_book(mutated.as_bytes(), &Limits::default()) {
            for format in FORMATS {
                let _ = write(&book, format);
            }
        }
    }
}

const FORMATS: [LoreFormat; 6] = [
    LoreFormat::SillyTavern,
    LoreFormat::CardV2,
    LoreFormat::CardV3,
    LoreFormat::Risu,
    LoreFormat::Agnai,
    LoreFormat::NovelAi,
];

fn bag_at_home(extensions: &Value) -> Value {
    let mut extensions = extensions.clone();
    if let Some(bag) = extensions.as_object_mut() {
        bag.remove("tavern");
    }
    extensions
}

#[test]
fn what_a_format_can_hold_survives_it() {
    let common = LoreEntry {
        comment: "T".into(),
        keys: vec!["a".into(), "b".into()],
        content: "C".into(),
        constant: true,
        order: 7,
        priority: Some(7),
        selective: false,
        ..LoreEntry::default()
    };
    let book = ImportedBook {
        format: LoreFormat::SillyTavern,
        text: WorldBookText::default(),
        entries: vec![common.clone()],
        warnings: Vec::new(),
    };
    for format in FORMATS {
        let (_, entries) = without_sources(&through(&book, format));
        // RisuAI and NovelAI have one number for both.
        let priority = if matches!(format, LoreFormat::Risu | LoreFormat::NovelAi) {
            None
        } else {
            Some(7)
        };
        assert_eq!(
            entries,
            [LoreEntry {
                priority,
                ..common.clone()
            }],
            "{format:?}"
        );
    }
}

#[test]
fn a_v3_file_is_written_in_its_wrapper_and_a_bare_book_without() {
    let entry = json!({ "keys": ["a"], "use_regex": false });
    let bare = json!({ "entries": [entry] });
    let wrapped = json!({ "spec": "lorebook_v3", "data": bare });
    for file in [&bare, &wrapped] {
        let book = read(file);
        assert_eq!(write_world_book(&book.text, &book.entries, LoreFormat::CardV3), bare);
        assert_eq!(&write(&book, LoreFormat::CardV3), file);
    }
    let here = write_world_file(&WorldBookText::default(), &[], LoreFormat::CardV3);
    assert_eq!(here["spec"], "lorebook_v3");
}

#[test]
fn v2_becomes_v3_by_what_v3_requires_and_keeps_the_rest() {
    let book = read(&json!({ "entries": [{ "keys": ["a"], "id": "s", "x": 1 }] }));
    let v3 = write_world_book(&book.text, &book.entries, LoreFormat::CardV3);
    assert_eq!(
        v3["entries"][0],
        json!({ "keys": ["a"], "id": "s", "x": 1, "use_regex": false })
    );
}

#[test]
fn entries_get_numbers_that_are_free() {
    let mut book = read(&json!({ "entries": { "0": { "uid": 0, "key": ["a"] }, "2": { "uid": 2, "key": ["c"] } } }));
    let copy = book.entries[1].clone();
    book.entries.extend([copy, LoreEntry::default()]);
    let written = write(&book, LoreFormat::SillyTavern);
    let mut uids: Vec<_> = written["entries"]
        .as_object()
        .expect("an object")
        .iter()
        .map(|(key, entry)| (key.clone(), entry["uid"].to_string()))
        .collect();
    uids.sort();
    assert_eq!(uids, ["0", "2", "3", "4"].map(|id| (id.to_owned(), id.to_owned())));
}

#[test]
fn the_cards_book_inside_a_world_file_follows_the_edits() {
    let original = |entries: Value| json!({ "name": "B", "x": 1, "entries": entries });
    let card_entry = |id: u32, content: &str| json!({ "id": id, "keys": ["k"], "content": content, "position": "before_char", "selective": true, "mine": id });
    let entry = |id: u32| json!({ "uid": id, "key": ["k"], "content": format!("{id}") });
    let file = json!({
        "entries": { "0": entry(0), "1": entry(1), "2": entry(2) },
        "originalData": original(json!([card_entry(0, "0"), card_entry(1, "1"), card_entry(2, "2")])),
    });
    let mut book = read(&file);
    assert_eq!(book.text.name, "B", "the file has no name of its own");
    assert_eq!(write(&book, LoreFormat::SillyTavern), file);
    let card = write_world_book(&book.text, &book.entries, LoreFormat::CardV2);
    assert_eq!(card, file["originalData"], "the card gets its book back");

    book.entries.remove(0);
    book.entries[1].content = "edited".into();
    book.entries.push(LoreEntry {
        content: "new".into(),
        ..LoreEntry::default()
    });
    let written = write(&book, LoreFormat::SillyTavern);
    let inner = &written["originalData"];
    assert_eq!(inner["entries"][0], card_entry(1, "1"));
    assert_eq!(inner["entries"][1], card_entry(2, "edited"));
    assert_eq!(inner["entries"][2]["content"], "new");
    assert_eq!(
        (inner["x"].clone(), inner["entries"].as_array().map(Vec::len)),
        (json!(1), Some(3))
    );
    let card = write_world_book(&book.text, &book.entries, LoreFormat::CardV2);
    assert_eq!(card["entries"][1], card_entry(2, "edited"));
}

#[test]
fn a_title_by_either_name_can_be_changed_and_taken_away() {
    for (raw, title) in [
        (json!({ "keys": [], "name": "N" }), "new"),
        (json!({ "keys": [], "name": "N" }), ""),
        (json!({ "keys": [], "name": "N", "comment": "C" }), ""),
        (json!({ "keys": [], "comment": "C" }), ""),
    ] {
        let mut book = read(&card_v2(raw.clone()));
        book.entries[0].comment = title.to_owned();
        assert_eq!(through(&book, LoreFormat::CardV2).entries[0].comment, title, "{raw}");
    }
    let mut book = read(&card_v2(json!({ "keys": [], "name": "N", "comment": "C" })));
    book.entries[0].comment = "new".to_owned();
    assert_eq!(
        write(&book, LoreFormat::CardV2)["entries"][0]["name"],
        "N",
        "the other name stays"
    );
}

#[test]
fn fields_of_silly_tavern_on_a_v3_entry_do_not_change_its_patterns() {
    let mut book = read(&card_v2(json!({ "keys": ["a|b"], "use_regex": true })));
    book.entries[0].use_probability = false;
    book.entries[0].position = LorePosition::AtDepth;
    let again = through(&book, LoreFormat::CardV3);
    assert_eq!(without_sources(&again).1, without_sources(&book).1);
}

#[test]
fn a_book_with_fields_of_another_format_comes_back_in_the_wrapping_that_says_whose_it_is() {
    let strange = include_bytes!("../../../../../../fuzz/seeds/world_book/strange_fields.json");
    let book = read_world_book(strange, &Limits::default()).expect("a book");
    assert_eq!(book.format, LoreFormat::CardV3);
    let again = through(&book, LoreFormat::CardV3);
    assert_eq!(without_sources(&again), without_sources(&book));
    let bare = write_world_book(&book.text, &book.entries, LoreFormat::CardV3);
    let wrapped = json!({ "spec": "lorebook_v3", "data": bare });
    let again = read_world_book_value(wrapped, &Limits::default()).expect("a book");
    assert_eq!(without_sources(&again), without_sources(&book));
}
