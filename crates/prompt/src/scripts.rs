//! Regex scripts: find and replace over messages, lore and reasoning.
//!
//! Rules: SillyTavern's regex extension. A script belongs to places; it changes what is stored, or,
//! with `promptOnly` and `markdownOnly`, only what enters a prompt or is shown. What differs:
//! - The macros of a replacement are expanded, but not those in the text it inserts from the match,
//!   since that text can be a model's; only the old `<USER>` and `<BOT>` in it are.
//! - A number beyond the last group is read as the longest number of a group that it starts with, as
//!   JavaScript does, and stands for nothing where there is none; `$&` is the match, too.
//! - A script that takes too much leaves the text as it is, and is left out for the rest of the run,
//!   with a warning.

mod read;

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use crate::js_regex::{Allowance, Groups, JsRegex};
use crate::macros::Macros;

/// Scripts that are read; more are left out, with a warning.
const MAX_SCRIPTS: usize = 500;
/// How many calls at their limit the scripts of one run may take together.
const RUN_FACTOR: u64 = 16;
/// Bytes that all scripts together may add to a text, besides four times its length.
const MAX_GROWTH: usize = 1 << 20;

/// What a script is applied to; the numbers are SillyTavern's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placement {
    UserInput = 1,
    AiOutput = 2,
    SlashCommand = 3,
    WorldInfo = 5,
    Reasoning = 6,
}

/// What the result is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It replaces what is stored.
    Store,
    /// A person has edited a message, and it replaces what is stored: scripts with `runOnEdit` only.
    Edit,
    /// It goes into a prompt only.
    Prompt,
    /// It is shown only.
    Display,
}

/// Scripts in the order they run, compiled; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Scripts {
    scripts: Arc<[Script]>,
    pub warnings: Vec<String>,
}

/// Texts that scripts are applied to together, such as those of one turn: what they may take yet.
#[derive(Debug)]
pub struct ScriptRun {
    left: Allowance,
    /// Indices of scripts that have given up.
    given_up: Vec<usize>,
    /// Whole sentences, one for each script that has given up.
    pub warnings: Vec<String>,
}

impl Default for ScriptRun {
    fn default() -> Self {
        Self {
            left: Allowance::CALL.times(RUN_FACTOR),
            given_up: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

#[derive(Debug)]
struct Script {
    name: String,
    find: Find,
    replacement: Vec<Piece>,
    /// Whether the replacement has to be expanded.
    has_macros: bool,
    /// Taken out of what is inserted from the match; may hold macros.
    trim: Vec<String>,
    placements: Vec<u64>,
    markdown_only: bool,
    prompt_only: bool,
    run_on_edit: bool,
    min_depth: Option<u32>,
    max_depth: Option<u32>,
}

#[derive(Debug)]
enum Find {
    Fixed(JsRegex),
    /// With macros, expanded each time; the newest result stays.
    Macros {
        text: String,
        escaped: bool,
        last: Mutex<Option<(String, Option<JsRegex>)>>,
    },
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The digits behind the dollar.
    Group(String),
    Named(String),
}

impl Scripts {
    /// From SillyTavern's JSON objects: the preset's first, then the card's. Disabled ones are left out.
    #[must_use]
    pub fn compile(scripts: &[Value]) -> Self {
        let mut warnings = Vec::new();
        if scripts.len() > MAX_SCRIPTS {
            warnings.push(format!(
                "Of {} regex scripts, the first {MAX_SCRIPTS} are used.",
                scripts.len()
            ));
        }
        let scripts = scripts
            .iter()
            .take(MAX_SCRIPTS)
            .filter_map(|script| read::script(script, &mut warnings))
            .collect();
        Self { scripts, warnings }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// Bytes in memory, about; for caches that hold compiled scripts.
    #[must_use]
    pub fn weight(&self) -> usize {
        let patterns = self.scripts.iter().map(|script| match &script.find {
            Find::Fixed(regex) => regex.weight(),
            Find::Macros { text, .. } => text.len(),
        });
        patterns.sum::<usize>() + size_of_val(&*self.scripts)
    }

    /// `depth`: messages from the end, 0 = the newest; `None` if the text is no message of the chat.
    #[must_use]
    pub fn apply<'t>(
        &self,
        text: &'t str,
        placement: Placement,
        purpose: Purpose,
        depth: Option<u32>,
        macros: &mut Macros<'_>,
        run: &mut ScriptRun,
    ) -> Cow<'t, str> {
        let limit = text.len().saturating_mul(4).saturating_add(MAX_GROWTH);
        let mut result = Cow::Borrowed(text);
        for (index, script) in self.scripts.iter().enumerate() {
            if result.is_empty() || !script.is_for(placement, purpose, depth) || run.given_up.contains(&index) {
                continue;
            }
            let Some(regex) = script.regex(macros) else {
                continue;
            };
            let trims = script.trims(macros);
            let replaced = regex.replace_within(&mut run.left, &result, |groups| {
                script.replacement(groups, &trims, limit, macros)
            });
            match replaced {
                Some(Cow::Borrowed(_)) => {}
                Some(Cow::Owned(replaced)) if replaced.len() <= limit => result = Cow::Owned(replaced),
                _ => {
                    run.given_up.push(index);
                    run.warnings.push(format!(
                        "The regex script “{}” took too long or made a text too long; it was left out.",
                        script.name
                    ));
                }
            }
        }
        result
    }
}

impl Script {
    fn is_for(&self, placement: Placement, purpose: Purpose, depth: Option<u32>) -> bool {
        let is_destructive = !self.markdown_only && !self.prompt_only;
        let fits = match purpose {
            Purpose::Store => is_destructive,
            Purpose::Edit => is_destructive && self.run_on_edit,
            Purpose::Prompt => self.prompt_only,
            Purpose::Display => self.markdown_only,
        };
        let is_near = depth.is_none_or(|depth| {
            self.min_depth.is_none_or(|min| depth >= min) && self.max_depth.is_none_or(|max| depth <= max)
        });
        fits && is_near && self.placements.contains(&(placement as u64))
    }

    fn regex(&self, macros: &mut Macros<'_>) -> Option<JsRegex> {
        match &self.find {
            Find::Fixed(regex) => Some(regex.clone()),
            Find::Macros { text, escaped, last } => {
                let expanded = expand_pattern(text, *escaped, macros);
                let mut last = last.lock();
                match &*last {
                    Some((pattern, regex)) if *pattern == expanded => regex.clone(),
                    _ => {
                        let regex = read::pattern(&expanded);
                        *last = Some((expanded, regex.clone()));
                        regex
                    }
                }
            }
        }
    }

    fn trims(&self, macros: &mut Macros<'_>) -> Vec<String> {
        let expanded = self.trim.iter().map(|trim| macros.expand(trim));
        expanded.filter(|trim| !trim.is_empty()).collect()
    }

    /// Ends early where it is longer than `limit`, which is too long for any text.
    fn replacement(&self, groups: Groups<'_>, trims: &[String], limit: usize, macros: &mut Macros<'_>) -> String {
        let mut text = String::new();
        for piece in &self.replacement {
            if text.len() > limit {
                return text;
            }
            let (inserted, rest) = match piece {
                Piece::Text(piece) => {
                    text.push_str(piece);
                    continue;
                }
                Piece::Named(name) => (groups.name(name), ""),
                Piece::Group(digits) => numbered(groups, digits),
            };
            let mut inserted = Cow::Borrowed(inserted.unwrap_or_default());
            for trim in trims {
                if inserted.contains(trim) {
                    inserted = Cow::Owned(inserted.replace(trim, ""));
                }
            }
            if self.has_macros && (inserted.contains("{{") || inserted.contains("}}")) {
                // What the match holds is no macro.
                inserted = Cow::Owned(inserted.replace("{{", r"\{\{").replace("}}", r"\}\}"));
            }
            text.push_str(&inserted);
            text.push_str(rest);
        }
        if self.has_macros { macros.expand(&text) } else { text }
    }
}

/// The group that as many of the digits as possible name, and the digits left.
fn numbered<'m, 'd>(groups: Groups<'m>, digits: &'d str) -> (Option<&'m str>, &'d str) {
    for length in (1..=digits.len().min(3)).rev() {
        if let Some((number, rest)) = digits.split_at_checked(length)
            && let Ok(number) = number.parse::<usize>()
            && number <= groups.count()
        {
            return (groups.get(number), rest);
        }
    }
    (None, "")
}

/// Expands what stands in double braces, and nothing else: `<user>` can be part of a named group.
fn expand_pattern(pattern: &str, escaped: bool, macros: &mut Macros<'_>) -> String {
    let mut expanded = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, tail)) = rest.find("{{").and_then(|at| rest.split_at_checked(at)) {
        expanded.push_str(before);
        let Some((source, after)) = macro_end(tail).and_then(|end| tail.split_at_checked(end)) else {
            rest = tail;
            break;
        };
        let value = macros.expand(source);
        if escaped && value != source {
            value.chars().for_each(|c| push_escaped(&mut expanded, c));
        } else {
            expanded.push_str(&value);
        }
        rest = after;
    }
    expanded.push_str(rest);
    expanded
}

/// The end of the macro that `text` starts with, inner ones included.
fn macro_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with("{{") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("}}") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next()?.len_utf8();
        }
    }
}

fn push_escaped(pattern: &mut String, c: char) {
    match c {
        '\n' => pattern.push_str(r"\n"),
        '\r' => pattern.push_str(r"\r"),
        '\t' => pattern.push_str(r"\t"),
        '\0' => pattern.push_str(r"\x00"),
        '.' | '^' | '$' | '*' | '+' | '?' | '{' | '}' | '[' | ']' | '\\' | '/' | '|' | '(' | ')' | '-' => {
            pattern.push('\\');
            pattern.push(c);
        }
        c => pattern.push(c),
    }
}

#[cfg(test)]
mod tests;
