use proptest::prelude::*;

use super::*;
use crate::macros::Scene;

const fn member(name: &str, talkativeness: f64) -> Member<'_> {
    Member {
        name,
        talkativeness,
        muted: false,
    }
}

fn muted(name: &str) -> Member<'_> {
    Member {
        muted: true,
        ..member(name, 1.0)
    }
}

/// Who answers under some seed of a hundred, each set of answers once, sorted.
fn possible(members: &[Member<'_>], turn: &GroupTurn<'_>) -> Vec<Vec<usize>> {
    let mut all: Vec<_> = (0..100)
        .map(|seed| who_answers(members, &GroupTurn { seed, ..*turn }))
        .collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn the_strategy_decides_who_answers() {
    let three = [member("Mira", 0.0), member("Bo", 0.0), member("Cy", 0.0)];
    let some = [member("Mira", 0.0), muted("Bo"), member("Cy", 0.0)];
    let turn = |strategy| GroupTurn {
        strategy,
        ..GroupTurn::default()
    };
    let after = |strategy, last| GroupTurn {
        last_speaker: Some(last),
        ..turn(strategy)
    };
    let spoken = |spoken, last| GroupTurn {
        spoken,
        ..after(GroupStrategy::Pooled, last)
    };
    for (name, members, turn, expected) in [
        (
            "a list: all in order",
            &three,
            turn(GroupStrategy::List),
            vec![vec![0, 1, 2]],
        ),
        (
            "a list without the muted",
            &some,
            turn(GroupStrategy::List),
            vec![vec![0, 2]],
        ),
        (
            "by hand: nobody answers the user",
            &three,
            turn(GroupStrategy::Manual),
            vec![vec![]],
        ),
        (
            "by hand: anyone goes on",
            &some,
            after(GroupStrategy::Manual, 0),
            vec![vec![0], vec![2]],
        ),
        (
            "a pool: anyone first",
            &three,
            turn(GroupStrategy::Pooled),
            vec![vec![0], vec![1], vec![2]],
        ),
        ("a pool: who has not spoken", &three, spoken(&[0, 2], 2), vec![vec![1]]),
        (
            "a pool: all but the last",
            &three,
            spoken(&[0, 1, 2], 2),
            vec![vec![0], vec![1]],
        ),
        ("a pool without the muted", &some, spoken(&[0], 0), vec![vec![2]]),
        (
            "by nature: anyone if nobody talks",
            &three,
            turn(GroupStrategy::Natural),
            vec![vec![0], vec![1], vec![2]],
        ),
        (
            "forced",
            &some,
            GroupTurn {
                forced: Some(1),
                ..turn(GroupStrategy::Natural)
            },
            vec![vec![1]],
        ),
        (
            "forced, but nobody",
            &some,
            GroupTurn {
                forced: Some(3),
                ..turn(GroupStrategy::List)
            },
            vec![vec![]],
        ),
    ] {
        assert_eq!(possible(members, &turn), expected, "{name}");
    }
}

#[test]
fn names_in_the_message_are_called() {
    let members = [
        member("Mira Vale", 0.0),
        member("Bo", 0.0),
        member("李娜", 0.0),
        muted("Cy"),
    ];
    let said = |last_message| GroupTurn {
        last_message,
        ..GroupTurn::default()
    };
    let by = |last_message, last| GroupTurn {
        last_speaker: Some(last),
        ..said(last_message)
    };
    let itself = GroupTurn {
        self_responses: true,
        ..by("Bo", 1)
    };
    for (name, turn, expected) in [
        ("one", said("Hello, bo!"), vec![vec![1]]),
        ("a part of a name", said("Vale?"), vec![vec![0]]),
        ("in order of mention, each once", said("Bo, Mira, bo"), vec![vec![1, 0]]),
        ("no part of a word", said("Boat"), vec![vec![0], vec![1], vec![2]]),
        ("without blanks", said("你好李娜吗"), vec![vec![2]]),
        ("not the muted", said("Cy and Bo"), vec![vec![1]]),
        ("not the last speaker", by("Bo and Mira", 1), vec![vec![0]]),
        ("the last speaker if it may", itself, vec![vec![1]]),
    ] {
        assert_eq!(possible(&members, &turn), expected, "{name}");
    }
}

#[test]
fn the_talkative_answer_unasked() {
    let members = [member("Mira", 1.0), member("Bo", 0.0), member("Cy", 0.5)];
    let answers = possible(&members, &GroupTurn::default());
    assert_eq!(answers, [vec![0], vec![0, 2], vec![2, 0]]);
    let members = [member("Mira", 1e-9), member("Bo", 0.0)];
    assert_eq!(
        possible(&members, &GroupTurn::default()),
        [vec![0]],
        "the silent are not drawn to"
    );
}

#[test]
fn nobody_answers_where_nobody_can() {
    for strategy in [
        GroupStrategy::Natural,
        GroupStrategy::List,
        GroupStrategy::Manual,
        GroupStrategy::Pooled,
    ] {
        let turn = GroupTurn {
            strategy,
            last_speaker: Some(0),
            ..GroupTurn::default()
        };
        assert!(who_answers(&[muted("Mira")], &turn).is_empty());
        assert!(who_answers(&[], &turn).is_empty());
    }
}

#[test]
fn a_last_speaker_who_is_alone_answers_itself() {
    let turn = GroupTurn {
        last_speaker: Some(0),
        ..GroupTurn::default()
    };
    assert_eq!(who_answers(&[member("Mira", 1.0)], &turn), [0]);
}

#[test]
fn fields_are_joined_as_the_settings_say() {
    let members = [
        MemberField {
            name: "Mira",
            text: " {{char}} is a fox. ",
            muted: false,
        },
        MemberField {
            name: "Bo",
            text: "  ",
            muted: false,
        },
        MemberField {
            name: "Cy",
            text: "A <fieldname>.",
            muted: true,
        },
    ];
    let settings = |mode, join_prefix: &str, join_suffix: &str| GroupSettings {
        mode,
        join_prefix: join_prefix.to_owned(),
        join_suffix: join_suffix.to_owned(),
        ..GroupSettings::default()
    };
    let framed = |mode| settings(mode, "[{{char}}'s <FIELDNAME>: ", "]");
    for (name, field, speaker, settings, expected) in [
        (
            "the speaker's",
            JoinedField::Description,
            0,
            framed(GroupMode::Swap),
            "Mira is a fox.",
        ),
        (
            "all but the muted",
            JoinedField::Description,
            0,
            framed(GroupMode::Join),
            "[Mira's Description: Mira is a fox.]",
        ),
        (
            "the muted speaker",
            JoinedField::Scenario,
            2,
            framed(GroupMode::Join),
            "[Mira's Scenario: Mira is a fox.]\n[Cy's Scenario: A Scenario.]",
        ),
        (
            "the muted, too",
            JoinedField::Personality,
            0,
            settings(GroupMode::JoinMuted, "", ""),
            "Mira is a fox.\nA Personality.",
        ),
        (
            "examples are blocks",
            JoinedField::Examples,
            0,
            settings(GroupMode::Join, "", ""),
            "<START>\nMira is a fox.",
        ),
        ("nobody's", JoinedField::Description, 1, framed(GroupMode::Swap), ""),
    ] {
        let scene = Scene {
            char: "Bo".into(),
            ..Scene::default()
        };
        let mut macros = Macros::new(scene, Default::default(), Default::default(), 1);
        assert_eq!(
            joined_field(field, &members, speaker, &settings, &mut macros),
            expected,
            "{name}"
        );
        assert_eq!(macros.scene().char, "Bo", "{name}");
    }
}

proptest! {
    #[test]
    fn the_same_turn_has_the_same_answer_of_members_once_each(
        members in prop::collection::vec(("[a-c]{1,2}", -1.0..2.0_f64, any::<bool>()), 0..6),
        message in "[a-c ]{0,12}",
        last in prop::option::of(0..8_usize),
        seed: u64,
        self_responses: bool,
    ) {
        let members: Vec<Member<'_>> = members
            .iter()
            .map(|(name, talkativeness, muted)| Member { name, talkativeness: *talkativeness, muted: *muted })
            .collect();
        let turn = GroupTurn { last_message: &message, last_speaker: last, seed, self_responses, ..GroupTurn::default() };
        let answers = who_answers(&members, &turn);
        prop_assert_eq!(&answers, &who_answers(&members, &turn));
        prop_assert_eq!(answers.is_empty(), members.iter().all(|member| member.muted));
        for (at, answer) in answers.iter().enumerate() {
            prop_assert!(members.get(*answer).is_some_and(|member| !member.muted));
            prop_assert!(!answers[..at].contains(answer));
        }
    }
}
