//! Every card of the corpus comes in whole, and its owner is told what was wrong with it.

use serde_json::Value;
use tavern_domain::Limits;
use tavern_prompt::card::{Card, CardForm, PictureKind, extensions, read_card};

use crate::corpus::{Case, corpus};

/// Of a card's `data`.
const TYPED: [&str; 15] = [
    "name",
    "nickname",
    "description",
    "personality",
    "scenario",
    "first_mes",
    "mes_example",
    "creator_notes",
    "creator_notes_multilingual",
    "system_prompt",
    "post_history_instructions",
    "alternate_greetings",
    "group_only_greetings",
    "character_version",
    "tags",
];

fn read(case: &Case) -> Card {
    read_card(&case.file, &Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

#[test]
fn the_corpus_has_many_different_cards() {
    let cases = corpus();
    let files: std::collections::HashSet<_> = cases.iter().map(|case| &case.file).collect();
    assert!(
        cases.len() >= 500 && files.len() * 10 >= cases.len() * 9,
        "{} cases",
        cases.len()
    );
}

#[test]
fn every_card_is_read_in_its_form() {
    for case in corpus() {
        let card = read(case);
        assert_eq!(card.form, case.form, "{}", case.name);
        let picture = card.picture.as_ref().map(|picture| picture.kind);
        let expected = match case.form {
            CardForm::Png => Some(PictureKind::Png),
            CardForm::Webp => Some(PictureKind::Webp),
            _ => PictureKind::of(&case.file),
        };
        assert_eq!(picture, expected, "{}", case.name);
    }
}

#[test]
fn each_fault_is_told_and_nothing_else() {
    for case in corpus() {
        let told = read(case).warnings;
        for expected in &case.warnings {
            assert!(
                told.iter().any(|warning| warning.contains(expected)),
                "{}: no `{expected}` in {told:?}",
                case.name
            );
        }
        assert_eq!(told.len(), case.warnings.len(), "{}: {told:?}", case.name);
    }
}

#[test]
fn the_original_json_is_kept_byte_for_byte() {
    for case in corpus() {
        assert_eq!(read(case).payload, case.json, "{}", case.name);
    }
}

#[test]
fn what_the_platform_has_no_field_for_is_kept() {
    for case in corpus() {
        let card = read(case);
        let nested = case.value.get("data").filter(|data| data.is_object());
        let data = nested.unwrap_or(&case.value).as_object().expect("an object");
        let known = |field: &str| TYPED.contains(&field);
        for (field, value) in data.iter().filter(|(field, _)| !known(field)) {
            assert_eq!(
                card.extensions["data"].get(field),
                Some(value),
                "{}: {field}",
                case.name
            );
        }
        let root = case.value.as_object().expect("an object").iter();
        for (field, value) in root.filter(|(field, _)| nested.is_some() && *field != "data") {
            assert_eq!(
                card.extensions["root"].get(field),
                Some(value),
                "{}: {field}",
                case.name
            );
        }
    }
}

#[test]
fn texts_are_taken_as_they_are_written() {
    for case in corpus() {
        let card = read(case);
        let nested = case.value.get("data").filter(|data| data.is_object());
        let data = nested.unwrap_or(&case.value);
        for (field, text) in [
            ("description", &card.text.description),
            ("first_mes", &card.text.first_message),
            ("mes_example", &card.text.example_dialogue),
            ("system_prompt", &card.text.system_prompt),
            ("creator_notes", &card.text.creator_notes),
        ] {
            let expected = data.get(field).and_then(Value::as_str).unwrap_or_default();
            assert_eq!(text, expected, "{}: {field}", case.name);
        }
    }
}

#[test]
fn what_applications_keep_in_a_card_is_found() {
    let case = corpus()
        .iter()
        .find(|case| case.name == "V2, none, compact, PNG")
        .expect("the plainest case");
    let card = read(case);
    let depth = extensions::depth_prompt(&card.extensions).expect("it has one");
    assert_eq!(
        (depth.prompt.as_str(), depth.depth, depth.role),
        ("wet", 4, extensions::DepthPromptRole::System)
    );
    assert_eq!(extensions::talkativeness(&card.extensions), Some(0.7));
    assert_eq!(extensions::world_name(&card.extensions), Some("Seas"));
    assert!(extensions::regex_scripts(&card.extensions).is_empty());
    assert_eq!(card.character_book(), case.value["data"].get("character_book"));
}
