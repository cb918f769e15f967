//! Prompts that explain themselves.

use async_graphql::{ID, InputObject, SimpleObject};
use tavern_domain::extension;
use tavern_domain::prompt as domain;

use crate::generation::{GenerationKind, GenerationOptions};
use crate::message::Role;
use crate::scalar::BigInt;

/// A prompt as it would be, or was, sent; with the account of every piece.
#[derive(SimpleObject, Debug, Clone)]
pub struct PromptPreview {
    /// In the order they are sent; for a model that completes a text, that text alone.
    pub messages: Vec<PromptMessage>,
    pub token_count: i32,
    /// Tokens a prompt may have: the model's context less the reply.
    pub budget: i32,
    /// The configured name of the model.
    pub model: String,
    /// What tokens were counted with.
    pub tokenizer: String,
    /// Every piece, kept or dropped, where it came from, what it cost.
    pub blocks: Vec<PromptBlock>,
    /// Every entry of lore that was considered: the key that was found and where, or why it was left out.
    /// Of more than 2,000 entries, only those that a key was found of.
    pub lore: Vec<LoreActivation>,
    /// Every hook that was run.
    pub plugins: Vec<PluginTrace>,
    /// Whole sentences.
    pub warnings: Vec<String>,
    /// What chances were drawn from: the same seed gives the same prompt.
    pub seed: BigInt,
}

#[derive(SimpleObject, Debug, Clone)]
pub struct PromptMessage {
    pub role: Role,
    pub name: Option<String>,
    pub content: String,
    pub tokens: i32,
}

/// A piece of a prompt, kept or dropped.
#[derive(SimpleObject, Debug, Clone)]
pub struct PromptBlock {
    /// `main`, `description`, `lore`, `history`, …
    pub source: String,
    /// For people.
    pub label: String,
    pub role: Role,
    /// Messages from the end, for what stands among them.
    pub depth: Option<i32>,
    pub tokens: i32,
    pub included: bool,
    pub reason: Option<String>,
    pub text: String,
}

/// An entry of a world book, and what came of it.
#[derive(SimpleObject, Debug, Clone)]
pub struct LoreActivation {
    pub entry_id: ID,
    pub book: String,
    /// Its title; null if it has none.
    pub comment: Option<String>,
    pub activated: bool,
    /// As the entry has it.
    pub matched_key: Option<String>,
    /// `message 0` is the newest; or a field, or another entry.
    pub matched_in: Option<String>,
    /// 0 = the first scan of the chat; later ones are recursion or minimum activations.
    pub pass: i32,
    pub tokens: i32,
    pub reason: String,
}

/// A call of an extension at one of its hooks.
#[derive(SimpleObject, Debug, Clone)]
pub struct PluginTrace {
    /// `publisher/name`.
    pub extension: String,
    pub version: String,
    /// `before-prompt`, `stream-filter`, …
    pub hook: String,
    /// `ok`, `skipped`, `trap`, `out_of_fuel`, `wall_timeout`, `denied`, …
    pub outcome: String,
    /// Edits that were taken.
    pub edits: i32,
    /// Edits that were not taken, and why; what the failure was.
    pub notes: Vec<String>,
    /// About an instruction each.
    pub fuel: BigInt,
    /// Microseconds, those of waiting included.
    pub micros: i32,
    /// Bytes of linear memory at the most.
    pub memory: BigInt,
    /// Calls of the host.
    pub host_calls: i32,
    /// What it logged.
    pub log: Vec<String>,
}

#[derive(InputObject)]
pub struct PromptPreviewInput {
    pub session_id: ID,
    /// What the user would say first.
    pub content: Option<String>,
    #[graphql(default_with = "Some(GenerationKind::Normal)")]
    pub kind: Option<GenerationKind>,
    pub character_id: Option<ID>,
    pub guidance: Option<String>,
    pub options: Option<GenerationOptions>,
}

fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl From<domain::PromptPreview> for PromptPreview {
    fn from(prompt: domain::PromptPreview) -> Self {
        Self {
            messages: prompt.messages.into_iter().map(Into::into).collect(),
            token_count: count(prompt.token_count),
            budget: count(prompt.budget),
            model: prompt.model,
            tokenizer: prompt.tokenizer,
            blocks: prompt.blocks.into_iter().map(Into::into).collect(),
            lore: prompt.lore.into_iter().map(Into::into).collect(),
            plugins: prompt.plugins.into_iter().map(Into::into).collect(),
            warnings: prompt.warnings,
            seed: BigInt(prompt.seed.cast_signed()),
        }
    }
}

impl From<domain::PromptMessage> for PromptMessage {
    fn from(message: domain::PromptMessage) -> Self {
        Self {
            role: message.role.into(),
            name: message.name,
            content: message.content,
            tokens: count(message.tokens),
        }
    }
}

impl From<domain::PromptBlock> for PromptBlock {
    fn from(block: domain::PromptBlock) -> Self {
        Self {
            source: block.source,
            label: block.label,
            role: block.role.into(),
            depth: block.depth.map(count),
            tokens: count(block.tokens),
            included: block.included,
            reason: block.reason,
            text: block.text,
        }
    }
}

impl From<domain::LoreActivation> for LoreActivation {
    fn from(lore: domain::LoreActivation) -> Self {
        Self {
            entry_id: lore.entry.into(),
            book: lore.book,
            comment: (!lore.comment.is_empty()).then_some(lore.comment),
            activated: lore.activated,
            matched_key: lore.matched_key,
            matched_in: lore.matched_in,
            pass: count(lore.pass),
            tokens: count(lore.tokens),
            reason: lore.reason,
        }
    }
}

impl From<extension::PluginTrace> for PluginTrace {
    fn from(trace: extension::PluginTrace) -> Self {
        let big = |number: u64| BigInt(i64::try_from(number).unwrap_or(i64::MAX));
        Self {
            extension: trace.extension,
            version: trace.version,
            hook: trace.hook.to_string(),
            outcome: trace.outcome.as_str().to_owned(),
            edits: count(trace.edits),
            notes: trace.notes,
            fuel: big(trace.fuel),
            micros: i32::try_from(trace.micros).unwrap_or(i32::MAX),
            memory: big(trace.memory),
            host_calls: count(trace.host_calls),
            log: trace.log,
        }
    }
}
