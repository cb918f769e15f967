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
use super::input::{HistoryCut, TurnPrompt};
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
    let story_text = match context.story_place {
        StoryPlace::BeforeChat => formatter.story(&story.text),
        StoryPlace::AtDepth { .. } => story.text.clone(),
    };
    ledger.place = place::STORY;
    story.charge(&story_text, &mut ledger);
    ledger.place = place::HISTORY;
    let chat_start = expand(macros, &context.chat_start);
    let chat_start = match chat_start.trim() {
        "" => String::new(),
        start => format!("{start}\n"),
    };
    include_template(&mut ledger, "chat start", &chat_start, ChatRole::System);

    // What comes behind the history.
    ledger.place = place::TAIL;
    let takes_last = turn.kind == GenerationKind::Continue && !turn.history.is_empty();
    let mut reader = Reader::new(turn);
    let mut tail = String::new();
    let post_history = post_history(turn, &lore, macros);
    let guidance = guidance(turn, macros, &mut ledger.warnings);
    for part in [post_history, guidance].into_iter().flatten() {
        let around = formatter.affixes(system_line());
        let tokens = [part.text.as_ref(), &around.prefix, &around.suffix].map(|text| ledger.count(text));
        for text in [around.prefix.as_str(), &part.text, &around.suffix] {
            tail.push_str(text);
        }
        ledger.include(
            part,
            ChatRole::System,
            None,
            tokens.iter().fold(0, |sum, tokens| sum.saturating_add(*tokens)),
        );
    }
    let mut prefill = None;
    if takes_last {
        let last = turn.history.len().saturating_sub(1);
        if let Some(item) = reader.read(last, true, macros, counter) {
            let around = formatter.affixes(line(&item, Place::Last));
            let text = around.prefix + &item.text;
            let part = Part {
                source: Source::Prefill,
                label: Cow::Borrowed("prefill"),
                text: item.text.clone(),
                reason: "the message that is continued",
            };
            let tokens = ledger.count(&text);
            ledger.include(part, item.role, None, tokens);
            prefill = Some(item.text.into_owned());
            tail.push_str(&text);
        }
    } else {
        let last_line = last_line(turn, &formatter, macros);
        include_template(&mut ledger, "last line", &last_line, ChatRole::Assistant);
        tail.push_str(&last_line);
    }

    let count = turn.history.len().saturating_sub(usize::from(takes_last));
    let last_user = turn
        .history
        .get(..count)
        .and_then(|history| history.iter().rposition(|message| message.role == ChatRole::User));
    let place_of = |index: usize| {
        if Some(index) == last_user && index > 0 {
            Place::Last
        } else if index == 0 {
            Place::First
        } else {
            Place::Middle
        }
    };
    let mut cost = |index: usize, macros: &Macros<'_>, affixes: &mut AffixCache<'a>| -> Option<(Item<'a>, u32)> {
        let item = reader.read(index, false, macros, counter)?;
        let (_, around) = affixes.get(&formatter, line(&item, place_of(index)), |text| counter.count(text));
        let tokens = item.text_tokens.saturating_add(*around);
        Some((item, tokens))
    };
    let newest_index = count.checked_sub(1);
    let mut newest = newest_index.and_then(|index| cost(index, macros, &mut affixes));
    let alignment = expand(macros, formatter.user_alignment_message()).trim().to_owned();
    let user = macros.scene().user.clone().into_owned();
    let alignment = match alignment.as_str() {
        "" => String::new(),
        text => {
            let around = formatter.affixes(Line {
                role: ChatRole::User,
                name: &user,
                place: Place::Middle,
            });
            around.prefix + text + &around.suffix
        }
    };
    let alignment_tokens = ledger.count(&alignment);
    let newest_tokens = newest.as_ref().map_or(0, |(_, tokens)| *tokens);
    let reserved = newest_tokens.saturating_add(alignment_tokens);
    ledger.check(reserved)?;

    ledger.place = place::HISTORY;
    let mut placed = Vec::new();
    injections::collect(turn, &lore, &mut note, macros, &mut placed);
    let mut injected = injections::fit(placed, takes_last, reserved, &mut ledger, |ledger, role| {
        let around = formatter.affixes(Line {
            role,
            name: "",
            place: Place::Middle,
        });
        ledger
            .count(&around.prefix)
            .saturating_add(ledger.count(&around.suffix))
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
        for part in [story.anchor_before.as_str(), &story_text, &story.anchor_after] {
            text.push_str(part);
            if !part.is_empty() && part != story_text {
                text.push('\n');
            }
        }
    }
    text.push_str(&shown_examples);
    text.push_str(&chat_start);
    if !starts_with_user {
        text.push_str(&alignment);
    }
    let items = &window.items;
    injections::interleave(items.len(), injected, &mut text, |text, step| match step {
        Step::Injected(message) => {
            let around = formatter.affixes(Line {
                role: message.role,
                name: "",
                place: Place::Middle,
            });
            for part in [around.prefix.as_str(), &message.text, &around.suffix] {
                text.push_str(part);
            }
        }
        Step::History(index) => {
            if let Some((item, _)) = items.get(index) {
                let line = line(item, place_of(item.index));
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
    text.push_str(&tail);
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
        prefill,
        continue_postfix: String::new(),
    })
}

const fn system_line() -> Line<'static> {
    Line {
        role: ChatRole::System,
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
