//! A preset's file: it comes out as it went in; and whatever it says, a turn's prompt is within its budget or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tavern_domain::chat::{ChatRole, Variables};
use tavern_domain::generation::GenerationKind;
use tavern_prompt::assembly::{
    CardPrompt, HistoryCut, HistoryMessage, Injection, PromptMode, TokenBudget, TurnPrompt, assemble,
};
use tavern_prompt::lore::Activation;
use tavern_prompt::macros::{Macros, Scene};
use tavern_prompt::preset::{PresetConfig, export_preset, read_preset_file};
use tavern_prompt::scripts::Scripts;
use tavern_prompt::tokens::Counter;

fuzz_target!(|data: &[u8]| {
    let Ok(json) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let preset = match read_preset_file(json.clone(), "folder/name.json") {
        Ok((name, sections, _)) => {
            assert!(!name.is_empty() && name.chars().count() <= 100);
            let written = export_preset(&sections);
            let (_, again, _) = read_preset_file(written, "name").expect("what was written is a preset");
            assert_eq!(again, sections);
            PresetConfig::read(&sections)
        }
        // A preset made here is sections already.
        Err(_) => PresetConfig::read(&json),
    };
    let _ = Scripts::compile(&preset.regex_scripts);
    for mode in [PromptMode::Chat, PromptMode::Text] {
        for kind in [
            GenerationKind::Normal,
            GenerationKind::Continue,
            GenerationKind::Impersonate,
        ] {
            build(&preset, mode, kind);
        }
    }
});

fn build(preset: &PresetConfig, mode: PromptMode, kind: GenerationKind) {
    let say = |role, id, name, content| HistoryMessage {
        id,
        role,
        name,
        content,
        reasoning: Some("Hm."),
        tokens: None,
    };
    let history = [
        say(ChatRole::Assistant, "1", "Mira", "The door is open."),
        say(ChatRole::User, "2", "Ana", "I go {{in}}."),
        say(ChatRole::Assistant, "3", "Tom", "*follows*\nAna: wait"),
    ];
    let injections = [Injection {
        source: "memory",
        label: "Summary",
        text: "They met.",
        depth: 1,
        role: ChatRole::System,
        order: 100,
    }];
    let lore = Activation::default();
    let turn = TurnPrompt {
        preset,
        mode,
        kind,
        budget: TokenBudget {
            context: 2_000,
            response: 200,
        },
        card: CardPrompt {
            description: "{{char}} keeps a {{random::lamp::key}}.",
            personality: "calm",
            scenario: "A house.",
            system_prompt: "{{original}} Be brief.",
            post_history_instructions: "{{original}}",
            example_dialogue: "<START>\n{{user}}: Hi\n{{char}}: Come in.",
            depth_prompts: &[],
        },
        persona: None,
        note: None,
        user_messages: 1,
        lore: &lore,
        history: &history,
        guidance: Some("Rain."),
        injections: &injections,
        others: &["Tom"],
        custom_stops: &[],
        cut: HistoryCut::Steps,
        anchor: Some("2"),
    };
    let scene = Scene {
        user: "Ana".into(),
        char: "Mira".into(),
        group: "Mira, Tom".into(),
        is_group: true,
        template: preset.macro_texts(),
        ..Scene::default()
    };
    let mut macros = Macros::new(scene, Variables::new(), Variables::new(), 1);
    match assemble(&turn, &mut macros, &Counter::default()) {
        Ok(built) => assert!(built.tokens <= built.budget),
        Err(error) => assert!(error.needed > error.available),
    }
}
