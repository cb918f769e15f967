//! What the kinds of generation ask for.

use super::*;

const TALK: [(&str, &str); 2] = [("u", "Tell me."), ("c", "Once upon")];

fn turn(kind: GenerationKind, preset: &[(&str, Value)]) -> Turn {
    let mut turn = Turn::prompts(&[marker("chatHistory"), prompt("jailbreak", "POST")]).talk(&TALK);
    for (name, value) in preset {
        turn.preset["chat"][*name] = value.clone();
    }
    turn.kind = kind;
    turn
}

#[test]
fn continuing_asks_for_more_behind_everything_else() {
    let turn = turn(GenerationKind::Continue, &[("continue_nudge_prompt", json!("GO ON"))]);
    let built = turn.build();
    assert_eq!(
        built.lines(),
        [
            "user: Tell me.",
            "assistant: Once upon",
            "system: POST",
            "system: GO ON"
        ]
    );
    assert_eq!((built.prefill, built.continue_postfix.as_str()), (None, " "));
}

#[test]
fn a_nudge_that_quotes_the_message_takes_it_out_of_the_history() {
    let turn = turn(
        GenerationKind::Continue,
        &[("continue_nudge_prompt", json!("GO ON: {{LastChatMessage}}"))],
    );
    assert_eq!(
        turn.lines(),
        ["user: Tell me.", "system: POST", "system: GO ON: Once upon"]
    );
}

#[test]
fn a_prefill_is_the_last_message_of_all() {
    let mut turn = turn(
        GenerationKind::Continue,
        &[("continue_prefill", json!(true)), ("continue_postfix", json!("\n"))],
    );
    turn.guidance = Some("more wind");
    let built = turn.build();
    assert_eq!(
        built.lines(),
        [
            "user: Tell me.",
            "system: POST",
            "system: [Ana's wish for the next reply: more wind]",
            "assistant: Once upon\n",
        ]
    );
    assert_eq!(built.prefill.as_deref(), Some("Once upon\n"));
}

#[test]
fn a_postfix_is_added_once() {
    for (text, postfix) in [("Once upon", " "), ("Once upon ", "")] {
        let mut turn = turn(
            GenerationKind::Continue,
            &[("continue_prefill", json!(true)), ("continue_postfix", json!(" "))],
        );
        turn.history = vec![("c".to_owned(), text.to_owned())];
        let built = turn.build();
        assert_eq!(built.continue_postfix, postfix);
        assert_eq!(built.prefill, Some("Once upon ".to_owned()));
    }
}

#[test]
fn the_users_message_is_never_a_prefill() {
    let mut turn = turn(GenerationKind::Continue, &[("continue_prefill", json!(true))]);
    turn.history.pop();
    let built = turn.build();
    assert_eq!(built.prefill, None);
    assert_eq!(built.lines().first().map(String::as_str), Some("user: Tell me."));
}

#[test]
fn nothing_stands_between_a_continued_message_and_its_end() {
    for prefill in [true, false] {
        let nudge = json!("{{lastChatMessage}}");
        let mut turn = turn(
            GenerationKind::Continue,
            &[("continue_prefill", json!(prefill)), ("continue_nudge_prompt", nudge)],
        );
        turn.lore = vec![
            lore_at_depth("ZERO", 0, ChatRole::System),
            lore_at_depth("ONE", 1, ChatRole::System),
            lore_at_depth("TWO", 2, ChatRole::System),
        ];
        let lines = turn.lines();
        // The depths count the continued message, and 0 is as good as 1.
        assert_eq!(
            lines.get(..3).unwrap(),
            ["system: TWO", "user: Tell me.", "system: ZERO\nONE"],
            "prefill {prefill}"
        );
    }
}

#[test]
fn continuing_nothing_is_a_normal_turn() {
    let mut turn = turn(GenerationKind::Continue, &[("continue_prefill", json!(true))]);
    turn.history.clear();
    assert_eq!(turn.lines(), ["system: POST"]);
}

#[test]
fn impersonating_asks_for_the_user() {
    let turn = turn(
        GenerationKind::Impersonate,
        &[
            ("impersonation_prompt", json!("BE {{user}}")),
            ("assistant_impersonation", json!("Ana:")),
            ("assistant_prefill", json!("Mira:")),
        ],
    );
    let built = turn.build();
    assert_eq!(
        built.lines().get(2..).unwrap(),
        ["system: POST", "system: BE Ana", "assistant: Ana:"]
    );
    assert_eq!(built.prefill.as_deref(), Some("Ana:"));
}

#[test]
fn a_quiet_task_comes_last_as_it_is() {
    let mut turn = turn(GenerationKind::Quiet, &[("assistant_prefill", json!("Mira:"))]);
    turn.guidance = Some("Sum it up.");
    let built = turn.build();
    assert_eq!(built.lines().last().map(String::as_str), Some("system: Sum it up."));
    assert_eq!(built.prefill, None);
}

#[test]
fn a_reply_starts_as_the_preset_says() {
    for kind in [
        GenerationKind::Normal,
        GenerationKind::Swipe,
        GenerationKind::Regenerate,
    ] {
        let turn = turn(kind, &[("assistant_prefill", json!("{{char}}:"))]);
        let built = turn.build();
        assert_eq!(
            built.lines().last().map(String::as_str),
            Some("assistant: Mira:"),
            "{kind:?}"
        );
        assert_eq!(built.prefill.as_deref(), Some("Mira:"), "{kind:?}");
    }
}

#[test]
fn reasoning_is_shown_again_only_if_asked_for_newest_first() {
    let reasoning = |additions: u32| json!({ "prefix": "<", "suffix": ">", "separator": "\n", "add_to_prompts": additions > 0, "max_additions": additions });
    for (additions, expected) in [(0, ["a", "b"]), (1, ["a", "<why>\nb"]), (5, ["<why>\na", "<why>\nb"])] {
        let mut turn = Turn::prompts(&[marker("chatHistory")]).talk(&[("c", "a"), ("u", "x"), ("c", "b"), ("u", "y")]);
        turn.preset["reasoning"] = reasoning(additions);
        turn.reasoning = Some("why");
        let lines = turn.lines();
        let expected = expected.map(|text| format!("assistant: {text}"));
        assert_eq!(
            [&lines[0], &lines[2]],
            [&expected[0], &expected[1]],
            "{additions} additions"
        );
    }
}

#[test]
fn a_message_of_nothing_but_reasoning_is_continued_inside_of_it() {
    let mut turn = turn(
        GenerationKind::Continue,
        &[("continue_prefill", json!(true)), ("continue_postfix", json!(""))],
    );
    turn.preset["reasoning"] = json!({ "prefix": "<think>", "suffix": "</think>" });
    turn.history = vec![("u".to_owned(), "Hi.".to_owned()), ("c".to_owned(), String::new())];
    turn.reasoning = Some("Hm, she");
    assert_eq!(turn.build().prefill.as_deref(), Some("<think>Hm, she"));
}
