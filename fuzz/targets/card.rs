//! A card's file: what is read of it is within the limits, comes out byte for byte where nothing has changed, and is the
//! same character in whatever form it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_domain::Limits;
use tavern_prompt::card::{
    Card, CardForm, CardFormat, CardSpec, CardState, SourceFiles, Written, asset_bytes, extensions, read_card,
    write_card,
};

fuzz_target!(|data: &[u8]| {
    // So small that inputs of a few kilobytes come to both sides.
    let limits = Limits {
        character_name_chars: 40,
        character_text_bytes: 4096,
        card_json_bytes: 1 << 16,
        ..Limits::default()
    };
    let card = match read_card(data, &limits) {
        Ok(card) => card,
        Err(error) => {
            assert!(error.to_string().len() < 2_000, "{error}");
            return;
        }
    };
    assert!(!card.name.trim().is_empty() && card.name.chars().count() <= limits.character_name_chars);
    assert!(card.text.description.len() <= limits.character_text_bytes);
    for asset in &card.assets {
        let _ = asset_bytes(data, asset, &limits);
    }
    let _ = extensions::depth_prompt(&card.extensions);
    let _ = extensions::talkativeness(&card.extensions);

    for (format, form) in [
        (CardFormat::Json, CardForm::Json),
        (CardFormat::Png, CardForm::Png),
        (CardFormat::Charx, CardForm::Charx),
    ] {
        for spec in [CardSpec::V2, CardSpec::V3] {
            let Some(written) = write(&card, data, format, spec, &limits) else {
                continue;
            };
            // Written, it may have fields that the specification demands, and be too large for limits like these.
            let again = read_card(&written.bytes, &Limits::default()).expect("what was written is a card");
            assert_eq!(again.form, form);
            assert_eq!(again.name, card.name);
            assert_eq!(again.text.description, card.text.description);
            assert_eq!(again.text.alternate_greetings, card.text.alternate_greetings);
            assert_eq!(again.tags, card.tags);
            let twice = write(&again, &written.bytes, format, spec, &Limits::default()).expect("it is a card");
            let twice = read_card(&twice.bytes, &Limits::default()).expect("what was written is a card");
            assert_eq!(twice.payload, again.payload);
        }
    }
});

fn write(card: &Card, file: &[u8], format: CardFormat, spec: CardSpec, limits: &Limits) -> Option<Written> {
    let state = CardState {
        payload: Some(&card.payload),
        name: &card.name,
        text: &card.text,
        tags: &card.tags,
        character_book: None,
        modified: None,
    };
    let files = SourceFiles {
        original: Some(file),
        picture: None,
    };
    write_card(&state, format, spec, &files, limits).ok()
}
