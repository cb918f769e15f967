use crate::testing::turn;
use crate::{Rng, Turn};

#[test]
fn a_turn_that_is_told_again_has_the_same_chances_and_each_purpose_its_own() {
    let drawn = |seed: u64, purpose: &[&str]| Turn { seed, ..turn() }.rng(purpose).next_u64();
    assert_eq!(drawn(7, &["dice", "2d6"]), drawn(7, &["dice", "2d6"]));
    let different = [
        drawn(7, &["dice", "2d6"]),
        drawn(8, &["dice", "2d6"]),
        drawn(7, &["dice2", "d6"]),
        drawn(7, &["dice"]),
        drawn(7, &["dice", ""]),
        drawn(7, &[]),
    ];
    let distinct: std::collections::BTreeSet<_> = different.iter().collect();
    assert_eq!(distinct.len(), different.len());
}

#[test]
fn every_number_below_the_bound_is_as_likely() {
    let mut rng = Rng::new(1);
    let mut counts = [0; 6];
    for _ in 0..60_000 {
        counts[usize::try_from(rng.below(6)).expect("below 6")] += 1;
    }
    assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
    assert_eq!(rng.below(0), 0);
    assert_eq!(rng.below(1), 0);
    assert!(rng.below(u64::MAX) < u64::MAX);
}

#[test]
fn weights_are_kept_to() {
    let mut rng = Rng::new(1);
    let items = [("never", 0), ("seldom", 1), ("often", 9)];
    let often = (0..10_000)
        .filter(|_| rng.pick_weighted(&items) == Some(&"often"))
        .count();
    assert!((8_800..9_200).contains(&often), "{often}");
    assert_eq!(rng.pick_weighted::<&str>(&[("never", 0)]), None);
    assert_eq!(rng.pick::<u8>(&[]), None);
    assert_eq!(rng.pick(&[3]), Some(&3));
}
