#![allow(clippy::unwrap_used, reason = "tests")]

mod chat;
mod history;
mod injections;
mod kinds;
mod properties;
mod text;
mod whole;

use std::borrow::Cow;

use serde_json::{Value, json};
use tavern_domain::chat::{AuthorsNote, ChatRole, Variables};
use tavern_domain::generation::GenerationKind;
use tavern_domain::lore::LorePosition;
use tavern_domain::persona::PersonaText;

use super::*;
use crate::lore::{Activated, Activation, CardField, Depth, LorePlace, UiPrompt};
use crate::macros::Scene;
use crate::preset::PresetConfig;

const ALL_KINDS: [GenerationKind; 6] = GenerationKind::ALL;

/// A turn that owns what it is made of. Mira talks with Ana; nothing else is there.
#[derive(Debug)]
struct Turn {
    preset: Value,
    mode: PromptMode,
    kind: GenerationKind,
    budget: TokenBudget,
    description: &'static str,
    personality: &'static str,
    scenario: &'static str,
    system_prompt: &'static str,
    post_history: &'static str,
    examples: &'static str,
    depth_prompts: Vec<DepthPrompt<'static>>,
    persona: Option<PersonaText>,
    note: Option<AuthorsNote>,
    user_messages: u32,
    lore: Vec<Activated>,
    disabled: Vec<UiPrompt>,
    /// Speaker (`u`, `c`, `s`, or a name) and text.
    history: Vec<(String, String)>,
    reasoning: Option<&'static str>,
    guidance: Option<&'static str>,
    injections: Vec<Injection<'static>>,
    others: Vec<&'static str>,
    cut: HistoryCut,
    anchor: Option<String>,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            preset: json!({}),
            mode: PromptMode::Chat,
            kind: GenerationKind::Normal,
            budget: TokenBudget {
                context: 8_000,
                response: 500,
            },
            description: "",
            personality: "",
            scenario: "",
            system_prompt: "",
            post_history: "",
            examples: "",
            depth_prompts: Vec::new(),
            persona: None,
            note: None,
            user_messages: 0,
            lore: Vec::new(),
            disabled: Vec::new(),
            history: Vec::new(),
            reasoning: None,
            guidance: None,
            injections: Vec::new(),
            others: Vec::new(),
            cut: HistoryCut::Steps,
            anchor: None,
        }
    }
}

/// A result that owns what it is made of.
#[derive(Debug)]
struct Made {
    content: PromptContent,
    stop: Vec<String>,
    tokens: u32,
    budget: u32,
    blocks: Vec<Block<'static>>,
    warnings: Vec<String>,
    dropped_messages: usize,
    dropped_examples: usize,
    first_included: Option<usize>,
    anchor: Option<String>,
    prefill: Option<String>,
    continue_postfix: String,
}

impl Turn {
    fn chat(preset: Value) -> Self {
        Self {
            preset: json!({ "chat": preset }),
            ..Self::default()
        }
    }

    /// A preset of only these prompts, and nothing that was not asked for.
    fn prompts(prompts: &[Value]) -> Self {
        let order: Vec<Value> = prompts
            .iter()
            .map(|prompt| json!({ "identifier": prompt["identifier"], "enabled": prompt["enabled"] != false }))
            .collect();
        Self::chat(json!({
            "prompts": prompts,
            "prompt_order": [{ "character_id": 100_001, "order": order }],
            "new_chat_prompt": "",
            "new_group_chat_prompt": "",
            "new_example_chat_prompt": "",
            "group_nudge_prompt": "",
        }))
    }

    fn talk(mut self, lines: &[(&str, &str)]) -> Self {
        self.history = lines
            .iter()
            .map(|(who, text)| ((*who).to_owned(), (*text).to_owned()))
            .collect();
        self
    }

    fn try_build(&self) -> Result<Made, PromptTooLarge> {
        let preset = PresetConfig::read(&self.preset);
        let lore = Activation {
            entries: self.lore.clone(),
            disabled_prompts: self.disabled.clone(),
            ..Activation::default()
        };
        let ids: Vec<String> = (0..self.history.len()).map(|index| format!("m{index}")).collect();
        let history: Vec<HistoryMessage<'_>> = self
            .history
            .iter()
            .zip(&ids)
            .map(|((who, text), id)| {
                let (role, name) = match who.as_str() {
                    "u" => (ChatRole::User, "Ana"),
                    "c" => (ChatRole::Assistant, "Mira"),
                    "s" => (ChatRole::System, ""),
                    "t" => (ChatRole::Tool, ""),
                    name => (ChatRole::Assistant, name),
                };
                HistoryMessage {
                    id,
                    role,
                    name,
                    content: text,
                    reasoning: self.reasoning.filter(|_| role == ChatRole::Assistant),
                    tokens: None,
                }
            })
            .collect();
        let turn = TurnPrompt {
            preset: &preset,
            mode: self.mode,
            kind: self.kind,
            budget: self.budget,
            card: CardPrompt {
                description: self.description,
                personality: self.personality,
                scenario: self.scenario,
                system_prompt: self.system_prompt,
                post_history_instructions: self.post_history,
                example_dialogue: self.examples,
                depth_prompts: &self.depth_prompts,
            },
            persona: self.persona.as_ref(),
            note: self.note.as_ref(),
            user_messages: self.user_messages,
            lore: &lore,
            history: &history,
            guidance: self.guidance,
            injections: &self.injections,
            others: &self.others,
            custom_stops: &[],
            cut: self.cut,
            anchor: self.anchor.as_deref(),
        };
        let scene = Scene {
            user: "Ana".into(),
            char: "Mira".into(),
            group: "Mira, Tom".into(),
            is_group: !self.others.is_empty(),
            ..Scene::default()
        };
        let mut macros = Macros::new(scene, Variables::new(), Variables::new(), 1);
        let built = assemble(&turn, &mut macros, &Counter::default())?;
        Ok(Made {
            blocks: built.blocks.into_iter().map(owned).collect(),
            anchor: built.anchor.map(str::to_owned),
            content: built.content,
            stop: built.stop,
            tokens: built.tokens,
            budget: built.budget,
            warnings: built.warnings,
            dropped_messages: built.dropped_messages,
            dropped_examples: built.dropped_examples,
            first_included: built.first_included,
            prefill: built.prefill,
            continue_postfix: built.continue_postfix,
        })
    }

    fn build(&self) -> Made {
        self.try_build().expect("the turn fits")
    }

    /// `role: text` of each message.
    fn lines(&self) -> Vec<String> {
        self.build().lines()
    }

    fn text(&self) -> String {
        match self.build().content {
            PromptContent::Text(text) => text,
            PromptContent::Messages(_) => panic!("a chat prompt"),
        }
    }
}

impl Made {
    fn messages(&self) -> &[PromptMessage] {
        match &self.content {
            PromptContent::Messages(messages) => messages,
            PromptContent::Text(_) => panic!("a text prompt"),
        }
    }

    fn lines(&self) -> Vec<String> {
        let role = |role| match role {
            ChatRole::System => "system",
            ChatRole::User => "user",
            ChatRole::Assistant => "assistant",
            ChatRole::Tool => "tool",
        };
        self.messages()
            .iter()
            .map(|message| match &message.name {
                Some(name) => format!("{} ({name}): {}", role(message.role), message.content),
                None => format!("{}: {}", role(message.role), message.content),
            })
            .collect()
    }

    fn block(&self, text: &str) -> &Block<'static> {
        self.blocks
            .iter()
            .find(|block| block.text.contains(text))
            .unwrap_or_else(|| panic!("no block has {text}: {:#?}", self.blocks))
    }
}

fn owned(block: Block<'_>) -> Block<'static> {
    Block {
        source: block.source,
        label: Cow::Owned(block.label.into_owned()),
        role: block.role,
        depth: block.depth,
        tokens: block.tokens,
        included: block.included,
        reason: block.reason,
        text: Cow::Owned(block.text.into_owned()),
        messages: block.messages,
    }
}

fn lore(position: LorePosition, content: &str) -> Activated {
    Activated {
        key: content.to_owned(),
        book: "Book".to_owned(),
        comment: content.to_owned(),
        content: content.to_owned(),
        place: LorePlace {
            position,
            depth: 4,
            role: ChatRole::System,
            outlet: String::new(),
            from_start: false,
            instruct_depth: None,
            beside: None,
        },
        order: 100,
        tokens: 1,
        ignore_on_max_context: false,
    }
}

fn lore_at_depth(content: &str, depth: u32, role: ChatRole) -> Activated {
    let mut entry = lore(LorePosition::AtDepth, content);
    entry.place.depth = depth;
    entry.place.role = role;
    entry
}

fn note(content: &str, position: tavern_domain::chat::NotePosition) -> AuthorsNote {
    AuthorsNote {
        content: content.to_owned(),
        position,
        ..AuthorsNote::default()
    }
}

fn persona(description: &str, position: tavern_domain::persona::PersonaPosition) -> PersonaText {
    PersonaText {
        name: "Ana".to_owned(),
        description: description.to_owned(),
        position,
        ..PersonaText::default()
    }
}

fn marker(identifier: &str) -> Value {
    json!({ "identifier": identifier, "marker": true, "system_prompt": true })
}

fn prompt(identifier: &str, content: &str) -> Value {
    json!({ "identifier": identifier, "name": identifier, "role": "system", "content": content })
}

fn in_chat(identifier: &str, content: &str, depth: u32, role: &str) -> Value {
    json!({
        "identifier": identifier, "content": content, "role": role,
        "injection_position": 1, "injection_depth": depth,
    })
}
