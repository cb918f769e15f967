use super::*;

fn roll(text: &str, seed: u64) -> Roll {
    Expression::parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .roll(&mut Rng::new(seed))
}

#[test]
fn every_roll_is_within_what_its_dice_can_give() {
    for (text, low, high) in [
        ("d6", 1, 6),
        ("2d6+1", 3, 13),
        ("2D6 - 1", 1, 11),
        ("d%", 1, 100),
        ("-1d4+10", 6, 9),
        ("4d6kh3", 3, 18),
        ("4d6dl1", 3, 18),
        ("2d20kl1", 1, 20),
        ("2d20dh", 1, 20),
        ("3d1", 3, 3),
        ("7", 7, 7),
        ("1d4+1d6+2", 4, 12),
        ("3d6dh3", 0, 0),
    ] {
        for seed in 0..200 {
            let roll = roll(text, seed);
            assert!((low..=high).contains(&roll.total), "{text}: {roll}");
        }
    }
}

#[test]
fn each_face_comes_up() {
    let faces: std::collections::BTreeSet<_> = (0..200).map(|seed| roll("d6", seed).total).collect();
    assert_eq!(faces.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn keeping_and_dropping_choose_by_value() {
    for seed in 0..100 {
        let mut dice = roll("4d6", seed).dice;
        dice.sort_unstable();
        let sum = |range: std::ops::Range<usize>| dice[range].iter().map(|die| i64::from(*die)).sum::<i64>();
        assert_eq!(roll("4d6kh3", seed).total, sum(1..4));
        assert_eq!(roll("4d6k3", seed).total, sum(1..4));
        assert_eq!(roll("4d6kl2", seed).total, sum(0..2));
        assert_eq!(roll("4d6dh1", seed).total, sum(0..3));
        assert_eq!(roll("4d6dl3", seed).total, sum(3..4));
    }
}

#[test]
fn the_highest_face_explodes_and_an_end_is_made_of_it() {
    for seed in 0..100 {
        let roll = roll("3d6!", seed);
        let sixes = roll.dice.iter().filter(|die| **die == 6).count();
        assert_eq!(roll.dice.len(), 3 + sixes, "{roll}");
    }
    // Of two faces, some chain would go on for ever sooner or later.
    for seed in 0..100 {
        assert!(roll("100d2!", seed).dice.len() <= 100 + MAX_EXPLOSIONS as usize);
    }
}

#[test]
fn a_detail_shows_what_was_dropped() {
    let roll = roll("3d1kh2 - 1", 0);
    assert_eq!(roll.detail, "[(1), 1, 1] - 1 = 1");
}

#[test]
fn what_is_no_dice_is_refused_with_its_reason() {
    for (text, reason) in [
        ("", "missing"),
        ("d", "how many faces"),
        ("2d", "how many faces"),
        ("0d6", "1 to 100 dice"),
        ("101d6", "1 to 100 dice"),
        ("60d6+60d6", "at most 100 dice"),
        ("d0", "1 to 10000 faces"),
        ("d10001", "1 to 10000 faces"),
        ("1000001", "up to 1000000"),
        ("99999999999999999999", "up to 1000000"),
        ("2d6kh3", "3 of 2"),
        ("2d6dl3", "3 of 2"),
        ("4d6kh3dl1", "once"),
        ("d1!", "one face"),
        ("2d6x", "put + or -"),
        ("2d6+", "missing"),
        ("würfel", "missing"),
    ] {
        let error = Expression::parse(text).expect_err(text);
        assert!(error.contains(reason), "{text}: {error}");
    }
    assert!(Expression::parse(&"1+".repeat(51)).is_err_and(|error| error.contains("100 bytes")));
    assert!(Expression::parse("100d10000!+1000000").is_ok());
}
