//! Texts among the messages of the chat: which there are, in which order, and where they stand.
//!
//! At one depth, lower orders come first; at one order the assistant's texts, then the user's, then
//! the system's, so that what weighs most is lowest; texts of the same depth, order and role make one
//! message: the preset's first, then the author's note, injections by their source, the card's note,
//! the persona and the lore.

use std::borrow::Cow;
use std::cmp::Reverse;

use tavern_domain::chat::{ChatRole, NotePosition};
use tavern_domain::lore::LorePosition;
use tavern_domain::persona::PersonaPosition;

use super::input::TurnPrompt;
use super::ledger::Ledger;
use super::lore::{self, Lore};
use super::output::Source;
use super::parts::{Note, Part, expand, persona_at};
use crate::lore::Depth;
use crate::macros::Macros;

/// The order of everything that names none.
pub(super) const USUAL_ORDER: i32 = 100;

/// One text among the messages.
pub(super) struct Placed<'a> {
    pub(super) part: Part<'a>,
    pub(super) depth: u32,
    pub(super) order: i32,
    pub(super) role: ChatRole,
    pub(super) rank: u8,
    /// A depth in tokens, which goes before the other; only where the prompt is one text.
    pub(super) in_tokens: Option<Depth>,
}

/// A message made of texts that share a place.
pub(super) struct InjectedMessage {
    /// From the end, the message that is continued not counted.
    pub(super) depth: u32,
    pub(super) role: ChatRole,
    pub(super) text: String,
    pub(super) in_tokens: Option<Depth>,
}

impl InjectedMessage {
    /// Finds the place of a depth in tokens, among messages of so many, oldest first.
    pub(super) fn resolve(&mut self, tokens: &[u32]) {
        let Some(Depth { count, from_start }) = self.in_tokens else {
            return;
        };
        let mut left = count;
        let mut passes = |tokens: &u32| {
            let fits = *tokens <= left;
            left = left.saturating_sub(*tokens);
            fits
        };
        let behind = if from_start {
            let before = tokens.iter().take_while(|tokens| passes(tokens)).count();
            tokens.len().saturating_sub(before)
        } else {
            tokens.iter().rev().take_while(|tokens| passes(tokens)).count()
        };
        self.depth = u32::try_from(behind).unwrap_or(u32::MAX);
    }
}

impl<'a> Placed<'a> {
    pub(super) const fn preset(part: Part<'a>, depth: u32, order: i32, role: ChatRole) -> Self {
        Self {
            part,
            depth,
            order,
            role,
            rank: 0,
            in_tokens: None,
        }
    }

    const fn usual(part: Part<'a>, depth: u32, role: ChatRole, rank: u8) -> Self {
        Self {
            part,
            depth,
            order: USUAL_ORDER,
            role,
            rank,
            in_tokens: None,
        }
    }
}

/// What everybody but the preset puts among the messages.
pub(super) fn collect<'a>(
    turn: &TurnPrompt<'a>,
    lore: &Lore<'a>,
    note: &mut Note<'a>,
    macros: &mut Macros<'_>,
    placed: &mut Vec<Placed<'a>>,
) {
    if note.position == NotePosition::InChat {
        let parts = std::mem::take(&mut note.parts);
        placed.extend(
            parts
                .into_iter()
                .map(|part| Placed::usual(part, note.depth, note.role, 1)),
        );
    }
    let mut injections: Vec<_> = turn.injections.iter().collect();
    injections.sort_by_key(|injection| injection.source);
    for injection in injections {
        let label = format!("{}: {}", injection.source, injection.label);
        let part = Part::new(Source::Injection, label, injection.text, "injected");
        placed.extend(part.map(|part| Placed {
            order: injection.order,
            ..Placed::usual(part, injection.depth, injection.role, 2)
        }));
    }
    for prompt in turn.card.depth_prompts {
        let text = expand(macros, prompt.text);
        let part = Part::new(Source::DepthPrompt, "the card's note", text, "the card's");
        placed.extend(part.map(|part| Placed::usual(part, prompt.depth, prompt.role, 3)));
    }
    if let Some(persona) = turn.persona {
        let part = persona_at(turn, PersonaPosition::AtDepth, macros);
        placed.extend(part.map(|part| Placed::usual(part, persona.depth, persona.role.0, 4)));
    }
    let messages = u32::try_from(turn.history.len()).unwrap_or(u32::MAX);
    for entry in lore.at(LorePosition::AtDepth) {
        let place = &entry.place;
        let depth = if place.from_start {
            messages.saturating_sub(place.depth)
        } else {
            place.depth
        };
        placed.extend(lore::part(entry).map(|part| Placed {
            in_tokens: place.instruct_depth,
            ..Placed::usual(part, depth, place.role, 5)
        }));
    }
}

/// What texts of one message share: depth, order, role, and a depth in tokens.
type Key = (u32, i32, ChatRole, Option<Depth>);

/// Charges what fits, nearest the end first, and joins it to messages, topmost first.
///
/// `continues`: the last message of the chat is not among the messages but behind them; depths count
/// it, and nothing stands behind it. `reserved`: tokens to be left free. `overhead`: what a message of
/// a role costs besides its text.
pub(super) fn fit<'a>(
    mut placed: Vec<Placed<'a>>,
    continues: bool,
    reserved: u32,
    ledger: &mut Ledger<'a, '_>,
    mut overhead: impl FnMut(&mut Ledger<'a, '_>, ChatRole) -> u32,
) -> Vec<InjectedMessage> {
    for text in &mut placed {
        text.depth = text.depth.saturating_sub(u32::from(continues));
    }
    placed.sort_by_key(|text| (Reverse(text.depth), text.order, role_rank(text.role), text.rank));
    // Messages from the end, the texts of each from its end.
    let mut messages: Vec<(Key, Vec<Cow<'a, str>>)> = Vec::new();
    for text in placed.into_iter().rev() {
        let key = (text.depth, text.order, text.role, text.in_tokens);
        let joined = messages.last_mut().filter(|(other, _)| *other == key);
        let around = if joined.is_some() {
            1
        } else {
            overhead(ledger, text.role)
        };
        let tokens = ledger.count(&text.part.text).saturating_add(around);
        let depth = Some(text.depth.saturating_add(u32::from(continues)));
        if tokens > ledger.room().saturating_sub(reserved) {
            ledger.leave_out(text.part, text.role, depth, "no room");
            continue;
        }
        let content = text.part.text.clone();
        match joined {
            Some((_, texts)) => texts.push(content),
            None => messages.push((key, vec![content])),
        }
        ledger.include(text.part, text.role, depth, tokens);
    }
    messages
        .into_iter()
        .rev()
        .map(|((depth, _, role, in_tokens), mut texts)| {
            texts.reverse();
            InjectedMessage {
                depth,
                role,
                text: texts.join("\n"),
                in_tokens,
            }
        })
        .collect()
}

const fn role_rank(role: ChatRole) -> u8 {
    match role {
        ChatRole::Assistant => 0,
        ChatRole::User => 1,
        ChatRole::Tool | ChatRole::System => 2,
    }
}

/// Calls `write` with each message of the history, by its number from the oldest that is kept, and
/// with each injection, in the order of the prompt. What is deeper than the history goes to its top.
pub(super) fn interleave<T>(
    kept: usize,
    injected: Vec<InjectedMessage>,
    state: &mut T,
    mut write: impl FnMut(&mut T, Step),
) {
    let mut injected = injected.into_iter().peekable();
    for index in 0..=kept {
        let from_end = kept.saturating_sub(index);
        while let Some(message) =
            injected.next_if(|message| usize::try_from(message.depth).unwrap_or(usize::MAX) >= from_end)
        {
            write(state, Step::Injected(message));
        }
        if index < kept {
            write(state, Step::History(index));
        }
    }
}

/// What comes next among the messages.
pub(super) enum Step {
    History(usize),
    Injected(InjectedMessage),
}
