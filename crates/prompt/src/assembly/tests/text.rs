//! Prompts of completion models.

use tavern_domain::chat::NotePosition;
use tavern_domain::persona::PersonaPosition;

use super::*;

fn transcript() -> Turn {
    Turn {
        mode: PromptMode::Text,
        preset: json!({
            "context": {
                "story_string": "{{system}}|{{wiBefore}}|{{description}}|{{personality}}|{{scenario}}|{{wiAfter}}|{{persona}}",
                "chat_start": "* START *", "example_separator": "---",
            },
            "sysprompt": { "content": "SYSTEM {{char}}" },
        }),
        ..Turn::default()
    }
    .talk(&[("u", "Hi."), ("c", "Hello.")])
}

fn instruct(template: Value) -> Turn {
    let mut turn = transcript();
    turn.preset["context"]["story_string"] = json!("{{system}}");
    turn.preset["context"]["chat_start"] = json!("");
    turn.preset["instruct"] = template;
    turn
}

fn chatml() -> Value {
    json!({
        "input_sequence": "<|im_start|>user", "input_suffix": "<|im_end|>\n",
        "output_sequence": "<|im_start|>assistant", "output_suffix": "<|im_end|>\n",
        "system_sequence": "<|im_start|>system", "system_suffix": "<|im_end|>\n",
        "system_sequence_prefix": "<|im_start|>system", "system_sequence_suffix": "<|im_end|>\n",
        "stop_sequence": "<|im_end|>", "wrap": true, "names_behavior": "none",
    })
}

#[test]
fn a_transcript_has_story_examples_start_history_and_the_speakers_name() {
    let turn = Turn {
        description: "DESCRIPTION",
        personality: "PERSONALITY",
        scenario: "SCENARIO",
        persona: Some(persona("PERSONA", PersonaPosition::InPrompt)),
        examples: "<START>\n{{user}}: a\n{{char}}: b",
        lore: vec![
            lore(LorePosition::BeforeCharacter, "BEFORE"),
            lore(LorePosition::AfterCharacter, "AFTER"),
        ],
        ..transcript()
    };
    assert_eq!(
        turn.text(),
        "SYSTEM Mira|BEFORE|DESCRIPTION|PERSONALITY|SCENARIO|AFTER|PERSONA\n---\nAna: a\nMira: b\n* START *\nAna: Hi.\nMira: Hello.\nMira:"
    );
}

#[test]
fn what_the_story_string_has_no_place_for_is_left_out_with_a_reason() {
    let mut turn = Turn {
        description: "DESCRIPTION",
        ..transcript()
    };
    turn.preset["context"]["story_string"] = json!("{{system}}");
    let built = turn.build();
    let block = built.block("DESCRIPTION");
    assert_eq!(
        (block.included, block.reason),
        (false, "the story string has no place for it")
    );
}

#[test]
fn examples_inside_the_story_are_not_repeated() {
    let mut turn = Turn {
        examples: "<START>\nMira: b",
        ..transcript()
    };
    turn.preset["context"]["story_string"] = json!("{{system}}\n{{mesExamples}}");
    assert_eq!(turn.text().matches("Mira: b").count(), 1);
}

#[test]
fn notes_stand_before_and_after_the_story_or_where_it_has_them() {
    for (position, story, expected) in [
        (NotePosition::BeforePrompt, "{{system}}", "NOTE\nSYSTEM Mira\n"),
        (NotePosition::AfterPrompt, "{{system}}", "SYSTEM Mira\nNOTE\n"),
        (
            NotePosition::AfterPrompt,
            "{{anchorAfter}}:{{system}}",
            "NOTE:SYSTEM Mira\n",
        ),
    ] {
        let mut turn = Turn {
            note: Some(note("NOTE", position)),
            ..transcript()
        };
        turn.preset["context"]["story_string"] = json!(story);
        assert!(turn.text().starts_with(expected), "{story}: {}", turn.text());
    }
}

#[test]
fn messages_stand_in_the_templates_sequences() {
    assert_eq!(
        instruct(chatml()).text(),
        "<|im_start|>system\nSYSTEM Mira\n<|im_end|>\n<|im_start|>user\nHi.<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>assistant\n"
    );
}

#[test]
fn a_template_that_does_not_wrap_adds_no_line_breaks() {
    let turn = instruct(json!({
        "input_sequence": "[U]", "input_suffix": "[/U]", "output_sequence": "[A]", "output_suffix": "[/A]",
        "wrap": false, "names_behavior": "none",
    }));
    assert_eq!(turn.text(), "SYSTEM Mira[U]Hi.[/U][A]Hello.[/A][A]");
}

#[test]
fn names_stand_in_instruct_prompts_as_the_template_says() {
    for (behaviour, others, expected) in [
        ("none", vec!["Tom"], "[U]Hi.[A]Hello.[A]"),
        ("force", vec![], "[U]Hi.[A]Hello.[A]"),
        ("force", vec!["Tom"], "[U]Hi.[A]Mira: Hello.[A]Mira:"),
        ("always", vec![], "[U]Ana: Hi.[A]Mira: Hello.[A]Mira:"),
    ] {
        let turn = Turn {
            others,
            ..instruct(json!({
                "input_sequence": "[U]", "output_sequence": "[A]", "wrap": false, "names_behavior": behaviour,
            }))
        };
        assert!(turn.text().ends_with(expected), "{behaviour}: {}", turn.text());
    }
}

#[test]
fn first_and_last_messages_have_sequences_of_their_own() {
    let turn = instruct(json!({
        "input_sequence": "[U]", "output_sequence": "[A]", "first_output_sequence": "[FIRST]",
        "last_output_sequence": "[LAST]", "last_input_sequence": "[LAST U]", "wrap": false, "names_behavior": "none",
    }))
    .talk(&[("c", "1"), ("u", "2"), ("c", "3"), ("u", "4")]);
    assert!(
        turn.text().ends_with("[FIRST]1[U]2[A]3[LAST U]4[LAST]"),
        "{}",
        turn.text()
    );
}

#[test]
fn a_narrator_speaks_as_the_system_or_as_the_user() {
    for (same, expected) in [(false, "[S]Rain.[/S]"), (true, "[U]Rain.[/U]")] {
        let turn = instruct(json!({
            "input_sequence": "[U]", "input_suffix": "[/U]", "system_sequence": "[S]", "system_suffix": "[/S]",
            "wrap": false, "names_behavior": "always", "system_same_as_user": same,
        }))
        .talk(&[("s", "Rain.")]);
        assert!(turn.text().contains(expected), "{}", turn.text());
    }
}

#[test]
fn a_name_can_stand_inside_a_sequence() {
    let turn = instruct(json!({
        "input_sequence": "[{{name}}]", "output_sequence": "<{{NAME}}>", "system_sequence": "({{name}})",
        "wrap": false, "names_behavior": "none",
    }))
    .talk(&[("u", "a"), ("c", "b"), ("s", "c")]);
    assert!(turn.text().ends_with("[Ana]a<Mira>b(System)c<Mira>"), "{}", turn.text());
}

#[test]
fn macros_in_sequences_are_expanded_if_the_template_has_them() {
    for (macros, expected) in [(true, "[Ana]Hi."), (false, "[{{user}}]Hi.")] {
        let turn = instruct(json!({
            "input_sequence": "[{{user}}]", "macro": macros, "wrap": false, "names_behavior": "none",
        }));
        assert!(turn.text().contains(expected), "{}", turn.text());
    }
}

#[test]
fn a_template_that_is_off_makes_a_transcript() {
    let mut template = chatml();
    template["enabled"] = json!(false);
    assert!(instruct(template).text().ends_with("Ana: Hi.\nMira: Hello.\nMira:"));
}

#[test]
fn the_user_says_the_alignment_message_before_a_history_that_starts_with_the_character() {
    let mut template = chatml();
    template["user_alignment_message"] = json!("Begin, {{char}}.");
    for (talk, expected) in [([("c", "1"), ("u", "2")], true), ([("u", "1"), ("c", "2")], false)] {
        let text = instruct(template.clone()).talk(&talk).text();
        assert_eq!(
            text.contains("user\nBegin, Mira.<|im_end|>\n<|im_start|>assistant\n1"),
            expected,
            "{text}"
        );
    }
}

#[test]
fn examples_are_messages_unless_the_template_skips_them() {
    for (skip, expected) in [(true, "---\nAna: a\nMira: b\n"), (false, "---\n[U]a[A]b")] {
        let turn = Turn {
            examples: "<START>\nAna: a\nMira: b",
            ..instruct(json!({
                "input_sequence": "[U]", "output_sequence": "[A]", "wrap": false, "names_behavior": "none",
                "skip_examples": skip,
            }))
        };
        assert!(turn.text().contains(expected), "{}", turn.text());
    }
}

#[test]
fn a_continued_message_is_left_open_at_the_end() {
    let turn = Turn {
        kind: GenerationKind::Continue,
        lore: vec![lore_at_depth("ZERO", 0, ChatRole::System)],
        ..instruct(chatml())
    };
    let built = turn.build();
    assert_eq!(built.prefill.as_deref(), Some("Hello."));
    let text = turn.text();
    assert!(
        text.ends_with("ZERO<|im_end|>\n<|im_start|>assistant\nHello."),
        "{text}"
    );
}

#[test]
fn impersonating_ends_in_the_users_line() {
    let turn = |preset: Turn| Turn {
        kind: GenerationKind::Impersonate,
        ..preset
    };
    assert!(turn(transcript()).text().ends_with("Mira: Hello.\nAna:"));
    assert!(turn(instruct(chatml())).text().ends_with("<|im_start|>user\n"));
}

#[test]
fn a_quiet_task_is_the_systems_last_line() {
    let mut template = chatml();
    template["last_system_sequence"] = json!("<|im_start|>note");
    let turn = Turn {
        kind: GenerationKind::Quiet,
        guidance: Some("Sum it up."),
        ..instruct(template)
    };
    let text = turn.text();
    assert!(
        text.ends_with("<|im_start|>system\nSum it up.<|im_end|>\n<|im_start|>note\n"),
        "{text}"
    );
}

#[test]
fn post_history_instructions_are_used_if_the_context_allows() {
    for (allowed, expected) in [(true, "CARD after OWN"), (false, "")] {
        let mut turn = Turn {
            post_history: "CARD after {{original}}",
            ..instruct(chatml())
        };
        turn.preset["context"]["allow_jailbreak"] = json!(allowed);
        turn.preset["sysprompt"]["post_history"] = json!("OWN");
        let text = turn.text();
        assert_eq!(text.contains("CARD"), allowed);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_card_replaces_the_system_prompt() {
    let turn = Turn {
        system_prompt: "CARD, {{original}}",
        ..transcript()
    };
    assert!(turn.text().starts_with("CARD, SYSTEM Mira|"), "{}", turn.text());
}

#[test]
fn without_a_system_prompt_the_chat_presets_main_is_used() {
    let mut turn = transcript();
    turn.preset["sysprompt"] = Value::Null;
    turn.preset["chat"] = json!({ "main_prompt": "CHAT MAIN" });
    assert!(turn.text().starts_with("CHAT MAIN|"));
    turn.preset["sysprompt"] = json!({ "enabled": false, "content": "OFF" });
    assert!(turn.text().starts_with('|'), "one that is off is none");
}

#[test]
fn a_story_can_stand_among_the_messages() {
    let mut turn = transcript();
    turn.preset["context"]["story_string"] = json!("STORY");
    turn.preset["context"]["story_string_position"] = json!(1);
    turn.preset["context"]["story_string_depth"] = json!(1);
    assert_eq!(turn.text(), "* START *\nAna: Hi.\nSTORY\nMira: Hello.\nMira:");
    turn.note = Some(note("NOTE", NotePosition::AfterPrompt));
    assert!(turn.text().contains("STORY\nNOTE\n"), "{}", turn.text());
}

#[test]
fn it_stops_where_somebody_else_would_speak() {
    let mut turn = Turn {
        others: vec!["Tom"],
        ..instruct(chatml())
    };
    turn.preset["context"]["use_stop_strings"] = json!(true);
    turn.preset["context"]["chat_start"] = json!("* START *");
    turn.preset["context"]["single_line"] = json!(true);
    assert_eq!(
        turn.build().stop,
        [
            "\n",
            "\nAna:",
            "<|im_end|>",
            "\n<|im_start|>user",
            "\n<|im_start|>assistant",
            "\n<|im_start|>system",
            "\n* START *",
            "\n---",
            "\nTom:",
        ]
    );
    turn.kind = GenerationKind::Impersonate;
    let stop = turn.build().stop;
    assert!(stop.contains(&"\nMira:".to_owned()) && !stop.contains(&"\nAna:".to_owned()));
}

#[test]
fn padding_is_left_free() {
    let built = Turn {
        budget: TokenBudget {
            context: 1_000,
            response: 100,
        },
        ..transcript()
    }
    .build();
    assert_eq!(built.budget, 1_000 - 100 - TEXT_PADDING);
}
