//! The ways in which files carry a card's JSON.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tavern_prompt::card::CardForm;
use zip::CompressionMethod;

use crate::files::{JPEG, base64, chunk, compressed_text, exif, international_text, png, text, webp, zip};

/// A way to carry a card: its name, its form, a part of its warning, and the file around the JSON.
pub type Carrier = (&'static str, CardForm, Option<&'static str>, fn(&str, &str) -> Vec<u8>);

/// The second text is the keyword that the version of the card has.
pub const CARRIERS: &[Carrier] = &[
    ("JSON", CardForm::Json, None, |json, _| json.as_bytes().to_vec()),
    ("JSON with BOM", CardForm::Json, None, |json, _| {
        ["\u{feff}", json].concat().into_bytes()
    }),
    ("JSON with trailing NUL", CardForm::Json, None, |json, _| {
        [json, "\0\0"].concat().into_bytes()
    }),
    ("UTF-16", CardForm::Json, Some("UTF-16"), |json, _| {
        let units = json.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    }),
    ("PNG", CardForm::Png, None, |json, key| {
        png(&[], &[text(key, &base64(json.as_bytes()))])
    }),
    ("PNG, before the pixels", CardForm::Png, None, |json, key| {
        png(&[text(key, &base64(json.as_bytes()))], &[])
    }),
    ("PNG, among other texts", CardForm::Png, None, |json, key| {
        let others = [
            text("Software", b"x"),
            text("Comment", b"chara"),
            compressed_text("Title", b"t"),
        ];
        png(
            &others,
            &[
                text("Author", b"me"),
                text(key, &base64(json.as_bytes())),
                chunk(b"eXIf", b"MM"),
            ],
        )
    }),
    ("PNG, keyword in capitals", CardForm::Png, None, |json, key| {
        png(&[], &[text(&key.to_uppercase(), &base64(json.as_bytes()))])
    }),
    ("PNG, zTXt", CardForm::Png, None, |json, key| {
        png(&[], &[compressed_text(key, &base64(json.as_bytes()))])
    }),
    ("PNG, iTXt", CardForm::Png, None, |json, key| {
        png(&[], &[international_text(key, json.as_bytes(), false)])
    }),
    ("PNG, compressed iTXt", CardForm::Png, None, |json, key| {
        png(&[], &[international_text(key, &base64(json.as_bytes()), true)])
    }),
    ("PNG, twice the same", CardForm::Png, None, |json, key| {
        let copy = text(key, &base64(json.as_bytes()));
        png(std::slice::from_ref(&copy), std::slice::from_ref(&copy))
    }),
    ("PNG, both keywords", CardForm::Png, None, |json, _| {
        let copy = |key| text(key, &base64(json.as_bytes()));
        png(&[], &[copy("chara"), copy("ccv3")])
    }),
    (
        "PNG, an older chara beside ccv3",
        CardForm::Png,
        Some("differ in `name`"),
        |json, _| {
            let older = base64(br#"{"spec":"chara_card_v2","data":{"name":"Older"}}"#);
            png(&[], &[text("chara", &older), text("ccv3", &base64(json.as_bytes()))])
        },
    ),
    (
        "PNG, a second card",
        CardForm::Png,
        Some("differ in `name`"),
        |json, key| {
            let second = base64(br#"{"name":"Second"}"#);
            png(&[], &[text(key, &base64(json.as_bytes())), text(key, &second)])
        },
    ),
    (
        "PNG, a broken copy",
        CardForm::Png,
        Some("another one was used"),
        |json, key| png(&[], &[text("ccv3", b"%%%"), text(key, &base64(json.as_bytes()))]),
    ),
    ("PNG, base64 with line breaks", CardForm::Png, None, |json, key| {
        let lines: Vec<_> = base64(json.as_bytes()).chunks(76).map(<[u8]>::to_vec).collect();
        png(&[], &[text(key, &lines.join(&b"\r\n"[..]))])
    }),
    ("PNG, base64 for URLs", CardForm::Png, None, |json, key| {
        png(&[], &[text(key, URL_SAFE_NO_PAD.encode(json).as_bytes())])
    }),
    ("PNG, base64 without padding", CardForm::Png, None, |json, key| {
        let encoded = base64(json.as_bytes());
        png(&[], &[text(key, encoded.as_slice().trim_suffix_all(b'='))])
    }),
    ("PNG, base64 and a NUL", CardForm::Png, None, |json, key| {
        png(&[], &[text(key, &[base64(json.as_bytes()), vec![0]].concat())])
    }),
    ("PNG, base64 twice", CardForm::Png, None, |json, key| {
        png(&[], &[text(key, &base64(&base64(json.as_bytes())))])
    }),
    ("PNG, plain JSON", CardForm::Png, None, |json, key| {
        png(&[], &[text(key, json.as_bytes())])
    }),
    ("PNG, wrong checksum", CardForm::Png, Some("checksum"), |json, key| {
        let mut card = text(key, &base64(json.as_bytes()));
        if let Some(last) = card.last_mut() {
            *last ^= 1;
        }
        png(&[], &[card])
    }),
    (
        "PNG without end",
        CardForm::Png,
        Some("without its end mark"),
        |json, key| {
            let mut file = png(&[], &[text(key, &base64(json.as_bytes()))]);
            file.truncate(file.len() - 12);
            file
        },
    ),
    ("PNG cut in its end", CardForm::Png, Some("cut off"), |json, key| {
        let mut file = png(&[], &[text(key, &base64(json.as_bytes())), chunk(b"eXIf", b"MM")]);
        file.truncate(file.len() - 15);
        file
    }),
    ("PNG with something behind", CardForm::Png, None, |json, key| {
        [png(&[], &[text(key, &base64(json.as_bytes()))]), b"behind".to_vec()].concat()
    }),
    ("APNG", CardForm::Png, None, |json, key| {
        let frames = [
            chunk(b"fcTL", &[0; 26]),
            chunk(b"fdAT", b"frame"),
            text(key, &base64(json.as_bytes())),
        ];
        png(&[chunk(b"acTL", &[0; 8]), chunk(b"fcTL", &[0; 26])], &frames)
    }),
    ("WEBP", CardForm::Webp, None, |json, _| {
        webp(b"EXIF", &exif(b"ASCII\0\0\0", json.as_bytes(), false))
    }),
    ("WEBP, big endian, with its prefix", CardForm::Webp, None, |json, _| {
        let exif = exif(b"\0\0\0\0\0\0\0\0", &base64(json.as_bytes()), true);
        webp(b"EXIF", &[&b"Exif\0\0"[..], &exif].concat())
    }),
    ("WEBP, UTF-16", CardForm::Webp, None, |json, _| {
        let units: Vec<u8> = json.encode_utf16().flat_map(u16::to_be_bytes).collect();
        webp(b"EXIF", &exif(b"UNICODE\0", &units, true))
    }),
    ("WEBP, bytes in decimal", CardForm::Webp, None, |json, _| {
        let list: Vec<_> = json.bytes().map(|byte| byte.to_string()).collect();
        webp(b"EXIF", &exif(b"ASCII\0\0\0", list.join(",").as_bytes(), false))
    }),
    ("WEBP, XMP", CardForm::Webp, None, |json, _| {
        let encoded = String::from_utf8(base64(json.as_bytes())).expect("base64 is text");
        webp(
            b"XMP ",
            format!(r#"<x:xmpmeta><rdf:Description tavern:chara="{encoded}"/></x:xmpmeta>"#).as_bytes(),
        )
    }),
    ("CHARX", CardForm::Charx, None, |json, _| {
        charx(json, CompressionMethod::Deflated)
    }),
    ("CHARX, stored", CardForm::Charx, None, |json, _| {
        charx(json, CompressionMethod::Stored)
    }),
    ("CHARX behind a JPEG", CardForm::Charx, None, |json, _| {
        [JPEG, &charx(json, CompressionMethod::Deflated)].concat()
    }),
    ("CHARX behind a PNG", CardForm::Charx, None, |json, _| {
        [png(&[], &[]), charx(json, CompressionMethod::Deflated)].concat()
    }),
    ("CHARX behind a program", CardForm::Charx, None, |json, _| {
        [&b"MZ\x90\x00\x03"[..], &charx(json, CompressionMethod::Deflated)].concat()
    }),
];

trait TrimSuffix {
    fn trim_suffix_all(&self, byte: u8) -> &[u8];
}

impl TrimSuffix for [u8] {
    fn trim_suffix_all(&self, byte: u8) -> &[u8] {
        let end = self.iter().rposition(|other| *other != byte).map_or(0, |at| at + 1);
        &self[..end]
    }
}

fn charx(json: &str, method: CompressionMethod) -> Vec<u8> {
    zip(
        &[
            ("card.json", json.as_bytes()),
            ("module.risum", b"\x01\x02\x03"),
            ("assets/other/ai/hat.glb", &[7; 300]),
        ],
        method,
    )
}
