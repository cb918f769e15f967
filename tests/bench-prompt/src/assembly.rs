//! Prompts of messages that all fit, with their tokens known.

use std::hint::black_box;

use serde_json::json;
use tavern_domain::chat::{ChatRole, Variables};
use tavern_domain::generation::GenerationKind;
use tavern_prompt::assembly::{
    BuiltPrompt, CardPrompt, HistoryCut, HistoryMessage, PromptMode, TokenBudget, TurnPrompt, assemble,
};
use tavern_prompt::lore::Activation;
use tavern_prompt::macros::{Macros, Scene};
use tavern_prompt::preset::PresetConfig;
use tavern_prompt::tokens::{Counter, estimate_tokens};

use crate::data;
use crate::measure::{heading, rounds, row};

pub const CARD: CardPrompt<'_> = CardPrompt {
    description: "{{char}} keeps the lamps of a harbour and knows every ship by its bell.",
    personality: "calm, exact",
    scenario: "An evening at the harbour. {{user}} has just landed.",
    system_prompt: "",
    post_history_instructions: "",
    example_dialogue: "<START>\n{{user}}: Whose bell is that?\n{{char}}: *listens* The grain ship. She is late.",
    depth_prompts: &[],
};

/// Large enough for everything here.
pub const BUDGET: TokenBudget = TokenBudget {
    context: 10_000_000,
    response: 1_000,
};

pub fn run() {
    heading("assembly: messages of 100 words, all fit, counts known");
    for (count, aim, peer) in [
        (100, "0.3 ms", "5.4 ms"),
        (1_000, "2 ms", "45 ms"),
        (10_000, "20 ms", "492 ms"),
    ] {
        let texts = data::chat(count, 100, &mut data::random(7));
        let ids: Vec<String> = (0..count).map(|index| format!("message{index}")).collect();
        let history: Vec<HistoryMessage<'_>> = texts
            .iter()
            .zip(&ids)
            .enumerate()
            .map(|(index, (text, id))| message(index, id, text, Some(estimate_tokens(text))))
            .collect();
        let preset = PresetConfig::read(&json!({}));
        let lore = Activation::default();
        for (mode, kind, aim, peer) in [
            (PromptMode::Chat, "chat", aim, peer),
            (PromptMode::Text, "text", "", ""),
        ] {
            let [ours, floor] = rounds([
                &mut || drop(black_box(build(&preset, mode, &history, &lore))),
                &mut || {
                    drop(black_box(texts.join("\n")));
                },
            ]);
            row(&format!("{count}, {kind} model"), ours, Some(floor), aim, peer);
        }
    }
}

/// Two who take turns.
pub fn message<'a>(index: usize, id: &'a str, content: &'a str, tokens: Option<u32>) -> HistoryMessage<'a> {
    let (role, name) = match index % 2 {
        0 => (ChatRole::Assistant, "Mira"),
        _ => (ChatRole::User, "Ana"),
    };
    HistoryMessage {
        id,
        role,
        name,
        content,
        reasoning: None,
        tokens,
    }
}

fn build<'a>(
    preset: &'a PresetConfig,
    mode: PromptMode,
    history: &'a [HistoryMessage<'a>],
    lore: &'a Activation,
) -> BuiltPrompt<'a> {
    let turn = turn(preset, mode, history, lore);
    let scene = Scene {
        user: "Ana".into(),
        char: "Mira".into(),
        ..Scene::default()
    };
    let mut macros = Macros::new(scene, Variables::new(), Variables::new(), 1);
    assemble(&turn, &mut macros, &Counter::default()).expect("everything fits")
}

pub const fn turn<'a>(
    preset: &'a PresetConfig,
    mode: PromptMode,
    history: &'a [HistoryMessage<'a>],
    lore: &'a Activation,
) -> TurnPrompt<'a> {
    TurnPrompt {
        preset,
        mode,
        kind: GenerationKind::Normal,
        budget: BUDGET,
        card: CARD,
        persona: None,
        note: None,
        user_messages: 1,
        lore,
        history,
        guidance: None,
        injections: &[],
        others: &[],
        custom_stops: &[],
        cut: HistoryCut::Steps,
        anchor: None,
    }
}
