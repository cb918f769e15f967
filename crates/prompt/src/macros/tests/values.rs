use super::*;

fn card() -> CardScene<'static> {
    CardScene {
        description: "{{char}} keeps the light.".into(),
        personality: "patient".into(),
        scenario: "{{user}} comes.".into(),
        system_prompt: "Be {{char}}.".into(),
        post_history_instructions: "Stay brief.".into(),
        depth_prompt: "depth".into(),
        creator_notes: "notes".into(),
        version: "1.{{x}}".into(),
        example_dialogue: "<START>\n{{user}}: Hi\n<start>\nMira: <b>Tea?</b>\n".into(),
        greetings: vec!["Hello, {{user}}.".into(), "Again?".into()],
    }
}

#[test]
fn the_cards_fields_are_put_in_with_their_macros_expanded() {
    let scene = Scene {
        card: card(),
        persona: "{{user}} is tired.".into(),
        ..scene()
    };
    check_in(
        &scene,
        &[
            (
                "description",
                "{{description}} {{charDescription}}",
                "Mira keeps the light. Mira keeps the light.",
            ),
            ("personality", "{{personality}} {{charPersonality}}", "patient patient"),
            ("scenario", "{{scenario}} {{charScenario}}", "Tom comes. Tom comes."),
            ("persona", "{{persona}}", "Tom is tired."),
            ("prompt", "{{charPrompt}}", "Be Mira."),
            ("instruction", "{{charInstruction}}", "Stay brief."),
            ("depth prompt", "{{charDepthPrompt}}", "depth"),
            (
                "creator's notes",
                "{{charCreatorNotes}} {{creatorNotes}}",
                "notes notes",
            ),
            (
                "version",
                "{{charVersion}} {{version}} {{char_version}}",
                "1.{{x}} 1.{{x}} 1.{{x}}",
            ),
            (
                "raw examples",
                "{{mesExamplesRaw}}",
                "<START>\nTom: Hi\n<start>\nMira: <b>Tea?</b>\n",
            ),
            (
                "examples",
                "{{mesExamples}}",
                "<START>\nTom: Hi\n<START>\nMira: <b>Tea?</b>\n",
            ),
            (
                "greeting",
                "{{charFirstMessage}} {{greeting::0}}",
                "Hello, Tom. Hello, Tom.",
            ),
            ("another greeting", "{{greeting::1}}[{{greeting::9}}]", "Again?[]"),
            ("no greeting", "{{greeting::x}}", "{{greeting::x}}"),
            ("in an argument", "{{reverse::{{personality}}}}", "tneitap"),
        ],
    );
}

#[test]
fn a_field_that_contains_itself_ends() {
    let mut card = card();
    card.description = "a{{personality}}".into();
    card.personality = "b{{description}}".into();
    let mut macros = macros(Scene { card, ..scene() });
    assert_eq!(
        macros.expand("{{description}} {{personality}}"),
        "ab{{description}} ba{{personality}}"
    );
    assert!(macros.finish().warnings[0].contains("contains itself"));
}

#[test]
fn effects_of_a_field_happen_where_it_is_put_in() {
    let mut card = card();
    card.description = "{{setvar::x::1}}".into();
    let mut macros = macros(Scene { card, ..scene() });
    assert_eq!(macros.expand("{{hasvar::x}}{{description}}{{hasvar::x}}"), "falsetrue");
}

#[test]
fn the_chat_is_told_by_its_messages() {
    let message = |id, is_user, is_system, text: &'static str| SceneMessage {
        id,
        is_user,
        is_system,
        text: text.into(),
        ..SceneMessage::default()
    };
    let mut last = message(9, false, false, "{{user}}!");
    (last.swipes, last.active_swipe) = (3, 1);
    let mut scene = scene();
    scene.chat = ChatScene {
        messages: vec![message(2, true, false, "Hi"), message(5, true, true, "note"), last],
        summary: "They met.".into(),
        first_included: Some(1),
    };
    check_in(
        &scene,
        &[
            ("last", "{{lastMessage}}", "{{user}}!"),
            ("its number", "{{lastMessageId}}", "9"),
            ("the user's last", "{{lastUserMessage}}", "Hi"),
            ("the character's last", "{{lastCharMessage}}", "{{user}}!"),
            ("the first in the prompt", "{{firstIncludedMessageId}}", "5"),
            ("the first", "{{firstDisplayedMessageId}}", "2"),
            ("swipes", "{{currentSwipeId}}/{{lastSwipeId}}", "2/3"),
            ("all", "{{allChatRange}}", "0-9"),
            ("the summary", "{{summary}}", "They met."),
        ],
    );
    if let Some(last) = scene.chat.messages.last_mut() {
        last.active_swipe = 3;
    }
    check_in(
        &scene,
        &[(
            "while the next swipe is awaited",
            "{{lastMessage}} {{lastMessageId}} {{currentSwipeId}}",
            "note 5 4",
        )],
    );
    check(&[(
        "without messages",
        "[{{lastMessage}}{{lastMessageId}}{{lastUserMessage}}{{lastCharMessage}}{{firstIncludedMessageId}}\
         {{firstDisplayedMessageId}}{{lastSwipeId}}{{currentSwipeId}}{{allChatRange}}{{summary}}]",
        "[]",
    )]);
}

#[test]
fn the_turn_is_told_by_its_settings() {
    let scene = Scene {
        input: "{{char}}?".into(),
        model: "aurora-1".into(),
        generation_type: "swipe",
        max_context_tokens: 8_192,
        max_response_tokens: 300,
        ..scene()
    };
    check_in(
        &scene,
        &[
            ("prompt", "{{maxPrompt}} {{maxPromptTokens}}", "7892 7892"),
            ("context", "{{maxContext}} {{maxContextTokens}}", "8192 8192"),
            ("response", "{{maxResponse}} {{maxResponseTokens}}", "300 300"),
            ("model", "{{model}}", "aurora-1"),
            ("kind", "{{lastGenerationType}}", "swipe"),
            ("device", "{{isMobile}}", "false"),
            ("input", "{{input}}", "{{char}}?"),
        ],
    );
}

#[test]
fn small_texts_are_made() {
    check(&[
        ("line ends", "a{{newline}}b{{newline::2}}c", "a\nb\n\nc"),
        ("blanks", "a{{space}}b{{space::3}}c", "a b   c"),
        ("none", "a{{space::0}}b", "ab"),
        (
            "no number",
            "{{space::x}}{{newline::-1}}",
            "{{space::x}}{{newline::-1}}",
        ),
        ("nothing", "a{{noop}}b", "ab"),
        ("backwards", "{{reverse::aé🐉}}", "🐉éa"),
    ]);
}

#[test]
fn templates_go_by_all_their_names() {
    let names = [
        "instructStoryStringPrefix",
        "instructStoryStringSuffix",
        "instructInput",
        "instructUserSuffix",
        "instructOutput",
        "instructSeparator",
        "instructSystemPrefix",
        "instructSystemSuffix",
        "instructFirstOutputPrefix",
        "instructLastOutputPrefix",
        "instructFirstInput",
        "instructLastInput",
        "instructStop",
        "instructUserFiller",
        "instructSystemInstructionPrefix",
        "instructSystemPrompt",
        "systemPrompt",
        "exampleSeparator",
        "chatStart",
    ];
    let mut scene = scene();
    scene.template = names
        .iter()
        .map(|name| ((*name).to_owned(), format!("[{name} {{{{char}}}}]")))
        .collect();
    for name in names {
        assert_eq!(
            macros(scene.clone()).expand(&format!("{{{{{name}}}}}")),
            format!("[{name} Mira]")
        );
    }
    check_in(
        &scene,
        &[
            ("users", "{{instructUserPrefix}}", "[instructInput Mira]"),
            ("assistants", "{{instructAssistantPrefix}}", "[instructOutput Mira]"),
            ("separators", "{{instructAssistantSuffix}}", "[instructSeparator Mira]"),
            ("chats", "{{chatSeparator}}", "[exampleSeparator Mira]"),
            (
                "prompts",
                "{{instructSystem}} {{defaultSystemPrompt}}",
                "[instructSystemPrompt Mira] [instructSystemPrompt Mira]",
            ),
        ],
    );
    scene.card.example_dialogue = "a".into();
    check_in(
        &scene,
        &[("in examples", "{{mesExamples}}", "[exampleSeparator Mira]\na\n")],
    );
}

#[test]
fn the_first_and_last_sequences_fall_back_to_the_common_ones() {
    let mut scene = scene();
    scene.template = [
        ("instructUserPrefix", "U"),
        ("INSTRUCTOUTPUT", "A"),
        ("instructLastInput", ""),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into();
    let text =
        "{{instructFirstInput}}{{instructLastInput}}{{instructFirstOutputPrefix}}{{instructLastAssistantPrefix}}";
    assert_eq!(macros(scene).expand(text), "UUAA");
    assert_eq!(expand(&format!("[{text}]")), "[]");
}

#[test]
fn outlets_are_put_in_as_they_are() {
    let mut scene = scene();
    scene.outlets.insert("map".into(), "{{char}} <USER>".into());
    check_in(
        &scene,
        &[(
            "known and unknown",
            "{{outlet::map}}[{{outlet::none}}]",
            "{{char}} <USER>[]",
        )],
    );
}

#[test]
fn the_original_is_put_in_once_and_expanded() {
    let mut macros = macros(scene());
    let text = "a {{original}} b {{Original}} c";
    assert_eq!(
        macros.expand_with_original(text, "[{{char}} {{original}}]"),
        "a [Mira ] b  c"
    );
    assert_eq!(macros.expand(text), "a  b  c");
}

#[test]
fn banned_words_are_collected_once_each() {
    let mut macros = macros(scene());
    assert_eq!(
        macros.expand("a{{banned::delve}}{{banned \"a tapestry\"}}{{banned:delve}}{{banned::}}b"),
        "ab"
    );
    assert_eq!(
        macros.expand(&"{{banned::{{roll:1000000}}}}".repeat(2 * MAX_BANNED)),
        ""
    );
    let effects = macros.finish();
    assert_eq!(effects.banned[..2], ["delve", "a tapestry"]);
    assert_eq!(effects.banned.len(), MAX_BANNED);
}

#[derive(Debug)]
struct Extension;

impl CustomMacros for Extension {
    fn expand(&self, name: &str, args: &[String]) -> Option<String> {
        (name == "weather").then(|| format!("({})", args.join("|")))
    }

    fn has_extension(&self, name: &str) -> bool {
        name == "Weather"
    }
}

#[test]
fn extensions_bring_macros_of_their_own() {
    let scene = Scene {
        custom: Some(&Extension),
        ..scene()
    };
    check_in(
        &scene,
        &[
            ("plain", "{{Weather}}", "()"),
            ("with arguments", "{{weather::a:: {{char}} }}", "(a|Mira)"),
            (
                "with content",
                "{{weather::a}} b {{/weather}}{{#weather}} b {{/weather}}",
                "(a|b)( b )",
            ),
            ("in a condition", "{{if weather}}a{{/if}}", "a"),
            ("not theirs", "{{wind::a {{char}} :: b}}", "{{wind::a Mira :: b}}"),
            (
                "not theirs, with content",
                "{{wind}} {{char}} {{/wind}}",
                "{{wind}} Mira {{/wind}}",
            ),
            (
                "what they bring is not read again",
                "{{weather::\\{\\{char\\}\\}}}",
                "({{char}})",
            ),
            (
                "whether they are there",
                "{{hasExtension::Weather}} {{hasExtension::Wind}}",
                "true false",
            ),
        ],
    );
    check(&[(
        "without any",
        "{{weather}} {{hasExtension::Weather}}",
        "{{weather}} false",
    )]);
}
