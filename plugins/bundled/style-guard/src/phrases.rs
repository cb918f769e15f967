//! Looking for phrases: letters of either case alike, any white space for a space.

use std::collections::BTreeMap;

/// What is done about a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Replace(String),
    Mask,
    /// The reply ends with this text.
    Stop(String),
}

pub struct Phrases {
    /// By their first letter, in lower case.
    by_first: BTreeMap<char, Vec<Phrase>>,
    whole_words: bool,
}

struct Phrase {
    /// In lower case.
    letters: Vec<char>,
    action: Action,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    Nothing,
    /// The text ends within what may become a phrase.
    Perhaps,
    /// The first one, and of those the longest; in bytes.
    Phrase {
        start: usize,
        end: usize,
        action: &'a Action,
    },
}

enum Match {
    No,
    Unfinished,
    Until(usize),
}

impl Phrases {
    /// # Errors
    /// Which phrase is empty, or has two actions.
    pub fn new(phrases: impl Iterator<Item = (String, Action)>, whole_words: bool) -> Result<Self, String> {
        let mut by_first: BTreeMap<char, Vec<Phrase>> = BTreeMap::new();
        for (text, action) in phrases {
            let words: Vec<_> = text.split_whitespace().collect();
            let letters: Vec<char> = words.join(" ").chars().map(plain).collect();
            let Some(first) = letters.first() else {
                return Err("an empty phrase is in every text".into());
            };
            let same_first = by_first.entry(*first).or_default();
            if same_first.iter().any(|other| other.letters == letters) {
                return Err(format!("`{text}` has two actions"));
            }
            same_first.push(Phrase { letters, action });
        }
        Ok(Self { by_first, whole_words })
    }

    /// Looks from a byte on. Text that is the `last` one has nothing after it.
    pub fn find(&self, text: &str, from: usize, last: bool) -> Found<'_> {
        let mut before = text[..from].chars().next_back();
        for (offset, letter) in text[from..].char_indices() {
            let start = from + offset;
            let inside_word = self.whole_words && in_word(letter) && before.is_some_and(in_word);
            before = Some(letter);
            if inside_word {
                continue;
            }
            let mut found: Option<(usize, &Action)> = None;
            for phrase in self.by_first.get(&plain(letter)).into_iter().flatten() {
                match self.matches(&text[start..], phrase, last) {
                    Match::No => {}
                    Match::Unfinished => return Found::Perhaps,
                    Match::Until(end) if found.is_none_or(|(other, _)| other < end) => {
                        found = Some((end, &phrase.action));
                    }
                    Match::Until(_) => {}
                }
            }
            if let Some((length, action)) = found {
                return Found::Phrase {
                    start,
                    end: start + length,
                    action,
                };
            }
        }
        Found::Nothing
    }

    /// Whether the text begins with the phrase.
    fn matches(&self, text: &str, phrase: &Phrase, last: bool) -> Match {
        let unfinished = if last { Match::No } else { Match::Unfinished };
        let mut rest = text;
        for letter in &phrase.letters {
            let Some(next) = rest.chars().next() else {
                return unfinished;
            };
            if *letter == ' ' {
                let trimmed = rest.trim_start();
                if trimmed.len() == rest.len() {
                    return Match::No;
                }
                rest = trimmed;
            } else if plain(next) == *letter {
                rest = &rest[next.len_utf8()..];
            } else {
                return Match::No;
            }
        }
        let ends_in_word = phrase.letters.last().copied().is_some_and(in_word);
        if self.whole_words && ends_in_word {
            match rest.chars().next() {
                None if !last => return Match::Unfinished,
                Some(next) if in_word(next) => return Match::No,
                _ => {}
            }
        }
        Match::Until(text.len() - rest.len())
    }
}

/// In lower case, with the plain apostrophe. A letter that becomes several stays as it is.
fn plain(letter: char) -> char {
    let mut lower = letter.to_lowercase();
    match (letter, lower.next(), lower.next()) {
        ('’', ..) => '\'',
        (_, Some(lower), None) => lower,
        _ => letter,
    }
}

fn in_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// All in capitals, or beginning with one, as what it takes the place of.
pub fn with_case_of(original: &str, replacement: &str) -> String {
    let letters: Vec<char> = original.chars().filter(|letter| letter.is_alphabetic()).collect();
    let mut rest = replacement.chars();
    match (letters.first(), rest.next()) {
        _ if letters.len() > 1 && letters.iter().all(|letter| letter.is_uppercase()) => replacement.to_uppercase(),
        (Some(first), Some(begin)) if first.is_uppercase() => begin.to_uppercase().chain(rest).collect(),
        _ => replacement.to_owned(),
    }
}

/// The first letter of each word, and an asterisk for each of the others.
pub fn masked(text: &str) -> String {
    let mut before = ' ';
    text.chars()
        .map(|letter| {
            let hidden = in_word(letter) && in_word(before);
            before = letter;
            if hidden { '*' } else { letter }
        })
        .collect()
}
