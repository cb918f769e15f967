//! Walks the tokens of a text and writes what they stand for.
//!
//! A macro with arguments is first written as it stands, its arguments evaluated in place, at the end
//! of the output; its value then takes the place of all that. So arguments are slices of the output,
//! and a macro that cannot be evaluated is already there as it has to stay.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use super::head::{Call, Shorthand};
use super::syntax::{Document, Open, Token, has_marks};
use super::table::Macro;
use super::text::{cut_last_newlines, without_first_newlines};
use super::{MAX_BYTES, MAX_DEPTH, MAX_STEPS, MAX_TURN_BYTES, MAX_TURN_STEPS, Scene, State, dice, values};

/// Evaluates one text.
pub(super) struct Evaluator<'s, 'a> {
    pub(super) scene: &'s Scene<'a>,
    pub(super) state: &'s mut State,
    /// What the next `{{original}}` stands for.
    pub(super) original: Option<&'s str>,
    /// Macros whose texts are being expanded: none of them is expanded inside of itself.
    expanding: Vec<Macro>,
    bytes: usize,
    steps: usize,
    pub(super) edge: Edge,
}

/// What `{{trim}}` has to know of the text around it, within one argument or content.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Edge {
    /// Line ends before this place stay.
    floor: usize,
    /// Line ends that come next are left out.
    swallows: bool,
}

/// What a macro comes to.
pub(super) enum Outcome<'s> {
    /// It stays as it is written.
    Keep,
    Value(Cow<'s, str>),
    /// One of its arguments, by its place in the output.
    Argument(Range<usize>),
    /// A text to be expanded in its turn.
    Source(Cow<'s, str>),
}

impl Outcome<'_> {
    pub(super) const EMPTY: Self = Self::Value(Cow::Borrowed(""));
}

/// What a macro is evaluated from.
pub(super) struct Arguments<'o> {
    /// The output so far, in which the arguments stand.
    pub(super) out: &'o str,
    pub(super) spans: &'o [Range<usize>],
}

impl<'o> Arguments<'o> {
    pub(super) fn get(&self, index: usize) -> Option<&'o str> {
        self.out.get(self.spans.get(index)?.clone())
    }
}

/// A text being evaluated.
pub(super) struct Text<'t> {
    pub(super) document: Document<'t>,
    hash: OnceCell<[u8; 32]>,
}

impl<'s, 'a> Evaluator<'s, 'a> {
    pub(super) fn new(scene: &'s Scene<'a>, state: &'s mut State, original: Option<&'s str>) -> Self {
        Self {
            scene,
            state,
            original,
            expanding: Vec::new(),
            bytes: 0,
            steps: 0,
            edge: Edge::default(),
        }
    }

    /// Appends `text`, expanded.
    pub(super) fn run(&mut self, text: &str, out: &mut String, depth: usize) {
        if !has_marks(text) {
            out.push_str(text);
            return;
        }
        let text = Text {
            document: Document::parse(text),
            hash: OnceCell::new(),
        };
        if text.document.is_cut {
            self.state
                .warn(|| "A text has too many macros; the last of them stay as they are written.".to_owned());
        }
        if text.document.is_unterminated {
            self.state
                .warn(|| "A text has a macro without its end `}}`; it stays as it is written.".to_owned());
        }
        let outer = self.enter(out.len());
        self.tokens(&text, 0..text.document.tokens.len(), out, depth);
        self.edge = outer;
    }

    pub(super) fn tokens(&mut self, text: &Text<'_>, range: Range<usize>, out: &mut String, depth: usize) {
        let source = text.document.text;
        let mut at = range.start;
        while let Some(token) = text.document.tokens.get(at).filter(|_| at < range.end) {
            at = match token {
                Token::Text(span) => {
                    self.literal(span.of(source), out);
                    at + 1
                }
                Token::Escape(span) => {
                    self.literal(span.of(source).get(1..).unwrap_or_default(), out);
                    at + 1
                }
                Token::Marker(name, span) => {
                    let value = values::name(self.scene, *name);
                    if self.step() && self.charge(value.len()) {
                        self.literal(value, out);
                    } else {
                        self.literal(span.of(source), out);
                    }
                    at + 1
                }
                Token::Separator { .. } => {
                    self.literal("::", out);
                    at + 1
                }
                Token::Close { .. } => {
                    self.literal("}}", out);
                    at + 1
                }
                Token::Open(open) => self.open(text, at, open, out, depth),
            };
        }
    }

    /// Evaluates what opens at the token `at`, and says at which token to go on.
    fn open(&mut self, text: &Text<'_>, at: usize, open: &Open, out: &mut String, depth: usize) -> usize {
        let document = &text.document;
        if !self.is_callable(document.text, open) || !self.step() {
            self.literal(open.head.of(document.text), out);
            return at + 1;
        }
        let next = document.after(at, open);
        let what = match open.call {
            Call::Macro { signature, .. } => signature.map(|signature| signature.what),
            _ => None,
        };
        match what {
            Some(Macro::Comment) => return next,
            Some(Macro::Noop) => {
                self.edge = Edge {
                    floor: out.len(),
                    swallows: false,
                };
                return next;
            }
            Some(Macro::Trim) if next == at + 2 => {
                cut_last_newlines(out, self.edge.floor);
                self.edge.swallows = true;
                return next;
            }
            _ => {}
        }
        if depth >= MAX_DEPTH && next > at + 2 {
            self.state
                .warn(|| format!("Macros nest more than {MAX_DEPTH} deep; the innermost stay as they are written."));
            self.literal(document.written(open), out);
            return next;
        }
        let start = out.len();
        let outer = self.enter(start);
        match open.call {
            Call::Variable(shorthand) => self.variable(text, at, open, shorthand, out, depth),
            _ if what == Some(Macro::If) => self.condition(text, at, open, out, depth),
            _ => self.call(text, at, open, what, out, depth),
        }
        self.leave(outer, start, out);
        next
    }

    fn is_callable(&mut self, source: &str, open: &Open) -> bool {
        let arguments = open.arguments + usize::from(open.closing_tag.is_some());
        match open.call {
            _ if open.close.is_none() => false,
            Call::Text | Call::Closing { .. } => false,
            Call::Variable(_) => true,
            Call::Macro { signature: None, .. } => self.scene.custom.is_some(),
            Call::Macro {
                signature: Some(signature),
                name,
            } => {
                let is_callable = signature.takes(arguments);
                if !is_callable {
                    let name = name.of(source);
                    self.state.warn(|| {
                        format!("`{{{{{name}}}}}` does not take {arguments} arguments; it stays as it is written.")
                    });
                }
                is_callable
            }
        }
    }

    fn call(&mut self, text: &Text<'_>, at: usize, open: &Open, what: Option<Macro>, out: &mut String, depth: usize) {
        let start = out.len();
        let spans = self.write_call(text, at, open, what, out, depth);
        let arguments = Arguments { out, spans: &spans };
        let outcome = match what {
            Some(Macro::Pick) => {
                let hash = text.hash.get_or_init(|| dice::content_hash(text.document.text));
                let index = dice::pick(self.scene.chat_seed, hash, open.head.start, spans.len());
                spans
                    .get(index)
                    .map_or(Outcome::EMPTY, |span| Outcome::Argument(span.clone()))
            }
            Some(what) => self.value(what, &arguments),
            None => match open.call {
                Call::Macro { name, .. } => {
                    let trims = open.closing_tag.is_some() && !open.keeps_blanks;
                    self.custom(name.of(text.document.text), &arguments, trims)
                }
                _ => Outcome::Keep,
            },
        };
        self.settle(what, outcome, start, out, depth);
    }

    /// Puts the outcome in the place of what was written from `start` on.
    fn settle(&mut self, what: Option<Macro>, outcome: Outcome<'_>, start: usize, out: &mut String, depth: usize) {
        match outcome {
            Outcome::Keep => {}
            Outcome::Value(value) => {
                if self.charge(value.len()) {
                    out.truncate(start);
                    out.push_str(&value);
                }
            }
            Outcome::Argument(span) => {
                if self.charge(span.len()) {
                    out.truncate(span.end);
                    out.drain(start..span.start.min(span.end));
                }
            }
            Outcome::Source(source) => {
                let Some(what) = what else { return };
                if self.expanding.contains(&what) || depth >= MAX_DEPTH {
                    self.state.warn(|| {
                        "A text that macros put in contains itself; there it stays as it is written.".to_owned()
                    });
                } else if self.charge(source.len()) {
                    out.truncate(start);
                    self.expanding.push(what);
                    self.run(&source, out, depth + 1);
                    self.expanding.pop();
                }
            }
        }
    }

    fn variable(
        &mut self,
        text: &Text<'_>,
        at: usize,
        open: &Open,
        shorthand: Shorthand,
        out: &mut String,
        depth: usize,
    ) {
        let start = out.len();
        let name = shorthand.name.of(text.document.text);
        let outcome = if self.wants_value(shorthand, name) {
            let spans = self.write_call(text, at, open, None, out, depth);
            let value = Arguments { out, spans: &spans }.get(0).unwrap_or_default();
            self.expression(shorthand, name, value)
        } else {
            // The value is not evaluated, and as it is not needed, there is nothing to keep.
            self.expression(shorthand, name, "")
        };
        if matches!(outcome, Outcome::Keep) && out.len() == start {
            out.push_str(text.document.written(open));
        }
        self.settle(None, outcome, start, out, depth);
    }

    /// Begins an argument, a content or a value, which starts at `floor`.
    pub(super) fn enter(&mut self, floor: usize) -> Edge {
        std::mem::replace(&mut self.edge, Edge { floor, swallows: false })
    }

    /// Ends what began at `start`, and lets a `{{trim}}` that stood before it have its line ends.
    fn leave(&mut self, outer: Edge, start: usize, out: &mut String) {
        self.edge = outer;
        if self.edge.swallows {
            let written = out.get(start..).unwrap_or_default();
            let kept = without_first_newlines(written);
            self.edge.swallows = kept.is_empty();
            let cut = written.len() - kept.len();
            out.drain(start..start + cut);
        }
    }

    pub(super) fn literal(&mut self, text: &str, out: &mut String) {
        let text = if self.edge.swallows {
            let kept = without_first_newlines(text);
            self.edge.swallows = kept.is_empty();
            kept
        } else {
            text
        };
        out.push_str(text);
    }

    /// Whether one more macro may be evaluated.
    fn step(&mut self) -> bool {
        let may = self.steps < MAX_STEPS && self.state.steps < MAX_TURN_STEPS;
        if may {
            self.steps += 1;
            self.state.steps += 1;
        } else {
            self.state
                .warn(|| "There are too many macros; the last of them stay as they are written.".to_owned());
        }
        may
    }

    /// Whether macros may put in that many bytes more; once they may not, no macro of the text is evaluated anymore.
    pub(super) fn has_room(&mut self, bytes: usize) -> bool {
        let has_room =
            self.bytes.saturating_add(bytes) <= MAX_BYTES && self.state.bytes.saturating_add(bytes) <= MAX_TURN_BYTES;
        if !has_room {
            self.steps = MAX_STEPS;
            self.state
                .warn(|| "Macros put in too much text; the last of them stay as they are written.".to_owned());
        }
        has_room
    }

    /// As [`Self::has_room`], and counts the bytes.
    pub(super) fn charge(&mut self, bytes: usize) -> bool {
        let has_room = self.has_room(bytes);
        if has_room {
            self.bytes += bytes;
            self.state.bytes += bytes;
        }
        has_room
    }
}
