//! The preset's prompts in their places, and what it puts among the messages.

use tavern_domain::chat::{ChatRole, NotePosition};
use tavern_domain::generation::GenerationKind;
use tavern_domain::lore::{LorePosition, trigger_name};
use tavern_domain::persona::PersonaPosition;

use super::{Built, Slot};
use crate::assembly::TOKENS_PER_MESSAGE;
use crate::assembly::injections::{self, Placed};
use crate::assembly::input::TurnPrompt;
use crate::assembly::ledger::Ledger;
use crate::assembly::lore::{self, Lore};
use crate::assembly::output::Source;
use crate::assembly::parts::{Note, Part, expand, framed, joined, overridden, persona_at};
use crate::lore::CardField;
use crate::macros::Macros;
use crate::preset::{Marker, PromptEntry, PromptSlot};

/// The fixed texts in their places, and what the preset puts among the messages.
pub(super) struct Fixed<'a> {
    pub(super) slots: Vec<Slot>,
    pub(super) placed: Vec<Placed<'a>>,
    pub(super) examples_place: Option<usize>,
    pub(super) has_history: bool,
}

impl<'a> Fixed<'a> {
    pub(super) fn of(
        turn: &TurnPrompt<'a>,
        lore: &Lore<'a>,
        macros: &mut Macros<'_>,
        ledger: &mut Ledger<'a, '_>,
    ) -> Self {
        const OFF: &str = "off in the preset";
        let mut fixed = Self {
            slots: Vec::new(),
            placed: Vec::new(),
            examples_place: None,
            has_history: true,
        };
        let prompts = &turn.preset.chat.prompts;
        let card = &turn.card;
        let texts = prompts
            .iter()
            .filter(|entry| entry.enabled)
            .map(|entry| entry.content.as_str());
        let texts: Vec<&str> = texts
            .chain([card.system_prompt, card.post_history_instructions])
            .collect();
        lore.account(&texts, ledger);
        let mut note = Note::of(turn, lore, macros, ledger);
        let mut shown: Vec<Marker> = Vec::new();
        let is_main = |entry: &PromptEntry| entry.slot == PromptSlot::Marker(Marker::Main);
        if note.position != NotePosition::InChat
            && !prompts
                .iter()
                .any(|entry| is_main(entry) && entry.enabled && is_for(entry, turn.kind))
        {
            // Without main instructions there is nothing to be before or behind.
            fixed.note(&mut note, ledger);
        }
        for entry in prompts {
            ledger.place = fixed.slots.len();
            let reason = if !entry.enabled {
                Some(OFF)
            } else if !is_for(entry, turn.kind) {
                Some("not for this kind of generation")
            } else {
                None
            };
            if let Some(reason) = reason {
                fixed.leave_out(entry, reason, ledger);
                continue;
            }
            match entry.slot {
                PromptSlot::Marker(Marker::History) => fixed.slots.push(Slot::History),
                PromptSlot::Marker(Marker::Examples) => {
                    fixed.examples_place = Some(ledger.place);
                    fixed.slots.push(Slot::Examples);
                }
                PromptSlot::Marker(marker @ (Marker::LoreBefore | Marker::LoreAfter)) => {
                    shown.push(marker);
                    fixed.lore(turn, entry.role, lore.parts(position(marker)), macros, ledger);
                }
                PromptSlot::Marker(marker @ (Marker::Personality | Marker::Scenario)) => {
                    shown.push(marker);
                    fixed.card_field(turn, entry, marker, lore, macros, ledger);
                }
                PromptSlot::Marker(Marker::Main) => {
                    let is_before = note.position == NotePosition::BeforePrompt;
                    if is_before {
                        fixed.note(&mut note, ledger);
                    }
                    let part = preset_part(turn, entry, lore, macros);
                    fixed.message(entry.role, part, ledger);
                    if note.position == NotePosition::AfterPrompt {
                        fixed.note(&mut note, ledger);
                    }
                }
                PromptSlot::InChat { depth, order } => {
                    let part = preset_part(turn, entry, lore, macros);
                    let placed = part.map(|part| Placed::preset(part, depth, order, entry.role));
                    fixed.placed.extend(placed);
                }
                PromptSlot::Marker(_) | PromptSlot::Relative => {
                    let part = marker_part(turn, entry, lore, macros);
                    fixed.message(entry.role, part, ledger);
                }
            }
        }
        for marker in [Marker::LoreBefore, Marker::LoreAfter] {
            if !shown.contains(&marker) {
                for entry in lore.at(position(marker)) {
                    lore::leave_out(entry, "its place is off in the preset", ledger);
                }
            }
        }
        for (marker, field) in [
            (Marker::Personality, CardField::Personality),
            (Marker::Scenario, CardField::Scenario),
        ] {
            if !shown.contains(&marker) {
                for entry in lore.beside(field) {
                    lore::leave_out(entry, "its place is off in the preset", ledger);
                }
            }
        }
        injections::collect(turn, lore, &mut note, macros, &mut fixed.placed);
        fixed
    }

    /// The place of the history; without one in the order, the injections go to the end.
    pub(super) fn history_place(&mut self) -> usize {
        let found = self.slots.iter().position(|slot| matches!(slot, Slot::History));
        self.has_history = found.is_some();
        found.unwrap_or_else(|| {
            let place = self.slots.len();
            self.slots.push(Slot::History);
            place
        })
    }

    fn message(&mut self, role: ChatRole, part: Option<Part<'a>>, ledger: &mut Ledger<'a, '_>) {
        if let Some(part) = part {
            let text = ledger.include_joined(vec![part], role, TOKENS_PER_MESSAGE);
            self.slots.push(Slot::Message(Built::new(role, text)));
        }
    }

    fn note(&mut self, note: &mut Note<'a>, ledger: &mut Ledger<'a, '_>) {
        let parts = std::mem::take(&mut note.parts);
        if !parts.is_empty() {
            let text = ledger.include_joined(parts, note.role, TOKENS_PER_MESSAGE);
            self.slots.push(Slot::Message(Built::new(note.role, text)));
        }
    }

    fn lore(
        &mut self,
        turn: &TurnPrompt<'a>,
        role: ChatRole,
        parts: Vec<Part<'a>>,
        macros: &mut Macros<'_>,
        ledger: &mut Ledger<'a, '_>,
    ) {
        if parts.is_empty() {
            return;
        }
        let format = expand(macros, &turn.preset.chat.lore_format);
        let (head, tail) = format.split_once("{0}").unwrap_or_else(|| {
            if !format.trim().is_empty() {
                ledger
                    .warnings
                    .push("The preset's format of lore has no {0}; lore is put in without it.".to_owned());
            }
            ("", "")
        });
        let text = [head, &joined(&parts), tail].concat();
        ledger.include_within(parts, &text, role, TOKENS_PER_MESSAGE);
        self.slots.push(Slot::Message(Built::new(role, text)));
    }

    /// Personality or scenario with the lore beside it, in the preset's format.
    fn card_field(
        &mut self,
        turn: &TurnPrompt<'a>,
        entry: &'a PromptEntry,
        marker: Marker,
        lore: &Lore<'a>,
        macros: &mut Macros<'_>,
        ledger: &mut Ledger<'a, '_>,
    ) {
        let (card, preset) = (&turn.card, &turn.preset.chat);
        let (source, field, name, text, format) = if marker == Marker::Personality {
            let format = &preset.personality_format;
            (
                Source::Personality,
                CardField::Personality,
                "personality",
                card.personality,
                format,
            )
        } else {
            let format = &preset.scenario_format;
            (Source::Scenario, CardField::Scenario, "scenario", card.scenario, format)
        };
        let text = expand(macros, text);
        let part = Part::new(source, entry.name.as_str(), text, "the card's");
        let parts: Vec<Part<'a>> = part
            .into_iter()
            .chain(lore.beside(field).filter_map(lore::part))
            .collect();
        let text = framed(format, name, &joined(&parts), macros, &mut ledger.warnings);
        if !text.trim().is_empty() {
            ledger.include_within(parts, &text, entry.role, TOKENS_PER_MESSAGE);
            self.slots.push(Slot::Message(Built::new(entry.role, text)));
        }
    }

    fn leave_out(&self, entry: &'a PromptEntry, reason: &'static str, ledger: &mut Ledger<'a, '_>) {
        let has_text =
            !matches!(entry.slot, PromptSlot::Marker(marker) if !matches!(marker, Marker::Main | Marker::PostHistory));
        let part = Part::new(source(entry), entry.name.as_str(), entry.content.as_str(), reason);
        if let Some(part) = part.filter(|_| has_text) {
            let depth = match entry.slot {
                PromptSlot::InChat { depth, .. } => Some(depth),
                _ => None,
            };
            ledger.leave_out(part, entry.role, depth, reason);
        }
    }
}

fn is_for(entry: &PromptEntry, kind: GenerationKind) -> bool {
    let kind = trigger_name(kind);
    entry.triggers.is_empty()
        || entry
            .triggers
            .iter()
            .any(|trigger| trigger.trim().eq_ignore_ascii_case(kind))
}

fn source(entry: &PromptEntry) -> Source {
    match entry.identifier.as_str() {
        "main" => Source::Main,
        "jailbreak" => Source::PostHistory,
        _ => Source::Preset,
    }
}

/// A prompt with a text of its own, or the card's in its place.
fn preset_part<'a>(
    turn: &TurnPrompt<'a>,
    entry: &'a PromptEntry,
    lore: &Lore<'a>,
    macros: &mut Macros<'_>,
) -> Option<Part<'a>> {
    let source = source(entry);
    let card = match source {
        Source::Main => turn.card.system_prompt,
        Source::PostHistory => turn.card.post_history_instructions,
        _ => "",
    };
    let own = if lore.disables(source) {
        ""
    } else {
        entry.content.as_str()
    };
    let (text, reason) = overridden(macros, own, card, entry.forbid_overrides);
    Part::new(source, entry.name.as_str(), text, reason)
}

fn marker_part<'a>(
    turn: &TurnPrompt<'a>,
    entry: &'a PromptEntry,
    lore: &Lore<'a>,
    macros: &mut Macros<'_>,
) -> Option<Part<'a>> {
    match entry.slot {
        PromptSlot::Marker(Marker::Persona) => persona_at(turn, PersonaPosition::InPrompt, macros),
        PromptSlot::Marker(Marker::Description) => {
            let text = expand(macros, turn.card.description);
            Part::new(Source::Description, entry.name.as_str(), text, "the card's")
        }
        _ => preset_part(turn, entry, lore, macros),
    }
}

const fn position(marker: Marker) -> LorePosition {
    match marker {
        Marker::LoreAfter => LorePosition::AfterCharacter,
        _ => LorePosition::BeforeCharacter,
    }
}
