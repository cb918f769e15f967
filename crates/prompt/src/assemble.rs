//! Assembles a prompt within a budget of tokens.
//!
//! Order: instructions with the character, examples, history, what follows the history. Fixed parts
//! and the newest message are never dropped: if they do not fit, that is an error that names their
//! sizes. History is filled newest first, and examples take what it leaves.

use std::fmt;

use tavern_domain::character::CharacterText;
use tavern_domain::chat::ChatRole;
use tavern_domain::generation::GenerationKind;

use crate::names::{Names, expand, expand_original};
use crate::tokens::estimate_tokens;

/// What a message costs besides its text.
const PER_MESSAGE: u32 = 4;
/// What opens the reply.
const PER_REPLY: u32 = 3;

const MAIN: &str = "You are {{char}}, in a role-play with {{user}} that has no fixed end. Write only what {{char}} says and does next, in {{char}}'s own voice, and leave {{user}}'s words and deeds to {{user}}. Put narration in *asterisks* and speech in quotation marks. Let things happen: be concrete, answer what was said, and bring in something new where the scene allows it.";
const IMPERSONATE: &str = "[Write the next message of {{user}}, from {{user}}'s point of view and in {{user}}'s style so far. Do not write for {{char}}.]";
const CONTINUE: &str = "[Go on with your last message exactly where it stops. Repeat none of it.]";

/// Everything that can enter a prompt.
#[derive(Debug, Clone, Copy)]
pub struct PromptInput<'a> {
    /// The character's name; a nickname of its card goes before it.
    pub name: &'a str,
    pub user_name: &'a str,
    pub character: &'a CharacterText,
    /// Visible messages, oldest first, without the reply that is to be replaced.
    pub history: &'a [HistoryMessage<'a>],
    /// The user's wish for this turn only.
    pub guidance: Option<&'a str>,
    pub kind: GenerationKind,
    /// What the model can take, the reply included.
    pub context_tokens: i32,
    /// Set aside for the reply.
    pub max_output_tokens: i32,
}

/// A message of the chat so far.
#[derive(Debug, Clone, Copy)]
pub struct HistoryMessage<'a> {
    pub role: ChatRole,
    pub name: Option<&'a str>,
    pub content: &'a str,
}

/// A message for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptMessage {
    pub role: ChatRole,
    pub name: Option<String>,
    pub content: String,
}

/// What a stretch of a prompt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Main,
    Description,
    Personality,
    Scenario,
    Examples,
    History,
    PostHistory,
    Guidance,
    /// What the kind of generation asks for.
    Control,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main instructions",
            Self::Description => "description",
            Self::Personality => "personality",
            Self::Scenario => "scenario",
            Self::Examples => "examples",
            Self::History => "history",
            Self::PostHistory => "post-history instructions",
            Self::Guidance => "guidance",
            Self::Control => "control",
        })
    }
}

/// A prompt that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    pub messages: Vec<PromptMessage>,
    /// An estimate of the whole, never above what the model can take besides the reply.
    pub tokens: u32,
    /// The estimates of the parts that are there; together with [`PER_REPLY`] they make the whole.
    pub parts: Vec<(Part, u32)>,
    /// Oldest messages that found no room.
    pub dropped_messages: usize,
    /// Last blocks of the examples that found no room.
    pub dropped_examples: usize,
}

/// What cannot be left out does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptTooLarge {
    pub needed: u32,
    pub available: u32,
    /// The newest message stands under [`Part::History`].
    pub parts: Vec<(Part, u32)>,
}

impl fmt::Display for PromptTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            needed,
            available,
            parts,
        } = self;
        write!(
            f,
            "What must be in the prompt has about {needed} tokens, and the model has room for {available} besides its reply ("
        )?;
        for (index, (part, tokens)) in parts.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{part} {tokens}")?;
        }
        f.write_str(").")
    }
}

impl std::error::Error for PromptTooLarge {}

/// Builds the prompt.
///
/// # Errors
/// [`PromptTooLarge`], if the fixed parts and the newest message exceed the budget.
pub fn assemble(input: &PromptInput<'_>) -> Result<Prompt, PromptTooLarge> {
    let mut ledger = Ledger::new(input);
    let fixed = Fixed::of(input);
    for (part, text) in fixed.before.iter().chain(&fixed.after) {
        ledger.charge(*part, estimate_tokens(text));
    }
    // The texts before the history make one message.
    ledger.charge(Part::Main, PER_MESSAGE);
    for (part, _) in &fixed.after {
        ledger.charge(*part, PER_MESSAGE);
    }
    let names = names(input);
    let mut history = input.history.iter().rev().map(|message| message.expanded(names));
    let mut kept: Vec<PromptMessage> = history.next().into_iter().collect();
    for newest in &kept {
        ledger.charge(Part::History, newest.tokens());
    }
    ledger.check()?;
    kept.extend(history.take_while(|message| ledger.try_charge(Part::History, message.tokens())));
    let dropped_messages = input.history.len() - kept.len();
    let (examples, dropped_examples) = fit_examples(input, &mut ledger);

    let system = fixed
        .before
        .into_iter()
        .map(|(_, text)| text)
        .collect::<Vec<_>>()
        .join("\n\n");
    let mut messages = vec![PromptMessage::system(system)];
    messages.extend(examples.map(PromptMessage::system));
    messages.extend(kept.into_iter().rev());
    messages.extend(fixed.after.into_iter().map(|(_, text)| PromptMessage::system(text)));
    Ok(Prompt {
        messages,
        tokens: ledger.used,
        parts: ledger.parts,
        dropped_messages,
        dropped_examples,
    })
}

fn names<'a>(input: &PromptInput<'a>) -> Names<'a> {
    let nickname = input
        .character
        .nickname
        .as_deref()
        .filter(|name| !name.trim().is_empty());
    Names {
        char: nickname.unwrap_or(input.name),
        user: input.user_name,
    }
}

/// What is in every prompt, with its macros expanded; nothing blank.
struct Fixed {
    before: Vec<(Part, String)>,
    after: Vec<(Part, String)>,
}

impl Fixed {
    fn of(input: &PromptInput<'_>) -> Self {
        let character = input.character;
        let names = names(input);
        let fill = |text: &str| expand(text, names).trim().to_owned();
        let framed = |frame: &str, text: &str| {
            let text = fill(text);
            if text.is_empty() {
                text
            } else {
                format!("[{}: {text}]", fill(frame))
            }
        };
        let main = if character.system_prompt.trim().is_empty() {
            MAIN.to_owned()
        } else {
            expand_original(&character.system_prompt, MAIN)
        };
        let control = match input.kind {
            GenerationKind::Impersonate => IMPERSONATE,
            GenerationKind::Continue => CONTINUE,
            _ => "",
        };
        let before = [
            (Part::Main, fill(&main)),
            (Part::Description, fill(&character.description)),
            (
                Part::Personality,
                framed("{{char}}'s personality", &character.personality),
            ),
            (Part::Scenario, framed("Scenario", &character.scenario)),
        ];
        let after = [
            (
                Part::PostHistory,
                fill(&expand_original(&character.post_history_instructions, "")),
            ),
            (
                Part::Guidance,
                framed("{{user}}'s wish for the next reply", input.guidance.unwrap_or_default()),
            ),
            (Part::Control, fill(control)),
        ];
        let has_text = |part: &(Part, String)| !part.1.is_empty();
        Self {
            before: before.into_iter().filter(has_text).collect(),
            after: after.into_iter().filter(has_text).collect(),
        }
    }
}

impl HistoryMessage<'_> {
    fn expanded(&self, names: Names<'_>) -> PromptMessage {
        PromptMessage {
            role: self.role,
            name: self.name.map(str::to_owned),
            content: expand(self.content, names),
        }
    }
}

impl PromptMessage {
    const fn system(content: String) -> Self {
        Self {
            role: ChatRole::System,
            name: None,
            content,
        }
    }

    fn tokens(&self) -> u32 {
        let name = self.name.as_deref().map_or(0, estimate_tokens);
        estimate_tokens(&self.content)
            .saturating_add(name)
            .saturating_add(PER_MESSAGE)
    }
}

/// Takes as many example blocks as fit, first ones first, into one message.
fn fit_examples(input: &PromptInput<'_>, ledger: &mut Ledger) -> (Option<String>, usize) {
    let dialogue = expand(&input.character.example_dialogue, names(input));
    let blocks = example_blocks(&dialogue);
    let mut text = expand(
        "[Examples of how {{char}} speaks; they are not part of the story.]",
        names(input),
    );
    let mut fitted = 0;
    for block in &blocks {
        let piece = format!("\n\n{block}");
        // The first block pays for the heading as well.
        let heading = if fitted == 0 {
            estimate_tokens(&text) + PER_MESSAGE
        } else {
            0
        };
        if !ledger.try_charge(Part::Examples, estimate_tokens(&piece).saturating_add(heading)) {
            break;
        }
        text.push_str(&piece);
        fitted += 1;
    }
    ((fitted > 0).then_some(text), blocks.len() - fitted)
}

/// The blocks between `<START>` lines, in any case; blank ones are left out.
fn example_blocks(dialogue: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in dialogue.lines() {
        if line.trim().eq_ignore_ascii_case("<start>") {
            blocks.push(String::new());
        } else if let Some(block) = blocks.last_mut() {
            block.push_str(line.trim_end());
            block.push('\n');
        }
    }
    blocks
        .iter()
        .map(|block| block.trim().to_owned())
        .filter(|block| !block.is_empty())
        .collect()
}

/// What the prompt costs so far.
struct Ledger {
    available: u32,
    used: u32,
    parts: Vec<(Part, u32)>,
}

impl Ledger {
    fn new(input: &PromptInput<'_>) -> Self {
        let room = input.context_tokens.saturating_sub(input.max_output_tokens.max(0));
        Self {
            available: u32::try_from(room).unwrap_or(0),
            used: PER_REPLY,
            parts: Vec::new(),
        }
    }

    fn charge(&mut self, part: Part, tokens: u32) {
        self.used = self.used.saturating_add(tokens);
        match self.parts.iter_mut().find(|(other, _)| *other == part) {
            Some((_, sum)) => *sum = sum.saturating_add(tokens),
            None => self.parts.push((part, tokens)),
        }
    }

    fn try_charge(&mut self, part: Part, tokens: u32) -> bool {
        let fits = self.used.saturating_add(tokens) <= self.available;
        if fits {
            self.charge(part, tokens);
        }
        fits
    }

    fn check(&self) -> Result<(), PromptTooLarge> {
        if self.used <= self.available {
            return Ok(());
        }
        Err(PromptTooLarge {
            needed: self.used,
            available: self.available,
            parts: self.parts.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
