//! Whole prompts, as they are sent.

use tavern_domain::chat::NotePosition;
use tavern_domain::persona::PersonaPosition;

use super::*;

/// A turn that has one of everything.
fn rich() -> Turn {
    let mut note = note("Keep the mill in mind.", NotePosition::InChat);
    note.depth = 1;
    Turn {
        description: "{{char}} is a fox who keeps a mill. She trusts {{user}}.",
        personality: "wry, patient",
        scenario: "A night of wind at the mill.",
        system_prompt: "",
        post_history: "Stay with what {{char}} can know.",
        examples: "<START>\n{{user}}: Is the wheel broken?\n{{char}}: *She taps it.* Only tired.\n<START>\n{{char}}: Listen.",
        depth_prompts: vec![DepthPrompt {
            text: "{{char}} is tired.",
            depth: 4,
            role: ChatRole::System,
        }],
        persona: Some(persona("{{user}} is a carpenter.", PersonaPosition::InPrompt)),
        note: Some(note),
        user_messages: 2,
        lore: vec![
            lore(LorePosition::BeforeCharacter, "The mill is older than the village."),
            lore(LorePosition::AfterCharacter, "Foxes can speak."),
            lore(LorePosition::NoteBottom, "The storm is near."),
            lore_at_depth("The wheel has twelve spokes.", 2, ChatRole::System),
        ],
        guidance: Some("let it rain"),
        ..Turn::default()
    }
    .talk(&[
        ("c", "*The door creaks.* You came."),
        ("u", "I brought the tools."),
        ("c", "Then let us look at the wheel."),
        ("u", "Hold the lamp for me."),
    ])
}

fn shown(messages: &[String]) -> String {
    messages.join("\n---\n")
}

#[test]
fn a_chat_with_everything_in_it() {
    insta::assert_snapshot!(shown(&rich().lines()));
}

#[test]
fn a_group_that_continues_with_a_prefill() {
    let mut turn = rich();
    turn.preset = json!({ "chat": { "continue_prefill": true, "squash_system_messages": true, "names_behavior": 2 } });
    turn.others = vec!["Tom"];
    turn.kind = GenerationKind::Continue;
    turn.history.push(("c".to_owned(), "*She lifts it.* Like".to_owned()));
    insta::assert_snapshot!(shown(&turn.lines()));
}

#[test]
fn an_instruct_prompt_with_everything_in_it() {
    let mut turn = rich();
    turn.mode = PromptMode::Text;
    turn.preset = json!({ "instruct": {
        "input_sequence": "<|user|>", "output_sequence": "<|model|>", "system_sequence": "<|system|>",
        "system_sequence_prefix": "<|system|>", "wrap": true, "names_behavior": "always", "stop_sequence": "</s>",
    }});
    insta::assert_snapshot!(turn.text());
}
