//! What a prompt is made of.

use tavern_domain::chat::{AuthorsNote, ChatRole};
use tavern_domain::generation::GenerationKind;
use tavern_domain::persona::PersonaText;

use crate::lore::Activation;
use crate::preset::PresetConfig;

/// Everything that can enter a turn's prompt. Names, and whether the chat is a group's, are those of
/// the [`Scene`](crate::macros::Scene) that the macros are evaluated in.
#[derive(Debug, Clone, Copy)]
pub struct TurnPrompt<'a> {
    pub preset: &'a PresetConfig,
    pub mode: PromptMode,
    pub kind: GenerationKind,
    pub budget: TokenBudget,
    pub card: CardPrompt<'a>,
    pub persona: Option<&'a PersonaText>,
    /// `None` as an empty one in its usual place, which lore may stand around.
    pub note: Option<&'a AuthorsNote>,
    /// The user's messages in the whole chat, which the note's interval counts.
    pub user_messages: u32,
    pub lore: &'a Activation,
    /// What is seen of the chat, oldest first, without a reply that is to be replaced; regex scripts
    /// applied. A message that is to be continued is the last one.
    pub history: &'a [HistoryMessage<'a>],
    /// The user's wish for this turn only; of a quiet generation the whole task.
    pub guidance: Option<&'a str>,
    /// Summaries, memories, what extensions add: texts as they are to be, without macros.
    pub injections: &'a [Injection<'a>],
    /// Names of a group's other members, whose lines are not to be written.
    pub others: &'a [&'a str],
    /// The user's own stop strings, expanded.
    pub custom_stops: &'a [String],
    pub cut: HistoryCut,
    /// [`BuiltPrompt::anchor`](super::BuiltPrompt::anchor) of the turn before.
    pub anchor: Option<&'a str>,
}

/// What kind of model the prompt is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PromptMode {
    #[default]
    Chat,
    Text,
}

/// Tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBudget {
    /// What the model takes, the reply included.
    pub context: u32,
    /// Set aside for the reply.
    pub response: u32,
}

/// The speaker's card, or the joined cards of a group. Texts are unexpanded.
#[derive(Debug, Clone, Copy, Default)]
pub struct CardPrompt<'a> {
    pub description: &'a str,
    pub personality: &'a str,
    pub scenario: &'a str,
    /// Replaces the preset's main prompt unless blank; `{{original}}` stands for that.
    pub system_prompt: &'a str,
    /// Replaces the preset's post-history instructions likewise.
    pub post_history_instructions: &'a str,
    pub example_dialogue: &'a str,
    /// `extensions.depth_prompt` of each card.
    pub depth_prompts: &'a [DepthPrompt<'a>],
}

/// A card's note among the messages.
#[derive(Debug, Clone, Copy)]
pub struct DepthPrompt<'a> {
    /// Unexpanded.
    pub text: &'a str,
    /// Messages from the end, 0 = behind the last one.
    pub depth: u32,
    pub role: ChatRole,
}

/// A message of the chat so far.
#[derive(Debug, Clone, Copy)]
pub struct HistoryMessage<'a> {
    /// Told apart by this; the start of the history is remembered under it.
    pub id: &'a str,
    pub role: ChatRole,
    /// Empty = nobody's.
    pub name: &'a str,
    pub content: &'a str,
    pub reasoning: Option<&'a str>,
    /// Tokens of `content` alone by the same counter, if they are known.
    pub tokens: Option<u32>,
}

/// A text among the messages.
#[derive(Debug, Clone, Copy)]
pub struct Injection<'a> {
    /// Who put it there.
    pub source: &'a str,
    pub label: &'a str,
    pub text: &'a str,
    /// Messages from the end, 0 = behind the last one.
    pub depth: u32,
    pub role: ChatRole,
    /// Lower is earlier at the same depth; 100 is usual.
    pub order: i32,
}

/// How a history that has outgrown its room loses its oldest messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HistoryCut {
    /// To three quarters of the room whenever it is full, so that its start holds for many turns.
    #[default]
    Steps,
    /// One by one, so that as many as possible stay.
    Exact,
}
