//! How much of which emotion is in a text.
//!
//! Words count, and count more where an action is told (`*smiles*`), after `very` and its like, and towards
//! the end: what a character does last is what it looks like. `not` turns a word around, or takes it away.

use std::collections::BTreeMap;

use crate::lexicon::Lexicon;

/// Bytes from the end of a reply that are looked at.
const MAX_BYTES: usize = 8_000;
/// Words that a negation reaches.
const REACH: u32 = 3;
/// The weight at which an emotion is half as strong as can be.
const HALF: f32 = 2.0;

const NEGATIONS: [&str; 12] = [
    "not", "no", "never", "without", "hardly", "don't", "doesn't", "didn't", "isn't", "wasn't", "can't", "won't",
];
const STRONGER: [&str; 10] = [
    "very",
    "so",
    "really",
    "extremely",
    "deeply",
    "utterly",
    "incredibly",
    "absolutely",
    "truly",
    "too",
];
const WEAKER: [&str; 6] = ["slightly", "somewhat", "faintly", "barely", "almost", "little"];

/// The strongest emotion, and how strong it is, 0 to 1. Of equals, the one told last.
pub fn strongest<'a>(lexicon: &'a Lexicon, text: &str) -> Option<(&'a str, f32)> {
    let text = &text[text.ceil_char_boundary(text.len().saturating_sub(MAX_BYTES))..];
    let length = text.len().max(1) as f32;
    let mut weights: BTreeMap<&str, (f32, usize)> = BTreeMap::new();
    let (mut negated, mut factor, mut in_action) = (0, 1.0, false);
    for (at, token) in tokens(text) {
        match token {
            Token::Star => in_action = !in_action,
            Token::Break => (negated, factor) = (0, 1.0),
            Token::Word(word) => {
                let word = word.to_lowercase().replace('’', "'");
                if NEGATIONS.contains(&word.as_str()) {
                    negated = REACH;
                    continue;
                }
                if STRONGER.contains(&word.as_str()) {
                    factor = 1.5;
                    continue;
                }
                if WEAKER.contains(&word.as_str()) {
                    factor = 0.5;
                    continue;
                }
                let told = lexicon.emotion_of(&word);
                let emotion = if negated > 0 {
                    told.and_then(|told| lexicon.opposite(told))
                } else {
                    told
                };
                negated = u32::saturating_sub(negated, 1);
                if let Some(emotion) = emotion {
                    let place = 0.75 + 0.5 * at as f32 / length;
                    let action = if in_action { 1.5 } else { 1.0 };
                    let weight = weights.entry(emotion).or_default();
                    *weight = (weight.0 + factor * place * action, at);
                }
                factor = 1.0;
            }
        }
    }
    let (emotion, (weight, _)) = weights
        .into_iter()
        .max_by(|(_, one), (_, other)| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)))?;
    let shouted = 1.0 + 0.1 * text.matches('!').count().min(3) as f32;
    let weight = weight * shouted;
    Some((emotion, weight / (weight + HALF)))
}

enum Token<'a> {
    Word(&'a str),
    /// Begins or ends what is told as done.
    Star,
    /// A negation does not reach over it.
    Break,
}

/// Words, marks and pictures, each with its place in bytes.
fn tokens(text: &str) -> impl Iterator<Item = (usize, Token<'_>)> {
    let kind = |letter: char| match letter {
        '*' => 0,
        '.' | ',' | ';' | ':' | '!' | '?' | '\n' | '…' => 1,
        letter if letter.is_alphanumeric() || letter == '\'' || letter == '’' => 2,
        letter if letter.is_ascii() => 3,
        _ => 4,
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = text.len() - rest.len();
            let first = rest.chars().next()?;
            let length = match kind(first) {
                // Words are as long as they are; pictures are of one letter.
                2 => rest.find(|letter| kind(letter) != 2).unwrap_or(rest.len()),
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            rest = after;
            match kind(first) {
                0 => return Some((at, Token::Star)),
                1 => return Some((at, Token::Break)),
                2 => return Some((at, Token::Word(token.trim_matches('\'')))),
                3 => {}
                _ => return Some((at, Token::Word(token))),
            }
        }
    })
}
