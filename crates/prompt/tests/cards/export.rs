//! What comes in goes out again: unchanged as it came, changed with the change alone, in every form.

use serde_json::{Value, json};
use tavern_domain::Limits;
use tavern_prompt::card::{
    Card, CardError, CardForm, CardFormat, CardSpec, CardState, SourceFiles, Written, read_card, write_card,
};

use crate::corpus::{Case, Version, corpus, everything};
use crate::files::{cards, other_chunks, png, unzip};

pub fn limits() -> Limits {
    Limits::default()
}

pub fn read(file: &[u8]) -> Card {
    read_card(file, &limits()).expect("a good card")
}

pub fn state(card: &Card) -> CardState<'_> {
    CardState {
        payload: Some(&card.payload),
        name: &card.name,
        text: &card.text,
        tags: &card.tags,
        character_book: None,
        modified: None,
    }
}

pub fn write(state: &CardState<'_>, format: CardFormat, spec: CardSpec, original: Option<&[u8]>) -> Written {
    let files = SourceFiles {
        original,
        picture: None,
    };
    write_card(state, format, spec, &files, &limits()).expect("it can be written")
}

fn json_of(state: &CardState<'_>, spec: CardSpec) -> Value {
    serde_json::from_slice(&write(state, CardFormat::Json, spec, None).bytes).expect("it is JSON")
}

/// Whether everything of `old` is in `new`.
fn is_kept(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old
            .iter()
            .all(|(field, old)| new.get(field).is_some_and(|new| is_kept(old, new))),
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| is_kept(old, new))
        }
        (old, new) => old == new,
    }
}

/// Less what names the specification, and the version that follows from it.
fn without_spec(mut card: Value) -> Value {
    for place in ["root", "data"] {
        if let Some(fields) = card.get_mut(place).and_then(Value::as_object_mut) {
            fields.shift_remove("spec");
            fields.shift_remove("spec_version");
        }
    }
    if card["root"] == json!({}) {
        card.as_object_mut().expect("an object").shift_remove("root");
    }
    card
}

/// Whether the JSON is a card with all that makes it one, so that writing it has nothing to add.
fn is_complete(case: &Case) -> bool {
    case.version != Version::V1 && case.value.get("data").is_some_and(Value::is_object)
}

#[test]
fn an_unchanged_card_gives_its_own_json() {
    for case in corpus().iter().filter(|case| is_complete(case)) {
        let card = read(&case.file);
        let written = write(&state(&card), CardFormat::Json, case.version.spec(), None);
        let value: Value = serde_json::from_slice(&written.bytes).expect("it is strict JSON");
        assert_eq!(value, case.value, "{}", case.name);
        if serde_json::from_str::<Value>(&case.json).is_ok() {
            assert_eq!(written.bytes, case.json.as_bytes(), "{}", case.name);
        }
    }
}

#[test]
fn a_png_keeps_every_chunk_but_its_cards() {
    for case in corpus().iter().filter(|case| case.form == CardForm::Png) {
        let card = read(&case.file);
        for spec in [CardSpec::V2, CardSpec::V3] {
            let written = write(&state(&card), CardFormat::Png, spec, Some(&case.file));
            let (before, after) = (other_chunks(&case.file), other_chunks(&written.bytes));
            let added_end = after.len() - before.len();
            assert!(after.starts_with(&before) && added_end <= 1, "{}", case.name);
            let keywords: Vec<_> = cards(&written.bytes).into_iter().map(|(keyword, _)| keyword).collect();
            let expected: &[&str] = if spec == CardSpec::V2 {
                &["chara"]
            } else {
                &["chara", "ccv3"]
            };
            assert_eq!(keywords, expected, "{}", case.name);
        }
    }
}

#[test]
fn a_png_that_goes_out_and_in_again_is_the_same_card() {
    for case in corpus()
        .iter()
        .filter(|case| case.form == CardForm::Png && is_complete(case))
    {
        let card = read(&case.file);
        let written = write(&state(&card), CardFormat::Png, case.version.spec(), Some(&case.file));
        let again: Value = serde_json::from_str(&read(&written.bytes).payload).expect("it is strict JSON");
        assert_eq!(again, case.value, "{}", case.name);
    }
}

#[test]
fn a_charx_keeps_its_other_entries() {
    for case in corpus().iter().filter(|case| case.form == CardForm::Charx) {
        let card = read(&case.file);
        let written = write(&state(&card), CardFormat::Charx, CardSpec::V3, Some(&case.file));
        let others = |file: &[u8]| {
            let entries = unzip(file).into_iter();
            entries.filter(|(name, _)| name != "card.json").collect::<Vec<_>>()
        };
        assert_eq!(others(&written.bytes), others(&case.file), "{}", case.name);
        let again = read(&written.bytes);
        if case.version == Version::V3 && is_complete(case) {
            let value: Value = serde_json::from_str(&again.payload).expect("it is strict JSON");
            assert_eq!(value, case.value, "{}", case.name);
        }
    }
}

#[test]
fn every_form_and_specification_holds_the_whole_card() {
    let picture = png(&[], &[]);
    for case in corpus().iter().filter(|case| case.name.contains("compact")).step_by(3) {
        let card = read(&case.file);
        let before = everything(&card);
        for format in [CardFormat::Json, CardFormat::Png, CardFormat::Charx] {
            for spec in [CardSpec::V2, CardSpec::V3] {
                let files = SourceFiles {
                    original: Some(&case.file),
                    picture: (format == CardFormat::Png && case.form != CardForm::Png).then_some(&picture),
                };
                let written = write_card(&state(&card), format, spec, &files, &limits())
                    .unwrap_or_else(|error| panic!("{}, {format:?}: {error}", case.name));
                let mut before = without_spec(before.clone());
                if format == CardFormat::Charx && case.form != CardForm::Charx {
                    // The picture becomes the main icon.
                    before["data"]
                        .as_object_mut()
                        .expect("an object")
                        .shift_remove("assets");
                }
                let after = everything(&read(&written.bytes));
                assert!(
                    is_kept(&before, &without_spec(after.clone())),
                    "{}, {format:?}, {spec:?}:\n{before}\n{after}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn there_and_back_between_the_specifications_is_the_same_card() {
    for case in corpus()
        .iter()
        .filter(|case| case.name.ends_with("JSON") && is_complete(case))
    {
        let card = read(&case.file);
        let (there, back) = (case.version.other_spec(), case.version.spec());
        let other = read(&write(&state(&card), CardFormat::Json, there, None).bytes);
        let again = json_of(&state(&other), back);
        let (mut value, mut again) = (case.value.clone(), again);
        for card in [&mut value, &mut again] {
            let fields = card.as_object_mut().expect("an object");
            // A specification of a newer number is written as the one that we know.
            fields.shift_remove("spec");
            fields.shift_remove("spec_version");
        }
        assert!(is_kept(&value, &again), "{}:\n{value}\n{again}", case.name);
    }
}

#[test]
fn a_v2_card_gets_what_v3_demands() {
    let card = read(br#"{"spec":"chara_card_v2","spec_version":"2.0","data":{"name":"M","character_book":{"entries":[{"keys":["a"]},{"use_regex":true}]}}}"#);
    assert_eq!(
        json_of(&state(&card), CardSpec::V3),
        json!({
            "spec": "chara_card_v3", "spec_version": "3.0", "data": {
                "name": "M", "description": "", "personality": "", "scenario": "", "first_mes": "", "mes_example": "",
                "creator_notes": "", "system_prompt": "", "post_history_instructions": "", "creator": "",
                "character_version": "", "alternate_greetings": [], "tags": [], "extensions": {},
                "group_only_greetings": [],
                "character_book": { "entries": [{ "keys": ["a"], "use_regex": false }, { "use_regex": true }] },
            },
        })
    );
}

#[test]
fn a_v1_card_becomes_v2_with_all_its_fields_in_data() {
    let card = read(br#"{"name":"M","first_mes":"Hi.","tool":{"a":1}}"#);
    let written = json_of(&state(&card), CardSpec::V2);
    assert_eq!(
        (&written["spec"], &written["data"]["tool"]),
        (&json!("chara_card_v2"), &json!({ "a": 1 }))
    );
    assert_eq!(written.as_object().map(serde_json::Map::len), Some(3));
    assert_eq!(read(written.to_string().as_bytes()).text.first_message, "Hi.");
}

#[test]
fn only_what_changed_is_written_over() {
    let json = r#"{"spec":"chara_card_v2","spec_version":2,"name":"M","description":"old","first_mes":"stale","data":{"name":"M","description":"old","first_mes":"Hi.","tags":"a, b","extensions":{"n":1.0,"big":123456789012345678901234567890},"description2":  [1 , 2]}}"#;
    let card = read(json.as_bytes());
    let mut text = card.text.clone();
    text.description = "new".into();
    let changed = CardState {
        text: &text,
        ..state(&card)
    };
    let written = write(&changed, CardFormat::Json, CardSpec::V2, None).bytes;
    let expected = json.replace(r#""description":"old""#, r#""description":"new""#);
    let written = String::from_utf8(written).expect("it is text");
    assert_eq!(
        written,
        expected.replace("  [1 , 2]", "[1 , 2]"),
        "data and its mirror are in step; the stale mirror and the odd tags are not ours to touch"
    );
}

#[test]
fn every_field_that_can_change_is_written() {
    let card = read(br#"{"spec":"chara_card_v3","spec_version":"3.0","creatorcomment":"c","tags":["x"],"data":{"name":"M","nickname":"N","character_book":{"entries":[]},"creator_notes_multilingual":{"de":"alt"}}}"#);
    let text = tavern_domain::character::CharacterText {
        nickname: None,
        description: "1".into(),
        personality: "2".into(),
        scenario: "3".into(),
        first_message: "4".into(),
        alternate_greetings: vec!["5".into()],
        group_only_greetings: vec!["6".into()],
        example_dialogue: "7".into(),
        system_prompt: "8".into(),
        post_history_instructions: "9".into(),
        creator_notes: "10".into(),
        creator_notes_by_language: vec![("en".into(), "11".into())],
        character_version: "12".into(),
        spec_version: "3.0".into(),
    };
    let book = json!({ "entries": [{ "keys": [] }] });
    let changed = CardState {
        name: "L",
        text: &text,
        tags: &["t".to_owned()],
        character_book: Some(&book),
        modified: Some(1_800_000_000),
        ..state(&card)
    };
    assert_eq!(
        json_of(&changed, CardSpec::V3),
        json!({
            "spec": "chara_card_v3", "spec_version": "3.0", "creatorcomment": "10", "tags": ["t"],
            "data": {
                "name": "L", "character_book": book, "creator_notes_multilingual": { "en": "11" }, "description": "1",
                "personality": "2", "scenario": "3", "first_mes": "4", "mes_example": "7", "system_prompt": "8",
                "post_history_instructions": "9", "creator_notes": "10", "character_version": "12",
                "alternate_greetings": ["5"], "group_only_greetings": ["6"], "tags": ["t"],
                "modification_date": 1_800_000_000,
            },
        })
    );
    let removed = CardState {
        character_book: Some(&Value::Null),
        ..state(&card)
    };
    assert_eq!(json_of(&removed, CardSpec::V3)["data"].get("character_book"), None);
}

#[test]
fn a_text_that_lost_only_its_nuls_is_unchanged() {
    let json = r#"{"spec":"chara_card_v2","data":{"name":"M","description":"a\u0000b"}}"#;
    let card = read(json.as_bytes());
    let mut text = card.text.clone();
    text.description = "ab".into();
    let stored = CardState {
        text: &text,
        ..state(&card)
    };
    assert_eq!(
        write(&stored, CardFormat::Json, CardSpec::V2, None).bytes,
        json.as_bytes()
    );
}

#[test]
fn a_card_that_did_not_change_keeps_its_date() {
    let json = r#"{"spec":"chara_card_v3","data":{"name":"M","modification_date":7}}"#;
    let card = read(json.as_bytes());
    let touched = CardState {
        modified: Some(1_800_000_000),
        ..state(&card)
    };
    assert_eq!(
        write(&touched, CardFormat::Json, CardSpec::V3, None).bytes,
        json.as_bytes()
    );
}

#[test]
fn a_character_made_here_becomes_a_whole_card() {
    let text = tavern_domain::character::CharacterText {
        first_message: "Hi.".into(),
        ..Default::default()
    };
    let made = CardState {
        payload: None,
        name: "New",
        text: &text,
        tags: &[],
        character_book: None,
        modified: Some(5),
    };
    let picture = png(&[], &[]);
    for (format, spec) in [
        (CardFormat::Json, CardSpec::V2),
        (CardFormat::Json, CardSpec::V3),
        (CardFormat::Png, CardSpec::V3),
        (CardFormat::Charx, CardSpec::V3),
    ] {
        let files = SourceFiles {
            original: None,
            picture: Some(&picture),
        };
        let written = write_card(&made, format, spec, &files, &limits()).expect("it can be written");
        let card = read(&written.bytes);
        assert_eq!(
            (card.name.as_str(), card.text.first_message.as_str()),
            ("New", "Hi."),
            "{format:?}"
        );
        assert_eq!(card.warnings, Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn a_limit_that_was_lowered_does_not_keep_a_card_in() {
    let card = read(br#"{"spec":"chara_card_v2","data":{"name":"Mira","description":"long"}}"#);
    let low = Limits {
        character_name_chars: 1,
        character_text_bytes: 1,
        ..limits()
    };
    let written = write_card(
        &state(&card),
        CardFormat::Json,
        CardSpec::V2,
        &SourceFiles::default(),
        &low,
    );
    assert_eq!(written.expect("it can be written").bytes, card.payload.as_bytes());
}

#[test]
fn a_png_is_written_into_a_png_alone() {
    let card = read(br#"{"name":"M"}"#);
    for (picture, what) in [
        (None, "missing"),
        (Some(&b"\xff\xd8\xff\xe0"[..]), "a JPEG"),
        (Some(b"GIF89a"), "a GIF"),
        (Some(b"RIFF\0\0\0\0WEBP"), "a WEBP"),
        (Some(b"{}"), "missing"),
    ] {
        let files = SourceFiles {
            original: picture,
            picture: None,
        };
        let written = write_card(&state(&card), CardFormat::Png, CardSpec::V2, &files, &limits());
        assert_eq!(written, Err(CardError::NoPng(what)));
    }
}
