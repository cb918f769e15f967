//! Each limit of a card's file, on both sides, and what an archive may not do.

use std::io::{Cursor, Write};

use serde_json::json;
use tavern_domain::Limits;
use tavern_prompt::card::{AssetPlace, CardError, asset_bytes, read_card};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::files::{base64, png, text, zip};

const CARD: &str = r#"{"spec":"chara_card_v3","data":{"name":"M"}}"#;

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entries: Vec<_> = [("card.json", CARD.as_bytes())]
        .into_iter()
        .chain(entries.iter().copied())
        .collect();
    zip(&entries, CompressionMethod::Deflated)
}

fn refusal(bytes: &[u8], limits: &Limits) -> String {
    read_card(bytes, limits).expect_err("it is over a limit").to_string()
}

#[test]
fn entries_of_an_archive_are_counted() {
    let limits = Limits {
        charx_entries: 3,
        ..Limits::default()
    };
    assert!(read_card(&archive(&[("a", b"1"), ("b", b"2")]), &limits).is_ok());
    assert_eq!(
        refusal(&archive(&[("a", b"1"), ("b", b"2"), ("c", b"3")]), &limits),
        "This archive cannot be taken: it has more than 3 entries."
    );
}

#[test]
fn bytes_of_an_archive_are_summed() {
    let limits = Limits {
        charx_bytes: u64::try_from(CARD.len() + 100).expect("small"),
        ..Limits::default()
    };
    assert!(read_card(&archive(&[("a", &[0; 60]), ("b", &[1; 40])]), &limits).is_ok());
    assert_eq!(
        refusal(&archive(&[("a", &[0; 60]), ("b", &[1; 41])]), &limits),
        format!(
            "This archive cannot be taken: it unpacks to more than {} bytes.",
            CARD.len() + 100
        )
    );
}

#[test]
fn large_entries_may_not_be_packed_too_tightly() {
    let limits = Limits::default();
    assert!(read_card(&archive(&[("a", &[0; (1 << 20) - 1])]), &limits).is_ok());
    assert_eq!(
        refusal(&archive(&[("a", &[0; 1 << 20])]), &limits),
        "This archive cannot be taken: its entry `a` unpacks to more than 200 times its size."
    );
    let generous = Limits {
        inflation_ratio: 2_000,
        ..limits
    };
    assert!(read_card(&archive(&[("a", &[0; 1 << 20])]), &generous).is_ok());
}

#[test]
fn an_entry_that_lies_about_its_size_is_damaged() {
    let card = format!("{CARD}{}", " ".repeat(5_000));
    let mut bytes = zip(&[("card.json", card.as_bytes())], CompressionMethod::Deflated);
    let size = u32::try_from(card.len()).expect("small").to_le_bytes();
    // In both headers.
    let places: Vec<_> = (0..bytes.len() - 4).filter(|at| bytes[*at..at + 4] == size).collect();
    assert_eq!(places.len(), 2);
    for at in places {
        bytes[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
    }
    assert_eq!(
        refusal(&bytes, &Limits::default()),
        "This archive cannot be taken: its entry `card.json` is damaged."
    );
}

#[test]
fn the_json_of_an_archive_is_bounded() {
    let limits = |bytes: usize| Limits {
        card_json_bytes: bytes,
        ..Limits::default()
    };
    assert!(read_card(&archive(&[]), &limits(CARD.len())).is_ok());
    let limit = CARD.len() - 1;
    assert_eq!(
        read_card(&archive(&[]), &limits(limit)),
        Err(CardError::TooLarge { limit })
    );
}

#[test]
fn entries_outside_of_an_archive_are_refused() {
    for name in [
        "../evil",
        "a/../../evil",
        "a\\..\\evil",
        "/etc/passwd",
        "\\evil",
        "C:evil",
    ] {
        assert_eq!(
            refusal(&archive(&[(name, b"1")]), &Limits::default()),
            format!("This archive cannot be taken: its entry `{name}` lies outside of it.")
        );
    }
    for name in ["a..b/..c", "assets/...", "ü/é"] {
        assert!(
            read_card(&archive(&[(name, b"1")]), &Limits::default()).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn an_encrypted_archive_is_refused() {
    let mut bytes = archive(&[]);
    // The flags of the only entry, in both headers.
    let central = bytes
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .expect("a directory");
    bytes[6] |= 1;
    bytes[central + 8] |= 1;
    assert_eq!(
        refusal(&bytes, &Limits::default()),
        "This archive cannot be taken: it is encrypted."
    );
}

#[test]
fn an_archive_without_a_card_is_refused_in_words() {
    let other = zip(&[("a/card.json", CARD.as_bytes())], CompressionMethod::Stored);
    assert_eq!(
        refusal(&other, &Limits::default()),
        "This archive cannot be taken: it has no card.json at its root."
    );
    let backyard = zip(&[("manifest.json", b"{}")], CompressionMethod::Stored);
    assert!(refusal(&backyard, &Limits::default()).contains("BYAF"));
}

#[test]
fn assets_beyond_the_limit_are_kept_and_not_listed() {
    let limits = Limits {
        card_assets: 2,
        ..Limits::default()
    };
    let card = |count: usize| {
        let assets = vec![json!({ "type": "x_a", "uri": "https://example.com", "name": "a", "ext": "unknown" }); count];
        let card = json!({ "spec": "chara_card_v3", "data": { "name": "M", "assets": assets } }).to_string();
        read_card(card.as_bytes(), &limits).expect("readable")
    };
    let (at, over) = (card(2), card(3));
    assert_eq!((at.assets.len(), at.warnings.len()), (2, 0));
    assert_eq!((over.assets.len(), over.warnings.len()), (2, 1));
    assert_eq!(over.extensions["data"]["assets"].as_array().map(Vec::len), Some(3));
}

#[test]
fn an_asset_is_bounded_wherever_it_lies() {
    let body = [7; 100];
    let encoded = String::from_utf8(base64(&body)).expect("base64 is text");
    let card = |uri: &str| {
        json!({ "spec": "chara_card_v3", "data": { "name": "M", "assets": [{ "type": "x_a", "uri": uri, "name": "a", "ext": "b" }] } })
            .to_string()
    };
    let in_png = png(
        &[],
        &[
            text("chara-ext-asset_a", encoded.as_bytes()),
            text("ccv3", &base64(card("__asset:a").as_bytes())),
        ],
    );
    let in_archive = zip(
        &[
            ("card.json", card("embeded://assets/a.b").as_bytes()),
            ("assets/a.b", &body),
        ],
        CompressionMethod::Deflated,
    );
    let inline = card(&format!("data:;base64,{encoded}")).into_bytes();
    for file in [in_png, in_archive, inline] {
        let card = read_card(&file, &Limits::default()).expect("readable");
        let read = |upload_bytes: usize| {
            asset_bytes(
                &file,
                &card.assets[0],
                &Limits {
                    upload_bytes,
                    ..Limits::default()
                },
            )
        };
        assert_eq!(read(100), Ok(Some(body.to_vec())));
        assert_eq!(read(99), Err(CardError::TooLarge { limit: 99 }));
    }
}

#[test]
fn assets_that_are_not_in_the_file_are_told() {
    let card = json!({ "spec": "chara_card_v3", "data": { "name": "M", "assets": [
        { "type": "icon", "uri": "embeded://gone.png", "name": "main", "ext": "png" },
    ] } })
    .to_string();
    let card = read_card(
        &zip(&[("card.json", card.as_bytes())], CompressionMethod::Stored),
        &Limits::default(),
    )
    .expect("readable");
    assert_eq!((card.warnings.len(), &card.assets[0].place), (1, &AssetPlace::Missing));
}

#[test]
fn remarks_are_bounded() {
    let card = json!({ "name": "M", "alternate_greetings": vec![json!(null); 10_000] }).to_string();
    let card = read_card(card.as_bytes(), &Limits::default()).expect("readable");
    assert_eq!(card.warnings.len(), 51);
    assert_eq!(card.warnings[50], "There are 9950 more such remarks.");
}

#[test]
fn a_name_used_twice_in_an_archive_is_told() {
    // No writer makes such an archive, so one of two names is changed into the other.
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, body) in [("card.json", CARD), ("card.jsom", &CARD.replace('M', "N"))] {
        writer
            .start_file(name, SimpleFileOptions::default())
            .expect("a good name");
        writer.write_all(body.as_bytes()).expect("memory takes everything");
    }
    let mut bytes = writer.finish().expect("memory takes everything").into_inner();
    while let Some(at) = bytes.windows(9).position(|window| window == b"card.jsom") {
        bytes[at + 8] = b'n';
    }
    let card = read_card(&bytes, &Limits::default()).expect("readable");
    assert_eq!((card.name.as_str(), card.warnings.len()), ("N", 1));
}
