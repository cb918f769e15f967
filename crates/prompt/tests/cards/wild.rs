//! A card that people use, where it is at hand.

use tavern_domain::Limits;
use tavern_prompt::card::{CardFormat, CardSpec, CardState, SourceFiles, extensions, read_card, write_card};

use crate::files::{cards, other_chunks};

#[test]
fn seraphina_goes_in_and_out_unharmed() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/sillytavern/Seraphina.png"
    );
    let Ok(file) = std::fs::read(path) else {
        eprintln!("skipped: {path} is not here");
        return;
    };
    let limits = Limits::default();
    let card = read_card(&file, &limits).expect("a good card");
    assert_eq!((card.name.as_str(), card.warnings.len()), ("Seraphina", 0));
    assert!(card.character_book().is_some() && extensions::depth_prompt(&card.extensions).is_none());
    let state = CardState {
        payload: Some(&card.payload),
        name: &card.name,
        text: &card.text,
        tags: &card.tags,
        character_book: None,
        modified: None,
    };
    let files = SourceFiles {
        original: Some(&file),
        picture: None,
    };
    let written = write_card(&state, CardFormat::Png, CardSpec::V3, &files, &limits).expect("it can be written");
    assert_eq!(other_chunks(&written.bytes), other_chunks(&file));
    let text = |file: &[u8], keyword: &str| {
        let mut cards = cards(file).into_iter();
        cards.find(|(word, _)| word == keyword).map(|(_, text)| text)
    };
    if let Some(newer) = text(&file, "ccv3") {
        assert_eq!(text(&written.bytes, "ccv3"), Some(newer));
    }
    assert_eq!(text(&written.bytes, "chara"), text(&file, "chara"));
}
