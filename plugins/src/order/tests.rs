use proptest::prelude::*;

use super::*;
use crate::chain::Chain;
use crate::testing::codeless_member;

/// Name, phase, priority, and the names it wants to be before and after.
type Wish<'a> = (&'a str, Phase, i32, &'a [&'a str], &'a [&'a str]);

fn member(name: &str, settings: HookSettings) -> Member {
    Member {
        name: name.into(),
        ..codeless_member(Hook::BeforePrompt, settings, &[])
    }
}

fn wished((name, phase, priority, before, after): Wish<'_>) -> Member {
    let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let settings = HookSettings {
        phase,
        priority,
        before: texts(before),
        after: texts(after),
        ..HookSettings::default()
    };
    member(name, settings)
}

fn chain(wishes: &[Wish<'_>]) -> Chain {
    Chain::new(wishes.iter().copied().map(wished).collect())
}

fn names(chain: &Chain) -> Vec<&str> {
    chain
        .at(Hook::BeforePrompt)
        .map(|member| member.name.as_str())
        .collect()
}

#[test]
fn phases_come_before_priorities_and_priorities_before_names() {
    let chain = chain(&[
        ("a", Phase::Observe, 1000, &[], &[]),
        ("c", Phase::Enrich, 0, &[], &[]),
        ("b", Phase::Enrich, 0, &[], &[]),
        ("d", Phase::Enrich, 1, &[], &[]),
        ("e", Phase::Sanitize, -1000, &[], &[]),
    ]);
    assert_eq!(names(&chain), ["e", "d", "b", "c", "a"]);
}

#[test]
fn the_owners_priority_stands_for_the_manifests_and_both_are_bounded() {
    let mut low = wished(("low", Phase::Enrich, i32::MAX, &[], &[]));
    let high = wished(("high", Phase::Enrich, 1000, &[], &[]));
    assert_eq!(
        names(&Chain::new(vec![low.clone(), high.clone()])),
        ["high", "low"],
        "1000 is the most"
    );
    low.priority = Some(-5);
    assert_eq!(names(&Chain::new(vec![low, high])), ["high", "low"]);
}

#[test]
fn hints_hold_against_priorities_and_not_against_phases() {
    let chain = chain(&[
        ("first", Phase::Enrich, 10, &[], &["second"]),
        ("second", Phase::Enrich, -10, &[], &["nobody"]),
        ("third", Phase::Enrich, 0, &["second", "third"], &[]),
        ("late", Phase::Observe, 0, &["first"], &[]),
    ]);
    assert_eq!(names(&chain), ["third", "second", "first", "late"]);
    assert!(chain.conflicts().is_empty());
}

#[test]
fn a_circle_is_told_of_and_goes_by_priority() {
    let chain = chain(&[
        ("a", Phase::Enrich, 0, &["b"], &[]),
        ("b", Phase::Enrich, 1, &["c"], &[]),
        ("c", Phase::Enrich, 2, &["a"], &[]),
        ("behind", Phase::Enrich, 3, &[], &["c"]),
        ("ahead", Phase::Enrich, -3, &["a"], &[]),
        ("other", Phase::Observe, 0, &[], &[]),
    ]);
    assert_eq!(names(&chain), ["behind", "c", "b", "a", "ahead", "other"]);
    let conflict = Conflict {
        hook: Hook::BeforePrompt,
        names: ["a", "b", "c"].map(String::from).into(),
    };
    assert_eq!(chain.conflicts(), [conflict]);
}

#[test]
fn a_member_is_not_called_where_it_may_not_be() {
    let mut filter = codeless_member(Hook::StreamFilter, HookSettings::default(), &[]);
    assert!(!Chain::new(vec![filter.clone()]).has(Hook::StreamFilter));
    filter.granted = Arc::new(vec![tavern_domain::extension::Capability::StreamModify]);
    assert!(Chain::new(vec![filter]).has(Hook::StreamFilter));
}

proptest! {
    #[test]
    fn the_order_does_not_depend_on_how_they_were_listed(
        wishes in prop::collection::vec((0..3_usize, -2..3_i32, prop::collection::vec(0..8_usize, 0..3)), 8),
        shuffled in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let name = |index: usize| format!("extension-{index}");
        let phases = [Phase::Sanitize, Phase::Transform, Phase::Observe];
        let members: Vec<_> = wishes.iter().enumerate().map(|(index, (phase, priority, before))| {
            let settings = HookSettings {
                phase: phases[*phase],
                priority: *priority,
                before: before.iter().map(|other| name(*other)).collect(),
                ..HookSettings::default()
            };
            member(&name(index), settings)
        }).collect();
        let chain = Chain::new(members.clone());
        let other = Chain::new(shuffled.iter().map(|index| members[*index].clone()).collect());
        prop_assert_eq!(names(&chain), names(&other));
        prop_assert_eq!(chain.conflicts(), other.conflicts());
        let order = names(&chain);
        prop_assert_eq!(order.len(), members.len());
        let place = |index: usize| order.iter().position(|known| *known == name(index)).expect("all are called");
        for (index, (phase, _, before)) in wishes.iter().enumerate() {
            for other in before {
                // What is in a phase without a circle stands as it wants to.
                let same = *phase == wishes[*other].0 && index != *other;
                let circle = chain.conflicts().iter().any(|conflict| conflict.names.iter().any(|known| {
                    wishes.iter().enumerate().any(|(at, wish)| name(at) == *known && wish.0 == *phase)
                }));
                prop_assert!(!same || circle || place(index) < place(*other));
            }
        }
    }
}
