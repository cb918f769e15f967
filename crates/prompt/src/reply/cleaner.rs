//! Cleans a reply while it comes in.

use super::MAX_BLANKS;
use super::stops::MAX_STOP_BYTES;

/// What ends a model's turn, if its provider lets it through.
const MARKERS: [&str; 7] = [
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|end_of_turn|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<|END_OF_TURN_TOKEN|>",
];
/// Bytes of an incomplete sentence that are held back to be left out; a longer one is kept.
const MAX_SENTENCE: usize = 2048;
/// Of a stop string at the very end that is not whole: from how many bytes on it counts as one.
const MIN_PARTIAL: usize = 3;

/// How a reply is cleaned.
#[derive(Debug, Clone, Default)]
pub struct CleanOptions {
    /// The reply ends before the first of these; they are not part of it.
    pub stops: Vec<String>,
    /// Whose words they are: this name and a colon are taken off the start.
    pub speaker: String,
    /// If the reply starts with this name and a colon, nothing of it is kept.
    pub partner: String,
    /// The reply goes on with a message: its start is left as it is.
    pub continues: bool,
    /// Leaves out what follows the last sentence.
    pub trim_sentences: bool,
    /// Makes line ends behind each other one.
    pub collapse_newlines: bool,
}

/// What is left at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// Follows what was given out before.
    pub text: String,
    /// Whether a stop string, or a marker of the end, was found.
    pub stopped: bool,
}

/// Gives out of a reply what can no longer change; holds back three kilobytes at the most.
///
/// Blanks at both ends are left out, and of each run of blanks what exceeds 256 bytes.
#[derive(Debug, Clone)]
pub struct ReplyCleaner {
    start: Start,
    stops: Vec<Stop>,
    stopped: bool,
    /// Read, but perhaps the start of a stop string.
    held: String,
    tail: Tail,
}

/// The start of the reply, where a name can stand.
#[derive(Debug, Clone)]
struct Start {
    /// The speaker's name and a colon; empty once the start is over.
    prefix: String,
    /// What was read of it.
    read: String,
    skips_blanks: bool,
}

/// A stop string, and how much of it the text ends with.
#[derive(Debug, Clone)]
struct Stop {
    bytes: Vec<u8>,
    /// For each length, the length of the next shorter start that is an end of it as well.
    shorter: Vec<usize>,
    matched: usize,
}

impl Stop {
    fn new(text: &str) -> Self {
        let mut stop = Self {
            bytes: text.as_bytes().to_vec(),
            shorter: vec![0],
            matched: 0,
        };
        for &byte in text.as_bytes().iter().skip(1) {
            stop.step(byte);
            stop.shorter.push(stop.matched);
        }
        stop.matched = 0;
        stop
    }

    fn step(&mut self, byte: u8) {
        loop {
            if self.bytes.get(self.matched) == Some(&byte) {
                self.matched += 1;
                return;
            }
            if self.matched == 0 {
                return;
            }
            self.matched = self.shorter.get(self.matched - 1).copied().unwrap_or(0);
        }
    }

    /// Whether the text ends with the whole string.
    fn advance(&mut self, byte: u8) -> bool {
        self.step(byte);
        self.matched == self.bytes.len()
    }
}

/// The end of what was read so far, where blanks and an incomplete sentence may have to go.
#[derive(Debug, Clone, Default)]
struct Tail {
    trim_sentences: bool,
    collapse_newlines: bool,
    sentence: String,
    /// The sentence is longer than what may be left out: it is given out as it comes.
    is_long: bool,
    blanks: String,
    last: Option<char>,
    /// Whether anything was given out.
    is_begun: bool,
}

impl Tail {
    fn push(&mut self, c: char, out: &mut String) {
        let is_repeated = c == '\n' && self.last == Some('\n');
        self.last = Some(c);
        if c.is_whitespace() {
            let is_kept = !(self.collapse_newlines && is_repeated) && self.blanks.len() < MAX_BLANKS;
            if is_kept {
                self.blanks.push(c);
            }
            return;
        }
        self.sentence.push_str(&self.blanks);
        self.blanks.clear();
        self.sentence.push(c);
        let ends = ends_sentence(c);
        self.is_long = !ends && (self.is_long || self.sentence.len() > MAX_SENTENCE);
        if !self.trim_sentences || ends || self.is_long {
            out.push_str(&self.sentence);
            self.sentence.clear();
            self.is_begun = true;
        }
    }

    fn finish(self, out: &mut String) {
        // Without any whole sentence, the incomplete one is all there is.
        if !self.trim_sentences || !self.is_begun {
            out.push_str(&self.sentence);
        }
    }
}

/// Punctuation of many scripts, what closes quotations and markup, and emoji.
const fn ends_sentence(c: char) -> bool {
    matches!(
        c,
        '.' | '!'
            | '?'
            | '*'
            | '"'
            | ')'
            | '}'
            | '`'
            | ']'
            | '$'
            | '_'
            | '~'
            | '…'
            | '”'
            | '’'
            | '»'
            | '«'
            | '।'
            | '؟'
            | '。'
            | '！'
            | '？'
            | '）'
            | '】'
            | '」'
            | '』'
            | '\u{1f300}'..='\u{1faff}'
    )
}

impl ReplyCleaner {
    /// Stop strings of more than 256 bytes, and empty ones, are left out.
    #[must_use]
    pub fn new(options: CleanOptions) -> Self {
        let is_usable = |stop: &&str| !stop.is_empty() && stop.len() <= MAX_STOP_BYTES;
        let texts = options.stops.iter().map(String::as_str).chain(MARKERS);
        let mut stops: Vec<Stop> = texts.filter(is_usable).map(Stop::new).collect();
        let is_name = |name: &str| !name.trim().is_empty() && name.len() < MAX_STOP_BYTES - 2;
        if !options.continues && is_name(&options.partner) {
            let mut stop = Stop::new(&format!("\n{}:", options.partner));
            // As if a line end stood before the reply.
            stop.step(b'\n');
            stops.push(stop);
        }
        let prefix = if !options.continues && is_name(&options.speaker) {
            format!("{}:", options.speaker)
        } else {
            String::new()
        };
        Self {
            start: Start {
                prefix,
                read: String::new(),
                skips_blanks: !options.continues,
            },
            stops,
            stopped: false,
            held: String::new(),
            tail: Tail {
                trim_sentences: options.trim_sentences,
                collapse_newlines: options.collapse_newlines,
                ..Tail::default()
            },
        }
    }

    /// Nothing that comes now will be part of the reply.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Takes the next piece, and gives out what is certain.
    #[must_use]
    pub fn push(&mut self, text: &str) -> String {
        let mut out = String::new();
        for c in text.chars() {
            if self.stopped {
                break;
            }
            self.read_start(c, &mut out);
        }
        out
    }

    #[must_use]
    pub fn finish(mut self) -> Finished {
        let mut text = String::new();
        let read = std::mem::take(&mut self.start.read);
        read.chars().for_each(|c| self.read(c, &mut text));
        let partials = self.stops.iter().filter_map(|stop| {
            let is_long = stop.matched >= MIN_PARTIAL || stop.bytes.first() == Some(&b'\n');
            (is_long && stop.matched <= self.held.len()).then_some(stop.matched)
        });
        let partial = if self.stopped { 0 } else { partials.max().unwrap_or(0) };
        let kept = self.held.len().saturating_sub(partial);
        if let Some(kept) = self.held.get(..kept) {
            kept.chars().for_each(|c| self.tail.push(c, &mut text));
        }
        self.tail.finish(&mut text);
        Finished {
            text,
            stopped: self.stopped,
        }
    }

    fn read_start(&mut self, c: char, out: &mut String) {
        let start = &mut self.start;
        if start.skips_blanks && start.read.is_empty() && c.is_whitespace() {
            return;
        }
        if start.prefix.is_empty() {
            start.skips_blanks = false;
            self.read(c, out);
            return;
        }
        start.read.push(c);
        if start.read == start.prefix {
            start.prefix.clear();
            start.read.clear();
        } else if !start.prefix.starts_with(&start.read) {
            start.prefix.clear();
            start.skips_blanks = false;
            let read = std::mem::take(&mut start.read);
            read.chars().for_each(|c| self.read(c, out));
        }
    }

    fn read(&mut self, c: char, out: &mut String) {
        if self.stopped {
            return;
        }
        self.held.push(c);
        let mut buffer = [0; 4];
        let bytes = c.encode_utf8(&mut buffer).as_bytes();
        let (mut found, mut partial) = (0, 0);
        for stop in &mut self.stops {
            if bytes.iter().fold(false, |_, &byte| stop.advance(byte)) {
                found = found.max(stop.bytes.len());
            } else {
                partial = partial.max(stop.matched);
            }
        }
        self.stopped = found > 0;
        // At the start, a line end that is not there can be part of it.
        let uncertain = if self.stopped { found } else { partial };
        let certain = self.held.len().saturating_sub(uncertain);
        let certain = self.held.floor_char_boundary(certain);
        for c in self.held.drain(..certain) {
            self.tail.push(c, out);
        }
        if self.stopped {
            self.held.clear();
        }
    }
}

#[cfg(test)]
#[path = "tests/cleaner.rs"]
mod tests;
