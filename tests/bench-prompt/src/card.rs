//! A card of 15 KB in a PNG of 530 KB, out and in.

use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use rand::Rng;
use serde_json::json;
use tavern_domain::Limits;
use tavern_prompt::card::{Card, CardFormat, CardSpec, CardState, SourceFiles, Written, read_card, write_card};

use crate::data;
use crate::measure::{heading, rounds, row};

/// Bytes of the picture itself.
const PIXELS: usize = 490_000;

pub fn run() {
    heading("card");
    let limits = Limits::default();
    let file = file();
    let card = read_card(&file, &limits).expect("it is a card");
    let decode = || {
        let start = memmem::find(&file, b"ccv3\0").expect("it is there") + 5;
        let length = u32::from_be_bytes(file[start - 13..start - 9].try_into().expect("four bytes"));
        let end = start + length as usize - 5;
        STANDARD.decode(&file[start..end]).expect("base64")
    };
    let [ours, floor] = rounds([&mut || drop(black_box(read_card(&file, &limits))), &mut || {
        drop(black_box(decode()));
    }]);
    row(
        &format!("out of a PNG of {} KB", file.len() / 1000),
        ours,
        Some(floor),
        "0.2 ms",
        "1.9 ms",
    );
    let encode = || {
        let mut copy = Vec::with_capacity(file.len());
        copy.extend_from_slice(&file[..PIXELS]);
        for _ in ["chara", "ccv3"] {
            let text = STANDARD.encode(&card.payload);
            black_box(crc32fast::hash(text.as_bytes()));
            copy.extend_from_slice(text.as_bytes());
        }
        copy
    };
    let [ours, floor] = rounds([&mut || drop(black_box(write(&card, &file, &limits))), &mut || {
        drop(black_box(encode()));
    }]);
    row(
        "its description changed, into the PNG",
        ours,
        Some(floor),
        "1 ms",
        "35 ms",
    );
}

fn write(card: &Card, file: &[u8], limits: &Limits) -> Written {
    let mut text = card.text.clone();
    text.description.push_str(" Changed.");
    let state = CardState {
        payload: Some(&card.payload),
        name: &card.name,
        text: &text,
        tags: &card.tags,
        character_book: None,
        modified: Some(1_700_000_000),
    };
    let files = SourceFiles {
        original: Some(file),
        picture: None,
    };
    write_card(&state, CardFormat::Png, CardSpec::V3, &files, limits).expect("a PNG is there")
}

/// A PNG as SillyTavern writes it: both cards behind the picture, whose bytes no reader looks at.
fn file() -> Vec<u8> {
    let mut random = data::random(4);
    let mut pixels = vec![0; PIXELS];
    random.fill_bytes(&mut pixels);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &[0, 0, 2, 0, 0, 0, 3, 0, 8, 2, 0, 0, 0]);
    for part in pixels.chunks(8192) {
        chunk(&mut file, b"IDAT", part);
    }
    for (keyword, spec, version) in [("chara", "chara_card_v2", "2.0"), ("ccv3", "chara_card_v3", "3.0")] {
        let card = card(spec, version);
        let text = format!("{keyword}\0{}", STANDARD.encode(card));
        chunk(&mut file, b"tEXt", text.as_bytes());
    }
    chunk(&mut file, b"IEND", b"");
    file
}

fn card(spec: &str, version: &str) -> String {
    let mut random = data::random(5);
    let mut prose = |words| data::prose(words, &mut random);
    let entries: Vec<_> = (0..8)
        .map(|id| {
            json!({
                "keys": [data::word(id), data::word(id + 100)], "content": prose(40), "extensions": { "position": 0 },
                "enabled": true, "insertion_order": 100, "id": id, "position": "before_char", "use_regex": false,
            })
        })
        .collect();
    let data = json!({
        "name": "Mira", "description": prose(600), "personality": prose(60), "scenario": prose(60),
        "first_mes": prose(200), "mes_example": prose(300), "creator_notes": prose(60), "system_prompt": "",
        "post_history_instructions": "", "alternate_greetings": [prose(150)], "tags": ["calm", "lamp"],
        "creator": "Ana", "character_version": "1", "group_only_greetings": [],
        "extensions": { "talkativeness": "0.5", "depth_prompt": { "prompt": "", "depth": 4, "role": "system" } },
        "character_book": { "name": "Book", "entries": entries, "extensions": {} },
    });
    json!({ "spec": spec, "spec_version": version, "data": data }).to_string()
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).expect("a small chunk");
    file.extend(length.to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend(data);
    let sum = crc32fast::hash(&file[start..]);
    file.extend(sum.to_be_bytes());
}
