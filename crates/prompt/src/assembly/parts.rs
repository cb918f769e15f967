//! The texts of a turn, expanded, each with where it comes from.

use std::borrow::Cow;

use tavern_domain::chat::{AuthorsNote, ChatRole, NotePosition};
use tavern_domain::generation::GenerationKind;
use tavern_domain::lore::LorePosition;
use tavern_domain::persona::{PersonaPosition, PersonaText};

use super::input::TurnPrompt;
use super::ledger::Ledger;
use super::lore::{self, Lore};
use super::output::Source;
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

/// What models and other people wrote: names are put in, and nothing else is done.
pub(super) fn expand_names<'t>(macros: &Macros<'_>, text: &'t str) -> Cow<'t, str> {
    if has_macros(text) {
        let expanded = macros.expand_names(text);
        // Most marks are no macros.
        if expanded == text {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(expanded)
        }
    } else {
        Cow::Borrowed(text)
    }
}

/// A text of the preset, or the card's instead of it.
pub(super) fn overridden(macros: &mut Macros<'_>, own: &str, card: &str, forbid: bool) -> (String, &'static str) {
    if forbid || card.trim().is_empty() {
        (expand(macros, own).into_owned(), "the preset's")
    } else {
        (macros.expand_with_original(card, own), "the card's")
    }
}

/// The texts of parts, one below the other.
pub(super) fn joined(parts: &[Part<'_>]) -> String {
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_ref()).collect();
    texts.join("\n")
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

/// The author's note with what stands around it, top to bottom, where it is due this turn.
pub(super) struct Note<'a> {
    pub(super) parts: Vec<Part<'a>>,
    pub(super) position: NotePosition,
    pub(super) depth: u32,
    pub(super) role: ChatRole,
}

impl<'a> Note<'a> {
    pub(super) fn of(
        turn: &TurnPrompt<'a>,
        lore: &Lore<'a>,
        macros: &mut Macros<'_>,
        ledger: &mut Ledger<'a, '_>,
    ) -> Self {
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
            for entry in lore.at(LorePosition::NoteTop).chain(lore.at(LorePosition::NoteBottom)) {
                lore::leave_out(entry, reason, ledger);
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
        built.parts.extend(lore.parts(LorePosition::NoteTop));
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
        built.parts.extend(lore.parts(LorePosition::NoteBottom));
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
