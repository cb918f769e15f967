//! Conditions that have nothing to do with keys.

use tavern_domain::lore::LoreCharacterFilter;

use super::*;

#[test]
fn disabled_entries_stay_out() {
    let activation = World::of(&[("e", changed(constant("…"), |entry| entry.enabled = false))]).run();
    assert!(activation.entries.is_empty());
    assert_eq!(reason(&activation, "e"), "disabled");
}

#[test]
fn triggers_name_the_kinds_of_generation() {
    for (what, triggers, trigger, expected) in [
        ("none named", vec![], "swipe", true),
        ("named", vec!["swipe", "continue"], "swipe", true),
        ("in another case", vec!["Swipe"], "swipe", true),
        ("another named", vec!["continue"], "swipe", false),
    ] {
        let entry = changed(constant("…"), |entry| {
            entry.triggers = triggers.into_iter().map(Into::into).collect()
        });
        let world = World::of(&[("e", entry)]);
        assert_eq!(
            !world.run_with(|scan| scan.trigger = trigger).entries.is_empty(),
            expected,
            "{what}"
        );
    }
}

#[test]
fn characters_are_told_by_name_and_by_tag() {
    let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for (what, exclude, names, tags, own_tags, expected) in [
        ("nobody named", false, &[][..], &[][..], &["elf"][..], true),
        ("named", false, &["Mira"], &[], &[], true),
        ("named by the file", false, &["default_Mira"], &[], &[], true),
        ("another named", false, &["Zoe"], &[], &[], false),
        ("named to be left out", true, &["Mira"], &[], &[], false),
        ("another left out", true, &["Zoe"], &[], &[], true),
        ("tagged", false, &[], &["elf", "orc"], &["elf"], true),
        ("tagged otherwise", false, &[], &["orc"], &["elf"], false),
        ("tagged to be left out", true, &[], &["elf"], &["elf"], false),
        ("tagged otherwise, to be left out", true, &[], &["orc"], &["elf"], true),
        ("without tags", false, &[], &["orc"], &[], true),
        (
            "named, but tagged otherwise",
            false,
            &["Mira"],
            &["orc"],
            &["elf"],
            false,
        ),
    ] {
        let filter = LoreCharacterFilter {
            exclude,
            names: strings(names),
            tags: strings(tags),
        };
        let world = World::of(&[("e", changed(constant("…"), |entry| entry.character_filter = filter))]);
        let activation = world.run_with(|scan| {
            scan.character_names = vec!["Mira", "default_Mira"];
            scan.character_tags = own_tags.to_vec();
        });
        assert_eq!(!activation.entries.is_empty(), expected, "{what}");
    }
}

#[test]
fn forced_entries_need_no_keys_and_say_why() {
    let entries = [
        ("near", entry(&["absent"])),
        ("off", changed(entry(&["absent"]), |entry| entry.enabled = false)),
        ("deep", changed(entry(&["absent"]), |entry| entry.delay = Some(5))),
        ("never", with_content(&["absent"], "@@dont_activate\nx")),
        ("keyless", entry(&[])),
    ];
    let world = World::of(&entries).saying(&["hello"]);
    let activation = world.run_with(|scan| {
        let keys = ["near", "off", "deep", "never", "keyless", "gone"];
        scan.forced = keys.map(|key| (key.to_owned(), "similar".to_owned())).to_vec();
    });
    assert_eq!(active(&activation), ["keyless", "near"]);
    assert_eq!(reason(&activation, "near"), "forced: similar");
    assert_eq!(reason(&activation, "off"), "disabled");
    assert_eq!(reason(&activation, "deep"), "delayed until message 5");
    assert_eq!(reason(&activation, "never"), "@@dont_activate");
    assert_eq!(activation.warnings.len(), 1, "of the one that is not there");
}

#[test]
fn a_silenced_entry_stays_out_and_brings_no_other_in() {
    let entries = [
        ("dragon", with_content(&["cave"], "It guards the gold.")),
        ("gold", entry(&["gold"])),
        ("always", constant("…")),
    ];
    let world = World::of(&entries).saying(&["into the cave"]);
    assert_eq!(active(&world.run_with(|_| {})).len(), 3);
    let activation = world.run_with(|scan| {
        let keys = ["dragon", "always", "gone"];
        scan.silenced = keys.map(|key| (key.to_owned(), "by the librarian".to_owned())).to_vec();
        scan.forced = vec![("always".to_owned(), "similar".to_owned())];
    });
    assert!(active(&activation).is_empty());
    assert_eq!(reason(&activation, "dragon"), "silenced: by the librarian");
    assert_eq!(reason(&activation, "always"), "silenced: by the librarian");
    assert_eq!(reason(&activation, "gold"), "no key matched");
}

#[test]
fn candidates_are_the_active_entries_then_all_others_that_are_on() {
    let entries = [
        ("far", entry(&["absent"])),
        ("off", changed(entry(&["hello"]), |entry| entry.enabled = false)),
        ("near", with_content(&["hello", "hi"], "Near.")),
    ];
    let world = World::of(&entries).saying(&["hello"]);
    let candidates = world.run_with(|_| {}).decisions.candidates(10);
    let told: Vec<_> = candidates
        .iter()
        .map(|one| (&*one.key, one.active, one.keys.join(",")))
        .collect();
    assert_eq!(
        told,
        [
            ("near", true, "hello,hi".to_owned()),
            ("far", false, "absent".to_owned())
        ]
    );
    assert_eq!(candidates[0].content, "Near.");
    assert_eq!(
        world.run_with(|_| {}).decisions.candidates(1).len(),
        1,
        "no more than asked for"
    );
}
