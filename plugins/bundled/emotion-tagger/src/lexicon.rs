//! Which words tell which emotion.

use std::collections::BTreeMap;

/// A word for each emotion, with a star for any ending, as `emotion: word word`.
const ENGLISH: &str = include_str!("lexicon.txt");

pub const NEUTRAL: &str = "neutral";

/// The emotion that `not` makes of one. Of the others, nothing is left.
const OPPOSITES: [(&str, &str); 8] = [
    ("approval", "disapproval"),
    ("disapproval", "approval"),
    ("joy", "sadness"),
    ("excitement", "disappointment"),
    ("admiration", "disappointment"),
    ("optimism", "disappointment"),
    ("love", "disapproval"),
    ("caring", "annoyance"),
];

pub struct Lexicon {
    names: Vec<String>,
    /// Whole words, and the beginnings of words, each with the place of its emotion's name.
    words: BTreeMap<String, usize>,
    beginnings: BTreeMap<String, usize>,
}

impl Lexicon {
    pub fn english() -> Self {
        let mut lexicon = Self {
            names: vec![NEUTRAL.to_owned()],
            words: BTreeMap::new(),
            beginnings: BTreeMap::new(),
        };
        for (emotion, words) in ENGLISH.lines().filter_map(|line| line.split_once(':')) {
            lexicon.names.push(emotion.to_owned());
            for word in words.split_whitespace() {
                lexicon.add(emotion, word).expect("the emotion was just named");
            }
        }
        lexicon
    }

    /// A word tells the emotion that was named for it last.
    ///
    /// # Errors
    /// When there is no such emotion, or no word.
    pub fn add(&mut self, emotion: &str, word: &str) -> Result<(), String> {
        let place = self
            .names
            .iter()
            .position(|name| name == emotion)
            .ok_or_else(|| format!("there is no emotion `{emotion}`"))?;
        let word = word.trim().to_lowercase();
        match word.strip_suffix('*') {
            Some("") => return Err(format!("`{emotion}` would be in every word")),
            Some(beginning) => self.beginnings.insert(beginning.to_owned(), place),
            None if word.is_empty() => return Err(format!("`{emotion}` has a word without letters")),
            None => self.words.insert(word, place),
        };
        Ok(())
    }

    /// What a word in lower case tells. Of the beginnings, the longest counts.
    pub fn emotion_of(&self, word: &str) -> Option<&str> {
        let place = self.words.get(word).or_else(|| {
            let ends = word.char_indices().map(|(at, letter)| at + letter.len_utf8()).rev();
            ends.map(|end| &word[..end])
                .find_map(|beginning| self.beginnings.get(beginning))
        })?;
        Some(&self.names[*place])
    }

    pub fn opposite(&self, emotion: &str) -> Option<&'static str> {
        OPPOSITES.iter().find(|(of, _)| *of == emotion).map(|(_, is)| *is)
    }

    #[cfg(test)]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}
