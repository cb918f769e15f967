//! Characters of other programs, and files that are not what they are called.

use serde_json::json;
use tavern_domain::Limits;
use tavern_prompt::card::{
    Card, CardError, CardForm, CardFormat, CardSpec, CardState, SourceFiles, read_card, write_card,
};

use crate::files::{base64, exif, webp};

fn read(bytes: &[u8]) -> Card {
    read_card(bytes, &Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(bytes)))
}

#[test]
fn each_program_calls_the_fields_otherwise() {
    let pygmalion = br#"{"char_name":"Mira","char_persona":"d","char_greeting":"Hi.","example_dialogue":"e","world_scenario":"s","metadata":{"v":1}}"#;
    let yaml = b"name: Mira\ncontext: |-\n  d\ngreeting: Hi.\nexample_dialogue: e\nscenario: s\nmetadata: {v: 1}\n";
    let webui =
        br#"{"name":"Mira","context":"d","greeting":"Hi.","example_dialogue":"e","scenario":"s","metadata":{"v":1}}"#;
    let agnai = br#"{"kind":"character","name":"Mira","description":"n","persona":{"kind":"text","attributes":{"text":["d"]}},"greeting":"Hi.","sampleChat":"e","scenario":"s","metadata":{"v":1}}"#;
    for (bytes, form, program) in [
        (&pygmalion[..], CardForm::Json, "Pygmalion"),
        (yaml, CardForm::Yaml, "text-generation-webui"),
        (webui, CardForm::Json, "text-generation-webui"),
        (agnai, CardForm::Json, "Agnai"),
    ] {
        let card = read(bytes);
        let text = &card.text;
        assert_eq!((card.name.as_str(), card.form), ("Mira", form), "{program}");
        assert_eq!(
            (
                text.description.as_str(),
                text.first_message.as_str(),
                text.example_dialogue.as_str(),
                text.scenario.as_str()
            ),
            ("d", "Hi.", "e", "s"),
            "{program}"
        );
        assert_eq!(card.extensions["data"]["metadata"], json!({ "v": 1 }), "{program}");
        assert!(
            card.warnings.len() == 1 && card.warnings[0].contains(program),
            "{program}"
        );
    }
}

#[test]
fn what_two_fields_say_of_one_thing_stays_in_both() {
    let card = read(br#"{"char_name":"Mira","name":"Mirabelle","char_persona":"d","description":" "}"#);
    assert_eq!((card.name.as_str(), card.text.description.as_str()), ("Mirabelle", "d"));
    assert_eq!(card.extensions["data"]["char_name"], "Mira");
}

#[test]
fn attributes_of_a_persona_become_lines() {
    let card = read(br#"{"kind":"character","name":"Mira","greeting":"Hi.","persona":{"kind":"wpp","attributes":{"eyes":["blue","wide"],"job":["sailor"]}}}"#);
    assert_eq!(card.text.description, "eyes: blue, wide\njob: sailor");
    assert_eq!(card.extensions["data"]["persona"]["kind"], "wpp");
}

#[test]
fn a_whole_card_in_yaml_is_a_card() {
    let card = read(b"spec: chara_card_v3\nspec_version: '3.0'\ndata:\n  name: Mira\n  tags: [a, b]\n  x: {y: 1}\n");
    assert_eq!((card.text.spec_version.as_str(), card.tags.len()), ("3.0", 2));
    assert_eq!(card.extensions["data"]["x"], json!({ "y": 1 }));
}

#[test]
fn a_foreign_character_goes_out_as_what_it_became() {
    let card = read(b"name: Mira\ncontext: d\ngreeting: Hi.\nyour_name: You\n");
    let state = CardState {
        payload: Some(&card.payload),
        name: &card.name,
        text: &card.text,
        tags: &card.tags,
        character_book: None,
        modified: None,
    };
    let written = write_card(
        &state,
        CardFormat::Json,
        CardSpec::V2,
        &SourceFiles::default(),
        &Limits::default(),
    )
    .expect("it can be written");
    assert_eq!(written.bytes, card.payload.as_bytes());
    let again = read(&written.bytes);
    assert_eq!((again.name, again.extensions), (card.name, card.extensions));
}

#[test]
fn yaml_is_bounded_like_json() {
    let limits = |card_json_values: usize, card_json_depth: usize| Limits {
        card_json_values,
        card_json_depth,
        ..Limits::default()
    };
    let yaml = b"name: M\nx: [[1, 2]]\n";
    let read = |limits: &Limits| read_card(yaml, limits).map(|card| card.name);
    // The mapping, two keys, a text, two lists and two numbers.
    assert_eq!(read(&limits(8, 3)), Ok("M".to_owned()));
    assert_eq!(read(&limits(7, 3)), Err(CardError::TooMany { limit: 7 }));
    assert_eq!(read(&limits(8, 2)), Err(CardError::TooDeep { limit: 2 }));
    let bomb = b"name: x\na: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n";
    let error = read_card(bomb, &Limits::default()).expect_err("a bomb").to_string();
    assert_eq!(
        error,
        "The card's data cannot be read: its YAML has anchors, which are not read."
    );
}

#[test]
fn old_encodings_are_read_as_what_they_most_likely_are() {
    let card = read(b"{\"name\":\"Ren\xe9\x80 \xf0\x9f\x90\x89\"}");
    assert_eq!((card.name.as_str(), card.warnings.len()), ("René€ 🐉", 1));
}

#[test]
fn xmp_holds_a_card_as_an_attribute_or_an_element() {
    let encoded = String::from_utf8(base64(br#"{"name":"Mira"}"#)).expect("base64 is text");
    for xmp in [
        format!("<a x:ccv3 = '{encoded}'/>"),
        format!("<x:chara>{encoded}</x:chara>"),
        "<exif:UserComment><rdf:Alt><rdf:li xml:lang=\"x-default\">{&quot;name&quot;:&quot;Mira&quot;}</rdf:li></rdf:Alt></exif:UserComment>".to_owned(),
    ] {
        assert_eq!(read(&webp(b"XMP ", xmp.as_bytes())).name, "Mira", "{xmp}");
    }
}

#[test]
fn a_comment_of_exif_may_miscount_itself() {
    let mut block = exif(b"ASCII\0\0\0", b"{\"name\":\"Mira\"}", false);
    block[30..34].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(read(&webp(b"EXIF", &block)).name, "Mira");
}

#[test]
fn a_picture_in_a_data_url_is_the_face() {
    let face = crate::files::png(&[], &[]);
    let uri = format!(
        "data:image/png;base64,{}",
        String::from_utf8(base64(&face)).expect("base64 is text")
    );
    let card = json!({ "spec": "chara_card_v3", "data": { "name": "M", "assets": [
        { "type": "icon", "uri": "embeded://none.png", "name": "other", "ext": "png" },
        { "type": "icon", "uri": uri, "name": "main", "ext": "png" },
    ] } });
    let card = read(card.to_string().as_bytes());
    assert_eq!(card.picture.and_then(|picture| picture.bytes), Some(face));
}

#[test]
fn lists_of_assets_before_v3_are_read() {
    let card = json!({ "spec": "chara_card_v2", "data": { "name": "M", "extensions": { "risuai": {
        "emotions": [["joy", "__asset:1"]], "additionalAssets": [["hat", "https://example.com/hat", "glb"], []],
    } } } });
    let card = read(card.to_string().as_bytes());
    let listed: Vec<_> = card
        .assets
        .iter()
        .map(|asset| (asset.kind.as_str(), asset.name.as_str(), asset.ext.as_str()))
        .collect();
    assert_eq!(listed, [("emotion", "joy", ""), ("x-risu-asset", "hat", "glb")]);
}
