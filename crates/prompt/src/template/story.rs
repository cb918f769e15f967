//! Story strings: `{{#if description}}{{description}}{{/if}}`.
//!
//! The part of Handlebars that they use: values, `#if`, `#unless`, `else`, `else if`, comments, `~`,
//! and block tags alone on a line, which take the line with them. Whatever else stands between braces
//! is left to the macros, whose grammar Handlebars does not read; so are blocks that are never opened,
//! while one that is never closed ends with the template.

use crate::macros::{Macros, has_macros};

/// Bytes of a template that are read.
pub const TEMPLATE_BYTES: usize = 64 * 1024;
/// Bytes of a rendered story; a value that would go over it is left out.
pub const RENDERED_BYTES: usize = 4 * 1024 * 1024;

/// Where values stand while macros are expanded around them: private characters, one for each.
const STANDS_FOR: u32 = 0xF_0000;
/// The most values of a story.
const VALUES: usize = 64;

/// A value under the names a template may know it by, in any case, as macros are.
#[derive(Debug, Clone, Copy)]
pub struct TemplateValue<'a> {
    pub names: &'a [&'a str],
    /// Expanded.
    pub text: &'a str,
}

/// The story, and which of `values` are in it, in their order.
///
/// Blank lines before it are cut off. A template or a result over its bound is cut, with a warning.
pub fn render(
    template: &str,
    values: &[TemplateValue<'_>],
    macros: &mut Macros<'_>,
    warnings: &mut Vec<String>,
) -> (String, Vec<bool>) {
    let values = values.get(..VALUES).unwrap_or(values);
    let cut = template.floor_char_boundary(TEMPLATE_BYTES);
    if cut < template.len() {
        warnings.push("The story string is too long; its end was left out.".to_owned());
    }
    let template: String = template
        .chars()
        .take_while({
            let mut bytes = 0;
            move |c| {
                bytes += c.len_utf8();
                bytes <= cut
            }
        })
        .filter(|c| value_of(*c).is_none())
        .collect();
    let mut sketch = String::with_capacity(template.len());
    sketch_into(&mut sketch, &tokens(&template), values);
    if has_macros(&sketch) {
        sketch = macros.expand(&sketch);
    }
    let mut used = vec![false; values.len()];
    let mut story = String::new();
    let mut is_cut = false;
    for c in sketch.trim_start_matches('\n').chars() {
        let Some(index) = value_of(c).filter(|index| *index < values.len()) else {
            if story.len() < RENDERED_BYTES {
                story.push(c);
            }
            continue;
        };
        let text = values.get(index).map_or("", |value| value.text);
        if story.len().saturating_add(text.len()) > RENDERED_BYTES {
            is_cut = true;
            continue;
        }
        story.push_str(text);
        if let Some(used) = used.get_mut(index) {
            *used |= !text.is_empty();
        }
    }
    if is_cut {
        warnings.push("The story string repeats too much; some of it was left out.".to_owned());
    }
    (story, used)
}

fn stand_in(index: usize) -> Option<char> {
    char::from_u32(STANDS_FOR.checked_add(u32::try_from(index).ok()?)?)
}

fn value_of(c: char) -> Option<usize> {
    let index = usize::try_from(u32::from(c).checked_sub(STANDS_FOR)?).ok()?;
    (index < VALUES).then_some(index)
}

enum Token<'t> {
    Text(&'t str),
    /// The whole tag, and what stands in it.
    Tag {
        raw: &'t str,
        tag: Tag<'t>,
        trims: (bool, bool),
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag<'t> {
    Open {
        name: &'t str,
        unless: bool,
    },
    /// `{{if …}}` without `#`: a macro, whose `else` and end are its own.
    OpenMacro,
    Else {
        name: Option<&'t str>,
    },
    Close,
    Comment,
    Value(&'t str),
}

impl Tag<'_> {
    /// Whether it takes its line with it if it stands there alone.
    const fn is_block(self) -> bool {
        !matches!(self, Self::Value(_) | Self::OpenMacro)
    }
}

fn tokens(template: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = template;
    // Up to where `rest` is text for certain.
    let mut text = 0;
    while let Some(open) = rest.get(text..).and_then(|tail| tail.find("{{")).map(|at| at + text) {
        let tail = rest.get(open..).unwrap_or_default();
        let triple = tail.starts_with("{{{");
        let (marks, close) = if triple { (3, "}}}") } else { (2, "}}") };
        let inner = tail.get(marks..).unwrap_or_default();
        let Some(end) = inner.find(close) else { break };
        let inner = inner.get(..end).unwrap_or_default();
        // Something nested: the inner one may be ours, the outer one is not.
        if let Some(nested) = inner.rfind("{{") {
            text = open + marks + nested;
            continue;
        }
        let length = marks + end + close.len();
        let (raw, behind) = tail.split_at_checked(length).unwrap_or((tail, ""));
        let trims = (inner.starts_with('~'), inner.ends_with('~'));
        let Some(tag) = tag_of(inner.trim_matches('~').trim()) else {
            text = open + length;
            continue;
        };
        tokens.push(Token::Text(rest.get(..open).unwrap_or_default()));
        tokens.push(Token::Tag { raw, tag, trims });
        rest = behind;
        text = 0;
    }
    tokens.push(Token::Text(rest));
    tokens
}

fn tag_of(inner: &str) -> Option<Tag<'_>> {
    let condition = |name: &str| {
        inner
            .strip_prefix(name)
            .filter(|rest| rest.starts_with(char::is_whitespace))
            .map(str::trim)
    };
    if let Some(name) = condition("#if") {
        return Some(Tag::Open { name, unless: false });
    }
    if let Some(name) = condition("#unless") {
        return Some(Tag::Open { name, unless: true });
    }
    if let Some(rest) = condition("else") {
        let name = rest
            .strip_prefix("if")
            .filter(|rest| rest.starts_with(char::is_whitespace))?;
        return Some(Tag::Else {
            name: Some(name.trim()),
        });
    }
    match inner {
        "else" | "^" => Some(Tag::Else { name: None }),
        "/if" | "/unless" => Some(Tag::Close),
        _ if inner.starts_with('!') => Some(Tag::Comment),
        _ if condition("if").is_some() || inner.starts_with("if::") => Some(Tag::OpenMacro),
        _ if !inner.is_empty() && inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
            Some(Tag::Value(inner))
        }
        _ => None,
    }
}

/// An open block.
struct Block {
    /// What stands in it now is written.
    shown: bool,
    /// One of its branches was.
    taken: bool,
    is_macro: bool,
}

/// Writes what is to be shown, with a stand-in for each value.
fn sketch_into(sketch: &mut String, tokens: &[Token<'_>], values: &[TemplateValue<'_>]) {
    let find = |name: &str| {
        let is = |known: &&str| known.eq_ignore_ascii_case(name);
        values.iter().position(|value| value.names.iter().any(is))
    };
    let has_text = |name: &str| {
        find(name)
            .and_then(|index| values.get(index))
            .is_some_and(|value| !value.text.trim().is_empty())
    };
    let mut blocks: Vec<Block> = Vec::new();
    // Blocks around that are not shown.
    let mut hidden = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Text(_) if hidden > 0 => {}
            Token::Text(_) => sketch.push_str(trimmed(tokens, index)),
            Token::Tag { raw, tag, .. } => match *tag {
                Tag::Comment => {}
                Tag::OpenMacro => {
                    if hidden == 0 {
                        sketch.push_str(raw);
                    }
                    blocks.push(Block {
                        shown: true,
                        taken: true,
                        is_macro: true,
                    });
                }
                Tag::Open { name, unless } => {
                    let shown = has_text(name) != unless;
                    hidden += usize::from(!shown);
                    blocks.push(Block {
                        shown,
                        taken: shown,
                        is_macro: false,
                    });
                }
                Tag::Else { name } => match blocks.last_mut() {
                    Some(block) if !block.is_macro => {
                        let shown = !block.taken && name.is_none_or(has_text);
                        hidden = hidden.saturating_sub(usize::from(!block.shown)) + usize::from(!shown);
                        block.shown = shown;
                        block.taken |= shown;
                    }
                    _ if hidden == 0 => sketch.push_str(raw),
                    _ => {}
                },
                Tag::Close => match blocks.pop() {
                    Some(block) if !block.is_macro => hidden = hidden.saturating_sub(usize::from(!block.shown)),
                    _ if hidden == 0 => sketch.push_str(raw),
                    _ => {}
                },
                Tag::Value(_) if hidden > 0 => {}
                Tag::Value(name) => match find(name).and_then(stand_in) {
                    Some(stand_in) => sketch.push(stand_in),
                    None => sketch.push_str(raw),
                },
            },
        }
    }
}

/// The text at `index` without what the tags beside it take away.
fn trimmed<'t>(tokens: &[Token<'t>], index: usize) -> &'t str {
    let Some(Token::Text(text)) = tokens.get(index) else {
        return "";
    };
    let mut text = *text;
    if let Some(before) = index.checked_sub(1)
        && let Some(Token::Tag { trims, .. }) = tokens.get(before)
    {
        if trims.1 {
            text = text.trim_start();
        } else if stands_alone(tokens, before) {
            text = text.find('\n').and_then(|at| text.get(at + 1..)).unwrap_or_default();
        }
    }
    if let Some(Token::Tag { trims, .. }) = tokens.get(index + 1) {
        if trims.0 {
            text = text.trim_end();
        } else if stands_alone(tokens, index + 1) {
            let line = text.rfind('\n').map_or(0, |at| at + 1);
            text = text.get(..line).unwrap_or_default();
        }
    }
    text
}

/// Whether the tag at `index` is a block's and nothing but blanks shares its line.
fn stands_alone(tokens: &[Token<'_>], index: usize) -> bool {
    let Some(Token::Tag { tag, .. }) = tokens.get(index) else {
        return false;
    };
    let is_blank = |text: &str| text.chars().all(|c| matches!(c, ' ' | '\t' | '\r'));
    let (Some(Token::Text(before)), Some(Token::Text(behind))) = (
        index.checked_sub(1).and_then(|before| tokens.get(before)),
        tokens.get(index + 1),
    ) else {
        return false;
    };
    let starts_line = match before.rsplit_once('\n') {
        Some((_, line)) => is_blank(line),
        None => index == 1 && is_blank(before),
    };
    let ends_line = match behind.split_once('\n') {
        Some((line, _)) => is_blank(line),
        None => index + 2 == tokens.len() && is_blank(behind),
    };
    tag.is_block() && starts_line && ends_line
}
