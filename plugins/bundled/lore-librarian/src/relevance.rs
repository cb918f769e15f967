//! How well entries fit messages: BM25 over stems, as a part of the best that could be.

use std::collections::BTreeMap;

use tavern_extension::{Candidate, Message};

use crate::stem::stems;

/// Bytes of a message from its end; of an entry's text, and of its title and each key, from their beginning.
const MESSAGE_BYTES: usize = 2_000;
const TEXT_BYTES: usize = 1_000;
const TITLE_BYTES: usize = 200;
/// Bytes of all entries together, so that a large library stays within the fuel; those beyond fit nothing.
const ALL_BYTES: usize = 100_000;
/// Different words of messages that count: the latest.
const MAX_WORDS: usize = 100;

/// How much more a word in the title or a key says than one in the text.
const TITLE: f32 = 3.0;
/// How soon more of the same word says no more.
const SATURATION: f32 = 1.2;
/// How much the length of an entry matters.
const LENGTH: f32 = 0.5;
/// How much less the messages before say, each.
const FADING: f32 = 0.7;

/// For each candidate 0 to 1: 0 shares no word with the messages.
pub fn relevance(recent: &[Message], candidates: &[Candidate]) -> Vec<f32> {
    let words = words_of(recent);
    let entries = read(candidates, &words);
    let average = entries.iter().map(|entry| entry.length).sum::<f32>() / entries.len().max(1) as f32;
    let mut having = vec![0.0; words.len()];
    for word in entries.iter().flat_map(|entry| entry.counts.keys()) {
        having[*word] += 1.0;
    }
    let weights: Vec<f32> = having
        .iter()
        .zip(&words)
        .map(|(having, (_, freshness))| {
            let rare = (1.0 + (entries.len() as f32 - having + 0.5) / (having + 0.5)).ln();
            // A word that no entry has is nothing an entry could fit.
            if *having > 0.0 { rare * freshness } else { 0.0 }
        })
        .collect();
    let most: f32 = weights.iter().sum();
    entries
        .iter()
        .map(|entry| {
            let shortness = 1.0 - LENGTH + LENGTH * entry.length / average.max(1.0);
            let score: f32 = entry
                .counts
                .iter()
                .map(|(word, count)| weights[*word] * count * (SATURATION + 1.0) / (count + SATURATION * shortness))
                .sum();
            if most > 0.0 {
                (score / (most * (SATURATION + 1.0))).clamp(0.0, 1.0)
            } else {
                0.0
            }
        })
        .collect()
}

/// Stems of the messages in their order, each with how fresh it is: 1 in the last message.
fn words_of(recent: &[Message]) -> Vec<(String, f32)> {
    let mut words = BTreeMap::new();
    let mut freshness = 1.0;
    for message in recent.iter().rev() {
        let from = message.text.len().saturating_sub(MESSAGE_BYTES);
        stems(&message.text[message.text.ceil_char_boundary(from)..], |stem| {
            if words.len() < MAX_WORDS && !words.contains_key(stem) {
                words.insert(stem.to_owned(), freshness);
            }
        });
        freshness *= FADING;
    }
    // Every word of every entry is looked for, and halving a list takes fewer comparisons than a tree does.
    words.into_iter().collect()
}

struct Entry {
    /// How often it has which word of the messages, by its place among them.
    counts: BTreeMap<usize, f32>,
    /// In words.
    length: f32,
}

fn read(candidates: &[Candidate], words: &[(String, f32)]) -> Vec<Entry> {
    let mut left = ALL_BYTES;
    candidates
        .iter()
        .map(|candidate| {
            let mut entry = Entry {
                counts: BTreeMap::new(),
                length: 0.0,
            };
            let mut add = |text: &str, most: usize, weight: f32| {
                let text = &text[..text.floor_char_boundary(most.min(left))];
                left -= text.len();
                stems(text, |stem| {
                    entry.length += 1.0;
                    if let Ok(word) = words.binary_search_by(|(word, _)| word.as_str().cmp(stem)) {
                        *entry.counts.entry(word).or_default() += weight;
                    }
                });
            };
            add(&candidate.title, TITLE_BYTES, TITLE);
            candidate.keys.iter().for_each(|key| add(key, TITLE_BYTES, TITLE));
            add(&candidate.text, TEXT_BYTES, 1.0);
            entry
        })
        .collect()
}

#[cfg(test)]
mod tests;
