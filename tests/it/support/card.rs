//! Cards made by the tests themselves.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A V2 card with something in every corner.
pub fn v2_card(name: &str) -> Value {
    json!({
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "data": {
            "name": name,
            "description": "{{char}} mends clocks.",
            "personality": "precise",
            "scenario": "A shop at closing time.",
            "first_mes": "*{{char}} looks up.* Good evening, {{user}}.",
            "mes_example": "<START>\n{{user}}: Late?\n{{char}}: Never.",
            "creator_notes": "made for a test",
            "system_prompt": "",
            "post_history_instructions": "",
            "alternate_greetings": ["Tick.", "Tock, {{user}}."],
            "tags": ["Clockwork", "test"],
            "creator": "somebody",
            "character_version": "1.1",
            "extensions": { "depth_prompt": { "prompt": "Mind the time.", "depth": 4 }, "unknown/thing": [1, 2, { "deep": true }] },
            "character_book": { "entries": [{ "keys": ["spring"], "content": "Springs wind down.", "enabled": true, "insertion_order": 1, "extensions": {} }], "extensions": {} }
        }
    })
}

/// A small picture that carries `card` in a `chara` chunk.
pub fn png_card(card: &Value) -> Vec<u8> {
    png_with_chunk(
        b"tEXt",
        &[b"chara\0", STANDARD.encode(card.to_string()).as_bytes()].concat(),
    )
}

/// A small picture with one more chunk before its end.
pub fn png_with_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut png = Vec::new();
    image::RgbImage::from_fn(96, 128, |x, y| image::Rgb([(x * 2) as u8, (y * 2) as u8, 120]))
        .write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png)
        .expect("a PNG");
    let end = png.split_off(png.len() - 12);
    png.extend(u32::try_from(data.len()).expect("a chunk's size").to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    png.extend(kind);
    png.extend(data);
    png.extend(crc.sum().to_be_bytes());
    png.extend(end);
    png
}
