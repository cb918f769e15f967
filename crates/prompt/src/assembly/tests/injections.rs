//! What stands among the messages, and where.

use tavern_domain::chat::NotePosition;
use tavern_domain::persona::{PersonaPosition, PersonaRole};

use super::*;

const TALK: [(&str, &str); 4] = [("u", "1"), ("c", "2"), ("u", "3"), ("c", "4")];

fn ordered(identifier: &str, depth: u32, role: &str, order: i32) -> Value {
    let mut prompt = in_chat(identifier, identifier, depth, role);
    prompt["injection_order"] = json!(order);
    prompt
}

#[test]
fn a_depth_is_counted_from_the_end() {
    for (depth, place) in [(0, 4), (1, 3), (4, 0), (5, 0), (4_000_000_000, 0)] {
        let turn = Turn {
            lore: vec![lore_at_depth("LORE", depth, ChatRole::System)],
            ..Turn::prompts(&[marker("chatHistory")])
        }
        .talk(&TALK);
        let lines = turn.lines();
        assert_eq!(
            lines.iter().position(|line| line.contains("LORE")),
            Some(place),
            "depth {depth}"
        );
    }
}

#[test]
fn at_one_depth_lower_orders_and_then_the_lighter_roles_come_first() {
    let turn = Turn::prompts(&[
        marker("chatHistory"),
        ordered("late", 1, "assistant", 200),
        ordered("system", 1, "system", 100),
        ordered("assistant", 1, "assistant", 100),
        ordered("user", 1, "user", 100),
        ordered("early", 1, "system", 5),
        ordered("deeper", 2, "system", 100),
    ])
    .talk(&TALK);
    assert_eq!(
        turn.lines(),
        [
            "user: 1",
            "assistant: 2",
            "system: deeper",
            "user: 3",
            "system: early",
            "assistant: assistant",
            "user: user",
            "system: system",
            "assistant: late",
            "assistant: 4",
        ]
    );
}

#[test]
fn what_shares_depth_order_and_role_is_one_message_the_presets_first() {
    let mut persona = persona("PERSONA", PersonaPosition::AtDepth);
    persona.depth = 2;
    persona.role = PersonaRole(ChatRole::System);
    let mut note = note("NOTE", NotePosition::InChat);
    note.depth = 2;
    let injection = |source: &'static str, label: &'static str| Injection {
        source,
        label,
        text: label,
        depth: 2,
        role: ChatRole::System,
        order: 100,
    };
    let turn = Turn {
        persona: Some(persona),
        note: Some(note),
        injections: vec![injection("b", "B"), injection("a", "A")],
        depth_prompts: vec![DepthPrompt {
            text: "CARD",
            depth: 2,
            role: ChatRole::System,
        }],
        lore: vec![
            lore_at_depth("LORE 1", 2, ChatRole::System),
            lore_at_depth("LORE 2", 2, ChatRole::System),
        ],
        ..Turn::prompts(&[marker("chatHistory"), in_chat("mine", "PRESET", 2, "system")])
    }
    .talk(&TALK);
    assert_eq!(
        turn.lines()[2],
        "system: PRESET\nNOTE\nA\nB\nCARD\nPERSONA\nLORE 1\nLORE 2"
    );
}

#[test]
fn a_note_is_added_every_so_many_of_the_users_messages() {
    for (interval, messages, due) in [
        (0, 0, false),
        (0, 4, false),
        (1, 0, true),
        (1, 7, true),
        (3, 0, false),
        (3, 2, false),
        (3, 3, true),
        (3, 4, false),
        (3, 6, true),
    ] {
        let mut note = note("NOTE", NotePosition::InChat);
        note.interval = interval;
        let turn = Turn {
            note: Some(note),
            user_messages: messages,
            lore: vec![
                lore(LorePosition::NoteTop, "TOP"),
                lore(LorePosition::NoteBottom, "BOTTOM"),
            ],
            ..Turn::prompts(&[marker("chatHistory")])
        }
        .talk(&TALK);
        let built = turn.build();
        let lines = built.lines();
        let name = format!("every {interval} at {messages}");
        assert_eq!(lines.contains(&"system: TOP\nNOTE\nBOTTOM".to_owned()), due, "{name}");
        assert_eq!(built.block("TOP").included, due, "{name}");
        assert_eq!(built.block("NOTE").included, due, "{name}");
    }
}

#[test]
fn lore_around_the_note_needs_no_note() {
    let turn = Turn {
        lore: vec![lore(LorePosition::NoteTop, "TOP")],
        ..Turn::prompts(&[marker("chatHistory")])
    }
    .talk(&TALK);
    assert_eq!(turn.lines()[0], "system: TOP");
}

#[test]
fn without_room_the_deepest_injections_go_first() {
    let turn = Turn {
        budget: TokenBudget {
            context: 48,
            response: 10,
        },
        lore: vec![
            lore_at_depth(
                "deep words that take some room, more than there is left",
                4,
                ChatRole::System,
            ),
            lore_at_depth("near words that take some room", 0, ChatRole::System),
        ],
        ..Turn::prompts(&[marker("chatHistory")])
    }
    .talk(&[("u", "a newest message that must be there")]);
    let built = turn.build();
    assert!(built.block("near").included);
    let deep = built.block("deep");
    assert_eq!((deep.included, deep.reason, deep.depth), (false, "no room", Some(4)));
}

#[test]
fn a_depth_from_the_beginning_stays_where_it_is() {
    for (depth, place) in [(0, 0), (1, 1), (4, 4), (9, 4)] {
        let mut entry = lore_at_depth("LORE", depth, ChatRole::System);
        entry.place.from_start = true;
        let turn = Turn {
            lore: vec![entry],
            ..Turn::prompts(&[marker("chatHistory")])
        }
        .talk(&TALK);
        let lines = turn.lines();
        assert_eq!(
            lines.iter().position(|line| line.contains("LORE")),
            Some(place),
            "depth {depth}"
        );
    }
}

#[test]
fn a_depth_in_tokens_is_found_among_the_messages_of_a_text() {
    for (count, from_start, expected) in [
        (0, false, "Ana: 1 Mira: 2 Ana: 3 Mira: 4 LORE"),
        (5, false, "Ana: 1 Mira: 2 Ana: 3 LORE Mira: 4"),
        (1_000, false, "LORE Ana: 1 Mira: 2 Ana: 3 Mira: 4"),
        (0, true, "LORE Ana: 1 Mira: 2 Ana: 3 Mira: 4"),
        (1_000, true, "Ana: 1 Mira: 2 Ana: 3 Mira: 4 LORE"),
    ] {
        let mut entry = lore_at_depth("LORE", 2, ChatRole::System);
        entry.place.instruct_depth = Some(Depth { count, from_start });
        let turn = Turn {
            mode: PromptMode::Text,
            preset: json!({ "context": { "story_string": "", "chat_start": "" } }),
            lore: vec![entry],
            ..Turn::default()
        }
        .talk(&TALK);
        let text = turn.text().replace('\n', " ");
        assert_eq!(text, format!("{expected} Mira:"), "{count} tokens");
    }
}
