#![allow(clippy::unwrap_used, reason = "a test may fail")]

use super::*;

#[test]
fn the_house_s_own_words_are_nobody_else_s() {
    for (id, part) in [
        ("tavern/lantern", "tavern"),
        ("official/lantern", "official"),
        ("tavern-plus/lantern", "tavern-plus"),
        ("the-official-one/lantern", "the-official-one"),
        ("tavem/lantern", "tavem"),
        ("0fficial/lantern", "0fficial"),
        ("adm1n/lantern", "adm1n"),
        ("acme/system", "system"),
        ("dice/lantern", "dice"),
        ("memorynotes/lantern", "memorynotes"),
    ] {
        assert_eq!(reserved(id), Some(part), "{id}");
    }
    for id in [
        "acme/lantern",
        "systemic/lantern",
        "caverns/lantern",
        "acme/solar-system",
        "acme/dice",
        "my-support/lantern",
    ] {
        assert_eq!(reserved(id), None, "{id}");
    }
}

#[test]
fn ids_that_look_alike_are_found_by_how_far_they_are_apart() {
    let popular = ["acme/lantern".to_owned(), "quiet-river/night-watch".to_owned()];
    let same = |other: &str| Some(Likeness::Same(other.into()));
    let near = |other: &str| Some(Likeness::Near(other.into()));
    for (id, found) in [
        // To the eye the same.
        ("acrne/lantern", same("acme/lantern")),
        ("quietriver/n1ghtvvatch", same("quiet-river/night-watch")),
        // A letter too many, too few, another, two swapped.
        ("acmee/lantern", same("acme/lantern")),
        ("ame/lantern", same("acme/lantern")),
        ("acne/lantern", same("acme/lantern")),
        ("amce/lantern", same("acme/lantern")),
        ("tavers/dice", same("tavern/dice")),
        // Two letters.
        ("acne/lanterns", near("acme/lantern")),
        ("taverns/dices", near("tavern/dice")),
        // Of the same name.
        ("acme/dice", near("tavern/dice")),
        ("ann/memorynotes", near("tavern/memory-notes")),
        ("acme/loaded-dice", None),
        ("ann/lantern", None),
        // Three.
        ("ann/lanterns", None),
        ("quiet-river/other", None),
        // Their own.
        ("acme/lanterns", None),
        ("acme/lantem", None),
    ] {
        assert_eq!(likeness(id, &popular), found, "{id}");
    }
    assert_eq!(likeness("acrne/lantern", &[]), None);
}

#[test]
fn what_ships_with_the_product_is_known() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/bundled");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let manifest = entry.unwrap().path().join("extension.toml");
        let Ok(text) = std::fs::read_to_string(manifest) else {
            continue;
        };
        let line = text.lines().find(|line| line.starts_with("id = ")).unwrap();
        names.push(line.trim_start_matches("id = ").trim_matches('"').to_owned());
    }
    names.sort();
    assert_eq!(names, BUNDLED.map(|name| format!("{BUNDLER}/{name}")));
}
