//! The preset's order, overrides, markers, names, examples, squashing.

use tavern_domain::chat::NotePosition;
use tavern_domain::persona::PersonaPosition;

use super::*;

fn everything() -> Turn {
    Turn {
        description: "DESCRIPTION",
        personality: "PERSONALITY",
        scenario: "SCENARIO",
        post_history: "POST",
        system_prompt: "MAIN",
        examples: "<START>\n{{user}}: hello\n{{char}}: hi",
        persona: Some(persona("PERSONA", PersonaPosition::InPrompt)),
        lore: vec![
            lore(LorePosition::BeforeCharacter, "BEFORE 1"),
            lore(LorePosition::BeforeCharacter, "BEFORE 2"),
            lore(LorePosition::AfterCharacter, "AFTER"),
        ],
        ..Turn::chat(json!({
            "new_chat_prompt": "NEW CHAT", "new_example_chat_prompt": "EXAMPLE",
            "personality_format": "P[{{personality}}]", "scenario_format": "S[{{ SCENARIO }}]{{scenario}}",
        }))
    }
    .talk(&[("c", "Welcome."), ("u", "Thanks.")])
}

#[test]
fn without_a_preset_prompts_stand_in_the_usual_order() {
    let lines = everything().lines();
    assert_eq!(
        lines,
        [
            "system: MAIN",
            "system: BEFORE 1\nBEFORE 2",
            "system: PERSONA",
            "system: DESCRIPTION",
            "system: P[PERSONALITY]",
            "system: S[SCENARIO]SCENARIO",
            "system: AFTER",
            "system: EXAMPLE",
            "system (example_user): hello",
            "system (example_assistant): hi",
            "system: NEW CHAT",
            "assistant: Welcome.",
            "user: Thanks.",
            "system: POST",
        ]
    );
}

#[test]
fn the_presets_order_and_roles_hold() {
    let mut description = marker("charDescription");
    description["role"] = json!("user");
    let mut off = prompt("mine", "OFF");
    off["enabled"] = json!(false);
    let turn = Turn {
        description: "DESCRIPTION",
        ..Turn::prompts(&[
            marker("chatHistory"),
            prompt("other", "OTHER"),
            off,
            description,
            prompt("main", "MAIN {{char}}"),
        ])
    }
    .talk(&[("u", "Hi.")]);
    let built = turn.build();
    assert_eq!(
        built.lines(),
        ["user: Hi.", "system: OTHER", "user: DESCRIPTION", "system: MAIN Mira"]
    );
    let off = built.block("OFF");
    assert_eq!((off.included, off.reason), (false, "off in the preset"));
}

#[test]
fn a_prompt_is_for_the_kinds_of_generation_it_names() {
    let mut swipes = prompt("swipes", "ONLY SWIPES");
    swipes["injection_trigger"] = json!(["Swipe"]);
    for kind in ALL_KINDS {
        let turn = Turn {
            kind,
            ..Turn::prompts(&[swipes.clone(), marker("chatHistory")])
        }
        .talk(&[("u", "Hi.")]);
        let built = turn.build();
        assert_eq!(
            built.block("ONLY SWIPES").included,
            kind == GenerationKind::Swipe,
            "{kind:?}"
        );
        let is_there = built.lines().iter().any(|line| line.contains("ONLY SWIPES"));
        assert_eq!(is_there, kind == GenerationKind::Swipe, "{kind:?}");
    }
}

#[test]
fn a_card_replaces_main_and_post_history_unless_forbidden() {
    for (name, forbid, card, expected) in [
        ("replaced", false, "CARD", "CARD"),
        ("with the original", false, "CARD and {{original}}", "CARD and OWN"),
        ("forbidden", true, "CARD", "OWN"),
        ("blank", false, " \n", "OWN"),
    ] {
        for identifier in ["main", "jailbreak"] {
            let mut own = prompt(identifier, "OWN");
            own["forbid_overrides"] = json!(forbid);
            let turn = Turn {
                system_prompt: card,
                post_history: card,
                ..Turn::prompts(&[own])
            };
            assert_eq!(turn.lines(), [format!("system: {expected}")], "{name}, {identifier}");
        }
    }
}

#[test]
fn a_card_replaces_main_among_the_messages_too() {
    let turn = Turn {
        system_prompt: "CARD",
        ..Turn::prompts(&[marker("chatHistory"), in_chat("main", "OWN", 0, "system")])
    }
    .talk(&[("u", "Hi.")]);
    assert_eq!(turn.lines(), ["user: Hi.", "system: CARD"]);
}

#[test]
fn lore_is_framed_by_the_presets_format() {
    for (name, format, expected, warns) in [
        ("framed", "[Known: {0}]", "[Known: A\nB]", false),
        ("blank", "", "A\nB", false),
        ("without a place for it", "[Known]", "A\nB", true),
    ] {
        let mut turn = Turn::prompts(&[marker("worldInfoBefore")]);
        turn.preset["chat"]["wi_format"] = json!(format);
        turn.lore = vec![
            lore(LorePosition::BeforeCharacter, "A"),
            lore(LorePosition::BeforeCharacter, "B"),
        ];
        let built = turn.build();
        assert_eq!(built.lines(), [format!("system: {expected}")], "{name}");
        assert_eq!(built.warnings.is_empty(), !warns, "{name}");
    }
}

#[test]
fn lore_whose_place_is_off_is_left_out_with_a_reason() {
    let turn = Turn {
        lore: vec![
            lore(LorePosition::BeforeCharacter, "A"),
            lore(LorePosition::AfterCharacter, "B"),
        ],
        ..Turn::prompts(&[marker("worldInfoBefore")])
    };
    let built = turn.build();
    assert!(built.block("A").included);
    assert_eq!(
        (built.block("B").included, built.block("B").reason),
        (false, "its place is off in the preset")
    );
}

#[test]
fn an_outlet_is_where_its_macro_stands() {
    let mut entry = lore(LorePosition::Outlet, "SECRET");
    entry.place.outlet = "Vault".to_owned();
    let mut unnamed = lore(LorePosition::Outlet, "NOWHERE");
    unnamed.place.outlet = " ".to_owned();
    let turn = Turn {
        lore: vec![entry, unnamed],
        ..Turn::prompts(&[prompt("main", "Known: {{outlet::Vault}}")])
    };
    let built = turn.build();
    assert!(built.block("SECRET").included);
    assert!(!built.block("NOWHERE").included);
}

#[test]
fn a_note_before_or_after_the_prompt_stands_beside_main() {
    for (position, expected) in [
        (NotePosition::BeforePrompt, ["system: NOTE", "system: MAIN"]),
        (NotePosition::AfterPrompt, ["system: MAIN", "system: NOTE"]),
    ] {
        let turn = Turn {
            note: Some(note("NOTE", position)),
            ..Turn::prompts(&[prompt("main", "MAIN")])
        };
        assert_eq!(turn.lines(), expected);
    }
    let turn = Turn {
        note: Some(note("NOTE", NotePosition::AfterPrompt)),
        ..Turn::prompts(&[prompt("other", "OTHER")])
    };
    assert_eq!(turn.lines(), ["system: NOTE", "system: OTHER"], "without main");
}

#[test]
fn a_persona_stands_where_it_says() {
    for (position, expected) in [
        (
            PersonaPosition::InPrompt,
            vec!["system: PERSONA", "user: Hi.", "system: NOTE"],
        ),
        (PersonaPosition::NoteTop, vec!["user: Hi.", "system: PERSONA\nNOTE"]),
        (PersonaPosition::NoteBottom, vec!["user: Hi.", "system: NOTE\nPERSONA"]),
        (
            PersonaPosition::AtDepth,
            vec!["system: PERSONA", "user: Hi.", "system: NOTE"],
        ),
        (PersonaPosition::None, vec!["user: Hi.", "system: NOTE"]),
    ] {
        let mut note = note("NOTE", NotePosition::InChat);
        note.depth = 0;
        let mut persona = persona("PERSONA", position);
        persona.depth = 1;
        let turn = Turn {
            note: Some(note),
            persona: Some(persona),
            ..Turn::prompts(&[marker("personaDescription"), marker("chatHistory")])
        }
        .talk(&[("u", "Hi.")]);
        assert_eq!(turn.lines(), expected, "{position:?}");
    }
}

#[test]
fn names_are_told_as_the_preset_says() {
    let talk = [
        ("u", "Hi."),
        ("c", "Hello."),
        ("Élodie d'Arc", "Salut."),
        ("東", "…"),
        ("s", "Rain."),
    ];
    for (name, behaviour, others, expected) in [
        (
            "none",
            -1,
            vec!["Tom"],
            [
                "user: Hi.",
                "assistant: Hello.",
                "assistant: Salut.",
                "assistant: …",
                "system: Rain.",
            ],
        ),
        (
            "groups, alone",
            0,
            vec![],
            [
                "user: Hi.",
                "assistant: Hello.",
                "assistant: Salut.",
                "assistant: …",
                "system: Rain.",
            ],
        ),
        (
            "groups",
            0,
            vec!["Tom"],
            [
                "user: Hi.",
                "assistant: Mira: Hello.",
                "assistant: Élodie d'Arc: Salut.",
                "assistant: 東: …",
                "system: Rain.",
            ],
        ),
        (
            "field",
            1,
            vec![],
            [
                "user (Ana): Hi.",
                "assistant (Mira): Hello.",
                "assistant (_lodie_d_Arc): Salut.",
                "assistant: 東: …",
                "system: Rain.",
            ],
        ),
        (
            "content",
            2,
            vec![],
            [
                "user: Ana: Hi.",
                "assistant: Mira: Hello.",
                "assistant: Élodie d'Arc: Salut.",
                "assistant: 東: …",
                "system: Rain.",
            ],
        ),
    ] {
        let mut turn = Turn::prompts(&[marker("chatHistory")]).talk(&talk);
        turn.preset["chat"]["names_behavior"] = json!(behaviour);
        turn.others = others;
        assert_eq!(turn.lines(), expected, "{name}");
    }
}

#[test]
fn a_group_is_told_so_and_asked_for_one_answer() {
    let mut turn = Turn::prompts(&[marker("chatHistory"), prompt("jailbreak", "POST")]).talk(&[("u", "Hi.")]);
    turn.preset["chat"]["new_chat_prompt"] = json!("ALONE");
    turn.preset["chat"]["new_group_chat_prompt"] = json!("GROUP");
    turn.preset["chat"]["group_nudge_prompt"] = json!("AS {{char}}");
    assert_eq!(turn.lines(), ["system: ALONE", "user: Hi.", "system: POST"]);
    turn.others = vec!["Tom"];
    assert_eq!(
        turn.lines(),
        ["system: GROUP", "user: Hi.", "system: AS Mira", "system: POST"]
    );
    turn.kind = GenerationKind::Impersonate;
    assert!(!turn.lines().contains(&"system: AS Mira".to_owned()));
}

#[test]
fn the_user_says_something_where_the_character_spoke_last() {
    for (kind, last, expected) in [
        (GenerationKind::Normal, "c", true),
        (GenerationKind::Swipe, "c", true),
        (GenerationKind::Normal, "u", false),
        (GenerationKind::Continue, "c", false),
        (GenerationKind::Impersonate, "c", false),
        (GenerationKind::Quiet, "c", false),
    ] {
        let mut turn = Turn::prompts(&[marker("chatHistory")]).talk(&[(last, "Hi.")]);
        turn.preset["chat"]["send_if_empty"] = json!("Go on.");
        turn.kind = kind;
        assert_eq!(
            turn.lines().contains(&"user: Go on.".to_owned()),
            expected,
            "{kind:?} after {last}"
        );
    }
}

#[test]
fn lore_stands_around_the_examples_as_examples() {
    let turn = Turn {
        examples: "{{user}}: b",
        lore: vec![
            lore(LorePosition::ExamplesBottom, "Mira: c"),
            lore(LorePosition::ExamplesTop, "Mira: a"),
        ],
        ..Turn::prompts(&[marker("dialogueExamples")])
    };
    assert_eq!(
        turn.lines(),
        [
            "system (example_assistant): a",
            "system (example_user): b",
            "system (example_assistant): c"
        ]
    );
}

#[test]
fn examples_name_their_speakers_in_groups() {
    let turn = Turn {
        examples: "<START>\n{{user}}: a\n{{char}}: b",
        others: vec!["Tom"],
        ..Turn::prompts(&[marker("dialogueExamples")])
    };
    assert_eq!(
        turn.lines(),
        ["system (example_user): Ana: a", "system (example_assistant): Mira: b"]
    );
}

#[test]
fn only_plain_neighbouring_system_messages_are_squashed() {
    let mut turn = Turn {
        description: "B",
        examples: "{{user}}: x",
        post_history: "D",
        guidance: Some("E"),
        ..Turn::prompts(&[
            prompt("main", "A"),
            marker("charDescription"),
            marker("dialogueExamples"),
            marker("chatHistory"),
            prompt("jailbreak", ""),
        ])
    }
    .talk(&[("u", "Hi.")]);
    turn.preset["chat"]["new_chat_prompt"] = json!("NEW");
    turn.preset["chat"]["new_example_chat_prompt"] = json!("EXAMPLE");
    turn.preset["chat"]["squash_system_messages"] = json!(true);
    assert_eq!(
        turn.lines(),
        [
            "system: A\nB",
            "system: EXAMPLE",
            "system (example_user): x",
            "system: NEW",
            "user: Hi.",
            "system: D\n[Ana's wish for the next reply: E]",
        ]
    );
}

#[test]
fn what_is_blank_makes_no_message() {
    let turn = Turn {
        description: " \n ",
        persona: Some(persona("", PersonaPosition::InPrompt)),
        note: Some(note("", NotePosition::InChat)),
        ..Turn::prompts(&[
            prompt("main", " "),
            marker("charDescription"),
            marker("charPersonality"),
            marker("scenario"),
            marker("personaDescription"),
            marker("worldInfoBefore"),
            marker("dialogueExamples"),
            marker("chatHistory"),
        ])
    }
    .talk(&[("u", "Hi."), ("c", " ")]);
    assert_eq!(turn.lines(), ["user: Hi."]);
}

#[test]
fn a_history_that_is_off_stays_out() {
    let mut history = marker("chatHistory");
    history["enabled"] = json!(false);
    let turn = Turn::prompts(&[prompt("main", "MAIN"), history]).talk(&[("u", "Hi.")]);
    assert_eq!(turn.lines(), ["system: MAIN"]);
}

#[test]
fn lore_beside_a_field_of_the_card_is_part_of_it() {
    let mut beside = lore(LorePosition::BeforeCharacter, "BESIDE");
    beside.place.beside = Some(CardField::Personality);
    let mut turn = Turn {
        personality: "wry",
        lore: vec![beside],
        ..Turn::prompts(&[marker("worldInfoBefore"), marker("charPersonality")])
    };
    turn.preset["chat"]["personality_format"] = json!("[{{personality}}]");
    assert_eq!(turn.lines(), ["system: [wry\nBESIDE]"]);
    turn.preset["chat"]["prompt_order"] = json!([{ "identifier": "worldInfoBefore" }]);
    assert!(!turn.build().block("BESIDE").included);
}

#[test]
fn lore_can_switch_the_presets_own_texts_off() {
    for (disabled, expected) in [
        (vec![], ["system: MAIN", "system: CARD over POST"]),
        (
            vec![UiPrompt::SystemPrompt, UiPrompt::PostHistoryInstructions],
            ["system: CARD over", ""],
        ),
    ] {
        let turn = Turn {
            post_history: "CARD over {{original}}",
            disabled,
            ..Turn::prompts(&[prompt("main", "MAIN"), prompt("jailbreak", "POST")])
        };
        let expected: Vec<_> = expected.into_iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(turn.lines(), expected);
    }
}
