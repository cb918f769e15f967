//! Reads a text into tokens: what is text, where macros open and close, what separates their arguments.
//!
//! One pass with a stack of its own, so nesting costs no call stack, and no allocation per piece of
//! text. Tokens stand in the order of the text and cover it wholly: whatever a macro turns out to be,
//! its source is at hand. A macro without an end is text, and what is inside of it is not.

use std::ops::Range;

use memchr::{memchr3, memchr3_iter};

use super::head::{Arguments, Call, Head};
use super::table::Name;

/// Tokens of one text. What comes after is text.
const MAX_TOKENS: usize = 65_536;
/// Comparisons of closing tags with macros that are still open, for one text; honest texts stay far below.
const MAX_COMPARISONS: usize = 65_536;

/// A place in the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    /// The text there; empty if there is no such place.
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Token {
    Text(Span),
    /// A brace behind a backslash, both.
    Escape(Span),
    /// `<USER>` and its like.
    Marker(Name, Span),
    Open(Open),
    /// `::` between arguments of the macro that opens at `owner`.
    Separator {
        start: usize,
        owner: usize,
    },
    /// `}}` of the macro that opens at `owner`.
    Close {
        start: usize,
        owner: usize,
    },
}

/// The beginning of a macro, up to its first argument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub(super) head: Span,
    pub(super) call: Call,
    /// The flag `#`: content keeps its blanks.
    pub(super) keeps_blanks: bool,
    pub(super) arguments: usize,
    /// The token that closes it.
    pub(super) close: Option<usize>,
    /// The token that opens its closing tag, if it has content.
    pub(super) closing_tag: Option<usize>,
}

/// A text and its tokens.
pub(super) struct Document<'t> {
    pub(super) text: &'t str,
    pub(super) tokens: Vec<Token>,
    /// A macro has no end.
    pub(super) is_unterminated: bool,
    /// There were more macros than are read.
    pub(super) is_cut: bool,
}

impl<'t> Document<'t> {
    pub(super) fn parse(text: &'t str) -> Self {
        let mut parser = Parser::new(text);
        parser.run();
        if parser.has_closing_tags {
            pair(text, &mut parser.tokens);
        }
        Self {
            text,
            is_unterminated: parser.frames.iter().any(|frame| frame.is_macro),
            is_cut: parser.is_cut,
            tokens: parser.tokens,
        }
    }

    pub(super) fn open(&self, at: usize) -> Option<&Open> {
        match self.tokens.get(at) {
            Some(Token::Open(open)) => Some(open),
            _ => None,
        }
    }

    /// Where the braces of the macro end in the text; nowhere if they do not.
    fn end(&self, open: &Open) -> Option<usize> {
        match self.tokens.get(open.close?) {
            Some(Token::Close { start, .. }) => Some(start + 2),
            _ => None,
        }
    }

    /// The macro as it is written, with content and closing tag.
    pub(super) fn source(&self, open: &Open) -> Span {
        let last = open.closing_tag.and_then(|tag| self.open(tag)).unwrap_or(open);
        Span {
            start: open.head.start,
            end: self.end(last).unwrap_or(open.head.end),
        }
    }

    /// The text of [`Self::source`].
    pub(super) fn written(&self, open: &Open) -> &'t str {
        self.source(open).of(self.text)
    }

    /// The token behind the macro and all that belongs to it.
    pub(super) fn after(&self, at: usize, open: &Open) -> usize {
        let last = open.closing_tag.and_then(|tag| self.open(tag)).unwrap_or(open);
        last.close.unwrap_or(at) + 1
    }

    /// The tokens of the argument that begins at the token `start` of the macro at `at`.
    pub(super) fn argument(&self, at: usize, open: &Open, start: usize) -> Range<usize> {
        let end = open.close.unwrap_or(start);
        let mut index = start;
        while index < end {
            index = match self.tokens.get(index) {
                Some(Token::Separator { owner, .. }) if *owner == at => return start..index,
                Some(Token::Open(inner)) => inner.close.unwrap_or(index) + 1,
                _ => index + 1,
            };
        }
        start..end
    }
}

struct Frame {
    /// Index of the token that opened it.
    open: usize,
    is_macro: bool,
    is_list: bool,
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    frames: Vec<Frame>,
    /// Where the text begins that is no token yet.
    text_start: usize,
    has_closing_tags: bool,
    is_cut: bool,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            tokens: Vec::with_capacity(16),
            frames: Vec::new(),
            text_start: 0,
            has_closing_tags: false,
            is_cut: false,
        }
    }

    fn run(&mut self) {
        let mut at = 0;
        while let Some(mark) = next_mark(self.text, at, !self.frames.is_empty()) {
            if self.tokens.len() >= MAX_TOKENS {
                self.is_cut = true;
                break;
            }
            at = self.mark(mark);
        }
        self.flush(self.text.len());
    }

    /// Takes the mark at `at`, and says where to go on.
    fn mark(&mut self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        match rest.as_bytes() {
            [b'{', ..] => {
                // Of more than two braces the last two belong to the macro.
                let braces = run_of(rest, b'{');
                if braces < 2 {
                    at + 1
                } else {
                    self.opening(at + braces - 2)
                }
            }
            [b'}', b'}', ..] if !self.frames.is_empty() => self.closing(at),
            [b':', b':', ..] => self.separator(at),
            [b'<', ..] => match marker(rest) {
                Some((name, length)) => {
                    let span = Span {
                        start: at,
                        end: at + length,
                    };
                    self.push(at, span.end, Token::Marker(name, span))
                }
                None => at + 1,
            },
            [b'\\', brace @ (b'{' | b'}'), ..] => {
                // Two braces are a macro's even behind a backslash; then it is a mere backslash.
                if run_of(rest.get(1..).unwrap_or_default(), *brace) == 2 {
                    return at + 1;
                }
                let span = Span { start: at, end: at + 2 };
                self.push(at, span.end, Token::Escape(span))
            }
            _ => at + 1,
        }
    }

    fn opening(&mut self, at: usize) -> usize {
        let head = Head::parse(self.text, at + 2);
        self.has_closing_tags |= matches!(head.call, Call::Closing { .. });
        let open = Open {
            head: Span {
                start: at,
                end: head.end,
            },
            call: head.call,
            keeps_blanks: head.keeps_blanks,
            arguments: usize::from(head.arguments != Arguments::None),
            close: None,
            closing_tag: None,
        };
        let next = self.push(at, head.end, Token::Open(open));
        self.frames.push(Frame {
            open: self.tokens.len() - 1,
            is_macro: !matches!(head.call, Call::Text),
            is_list: head.arguments == Arguments::List,
        });
        next
    }

    fn closing(&mut self, at: usize) -> usize {
        let Some(frame) = self.frames.pop() else {
            return at + 2;
        };
        let next = self.push(
            at,
            at + 2,
            Token::Close {
                start: at,
                owner: frame.open,
            },
        );
        let close = self.tokens.len() - 1;
        if let Some(Token::Open(open)) = self.tokens.get_mut(frame.open) {
            open.close = Some(close);
        }
        next
    }

    fn separator(&mut self, at: usize) -> usize {
        let Some(Frame {
            open: owner,
            is_list: true,
            ..
        }) = self.frames.last()
        else {
            return at + 1;
        };
        let owner = *owner;
        if let Some(Token::Open(open)) = self.tokens.get_mut(owner) {
            open.arguments += 1;
        }
        self.push(at, at + 2, Token::Separator { start: at, owner })
    }

    fn push(&mut self, start: usize, end: usize, token: Token) -> usize {
        self.flush(start);
        self.tokens.push(token);
        self.text_start = end;
        end
    }

    fn flush(&mut self, end: usize) {
        if self.text_start < end {
            self.tokens.push(Token::Text(Span {
                start: self.text_start,
                end,
            }));
        }
    }
}

/// The next byte that may begin something, from `at` on.
fn next_mark(text: &str, at: usize, is_inside: bool) -> Option<usize> {
    let rest = text.as_bytes().get(at..)?;
    let found = if is_inside {
        rest.iter()
            .position(|byte| matches!(byte, b'{' | b'}' | b':' | b'<' | b'\\'))
    } else {
        memchr3(b'{', b'<', b'\\', rest)
    };
    found.map(|found| at + found)
}

fn run_of(text: &str, byte: u8) -> usize {
    text.bytes().take_while(|other| *other == byte).count()
}

/// The old marker that `text` begins with, and its length.
fn marker(text: &str) -> Option<(Name, usize)> {
    const MARKERS: [(&[u8], Name); 5] = [
        (b"<user>", Name::User),
        (b"<char>", Name::Char),
        (b"<bot>", Name::Char),
        (b"<group>", Name::Group),
        (b"<charifnotgroup>", Name::Group),
    ];
    let bytes = text.as_bytes();
    MARKERS.iter().find_map(|(spelling, name)| {
        let head = bytes.get(..spelling.len())?;
        head.eq_ignore_ascii_case(spelling).then_some((*name, spelling.len()))
    })
}

/// Whether evaluating `text` can change it.
pub(super) fn has_marks(text: &str) -> bool {
    memchr3_iter(b'{', b'<', b'\\', text.as_bytes()).any(|at| {
        let rest = text.get(at..).unwrap_or_default();
        match rest.as_bytes() {
            [b'{', b'{', ..] | [b'\\', b'{' | b'}', ..] => true,
            [b'<', ..] => marker(rest).is_some(),
            _ => false,
        }
    })
}

/// Finds the closing tags of macros with content: each closes the nearest open macro of its name in the
/// same argument of the same macro, and whatever was opened in between has no content.
fn pair(text: &str, tokens: &mut [Token]) {
    let mut open_macros: Vec<usize> = Vec::new();
    // How many of them stand outside of the macro whose arguments are being read.
    let mut bases: Vec<usize> = Vec::new();
    let mut comparisons = 0;
    for index in 0..tokens.len() {
        let open_at = |at: usize| match tokens.get(at) {
            Some(Token::Open(open)) if open.close.is_some() && !matches!(open.call, Call::Text) => Some(*open),
            _ => None,
        };
        match tokens.get(index) {
            Some(Token::Open(_)) if open_at(index).is_some() => bases.push(open_macros.len()),
            Some(Token::Separator { owner, .. }) if open_at(*owner).is_some() => {
                open_macros.truncate(bases.last().copied().unwrap_or(0));
            }
            Some(Token::Close { owner, .. }) => {
                let owner = *owner;
                let Some(closed) = open_at(owner) else { continue };
                open_macros.truncate(bases.pop().unwrap_or(0));
                match closed.call {
                    Call::Macro { signature, .. }
                        if signature.is_none_or(|signature| signature.takes_content_after(closed.arguments)) =>
                    {
                        open_macros.push(owner);
                    }
                    Call::Closing { name } if closed.arguments == 0 && comparisons < MAX_COMPARISONS => {
                        let base = bases.last().copied().unwrap_or(0);
                        let candidates = open_macros.get(base..).unwrap_or_default();
                        let found = candidates.iter().rposition(|at| {
                            comparisons += 1;
                            matches!(open_at(*at), Some(Open { call: Call::Macro { name: opened, .. }, .. })
                                    if opened.of(text).eq_ignore_ascii_case(name.of(text)))
                        });
                        let Some(found) = found.map(|found| base + found) else {
                            continue;
                        };
                        let opener = open_macros.get(found).copied().unwrap_or_default();
                        open_macros.truncate(found);
                        if let Some(Token::Open(open)) = tokens.get_mut(opener) {
                            open.closing_tag = Some(owner);
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
