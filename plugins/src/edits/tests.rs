use proptest::prelude::*;
use serde_json::json;
use tavern_domain::extension::Hook;

use super::*;
use crate::bindings::exports::tavern::extension::after_reply::Effect;
use crate::bindings::exports::tavern::extension::before_prompt::{Edit, Note};
use crate::bindings::exports::tavern::extension::prompt_transform::{Op, Placed, Replacement};
use crate::bindings::exports::tavern::extension::world_info::{Activation, Addition, Candidate, Selection};
use crate::bindings::tavern::extension::types::Message;
use crate::manifest::HookSettings;
use crate::testing::codeless_member;
use crate::turn::Transformed;

fn member(granted: &[&str]) -> Member {
    codeless_member(Hook::PromptTransform, HookSettings::default(), granted)
}

fn note_edit(position: &str, role: Role, text: &str) -> Edit {
    Edit::AddNote(Note {
        position: position.into(),
        depth: 0,
        role,
        text: text.into(),
        priority: 0,
    })
}

fn pair(key: &str, value: &str) -> Pair {
    Pair {
        key: key.into(),
        value: value.into(),
    }
}

fn message(id: &str, role: Role, text: &str) -> Message {
    Message {
        id: id.into(),
        role,
        name: None,
        text: text.into(),
    }
}

fn before(granted: &[&str], edits: Vec<Edit>) -> (Result<BeforeEdits, Failure>, Vec<String>, u32) {
    let (member, limits) = (member(granted), PluginLimits::default());
    let mut checker = Checker::new(&member, &limits);
    let checked = check_before(&mut checker, edits);
    (checked, checker.notes, checker.taken)
}

fn prompt() -> Vec<Message> {
    vec![
        message("platform:safety", Role::System, "Be kind."),
        message("card", Role::System, "She is a smith."),
        message("m1", Role::User, "Hello."),
        message("m2", Role::Assistant, "Good day."),
    ]
}

const EVERYTHING: [&str; 5] = [
    "prompt.insert",
    "prompt.replace",
    "prompt.system",
    "sampling",
    "history:1",
];

/// The prompt after the edits, as `id=text`, and what was noted. A word is a token.
fn transformed(granted: &[&str], budget: u32, ops: Vec<Op>) -> (Vec<String>, Vec<String>, Transformed) {
    let (member, limits) = (member(granted), PluginLimits::default());
    let mut checker = Checker::new(&member, &limits);
    let mut prompt = Prompt::new(prompt(), budget);
    let plan = prompt.plan(&mut checker, ops, &words).expect("a small result");
    prompt.apply(plan, "test/guest");
    let done = prompt.into_transformed();
    let texts = done
        .messages
        .iter()
        .map(|message| format!("{}={}", message.message.id, message.message.text));
    (texts.collect(), checker.notes, done)
}

fn words(text: &str) -> u32 {
    u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX)
}

fn placed(anchor: &str, role: Role, text: &str) -> Placed {
    Placed {
        anchor: anchor.into(),
        role,
        text: text.into(),
    }
}

fn replace(id: &str, text: &str) -> Op {
    Op::ReplaceText(Replacement {
        id: id.into(),
        text: text.into(),
    })
}

#[test]
fn each_edit_before_the_prompt_needs_its_permission() {
    let edits = || {
        vec![
            note_edit("end", Role::User, "a note"),
            note_edit("end", Role::System, "a rule"),
            Edit::SetVariable(pair("mood", "calm")),
            Edit::SetSampling(pair("temperature", "0.5")),
            Edit::Abort("No.".into()),
        ]
    };
    let (checked, notes, taken) = before(&[], edits());
    assert_eq!(checked, Ok(BeforeEdits::default()));
    assert_eq!((notes.len(), taken), (5, 0));
    let all = ["prompt.insert", "prompt.system", "variables", "sampling", "abort"];
    for left_out in 0..all.len() {
        let granted: Vec<_> = all
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != left_out)
            .map(|(_, text)| *text)
            .collect();
        let (_, notes, _) = before(&granted, edits());
        assert!(notes.iter().all(|line| line.contains(all[left_out])), "{notes:?}");
        assert!(!notes.is_empty());
    }
    let (checked, notes, taken) = before(&all, edits());
    let checked = checked.expect("all is permitted");
    assert_eq!(
        (checked.notes.len(), checked.variables.len(), checked.sampling.len()),
        (2, 1, 1)
    );
    assert_eq!(checked.abort.as_deref(), Some("No."));
    assert!(notes.is_empty());
    assert_eq!(taken, 5);
}

#[test]
fn what_makes_no_sense_is_left_out_and_noted() {
    let name = "n".repeat(NAME_BYTES + 1);
    let edits = vec![
        note_edit("nowhere", Role::User, "x"),
        note_edit("end", Role::Tool, "x"),
        Edit::SetVariable(pair("", "x")),
        Edit::SetVariable(pair(&name, "x")),
        Edit::SetVariable(pair("a\nb", "x")),
        Edit::SetSampling(pair("temperature", "NaN")),
        Edit::SetSampling(pair("colour", "1")),
        Edit::SetSampling(pair("stop", "")),
        Edit::SetVariable(pair(&name[1..], "x")),
    ];
    let (checked, notes, taken) = before(&["prompt.insert", "variables", "sampling"], edits);
    assert_eq!(checked.expect("small").variables.len(), 1);
    assert_eq!((notes.len(), taken), (8, 1), "{notes:#?}");
}

#[test]
fn control_characters_are_taken_out_but_lines_and_tabs() {
    let (checked, _, _) = before(
        &["prompt.insert"],
        vec![note_edit("end", Role::User, "a\u{1b}[31mb\0\r\n\tc\u{85}ü")],
    );
    assert_eq!(checked.expect("small").notes[0].text, "a[31mb\n\tcü");
}

#[test]
fn limits_hold_on_both_sides() {
    let limits = PluginLimits::default();
    let edits = |count: usize, bytes: usize| vec![note_edit("end", Role::User, &"x".repeat(bytes)); count];
    let granted = ["prompt.insert"];
    assert_eq!(before(&granted, edits(limits.edits, 1)).2 as usize, limits.edits);
    let (checked, ..) = before(&granted, edits(limits.edits + 1, 1));
    assert_eq!(checked.expect_err("too many").outcome, Outcome::OutputInvalid);
    assert_eq!(before(&granted, edits(1, limits.text_bytes)).2, 1);
    let (checked, notes, taken) = before(&granted, edits(1, limits.text_bytes + 1));
    assert_eq!(
        (checked.expect("the rest stands").notes.len(), notes.len(), taken),
        (0, 1, 0)
    );
    // The position counts as well.
    let most = limits.result_bytes / limits.text_bytes;
    assert_eq!(before(&granted, edits(most, limits.text_bytes - 3)).2 as usize, most);
    let (checked, ..) = before(&granted, edits(most, limits.text_bytes - 2));
    assert_eq!(checked.expect_err("too much").outcome, Outcome::OutputInvalid);
}

#[test]
fn the_notes_of_a_trace_are_bounded() {
    let edits = vec![note_edit(&"x\u{1b}".repeat(1000), Role::User, "x"); 60];
    let (_, notes, _) = before(&["prompt.insert"], edits);
    assert_eq!(notes.len(), NOTES);
    assert!(
        notes
            .iter()
            .all(|line| line.len() <= NOTE_BYTES && !line.contains('\u{1b}'))
    );
    assert_eq!(notes[NOTES - 1], "There was more.");
}

#[test]
fn nobody_touches_what_is_the_platforms() {
    let ops = vec![
        replace("platform:safety", "Be rude."),
        Op::Remove("platform:safety".into()),
    ];
    let (texts, notes, done) = transformed(&EVERYTHING, 1000, ops);
    assert_eq!(texts[0], "platform:safety=Be kind.");
    assert_eq!(notes.len(), 2);
    assert!(!done.changed);
}

#[test]
fn each_edit_of_a_prompt_needs_its_permission() {
    let ops = || {
        vec![
            Op::InsertBefore(placed("m1", Role::User, "x")),
            replace("m1", "y"),
            replace("card", "z"),
            Op::InsertAfter(placed("m1", Role::System, "x")),
            Op::StopSequence("END".into()),
        ]
    };
    let counts = |granted: &[&str]| {
        let (_, notes, done) = transformed(granted, 1000, ops());
        (notes.len(), done.changed)
    };
    assert_eq!(counts(&[]), (5, false));
    assert_eq!(counts(&["prompt.insert"]), (4, true));
    assert_eq!(counts(&["prompt.replace"]), (4, true));
    assert_eq!(counts(&["prompt.replace", "prompt.system"]), (3, true));
    assert_eq!(counts(&["prompt.insert", "prompt.system"]), (3, true));
    assert_eq!(counts(&["sampling"]), (4, true));
    assert_eq!(counts(&EVERYTHING), (0, true));
}

#[test]
fn removals_win_and_replacements_are_made_in_order() {
    let ops = vec![
        replace("m1", "first"),
        replace("m2", "first"),
        Op::Remove("m1".into()),
        replace("m2", "second"),
        Op::Remove("ghost".into()),
    ];
    let (texts, notes, done) = transformed(&EVERYTHING, 1000, ops);
    assert_eq!(texts[2..], ["m2=second"]);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert_eq!(done.messages[2].replaced_by.as_deref(), Some("test/guest"));
}

#[test]
fn what_is_inserted_stands_in_the_order_it_was_given_also_where_its_anchor_goes() {
    let ops = vec![
        Op::InsertAfter(placed("m1", Role::User, "c")),
        Op::InsertBefore(placed("m1", Role::User, "a")),
        Op::InsertAfter(placed("m1", Role::Assistant, "d")),
        Op::InsertBefore(placed("m1", Role::System, "b")),
        Op::Remove("m1".into()),
    ];
    let (texts, _, done) = transformed(&EVERYTHING, 1000, ops);
    let inserted: Vec<_> = texts.iter().filter_map(|text| text.strip_prefix("inserted-")).collect();
    assert_eq!(inserted, ["1=a", "2=b", "3=c", "4=d"]);
    assert_eq!(texts.len(), 7);
    assert_eq!(done.messages[2].inserted_by.as_deref(), Some("test/guest"));
    assert_eq!(done.messages[6].inserted_by, None);
}

#[test]
fn the_budget_of_tokens_is_kept() {
    // Four messages of four tokens each, and 2 + 4 + 1 + 2 words.
    let used = 4 * 4 + 9;
    let insert = |text: &str| vec![Op::InsertAfter(placed("m2", Role::User, text))];
    assert_eq!(transformed(&EVERYTHING, used + 6, insert("two words")).0.len(), 5);
    assert_eq!(transformed(&EVERYTHING, used + 5, insert("two words")).0.len(), 4);
    let (texts, notes, _) = transformed(&EVERYTHING, used, vec![replace("m2", "three words now")]);
    assert_eq!((texts[3].as_str(), notes.len()), ("m2=Good day.", 1));
    assert_eq!(
        transformed(&EVERYTHING, used, vec![replace("m2", "two words")]).0[3],
        "m2=two words"
    );
    // What is already too long may become shorter, and what is removed makes room wherever it stands.
    assert_eq!(transformed(&EVERYTHING, 1, vec![replace("m2", "one")]).0[3], "m2=one");
    let mut ops = insert("one two three four");
    ops.push(Op::Remove("card".into()));
    assert_eq!(transformed(&EVERYTHING, used, ops).0.len(), 4);
}

#[test]
fn the_prompt_is_shown_as_far_as_it_may_be_seen() {
    let shown = |granted: &[&str]| -> Vec<String> {
        let prompt = Prompt::new(prompt(), 1000);
        let shown = prompt.shown_to(&member(granted));
        shown.iter().map(|message| message.text.clone()).collect()
    };
    assert_eq!(shown(&[]), ["", "", "", ""]);
    assert_eq!(shown(&["history:1"]), ["", "", "", "Good day."]);
    assert_eq!(shown(&["history:9"]), ["", "", "Hello.", "Good day."]);
    assert_eq!(shown(&["prompt.replace"]), ["", "", "Hello.", "Good day."]);
    assert_eq!(
        shown(&EVERYTHING),
        ["Be kind.", "She is a smith.", "Hello.", "Good day."]
    );
}

fn candidate(id: &str) -> Candidate {
    Candidate {
        id: id.into(),
        book: String::new(),
        title: String::new(),
        keys: Vec::new(),
        tokens: 1,
        active: false,
        text: String::new(),
    }
}

fn activation(id: &str, active: bool, score: f32) -> Activation {
    Activation {
        id: id.into(),
        active,
        score,
    }
}

fn addition(position: &str) -> Addition {
    Addition {
        title: "Title".into(),
        text: "Text".into(),
        position: position.into(),
        depth: 0,
        order: 0,
    }
}

#[test]
fn a_selection_names_candidates_and_has_scores_that_are_numbers() {
    let limits = PluginLimits {
        lore_candidates: 4,
        ..PluginLimits::default()
    };
    let candidates = [candidate("a"), candidate("b")];
    let raw = Selection {
        activations: vec![
            activation("a", true, 1.0),
            activation("b", true, f32::NAN),
            activation("b", true, f32::INFINITY),
            activation("c", true, 1.0),
        ],
        additions: vec![addition("in-chat"), addition("end")],
    };
    let check = |granted: &[&str], raw: Selection| {
        let member = member(granted);
        let mut checker = Checker::new(&member, &limits);
        let checked = check_selection(&mut checker, &candidates, raw);
        checked.map(|checked| (checked.activations.len(), checked.additions.len(), checker.notes.len()))
    };
    assert_eq!(check(&["lore.edit"], raw.clone()), Ok((1, 1, 4)));
    assert_eq!(check(&["lore.read"], raw.clone()), Ok((0, 0, 1)));
    let mut more = raw;
    more.activations.push(activation("a", true, 1.0));
    let refused = check(&["lore.edit"], more).expect_err("too many");
    assert_eq!(refused.outcome, Outcome::OutputInvalid);
}

#[test]
fn the_highest_score_decides_and_of_equals_the_first() {
    let candidates = [candidate("a"), candidate("b"), candidate("c"), candidate("d")];
    let selection = |activations: Vec<Activation>| CheckedSelection {
        activations,
        additions: vec![addition("in-chat")],
    };
    let ids = ["one", "two", "three", "four"].map(String::from);
    let merged = merge(
        &candidates,
        &ids,
        vec![
            (
                "one".into(),
                selection(vec![activation("c", false, 1.0), activation("a", true, 1.0)]),
            ),
            (
                "two".into(),
                selection(vec![activation("a", false, 2.0), activation("c", true, 1.0)]),
            ),
            ("three".into(), selection(vec![activation("d", true, -1.0)])),
        ],
    );
    assert_eq!(merged.activate, ["four"]);
    assert_eq!(merged.silence, ["one", "three"]);
    let from: Vec<_> = merged.additions.iter().map(|(from, _)| from.as_str()).collect();
    assert_eq!(from, ["one", "two", "three"]);
}

#[test]
fn effects_need_their_permissions_and_values_are_json() {
    let effects = || {
        vec![
            Effect::Annotate(pair("mood", r#"{"joy": 1}"#)),
            Effect::SuggestReply("Go on.".into()),
            Effect::SetVariable(pair("mood", "joy")),
            Effect::EmitEvent(pair("seen", "[1]")),
            Effect::Annotate(pair("mood", "{")),
        ]
    };
    let check = |granted: &[&str]| {
        let (member, limits) = (member(granted), PluginLimits::default());
        let mut checker = Checker::new(&member, &limits);
        let checked = check_effects(&mut checker, effects()).expect("small");
        (checked, checker.notes.len())
    };
    assert_eq!(check(&[]), (Effects::default(), 5));
    let (checked, notes) = check(&["annotate", "suggest", "variables", "events"]);
    assert_eq!(notes, 1);
    assert_eq!(checked.annotations, [("mood".to_owned(), json!({"joy": 1}))]);
    assert_eq!(checked.events, [("seen".to_owned(), json!([1]))]);
    assert_eq!((checked.suggestions.len(), checked.variables.len()), (1, 1));
}

#[test]
fn json_is_bounded_in_depth_and_size() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(json(&nested(JSON_DEPTH), 1000).is_ok());
    assert!(json(&nested(JSON_DEPTH + 1), 1000).is_err());
    assert!(json(&nested(100_000), 1 << 20).is_err());
    assert!(json("\"1234\"", 6).is_ok());
    assert!(json("\"1234\"", 5).is_err());
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let id = prop::sample::select(vec!["platform:safety", "card", "m1", "m2", "ghost"]);
    let role = prop::sample::select(vec![Role::User, Role::Assistant, Role::System]);
    let op = (0..5_usize, id, role, "[a-c ]{0,20}").prop_map(|(kind, id, role, text)| match kind {
        0 => Op::InsertBefore(placed(id, role, &text)),
        1 => Op::InsertAfter(placed(id, role, &text)),
        2 => replace(id, &text),
        3 => Op::Remove(id.into()),
        _ => Op::StopSequence(text),
    });
    prop::collection::vec(op, 0..12)
}

/// How many edits of how many results get through.
fn taken(ops: &[Op], limits: &PluginLimits) -> u32 {
    let member = member(&EVERYTHING);
    let mut checker = Checker::new(&member, limits);
    let planned = Prompt::new(prompt(), 1000).plan(&mut checker, ops.to_vec(), &words);
    planned.map_or(0, |_| checker.taken)
}

proptest! {
    #[test]
    fn edits_are_merged_the_same_way_each_time_and_keep_the_prompt_whole(first in ops(), second in ops(), budget in 0..60_u32) {
        let run = || {
            let (member, limits) = (member(&EVERYTHING), PluginLimits::default());
            let mut prompt = Prompt::new(prompt(), budget);
            for ops in [&first, &second] {
                let mut checker = Checker::new(&member, &limits);
                let plan = prompt.plan(&mut checker, ops.clone(), &words).expect("small");
                prompt.apply(plan, "test/guest");
            }
            prompt.into_transformed()
        };
        let done = run();
        prop_assert_eq!(&done, &run());
        let mut ids: Vec<_> = done.messages.iter().map(|message| message.message.id.as_str()).collect();
        prop_assert!(ids.contains(&"platform:safety"));
        let platform = done.messages.iter().find(|message| message.message.id == "platform:safety");
        prop_assert_eq!(platform.map(|message| message.message.text.as_str()), Some("Be kind."));
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), done.messages.len(), "ids are unique");
        let tokens: u32 = done.messages.iter().map(|message| words(&message.message.text) + 4).sum();
        prop_assert!(tokens <= budget.max(25));
    }

    #[test]
    fn a_smaller_limit_never_lets_more_through(
        ops in ops(),
        (edits, text_bytes, result_bytes) in (0..12_usize, 0..20_usize, 0..200_usize),
        which in 0..3_usize,
        less in 1..10_usize,
    ) {
        let large = PluginLimits { edits, text_bytes, result_bytes, ..PluginLimits::default() };
        let mut small = large.clone();
        match which {
            0 => small.edits = edits.saturating_sub(less),
            1 => small.text_bytes = text_bytes.saturating_sub(less),
            _ => small.result_bytes = result_bytes.saturating_sub(less),
        }
        prop_assert!(taken(&ops, &small) <= taken(&ops, &large));
    }

    #[test]
    fn decisions_on_lore_do_not_depend_on_the_order_within_equal_ranks(
        scores in prop::collection::vec((0..3_usize, 0..4_usize, any::<bool>(), -3..4_i8), 0..12),
    ) {
        let ids = ["a", "b", "c", "d"];
        let candidates = ids.map(candidate);
        let mut selections = vec![CheckedSelection::default(), CheckedSelection::default(), CheckedSelection::default()];
        for (extension, id, active, score) in &scores {
            selections[*extension].activations.push(activation(ids[*id], *active, f32::from(*score)));
        }
        let named = selections.into_iter().enumerate().map(|(index, selection)| (index.to_string(), selection));
        let merged = merge(&candidates, &ids.map(String::from), named.collect());
        for id in ids {
            let about = scores.iter().filter(|(_, at, ..)| ids[*at] == id);
            let mut about: Vec<_> = about.collect();
            // Highest score first; then the earlier extension, then what it said first.
            about.sort_by_key(|(extension, _, _, score)| (std::cmp::Reverse(*score), *extension));
            let expected = about.first().map(|(_, _, active, _)| *active);
            prop_assert_eq!(merged.activate.iter().any(|known| known == id), expected == Some(true));
            prop_assert_eq!(merged.silence.iter().any(|known| known == id), expected == Some(false));
        }
    }
}
