//! What is measured on: made up, the same each time.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Words that keys are taken from.
pub const VOCABULARY: usize = 20_000;
/// Words that are no keys, behind them.
const FILLER: usize = 2_000;
/// Of a hundred words of a chat, as many can be keys.
const KEYS_PERCENT: usize = 10;

pub fn random(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// A word of three syllables, another one for each number below a million.
pub fn word(number: usize) -> String {
    const CONSONANTS: &[u8] = b"bcdfghjklmnpqrstvwxz";
    const VOWELS: &[u8] = b"aeiou";
    let mut rest = number * 7_919 % 1_000_000;
    let mut word = String::with_capacity(6);
    for _ in 0..3 {
        let syllable = rest % 100;
        rest /= 100;
        word.push(char::from(CONSONANTS[syllable / 5]));
        word.push(char::from(VOWELS[syllable % 5]));
    }
    word
}

/// A word that is no key.
pub fn filler(random: &mut Xoshiro256PlusPlus) -> String {
    word(VOCABULARY + random.random_range(0..FILLER))
}

/// Sentences of this many words, none of them a key.
pub fn prose(words: usize, random: &mut Xoshiro256PlusPlus) -> String {
    sentences((0..words).map(|_| filler(random)))
}

/// Messages of so many words each, a part of which can be keys.
pub fn chat(messages: usize, words: usize, random: &mut Xoshiro256PlusPlus) -> Vec<String> {
    (0..messages)
        .map(|_| {
            sentences((0..words).map(|_| {
                if random.random_range(0..100) < KEYS_PERCENT {
                    word(random.random_range(0..VOCABULARY))
                } else {
                    filler(random)
                }
            }))
        })
        .collect()
}

/// With a capital and a full stop every twelve words.
fn sentences(words: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for (index, word) in words.enumerate() {
        match index % 12 {
            0 if index > 0 => text.push_str(". "),
            0 => {}
            _ => text.push(' '),
        }
        if index % 12 == 0 {
            text.push_str(&word[..1].to_ascii_uppercase());
            text.push_str(&word[1..]);
        } else {
            text.push_str(&word);
        }
    }
    text.push('.');
    text
}
