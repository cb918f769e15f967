//! A whole turn: scripts over every message, lore, macros, assembly. What a server keeps between turns (the index of the
//! lore, compiled scripts, counts of tokens) is ready.

use std::borrow::Cow;
use std::hint::black_box;

use serde_json::{Value, json};
use tavern_domain::chat::Variables;
use tavern_domain::lore::LoreSettings;
use tavern_prompt::assembly::{HistoryMessage, PromptMode, assemble};
use tavern_prompt::lore::{LoreIndex, LoreScan, ScanMessage};
use tavern_prompt::macros::{ChatScene, Macros, Scene, SceneMessage};
use tavern_prompt::preset::PresetConfig;
use tavern_prompt::scripts::{Placement, Purpose, ScriptRun, Scripts};
use tavern_prompt::tokens::{Counter, estimate_tokens};

use crate::assembly::{BUDGET, message, turn};
use crate::lore::Book;
use crate::measure::{heading, rounds, row};
use crate::{assembly, data};

/// As people write them: tags taken out, marks changed, lines joined.
const PATTERNS: [&str; 20] = [
    r"/<thinking>[\s\S]*?<\/thinking>/gi",
    r"/<status>([\s\S]*?)<\/status>/g",
    r"/\[OOC:.*?\]/gi",
    r"/\*\*(.+?)\*\*/g",
    r"/```[\s\S]*?```/g",
    r"/<!--[\s\S]*?-->/g",
    r"/\n{3,}/g",
    r"/<img[^>]*>/gi",
    r"/^\s*---+\s*$/gm",
    r"/\{\{(user|char)\}\}/g",
    r"/“([^”]*)”/g",
    r"/\bbarely above a whisper\b/gi",
    r"/(?:shivers?|shivering) down (?:her|his|their) spine/gi",
    r"/\(\(.*?\)\)/g",
    r"/<details>[\s\S]*<\/details>/g",
    r"/!{2,}/g",
    r"/…{2,}/g",
    r"/ +$/gm",
    r"/#\w+/g",
    r"/\bministrations\b/gi",
];

pub fn run() {
    heading("whole prompt");
    let texts = data::chat(500, 100, &mut data::random(8));
    let ids: Vec<String> = (0..texts.len()).map(|index| format!("message{index}")).collect();
    let tokens: Vec<u32> = texts.iter().map(|text| estimate_tokens(text)).collect();
    let newest: Vec<String> = texts.iter().rev().take(4).cloned().collect();
    let settings = LoreSettings {
        depth: 4,
        ..LoreSettings::default()
    };
    let index = Book::new(1_000, &newest).index(&settings);
    for (what, count, aim) in [
        ("500 messages, 1,000 entries, 20 scripts", PATTERNS.len(), "5 ms"),
        ("500 messages, 1,000 entries, no scripts", 0, ""),
    ] {
        let scripts: Vec<Value> = PATTERNS.iter().take(count).map(|pattern| script(pattern)).collect();
        let scripts = Scripts::compile(&scripts);
        let preset = PresetConfig::read(&json!({}));
        let kept = Kept {
            index: &index,
            scripts: &scripts,
            preset: &preset,
        };
        let mut scripted = 0;
        let [ours] = rounds([&mut || {
            scripted = black_box(build(&kept, &texts, &ids, &tokens));
        }]);
        row(&format!("{what} ({scripted} messages in)"), ours, None, aim, "");
    }
}

fn script(pattern: &str) -> Value {
    json!({
        "scriptName": pattern, "findRegex": pattern, "replaceString": "", "placement": [1, 2], "promptOnly": true,
    })
}

/// What is ready before the turn.
struct Kept<'a> {
    index: &'a LoreIndex,
    scripts: &'a Scripts,
    preset: &'a PresetConfig,
}

/// Messages that are in the prompt.
fn build(kept: &Kept<'_>, texts: &[String], ids: &[String], tokens: &[u32]) -> usize {
    let scene = Scene {
        user: "Ana".into(),
        char: "Mira".into(),
        chat: ChatScene {
            messages: texts
                .iter()
                .enumerate()
                .map(|(id, text)| scene_message(id, text))
                .collect(),
            ..ChatScene::default()
        },
        ..Scene::default()
    };
    let mut macros = Macros::new(scene, Variables::new(), Variables::new(), 1);
    let counter = Counter::default();
    let mut run = ScriptRun::default();
    let scripted: Vec<Cow<'_, str>> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let depth = u32::try_from(texts.len() - 1 - index).ok();
            let placement = if index.is_multiple_of(2) {
                Placement::AiOutput
            } else {
                Placement::UserInput
            };
            kept.scripts
                .apply(text, placement, Purpose::Prompt, depth, &mut macros, &mut run)
        })
        .collect();
    let messages = scripted.iter().enumerate().rev().map(|(index, text)| ScanMessage {
        name: if index.is_multiple_of(2) { "Mira" } else { "Ana" },
        text,
        is_user: index % 2 == 1,
    });
    let scan = LoreScan {
        messages: messages.collect(),
        character_description: assembly::CARD.description,
        character_personality: assembly::CARD.personality,
        scenario: assembly::CARD.scenario,
        trigger: "normal",
        prompt_budget: BUDGET.context,
        ..LoreScan::default()
    };
    let lore = kept.index.activate(&scan, &mut macros, &counter);
    let history: Vec<HistoryMessage<'_>> = scripted
        .iter()
        .zip(ids)
        .zip(tokens)
        .enumerate()
        .map(|(index, ((text, id), tokens))| {
            let known = matches!(text, Cow::Borrowed(_)).then_some(*tokens);
            message(index, id, text, known)
        })
        .collect();
    let turn = turn(kept.preset, PromptMode::Chat, &history, &lore);
    let built = assemble(&turn, &mut macros, &counter).expect("everything fits");
    history.len() - built.dropped_messages
}

fn scene_message(id: usize, text: &str) -> SceneMessage<'_> {
    SceneMessage {
        id,
        is_user: id % 2 == 1,
        name: if id.is_multiple_of(2) {
            "Mira".into()
        } else {
            "Ana".into()
        },
        text: text.into(),
        ..SceneMessage::default()
    }
}
