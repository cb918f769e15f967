//! Which notes come back: those that share rare words with the latest messages, and the latest of the others.

use std::collections::{BTreeMap, BTreeSet};

use tavern_extension::{Message, text};

use crate::notes::{Notes, words};

/// Messages that notes are compared with, and bytes of each from its end.
const RECENT_MESSAGES: usize = 6;
const RECENT_BYTES: usize = 2_000;

/// Lines for the prompt, in the order they were noted, as many as fit into the tokens with their heading.
pub fn choose(notes: &Notes, history: &[Message], max_tokens: u32, heading: &str) -> Vec<String> {
    let recent = recent_words(history);
    let notes_words: Vec<_> = notes.notes.iter().map(|note| words(&note.text)).collect();
    let mut common: BTreeMap<&str, u32> = BTreeMap::new();
    for word in notes_words.iter().flatten() {
        *common.entry(word).or_default() += 1;
    }
    let mut ranked: Vec<(f64, usize)> = notes_words
        .iter()
        .enumerate()
        .map(|(index, words)| {
            let shared = words.intersection(&recent);
            // A word that most notes have says little of which one is meant.
            let weight: f64 = shared.map(|word| 1.0 / f64::from(common[word.as_str()])).sum();
            let marked = if notes.notes[index].marked { 0.25 } else { 0.0 };
            (weight + marked, index)
        })
        .collect();
    // Of those that fit equally well, the latest.
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0).then(other.1.cmp(&one.1)));

    let mut left = max_tokens.saturating_sub(text::count_tokens(heading) + 1);
    let mut fits = |line: &str| {
        let tokens = text::count_tokens(line) + 1;
        let fits = tokens <= left;
        if fits {
            left -= tokens;
        }
        fits
    };
    let summary = Some(notes.summary.clone()).filter(|summary| !summary.is_empty() && fits(summary));
    let mut chosen: Vec<(usize, String)> = ranked
        .into_iter()
        .map(|(_, index)| (index, format!("- {}", notes.notes[index].text)))
        .filter(|(_, line)| fits(line))
        .collect();
    chosen.sort_unstable();
    summary
        .into_iter()
        .chain(chosen.into_iter().map(|(_, line)| line))
        .collect()
}

fn recent_words(history: &[Message]) -> BTreeSet<String> {
    history[history.len().saturating_sub(RECENT_MESSAGES)..]
        .iter()
        .flat_map(|message| {
            let from = message.text.len().saturating_sub(RECENT_BYTES);
            words(&message.text[message.text.ceil_char_boundary(from)..])
        })
        .collect()
}

#[cfg(test)]
mod tests;
