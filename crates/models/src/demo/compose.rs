//! Puts a reply together: an opening, a reaction, something of the character's own, a closing.

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tavern_domain::chat::ChatRole;
use tavern_domain::generation::GenerationKind;

use super::lines;
use super::message::{self, Heard};
use super::persona::Persona;
use crate::request::CompletionRequest;

const ENOUGH_WORDS: usize = 60;

/// The reply to `request`, of exactly `words` words if given.
pub(super) fn reply(request: &CompletionRequest, words: Option<usize>) -> String {
    let seed = request.seed.map_or_else(rand::random, i64::cast_unsigned);
    let mut scene = Scene {
        persona: Persona::read(&request.cast),
        heard: message::hear(&request.messages),
        rng: Xoshiro256PlusPlus::seed_from_u64(seed ^ fingerprint(request)),
        used: Vec::new(),
    };
    let text = match request.kind {
        GenerationKind::Impersonate => scene.line(lines::IMPERSONATIONS),
        GenerationKind::Quiet => scene.line(lines::QUIET),
        GenerationKind::Continue => scene.continuation(request),
        GenerationKind::Normal | GenerationKind::Regenerate | GenerationKind::Swipe => scene.answer(request),
    };
    match words {
        Some(words) => scene.stretch(text, words),
        None => text,
    }
}

/// FNV-1a over the conversation: stable across releases, unlike the standard library's hasher.
fn fingerprint(request: &CompletionRequest) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for message in &request.messages {
        take(&[u8::try_from(message.role.code()).unwrap_or(0)]);
        take(message.content.as_bytes());
    }
    take(request.cast.character.name.as_bytes());
    hash
}

struct Scene {
    persona: Persona,
    heard: Heard,
    rng: Xoshiro256PlusPlus,
    /// Lines of this reply: none is said twice while there are others.
    used: Vec<String>,
}

impl Scene {
    fn answer(&mut self, request: &CompletionRequest) -> String {
        if self.heard.asks_about_machine {
            let honest = self.fill(lines::HONEST).expect("every persona has a name");
            return format!("{honest}\n\n*{}*", self.line(lines::OPENINGS));
        }
        let opening = self.line(lines::OPENINGS);
        let reaction = self.reaction();
        let mut text = format!("*{opening}* \"{reaction}\"\n\n");
        text.push_str(&self.middle());
        let closing = self.closing();
        let count = |text: &str| text.split_whitespace().count();
        while count(&text) + count(&closing) < ENOUGH_WORDS {
            text.push(' ');
            text.push_str(&self.middle());
        }
        text.push_str("\n\n");
        text.push_str(&closing);
        if is_first_reply(request) {
            text.push_str("\n\n");
            text.push_str(lines::FIRST_NOTE);
        }
        text
    }

    /// Takes up the user's own words more often than not.
    fn reaction(&mut self) -> String {
        let pool = lines::reactions(self.heard.mood);
        let is_quote = |line: &&str| line.contains("{snippet}") || line.contains("{word}");
        let quotes: Vec<&str> = pool.iter().copied().filter(is_quote).collect();
        let has_words = self.heard.snippet.is_some() && self.heard.word.is_some();
        if has_words && !quotes.is_empty() && self.rng.random_bool(0.6) {
            return self.line(&quotes);
        }
        self.line(pool)
    }

    /// Goes on behind the text that stands last in the conversation.
    fn continuation(&mut self, request: &CompletionRequest) -> String {
        let before = request
            .messages
            .iter()
            .rev()
            .find(|message| message.role == ChatRole::Assistant);
        let before = before.map_or("", |message| &message.content);
        let joint = match before.chars().next_back() {
            None => "",
            Some(last) if last.is_whitespace() => "",
            Some('.' | '!' | '?' | '*' | '"' | ')') => "\n\n",
            Some(_) => "... ",
        };
        format!("{joint}{}\n\n{}", self.middle(), self.closing())
    }

    fn middle(&mut self) -> String {
        let narration = self.line(lines::MIDDLES);
        let has_sayings = self.persona.sayings.iter().any(|saying| !self.used.contains(saying));
        let own = if has_sayings && self.rng.random_bool(0.7) {
            lines::SAYINGS
        } else {
            lines::MUSINGS
        };
        format!("*{narration}* \"{}\"", self.line(own))
    }

    fn closing(&mut self) -> String {
        format!("\"{}\"", self.line(lines::CLOSINGS))
    }

    /// Says more, or less, until it is `words` words.
    fn stretch(&mut self, mut text: String, words: usize) -> String {
        let mut count = text.split_whitespace().count();
        while count < words {
            let more = self.middle();
            count += more.split_whitespace().count();
            text.push_str("\n\n");
            text.push_str(&more);
        }
        let kept: usize = super::words_with_space(&text)
            .into_iter()
            .take(words)
            .map(str::len)
            .sum();
        text.truncate(kept);
        text
    }

    /// A line of `pool` that can be filled, if possible one that was not said yet.
    fn line(&mut self, pool: &[&str]) -> String {
        // A few draws find a fresh line in all but exhausted pools.
        for _ in 0..16 {
            let template = pool.choose(&mut self.rng).copied().unwrap_or_default();
            if let Some(line) = self.fill(template)
                && !self.is_used(template, &line)
            {
                self.used.push(template.to_owned());
                self.used.push(line.clone());
                return line;
            }
        }
        self.used.clear();
        pool.iter().find_map(|template| self.fill(template)).unwrap_or_default()
    }

    /// `{gesture}` and its like stand for many lines, everything else for one.
    fn is_used(&self, template: &str, line: &str) -> bool {
        let is_bare = template.starts_with('{') && template.ends_with('}');
        self.used
            .iter()
            .any(|used| used == line || !is_bare && used == template)
    }

    /// Fills a template in one pass, so that nothing from outside is taken for a template itself.
    fn fill(&mut self, template: &str) -> Option<String> {
        let mut parts = template.split('{');
        let mut filled = parts.next()?.to_owned();
        for part in parts {
            let (key, rest) = part.split_once('}')?;
            let value = self.value(key)?;
            filled.push_str(&value);
            filled.push_str(rest);
        }
        Some(filled)
    }

    fn value(&mut self, key: &str) -> Option<String> {
        let persona = &self.persona;
        let pool = match key {
            "name" => return Some(persona.name.clone()),
            "user" => return Some(persona.user.clone()),
            "their" => return Some(persona.their.to_owned()),
            "snippet" => return self.heard.snippet.clone(),
            "word" => return self.heard.word.clone(),
            "trait" => &persona.traits,
            "place" => &persona.places,
            "saying" => &persona.sayings,
            "gesture" => &persona.gestures,
            "fact" => &persona.facts,
            _ => return None,
        };
        let value = pool.choose(&mut self.rng)?.clone();
        let is_sentence = matches!(key, "saying" | "gesture" | "fact");
        if is_sentence && self.used.contains(&value) {
            return None;
        }
        if is_sentence {
            self.used.push(value.clone());
        }
        Some(value)
    }
}

/// The greeting may stand before it, and nothing else of the assistant.
fn is_first_reply(request: &CompletionRequest) -> bool {
    let count = |role| request.messages.iter().filter(|message| message.role == role).count();
    count(ChatRole::User) <= 1 && count(ChatRole::Assistant) <= 1
}

#[cfg(test)]
mod tests;
