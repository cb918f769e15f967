//! What real files get wrong, and what is refused.

use tavern_domain::chat::ChatRole;
use tavern_domain::lore::LorePosition;

use super::*;

type Check = fn(&LoreEntry) -> bool;

#[test]
fn what_real_entries_get_wrong_is_repaired_and_told() {
    let silly: [(&str, Value, usize, Check); 15] = [
        ("a number as a text", json!({ "order": "7" }), 1, |it| it.order == 7),
        ("an empty depth", json!({ "depth": "" }), 1, |it| it.depth == 4),
        ("a negative depth", json!({ "depth": -1 }), 1, |it| it.depth == 0),
        ("no role", json!({ "role": null }), 1, |it| it.role == ChatRole::System),
        ("a role by name", json!({ "role": "assistant" }), 1, |it| {
            it.role == ChatRole::Assistant
        }),
        ("a position by name", json!({ "position": "after_char" }), 1, |it| {
            it.position == LorePosition::AfterCharacter
        }),
        ("an unknown position", json!({ "position": 12 }), 1, |it| {
            it.position == LorePosition::BeforeCharacter
        }),
        ("a percentage as a text", json!({ "probability": "55" }), 1, |it| {
            it.probability == 55.0
        }),
        ("a percentage over all", json!({ "probability": 150 }), 1, |it| {
            it.probability == 100.0
        }),
        (
            "a level as a truth value",
            json!({ "delayUntilRecursion": true }),
            0,
            |it| it.delay_until_recursion == 1,
        ),
        ("no level", json!({ "delayUntilRecursion": false }), 0, |it| {
            it.delay_until_recursion == 0
        }),
        ("keys as a text", json!({ "key": "a, b" }), 1, |it| {
            it.keys == ["a", "b"]
        }),
        ("a key as a number", json!({ "key": [7, null] }), 2, |it| {
            it.keys == ["7"]
        }),
        (
            "unset optional fields",
            json!({ "sticky": null, "scanDepth": null, "caseSensitive": null }),
            0,
            |it| it.sticky.is_none(),
        ),
        (
            "a truth value as a text",
            json!({ "constant": "true", "disable": 1 }),
            2,
            |it| it.constant && !it.enabled,
        ),
    ];
    let card: [(&str, Value, usize, Check); 8] = [
        (
            "an empty order",
            json!({ "keys": [], "insertion_order": "" }),
            1,
            |it| it.order == 100,
        ),
        ("no extensions", json!({ "keys": [], "extensions": null }), 0, |it| {
            it.extensions == json!({})
        }),
        (
            "extensions of another kind",
            json!({ "keys": [], "extensions": [1] }),
            1,
            |it| it.extensions == json!({}),
        ),
        (
            "an empty depth",
            json!({ "keys": [], "extensions": { "depth": "" } }),
            1,
            |it| it.depth == 4,
        ),
        (
            "a title by the other name",
            json!({ "keys": [], "name": "T", "comment": "" }),
            0,
            |it| it.comment == "T",
        ),
        ("no position", json!({ "keys": [] }), 0, |it| {
            it.position == LorePosition::AfterCharacter
        }),
        (
            "a position as a number",
            json!({ "keys": [], "position": 0 }),
            0,
            |it| it.position == LorePosition::BeforeCharacter,
        ),
        (
            "Risu's case",
            json!({ "keys": [], "extensions": { "risu_case_sensitive": true } }),
            0,
            |it| it.case_sensitive == Some(true),
        ),
    ];
    let silly = silly.into_iter().map(|(what, raw, warnings, check)| {
        let mut raw = raw;
        raw["uid"] = json!(0);
        (what, silly_tavern(raw), warnings, check)
    });
    let card = card
        .into_iter()
        .map(|(what, raw, warnings, check)| (what, card_v2(raw), warnings, check));
    for (what, file, warnings, check) in silly.chain(card) {
        let book = read(&file);
        assert!(check(&book.entries[0]), "{what}: {:?}", book.entries[0]);
        assert_eq!(book.warnings.len(), warnings, "{what}: {:?}", book.warnings);
        assert_eq!(
            write_world_book(&book.text, &book.entries, book.format),
            file,
            "{what} comes out as it was"
        );
    }
}

#[test]
fn a_book_is_recognised_whatever_it_is_in() {
    let entry = json!({ "keys": ["a"] });
    for (what, file, format) in [
        (
            "a world file",
            json!({ "entries": { "0": { "uid": 0, "key": [] } } }),
            LoreFormat::SillyTavern,
        ),
        (
            "a world file with a list",
            json!({ "entries": [{ "uid": 0, "key": [] }] }),
            LoreFormat::SillyTavern,
        ),
        ("an empty world file", json!({ "entries": {} }), LoreFormat::SillyTavern),
        ("a bare book", json!({ "entries": [entry] }), LoreFormat::CardV2),
        ("an empty bare book", json!({ "entries": [] }), LoreFormat::CardV2),
        (
            "a bare V3 book",
            json!({ "entries": [{ "keys": [], "use_regex": false }] }),
            LoreFormat::CardV3,
        ),
        (
            "a V3 file",
            json!({ "spec": "lorebook_v3", "data": { "entries": [entry] } }),
            LoreFormat::CardV3,
        ),
        (
            "a V2 card",
            json!({ "spec": "chara_card_v2", "data": { "character_book": { "entries": [entry] } } }),
            LoreFormat::CardV2,
        ),
        (
            "a V3 card",
            json!({ "spec": "chara_card_v3", "data": { "character_book": { "entries": [entry] } } }),
            LoreFormat::CardV3,
        ),
        (
            "a flat card",
            json!({ "name": "M", "character_book": { "entries": [entry] } }),
            LoreFormat::CardV2,
        ),
        (
            "a world file in a card",
            json!({ "spec": "chara_card_v2", "data": { "character_book": { "entries": { "0": { "uid": 0, "key": [] } } } } }),
            LoreFormat::SillyTavern,
        ),
        (
            "a card's book with an object of entries",
            json!({ "entries": { "0": entry } }),
            LoreFormat::CardV2,
        ),
        (
            "Risu's",
            json!({ "type": "risu", "ver": 1, "data": [] }),
            LoreFormat::Risu,
        ),
        ("Agnai's", json!({ "kind": "memory", "entries": [] }), LoreFormat::Agnai),
        (
            "Agnai's without its mark",
            json!({ "entries": [{ "keywords": [] }] }),
            LoreFormat::Agnai,
        ),
        (
            "NovelAI's",
            json!({ "lorebookVersion": 4, "entries": [] }),
            LoreFormat::NovelAi,
        ),
        (
            "NovelAI's without its mark",
            json!({ "entries": [{ "displayName": "" }] }),
            LoreFormat::NovelAi,
        ),
    ] {
        assert_eq!(read(&file).format, format, "{what}");
    }
}

#[test]
fn what_is_no_book_is_refused_in_words() {
    for (file, why) in [
        ("[]", "This is no world book: it is no JSON object."),
        ("{}", "This is no world book: it has no `entries`."),
        (
            r#"{"spec":"lorebook_v3"}"#,
            "This is no world book: it says that it is one, but has no `data`.",
        ),
        (
            r#"{"spec":"chara_card_v2","data":{"name":"M"}}"#,
            "This is no world book: it is a character card without one.",
        ),
        (
            r#"{"spec":"chara_card_v2","data":{"character_book":null}}"#,
            "This is no world book: it is a character card without one.",
        ),
        ("{\"entries\":{}\n,}", "The file is not valid JSON at line 2, column 2."),
        ("", "The file is not valid JSON at line 1, column 0."),
    ] {
        let error = read_world_book(file.as_bytes(), &Limits::default()).expect_err("no book");
        assert_eq!(error.to_string(), why);
    }
}

#[test]
fn broken_bytes_are_repaired_and_told() {
    let file = b"\xef\xbb\xbf{\"entries\":[{\"keys\":[\"a\xff\"],\"content\":\"\\ud83d\"},7]}\0";
    let book = read_world_book(file, &Limits::default()).expect("a good book");
    assert_eq!(
        (book.entries[0].keys[0].as_str(), book.entries[0].content.as_str()),
        ("a\u{fffd}", "\u{fffd}")
    );
    assert_eq!(book.warnings.len(), 3, "{:?}", book.warnings);
    assert_eq!(
        book.warnings[2],
        "`entries` was not an object; it was left out (entry 2)."
    );
}

#[test]
fn entries_of_an_object_come_in_the_order_of_their_numbers() {
    let file = json!({ "entries": { "10": { "uid": 10 }, "b": { "comment": "b" }, "2": { "uid": 2 }, "a": { "comment": "a" } } });
    let book = read(&file);
    let keys: Vec<_> = book
        .entries
        .iter()
        .map(|it| it.source.as_ref().expect("imported").json.clone())
        .collect();
    assert_eq!(
        keys,
        [
            json!({ "uid": 2 }),
            json!({ "uid": 10 }),
            json!({ "comment": "b" }),
            json!({ "comment": "a" })
        ]
    );
    assert_eq!(write(&book, LoreFormat::SillyTavern), file);
}

#[test]
fn every_limit_holds_on_both_sides() {
    let limits = Limits {
        world_book_bytes: 200,
        world_entries: 2,
        world_entry_bytes: 3,
        world_keys: 2,
        world_key_bytes: 4,
        file_json_values: 20,
        card_json_depth: 4,
        ..Limits::default()
    };
    let with = |entry: Value| json!({ "entries": [entry] }).to_string();
    let padded = |bytes: usize| format!("{:bytes$}", r#"{"entries":[]}"#);
    let entries = |count: usize| json!({ "entries": vec![json!({}); count] }).to_string();
    let nested = |levels: usize| {
        format!(
            r#"{{"entries":[],"x":{}{}}}"#,
            "[".repeat(levels - 1),
            "]".repeat(levels - 1)
        )
    };
    for (what, fits, breaks, error) in [
        (
            "bytes",
            padded(200),
            padded(201),
            "The file has 201 bytes; the limit is 200.",
        ),
        (
            "entries",
            entries(2),
            entries(3),
            "The book has 3 entries; the limit is 2.",
        ),
        (
            "content",
            with(json!({ "content": "abc" })),
            with(json!({ "content": "abcd" })),
            "Entry 1: `content` has 4 bytes; the limit is 3.",
        ),
        (
            "title",
            with(json!({ "comment": "abc" })),
            with(json!({ "comment": "abcd" })),
            "Entry 1: `comment` has 4 bytes; the limit is 3.",
        ),
        (
            "keys",
            with(json!({ "keys": ["a", "b"] })),
            with(json!({ "keys": ["a", "b", "c"] })),
            "Entry 1: `keys` has 3 keys; the limit is 2.",
        ),
        (
            "secondary keys",
            with(json!({ "keys": [], "secondary_keys": ["a", "b"] })),
            with(json!({ "keys": [], "secondary_keys": ["a", "b", "c"] })),
            "Entry 1: `secondary_keys` has 3 keys; the limit is 2.",
        ),
        (
            "key",
            with(json!({ "keys": ["abcd"] })),
            with(json!({ "keys": ["abcde"] })),
            "Entry 1: `keys` has a key of 5 bytes; the limit is 4.",
        ),
        (
            "depth",
            nested(4),
            nested(5),
            "The file nests lists and objects more than 4 levels deep.",
        ),
        (
            "values",
            json!({ "entries": [], "x": vec![0; 16] }).to_string(),
            json!({ "entries": [], "x": vec![0; 17] }).to_string(),
            "The file holds more than 20 values.",
        ),
    ] {
        let read = |file: &str| read_world_book(file.as_bytes(), &limits).map_err(|error| error.to_string());
        assert!(read(&fits).is_ok(), "{what}: {:?}", read(&fits).err());
        assert_eq!(read(&breaks).err().as_deref(), Some(error), "{what}");
    }
}

#[test]
fn ten_megabytes_in_one_text_are_refused_by_their_field() {
    let file = json!({ "entries": [{ "keys": [], "content": "a".repeat(10 << 20) }] }).to_string();
    let error = read_world_book(file.as_bytes(), &Limits::default()).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "Entry 1: `content` has 10485760 bytes; the limit is 262144."
    );
}
