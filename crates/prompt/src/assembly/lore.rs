//! The lore of a turn by where it goes.

use std::borrow::Cow;

use tavern_domain::lore::LorePosition;

use super::TOKENS_PER_MESSAGE;
use super::input::TurnPrompt;
use super::ledger::Ledger;
use super::output::Source;
use super::parts::Part;
use crate::lore::{Activated, CardField, UiPrompt};
use crate::macros::Macros;
use crate::tokens::Counter;

/// The entries that take part.
pub(super) struct Lore<'a> {
    entries: Vec<&'a Activated>,
    left_out: Vec<&'a Activated>,
    disabled: &'a [UiPrompt],
}

impl<'a> Lore<'a> {
    /// Entries that give way when the prompt does not fit are left out if, by an estimate made
    /// beforehand of the card, the lore and the history, it would not.
    pub(super) fn of(turn: &TurnPrompt<'a>, available: u32, counter: &Counter) -> Self {
        let lore = turn.lore;
        let gives_way = |entry: &&Activated| entry.ignore_on_max_context;
        let overflows = lore.entries.iter().any(|entry| gives_way(&entry)) && overflows(turn, available, counter);
        let (left_out, entries) = lore.entries.iter().partition(|entry| overflows && gives_way(entry));
        Self {
            entries,
            left_out,
            disabled: &lore.disabled_prompts,
        }
    }

    /// The entries of a position, those beside a field of the card left out.
    pub(super) fn at(&self, position: LorePosition) -> impl Iterator<Item = &'a Activated> {
        self.entries
            .iter()
            .copied()
            .filter(move |entry| entry.place.beside.is_none() && entry.place.position == position)
    }

    pub(super) fn parts(&self, position: LorePosition) -> Vec<Part<'a>> {
        self.at(position).filter_map(part).collect()
    }

    pub(super) fn beside(&self, field: CardField) -> impl Iterator<Item = &'a Activated> {
        self.entries
            .iter()
            .copied()
            .filter(move |entry| entry.place.beside == Some(field))
    }

    /// Whether an entry switches the preset's own text of `source` off.
    pub(super) fn disables(&self, source: Source) -> bool {
        match source {
            Source::Main => self.disabled.contains(&UiPrompt::SystemPrompt),
            Source::PostHistory => self.disabled.contains(&UiPrompt::PostHistoryInstructions),
            _ => false,
        }
    }

    /// Gives the macros what `{{outlet::name}}` stands for, before anything is expanded.
    pub(super) fn set_outlets(&self, macros: &mut Macros<'_>) {
        let outlets = &mut macros.scene_mut().outlets;
        for entry in self.at(LorePosition::Outlet) {
            let name = entry.place.outlet.trim();
            if name.is_empty() {
                continue;
            }
            let outlet = outlets.entry(name.to_owned()).or_default();
            if !outlet.is_empty() {
                outlet.push('\n');
            }
            outlet.push_str(&entry.content);
        }
    }

    /// Accounts for outlets, whose lore stands inside of `texts`, which pay for it, and for what gave way.
    pub(super) fn account(&self, texts: &[&str], ledger: &mut Ledger<'a, '_>) {
        let mut mentioned: Option<String> = None;
        for entry in self.at(LorePosition::Outlet) {
            let mentioned = mentioned.get_or_insert_with(|| texts.join("\n").to_lowercase());
            let outlet = entry.place.outlet.trim().to_lowercase();
            if outlet.is_empty() || !mentioned.contains(&format!("outlet::{outlet}")) {
                leave_out(entry, "its outlet is nowhere in the prompt", ledger);
            } else if let Some(part) = part(entry) {
                let reason = "in the text that has its outlet";
                ledger.include(Part { reason, ..part }, entry.place.role, None, 0);
            }
        }
        for entry in &self.left_out {
            leave_out(entry, "gives way to the chat", ledger);
        }
    }
}

pub(super) fn part(entry: &Activated) -> Option<Part<'_>> {
    Part::new(Source::Lore, label(entry), entry.content.as_str(), "activated")
}

pub(super) fn label(entry: &Activated) -> Cow<'_, str> {
    if entry.comment.trim().is_empty() {
        Cow::Borrowed(&entry.book)
    } else {
        Cow::Owned(format!("{}: {}", entry.book, entry.comment))
    }
}

pub(super) fn leave_out<'a>(entry: &'a Activated, reason: &'static str, ledger: &mut Ledger<'a, '_>) {
    if let Some(part) = part(entry) {
        ledger.leave_out(part, entry.place.role, None, reason);
    }
}

fn overflows(turn: &TurnPrompt<'_>, available: u32, counter: &Counter) -> bool {
    let card = &turn.card;
    let fixed = [
        card.description,
        card.personality,
        card.scenario,
        card.system_prompt,
        card.post_history_instructions,
        card.example_dialogue,
        turn.persona.map_or("", |persona| &persona.description),
        turn.note.map_or("", |note| &note.content),
        turn.guidance.unwrap_or_default(),
    ];
    let preset = turn.preset.chat.prompts.iter().filter(|entry| entry.enabled);
    let fixed = fixed.into_iter().chain(preset.map(|entry| entry.content.as_str()));
    let fixed = fixed.filter(|text| !text.is_empty()).map(|text| counter.count(text));
    let lore = turn.lore.entries.iter().map(|entry| counter.count(&entry.content));
    let history = turn.history.iter().rev();
    let history = history.map(|message| message.tokens.unwrap_or_else(|| counter.count(message.content)));
    let mut used: u32 = 0;
    fixed.chain(lore).chain(history).any(|tokens| {
        used = used.saturating_add(tokens).saturating_add(TOKENS_PER_MESSAGE);
        used > available
    })
}
