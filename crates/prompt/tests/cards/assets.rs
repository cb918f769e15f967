//! Pictures and other assets go where the card goes.

use serde_json::json;
use tavern_prompt::card::{Card, CardFormat, CardSpec, SourceFiles, asset_bytes, write_card};

use crate::export::{limits, read, state, write};
use crate::files::{JPEG, base64, chunk, png, text, zip};

/// A V3 card with an embedded icon and hat, and something nobody here knows.
fn with_assets(hat: &str) -> String {
    json!({ "spec": "chara_card_v3", "spec_version": "3.0", "data": { "name": "M", "assets": [
        { "type": "icon", "uri": "embeded://assets/icon/images/face.png", "name": "main", "ext": "png" },
        { "type": "x_hat", "uri": hat, "name": "hat", "ext": "glb", "more": [1] },
        { "type": "background", "uri": "https://example.com/b.webp", "name": "sea", "ext": "webp" },
    ] } })
    .to_string()
}

#[test]
fn assets_move_between_a_charx_and_a_png() {
    let face = png(&[], &[chunk(b"eXIf", b"MM")]);
    let archive = zip(
        &[
            ("card.json", with_assets("embeded://assets/x_hat/3d/hat.glb").as_bytes()),
            ("assets/icon/images/face.png", &face),
            ("assets/x_hat/3d/hat.glb", b"hat hat"),
            ("module.risum", b"?"),
        ],
        zip::CompressionMethod::Deflated,
    );
    let card = read(&archive);
    assert_eq!(
        card.picture.as_ref().and_then(|picture| picture.bytes.as_ref()),
        Some(&face)
    );
    let files = SourceFiles {
        original: Some(&archive),
        picture: Some(&face),
    };
    let written =
        write_card(&state(&card), CardFormat::Png, CardSpec::V3, &files, &limits()).expect("it can be written");
    assert_eq!(written.warnings.len(), 1, "{:?}", written.warnings);
    assert!(written.warnings[0].ends_with("module.risum."));

    let in_png = read(&written.bytes);
    assert_eq!(in_png.warnings, Vec::<String>::new());
    assert_eq!(in_png.assets[0].uri, "ccdefault:");
    let hat = |card: &Card, file: &[u8]| asset_bytes(file, &card.assets[1], &limits()).expect("it is whole");
    assert_eq!(hat(&in_png, &written.bytes), Some(b"hat hat".to_vec()));

    let back = write(&state(&in_png), CardFormat::Charx, CardSpec::V3, Some(&written.bytes));
    let in_charx = read(&back.bytes);
    assert_eq!(hat(&in_charx, &back.bytes), Some(b"hat hat".to_vec()));
    assert_eq!(in_charx.extensions["data"]["assets"][1]["more"], json!([1]));
    assert_eq!(
        in_charx.picture.and_then(|picture| picture.bytes),
        Some(face),
        "the icon carries no card"
    );
    assert_eq!(back.warnings, Vec::<String>::new());
}

#[test]
fn a_new_face_takes_the_place_of_the_old_one() {
    let (old, new) = (png(&[], &[]), png(&[], &[chunk(b"eXIf", b"II")]));
    let archive = zip(
        &[
            ("card.json", with_assets("ccdefault:").as_bytes()),
            ("assets/icon/images/face.png", &old),
        ],
        zip::CompressionMethod::Stored,
    );
    let card = read(&archive);
    for (face, path) in [(&new[..], "face.png"), (JPEG, "main.jpeg")] {
        let files = SourceFiles {
            original: Some(&archive),
            picture: Some(face),
        };
        let written = write_card(&state(&card), CardFormat::Charx, CardSpec::V3, &files, &limits()).expect("written");
        let again = read(&written.bytes);
        assert_eq!(again.assets[0].uri, format!("embeded://assets/icon/images/{path}"));
        assert_eq!(again.picture.and_then(|picture| picture.bytes).as_deref(), Some(face));
    }
}

#[test]
fn a_new_face_of_a_png_keeps_the_assets_of_the_old_one() {
    let json = with_assets("__asset:hat");
    let original = png(
        &[],
        &[
            text("chara-ext-asset_:hat", &base64(b"hat hat")),
            text("ccv3", &base64(json.as_bytes())),
        ],
    );
    let card = read(&original);
    let files = SourceFiles {
        original: Some(&original),
        picture: Some(&png(&[], &[])),
    };
    let written = write_card(&state(&card), CardFormat::Png, CardSpec::V3, &files, &limits()).expect("written");
    let again = read(&written.bytes);
    assert_eq!(
        asset_bytes(&written.bytes, &again.assets[1], &limits()),
        Ok(Some(b"hat hat".to_vec()))
    );
}

#[test]
fn what_a_form_cannot_hold_is_told() {
    let card = read(with_assets("__asset:hat").as_bytes());
    let written = write(&state(&card), CardFormat::Json, CardSpec::V3, None);
    assert_eq!(
        written.warnings,
        ["Assets of the card that stay in its original file: 2."]
    );
}

#[test]
fn a_picture_before_an_archive_stays_its_face() {
    let archive = zip(
        &[
            ("card.json", br#"{"spec":"chara_card_v3","data":{"name":"M"}}"#),
            ("x", b"y"),
        ],
        zip::CompressionMethod::Stored,
    );
    let read_picture = |file: &[u8]| read(file).picture.map(|picture| (picture.kind, picture.bytes));
    for (before, kept) in [(JPEG, JPEG), (b"MZ\x90\x00\x03", b"")] {
        let file = [before, &archive].concat();
        let card = read(&file);
        let written = write(&state(&card), CardFormat::Charx, CardSpec::V3, Some(&file));
        assert!(written.bytes.starts_with(&[kept, b"PK\x03\x04"].concat()));
        assert_eq!(read_picture(&written.bytes), read_picture(&file));
    }
}
