//! Passes after the first: recursion, its exceptions and levels, and minimum activations.

use super::*;

fn prevents(mut entry: LoreEntry) -> LoreEntry {
    entry.prevent_recursion = true;
    entry
}

fn excluded(mut entry: LoreEntry) -> LoreEntry {
    entry.exclude_recursion = true;
    entry
}

fn delayed(level: u32, mut entry: LoreEntry) -> LoreEntry {
    entry.delay_until_recursion = level;
    entry
}

fn chain() -> [(&'static str, LoreEntry); 3] {
    [
        ("c", with_content(&["cave"], "gold")),
        ("b", with_content(&["bear"], "a cave")),
        ("a", with_content(&["forest"], "a bear")),
    ]
}

#[test]
fn contents_activate_others_until_nothing_new_comes() {
    let world = World::of(&chain()).saying(&["the forest"]);
    let activation = world.run();
    assert_eq!(active(&activation), ["a", "b", "c"]);
    let passes: Vec<_> = ["a", "b", "c"].map(|key| decision(&activation, key).pass).to_vec();
    assert_eq!(passes, [0, 1, 2]);
    assert_eq!(world.clone().set(|it| it.recursive = false).active(), ["a"]);
}

#[test]
fn steps_are_limited_and_the_first_scan_is_one() {
    for (steps, expected) in [(0, 3), (1, 1), (2, 2), (3, 3), (9, 3)] {
        let world = World::of(&chain())
            .saying(&["the forest"])
            .set(|it| it.max_recursion_steps = steps);
        assert_eq!(world.active().len(), expected, "{steps} steps");
    }
}

#[test]
fn recursion_has_its_exceptions() {
    let [c, b, a] = chain().map(|(_, entry)| entry);
    for (what, b, a, c, expected) in [
        (
            "one that prevents",
            prevents(b.clone()),
            a.clone(),
            c.clone(),
            vec!["a", "b"],
        ),
        (
            "one that is excluded",
            excluded(b.clone()),
            a.clone(),
            c.clone(),
            vec!["a"],
        ),
        (
            "excluded, but in the chat",
            b.clone(),
            excluded(a.clone()),
            c.clone(),
            vec!["a", "b", "c"],
        ),
        (
            "one that waits",
            delayed(1, b.clone()),
            a.clone(),
            c.clone(),
            vec!["a", "b", "c"],
        ),
        ("waiting for nothing", b.clone(), delayed(1, a), c, vec![]),
    ] {
        assert_eq!(
            World::of(&[("a", a), ("b", b), ("c", c)])
                .saying(&["the forest"])
                .active(),
            expected,
            "{what}"
        );
    }
}

#[test]
fn a_book_says_whether_its_entries_recurse() {
    for (what, global, first, second, expected) in [
        ("as the settings have it", true, None, None, vec!["a", "b", "c"]),
        ("the first does not", true, Some(false), None, vec!["a"]),
        ("the second does not", true, None, Some(false), vec!["a", "b"]),
        ("only the first does", false, Some(true), None, vec!["a", "b"]),
        ("both do", false, Some(true), Some(true), vec!["a", "b", "c"]),
        ("none does", false, None, None, vec!["a"]),
    ] {
        let [c, b, a] = chain();
        let mut one = Book::new(BookKind::Global, "one", &[a]);
        let mut two = Book::new(BookKind::Global, "two", &[b, c]);
        (one.recursive, two.recursive) = (first, second);
        let world = World::of_books(vec![one, two])
            .saying(&["the forest"])
            .set(|it| it.recursive = global);
        assert_eq!(world.active(), expected, "{what}");
    }
}

#[test]
fn levels_come_one_after_the_other() {
    let entries = [
        ("start", with_content(&["forest"], "one two three")),
        ("three", delayed(3, with_content(&["three"], "…"))),
        ("two", delayed(2, with_content(&["two"], "…"))),
        ("one", delayed(1, with_content(&["one"], "…"))),
    ];
    let activation = World::of(&entries).saying(&["forest"]).run();
    let passes = ["start", "one", "two", "three"].map(|key| decision(&activation, key).pass);
    assert_eq!(
        passes,
        [0, 1, 3, 5],
        "each level once the one before has nothing new to say"
    );
    let short = World::of(&entries)
        .saying(&["forest"])
        .set(|it| it.max_recursion_steps = 3)
        .run();
    assert_eq!(active(&short), ["one", "start"]);
    assert_eq!(reason(&short, "two"), "waits for recursion level 2");
}

#[test]
fn levels_come_even_without_recursion() {
    let entries = [
        ("start", with_content(&["forest"], "one two")),
        ("one", delayed(1, with_content(&["one"], "…"))),
        ("two", delayed(2, with_content(&["two"], "…"))),
    ];
    let world = World::of(&entries).saying(&["forest"]).set(|it| it.recursive = false);
    assert_eq!(world.active(), ["one", "start", "two"]);
}

#[test]
fn hidden_keys_count_in_recursion_only() {
    let entries = [
        ("a", with_content(&["forest"], "green{{hidden_key:bear}} {{// cave}}")),
        ("b", with_content(&["bear"], "…")),
        ("c", with_content(&["cave"], "…")),
    ];
    assert_eq!(World::of(&entries).saying(&["forest"]).active(), ["a", "b"]);
    assert!(World::of(&entries).saying(&["{{hidden_key:bear}}"]).active().is_empty());
}

#[test]
fn patterns_see_what_recursion_brings() {
    let entries = [
        ("a", with_content(&["forest"], "a bear")),
        ("b", with_content(&["/\\x01a b[e]ar/"], "…")),
        ("both", with_content(&["/forest[^]*bear/"], "…")),
    ];
    assert_eq!(World::of(&entries).saying(&["forest"]).active(), ["a", "b", "both"]);
}

#[test]
fn entries_that_activate_each_other_come_once() {
    let entries = [
        ("a", with_content(&["one"], "two one")),
        ("b", with_content(&["two"], "one two")),
    ];
    assert_eq!(World::of(&entries).saying(&["one"]).active(), ["a", "b"]);
}

#[test]
fn minimum_activations_look_further_back() {
    let keys = ["zero", "one", "two", "three", "four"];
    let entries = keys.map(|key| (key, entry(&[key])));
    for (what, min, max, expected) in [
        ("none wanted", 0, 0, 1),
        ("two wanted", 2, 0, 2),
        ("four wanted", 4, 0, 4),
        ("more than there are", 9, 0, 5),
        // As SillyTavern counts: the limit is passed once before it is seen.
        ("a limit", 9, 2, 3),
    ] {
        let world = World::of(&entries).saying(&keys).set(|it| {
            it.depth = 1;
            it.min_activations = min;
            it.min_activations_depth_max = max;
        });
        assert_eq!(world.active().len(), expected, "{what}");
    }
}

#[test]
fn minimum_activations_do_not_move_an_entrys_own_depth() {
    let own = changed(entry(&["two"]), |entry| entry.scan_depth = Some(1));
    let world = World::of(&[("own", own), ("other", entry(&["two"]))])
        .saying(&["zero", "one", "two"])
        .set(|it| {
            it.depth = 1;
            it.min_activations = 5;
        });
    assert_eq!(world.active(), ["other"]);
}

#[test]
fn what_minimum_activations_find_recurses() {
    let entries = [
        ("a", with_content(&["two"], "a bear")),
        ("b", with_content(&["bear"], "…")),
    ];
    let world = World::of(&entries).saying(&["zero", "one", "two"]).set(|it| {
        it.depth = 1;
        it.min_activations = 1;
    });
    assert_eq!(world.active(), ["a", "b"]);
}
