use std::collections::HashSet;

use tavern_domain::generation::GenerationOptions;

use super::*;
use crate::request::{Cast, CharacterBrief, PromptMessage};

fn request(kind: GenerationKind, messages: &[(ChatRole, &str)], seed: i64) -> CompletionRequest {
    CompletionRequest {
        text: None,
        messages: messages
            .iter()
            .map(|(role, content)| PromptMessage::new(*role, *content))
            .collect(),
        options: GenerationOptions::default(),
        stop: Vec::new(),
        max_tokens: None,
        seed: Some(seed),
        cast: Cast {
            character: CharacterBrief {
                name: "Mira".into(),
                description: "{{char}} keeps the last lighthouse of the northern coast. She talks to gulls and ghosts."
                    .into(),
                personality: "patient, curious, stubborn".into(),
                scenario: "{{user}} seeks shelter in the old lighthouse.".into(),
                first_message: "*Mira opens the heavy door.* \"Come in before the wind does.\"".into(),
                example_dialogue: "{{char}}: *smiles over the rim of a cup* \"Storms are only weather with ambition.\""
                    .into(),
            },
            user_name: "Tom".into(),
        },
        kind,
        tools: Vec::new(),
        tools_closed: false,
    }
}

fn answer(text: &str, seed: i64) -> String {
    reply(&request(GenerationKind::Normal, &[(ChatRole::User, text)], seed), None)
}

const MESSAGES: &[&str] = &[
    "Hello!",
    "Who are you?",
    "I am tired and lost.",
    "*I sit down*",
    "Is the storm over?",
    "Thanks",
    "No.",
    "yes",
    "The sea took my ship and all my men.",
    "I am so happy",
    "Good night",
    "",
    "你好，灯塔的守护者",
    "?!",
    "a\"b*c{name}",
];

#[test]
fn the_same_request_and_seed_give_the_same_text() {
    for seed in 0..5 {
        assert_eq!(answer("Hello!", seed), answer("Hello!", seed));
    }
}

#[test]
fn other_seeds_and_other_messages_give_other_texts() {
    let by_seed: HashSet<_> = (0..50).map(|seed| answer("Hello!", seed)).collect();
    assert!(by_seed.len() >= 49, "{} of 50", by_seed.len());
    let by_message: HashSet<_> = MESSAGES.iter().map(|message| answer(message, 1)).collect();
    assert_eq!(by_message.len(), MESSAGES.len());
}

#[test]
fn a_reply_has_sixty_to_a_hundred_and_twenty_words() {
    for seed in 0..200 {
        for message in MESSAGES {
            let history = [
                (ChatRole::User, "x"),
                (ChatRole::Assistant, "y"),
                (ChatRole::User, message),
            ];
            let text = reply(&request(GenerationKind::Normal, &history, seed), None);
            let words = text.split_whitespace().count();
            assert!((ENOUGH_WORDS..=120).contains(&words), "{words} words: {text}");
        }
    }
}

#[test]
fn a_reply_is_in_character_and_every_mark_is_closed() {
    for seed in 0..200 {
        for message in MESSAGES {
            let text = answer(message, seed);
            assert!(text.contains("Mira") || text.contains("Tom"), "{text}");
            assert!(!text.contains(['{', '}']), "{text}");
            assert_eq!(text.matches('"').count() % 2, 0, "{text}");
            assert_eq!(text.matches('*').count() % 2, 0, "{text}");
        }
    }
}

#[test]
fn the_first_reply_says_what_it_is_and_later_ones_do_not() {
    assert!(answer("Hello!", 1).ends_with(lines::FIRST_NOTE));
    let later = [
        (ChatRole::Assistant, "greeting"),
        (ChatRole::User, "a"),
        (ChatRole::Assistant, "b"),
        (ChatRole::User, "c"),
    ];
    assert!(!reply(&request(GenerationKind::Normal, &later, 1), None).contains("demo model"));
}

#[test]
fn asked_what_it_is_it_says_so_plainly() {
    for question in ["Are you an AI?", "Which model am I talking to?"] {
        let text = answer(question, 3);
        assert!(
            text.starts_with("(Out of character: you are talking to a program"),
            "{text}"
        );
    }
}

#[test]
fn a_continuation_joins_the_text_before_it() {
    let go_on = |before: &str| {
        reply(
            &request(
                GenerationKind::Continue,
                &[(ChatRole::User, "a"), (ChatRole::Assistant, before)],
                1,
            ),
            None,
        )
    };
    assert!(go_on("It was late.").starts_with("\n\n*"));
    assert!(go_on("It was").starts_with("... "));
    assert!(!go_on("It was late.").contains("demo model"));
}

#[test]
fn an_impersonation_speaks_as_the_user() {
    for seed in 0..20 {
        let text = reply(
            &request(GenerationKind::Impersonate, &[(ChatRole::User, "the lantern")], seed),
            None,
        );
        assert!(
            text.contains(" I ") || text.contains("*I ") || text.contains("me"),
            "{text}"
        );
    }
}

#[test]
fn a_length_that_was_asked_for_is_kept_exactly() {
    for words in [1, 7, 80, 5_000] {
        let text = reply(
            &request(GenerationKind::Normal, &[(ChatRole::User, "Hello!")], 1),
            Some(words),
        );
        assert_eq!(text.split_whitespace().count(), words);
    }
}

#[test]
fn an_empty_card_and_no_message_still_get_a_reply() {
    let mut empty = request(GenerationKind::Normal, &[], 1);
    empty.cast = Cast::default();
    assert!(reply(&empty, None).contains("The stranger"));
}
