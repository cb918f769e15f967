//! The prompt of a completion model: one text.

mod examples;
mod story;

use std::borrow::Cow;
use std::cmp::Reverse;

use tavern_domain::chat::ChatRole;
use tavern_domain::generation::GenerationKind;

use super::TEXT_PADDING;
use super::examples::blocks;
use super::history::{self, Item, Reader};
use super::injections::{self, InjectedMessage, Step};
use super::input::{HistoryCut, HistoryMessage, TurnPrompt};
use super::ledger::Ledger;
use super::lore::Lore;
use super::output::{BuiltPrompt, PromptContent, PromptTooLarge, Source};
use super::parts::{Note, Part, expand, guidance, overridden};
use crate::macros::Macros;
use crate::preset::StoryPlace;
use crate::reply::{self, StopOptions};
use crate::template::{AffixCache, Formatter, LastLine, Line, Place};
use crate::tokens::Counter;
use examples::Examples;
use story::Story;

/// Places of the prompt, for the account.
mod place {
    pub(super) const STORY: usize = 0;
    pub(super) const EXAMPLES: usize = 1;
    pub(super) const HISTORY: usize = 2;
    pub(super) const TAIL: usize = 3;
}

pub(super) fn build<'a>(
    turn: &TurnPrompt<'a>,
    macros: &mut Macros<'_>,
    counter: &Counter,
) -> Result<BuiltPrompt<'a>, PromptTooLarge> {
    let context = &turn.preset.context;
    let room = turn.budget.context.saturating_sub(turn.budget.response);
    let available = room.saturating_sub(TEXT_PADDING);
    let mut ledger = Ledger::new(counter, available, 0);
    let formatter = Formatter::new(turn.preset.instruct.as_ref(), macros);
    let mut affixes = AffixCache::default();

    let lore = Lore::of(turn, available, counter);
    lore.set_outlets(macros);
    lore.account(&outlet_texts(turn), &mut ledger);
    let mut note = Note::of(turn, &lore, macros, &mut ledger);
    let in_story = context.story_string.contains("{{mesExamples");
    let blocks = blocks(turn, &lore, macros);
    let examples = Examples::new(turn, &blocks, &formatter, macros);
    let story = Story::of(turn, &lore, &mut note, &examples, macros, &mut ledger);
    let story_text = story.whole(context.story_place, &formatter);
    ledger.place = place::STORY;
    let around = match context.story_place {
        StoryPlace::BeforeChat => 0,
        StoryPlace::AtDepth { role, .. } => around_tokens(&formatter, role, &ledger),
    };
    story.charge(&story_text, around, &mut ledger);
    ledger.place = place::HISTORY;
    let chat_start = expand(macros, &context.chat_start);
    let chat_start = match chat_start.trim() {
        "" => String::new(),
        start => format!("{start}\n"),
    };
    include_template(&mut ledger, "chat start", &chat_start, ChatRole::System);

    ledger.place = place::TAIL;
    let takes_last = turn.kind == GenerationKind::Continue && !turn.history.is_empty();
    let mut reader = Reader::new(turn);
    let tail = Tail::of(turn, &lore, &formatter, &mut reader, macros, &mut ledger);

    let count = turn.history.len().saturating_sub(usize::from(takes_last));
    let places = Places::of(turn.history.get(..count).unwrap_or_default());
    let mut cost = |index: usize, macros: &Macros<'_>, affixes: &mut AffixCache<'a>| -> Option<(Item<'a>, u32)> {
        let item = reader.read(index, false, macros, counter)?;
        let (_, around) = affixes.get(&formatter, line(&item, places.at(index)), |text| counter.count(text));
        let tokens = item.text_tokens.saturating_add(*around);
        Some((item, tokens))
    };
    let newest_index = count.checked_sub(1);
    let mut newest = newest_index.and_then(|index| cost(index, macros, &mut affixes));
    let alignment = alignment(&formatter, macros);
    let alignment_tokens = ledger.count(&alignment);
    let newest_tokens = newest.as_ref().map_or(0, |(_, tokens)| *tokens);
    let reserved = newest_tokens.saturating_add(alignment_tokens);
    ledger.check(reserved)?;

    ledger.place = place::HISTORY;
    let mut placed = Vec::new();
    injections::collect(turn, &lore, &mut note, macros, &mut placed);
    let mut injected = injections::fit(placed, takes_last, reserved, &mut ledger, |ledger, role| {
        around_tokens(&formatter, role, ledger)
    });
    if let StoryPlace::AtDepth { depth, role } = context.story_place {
        injected.push(InjectedMessage {
            depth: depth.saturating_sub(u32::from(takes_last)),
            role,
            text: story_text.clone(),
            in_tokens: None,
        });
    }

    let pins = turn.preset.chat.pin_examples;
    let mut shown_examples = String::new();
    let mut dropped_examples = 0;
    let mut fit_examples = |has_room: bool, reserved: u32, ledger: &mut Ledger<'a, '_>| {
        ledger.place = place::EXAMPLES;
        if !in_story {
            (shown_examples, dropped_examples) = examples.fit(&blocks, has_room, reserved, ledger);
        }
    };
    if pins {
        fit_examples(true, reserved, &mut ledger);
    }
    ledger.place = place::HISTORY;
    let room = ledger.room().saturating_sub(alignment_tokens);
    let window = history::window(turn, count, room, true, |index| {
        if Some(index) == newest_index {
            newest.take()
        } else {
            cost(index, macros, &mut affixes)
        }
    });
    history::account(&window, count, &mut ledger);
    let sizes: Vec<u32> = window.items.iter().map(|(_, tokens)| *tokens).collect();
    for message in &mut injected {
        message.resolve(&sizes);
    }
    injected.sort_by_key(|message| Reverse(message.depth));
    let starts_with_user = window.items.first().is_none_or(|(item, _)| item.role == ChatRole::User);
    if !starts_with_user {
        include_template(&mut ledger, "user alignment", &alignment, ChatRole::User);
    }
    if !pins {
        let has_room = !window.is_cut || turn.cut == HistoryCut::Exact;
        fit_examples(has_room, 0, &mut ledger);
    }

    let first_included = window.items.first().map(|(item, _)| item.index);
    let anchor = first_included
        .filter(|_| window.is_cut && turn.cut == HistoryCut::Steps)
        .and_then(|first| Some(turn.history.get(first)?.id));
    let dropped_messages = count.saturating_sub(window.items.len());
    let length: usize = window
        .items
        .iter()
        .map(|(item, _)| item.text.len().saturating_add(64))
        .sum();
    let mut text = String::with_capacity(length.saturating_add(story_text.len()).saturating_add(1024));
    if context.story_place == StoryPlace::BeforeChat {
        text.push_str(&story_text);
    }
    text.push_str(&shown_examples);
    text.push_str(&chat_start);
    if !starts_with_user {
        text.push_str(&alignment);
    }
    let items = &window.items;
    injections::interleave(items.len(), injected, &mut text, |text, step| match step {
        Step::Injected(message) => {
            let around = formatter.affixes(voiceless(message.role));
            for part in [around.prefix.as_str(), &message.text, &around.suffix] {
                text.push_str(part);
            }
        }
        Step::History(index) => {
            if let Some((item, _)) = items.get(index) {
                let line = line(item, places.at(item.index));
                let (around, _) = affixes.get(&formatter, line, |text| counter.count(text));
                for part in [around.prefix.as_str(), &item.text, &around.suffix] {
                    text.push_str(part);
                }
            }
        }
    });
    if formatter.wraps() && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&tail.text);
    let stop = stop_strings(turn, &formatter, macros);
    let tokens = ledger.used;
    let (blocks, warnings) = ledger.into_blocks();
    Ok(BuiltPrompt {
        content: PromptContent::Text(text),
        stop,
        tokens,
        budget: available,
        blocks,
        warnings,
        dropped_messages,
        dropped_examples,
        first_included: first_included.or(turn.history.len().checked_sub(1).filter(|_| takes_last)),
        anchor,
        prefill: tail.prefill,
        continue_postfix: String::new(),
    })
}

/// What comes behind the history.
struct Tail {
    text: String,
    prefill: Option<String>,
}

impl Tail {
    /// Instructions, and the message that is continued or the line that the reply is written behind.
    fn of<'a>(
        turn: &TurnPrompt<'a>,
        lore: &Lore<'a>,
        formatter: &Formatter,
        reader: &mut Reader<'a>,
        macros: &mut Macros<'_>,
        ledger: &mut Ledger<'a, '_>,
    ) -> Self {
        let mut text = String::new();
        let instructions = [
            post_history(turn, lore, macros),
            guidance(turn, macros, &mut ledger.warnings),
        ];
        for part in instructions.into_iter().flatten() {
            let around = formatter.affixes(voiceless(ChatRole::System));
            let mut tokens: u32 = 0;
            for piece in [around.prefix.as_str(), &part.text, &around.suffix] {
                text.push_str(piece);
                tokens = tokens.saturating_add(ledger.count(piece));
            }
            ledger.include(part, ChatRole::System, None, tokens);
        }
        let last = turn.history.len().checked_sub(1);
        let last = last.filter(|_| turn.kind == GenerationKind::Continue);
        let Some(item) = last.and_then(|last| reader.read(last, true, macros, ledger.counter)) else {
            let line = last_line(turn, formatter, macros);
            include_template(ledger, "last line", &line, ChatRole::Assistant);
            text.push_str(&line);
            return Self { text, prefill: None };
        };
        let open = formatter.affixes(line(&item, Place::Last)).prefix + &item.text;
        let part = Part {
            source: Source::Prefill,
            label: Cow::Borrowed("prefill"),
            text: item.text.clone(),
            reason: "the message that is continued",
        };
        ledger.include(part, item.role, None, ledger.count(&open));
        text.push_str(&open);
        Self {
            text,
            prefill: Some(item.text.into_owned()),
        }
    }
}

/// Which messages have sequences of their own: the chat's first one, and the user's last.
struct Places {
    last_user: Option<usize>,
}

impl Places {
    fn of(history: &[HistoryMessage<'_>]) -> Self {
        Self {
            last_user: history.iter().rposition(|message| message.role == ChatRole::User),
        }
    }

    fn at(&self, index: usize) -> Place {
        if index == 0 {
            Place::First
        } else if Some(index) == self.last_user {
            Place::Last
        } else {
            Place::Middle
        }
    }
}

/// What stands around a text that is nobody's.
fn around_tokens(formatter: &Formatter, role: ChatRole, ledger: &Ledger<'_, '_>) -> u32 {
    let around = formatter.affixes(voiceless(role));
    ledger
        .count(&around.prefix)
        .saturating_add(ledger.count(&around.suffix))
}

/// What the user says before a history that starts with the character; blank if nothing.
fn alignment(formatter: &Formatter, macros: &mut Macros<'_>) -> String {
    let text = expand(macros, formatter.user_alignment_message());
    if text.trim().is_empty() {
        return String::new();
    }
    let around = formatter.affixes(Line {
        role: ChatRole::User,
        name: &macros.scene().user,
        place: Place::Middle,
    });
    around.prefix + text.trim() + &around.suffix
}

/// A line that is nobody's.
const fn voiceless(role: ChatRole) -> Line<'static> {
    Line {
        role,
        name: "",
        place: Place::Middle,
    }
}

const fn line<'a>(item: &Item<'a>, place: Place) -> Line<'a> {
    Line {
        role: item.role,
        name: item.name,
        place,
    }
}

fn include_template<'a>(ledger: &mut Ledger<'a, '_>, label: &'static str, text: &str, role: ChatRole) {
    if !text.is_empty() {
        let tokens = ledger.count(text);
        let part = Part {
            source: Source::Template,
            label: Cow::Borrowed(label),
            text: Cow::Owned(text.to_owned()),
            reason: "the template's",
        };
        ledger.include(part, role, None, tokens);
    }
}

fn post_history<'a>(turn: &TurnPrompt<'a>, lore: &Lore<'a>, macros: &mut Macros<'_>) -> Option<Part<'a>> {
    let own = turn.preset.system.as_ref().filter(|system| system.enabled);
    let own = own.filter(|_| !lore.disables(Source::PostHistory));
    let own = own.map_or("", |system| system.post_history.as_str());
    if !turn.preset.context.allow_post_history {
        return None;
    }
    let (text, reason) = overridden(macros, own, turn.card.post_history_instructions, false);
    Part::new(Source::PostHistory, "post-history instructions", text, reason)
}

/// Texts that may have an outlet.
fn outlet_texts<'a>(turn: &TurnPrompt<'a>) -> Vec<&'a str> {
    let system = turn.preset.system.as_ref();
    let mut texts = vec![
        turn.preset.context.story_string.as_str(),
        turn.card.system_prompt,
        turn.card.post_history_instructions,
    ];
    texts.extend(
        system
            .into_iter()
            .flat_map(|system| [system.content.as_str(), &system.post_history]),
    );
    texts
}

fn last_line(turn: &TurnPrompt<'_>, formatter: &Formatter, macros: &Macros<'_>) -> String {
    let scene = macros.scene();
    let name = match turn.kind {
        GenerationKind::Impersonate => &scene.user,
        _ => &scene.char,
    };
    formatter.last_line(LastLine {
        kind: turn.kind,
        name,
        force_name: turn.preset.context.always_force_name || turn.kind == GenerationKind::Impersonate,
        prefill: "",
    })
}

/// What ends a reply: names of those who do not speak, sequences, what stands around the chat.
fn stop_strings(turn: &TurnPrompt<'_>, formatter: &Formatter, macros: &mut Macros<'_>) -> Vec<String> {
    let context = &turn.preset.context;
    let mut sequences = formatter.stop_strings();
    if context.use_stop_strings {
        for text in [&context.chat_start, &context.example_separator] {
            let text = expand(macros, text);
            if !text.trim().is_empty() {
                sequences.push(format!("\n{}", text.trim()));
            }
        }
    }
    let sequences: Vec<&str> = sequences.iter().map(String::as_str).collect();
    let scene = macros.scene();
    reply::stop_strings(&StopOptions {
        user: &scene.user,
        char: &scene.char,
        members: turn.others,
        impersonate: turn.kind == GenerationKind::Impersonate,
        names: context.names_as_stop_strings,
        single_line: context.single_line,
        sequences: &sequences,
        custom: turn.custom_stops,
    })
}
