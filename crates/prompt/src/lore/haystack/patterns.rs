//! Patterns see the texts of a view joined, and are tried anew when these grow.

use super::{Haystack, MAX_DEPTH, Place, View};
use crate::js_regex::JsRegex;
use crate::lore::report::MatchedIn;
use crate::lore::text::{trim, without_asides};

/// What trying a pattern costs besides the text.
const CALL: u64 = 256;
/// Joined texts that are kept.
const MAX_JOINED: usize = 8;

const JOINER: &str = "\n\x01";

/// The texts that one view joins, for patterns.
pub(super) struct Joined {
    text: String,
    /// Where the contents of entries begin.
    lore_at: usize,
    lore_pieces: usize,
}

impl Haystack<'_> {
    fn pattern(&self, number: u32) -> Option<&JsRegex> {
        let number = number as usize;
        let own = number.checked_sub(self.index.patterns.len());
        own.map_or_else(|| self.index.patterns.get(number), |own| self.dynamic.patterns.get(own))
    }

    pub(super) fn try_pattern(&mut self, number: u32, view: View) -> bool {
        if view.depth == 0 {
            return false;
        }
        if let Some(known) = self.tried.get(&(number, view)) {
            return *known;
        }
        self.join(view);
        let joined = self.joined.get(&(view.depth, view.fields));
        let text = joined.map(|joined| {
            let end = if view.lore { joined.text.len() } else { joined.lore_at };
            joined.text.get(..end).unwrap_or_default()
        });
        let text = text.unwrap_or_default();
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let affordable = self.work.take(bytes.saturating_add(CALL));
        let mut allowance = self.allowance;
        let found = self
            .pattern(number)
            .filter(|_| affordable)
            .and_then(|pattern| pattern.is_match_within(&mut allowance, text));
        self.allowance = allowance;
        self.gave_up |= found.is_none();
        let found = found == Some(true);
        self.tried.insert((number, view), found);
        found
    }

    /// Joins what a view sees, or adds what has come since.
    fn join(&mut self, view: View) {
        let key = (view.depth, view.fields);
        if !self.joined.contains_key(&key) {
            // Few depths are asked for at a time, and each may be the whole chat.
            if self.joined.len() >= MAX_JOINED {
                self.joined.clear();
            }
            let text = if self.work.spent {
                String::new()
            } else {
                self.texts(view)
            };
            self.work.take(u64::try_from(text.len()).unwrap_or(u64::MAX));
            let joined = Joined {
                lore_at: text.len(),
                lore_pieces: 0,
                text,
            };
            self.joined.insert(key, joined);
        }
        if let Some(joined) = self.joined.get_mut(&key) {
            for piece in self.lore.iter().skip(joined.lore_pieces) {
                joined.text.push_str(JOINER);
                joined.text.push_str(piece);
            }
            joined.lore_pieces = self.lore.len();
        }
    }

    /// Everything but the contents of entries.
    fn texts(&self, view: View) -> String {
        let mut text = String::new();
        let mut add = |piece: &str| {
            text.push_str(if text.is_empty() { "\x01" } else { JOINER });
            text.push_str(piece);
        };
        let depth = (view.depth as usize).min(MAX_DEPTH);
        for message in self.scan.messages.iter().take(depth) {
            add(&self.message(message));
        }
        for (number, field) in self.fields().iter().enumerate() {
            if view.fields & (1 << number) != 0 && !field.is_empty() {
                add(field);
            }
        }
        for injection in self.scan.injections.iter().filter(|text| !trim(text).is_empty()) {
            add(&without_asides(trim(injection)));
        }
        text
    }

    pub(super) fn locate(&mut self, number: u32, view: View) -> MatchedIn {
        let cost = self
            .joined
            .get(&(view.depth, view.fields))
            .map_or(0, |joined| joined.text.len());
        if !self.work.take(u64::try_from(cost).unwrap_or(u64::MAX)) {
            return MatchedIn::Several;
        }
        let Some(pattern) = self.pattern(number) else {
            return MatchedIn::Several;
        };
        let allowance = std::cell::Cell::new(self.allowance);
        let is_in = |text: &str| {
            let mut left = allowance.get();
            let found = !text.is_empty() && pattern.is_match_within(&mut left, &format!("\x01{text}")) == Some(true);
            allowance.set(left);
            found
        };
        let depth = (view.depth as usize).min(MAX_DEPTH);
        let messages = self.scan.messages.iter().take(depth);
        let place = (0..)
            .zip(messages)
            .find(|(_, message)| is_in(&self.message(message)))
            .map(|(number, _)| Place::Message(number))
            .or_else(|| {
                let fields = self.fields();
                let mut fields = (0..).zip(&fields);
                fields
                    .find(|(number, text)| view.fields & (1 << number) != 0 && is_in(text))
                    .map(|(number, _)| Place::Field(number))
            })
            .or_else(|| {
                let mut injections = (0..).zip(&self.scan.injections);
                injections
                    .find(|(_, text)| is_in(&without_asides(trim(text))))
                    .map(|(number, _)| Place::Injection(number))
            })
            .or_else(|| {
                let mut contents = self.contents.iter().filter(|_| view.lore);
                contents
                    .find(|(_, text)| is_in(text))
                    .map(|(rank, _)| Place::Lore(*rank))
            });
        self.allowance = allowance.get();
        place.map_or(MatchedIn::Several, |place| self.named(place))
    }
}
