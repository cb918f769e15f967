//! Decorators of Character Card V3.

use super::super::decorators::{Decorators, parse};
use super::*;

fn parsed(content: &str) -> (Decorators, &str) {
    parse(content, false)
}

#[test]
fn lines_at_the_start_are_decorators() {
    for (what, content, depth, rest) in [
        ("none", "text", None, "text"),
        ("one", "@@depth 5\ntext", Some(5), "text"),
        ("blank lines around", "\n@@depth 5\n\n\ntext\n", Some(5), "text"),
        ("CRLF", "@@depth 5\r\n\r\ntext", Some(5), "text"),
        ("nothing else", "@@depth 5", Some(5), ""),
        ("unknown", "@@nonsense 1\ntext", None, "text"),
        ("behind the text", "text\n@@depth 5", None, "text\n@@depth 5"),
        ("the first counts", "@@depth 5\n@@depth 6\ntext", Some(5), "text"),
        ("a value that cannot be", "@@depth deep\ntext", None, "text"),
        ("more than fits", "@@depth 99999999999999\ntext", None, "text"),
        ("spaces", "@@depth   5  \ntext", Some(5), "text"),
        ("a longer name", "@@depths 5\ntext", None, "text"),
        ("an e-mail's sign", "@ depth 5\ntext", None, "@ depth 5\ntext"),
    ] {
        let (decorators, left) = parsed(content);
        assert_eq!(
            (decorators.depth.map(|depth| depth.count), left),
            (depth, rest),
            "{what}"
        );
    }
}

#[test]
fn a_fallback_counts_if_the_line_above_did_not() {
    for (what, content, expected) in [
        ("not needed", "@@depth 1\n@@@depth 2\nx", Some(1)),
        ("needed", "@@nonsense\n@@@depth 2\nx", Some(2)),
        ("a value that cannot be", "@@depth ?\n@@@depth 2\nx", Some(2)),
        ("the fifth", "@@a\n@@@b\n@@@c\n@@@d\n@@@e\n@@@depth 6\nx", Some(6)),
        ("the first that is known", "@@a\n@@@depth 2\n@@@depth 3\nx", Some(2)),
        ("of another line", "@@a\n@@role user\n@@@depth 3\nx", None),
        ("alone", "@@@depth 3\nx", None),
        (
            "tokens are not known here",
            "@@instruct_depth 9\n@@@depth 3\nx",
            Some(3),
        ),
    ] {
        assert_eq!(parsed(content).0.depth.map(|depth| depth.count), expected, "{what}");
    }
    let (decorators, _) = parse("@@instruct_depth 9\n@@@depth 3\nx", true);
    assert_eq!(
        (decorators.instruct_depth.map(|depth| depth.count), decorators.depth),
        (Some(9), None)
    );
}

/// Whether an entry with these decorators is in.
fn is_in(decorators: &str, keys: &[&str], said: &str) -> bool {
    let content = format!("{decorators}\ntext");
    !World::of(&[("e", with_content(keys, &content))])
        .saying(&[said])
        .active()
        .is_empty()
}

#[test]
fn activation_by_decorators() {
    for (what, decorators, keys, said, expected) in [
        ("activate", "@@activate", &["absent"][..], "…", true),
        ("dont_activate", "@@dont_activate", &["key"], "key", false),
        (
            "activate is stronger",
            "@@dont_activate\n@@activate",
            &["absent"],
            "…",
            true,
        ),
        (
            "additional keys that are there",
            "@@additional_keys a, b",
            &["key"],
            "key b",
            true,
        ),
        (
            "additional keys that are not",
            "@@additional_keys a,b",
            &["key"],
            "key",
            false,
        ),
        ("additional keys alone", "@@additional_keys a,b", &["key"], "a b", false),
        (
            "two lists, one there",
            "@@additional_keys a\n@@additional_keys b",
            &["key"],
            "key a",
            false,
        ),
        (
            "two lists, both there",
            "@@additional_keys a\n@@additional_keys b",
            &["key"],
            "key a b",
            true,
        ),
        ("excluded", "@@exclude_keys a,b", &["key"], "key b", false),
        ("not excluded", "@@exclude_keys a,b", &["key"], "key", true),
        (
            "two exclusions",
            "@@exclude_keys a\n@@exclude_keys b",
            &["key"],
            "key b",
            false,
        ),
    ] {
        assert_eq!(is_in(decorators, keys, said), expected, "{what}");
    }
}

#[test]
fn key_conditions_concern_constant_entries_too() {
    for (decorators, said, expected) in [
        ("@@exclude_keys night", "night", false),
        ("@@exclude_keys night", "day", true),
        ("@@additional_keys night", "day", false),
    ] {
        let content = format!("{decorators}\ntext");
        let active = World::of(&[("e", constant(&content))]).saying(&[said]).active();
        assert_eq!(!active.is_empty(), expected, "{decorators}: {said}");
    }
}

#[test]
fn replies_are_counted() {
    // Of five messages, two are the character's.
    for (decorator, expected) in [
        ("@@activate_only_after 2", true),
        ("@@activate_only_after 3", false),
        ("@@activate_only_every 2", true),
        ("@@activate_only_every 3", false),
        ("@@activate_only_every 0", true),
    ] {
        let world = World::of(&[("e", constant(&format!("{decorator}\ntext")))]).saying(&["5", "4", "3", "2", "1"]);
        assert_eq!(!world.active().is_empty(), expected, "{decorator}");
    }
}

#[test]
fn the_greeting_must_be_the_one() {
    for (greeting, expected) in [(None, false), (Some(0), false), (Some(1), true)] {
        let world = World::of(&[("e", constant("@@is_greeting 1\ntext"))]);
        assert_eq!(
            !world.run_with(|scan| scan.greeting = greeting).entries.is_empty(),
            expected,
            "{greeting:?}"
        );
    }
}

#[test]
fn once_matched_is_for_ever() {
    for (decorator, later) in [
        ("@@keep_activate_after_match", [true, true]),
        ("@@dont_activate_after_match", [false, false]),
        ("", [false, true]),
    ] {
        let world = World::of(&[("e", with_content(&["key"], &format!("{decorator}\ntext")))]);
        let timed = world.clone().saying(&["key"]).run().timed;
        let quiet = world.clone().saying(&["a", "b", "c", "key"]);
        let loud = world.saying(&["key", "b", "c", "key"]);
        let results = [quiet, loud].map(|world| !world.run_with(|scan| scan.timed = timed.clone()).entries.is_empty());
        assert_eq!(results, later, "{decorator}");
    }
}

#[test]
fn places_by_decorators() {
    use LorePosition::{AfterCharacter, AtDepth, BeforeCharacter, NoteTop};
    let place = |decorators: &str, instruct| {
        let entry = changed(constant(&format!("{decorators}\ntext")), |entry| {
            entry.position = NoteTop
        });
        let activation = World::of(&[("e", entry)]).run_with(|scan| scan.instruct = instruct);
        let activated = activation.entries.first().expect("it is constant").clone();
        assert_eq!(activated.content.trim(), "text");
        activated.place
    };
    for (decorators, position, beside, depth, from_start) in [
        ("", NoteTop, None, 4, false),
        ("@@depth 2", AtDepth, None, 2, false),
        ("@@reverse_depth 3", AtDepth, None, 3, true),
        ("@@position before_desc", BeforeCharacter, None, 4, false),
        ("@@position after_desc", AfterCharacter, None, 4, false),
        (
            "@@position personality",
            AfterCharacter,
            Some(CardField::Personality),
            4,
            false,
        ),
        (
            "@@position scenario",
            AfterCharacter,
            Some(CardField::Scenario),
            4,
            false,
        ),
        ("@@position nowhere", NoteTop, None, 4, false),
        ("@@position scenario\n@@depth 1", AtDepth, None, 1, false),
    ] {
        let place = place(decorators, false);
        assert_eq!(
            (place.position, place.beside, place.depth, place.from_start),
            (position, beside, depth, from_start),
            "{decorators}"
        );
    }
    for (role, expected) in [
        ("user", ChatRole::User),
        ("assistant", ChatRole::Assistant),
        ("system", ChatRole::System),
        ("tool", ChatRole::System),
    ] {
        assert_eq!(
            place(&format!("@@depth 0\n@@role {role}"), false).role,
            expected,
            "{role}"
        );
    }
    let tokens = |decorators| {
        place(decorators, true)
            .instruct_depth
            .map(|depth| (depth.count, depth.from_start))
    };
    assert_eq!(tokens("@@instruct_depth 300"), Some((300, false)));
    assert_eq!(tokens("@@reverse_instruct_depth 40"), Some((40, true)));
    assert_eq!(place("@@instruct_depth 300", false).instruct_depth, None);
}

#[test]
fn depths_of_scanning_by_decorators() {
    let world = |decorator: &str| {
        let content = format!("{decorator}\ntext");
        World::of(&[("e", with_content(&["key"], &content))]).saying(&["a b c", "d e f", "key"])
    };
    for (decorator, instruct, expected) in [
        ("@@scan_depth 3", false, true),
        ("@@scan_depth 2", false, false),
        ("@@instruct_scan_depth 1000", false, false),
        ("@@instruct_scan_depth 1000", true, true),
        ("@@instruct_scan_depth 2", true, false),
        ("@@scan_depth 3\n@@instruct_scan_depth 1", true, true),
    ] {
        let found = !world(decorator)
            .run_with(|scan| scan.instruct = instruct)
            .entries
            .is_empty();
        assert_eq!(found, expected, "{decorator} {instruct}");
    }
}

#[test]
fn what_assembly_must_know_is_told() {
    let world = World::of(&[
        ("icon", constant("@@is_user_icon armour\ntext")),
        ("system", constant("@@disable_ui_prompt system_prompt\ntext")),
        ("again", constant("@@disable_ui_prompt system_prompt\ntext")),
        ("post", constant("@@disable_ui_prompt post_history_instructions\ntext")),
        ("light", constant("@@ignore_on_max_context\ntext")),
        ("out", with_content(&["absent"], "@@is_user_icon hat\ntext")),
    ]);
    let activation = world.run();
    assert_eq!(activation.user_icon.as_deref(), Some("armour"));
    assert_eq!(
        activation.disabled_prompts,
        [UiPrompt::SystemPrompt, UiPrompt::PostHistoryInstructions]
    );
    let light: Vec<_> = activation
        .entries
        .iter()
        .filter(|entry| entry.ignore_on_max_context)
        .collect();
    assert_eq!(light.len(), 1);
    assert_eq!(light[0].key, "light");
}
