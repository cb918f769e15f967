//! The messages of the chat: how much of them is kept, and how they read.

use std::borrow::Cow;

use tavern_domain::chat::ChatRole;

use super::input::{HistoryCut, HistoryMessage, TurnPrompt};
use super::ledger::Ledger;
use super::output::{Block, Source};
use super::parts::expand_names;
use crate::macros::Macros;
use crate::reply::{ReasoningTemplate, add_reasoning};
use crate::tokens::Counter;

/// A message as the model reads it, the name of its speaker apart.
pub(super) struct Item<'a> {
    pub(super) index: usize,
    pub(super) role: ChatRole,
    pub(super) name: &'a str,
    pub(super) text: Cow<'a, str>,
    /// Of the text alone.
    pub(super) text_tokens: u32,
}

/// Makes items of messages, from the newest to the oldest.
pub(super) struct Reader<'a> {
    history: &'a [HistoryMessage<'a>],
    /// Messages whose reasoning is shown again, still to come.
    reasoning_left: usize,
    shows: ReasoningTemplate,
    hides: ReasoningTemplate,
}

impl<'a> Reader<'a> {
    pub(super) fn new(turn: &TurnPrompt<'a>) -> Self {
        let template = &turn.preset.reasoning;
        Self {
            history: turn.history,
            reasoning_left: if template.add_to_prompts {
                template.max_additions
            } else {
                0
            },
            shows: template.clone(),
            hides: ReasoningTemplate {
                add_to_prompts: false,
                ..template.clone()
            },
        }
    }

    /// `continues`: the message is gone on with, by its reasoning if it has nothing else.
    pub(super) fn read(
        &mut self,
        index: usize,
        continues: bool,
        macros: &Macros<'_>,
        counter: &Counter,
    ) -> Option<Item<'a>> {
        let message = self.history.get(index)?;
        let text = expand_names(macros, message.content);
        let mut item = Item {
            index,
            role: message.role,
            name: message.name,
            text_tokens: match message.tokens {
                Some(tokens) if matches!(text, Cow::Borrowed(_)) => tokens,
                _ => counter.count(&text),
            },
            text,
        };
        if message.role == ChatRole::Assistant && message.reasoning.is_some() {
            let template = if self.reasoning_left > 0 {
                &self.shows
            } else {
                &self.hides
            };
            let shown = add_reasoning(template, &[(&item.text, message.reasoning)], continues).pop();
            if let Some(Cow::Owned(shown)) = shown {
                self.reasoning_left = self.reasoning_left.saturating_sub(1);
                item.text_tokens = counter.count(&shown);
                item.text = Cow::Owned(shown);
            }
        }
        Some(item)
    }
}

/// The messages that are kept, oldest first, and what they cost.
pub(super) struct Window<'a> {
    pub(super) items: Vec<(Item<'a>, u32)>,
    pub(super) tokens: u32,
    /// Whether the history has outgrown its room.
    pub(super) is_cut: bool,
}

/// Keeps the newest of `count` messages that fit into `room`; the newest one in any case, if it
/// `must` be there.
///
/// An outgrown history starts where `anchor` says as long as that fits and is at least half of the room.
pub(super) fn window<'a>(
    turn: &TurnPrompt<'a>,
    count: usize,
    room: u32,
    must: bool,
    mut cost: impl FnMut(usize) -> Option<(Item<'a>, u32)>,
) -> Window<'a> {
    // Newest first, with the cost of it and of all newer ones.
    let mut items: Vec<(Item<'a>, u32)> = Vec::new();
    let mut sums: Vec<u32> = Vec::new();
    let mut is_cut = false;
    for index in (0..count).rev() {
        let Some((item, tokens)) = cost(index) else { continue };
        let sum = sums.last().copied().unwrap_or(0).saturating_add(tokens);
        if sum > room && !(must && sums.is_empty()) {
            is_cut = true;
            break;
        }
        items.push((item, tokens));
        sums.push(sum);
    }
    if is_cut {
        items.truncate(kept(turn, room, &sums, must, &items));
    }
    // What a tool said makes no sense without what asked for it.
    while is_cut && items.len() > 1 && items.last().is_some_and(|(item, _)| item.role == ChatRole::Tool) {
        items.pop();
    }
    let tokens = items.len().checked_sub(1).and_then(|last| sums.get(last)).copied();
    items.reverse();
    Window {
        items,
        tokens: tokens.unwrap_or(0),
        is_cut,
    }
}

/// How many of the newest messages an outgrown history keeps.
fn kept(turn: &TurnPrompt<'_>, room: u32, sums: &[u32], must: bool, items: &[(Item<'_>, u32)]) -> usize {
    if turn.cut == HistoryCut::Exact {
        return sums.len();
    }
    let id = |index: usize| turn.history.get(index).map(|message| message.id);
    let anchored = turn
        .anchor
        .and_then(|anchor| items.iter().position(|(item, _)| id(item.index) == Some(anchor)))
        .filter(|at| sums.get(*at).is_some_and(|sum| *sum >= room / 2));
    match anchored {
        Some(at) => at.saturating_add(1),
        None => {
            let target = room - room / 4;
            let fitting = sums.partition_point(|sum| *sum <= target);
            // Messages larger than the target are kept rather than none.
            fitting.max(usize::from(must || !sums.is_empty())).min(sums.len())
        }
    }
}

/// Accounts for the messages that are kept and those that are not.
pub(super) fn account<'a>(window: &Window<'a>, count: usize, ledger: &mut Ledger<'a, '_>) {
    let first = window.items.first().map_or(count, |(item, _)| item.index);
    let block = |role, label, tokens, included, reason, text, messages| Block {
        source: Source::History,
        label,
        role,
        depth: None,
        tokens,
        included,
        reason,
        text,
        messages,
    };
    if first > 0 {
        let label = Cow::Owned(format!("{first} older messages"));
        let text = Cow::Borrowed("");
        ledger.history(block(ChatRole::User, label, 0, false, "no room", text, 0..first));
    }
    for (item, tokens) in &window.items {
        let messages = item.index..item.index.saturating_add(1);
        ledger.history(block(
            item.role,
            Cow::Borrowed(item.name),
            *tokens,
            true,
            "history",
            item.text.clone(),
            messages,
        ));
    }
    ledger.charge(window.tokens);
}
