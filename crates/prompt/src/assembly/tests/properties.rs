//! What holds for every turn.

use proptest::prelude::*;
use tavern_domain::chat::NotePosition;

use super::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,60}",
        "(\\{\\{|\\}\\}|#if |/if|else|char|user|name|original|random::a::b|é|🐉|\n| ){0,20}",
        any::<String>().prop_map(|text| text.chars().take(40).collect()),
    ]
}

fn prompts() -> impl Strategy<Value = Value> {
    let identifier = prop_oneof![
        Just("main".to_owned()),
        Just("chatHistory".to_owned()),
        Just("dialogueExamples".to_owned()),
        Just("worldInfoBefore".to_owned()),
        Just("charDescription".to_owned()),
        Just("jailbreak".to_owned()),
        "[a-c]",
    ];
    let prompt = (identifier, text(), 0..2_u32, 0..9_u32, any::<bool>());
    proptest::collection::vec(prompt, 0..9).prop_map(|prompts| {
        let order: Vec<Value> = prompts
            .iter()
            .map(|(identifier, .., enabled)| json!({ "identifier": identifier, "enabled": enabled }))
            .collect();
        let prompts: Vec<Value> = prompts
            .iter()
            .map(|(identifier, content, position, depth, _)| {
                json!({
                    "identifier": identifier, "content": content,
                    "injection_position": position, "injection_depth": depth,
                })
            })
            .collect();
        json!({ "prompts": prompts, "prompt_order": [{ "character_id": 100_001, "order": order }] })
    })
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

prop_compose! {
    fn turn()(
        chat in prompts(),
        template in proptest::option::of((text(), text(), text(), any::<bool>())),
        story in text(),
        (kind, mode, cut) in (0..6_usize, any::<bool>(), any::<bool>()),
        (context, response) in (0..600_u32, 0..100_u32),
        (description, examples, system_prompt) in (text(), text(), text()),
        history in proptest::collection::vec((prop_oneof![Just("u"), Just("c"), Just("s"), Just("t"), Just("Tom")], text()), 0..30),
        lore_texts in proptest::collection::vec((text(), 0..8_usize, 0..6_u32), 0..6),
        guidance in proptest::option::of(text()),
        anchor in proptest::option::of("m[0-9]{1,2}"),
        (note_text, note_position) in (text(), 0..3_usize),
        flags in any::<[bool; 5]>(),
    ) -> Turn {
        let positions = [
            LorePosition::BeforeCharacter, LorePosition::AfterCharacter, LorePosition::NoteTop, LorePosition::NoteBottom,
            LorePosition::AtDepth, LorePosition::ExamplesTop, LorePosition::ExamplesBottom, LorePosition::Outlet,
        ];
        let mut preset = json!({ "chat": chat, "context": { "story_string": story } });
        preset["chat"]["pin_examples"] = json!(flags[0]);
        preset["chat"]["squash_system_messages"] = json!(flags[1]);
        preset["chat"]["continue_prefill"] = json!(flags[2]);
        preset["context"]["story_string_position"] = json!(u8::from(flags[4]));
        if let Some((input, output, suffix, wrap)) = template {
            preset["instruct"] = json!({ "input_sequence": input, "output_sequence": output, "output_suffix": suffix, "wrap": wrap });
        }
        Turn {
            preset,
            mode: if mode { PromptMode::Chat } else { PromptMode::Text },
            kind: ALL_KINDS[kind],
            budget: TokenBudget { context, response },
            description: leak(description),
            examples: leak(format!("<START>\nAna: {examples}\n<START>\nMira: x")),
            system_prompt: leak(system_prompt),
            lore: lore_texts
                .into_iter()
                .filter(|(text, ..)| !text.trim().is_empty())
                .map(|(text, position, depth)| {
                    let mut entry = lore(positions[position], &text);
                    entry.place.depth = depth;
                    entry
                })
                .collect(),
            history: history.into_iter().map(|(who, text)| (who.to_owned(), text)).collect(),
            note: Some(note(&note_text, [NotePosition::BeforePrompt, NotePosition::AfterPrompt, NotePosition::InChat][note_position])),
            guidance: guidance.map(leak),
            others: if flags[3] { vec!["Tom"] } else { vec![] },
            cut: if cut { HistoryCut::Steps } else { HistoryCut::Exact },
            anchor,
            ..Turn::default()
        }
    }
}

/// What the result really has, counted again.
fn recount(made: &Made) -> u32 {
    let counter = Counter::default();
    match &made.content {
        PromptContent::Text(text) => counter.count(text),
        PromptContent::Messages(messages) => messages
            .iter()
            .map(|message| counter.count(&message.content) + TOKENS_PER_MESSAGE)
            .sum(),
    }
}

proptest! {
    // A turn is a large case to make.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_budget_is_never_exceeded(turn in turn()) {
        if let Ok(made) = turn.try_build() {
            prop_assert!(made.tokens <= made.budget);
            prop_assert!(recount(&made) <= made.tokens, "{} counted, {} charged", recount(&made), made.tokens);
        }
    }

    #[test]
    fn the_blocks_account_for_every_token(turn in turn()) {
        let reply = if turn.mode == PromptMode::Chat { TOKENS_PER_REPLY } else { 0 };
        match turn.try_build() {
            Ok(made) => {
                let sum: u32 = made.blocks.iter().filter(|block| block.included).map(|block| block.tokens).sum();
                prop_assert_eq!(sum + reply, made.tokens);
            }
            Err(error) => prop_assert!(error.needed > error.available),
        }
    }

    #[test]
    fn the_kept_history_is_its_end(turn in turn()) {
        if let Ok(made) = turn.try_build() {
            let kept: Vec<usize> = made
                .blocks
                .iter()
                .filter(|block| block.source == Source::History && block.included)
                .flat_map(|block| block.messages.clone())
                .collect();
            prop_assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]));
            if let (Some(first), Some(last)) = (kept.first(), kept.last()) {
                prop_assert_eq!(made.first_included, Some(*first));
                prop_assert_eq!(made.dropped_messages, *first);
                prop_assert!(last + 1 == turn.history.len() || last + 2 == turn.history.len());
            }
        }
    }

    #[test]
    fn what_must_be_there_is_there(turn in turn(), description in "[A-Z]{8,20}") {
        let preset = json!({ "chat": {
            "prompts": [prompt("main", "MAIN")],
            "prompt_order": [
                { "identifier": "main" }, { "identifier": "charDescription" }, { "identifier": "chatHistory" },
            ],
        }});
        let mut turn = Turn { preset, description: leak(description.clone()), mode: PromptMode::Chat, ..turn };
        turn.history.push(("u".to_owned(), "NEWEST".to_owned()));
        turn.kind = GenerationKind::Normal;
        if let Ok(made) = turn.try_build() {
            let lines = made.lines().join("\n");
            prop_assert!(lines.contains(&description));
            prop_assert!(lines.contains("NEWEST"));
        }
    }

    #[test]
    fn a_turn_is_built_the_same_way_twice(turn in turn()) {
        prop_assert_eq!(
            turn.try_build().map(|made| (made.content, made.blocks)),
            turn.try_build().map(|made| (made.content, made.blocks))
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_went_before_stays_as_turns_are_added(
        words in proptest::collection::vec(1..40_usize, 60),
        context in 300..900_u32,
    ) {
        let mut turn = Turn {
            budget: TokenBudget { context, response: 0 },
            ..Turn::prompts(&[prompt("main", "MAIN"), marker("dialogueExamples"), marker("chatHistory"), prompt("jailbreak", "POST")])
        };
        turn.examples = "<START>\nMira: an example\n<START>\nMira: another one";
        let mut last: Option<Vec<String>> = None;
        let mut breaks = 0;
        let mut tokens = 0;
        for (index, count) in words.iter().enumerate() {
            let text = format!("{index} {}", "word ".repeat(*count));
            tokens += Counter::default().count(&text) + TOKENS_PER_MESSAGE;
            turn.history.push((if index % 2 == 0 { "u" } else { "c" }.to_owned(), text));
            let made = turn.build();
            turn.anchor = made.anchor.clone();
            let mut lines = made.lines();
            // What comes behind the history is new every time.
            lines.pop();
            if let Some(last) = last {
                breaks += u32::from(lines.get(..last.len()) != Some(last.as_slice()));
            }
            last = Some(lines);
        }
        // One for each example, and one whenever a quarter of the room has come in.
        prop_assert!(breaks <= 3 + tokens / (context / 5), "{breaks} breaks");
    }
}
