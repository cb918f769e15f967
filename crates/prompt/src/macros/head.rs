//! Reads the beginning of a macro: flags, name or variable, and how its arguments are written.

use super::syntax::Span;
use super::table::{Signature, lookup};

/// What two braces begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    /// Nothing; they are text.
    Text,
    Macro {
        name: Span,
        signature: Option<&'static Signature>,
    },
    /// `{{/name}}`.
    Closing { name: Span },
    /// `{{.name}}`, `{{$name = value}}`, …
    Variable(Shorthand),
}

/// An expression over a variable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shorthand {
    pub(super) is_global: bool,
    pub(super) name: Span,
    pub(super) operator: Operator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Get,
    Increment,
    Decrement,
    Set,
    Add,
    Subtract,
    Or,
    OrSet,
    Default,
    DefaultSet,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

/// Longer ones first.
const OPERATORS: [(&str, Operator); 15] = [
    ("||=", Operator::OrSet),
    ("??=", Operator::DefaultSet),
    ("||", Operator::Or),
    ("??", Operator::Default),
    ("++", Operator::Increment),
    ("--", Operator::Decrement),
    ("+=", Operator::Add),
    ("-=", Operator::Subtract),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("=", Operator::Set),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arguments {
    None,
    /// All there is up to the end, colons and all.
    One,
    /// Separated by `::`.
    List,
}

pub(super) struct Head {
    pub(super) call: Call,
    pub(super) keeps_blanks: bool,
    pub(super) arguments: Arguments,
    /// Where the first argument, or the end, begins.
    pub(super) end: usize,
}

impl Head {
    /// The head whose braces end at `at`.
    pub(super) fn parse(text: &str, at: usize) -> Self {
        parse(text, at).unwrap_or(Self {
            call: Call::Text,
            keeps_blanks: false,
            arguments: Arguments::None,
            end: at,
        })
    }
}

/// A place in the text, with what is left of it.
#[derive(Clone, Copy)]
struct Cursor<'t> {
    at: usize,
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    fn at(text: &'t str, at: usize) -> Option<Self> {
        text.get(at..).map(|rest| Self { at, rest })
    }

    /// Past the next `length` bytes, of which there must be so many.
    fn skip(self, length: usize) -> Option<Self> {
        self.rest.get(length..).map(|rest| Self {
            at: self.at + length,
            rest,
        })
    }

    fn skip_blanks(self) -> Self {
        let rest = self.rest.trim_start();
        Self {
            at: self.at + (self.rest.len() - rest.len()),
            rest,
        }
    }

    fn is_end(self) -> bool {
        self.rest.starts_with("}}")
    }

    fn span(self, length: usize) -> Span {
        Span {
            start: self.at,
            end: self.at + length,
        }
    }
}

fn parse(text: &str, at: usize) -> Option<Head> {
    let mut cursor = Cursor::at(text, at)?.skip_blanks();
    let (mut keeps_blanks, mut is_closing) = (false, false);
    loop {
        if cursor.rest.starts_with("//") {
            return comment(cursor, is_closing);
        }
        match cursor.rest.as_bytes().first()? {
            b'#' => keeps_blanks = true,
            b'/' => is_closing = true,
            // Flags without a meaning yet; texts that have them are taken.
            b'!' | b'?' | b'~' | b'>' => {}
            b'.' | b'$' if !is_closing => return variable(cursor),
            _ => break,
        }
        cursor = cursor.skip(1)?.skip_blanks();
    }
    let (name, arguments, end) = match offset_of_old_time(cursor) {
        Some(offset) => (cursor.span("time".len()), Arguments::One, offset),
        None => name(cursor)?,
    };
    let call = if is_closing {
        Call::Closing { name }
    } else {
        Call::Macro {
            name,
            signature: lookup(name.of(text)),
        }
    };
    Some(Head {
        call,
        keeps_blanks,
        arguments,
        end,
    })
}

/// The name there, how its arguments are written, and where they begin.
fn name(cursor: Cursor<'_>) -> Option<(Span, Arguments, usize)> {
    let length = name_length(cursor.rest)?;
    let behind = cursor.skip(length)?;
    let next = behind.skip_blanks();
    let (arguments, end) = if next.is_end() {
        (Arguments::None, next.at)
    } else if next.rest.starts_with("::") {
        (Arguments::List, next.at + 2)
    } else if next.rest.starts_with(':') {
        (Arguments::One, next.at + 1)
    } else if next.at > behind.at {
        (Arguments::One, next.at)
    } else {
        return None;
    };
    Some((cursor.span(length), arguments, end))
}

/// Where the offset begins in `{{time_UTC+2}}`, which is older than arguments.
fn offset_of_old_time(cursor: Cursor<'_>) -> Option<usize> {
    const START: &str = "time_utc";
    let head = cursor.rest.get(..START.len())?;
    let sign = cursor.rest.as_bytes().get(START.len())?;
    (head.eq_ignore_ascii_case(START) && matches!(sign, b'+' | b'-')).then_some(cursor.at + "time_".len())
}

/// `{{// anything}}`, or `{{///}}`, which closes `{{//}}`.
fn comment(cursor: Cursor<'_>, is_closing: bool) -> Option<Head> {
    let name = cursor.span(2);
    let behind = cursor.skip(2)?.skip_blanks();
    let slash = behind
        .skip(1)
        .map(Cursor::skip_blanks)
        .filter(|_| behind.rest.starts_with('/'));
    let (call, end) = match slash {
        Some(end) if end.is_end() => (Call::Closing { name }, end),
        _ if is_closing => (Call::Closing { name }, behind),
        _ => {
            let signature = lookup("//");
            (Call::Macro { name, signature }, behind)
        }
    };
    Some(Head {
        call,
        keeps_blanks: false,
        arguments: if end.is_end() { Arguments::None } else { Arguments::One },
        end: end.at,
    })
}

fn variable(cursor: Cursor<'_>) -> Option<Head> {
    let (shorthand, value) = shorthand(cursor)?;
    let takes_value = !matches!(
        shorthand.operator,
        Operator::Get | Operator::Increment | Operator::Decrement
    );
    if !takes_value && !value.is_end() {
        return None;
    }
    Some(Head {
        call: Call::Variable(shorthand),
        keeps_blanks: false,
        arguments: if takes_value { Arguments::One } else { Arguments::None },
        end: value.at,
    })
}

/// The expression that `text` is, and where its value begins.
pub(super) fn parse_shorthand(text: &str) -> Option<(Shorthand, usize)> {
    let (shorthand, value) = shorthand(Cursor::at(text, 0)?)?;
    Some((shorthand, value.at))
}

fn shorthand(cursor: Cursor<'_>) -> Option<(Shorthand, Cursor<'_>)> {
    let is_global = cursor.rest.starts_with('$');
    let start = cursor.skip(1)?.skip_blanks();
    // A name may have hyphens, but those at its end belong to an operator.
    let length = start.rest.get(..name_length(start.rest)?)?.trim_end_matches('-').len();
    let behind = start.skip(length)?.skip_blanks();
    let found = OPERATORS.iter().find(|(sign, _)| behind.rest.starts_with(sign));
    let (operator, value) = match found {
        Some((sign, operator)) => (*operator, behind.skip(sign.len())?.skip_blanks()),
        None => (Operator::Get, behind),
    };
    let shorthand = Shorthand {
        is_global,
        name: start.span(length),
        operator,
    };
    Some((shorthand, value))
}

/// Length of the name that `text` begins with: a letter, then letters, digits, `_` and `-`.
fn name_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    bytes.first().filter(|byte| byte.is_ascii_alphabetic())?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    Some(bytes.iter().take_while(|byte| is_part(byte)).count())
}

/// Whether `text` is the name of a macro, or could be.
pub(super) fn is_name(text: &str) -> bool {
    name_length(text) == Some(text.len())
}
