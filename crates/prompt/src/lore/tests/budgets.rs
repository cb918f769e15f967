//! Chance, and how many tokens enter.

use super::*;

/// Ten tokens each, or near.
const TEXT: &str = "the quick brown fox jumps over the lazy dog";

fn tokens() -> u32 {
    Counter::default().count(TEXT)
}

fn texts(count: usize) -> Vec<(String, LoreEntry)> {
    (0..count)
        .map(|number| {
            let order = i32::try_from(count - number).expect("few");
            (number.to_string(), changed(constant(TEXT), |entry| entry.order = order))
        })
        .collect()
}

fn world(entries: &[(String, LoreEntry)], budget: u32) -> World {
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, entry)| (key.as_str(), entry.clone()))
        .collect();
    World::of(&entries).set(|it| {
        it.budget_percent = 100.0;
        it.budget_cap = budget;
    })
}

#[test]
fn the_budget_is_a_share_with_a_cap() {
    for (what, percent, cap, prompt, expected) in [
        ("a quarter", 25.0, 0, 8_000, 2_000),
        ("rounded", 25.0, 0, 10, 3),
        ("capped", 25.0, 500, 8_000, 500),
        ("below the cap", 25.0, 5_000, 8_000, 2_000),
        ("never nothing", 0.0, 0, 8_000, 1),
        ("no number", f64::NAN, 0, 8_000, 1),
        ("beyond all", f64::INFINITY, 0, 8_000, u32::MAX),
        ("below nothing", -5.0, 0, 8_000, 1),
    ] {
        let world = World::of(&[]).set(|it| {
            it.budget_percent = percent;
            it.budget_cap = cap;
        });
        assert_eq!(
            world.run_with(|scan| scan.prompt_budget = prompt).budget,
            expected,
            "{what}"
        );
    }
}

#[test]
fn a_budget_that_is_just_reached_is_exceeded() {
    let two = 2 * tokens();
    assert_eq!(world(&texts(3), two).active(), ["0"]);
    let activation = world(&texts(3), two + 1).run();
    assert_eq!(active(&activation), ["0", "1"], "the highest orders first");
    assert_eq!(activation.tokens, two);
    assert_eq!(reason(&activation, "2"), "over budget");
}

#[test]
fn after_the_first_that_does_not_fit_no_smaller_one_is_tried() {
    let mut entries = texts(2);
    entries.push(("small".into(), changed(constant("x"), |entry| entry.order = -1)));
    let activation = world(&entries, tokens() + 5).run();
    assert_eq!(active(&activation), ["0"]);
    assert_eq!(reason(&activation, "small"), "over budget");
}

#[test]
fn those_that_ignore_the_budget_come_in_and_count_for_nothing() {
    let mut entries = texts(3);
    for (key, entry) in &mut entries {
        entry.ignore_budget = key != "1";
    }
    assert_eq!(world(&entries, 2).active(), ["0", "2"]);
    assert_eq!(world(&entries, tokens() + 1).active(), ["0", "1", "2"]);
}

#[test]
fn all_passes_share_the_budget() {
    let entries = [
        (
            "a".to_owned(),
            changed(constant(TEXT), |entry| entry.prevent_recursion = true),
        ),
        ("b".to_owned(), constant("x")),
        ("c".to_owned(), with_content(&["x"], TEXT)),
    ];
    let activation = world(&entries, 2 * tokens()).run();
    assert_eq!(active(&activation), ["a", "b"]);
    assert_eq!(reason(&activation, "c"), "over budget");
}

#[test]
fn an_overflow_ends_recursion() {
    let mut entries = texts(2);
    entries[0].1.content = format!("{TEXT} trigger");
    entries.push((
        "r".into(),
        changed(entry(&["trigger"]), |entry| entry.ignore_budget = true),
    ));
    assert_eq!(world(&entries, tokens() + 9).active(), ["0"]);
    entries.remove(1);
    assert_eq!(world(&entries, tokens() + 9).active(), ["0", "r"]);
}

#[test]
fn a_books_own_budget_leaves_out_the_lowest_priority() {
    let with_priorities = |priorities: [Option<i32>; 3]| {
        let mut entries = texts(3);
        for ((_, entry), priority) in entries.iter_mut().zip(priorities) {
            entry.priority = priority;
        }
        entries
    };
    for (what, priorities, budget, expected) in [
        ("all fit", [None; 3], 3 * tokens(), vec!["0", "1", "2"]),
        ("by order", [None; 3], 3 * tokens() - 1, vec!["0", "1"]),
        ("by priority", [Some(1), Some(3), Some(2)], 2 * tokens(), vec!["1", "2"]),
        ("none fits", [None; 3], 1, vec![]),
        ("no budget is none", [None; 3], 0, vec!["0", "1", "2"]),
    ] {
        let mut world = world(&with_priorities(priorities), 0);
        world.books[0].token_budget = Some(budget);
        world
            .books
            .push(Book::new(BookKind::Chat, "other", &[("other", constant(TEXT))]));
        let mut expected = expected;
        expected.push("other");
        let activation = world.run();
        assert_eq!(active(&activation), expected, "{what}");
        let left = activation.decisions.iter().filter(|decision| !decision.activated);
        assert!(
            left.into_iter()
                .all(|decision| decision.reason == Reason::OverBookBudget),
            "{what}"
        );
    }
}

#[test]
fn a_books_own_budget_counts_earlier_passes_and_not_those_that_ignore_it() {
    let entries = [
        ("a".to_owned(), constant(&format!("{TEXT} trigger"))),
        ("b".to_owned(), with_content(&["trigger"], TEXT)),
        (
            "free".to_owned(),
            changed(with_content(&["trigger"], TEXT), |entry| entry.ignore_budget = true),
        ),
    ];
    let mut world = world(&entries, 0);
    world.books[0].token_budget = Some(tokens() + 5);
    assert_eq!(world.active(), ["a", "free"]);
}

#[test]
fn probability_has_its_ends_and_can_be_switched_off() {
    for (percent, used, expected) in [
        (0.0, true, 0),
        (100.0, true, 200),
        (f64::INFINITY, true, 200),
        (f64::NAN, true, 0),
        (-3.0, true, 0),
        (0.0, false, 200),
    ] {
        let passed = (0..200_u64).filter(|seed| {
            let entry = changed(constant("…"), |entry| {
                entry.probability = percent;
                entry.use_probability = used;
            });
            !World::of(&[("e", entry)])
                .run_with(|scan| scan.seed = *seed)
                .entries
                .is_empty()
        });
        assert_eq!(passed.count(), expected, "{percent} {used}");
    }
}

#[test]
fn probability_is_about_what_it_says() {
    let world = World::of(&[("e", changed(constant("…"), |entry| entry.probability = 30.0))]);
    let passed = (0..2_000_u64)
        .filter(|seed| !world.run_with(|scan| scan.seed = *seed).entries.is_empty())
        .count();
    assert!((500..700).contains(&passed), "{passed} of 2000 at 30 %");
}

#[test]
fn who_fails_fails_for_the_whole_scan() {
    let entries = [
        (
            "luck",
            changed(with_content(&["start"], "…"), |entry| entry.probability = 0.0),
        ),
        ("a", with_content(&["start"], "bear start")),
        ("b", with_content(&["bear"], "start")),
    ];
    let activation = World::of(&entries).saying(&["start"]).run();
    assert_eq!(active(&activation), ["a", "b"]);
    let luck = decision(&activation, "luck");
    assert_eq!(
        (luck.pass, luck.reason.to_string().as_str()),
        (0, "probability of 0 % not met")
    );
}

#[test]
fn an_entrys_luck_does_not_depend_on_others() {
    let lucky = changed(constant("…"), |entry| entry.probability = 50.0);
    let alone = World::of(&[("e", lucky.clone())]);
    let together = World::of(&[("x", lucky.clone()), ("e", lucky.clone()), ("y", lucky)]);
    for seed in 0..50 {
        let has_e = |world: &World| active(&world.run_with(|scan| scan.seed = seed)).contains(&"e".to_owned());
        assert_eq!(has_e(&alone), has_e(&together), "seed {seed}");
    }
}
