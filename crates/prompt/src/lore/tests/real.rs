//! A book that people use.

use tavern_domain::Limits;

use super::*;
use crate::lore::formats::read_world_book;

#[test]
fn a_world_of_the_shared_data_activates() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/sillytavern/Eldoria.json"
    );
    let Ok(bytes) = std::fs::read(path) else {
        println!("skipped: {path} is not here");
        return;
    };
    let book = read_world_book(&bytes, &Limits::default()).expect("a book");
    let entries: Vec<_> = book
        .entries
        .into_iter()
        .enumerate()
        .map(|(number, entry)| (number.to_string(), entry))
        .collect();
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, entry)| (key.as_str(), entry.clone()))
        .collect();
    let world = World::of(&entries).set(|it| it.recursive = false);
    let activated = |text: &str| {
        let activation = world.clone().saying(&[text]).run();
        activation
            .entries
            .into_iter()
            .map(|entry| entry.content)
            .collect::<Vec<_>>()
    };
    assert!(activated("Good morning.").is_empty());
    let about_the_forest = activated("Tell me about ELDORIA!");
    assert_eq!(about_the_forest.len(), 1);
    assert!(about_the_forest[0].contains("What is Eldoria?") && !about_the_forest[0].contains("{{"));
    assert!(!activated("A shadowfang in the glade").is_empty());
}
