//! Arguments, lists and contents of macros, evaluated in place at the end of the output.

use std::ops::Range;

use super::evaluate::{Evaluator, Text};
use super::syntax::{Document, Open, Token};
use super::table::Macro;
use super::text::trim_content;

impl Evaluator<'_, '_> {
    /// Writes the call as it stands, its arguments evaluated, and says where they are.
    pub(super) fn write_call(
        &mut self,
        text: &Text<'_>,
        at: usize,
        open: &Open,
        what: Option<Macro>,
        out: &mut String,
        depth: usize,
    ) -> Vec<Range<usize>> {
        let document = &text.document;
        out.push_str(open.head.of(document.text));
        let mut spans = Vec::new();
        if open.arguments == 1 && matches!(what, Some(Macro::Random | Macro::Pick)) {
            spans = self.list(text, document.argument(at, open, at + 1), out, depth + 1);
        } else if open.arguments > 0 {
            let mut start = at + 1;
            loop {
                let tokens = document.argument(at, open, start);
                start = tokens.end + 1;
                spans.push(self.argument(text, tokens, out, depth + 1));
                if open.close.is_none_or(|close| start > close) {
                    break;
                }
                out.push_str("::");
            }
        }
        out.push_str("}}");
        if let (Some(close), Some(tag)) = (open.close, open.closing_tag) {
            let start = out.len();
            // Only who knows the macro knows that its blanks do not count.
            let keeps_blanks = open.keeps_blanks || what.is_none();
            self.content(text, close + 1..tag, keeps_blanks, out, depth + 1);
            spans.push(start..out.len());
            let closing = document.open(tag).map(|tag| document.written(tag));
            out.push_str(closing.unwrap_or_default());
        }
        spans
    }

    /// Writes an argument, and says where it is without the blanks written around it.
    pub(super) fn argument(
        &mut self,
        text: &Text<'_>,
        range: Range<usize>,
        out: &mut String,
        depth: usize,
    ) -> Range<usize> {
        let tokens = text.document.tokens.get(range.clone()).unwrap_or_default();
        let written = |token: Option<&Token>| match token {
            Some(Token::Text(span)) => span.of(text.document.text),
            _ => "",
        };
        let first = written(tokens.first());
        let last = written(tokens.last());
        let leading = first.len() - first.trim_start().len();
        let trailing = last.len() - last.trim_end().len();
        let outer = self.enter(out.len());
        let start = out.len() + leading;
        self.tokens(text, range, out, depth);
        self.edge = outer;
        let end = out.len().saturating_sub(trailing);
        start.min(end)..end
    }

    /// Writes the one argument that is a list, and says where its items are. It is separated by `::` or else by
    /// commas where it is written; only a list that comes from a macro as a whole is separated in its value.
    fn list(&mut self, text: &Text<'_>, range: Range<usize>, out: &mut String, depth: usize) -> Vec<Range<usize>> {
        let document = &text.document;
        let separator = separator_of(document, range.clone());
        let mut items = Vec::new();
        let mut is_written = false;
        let mut start = out.len();
        let outer = self.enter(start);
        let is_escaped = |before: &str| separator == "," && before.ends_with('\\');
        let mut at = range.start;
        while let Some(token) = document.tokens.get(at).filter(|_| at < range.end) {
            match token {
                Token::Text(span) => {
                    let written = span.of(document.text);
                    is_written |= !written.trim().is_empty();
                    let mut pieces = written.split(separator).peekable();
                    while let Some(piece) = pieces.next() {
                        let ends = pieces.peek().is_some();
                        if ends && is_escaped(piece) {
                            self.literal(piece.strip_suffix('\\').unwrap_or(piece), out);
                            out.push_str(separator);
                            continue;
                        }
                        self.literal(piece, out);
                        if ends {
                            items.push(start..out.len());
                            out.push_str(separator);
                            start = out.len();
                        }
                    }
                    at += 1;
                }
                Token::Open(open) => {
                    let next = document.after(at, open);
                    self.tokens(text, at..next, out, depth);
                    at = next;
                }
                _ => {
                    self.tokens(text, at..at + 1, out, depth);
                    at += 1;
                }
            }
        }
        self.edge = outer;
        if is_written {
            items.push(start..out.len());
        } else {
            let value = out.get(start..).unwrap_or_default();
            let separator = if value.contains("::") { "::" } else { "," };
            for item in value.split(separator) {
                items.push(start..start + item.len());
                start += item.len() + separator.len();
            }
        }
        for item in &mut items {
            *item = trimmed(out, item.clone());
        }
        items
    }

    /// Writes the content of a scoped macro.
    pub(super) fn content(
        &mut self,
        text: &Text<'_>,
        range: Range<usize>,
        keeps_blanks: bool,
        out: &mut String,
        depth: usize,
    ) {
        let start = out.len();
        let outer = self.enter(start);
        self.tokens(text, range, out, depth);
        self.edge = outer;
        if !keeps_blanks {
            trim_content(out, start);
        }
    }
}

/// What separates the items of a list as it is written, not counting what is inside of its macros.
fn separator_of(document: &Document<'_>, range: Range<usize>) -> &'static str {
    let mut at = range.start;
    while let Some(token) = document.tokens.get(at).filter(|_| at < range.end) {
        at = match token {
            Token::Text(span) if span.of(document.text).contains("::") => return "::",
            Token::Open(open) => document.after(at, open),
            _ => at + 1,
        };
    }
    ","
}

/// The place without the blanks at its ends.
fn trimmed(out: &str, place: Range<usize>) -> Range<usize> {
    let text = out.get(place.clone()).unwrap_or_default();
    let start = place.start + (text.len() - text.trim_start().len());
    start..start + text.trim().len()
}
