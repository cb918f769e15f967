//! What a stream filter waits for: words, and regular expressions. Made once a chain, from what a manifest
//! says and the settings that it names.
//!
//! Words are found however they are written: letters of either case are alike, so is white space of any kind
//! and length, and so are the two apostrophes.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::{RegexSet, RegexSetBuilder};
use serde_json::Value;

use crate::manifest::HookSettings;

/// Words and patterns of one filter, and bytes of each.
const MOST: usize = 256;
const LONGEST: usize = 256;
/// Bytes that the patterns of one filter may take when compiled.
const PATTERN_BYTES: usize = 1 << 20;

/// Seen in every text, in none, or where it matches.
pub(crate) struct Triggers {
    /// In order, so that all that begin alike stand together.
    words: Vec<String>,
    longest: usize,
    finder: Option<AhoCorasick>,
    patterns: Option<RegexSet>,
}

impl Triggers {
    /// `None` if the filter is to see everything: it names no triggers, or such as cannot be looked for. A
    /// filter that is called too often does its work; one that is called too seldom does not.
    pub fn new(settings: &HookSettings, config: &Value) -> Option<Self> {
        let (triggers, patterns) = (&settings.triggers, &settings.patterns);
        if triggers.len() + patterns.len() + settings.trigger_settings.len() == 0 {
            return None;
        }
        if triggers.iter().chain(patterns).any(String::is_empty) {
            return None;
        }
        let set = settings.trigger_settings.iter().flat_map(|name| texts(&config[name]));
        // One that says nothing looks for nothing.
        let set = set.map(str::trim).filter(|text| !text.is_empty());
        let words = triggers.iter().map(String::as_str).chain(set);
        let mut words: Vec<String> = words.map(|text| Plain::of(text).text).collect();
        words.sort_unstable();
        words.dedup();
        let longest = words.iter().map(String::len).max().unwrap_or(0);
        let longest_pattern = patterns.iter().map(String::len).max().unwrap_or(0);
        if words.len().max(patterns.len()) > MOST || longest.max(longest_pattern) > LONGEST {
            return None;
        }
        let finder = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&words)
            .ok()?;
        let patterns = match patterns.is_empty() {
            true => None,
            false => Some(
                RegexSetBuilder::new(patterns)
                    .size_limit(PATTERN_BYTES)
                    .dfa_size_limit(PATTERN_BYTES)
                    .build()
                    .ok()?,
            ),
        };
        Some(Self {
            finder: (!words.is_empty()).then_some(finder),
            words,
            longest,
            patterns,
        })
    }

    pub fn is_match(&self, text: &str) -> bool {
        let has_word = |finder: &AhoCorasick| finder.is_match(&Plain::of(text).text);
        self.finder.as_ref().is_some_and(has_word)
            || self.patterns.as_ref().is_some_and(|patterns| patterns.is_match(text))
    }

    /// How many bytes at the end of `text` may be the beginning of a trigger's words, and must wait for what
    /// follows: from where the word begins that they are in, so that whoever is asked sees whole words. A
    /// regular expression waits for nothing: it sees what is flushed together.
    pub fn begun(&self, text: &str) -> usize {
        let plain = Plain::of(text);
        let far = plain.text.len().saturating_sub(self.longest);
        let mut places = plain.places.iter().filter(|(at, _)| *at >= far);
        let begins = places.find(|(at, _)| self.begins(&plain.text[*at..]));
        begins.map_or(0, |(_, from)| text.len() - word_start(text, *from))
    }

    /// Whether some trigger goes on behind this.
    fn begins(&self, text: &str) -> bool {
        let next = self.words.partition_point(|word| word.as_str() <= text);
        self.words.get(next).is_some_and(|word| word.starts_with(text))
    }
}

/// The texts of a setting: itself, those in a list, the names in an object.
fn texts(setting: &Value) -> Vec<&str> {
    match setting {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        Value::Object(fields) => fields.keys().map(String::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// A text in which all that is alike is the same.
struct Plain {
    text: String,
    /// Where each character is in it, and in the text that it was made of.
    places: Vec<(usize, usize)>,
}

impl Plain {
    fn of(original: &str) -> Self {
        let mut plain = Self {
            text: String::with_capacity(original.len()),
            places: Vec::with_capacity(original.len()),
        };
        for (from, character) in original.char_indices() {
            let character = alike(character);
            if character == ' ' && plain.text.ends_with(' ') {
                continue;
            }
            plain.places.push((plain.text.len(), from));
            plain.text.push(character);
        }
        plain
    }
}

/// What stands for all characters that are alike. A letter that becomes several in lower case stays.
fn alike(character: char) -> char {
    let mut lower = character.to_lowercase();
    match (character, lower.next(), lower.next()) {
        ('’', ..) => '\'',
        (space, ..) if space.is_whitespace() => ' ',
        (_, Some(lower), None) => lower,
        _ => character,
    }
}

/// Where the word begins that ends at `at`, or `at` itself where none does.
pub(crate) fn word_start(text: &str, at: usize) -> usize {
    text[..at].trim_end_matches(in_word).len()
}

/// What words are made of, where there is something between them: the scripts of East Asia put nothing there.
pub(crate) fn in_word(character: char) -> bool {
    let is_east_asian = matches!(
        character,
        '\u{2e80}'..='\u{a4cf}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}'
    );
    character == '_' || character.is_alphanumeric() && !is_east_asian
}

#[cfg(test)]
mod tests;
