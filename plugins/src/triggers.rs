//! What a stream filter waits for: literals, letters of either case alike, and regular expressions.
//! Made once a chain, from what a manifest says.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::{RegexSet, RegexSetBuilder};

use crate::manifest::HookSettings;

/// Literals and patterns of one filter, and bytes of each.
const MOST: usize = 256;
const LONGEST: usize = 256;
/// Bytes that the patterns of one filter may take when compiled.
const PATTERN_BYTES: usize = 1 << 20;

/// Seen in every text, in none, or where it matches.
pub(crate) struct Triggers {
    literals: Vec<Vec<u8>>,
    finder: Option<AhoCorasick>,
    patterns: Option<RegexSet>,
}

impl Triggers {
    /// `None` if the filter is to see everything: it names no triggers, or such as cannot be looked for. A
    /// filter that is called too often does its work; one that is called too seldom does not.
    pub fn new(settings: &HookSettings) -> Option<Self> {
        let (triggers, patterns) = (&settings.triggers, &settings.patterns);
        if triggers.len() + patterns.len() == 0 || triggers.len() > MOST || patterns.len() > MOST {
            return None;
        }
        if triggers
            .iter()
            .chain(patterns)
            .any(|text| text.is_empty() || text.len() > LONGEST)
        {
            return None;
        }
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(triggers)
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
            literals: triggers
                .iter()
                .map(|text| text.to_ascii_lowercase().into_bytes())
                .collect(),
            finder: (!triggers.is_empty()).then_some(finder),
            patterns,
        })
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.finder.as_ref().is_some_and(|finder| finder.is_match(text))
            || self.patterns.as_ref().is_some_and(|patterns| patterns.is_match(text))
    }

    /// How many bytes at the end of `text` may be the beginning of a literal, and must wait for what follows.
    /// A regular expression waits for nothing: it sees what is flushed together.
    pub fn begun(&self, text: &str) -> usize {
        let bytes = text.as_bytes();
        let begun = |literal: &Vec<u8>| {
            let most = literal.len().saturating_sub(1).min(bytes.len());
            let tails = (1..=most).rev();
            let mut tails =
                tails.filter(|&length| bytes[bytes.len() - length..].eq_ignore_ascii_case(&literal[..length]));
            tails.next().unwrap_or(0)
        };
        // A literal is text, so where one begins a character begins, and the text can be cut there.
        self.literals.iter().map(begun).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triggers(literals: &[&str], patterns: &[&str]) -> Option<Triggers> {
        Triggers::new(&HookSettings {
            triggers: literals.iter().map(|&text| text.to_owned()).collect(),
            patterns: patterns.iter().map(|&text| text.to_owned()).collect(),
            ..HookSettings::default()
        })
    }

    #[test]
    fn letters_of_either_case_match() {
        let triggers = triggers(&["As an AI"], &[r"\d{3}"]).expect("legal");
        assert!(triggers.is_match("well, AS AN ai I"));
        assert!(triggers.is_match("call 911"));
        assert!(!triggers.is_match("as an artist, 91"));
    }

    #[test]
    fn the_beginning_of_a_literal_is_waited_with_and_no_more() {
        let triggers = triggers(&["shiver", "über"], &[]).expect("legal");
        assert_eq!(triggers.begun("a shiv"), 4);
        assert_eq!(triggers.begun("a Sh"), 2);
        assert_eq!(triggers.begun("shiver"), 0, "a whole one is found, not waited for");
        assert_eq!(triggers.begun("drüber ü"), 2);
        assert_eq!(triggers.begun("calm"), 0);
        assert_eq!(triggers.begun(""), 0);
    }

    #[test]
    fn what_cannot_be_looked_for_is_seen_everywhere() {
        assert!(triggers(&[], &[]).is_none());
        assert!(triggers(&[""], &[]).is_none());
        assert!(triggers(&[], &["("]).is_none());
        assert!(triggers(&[], &[r"(\w{200}){200}"]).is_none(), "too large when compiled");
        assert!(triggers(&[&"x".repeat(LONGEST + 1)], &[]).is_none());
        assert!(triggers(&[&"x".repeat(LONGEST)], &[]).is_some());
        assert!(triggers(&["x"; MOST], &[]).is_some());
        assert!(triggers(&["x"; MOST + 1], &[]).is_none());
    }
}
