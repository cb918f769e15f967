use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::write::ZlibEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn limits() -> Limits {
    Limits::default()
}

fn v2() -> Value {
    json!({
        "spec": "chara_card_v2", "spec_version": "2.0",
        "data": {
            "name": "Mira", "description": "d", "personality": "p", "scenario": "s", "first_mes": "Hello.",
            "mes_example": "<START>", "alternate_greetings": ["Hi.", "Hey."], "tags": ["Sea", "sea", " Calm "],
            "system_prompt": "sp", "post_history_instructions": "ph", "creator_notes": "n", "character_version": "1.2",
            "creator": "me", "extensions": { "depth_prompt": { "depth": 4 } }, "character_book": { "entries": [] }, "unheard_of": [1],
        },
        "extra_at_root": true,
    })
}

fn read_value(value: &Value) -> Result<Card, CardError> {
    read_card(value.to_string().as_bytes(), &limits())
}

fn read_data(field: &str, value: Value) -> Result<Card, CardError> {
    let mut card = v2();
    card["data"][field] = value;
    read_value(&card)
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    let length = u32::try_from(data.len()).expect("a small chunk");
    [&length.to_be_bytes(), &kind[..], data, &crc.sum().to_be_bytes()].concat()
}

fn text_chunk(keyword: &str, text: &[u8]) -> Vec<u8> {
    chunk(b"tEXt", &[keyword.as_bytes(), b"\0", text].concat())
}

fn ztxt(keyword: &str, text: &[u8]) -> Vec<u8> {
    chunk(b"zTXt", &[keyword.as_bytes(), b"\0\0", &deflate(text)].concat())
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// A PNG with these chunks after its pixels.
fn png(chunks: &[Vec<u8>]) -> Vec<u8> {
    [
        png::SIGNATURE.to_vec(),
        chunk(b"IHDR", &[0; 13]),
        chunk(b"IDAT", b"pixels"),
        chunks.concat(),
        chunk(b"IEND", b""),
    ]
    .concat()
}

fn named(name: &str) -> String {
    json!({ "spec": "chara_card_v2", "data": { "name": name } }).to_string()
}

fn encoded(name: &str) -> Vec<u8> {
    STANDARD.encode(named(name)).into_bytes()
}

fn read(bytes: &[u8]) -> Result<Card, CardError> {
    read_card(bytes, &limits())
}

fn name_in(bytes: &[u8]) -> String {
    read(bytes).expect("a good card").name
}

#[test]
fn a_v2_card_is_read_and_nothing_of_it_lost() {
    let card = read_value(&v2()).expect("a good card");
    assert_eq!(card.name, "Mira");
    assert_eq!(card.tags, ["Sea", "Calm"]);
    assert_eq!(card.text.alternate_greetings, ["Hi.", "Hey."]);
    assert_eq!(
        (
            card.text.first_message.as_str(),
            card.text.spec_version.as_str(),
            card.text.character_version.as_str()
        ),
        ("Hello.", "2.0", "1.2")
    );
    assert_eq!(card.payload, v2().to_string());
    let data = json!({ "creator": "me", "extensions": { "depth_prompt": { "depth": 4 } }, "character_book": { "entries": [] }, "unheard_of": [1] });
    let root = json!({ "spec": "chara_card_v2", "spec_version": "2.0", "extra_at_root": true });
    assert_eq!(card.extensions, json!({ "data": data, "root": root }));
    assert_eq!((card.warnings.len(), card.picture), (0, None));
}

#[test]
fn a_v1_card_is_flat() {
    let card =
        read(br#"{"name":"Mira","description":"d","mes_example":"m","metadata":{"tool":1}}"#).expect("a good card");
    assert_eq!(
        (card.text.spec_version.as_str(), card.text.example_dialogue.as_str()),
        ("1.0", "m")
    );
    assert_eq!(card.extensions, json!({ "data": { "metadata": { "tool": 1 } } }));
}

#[test]
fn a_v3_card_has_its_own_fields() {
    let mut card = v2();
    card["spec"] = "chara_card_v3".into();
    card["spec_version"] = "3.0".into();
    card["data"]["nickname"] = "Mi".into();
    card["data"]["group_only_greetings"] = json!(["All of you!"]);
    card["data"]["creator_notes_multilingual"] = json!({ "en": "n", "de": "N" });
    card["data"]["assets"] = json!([{ "type": "icon" }]);
    let card = read_value(&card).expect("a good card");
    assert_eq!(
        (card.text.spec_version.as_str(), card.text.nickname.as_deref()),
        ("3.0", Some("Mi"))
    );
    assert_eq!(card.text.group_only_greetings, ["All of you!"]);
    assert_eq!(card.text.creator_notes_by_language[1], ("de".into(), "N".into()));
    assert_eq!(card.extensions["data"]["assets"], json!([{ "type": "icon" }]));
}

#[test]
fn a_newer_specification_is_read_with_a_warning() {
    let mut card = v2();
    card["spec_version"] = json!(3.5);
    assert_eq!(read_value(&card).expect("a good card").warnings.len(), 1);
}

#[test]
fn what_real_cards_get_wrong_is_repaired_and_told() {
    for (field, value, warnings) in [
        ("description", Value::Null, 0),
        ("description", json!(7), 1),
        ("character_version", json!(1.5), 1),
        ("alternate_greetings", json!("Hi."), 1),
        ("alternate_greetings", json!(["a", null]), 1),
        ("alternate_greetings", Value::Null, 0),
        ("tags", json!("a, b"), 1),
        ("tags", json!([1]), 1),
        ("extensions", Value::Null, 0),
        ("character_book", Value::Null, 0),
    ] {
        let card = read_data(field, value.clone()).expect("a readable card");
        assert_eq!(card.warnings.len(), warnings, "{field}: {value}");
    }
    assert_eq!(read_data("tags", json!("a, b")).expect("readable").tags, ["a", "b"]);
    assert_eq!(
        read_data("description", json!(7)).expect("readable").text.description,
        "7"
    );
}

#[test]
fn a_field_of_the_wrong_kind_is_refused_by_name() {
    for (field, value) in [
        ("description", json!({})),
        ("first_mes", json!([])),
        ("tags", json!({})),
        ("alternate_greetings", json!(1)),
        ("creator_notes_multilingual", json!([])),
    ] {
        let error = read_data(field, value).expect_err("the wrong kind");
        assert!(
            error.to_string().starts_with(&format!("The card's `{field}` must be")),
            "{error}"
        );
    }
}

#[test]
fn the_root_is_read_where_data_is_missing_and_data_wins_where_both_are() {
    let card = read_value(&json!({ "spec": "chara_card_v2", "name": "Mira" })).expect("readable");
    assert_eq!(
        (card.name.as_str(), card.warnings.len(), card.text.spec_version.as_str()),
        ("Mira", 1, "2.0")
    );
    let mut both = v2();
    both["name"] = "Other".into();
    let card = read_value(&both).expect("readable");
    assert_eq!((card.name.as_str(), card.warnings.len()), ("Mira", 1));
}

#[test]
fn a_nickname_stands_in_for_a_missing_name() {
    let card =
        read_value(&json!({ "spec": "chara_card_v3", "data": { "name": " ", "nickname": "Mi" } })).expect("readable");
    assert_eq!((card.name.as_str(), card.warnings.len()), ("Mi", 1));
    let error = read_data("name", json!("")).expect_err("no name at all");
    assert_eq!(error.to_string(), "The card's `name` is missing or blank.");
}

#[test]
fn limits_hold_on_both_sides() {
    let small = Limits {
        character_name_chars: 5,
        character_text_bytes: 10,
        greetings: 2,
        ..limits()
    };
    let accepts = |field: &str, value: Value| {
        let mut card = json!({ "spec": "chara_card_v2", "data": { "name": "Mira" } });
        card["data"][field] = value;
        match read_card(card.to_string().as_bytes(), &small) {
            Ok(_) => true,
            Err(error) => {
                assert!(error.to_string().contains("the limit is"), "{error}");
                false
            }
        }
    };
    for (field, at, over) in [
        ("name", json!("ééééd"), json!("éééééd")),
        ("description", json!("1234567890"), json!("1234567890x")),
        ("alternate_greetings", json!(["a", "b"]), json!(["a", "b", "c"])),
        ("alternate_greetings", json!(["1234567890"]), json!(["1234567890x"])),
    ] {
        assert!(accepts(field, at), "{field} at its limit");
        assert!(!accepts(field, over), "{field} over its limit");
    }
}

#[test]
fn tags_beyond_their_limits_are_left_out_and_told() {
    let small = Limits {
        tags: 2,
        tag_chars: 3,
        ..limits()
    };
    let tags = |tags: Value| {
        let card = json!({ "spec": "chara_card_v2", "data": { "name": "M", "tags": tags } });
        let card = read_card(card.to_string().as_bytes(), &small).expect("readable");
        (card.tags, card.warnings.len())
    };
    assert_eq!(tags(json!(["abc", "d"])), (vec!["abc".into(), "d".into()], 0));
    assert_eq!(tags(json!(["abcd", "d", "e", "f"])), (vec!["d".into(), "e".into()], 2));
}

#[test]
fn v3_goes_before_v2_and_a_broken_one_does_not_hide_the_other() {
    let both = |v3: &[u8]| png(&[text_chunk("chara", &encoded("Two")), text_chunk("CCv3", v3)]);
    assert_eq!(name_in(&both(&encoded("Three"))), "Three");
    let repaired = read(&both(b"e30")).expect("the other one is good");
    assert_eq!((repaired.name.as_str(), repaired.warnings.len()), ("Two", 1));
}

#[test]
fn the_first_of_several_copies_is_used_and_told() {
    let copies: Vec<_> = ["A", "B", "C"]
        .iter()
        .map(|name| text_chunk("chara", &encoded(name)))
        .collect();
    let card = read(&png(&copies)).expect("a good card");
    assert_eq!((card.name.as_str(), card.warnings.len()), ("A", 1));
}

#[test]
fn a_damaged_png_gives_its_card_if_the_card_is_whole() {
    let mut bad_crc = png(&[text_chunk("chara", &encoded("Mira"))]);
    let crc_at = bad_crc.len() - 13;
    bad_crc[crc_at] ^= 0xff;
    let whole = png(&[text_chunk("chara", &encoded("Mira"))]);
    let no_end = whole[..whole.len() - 12].to_vec();
    let cut_crc = whole[..whole.len() - 14].to_vec();
    for (what, bytes) in [("checksum", bad_crc), ("no end", no_end), ("cut checksum", cut_crc)] {
        let card = read(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(!card.warnings.is_empty(), "{what}");
    }
    assert_eq!(read(&whole[..whole.len() - 20]), Err(CardError::NoCard("PNG")));
}

#[test]
fn hostile_pngs_are_refused_in_words() {
    let huge_length = [png::SIGNATURE, &[0x80, 0, 0, 0], b"tEXtchara\0"].concat();
    let largest = [png::SIGNATURE, &[0xff; 4], b"tEXt"].concat();
    for bytes in [
        png(&[]),
        png::SIGNATURE.to_vec(),
        huge_length,
        largest,
        png(&[
            chunk(b"tEXt", b""),
            chunk(b"zTXt", b"chara\0"),
            chunk(b"iTXt", b"chara\0\x01"),
            chunk(b"tEXt", b"chara"),
        ]),
    ] {
        assert_eq!(read(&bytes), Err(CardError::NoCard("PNG")));
    }
    for (text, why) in [
        (&b"%%%"[..], "its text is neither JSON nor base64"),
        (b"e30x", "it is not valid JSON at line 1, column 3"),
        (b"rcc||x", "it is encrypted for RisuAI"),
    ] {
        assert_eq!(
            read(&png(&[text_chunk("chara", text)])),
            Err(CardError::Broken(why.into()))
        );
    }
    assert_eq!(
        read(&png(&[chunk(b"zTXt", b"chara\0\0nonsense")])),
        Err(CardError::Broken("its compressed chunk is damaged".into()))
    );
}

#[test]
fn a_chunk_that_inflates_without_end_is_refused_at_the_limit() {
    // A mebibyte of blanks that ends in a full flush stands for itself, so a thousand copies of it
    // are a gibibyte.
    let mut block = Vec::with_capacity(64 * 1024);
    let mut compress = Compress::new(Compression::fast(), false);
    let blanks = vec![b' '; 1 << 20];
    compress
        .compress_vec(&blanks, &mut block, FlushCompress::Full)
        .expect("it has room");
    assert_eq!(compress.total_in(), 1 << 20);
    let bomb = [&b"\x78\x01"[..], &block.repeat(1024)].concat();
    let bytes = png(&[chunk(b"zTXt", &[b"chara\0\0", &bomb[..]].concat())]);
    let error = read(&bytes).expect_err("a bomb");
    assert_eq!(
        error,
        CardError::TooLarge {
            limit: limits().card_json_bytes
        }
    );
    assert!(error.to_string().contains("10485760"), "{error}");
}

#[test]
fn the_size_of_the_json_is_bounded_in_every_form() {
    let json = named("Mira");
    let fits = Limits {
        card_json_bytes: json.len(),
        ..limits()
    };
    let tight = Limits {
        card_json_bytes: json.len() - 1,
        ..limits()
    };
    let forms = [
        json.clone().into_bytes(),
        png(&[text_chunk("chara", &encoded("Mira"))]),
        png(&[ztxt("chara", &encoded("Mira"))]),
        png(&[ztxt("chara", json.as_bytes())]),
    ];
    for bytes in forms {
        assert!(read_card(&bytes, &fits).is_ok());
        assert_eq!(
            read_card(&bytes, &tight),
            Err(CardError::TooLarge { limit: json.len() - 1 })
        );
    }
}

#[test]
fn the_depth_of_the_json_is_bounded() {
    let nested = |levels: usize| {
        // The root object and `data` are two levels.
        let (open, close) = ("[".repeat(levels - 2), "]".repeat(levels - 2));
        read(format!(r#"{{"data":{{"name":"M]]","x":{open}{close}}}}}"#).as_bytes()).map(|card| card.name)
    };
    assert_eq!(nested(limits().card_json_depth), Ok("M]]".into()));
    assert_eq!(
        nested(limits().card_json_depth + 1),
        Err(CardError::TooDeep { limit: 64 })
    );
    assert_eq!(nested(10_000), Err(CardError::TooDeep { limit: 64 }));
}

#[test]
fn the_values_of_the_json_are_counted() {
    let limits = |card_json_values: usize| Limits {
        card_json_values,
        ..limits()
    };
    let card = br#"{"name":"M,,[[","x":[1,{},3]}"#;
    assert!(read_card(card, &limits(6)).is_ok());
    assert_eq!(read_card(card, &limits(5)), Err(CardError::TooMany { limit: 5 }));
}

#[test]
fn broken_text_is_repaired_and_told() {
    let surrogate = read(br#"{"data":{"name":"M \ud83d \ud83d\udc09 \\ud83d"}}"#).expect("readable");
    assert_eq!(
        (surrogate.name.as_str(), surrogate.warnings.len()),
        ("M \u{fffd} 🐉 \\ud83d", 1)
    );
    assert!(surrogate.payload.contains(r"M \ud83d "), "the original stays");
    let latin = read(b"{\"data\":{\"name\":\"M\xe9\"}}").expect("readable");
    assert_eq!((latin.name.as_str(), latin.warnings.len()), ("Mé", 1));
    assert_eq!(name_in("\u{feff}{\"name\":\"Mira\"}".as_bytes()), "Mira");
}

#[test]
fn other_files_are_called_by_their_kind() {
    let webp = [b"RIFF\0\0\0\0".as_slice(), b"WEBPVP8 "].concat();
    for (bytes, what) in [
        (webp.as_slice(), "This WEBP carries no character card."),
        (b"PK\x03\x04", "This archive cannot be taken: it is damaged."),
        (b"[]", "This is no object, and so no character card."),
        (br#"{"entries":{}}"#, "This is a world book, not a character card."),
        (
            br#"{"spec":"lorebook_v3","data":{}}"#,
            "This is a world book, not a character card.",
        ),
        (b"{}", "This is no character card: it has neither `data` nor `name`."),
        (b"a: {}", "This is no character card: it has neither `data` nor `name`."),
        (
            b"a: [",
            "The card's data cannot be read: it is not valid YAML at line 1, column 4.",
        ),
    ] {
        assert_eq!(read(bytes).expect_err("no card").to_string(), what);
    }
    for (bytes, what) in [
        (&b"\xff\xd8\xff\xe0"[..], "a JPEG file"),
        (b"GIF89a", "a GIF file"),
        (b"", "an empty file"),
        (b" \n", "an empty file"),
        (b"Once upon a time", "a text file"),
        (b"<!doctype html>", "an HTML or XML file"),
        (b"%PDF-1.4", "a PDF file"),
        (b"\x89PNG\n\x1a\n", "a damaged PNG file"),
        (b"\x00\xfe\xff", "a file of unknown kind"),
    ] {
        assert_eq!(read(bytes), Err(CardError::OtherFile(what)));
    }
}

proptest! {
    #[test]
    fn arbitrary_chunks_never_panic(kind in "(tEXt|zTXt|iTXt)", data in proptest::collection::vec(any::<u8>(), 0..128)) {
        let kind = kind.as_bytes().try_into().expect("four letters");
        let _ = read(&png(&[chunk(kind, &[b"chara\0", &data[..]].concat())]));
    }
}
