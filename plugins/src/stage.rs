//! One filter's place in the stream of a reply, without the filter: which text passes, which waits, and
//! which is asked about, and when. It does nothing itself and knows no clock but the one it is told.
//!
//! No byte is lost or comes twice: what went in comes out as it was, in order, but for what a verdict
//! changes.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::Instant;

use crate::bindings::exports::tavern::extension::stream_filter::Verdict;
use crate::manifest::Flush;
use crate::triggers::{Triggers, in_word, word_start};

/// Text that waits for the end of its sentence does so no longer than this.
pub const SENTENCE_BYTES: usize = 128;
/// And no text waits longer to be flushed, but for a word that is not whole.
pub const PATIENCE: Duration = Duration::from_millis(40);
/// Bytes of the longest word that is kept whole.
const WORD_BYTES: usize = 64;
/// Bytes of one question: more comes in several.
pub const CHUNK_BYTES: usize = 8 << 10;

/// What a filter may hold back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    pub bytes: usize,
    pub patience: Duration,
}

/// What comes next of a stage.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing for now.
    Wait,
    Pass(String),
    /// The filter is to be asked about this, and [`Stage::answer`] told what it said.
    Ask(String),
}

pub(crate) struct Stage<'a> {
    flush: Flush,
    triggers: Option<&'a Triggers>,
    hold: Hold,
    memory: &'a mut Memory,
}

/// What a stage remembers between its steps.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What the filter holds, to come again in front of what follows.
    held: String,
    held_since: Option<Instant>,
    /// What it has not been asked about.
    pending: String,
    pending_since: Option<Instant>,
    /// Something was flushed: the first text of a reply does not wait.
    begun: bool,
    /// The end of what passed without a question, if it may be the beginning of a trigger.
    passed: String,
}

impl Memory {
    /// All that is in here, in order.
    pub fn drain(&mut self) -> String {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(&self.pending);
        *self = Self {
            begun: self.begun,
            ..Self::default()
        };
        text
    }

    /// When [`Stage::next`] has something though nothing came.
    pub fn deadline(&self, flush: Flush, triggers: Option<&Triggers>, hold: Hold) -> Option<Instant> {
        let held = self.held_since.map(|since| since + hold.patience);
        let pending = self.pending_since.map(|since| match self.is_begun(flush, triggers) {
            true => since + hold.patience,
            false => since + PATIENCE,
        });
        held.into_iter().chain(pending).min()
    }

    /// Whether all that is pending is the beginning of a word, or may be that of a trigger, and is kept back
    /// for that.
    fn is_begun(&self, flush: Flush, triggers: Option<&Triggers>) -> bool {
        let due = cut(flush, &self.pending, self.pending.len());
        let seen = self.seen(due);
        let is_begun = |triggers: &Triggers| triggers.begun(&seen) >= due && !triggers.is_match(&seen);
        due == 0 || self.held.is_empty() && triggers.is_some_and(is_begun)
    }

    /// Where triggers are looked for: in what is pending, behind what has passed and may have begun one.
    fn seen(&self, due: usize) -> Cow<'_, str> {
        let pending = &self.pending[..due];
        match self.passed.as_str() {
            "" => Cow::Borrowed(pending),
            passed => Cow::Owned(format!("{passed}{pending}")),
        }
    }
}

impl<'a> Stage<'a> {
    pub fn new(flush: Flush, triggers: Option<&'a Triggers>, hold: Hold, memory: &'a mut Memory) -> Self {
        Self {
            flush,
            triggers,
            hold,
            memory,
        }
    }

    pub fn receive(&mut self, text: &str, now: Instant) {
        if !text.is_empty() {
            self.memory.pending.push_str(text);
            self.memory.pending_since.get_or_insert(now);
        }
    }

    /// To be called until it says [`Step::Wait`]. At the end of the reply nothing waits but what is held.
    pub fn next(&mut self, now: Instant, ending: bool) -> Step {
        let memory = &mut *self.memory;
        if !ending && memory.held_since.is_some_and(|since| now >= since + self.hold.patience) {
            memory.held_since = None;
            return Step::Pass(std::mem::take(&mut memory.held));
        }
        let due = match memory.pending.len() {
            0 => 0,
            length if ending || length > CHUNK_BYTES => length,
            length => self.due(length, now),
        };
        if due == 0 {
            return Step::Wait;
        }
        let due = match due > CHUNK_BYTES {
            true => cut(
                self.flush,
                &self.memory.pending,
                floor_boundary(&self.memory.pending, CHUNK_BYTES),
            ),
            false => due,
        };
        self.release(due, now, ending)
    }

    /// How many bytes of what is pending are to be flushed now.
    fn due(&self, length: usize, now: Instant) -> usize {
        let memory = &self.memory;
        let waited = |patience| memory.pending_since.is_some_and(|since| now >= since + patience);
        if waited(self.hold.patience) {
            return length;
        }
        let is_enough = match self.flush {
            Flush::Token => true,
            Flush::Bytes(bytes) => length >= bytes as usize,
            Flush::Sentence => length >= SENTENCE_BYTES,
        };
        match !memory.begun || is_enough || waited(PATIENCE) {
            true => cut(self.flush, &memory.pending, length),
            false if self.flush == Flush::Sentence => sentence_end(&memory.pending),
            false => 0,
        }
    }

    fn release(&mut self, due: usize, now: Instant, ending: bool) -> Step {
        let seen = self.memory.seen(due);
        let triggers = self
            .triggers
            .filter(|triggers| self.memory.held.is_empty() && !triggers.is_match(&seen));
        let Some(triggers) = triggers else {
            let memory = &mut *self.memory;
            let mut chunk = std::mem::take(&mut memory.held);
            chunk.extend(memory.pending.drain(..due));
            memory.passed.clear();
            self.rest(now);
            return Step::Ask(chunk);
        };
        let begun = triggers.begun(&seen);
        let tail = seen[seen.len() - begun..].to_owned();
        let memory = &mut *self.memory;
        let kept = begun.min(due);
        let is_stale = memory
            .pending_since
            .is_some_and(|since| now >= since + self.hold.patience);
        if kept == due && !ending && !is_stale && kept <= self.hold.bytes {
            return Step::Wait;
        }
        let passes = match kept == due || ending || kept > self.hold.bytes {
            true => due,
            false => due - kept,
        };
        // What can no longer be kept back is still looked at together with what follows.
        memory.passed = if passes == due { tail } else { String::new() };
        let text = memory.pending.drain(..passes).collect();
        self.rest(now);
        Step::Pass(text)
    }

    /// Something was flushed: what is left begins to wait.
    fn rest(&mut self, now: Instant) {
        let memory = &mut *self.memory;
        memory.begun = true;
        memory.pending_since = (!memory.pending.is_empty()).then_some(now);
    }

    /// What comes out for the chunk that was asked about.
    pub fn answer(&mut self, chunk: String, verdict: Verdict, now: Instant) -> String {
        let memory = &mut *self.memory;
        match verdict {
            Verdict::Hold if chunk.len() <= self.hold.bytes => {
                memory.held = chunk;
                memory.held_since.get_or_insert(now);
                String::new()
            }
            Verdict::Hold | Verdict::Pass => {
                memory.held_since = None;
                chunk
            }
            Verdict::Replace(text) | Verdict::Stop(text) => {
                memory.held_since = None;
                text
            }
            Verdict::Drop => {
                memory.held_since = None;
                String::new()
            }
        }
    }

    /// What the filter holds, for its last word.
    pub fn take_held(&mut self) -> String {
        self.memory.held_since = None;
        std::mem::take(&mut self.memory.held)
    }
}

/// Where text is cut, at `at` or before it: between words, as far as it is not asked about piece by piece. The
/// last word may go on.
fn cut(flush: Flush, text: &str, at: usize) -> usize {
    let goes_on = text[at..].chars().next().is_none_or(in_word);
    let start = word_start(text, at);
    match flush != Flush::Token && goes_on && at - start <= WORD_BYTES {
        true => start,
        false => at,
    }
}

/// The last character boundary at or before `at`, but behind the first character.
fn floor_boundary(text: &str, at: usize) -> usize {
    match text.floor_char_boundary(at) {
        0 => text.chars().next().map_or(0, char::len_utf8),
        boundary => boundary,
    }
}

/// The end of the last whole sentence or line in `text`, white space behind it included; 0 without one.
fn sentence_end(text: &str) -> usize {
    let mut end = 0;
    let mut ended = false;
    for (at, character) in text.char_indices() {
        match character {
            '\n' | '。' | '！' | '？' => end = at + character.len_utf8(),
            '.' | '!' | '?' | '…' => ended = true,
            '"' | '\'' | ')' | ']' | '*' | '_' | '”' | '’' | '»' => {}
            space if space.is_whitespace() && ended => {
                end = at + character.len_utf8();
                ended = false;
            }
            _ => ended = false,
        }
    }
    end
}

#[cfg(test)]
mod tests;
