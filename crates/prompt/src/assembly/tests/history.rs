//! What is kept when there is not room for all.

use super::*;

/// A turn whose history has `count` messages of `words` words, and a context of so many tokens.
fn long(count: usize, words: usize, context: u32) -> Turn {
    let mut turn = Turn {
        budget: TokenBudget { context, response: 0 },
        ..Turn::prompts(&[
            prompt("main", "MAIN"),
            marker("dialogueExamples"),
            marker("chatHistory"),
        ])
    };
    turn.history = (0..count)
        .map(|index| {
            let who = if index % 2 == 0 { "u" } else { "c" };
            (who.to_owned(), format!("{index} {}", "word ".repeat(words)))
        })
        .collect();
    turn
}

#[test]
fn everything_that_fits_is_kept() {
    let built = long(20, 10, 8_000).build();
    assert_eq!(
        (built.dropped_messages, built.first_included, built.anchor),
        (0, Some(0), None)
    );
}

#[test]
fn in_what_was_said_only_names_are_put_in() {
    let turn = Turn::prompts(&[marker("chatHistory")])
        .talk(&[("u", "{{char}} <USER> {{setvar::a::b}} {{original}} {{roll:6}}")]);
    assert_eq!(
        turn.lines(),
        ["user: Mira Ana {{setvar::a::b}} {{original}} {{roll:6}}"]
    );
}

#[test]
fn the_oldest_messages_are_dropped_first() {
    let mut turn = long(100, 10, 500);
    turn.cut = HistoryCut::Exact;
    let built = turn.build();
    let kept = 100 - built.dropped_messages;
    let messages = built.messages();
    assert!(kept > 2 && kept < 100);
    assert_eq!(messages.len(), kept + 1);
    assert!(messages.last().unwrap().content.starts_with("99 "));
    assert!(messages[1].content.starts_with(&format!("{} ", 100 - kept)));
    let dropped = built
        .blocks
        .iter()
        .find(|block| block.source == Source::History)
        .unwrap();
    assert_eq!((dropped.included, dropped.messages.clone()), (false, 0..100 - kept));
}

#[test]
fn an_outgrown_history_is_cut_to_three_quarters_of_its_room() {
    let exact = Turn {
        cut: HistoryCut::Exact,
        ..long(100, 10, 1_000)
    }
    .build();
    let steps = long(100, 10, 1_000).build();
    let tokens = |built: &Made| -> u32 {
        let blocks = built
            .blocks
            .iter()
            .filter(|block| block.source == Source::History && block.included);
        blocks.map(|block| block.tokens).sum()
    };
    let room = tokens(&exact);
    assert!(tokens(&steps) <= room * 3 / 4 + 1);
    assert!(tokens(&steps) >= room / 2);
    assert_eq!(steps.anchor, Some(format!("m{}", steps.dropped_messages)));
    assert_eq!(exact.anchor, None);
}

#[test]
fn a_start_holds_until_the_room_is_full_again() {
    let mut anchor: Option<String> = None;
    let mut starts: Vec<usize> = Vec::new();
    for count in 30..130 {
        let mut turn = long(count, 10, 1_000);
        turn.anchor = anchor;
        let built = turn.build();
        starts.push(built.dropped_messages);
        anchor = built.anchor;
    }
    let moves = starts.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(starts.is_sorted());
    assert!(*starts.last().unwrap() > 50);
    assert!((2..=12).contains(&moves), "the start moved {moves} times: {starts:?}");
}

#[test]
fn a_start_that_leaves_too_little_is_given_up() {
    let mut turn = long(100, 10, 1_000);
    turn.anchor = Some("m98".to_owned());
    assert_eq!(turn.build().anchor, long(100, 10, 1_000).build().anchor);
    turn.anchor = Some("unknown".to_owned());
    assert_eq!(turn.build().anchor, long(100, 10, 1_000).build().anchor);
}

#[test]
fn a_tools_answer_is_not_kept_without_its_question() {
    for room in 60..200 {
        let mut turn = long(30, 3, room);
        for (index, message) in turn.history.iter_mut().enumerate() {
            if index % 3 != 0 {
                message.0 = "t".to_owned();
            }
        }
        let built = turn.build();
        let first = built.first_included.unwrap();
        assert!(
            first == 29 || first.is_multiple_of(3),
            "room {room}: starts with {first}"
        );
    }
}

#[test]
fn examples_are_dropped_before_messages_last_ones_first() {
    let mut turn = long(6, 10, 8_000);
    turn.examples = "<START>\nMira: one one one one\n<START>\nMira: two two two two\n<START>\nMira: three three";
    assert_eq!(turn.build().dropped_examples, 0);
    let whole = turn.build().tokens;
    let mut last = 0;
    for context in (0..whole).rev() {
        turn.budget.context = context;
        let Ok(built) = turn.try_build() else { break };
        assert!(built.dropped_examples >= last);
        last = built.dropped_examples;
        assert!(
            built.dropped_messages == 0 || built.dropped_examples == 3,
            "context {context}"
        );
        let kept: Vec<_> = built
            .blocks
            .iter()
            .filter(|block| block.source == Source::Examples)
            .collect();
        assert!(
            kept.iter().map(|block| block.included).is_sorted_by(|a, b| a >= b),
            "context {context}"
        );
    }
    assert_eq!(last, 3);
}

#[test]
fn pinned_examples_stay_while_messages_go() {
    let mut turn = long(50, 10, 300);
    turn.examples = "<START>\nMira: one one one one\n<START>\nMira: two two two two";
    turn.preset["chat"]["pin_examples"] = json!(true);
    let built = turn.build();
    assert_eq!(built.dropped_examples, 0);
    assert!(built.dropped_messages > 0);
}

#[test]
fn room_that_a_step_left_free_is_not_given_to_examples() {
    let mut turn = long(100, 10, 1_000);
    turn.examples = "<START>\nMira: hi";
    let built = turn.build();
    assert!(built.budget - built.tokens > 100);
    assert_eq!(built.dropped_examples, 1);
}

#[test]
fn lore_that_gives_way_is_out_if_not_everything_fits() {
    for (messages, included) in [(2, true), (200, false)] {
        let mut turn = long(messages, 10, 1_000);
        let mut entry = lore_at_depth("LORE", 0, ChatRole::System);
        entry.ignore_on_max_context = true;
        turn.lore = vec![entry];
        assert_eq!(turn.build().block("LORE").included, included, "{messages} messages");
    }
}

#[test]
fn what_must_be_there_is_named_if_it_does_not_fit() {
    let turn = Turn {
        budget: TokenBudget {
            context: 40,
            response: 10,
        },
        description: "a description of many words, of very many words indeed, and then some more of them",
        ..Turn::prompts(&[prompt("main", "MAIN"), marker("charDescription"), marker("chatHistory")])
    }
    .talk(&[("u", "older"), ("u", "the newest message")]);
    let error = turn.try_build().unwrap_err();
    assert_eq!(error.available, 30);
    assert!(error.needed > 30);
    let sources: Vec<_> = error.parts.iter().map(|(source, _)| *source).collect();
    assert_eq!(sources, [Source::Main, Source::Description, Source::History]);
    let sum: u32 = error.parts.iter().map(|(_, tokens)| tokens).sum();
    assert_eq!(sum + TOKENS_PER_REPLY, error.needed);
    assert!(error.to_string().contains("description"));
}

#[test]
fn known_counts_are_believed() {
    let preset = PresetConfig::default();
    let history = [HistoryMessage {
        id: "m",
        role: ChatRole::User,
        name: "Ana",
        content: "Hi.",
        reasoning: None,
        tokens: Some(1_000_000),
    }];
    let lore = Activation::default();
    let turn = TurnPrompt {
        preset: &preset,
        mode: PromptMode::Chat,
        kind: GenerationKind::Normal,
        budget: TokenBudget {
            context: 8_000,
            response: 0,
        },
        card: CardPrompt::default(),
        persona: None,
        note: None,
        user_messages: 1,
        lore: &lore,
        history: &history,
        guidance: None,
        injections: &[],
        others: &[],
        custom_stops: &[],
        cut: HistoryCut::Steps,
        anchor: None,
    };
    let mut macros = Macros::new(Scene::default(), Variables::new(), Variables::new(), 1);
    assert!(assemble(&turn, &mut macros, &Counter::default()).is_err());
}
