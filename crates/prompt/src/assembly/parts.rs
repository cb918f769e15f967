//! The texts of a turn, expanded, each with where it comes from.

use std::borrow::Cow;

use tavern_domain::chat::{AuthorsNote, ChatRole, NotePosition};
use tavern_domain::generation::GenerationKind;
use tavern_domain::lore::LorePosition;
use tavern_domain::persona::{PersonaPosition, PersonaText};

use super::input::TurnPrompt;
use super::ledger::Ledger;
use super::output::Source;
use crate::lore::Activated;
use crate::macros::{Macros, has_macros};
use crate::template::{TemplateValue, render};

/// A text that may enter the prompt; never blank.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub(super) source: Source,
    pub(super) label: Cow<'a, str>,
    pub(super) text: Cow<'a, str>,
    /// Why it is in.
    pub(super) reason: &'static str,
}

impl<'a> Part<'a> {
    /// `None` for a blank text.
    pub(super) fn new(
        source: Source,
        label: impl Into<Cow<'a, str>>,
        text: impl Into<Cow<'a, str>>,
        reason: &'static str,
    ) -> Option<Self> {
        let text = trimmed(text.into());
        (!text.is_empty()).then(|| Self {
            source,
            label: label.into(),
            text,
            reason,
        })
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// A text with its macros expanded; not copied if it has none.
pub(super) fn expand<'t>(macros: &mut Macros<'_>, text: &'t str) -> Cow<'t, str> {
    if has_macros(text) {
        Cow::Owned(macros.expand(text))
    } else {
        Cow::Borrowed(text)
    }
}

/// A text of the preset, or the card's instead of it.
pub(super) fn overridden(macros: &mut Macros<'_>, own: &str, card: &str, forbid: bool) -> (String, &'static str) {
    const ORIGINAL: &str = "original";
    if forbid || card.trim().is_empty() {
        return (expand(macros, own).into_owned(), "the preset's");
    }
    // Its macros may have effects, which only count if the text is used.
    let original = if card.to_ascii_lowercase().contains(ORIGINAL) {
        expand(macros, own).into_owned()
    } else {
        String::new()
    };
    (macros.expand_with_original(card, &original), "the card's")
}

/// `format` with its macros expanded and `value` under `name`; blank if `value` is.
pub(super) fn framed(
    format: &str,
    name: &str,
    value: &str,
    macros: &mut Macros<'_>,
    warnings: &mut Vec<String>,
) -> String {
    let value = value.trim();
    if value.is_empty() {
        return String::new();
    }
    render(
        format,
        &[TemplateValue {
            names: &[name],
            text: value,
        }],
        macros,
        warnings,
    )
    .0
}

/// Gives the macros what `{{outlet::name}}` stands for, before anything is expanded.
pub(super) fn set_outlets(turn: &TurnPrompt<'_>, macros: &mut Macros<'_>) {
    let outlets = &mut macros.scene_mut().outlets;
    for entry in &turn.lore.entries {
        let name = entry.place.outlet.trim();
        if entry.place.position != LorePosition::Outlet || name.is_empty() {
            continue;
        }
        let outlet = outlets.entry(name.to_owned()).or_default();
        if !outlet.is_empty() {
            outlet.push('\n');
        }
        outlet.push_str(&entry.content);
    }
}

/// The lore that goes to `position`.
pub(super) fn lore_at<'a>(turn: &TurnPrompt<'a>, position: LorePosition) -> impl Iterator<Item = &'a Activated> {
    turn.lore
        .entries
        .iter()
        .filter(move |entry| entry.place.position == position)
}

pub(super) fn lore_part(entry: &Activated) -> Option<Part<'_>> {
    Part::new(Source::Lore, lore_label(entry), entry.content.as_str(), "activated")
}

fn lore_label(entry: &Activated) -> Cow<'_, str> {
    if entry.comment.trim().is_empty() {
        Cow::Borrowed(&entry.book)
    } else {
        Cow::Owned(format!("{}: {}", entry.book, entry.comment))
    }
}

pub(super) fn lore_parts<'a>(turn: &TurnPrompt<'a>, position: LorePosition) -> Vec<Part<'a>> {
    lore_at(turn, position).filter_map(lore_part).collect()
}

/// Accounts for outlets, whose lore stands inside of other texts: nothing is charged for it here.
pub(super) fn note_outlets<'a>(turn: &TurnPrompt<'a>, texts: &[&str], ledger: &mut Ledger<'a, '_>) {
    let mut mentioned = String::new();
    for entry in lore_at(turn, LorePosition::Outlet) {
        if mentioned.is_empty() {
            mentioned = texts.join("\n").to_lowercase();
        }
        let outlet = entry.place.outlet.trim().to_lowercase();
        if outlet.is_empty() || !mentioned.contains(&format!("outlet::{outlet}")) {
            leave_out_lore(entry, "its outlet is nowhere in the prompt", ledger);
        } else if let Some(part) = lore_part(entry) {
            let reason = "in the text that has its outlet";
            ledger.include(Part { reason, ..part }, entry.place.role, None, 0);
        }
    }
}

pub(super) fn leave_out_lore<'a>(entry: &'a Activated, reason: &'static str, ledger: &mut Ledger<'a, '_>) {
    if let Some(part) = lore_part(entry) {
        ledger.leave_out(part, entry.place.role, None, reason);
    }
}

/// The author's note with what stands around it, top to bottom, where it is due this turn.
pub(super) struct Note<'a> {
    pub(super) parts: Vec<Part<'a>>,
    pub(super) position: NotePosition,
    pub(super) depth: u32,
    pub(super) role: ChatRole,
}

impl<'a> Note<'a> {
    pub(super) fn of(turn: &TurnPrompt<'a>, macros: &mut Macros<'_>, ledger: &mut Ledger<'a, '_>) -> Self {
        let usual = AuthorsNote::default();
        let note = turn.note.unwrap_or(&usual);
        let mut built = Self {
            parts: Vec::new(),
            position: note.position,
            depth: note.depth,
            role: note.role,
        };
        if !is_due(note.interval, turn.user_messages) {
            let reason = "the author's note is not due";
            for entry in lore_at(turn, LorePosition::NoteTop).chain(lore_at(turn, LorePosition::NoteBottom)) {
                leave_out_lore(entry, reason, ledger);
            }
            let persona = [PersonaPosition::NoteTop, PersonaPosition::NoteBottom]
                .into_iter()
                .filter_map(|position| persona_at(turn, position, macros));
            let text = turn.note.map_or("", |note| note.content.as_str());
            let note = Part::new(Source::AuthorsNote, "author's note", text, reason);
            for part in persona.chain(note).collect::<Vec<_>>() {
                ledger.leave_out(part, built.role, None, reason);
            }
            return built;
        }
        built.parts.extend(lore_parts(turn, LorePosition::NoteTop));
        built.parts.extend(persona_at(turn, PersonaPosition::NoteTop, macros));
        if let Some(note) = turn.note {
            let text = expand(macros, &note.content);
            built
                .parts
                .extend(Part::new(Source::AuthorsNote, "author's note", text, "due"));
        }
        built
            .parts
            .extend(persona_at(turn, PersonaPosition::NoteBottom, macros));
        built.parts.extend(lore_parts(turn, LorePosition::NoteBottom));
        built
    }
}

/// Every message, every so many of the user's messages, or never.
const fn is_due(interval: u32, user_messages: u32) -> bool {
    match interval {
        0 => false,
        1 => true,
        _ => user_messages > 0 && user_messages.is_multiple_of(interval),
    }
}

/// The persona's description, if that is where it goes.
pub(super) fn persona_at<'a>(
    turn: &TurnPrompt<'a>,
    position: PersonaPosition,
    macros: &mut Macros<'_>,
) -> Option<Part<'a>> {
    let persona: &'a PersonaText = turn.persona.filter(|persona| persona.position == position)?;
    Part::new(
        Source::Persona,
        persona.name.as_str(),
        expand(macros, &persona.description),
        "the persona's place",
    )
}

/// The user's wish, as an instruction; a quiet generation's task as it is.
pub(super) fn guidance<'a>(
    turn: &TurnPrompt<'a>,
    macros: &mut Macros<'_>,
    warnings: &mut Vec<String>,
) -> Option<Part<'a>> {
    const FRAME: &str = "[{{user}}'s wish for the next reply: {{guidance}}]";
    let guidance = expand(macros, turn.guidance?);
    if turn.kind == GenerationKind::Quiet {
        return Part::new(Source::Guidance, "task", guidance, "asked for this turn");
    }
    let framed = framed(FRAME, "guidance", &guidance, macros, warnings);
    Part::new(Source::Guidance, "guidance", framed, "asked for this turn")
}
