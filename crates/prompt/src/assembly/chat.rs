//! The prompt of a chat model: messages in the preset's order.

use std::collections::HashMap;

use tavern_domain::chat::{ChatRole, NotePosition};
use tavern_domain::generation::GenerationKind;
use tavern_domain::lore::{LorePosition, trigger_name};
use tavern_domain::persona::PersonaPosition;

use super::examples::{self, ExampleBlock};
use super::history::{self, Item, Reader, Window};
use super::injections::{self, InjectedMessage, Placed, Step};
use super::input::{HistoryCut, TurnPrompt};
use super::ledger::Ledger;
use super::lore::{self, Lore};
use super::output::{BuiltPrompt, PromptContent, PromptMessage, PromptTooLarge, Source};
use super::parts::{Note, Part, expand, framed, guidance, joined, overridden, persona_at};
use super::{TOKENS_PER_MESSAGE, TOKENS_PER_REPLY};
use crate::lore::CardField;
use crate::macros::Macros;
use crate::preset::{Marker, NamesBehaviour, PromptEntry, PromptSlot};
use crate::tokens::Counter;

/// Where a nudge quotes the message that is continued.
const QUOTE: &str = "lastChatMessage";
/// Bytes of a message's `name`.
const NAME_BYTES: usize = 64;

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

/// How a message is continued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Continued {
    /// The reply begins with it.
    Prefill,
    /// The nudge quotes it.
    Quoted,
    /// It stands in the history.
    InHistory,
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
        .and_then(|last| reader.read_continued(last, macros, counter));

    // What comes last, most urgent lowest.
    let mut tail: Vec<Built> = Vec::new();
    let control = Control::of(turn, continued, last, macros, &mut ledger);
    tail.extend(control.messages);

    ledger.place = history_place;
    let around = Around::of(turn, count, macros, &mut ledger);
    let mut cost = |index: usize, macros: &Macros<'_>| -> Option<(Item<'a>, u32)> {
        let item = reader.read(index, macros, counter)?;
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
        examples::blocks(turn, &lore, macros)
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
        stop: Vec::new(),
        tokens,
        budget: available,
        blocks,
        warnings,
        dropped_messages,
        dropped_examples: examples.dropped,
        first_included: first_included.or(turn.history.len().checked_sub(1).filter(|_| taken)),
        anchor,
        prefill: control.prefill,
        continue_postfix: continued.map(|_| preset.continue_postfix.clone()).unwrap_or_default(),
    })
}

fn continued(turn: &TurnPrompt<'_>) -> Option<Continued> {
    if turn.kind != GenerationKind::Continue {
        return None;
    }
    let last = turn.history.last()?;
    let preset = &turn.preset.chat;
    Some(if preset.continue_prefill && last.role == ChatRole::Assistant {
        Continued::Prefill
    } else if preset
        .continue_nudge
        .to_ascii_lowercase()
        .contains(&QUOTE.to_ascii_lowercase())
    {
        Continued::Quoted
    } else {
        Continued::InHistory
    })
}

/// The fixed texts in their places, and what the preset puts among the messages.
struct Fixed<'a> {
    slots: Vec<Slot>,
    placed: Vec<Placed<'a>>,
    examples_place: Option<usize>,
    has_history: bool,
}

impl<'a> Fixed<'a> {
    fn of(turn: &TurnPrompt<'a>, lore: &Lore<'a>, macros: &mut Macros<'_>, ledger: &mut Ledger<'a, '_>) -> Self {
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
    fn history_place(&mut self) -> usize {
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

/// What the kind of generation asks for, last of all.
struct Control {
    messages: Vec<Built>,
    prefill: Option<String>,
}

impl Control {
    fn of<'a>(
        turn: &TurnPrompt<'a>,
        continued: Option<Continued>,
        last: Option<Item<'a>>,
        macros: &mut Macros<'_>,
        ledger: &mut Ledger<'a, '_>,
    ) -> Self {
        let preset = &turn.preset.chat;
        let mut messages = Vec::new();
        let mut add = |part: Option<Part<'a>>, role, ledger: &mut Ledger<'a, '_>| {
            if let Some(part) = part {
                let text = ledger.include_joined(vec![part], role, TOKENS_PER_MESSAGE);
                messages.push(Built::new(role, text));
            }
        };
        let guidance = guidance(turn, macros, &mut ledger.warnings);
        add(guidance, ChatRole::System, ledger);
        if turn.kind == GenerationKind::Impersonate {
            let text = expand(macros, &preset.impersonation);
            let part = Part::new(Source::Control, "impersonation", text, "for the user");
            add(part, ChatRole::System, ledger);
        }
        let nudge = match (continued, &last) {
            (Some(Continued::InHistory), _) => expand(macros, &preset.continue_nudge).into_owned(),
            (Some(Continued::Quoted), Some(last)) => {
                framed(&preset.continue_nudge, QUOTE, &last.text, macros, &mut ledger.warnings)
            }
            _ => String::new(),
        };
        let part = Part::new(Source::Control, "continue", nudge, "to go on");
        add(part, ChatRole::System, ledger);

        let prefill = match turn.kind {
            GenerationKind::Continue => last.filter(|_| continued == Some(Continued::Prefill)).map(|last| {
                (
                    last.text.into_owned() + &preset.continue_postfix,
                    "the message that is continued",
                )
            }),
            GenerationKind::Impersonate => Some((
                expand(macros, &preset.impersonation_prefill).into_owned(),
                "the preset's",
            )),
            GenerationKind::Quiet => None,
            _ => Some((expand(macros, &preset.assistant_prefill).into_owned(), "the preset's")),
        };
        let prefill = prefill.filter(|(text, _)| !text.trim().is_empty());
        if let Some((text, reason)) = &prefill {
            let part = Part {
                source: Source::Prefill,
                label: "prefill".into(),
                text: text.clone().into(),
                reason,
            };
            let tokens = ledger.count(text).saturating_add(TOKENS_PER_MESSAGE);
            ledger.include(part, ChatRole::Assistant, None, tokens);
            messages.push(Built {
                is_marker: true,
                ..Built::new(ChatRole::Assistant, text.clone())
            });
        }
        Self {
            messages,
            prefill: prefill.map(|(text, _)| text),
        }
    }
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

/// Examples that are in.
#[derive(Default)]
struct Examples {
    messages: Vec<Built>,
    dropped: usize,
}

impl Examples {
    /// Takes blocks as long as they fit, first ones first.
    fn fit<'a>(
        &mut self,
        turn: &TurnPrompt<'a>,
        blocks: &[ExampleBlock<'a>],
        reserved: u32,
        has_room: bool,
        macros: &mut Macros<'_>,
        ledger: &mut Ledger<'a, '_>,
    ) {
        let preset = &turn.preset.chat;
        let is_group = macros.scene().is_group;
        let heading = expand(macros, &preset.new_example);
        let heading = heading.trim();
        let names = [false, true].map(|is_user| ledger.count(example_name(is_user)));
        let mut is_full = !has_room;
        for block in blocks {
            let mut tokens = match heading {
                "" => 0,
                _ => ledger.count(heading).saturating_add(TOKENS_PER_MESSAGE),
            };
            let mut messages = Vec::with_capacity(block.lines.len().saturating_add(1));
            if !heading.is_empty() {
                messages.push(Built {
                    is_marker: true,
                    ..Built::new(ChatRole::System, heading.to_owned())
                });
            }
            for line in &block.lines {
                let content = if is_group {
                    format!("{}: {}", line.name, line.text)
                } else {
                    line.text.clone()
                };
                let [assistant, user] = names;
                let name = if line.is_user { user } else { assistant };
                tokens = tokens
                    .saturating_add(ledger.count(&content))
                    .saturating_add(name)
                    .saturating_add(TOKENS_PER_MESSAGE);
                let mut built = Built::new(ChatRole::System, content);
                built.message.name = Some(example_name(line.is_user).to_owned());
                messages.push(built);
            }
            let text = block.transcript();
            let Some(part) = Part::new(Source::Examples, block.label.clone(), text, "fits") else {
                continue;
            };
            is_full |= tokens > ledger.room().saturating_sub(reserved);
            if is_full {
                self.dropped = self.dropped.saturating_add(1);
                ledger.leave_out(part, ChatRole::System, None, "no room");
            } else {
                ledger.include(part, ChatRole::System, None, tokens);
                self.messages.append(&mut messages);
            }
        }
    }
}

const fn example_name(is_user: bool) -> &'static str {
    if is_user { "example_user" } else { "example_assistant" }
}

/// How the speakers of a chat are told to the model.
struct Voices<'a> {
    behaviour: NamesBehaviour,
    is_group: bool,
    user: String,
    counter: Counter,
    known: HashMap<(ChatRole, &'a str), Voice>,
}

/// How one speaker is.
#[derive(Clone, Default)]
struct Voice {
    prefix: String,
    field: Option<String>,
    tokens: u32,
}

impl<'a> Voices<'a> {
    fn new(behaviour: NamesBehaviour, macros: &Macros<'_>, counter: &Counter) -> Self {
        Self {
            behaviour,
            is_group: macros.scene().is_group,
            user: macros.scene().user.clone().into_owned(),
            counter: counter.clone(),
            known: HashMap::new(),
        }
    }

    fn tokens(&mut self, role: ChatRole, name: &'a str) -> u32 {
        self.voice(role, name).tokens
    }

    fn voice(&mut self, role: ChatRole, name: &'a str) -> &Voice {
        let Self {
            behaviour,
            is_group,
            user,
            counter,
            known,
        } = self;
        known.entry((role, name)).or_insert_with(|| {
            let mut voice = Voice::default();
            if name.is_empty() || !matches!(role, ChatRole::User | ChatRole::Assistant) {
                return voice;
            }
            match behaviour {
                NamesBehaviour::None => {}
                NamesBehaviour::Groups if !*is_group || name == user => {}
                NamesBehaviour::Field => {
                    voice.field = field_name(name);
                    // A name that the field cannot hold still tells who speaks.
                    if voice.field.is_none() {
                        voice.prefix = format!("{name}: ");
                    }
                }
                NamesBehaviour::Groups | NamesBehaviour::Content => voice.prefix = format!("{name}: "),
            }
            let field = voice.field.as_deref().unwrap_or_default();
            voice.tokens = counter.count(&voice.prefix).saturating_add(counter.count(field));
            voice
        })
    }
}

/// A name as providers take it; `None` if nothing is left of it.
fn field_name(name: &str) -> Option<String> {
    let mut field = String::new();
    for c in name.chars() {
        if field.len() == NAME_BYTES {
            break;
        }
        if c.is_ascii_alphanumeric() || c == '-' {
            field.push(c);
        } else if !field.ends_with('_') {
            field.push('_');
        }
    }
    field.contains(|c: char| c.is_ascii_alphanumeric()).then_some(field)
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
