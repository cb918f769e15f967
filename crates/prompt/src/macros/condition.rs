//! `{{if}}` and `{{else}}`: only the branch that is chosen is evaluated.

use std::ops::Range;

use super::evaluate::{Evaluator, Outcome, Text};
use super::head::{Call, is_name, parse_shorthand};
use super::syntax::{Document, Open, Token};
use super::table::{Macro, Signature, lookup};
use super::text::is_falsy;

impl Evaluator<'_, '_> {
    pub(super) fn condition(&mut self, text: &Text<'_>, at: usize, open: &Open, out: &mut String, depth: usize) {
        let document = &text.document;
        let start = out.len();
        let tokens = document.argument(at, open, at + 1);
        let branches = match (open.close, open.closing_tag) {
            (Some(close), Some(tag)) => close + 1..tag,
            _ => document.argument(at, open, tokens.end + 1),
        };
        let written = match document.tokens.get(tokens.start) {
            Some(Token::Text(span)) if !tokens.is_empty() => span.of(document.text).trim_start(),
            _ => "",
        };
        let is_literal = tokens.len() == 1 && !written.is_empty();
        let is_inverted = written.starts_with('!');
        let written = written.strip_prefix('!').unwrap_or(written).trim_start();

        let span = self.argument(text, tokens, out, depth + 1);
        let value = out.get(span).unwrap_or_default();
        let value = if is_inverted {
            value.get(1..).unwrap_or_default().trim_start()
        } else {
            value
        }
        .to_owned();
        out.truncate(start);
        let holds = if written.starts_with(['.', '$']) {
            self.holds_expression(&value)
        } else if is_literal && is_name(&value) && lookup(&value).is_none_or(|signature| signature.takes(0)) {
            self.holds_macro(&value, out, depth)
        } else {
            !is_falsy(&value)
        };

        let (then, otherwise) = split_at_else(document, branches);
        let branch = if holds == is_inverted { otherwise } else { Some(then) };
        if let Some(branch) = branch {
            self.content(text, branch, open.keeps_blanks, out, depth + 1);
        }
    }

    /// Whether the expression over a variable, its value evaluated, comes to something that holds.
    fn holds_expression(&mut self, expression: &str) -> bool {
        let Some((shorthand, value)) = parse_shorthand(expression) else {
            return !is_falsy(expression);
        };
        let value = expression.get(value..).unwrap_or_default();
        match self.expression(shorthand, shorthand.name.of(expression), value.trim_end()) {
            Outcome::Value(value) => self.charge(value.len()) && !is_falsy(&value),
            _ => false,
        }
    }

    /// Whether the macro of that name comes to something that holds; what is no macro is a word, and holds.
    fn holds_macro(&mut self, name: &str, out: &mut String, depth: usize) -> bool {
        let start = out.len();
        let call = format!("{{{{{name}}}}}");
        // To ask for the original does not use it up.
        let original = self.original;
        self.run(&call, out, depth + 1);
        self.original = original;
        let value = out.get(start..).unwrap_or_default();
        let holds = !is_falsy(if value == call { name } else { value });
        out.truncate(start);
        holds
    }
}

/// What stands before and behind the `{{else}}` that belongs to these tokens themselves.
fn split_at_else(document: &Document<'_>, range: Range<usize>) -> (Range<usize>, Option<Range<usize>>) {
    let mut at = range.start;
    while at < range.end {
        let Some(open) = document.open(at) else {
            at += 1;
            continue;
        };
        let is_else = matches!(
            open.call,
            Call::Macro {
                signature: Some(Signature { what: Macro::Else, .. }),
                ..
            }
        );
        if is_else && open.close == Some(at + 1) {
            return (range.start..at, Some(at + 2..range.end));
        }
        at = match open.call {
            Call::Text => at + 1,
            _ => document.after(at, open),
        };
    }
    (range, None)
}
