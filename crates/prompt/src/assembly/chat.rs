//! The prompt of a chat model: messages in the preset's order.

mod control;
mod examples;
mod fixed;
mod voices;

use tavern_domain::chat::ChatRole;
use tavern_domain::generation::GenerationKind;

use super::examples::blocks;
use super::history::{self, Item, Reader, Window};
use super::injections::{self, InjectedMessage, Step};
use super::input::{HistoryCut, TurnPrompt};
use super::ledger::Ledger;
use super::lore::Lore;
use super::output::{BuiltPrompt, PromptContent, PromptMessage, PromptTooLarge, Source};
use super::parts::{Part, expand};
use super::{TOKENS_PER_MESSAGE, TOKENS_PER_REPLY};
use crate::macros::Macros;
use crate::reply::{self, StopOptions};
use crate::tokens::Counter;
use control::{Continued, Control, continued, postfix};
use examples::Examples;
use fixed::Fixed;
use voices::Voices;

/// A message, and whether it stays apart from its neighbours.
struct Built {
    message: PromptMessage,
    is_marker: bool,
}

impl Built {
    const fn new(role: ChatRole, content: String) -> Self {
        Self {
            message: PromptMessage {
                role,
                name: None,
                content,
            },
            is_marker: false,
        }
    }
}

/// A place of the preset's order.
enum Slot {
    Message(Built),
    Examples,
    History,
}

pub(super) fn build<'a>(
    turn: &TurnPrompt<'a>,
    macros: &mut Macros<'_>,
    counter: &Counter,
) -> Result<BuiltPrompt<'a>, PromptTooLarge> {
    let preset = &turn.preset.chat;
    let available = turn.budget.context.saturating_sub(turn.budget.response);
    let mut ledger = Ledger::new(counter, available, TOKENS_PER_REPLY);
    let lore = Lore::of(turn, available, counter);
    lore.set_outlets(macros);
    let mut fixed = Fixed::of(turn, &lore, macros, &mut ledger);
    let history_place = fixed.history_place();
    ledger.place = fixed.slots.len();

    let continued = continued(turn);
    let taken = matches!(continued, Some(Continued::Prefill | Continued::Quoted));
    let count = if fixed.has_history {
        turn.history.len().saturating_sub(usize::from(taken))
    } else {
        0
    };
    let mut reader = Reader::new(turn);
    let mut voices = Voices::new(preset.names, macros, counter);
    let last = turn.history.len().checked_sub(1);
    let last = last
        .filter(|_| taken)
        .and_then(|last| reader.read(last, true, macros, counter));

    // What comes last, most urgent lowest.
    let mut tail: Vec<Built> = Vec::new();
    let control = Control::of(turn, continued, last, macros, &mut ledger);
    tail.extend(control.messages);

    ledger.place = history_place;
    let around = Around::of(turn, count, macros, &mut ledger);
    let mut cost = |index: usize, macros: &Macros<'_>| -> Option<(Item<'a>, u32)> {
        let continues = continued.is_some() && index.saturating_add(1) == turn.history.len();
        let item = reader.read(index, continues, macros, counter)?;
        let voice = voices.tokens(item.role, item.name);
        let tokens = item
            .text_tokens
            .saturating_add(voice)
            .saturating_add(TOKENS_PER_MESSAGE);
        Some((item, tokens))
    };
    let newest_index = count.checked_sub(1);
    let mut newest = newest_index.and_then(|index| cost(index, macros));
    let reserved = newest.as_ref().map_or(0, |(_, tokens)| *tokens);
    ledger.check(reserved)?;

    let injected = injections::fit(fixed.placed, taken, reserved, &mut ledger, |_, _| TOKENS_PER_MESSAGE);
    let blocks = if fixed.examples_place.is_some() {
        blocks(turn, &lore, macros)
    } else {
        Vec::new()
    };
    ledger.place = fixed.examples_place.unwrap_or_default();
    let mut examples = Examples::default();
    if preset.pin_examples {
        examples.fit(turn, &blocks, reserved, true, macros, &mut ledger);
    }
    ledger.place = history_place;
    let window = history::window(turn, count, ledger.room(), true, |index| {
        if Some(index) == newest_index {
            newest.take()
        } else {
            cost(index, macros)
        }
    });
    history::account(&window, count, &mut ledger);
    if !preset.pin_examples {
        ledger.place = fixed.examples_place.unwrap_or_default();
        // Room that an outgrown history left free is there to be filled by it.
        let has_room = !window.is_cut || turn.cut == HistoryCut::Exact;
        examples.fit(turn, &blocks, 0, has_room, macros, &mut ledger);
    }

    let first_included = window.items.first().map(|(item, _)| item.index);
    let anchor = first_included
        .filter(|_| window.is_cut && turn.cut == HistoryCut::Steps)
        .and_then(|first| Some(turn.history.get(first)?.id));
    let dropped_messages = count.saturating_sub(window.items.len());
    let mut messages: Vec<Built> = Vec::with_capacity(window.items.len().saturating_add(32));
    let mut chat = Some((around, window, injected));
    for slot in fixed.slots.drain(..) {
        match slot {
            Slot::Message(message) => messages.push(message),
            Slot::Examples => messages.append(&mut examples.messages),
            Slot::History => {
                if let Some((around, window, injected)) = chat.take() {
                    write_history(&mut messages, around, window, injected, &mut voices);
                }
            }
        }
    }
    messages.append(&mut tail);
    let tokens = ledger.used;
    let (blocks, warnings) = ledger.into_blocks();
    Ok(BuiltPrompt {
        content: PromptContent::Messages(finish(messages, preset.squash_system)),
        stop: reply::stop_strings(&StopOptions {
            custom: turn.custom_stops,
            ..StopOptions::default()
        }),
        tokens,
        budget: available,
        blocks,
        warnings,
        dropped_messages,
        dropped_examples: examples.dropped,
        first_included: first_included.or(turn.history.len().checked_sub(1).filter(|_| taken)),
        anchor,
        prefill: control.prefill,
        continue_postfix: postfix(turn).to_owned(),
    })
}

/// What stands around the messages of the chat.
struct Around {
    before: Vec<Built>,
    behind: Vec<Built>,
}

impl Around {
    fn of<'a>(turn: &TurnPrompt<'a>, count: usize, macros: &mut Macros<'_>, ledger: &mut Ledger<'a, '_>) -> Self {
        let preset = &turn.preset.chat;
        let is_group = macros.scene().is_group;
        let mut add = |label: &'static str, text: &'a str, role, is_marker, reason| {
            let part = Part::new(Source::Template, label, expand(macros, text), reason)?;
            let text = ledger.include_joined(vec![part], role, TOKENS_PER_MESSAGE);
            Some(Built {
                is_marker,
                ..Built::new(role, text)
            })
        };
        let new_chat = if is_group {
            &preset.new_group_chat
        } else {
            &preset.new_chat
        };
        let before = add("new chat", new_chat, ChatRole::System, true, "before the chat");
        let mut behind = Vec::new();
        let answers = matches!(
            turn.kind,
            GenerationKind::Normal | GenerationKind::Regenerate | GenerationKind::Swipe
        );
        let last = count.checked_sub(1).and_then(|last| turn.history.get(last));
        if answers && last.is_some_and(|last| last.role == ChatRole::Assistant) {
            let reason = "the character spoke last";
            behind.extend(add(
                "send if empty",
                &preset.send_if_empty,
                ChatRole::User,
                false,
                reason,
            ));
        }
        if is_group && !matches!(turn.kind, GenerationKind::Impersonate | GenerationKind::Quiet) {
            behind.extend(add(
                "group nudge",
                &preset.group_nudge,
                ChatRole::System,
                true,
                "in a group",
            ));
        }
        Self {
            before: before.into_iter().collect(),
            behind,
        }
    }
}

fn write_history<'a>(
    messages: &mut Vec<Built>,
    around: Around,
    window: Window<'a>,
    injected: Vec<InjectedMessage>,
    voices: &mut Voices<'a>,
) {
    messages.extend(around.before);
    let mut items = window.items.into_iter();
    injections::interleave(items.len(), injected, messages, |messages, step| match step {
        Step::Injected(InjectedMessage { role, text, .. }) => messages.push(Built::new(role, text)),
        Step::History(_) => {
            if let Some((item, _)) = items.next() {
                let voice = voices.voice(item.role, item.name);
                let content = if voice.prefix.is_empty() {
                    item.text.into_owned()
                } else {
                    [voice.prefix.as_str(), &item.text].concat()
                };
                let name = voice.field.clone();
                let message = PromptMessage {
                    role: item.role,
                    name,
                    content,
                };
                // A narrator of the chat is no instruction.
                let is_marker = item.role == ChatRole::System;
                messages.push(Built { message, is_marker });
            }
        }
    });
    messages.extend(around.behind);
}

/// Nothing blank, and neighbouring system messages joined if the preset wants it.
fn finish(built: Vec<Built>, squash: bool) -> Vec<PromptMessage> {
    let mut messages: Vec<PromptMessage> = Vec::with_capacity(built.len());
    let mut joins = false;
    for Built { message, is_marker } in built {
        if message.content.trim_start().is_empty() {
            continue;
        }
        let plain = squash && message.role == ChatRole::System && message.name.is_none() && !is_marker;
        match messages.last_mut() {
            Some(last) if plain && joins => {
                last.content.push('\n');
                last.content.push_str(&message.content);
            }
            _ => messages.push(message),
        }
        joins = plain;
    }
    messages
}
