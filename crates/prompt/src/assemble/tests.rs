use proptest::prelude::*;

use super::*;

fn character() -> CharacterText {
    CharacterText {
        description: "{{char}} keeps the lighthouse.".into(),
        personality: "patient".into(),
        scenario: "{{user}} seeks shelter.".into(),
        example_dialogue: "<START>\n{{user}}: Hi\n{{char}}: Storms are weather.\n<start>\n{{char}}: Tea?".into(),
        post_history_instructions: "Stay brief. {{original}}".into(),
        ..CharacterText::default()
    }
}

fn input<'a>(character: &'a CharacterText, history: &'a [HistoryMessage<'a>]) -> PromptInput<'a> {
    PromptInput {
        name: "Mira",
        user_name: "Tom",
        character,
        history,
        guidance: None,
        kind: GenerationKind::Normal,
        context_tokens: 8_192,
        max_output_tokens: 1_024,
    }
}

fn message(role: ChatRole, content: &str) -> HistoryMessage<'_> {
    HistoryMessage {
        role,
        name: None,
        content,
    }
}

const CHAT: [HistoryMessage<'static>; 3] = [
    HistoryMessage {
        role: ChatRole::Assistant,
        name: None,
        content: "Welcome, {{user}}.",
    },
    HistoryMessage {
        role: ChatRole::User,
        name: None,
        content: "Is it far?",
    },
    HistoryMessage {
        role: ChatRole::Assistant,
        name: None,
        content: "No.",
    },
];

#[test]
fn all_parts_stand_in_their_order() {
    let character = character();
    let prompt = assemble(&PromptInput {
        guidance: Some("more rain"),
        kind: GenerationKind::Continue,
        ..input(&character, &CHAT)
    })
    .expect("it fits");
    let shown: Vec<_> = prompt
        .messages
        .iter()
        .map(|message| (message.role, message.content.as_str()))
        .collect();
    let (role, system) = shown[0];
    assert_eq!(role, ChatRole::System);
    assert!(system.starts_with("You are Mira, in a role-play with Tom"), "{system}");
    assert!(
        system.ends_with(
            "\n\nMira keeps the lighthouse.\n\n[Mira's personality: patient]\n\n[Scenario: Tom seeks shelter.]"
        ),
        "{system}"
    );
    assert_eq!(
        shown[1..],
        [
            (
                ChatRole::System,
                "[Examples of how Mira speaks; they are not part of the story.]\n\nTom: Hi\nMira: Storms are weather.\n\nMira: Tea?"
            ),
            (ChatRole::Assistant, "Welcome, Tom."),
            (ChatRole::User, "Is it far?"),
            (ChatRole::Assistant, "No."),
            (ChatRole::System, "Stay brief."),
            (ChatRole::System, "[Tom's wish for the next reply: more rain]"),
            (ChatRole::System, CONTINUE),
        ]
    );
}

#[test]
fn the_cards_instructions_replace_ours_and_can_quote_them() {
    let first = |system_prompt: &str| {
        let character = CharacterText {
            system_prompt: system_prompt.into(),
            ..CharacterText::default()
        };
        assemble(&input(&character, &[])).expect("it fits").messages[0]
            .content
            .clone()
    };
    assert_eq!(first("You are {{char}}."), "You are Mira.");
    let quoting = first("Be kind. {{original}}");
    assert!(
        quoting.starts_with("Be kind. You are Mira, in a role-play"),
        "{quoting}"
    );
}

#[test]
fn a_nickname_goes_before_the_name() {
    let character = CharacterText {
        nickname: Some("Mi".into()),
        system_prompt: "{{char}}".into(),
        ..CharacterText::default()
    };
    assert_eq!(
        assemble(&input(&character, &[])).expect("it fits").messages[0].content,
        "Mi"
    );
}

#[test]
fn an_impersonation_is_asked_for_last() {
    let character = character();
    let prompt = assemble(&PromptInput {
        kind: GenerationKind::Impersonate,
        ..input(&character, &CHAT)
    })
    .expect("it fits");
    let last = &prompt.messages[prompt.messages.len() - 1].content;
    assert!(last.starts_with("[Write the next message of Tom"), "{last}");
}

#[test]
fn the_parts_and_the_opening_of_the_reply_make_the_whole() {
    let character = character();
    let prompt = assemble(&input(&character, &CHAT)).expect("it fits");
    assert_eq!(
        prompt.tokens,
        PER_REPLY + prompt.parts.iter().map(|(_, tokens)| tokens).sum::<u32>()
    );
}

/// The prompt of `character` and `history` with exactly so many tokens of room.
fn with_room<'a>(
    character: &'a CharacterText,
    history: &'a [HistoryMessage<'a>],
    room: u32,
) -> Result<Prompt, PromptTooLarge> {
    let room = i32::try_from(room).expect("a small prompt");
    assemble(&PromptInput {
        context_tokens: room + 100,
        max_output_tokens: 100,
        ..input(character, history)
    })
}

#[test]
fn examples_go_first_last_blocks_first_and_then_the_oldest_messages() {
    let character = character();
    let whole = with_room(&character, &CHAT, 2_000).expect("it fits");
    let dropped =
        |room| with_room(&character, &CHAT, room).map(|prompt| (prompt.dropped_examples, prompt.dropped_messages));
    assert_eq!(dropped(whole.tokens), Ok((0, 0)));
    assert_eq!(dropped(whole.tokens - 1), Ok((1, 0)));
    let without_examples = CharacterText {
        example_dialogue: String::new(),
        ..character.clone()
    };
    let bare = with_room(&without_examples, &CHAT, 2_000).expect("it fits").tokens;
    assert_eq!(dropped(bare), Ok((2, 0)));
    assert_eq!(dropped(bare - 1).map(|(_, messages)| messages), Ok(1));
    let least = with_room(&without_examples, &CHAT[2..], 2_000).expect("it fits").tokens;
    assert_eq!(dropped(least), Ok((2, 2)));
}

#[test]
fn what_must_be_there_fits_exactly_or_is_an_error_with_its_sizes() {
    let character = CharacterText {
        example_dialogue: String::new(),
        ..character()
    };
    let needed = with_room(&character, &CHAT[2..], 2_000).expect("it fits").tokens;
    assert!(with_room(&character, &CHAT, needed).is_ok());
    let error = with_room(&character, &CHAT, needed - 1).expect_err("one token too many");
    assert_eq!((error.needed, error.available), (needed, needed - 1));
    let text = error.to_string();
    assert!(
        text.contains(&format!("about {needed} tokens")) && text.contains("description 6") && text.contains("history "),
        "{text}"
    );
}

#[test]
fn a_reply_that_leaves_no_room_is_an_error() {
    let character = character();
    for (context_tokens, max_output_tokens) in [(100, 100), (100, 200), (0, 0), (-5, 10), (i32::MIN, i32::MAX)] {
        assert!(
            assemble(&PromptInput {
                context_tokens,
                max_output_tokens,
                ..input(&character, &CHAT)
            })
            .is_err()
        );
    }
}

proptest! {
    #[test]
    fn a_prompt_never_exceeds_its_room(
        contents in proptest::collection::vec(".{0,80}", 0..12),
        examples in "(<START>|\n|a: b|é){0,12}",
        room in 0u32..600,
    ) {
        let character = CharacterText { system_prompt: "Be {{char}}.".into(), example_dialogue: examples, ..CharacterText::default() };
        let history: Vec<_> = contents.iter().map(|content| message(ChatRole::User, content)).collect();
        match with_room(&character, &history, room) {
            Ok(prompt) => {
                let recount: u32 = prompt.messages.iter().map(PromptMessage::tokens).sum();
                prop_assert!(prompt.tokens <= room && recount <= prompt.tokens);
                prop_assert!(history.is_empty() || prompt.dropped_messages < history.len());
            }
            Err(error) => prop_assert!(error.needed > room),
        }
    }
}
