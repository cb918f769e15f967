//! Decorators of Character Card V3: `@@name value` lines at the start of an entry's content.
//!
//! A `@@@` line counts only if the line above it did not: because nobody here knows its name, or because
//! its value cannot be read. What is written twice counts the first time, except `additional_keys` and
//! `exclude_keys`, which add up.

use serde::{Deserialize, Serialize};
use tavern_domain::chat::ChatRole;
use tavern_domain::lore::LorePosition;

/// What an entry's decorators say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decorators {
    pub activate: bool,
    pub dont_activate: bool,
    /// Messages of the character that must be in the chat.
    pub activate_only_after: Option<u32>,
    pub activate_only_every: Option<u32>,
    pub keep_activate_after_match: bool,
    pub dont_activate_after_match: bool,
    pub is_greeting: Option<u32>,
    pub scan_depth: Option<u32>,
    pub instruct_scan_depth: Option<u32>,
    pub depth: Option<Depth>,
    pub instruct_depth: Option<Depth>,
    pub role: Option<ChatRole>,
    pub position: Option<Position>,
    pub ignore_on_max_context: bool,
    /// Of each of these lists one must be found, besides one of the entry's keys.
    pub additional_keys: Vec<Vec<String>>,
    /// None of these may be found.
    pub exclude_keys: Vec<String>,
    pub is_user_icon: Option<String>,
    pub disable_ui_prompt: Option<UiPrompt>,
}

/// How far from an end of the chat, in messages or (`instruct_…`) in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    pub count: u32,
    /// Counted from the beginning of the chat instead of its end.
    pub from_start: bool,
}

/// Where `@@position` puts an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    Of(LorePosition),
    Beside(CardField),
}

/// A field of a card that an entry is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardField {
    Personality,
    Scenario,
}

/// A prompt of the user's that an active entry switches off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UiPrompt {
    SystemPrompt,
    PostHistoryInstructions,
}

/// The decorators of `content`, and the rest of it without the line breaks around.
/// `instruct`: the model completes a text, so that depths in tokens are known.
pub(super) fn parse(content: &str, instruct: bool) -> (Decorators, &str) {
    let mut decorators = Decorators::default();
    if !content.trim_start().starts_with("@@") {
        return (decorators, content);
    }
    let mut rest = content.trim_start();
    let mut passed_on = false;
    while rest.starts_with("@@") {
        let (line, behind) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = behind;
        let line = line.trim_end();
        let (is_fallback, text) = match line.strip_prefix("@@@") {
            Some(text) => (true, text),
            None => (false, line.strip_prefix("@@").unwrap_or_default()),
        };
        if is_fallback && !passed_on {
            continue;
        }
        let (name, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        passed_on = decorators.apply(name.trim(), value.trim(), instruct).is_none();
    }
    (decorators, rest.trim_matches(['\n', '\r']))
}

impl Decorators {
    /// `None` if the decorator does not count.
    fn apply(&mut self, name: &str, value: &str, instruct: bool) -> Option<()> {
        if name.starts_with("instruct_") || name.starts_with("reverse_instruct_") {
            instruct.then_some(())?;
        }
        let number = || value.parse::<u32>().ok();
        let depth = |from_start| number().map(|count| Depth { count, from_start });
        match name {
            "activate" => self.activate = true,
            "dont_activate" => self.dont_activate = true,
            "keep_activate_after_match" => self.keep_activate_after_match = true,
            "dont_activate_after_match" => self.dont_activate_after_match = true,
            "ignore_on_max_context" => self.ignore_on_max_context = true,
            "activate_only_after" => first(&mut self.activate_only_after, number()?),
            "activate_only_every" => first(&mut self.activate_only_every, number().filter(|every| *every > 0)?),
            "is_greeting" => first(&mut self.is_greeting, number()?),
            "scan_depth" => first(&mut self.scan_depth, number()?),
            "instruct_scan_depth" => first(&mut self.instruct_scan_depth, number()?),
            "depth" => first(&mut self.depth, depth(false)?),
            "reverse_depth" => first(&mut self.depth, depth(true)?),
            "instruct_depth" => first(&mut self.instruct_depth, depth(false)?),
            "reverse_instruct_depth" => first(&mut self.instruct_depth, depth(true)?),
            "role" => first(&mut self.role, role(value)?),
            "position" => first(&mut self.position, position(value)?),
            "additional_keys" => self.additional_keys.push(keys(value)?),
            "exclude_keys" => self.exclude_keys.extend(keys(value)?),
            "is_user_icon" => first(
                &mut self.is_user_icon,
                Some(value.to_owned()).filter(|name| !name.is_empty())?,
            ),
            "disable_ui_prompt" => first(&mut self.disable_ui_prompt, ui_prompt(value)?),
            _ => return None,
        }
        Some(())
    }
}

fn first<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

fn role(value: &str) -> Option<ChatRole> {
    match value {
        "system" => Some(ChatRole::System),
        "user" => Some(ChatRole::User),
        "assistant" => Some(ChatRole::Assistant),
        _ => None,
    }
}

fn position(value: &str) -> Option<Position> {
    match value {
        "before_desc" => Some(Position::Of(LorePosition::BeforeCharacter)),
        "after_desc" => Some(Position::Of(LorePosition::AfterCharacter)),
        "personality" => Some(Position::Beside(CardField::Personality)),
        "scenario" => Some(Position::Beside(CardField::Scenario)),
        _ => None,
    }
}

fn ui_prompt(value: &str) -> Option<UiPrompt> {
    match value {
        "system_prompt" => Some(UiPrompt::SystemPrompt),
        "post_history_instructions" => Some(UiPrompt::PostHistoryInstructions),
        _ => None,
    }
}

fn keys(value: &str) -> Option<Vec<String>> {
    let keys: Vec<_> = value
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(str::to_owned)
        .collect();
    (!keys.is_empty()).then_some(keys)
}
