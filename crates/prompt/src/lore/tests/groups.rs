//! Of a group, one enters.

use super::*;

fn member(group: &str, weight: f64) -> LoreEntry {
    changed(entry(&["key"]), |entry| {
        entry.group = group.to_owned();
        entry.group_weight = weight;
    })
}

fn world(entries: &[(&str, LoreEntry)]) -> World {
    World::of(entries).saying(&["key"])
}

#[test]
fn one_of_a_group_enters_and_who_is_in_none_is_not_concerned() {
    let world = world(&[
        ("a", member("g", 100.0)),
        ("b", member("g", 100.0)),
        ("alone", member("h", 100.0)),
        ("free", entry(&["key"])),
    ]);
    let activation = world.run();
    let active = active(&activation);
    assert_eq!(active.len(), 3, "{active:?}");
    assert!(active.contains(&"alone".to_owned()) && active.contains(&"free".to_owned()));
    let out = activation
        .decisions
        .iter()
        .find(|decision| !decision.activated)
        .expect("one of two");
    assert_eq!(out.reason.to_string(), "another entry of group g is in");
    assert_eq!(out.matched_key.as_deref(), Some("key"));
}

#[test]
fn weights_are_shares() {
    for (weights, expected) in [
        ([100.0, 100.0], 1_000_usize),
        ([300.0, 100.0], 1_500),
        ([1.0, 0.0], 2_000),
        ([0.0, 0.0], 1_000),
        ([f64::NAN, 1.0], 0),
        ([-1.0, 1.0], 0),
    ] {
        let world = world(&[("a", member("g", weights[0])), ("b", member("g", weights[1]))]);
        let index = world.index();
        let won = (0..2_000_u64).filter(|seed| {
            let scan = LoreScan {
                messages: vec![ScanMessage {
                    text: "key",
                    ..ScanMessage::default()
                }],
                prompt_budget: 1_000,
                seed: *seed,
                ..LoreScan::default()
            };
            let mut macros = Macros::new(Scene::default(), Default::default(), Default::default(), 0);
            in_order(&index.activate(&scan, &mut macros, &Counter::default())) == ["a"]
        });
        let won = won.count();
        let near = expected.saturating_sub(80)..=expected + 80;
        assert!(near.contains(&won), "{weights:?}: {won} of 2000");
    }
}

#[test]
fn an_override_wins_by_order() {
    let overriding = |order| {
        changed(member("g", 0.0), |entry| {
            entry.group_override = true;
            entry.order = order;
        })
    };
    let strong = changed(member("g", 1e9), |entry| entry.order = 900);
    for seed in 0..20 {
        let world = world(&[
            ("low", overriding(1)),
            ("high", overriding(2)),
            ("strong", strong.clone()),
        ]);
        assert_eq!(active(&world.run_with(|scan| scan.seed = seed)), ["high"]);
    }
}

#[test]
fn scores_come_before_chance() {
    let singing = |keys: &[&str], scored: Option<bool>| {
        changed(entry(keys), |entry| {
            entry.group = "songs".into();
            entry.use_group_scoring = scored;
        })
    };
    let three = &["song", "sing", "black cat"][..];
    let four = &["song", "sing", "ghosts"][..];
    for (what, text, first, second, expected) in [
        ("both match two", "sing a song", Some(true), Some(true), None),
        (
            "the second matches more",
            "sing a song of ghosts",
            Some(true),
            Some(true),
            Some("second"),
        ),
        (
            "the first matches more",
            "sing a song of a black cat",
            Some(true),
            Some(true),
            Some("first"),
        ),
        ("nobody is scored", "sing a song of ghosts", None, None, None),
        (
            "the worse one is not scored",
            "sing a song of ghosts",
            Some(false),
            Some(true),
            None,
        ),
        (
            "the worse one is",
            "sing a song of ghosts",
            Some(true),
            Some(false),
            Some("second"),
        ),
    ] {
        let world = World::of(&[("first", singing(three, first)), ("second", singing(four, second))]).saying(&[text]);
        let mut winners: Vec<_> = (0..40)
            .flat_map(|seed| active(&world.run_with(|scan| scan.seed = seed)))
            .collect();
        winners.sort();
        winners.dedup();
        let expected = expected.map_or(vec!["first", "second"], |winner| vec![winner]);
        assert_eq!(winners, expected, "{what}");
    }
}

#[test]
fn secondary_keys_score_as_their_logic_has_it() {
    use tavern_domain::lore::SelectiveLogic::{AndAll, AndAny, NotAll};
    for (logic, secondary, expected) in [
        (AndAny, &["one", "two"][..], Some("scored")),
        (AndAll, &["one", "two"], Some("scored")),
        (NotAll, &["one", "absent"], None),
    ] {
        let plain = changed(member("g", 100.0), |entry| entry.use_group_scoring = Some(true));
        let scored = changed(plain.clone(), |entry| {
            entry.logic = logic;
            entry.secondary_keys = secondary.iter().map(|key| (*key).to_owned()).collect();
        });
        let world = World::of(&[("plain", plain), ("scored", scored)]).saying(&["key one two"]);
        let mut winners: Vec<_> = (0..40)
            .flat_map(|seed| active(&world.run_with(|scan| scan.seed = seed)))
            .collect();
        winners.sort();
        winners.dedup();
        assert_eq!(
            winners,
            expected.map_or(vec!["plain", "scored"], |winner| vec![winner]),
            "{logic:?}"
        );
    }
}

#[test]
fn a_group_with_one_in_lets_no_other_in_later() {
    for group in ["g", "other, g"] {
        let first = changed(member(group, 100.0), |entry| entry.content = "bear".into());
        let later = changed(member("g", 100.0), |entry| entry.keys = vec!["bear".into()]);
        assert_eq!(
            world(&[("first", first), ("later", later)]).active(),
            ["first"],
            "{group}"
        );
    }
}

#[test]
fn the_sticky_one_stays() {
    let sticky = |key: &str| {
        changed(entry(&[key]), |entry| {
            entry.group = "g".into();
            entry.group_weight = 0.0;
            entry.sticky = Some(9);
            entry.cooldown = Some(9);
        })
    };
    let before = World::of(&[("s", sticky("key"))]).saying(&["key"]);
    let timed = before.run().timed;
    let world = World::of(&[("s", sticky("key")), ("strong", member("g", 1e9))]).saying(&["key", "and", "key"]);
    let activation = world.run_with(|scan| scan.timed = timed);
    assert_eq!(active(&activation), ["s"]);
}

#[test]
fn who_is_in_two_groups_must_win_both_and_takes_nobody_else_along() {
    let both = member("a, b", 0.0);
    let world = world(&[
        ("both", both),
        ("a", member("a", 100.0)),
        ("b", member("b", 100.0)),
        ("free", entry(&["key"])),
        ("last", entry(&["key"])),
    ]);
    assert_eq!(world.active(), ["a", "b", "free", "last"]);
}
