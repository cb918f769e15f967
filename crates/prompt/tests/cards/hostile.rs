//! No bytes make the codec panic or grow; any JSON goes in and out the same.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};
use tavern_domain::Limits;
use tavern_prompt::card::{Card, CardFormat, CardSpec, CardState, SourceFiles, read_card, write_card};

use crate::corpus::corpus;
use crate::files::{base64, exif, png, text, webp, zip};

fn limits() -> Limits {
    Limits {
        card_json_bytes: 64 * 1024,
        upload_bytes: 64 * 1024,
        charx_bytes: 1024 * 1024,
        ..Limits::default()
    }
}

fn state(card: &Card) -> CardState<'_> {
    CardState {
        payload: Some(&card.payload),
        name: &card.name,
        text: &card.text,
        tags: &card.tags,
        character_book: None,
        modified: None,
    }
}

/// Reads, and writes what was read in every form; whatever comes of it.
fn exercise(bytes: &[u8]) {
    let Ok(card) = read_card(bytes, &limits()) else {
        return;
    };
    // What is made of a card is bounded by what it was made of.
    assert!(card.payload.len() <= 64 * 1024 + 1024 && card.warnings.len() <= 60);
    let files = SourceFiles {
        original: Some(bytes),
        picture: None,
    };
    for format in [CardFormat::Json, CardFormat::Png, CardFormat::Charx] {
        for spec in [CardSpec::V2, CardSpec::V3] {
            if let Ok(written) = write_card(&state(&card), format, spec, &files, &limits()) {
                read_card(&written.bytes, &Limits::default()).expect("what we write we can read");
            }
        }
    }
}

/// Any JSON; numbers that every reader keeps.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn fields() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[a-z_]{1,3}|.{1,4}", value(), 0..5).prop_map(|fields| fields.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_behind_any_magic_are_answered(
        magic in prop::sample::select(vec![
            &b""[..], b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPEXIF\x40\0\0\0II*\0\x08\0\0\0",
            b"\xff\xd8\xff", b"GIF8", b"{", b"name: ", b"\xff\xfe", b"\xef\xbb\xbf",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        exercise(&[magic, &bytes].concat());
    }

    #[test]
    fn yaml_like_text_is_answered(text in "([a-z]{1,4}|name|context|: |- |\\n|  |\"|'|\\{|\\}|\\[|\\]|&|\\*|!|#|\\||>|---|\\t){0,40}") {
        exercise(text.as_bytes());
        exercise(format!("name: M\n{text}").as_bytes());
    }

    #[test]
    fn broken_json_is_answered(text in r#"(\{|\}|\[|\]|"|:|,|name|\\u|d83d|\\|é|null|NaN|-Infinity|1|\t| ){0,40}"#) {
        exercise(text.as_bytes());
        exercise(format!(r#"{{"name":"M","x":{text}}}"#).as_bytes());
        exercise(format!(r#"{{"name":"M","x":"{text}"}}"#).as_bytes());
    }

    #[test]
    fn any_card_goes_in_and_out_the_same(root in fields(), data in fields(), extensions in value(), is_v3 in any::<bool>(), pretty in any::<bool>()) {
        let (name, spec) = if is_v3 { ("chara_card_v3", CardSpec::V3) } else { ("chara_card_v2", CardSpec::V2) };
        let mut card = Value::Object(root);
        let mut data = Value::Object(data);
        data["name"] = json!("Mira");
        data["extensions"] = extensions;
        card["spec"] = json!(name);
        card["data"] = data;
        let json = if pretty { serde_json::to_string_pretty(&card) } else { serde_json::to_string(&card) };
        let json = json.expect("it is JSON");
        let picture = png(&[], &[text(if is_v3 { "ccv3" } else { "chara" }, &base64(json.as_bytes()))]);
        for file in [
            json.clone().into_bytes(),
            picture.clone(),
            zip(&[("card.json", json.as_bytes())], zip::CompressionMethod::Deflated),
            webp(b"EXIF", &exif(b"ASCII\0\0\0", json.as_bytes(), true)),
        ] {
            let card = read_card(&file, &Limits::default()).expect("a sound card");
            prop_assert_eq!(&card.payload, &json);
            let files = SourceFiles { original: Some(&picture), picture: None };
            let written = write_card(&state(&card), CardFormat::Png, spec, &files, &Limits::default()).expect("it can be written");
            prop_assert_eq!(&read_card(&written.bytes, &Limits::default()).expect("ours").payload, &json);
        }
    }

    #[test]
    fn a_change_leaves_all_else(root in fields(), data in fields(), description in ".{0,20}") {
        let mut card = Value::Object(root);
        let mut data = Value::Object(data);
        data["name"] = json!("Mira");
        data["description"] = json!("before");
        card["spec"] = json!("chara_card_v2");
        card["data"] = data;
        let read = read_card(card.to_string().as_bytes(), &Limits::default()).expect("a sound card");
        let mut text = read.text.clone();
        text.description.clone_from(&description);
        let changed = CardState { text: &text, ..state(&read) };
        let written = write_card(&changed, CardFormat::Json, CardSpec::V2, &SourceFiles::default(), &Limits::default());
        card["data"]["description"] = json!(description);
        let written: Value = serde_json::from_slice(&written.expect("it can be written").bytes).expect("it is JSON");
        prop_assert_eq!(written, card);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn mutated_cards_are_answered(which in any::<Index>(), changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6), cut in any::<Option<Index>>()) {
        let cases = corpus();
        let mut file = which.get(cases).file.clone();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        exercise(&file);
    }
}
