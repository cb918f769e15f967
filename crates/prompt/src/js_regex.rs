//! Patterns as JavaScript writes them, in bounded time: keys of world books and regex scripts.
//!
//! Most patterns become a finite automaton and take time linear in the text; those with look-around
//! or back-references, or with an automaton of more than a megabyte, are matched by trying, and give
//! up after a fixed number of steps. What repeats too much is no pattern at all. The same pattern and text always end the same
//! way: nothing here looks at a clock.
//!
//! Rules: ECMA-262 with its annex B. `\d`, `\w` and `\b` are ASCII, `\s` is not; lone `]` and `{`
//! stand for themselves; a back-reference to a group that has matched nothing is empty. What differs:
//! - Text is characters, not UTF-16 units, as under the flag `u`; half a surrogate pair is refused.
//! - `\u{…}`, `\p{…}` work without `u`, and lone braces with it.
//! - Under `i`, letters are equal by Unicode's simple folding.
//! - Where a finite automaton matches, a line of `^` and `$` under `m` ends at `\n` alone, and a
//!   group in a repetition keeps what it matched in an earlier round.
//! - `g` and `y` keep no position between calls; `y` matches at the start of the text only.

mod backtrack;
mod linear;
mod syntax;

use std::borrow::Cow;
use std::sync::Arc;

use backtrack::Backtrack;
use linear::Linear;
use syntax::{Flags, Node};

/// Nodes of a pattern, repeated ones as often as they are repeated, large sets counting more.
const MAX_COST: u64 = 20_000;
/// Bytes that a replacement may make of a text, besides four times its length.
const MAX_GROWTH: usize = 1 << 20;

/// A compiled pattern; clones share it.
#[derive(Debug, Clone)]
pub struct JsRegex(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    groups: usize,
    names: Vec<(String, usize)>,
    global: bool,
    sticky: bool,
}

#[derive(Debug)]
enum Engine {
    Linear(Box<Linear>),
    Backtrack(Backtrack),
}

/// What matching may still take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// Bytes read by automata, times what one can cost.
    work: u64,
    /// Characters and decisions tried.
    steps: u64,
}

impl Allowance {
    /// What one call may take.
    pub(crate) const CALL: Self = Self {
        work: linear::MAX_WORK,
        steps: backtrack::MAX_STEPS,
    };

    pub(crate) const fn times(self, factor: u64) -> Self {
        Self {
            work: self.work.saturating_mul(factor),
            steps: self.steps.saturating_mul(factor),
        }
    }

    fn for_one_call(self) -> Self {
        Self {
            work: self.work.min(Self::CALL.work),
            steps: self.steps.min(Self::CALL.steps),
        }
    }

    /// Takes what a call took of what it had.
    const fn spend(&mut self, had: Self, left: Self) {
        self.work -= had.work - left.work;
        self.steps -= had.steps - left.steps;
    }
}

/// A pattern took more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct GaveUp;

/// Start and end of the match, then of each group.
type Slots = Vec<Option<usize>>;

/// What a match has captured.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'m> {
    text: &'m str,
    slots: &'m [Option<usize>],
    names: &'m [(String, usize)],
}

impl<'m> Groups<'m> {
    /// Groups of the pattern, those that matched nothing included; the whole match is no group.
    #[must_use]
    pub fn count(&self) -> usize {
        (self.slots.len() / 2).saturating_sub(1)
    }

    /// 0 is the whole match.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'m str> {
        let slot = |at: usize| self.slots.get(at).copied().flatten();
        let at = index.checked_mul(2)?;
        self.text.get(slot(at)?..slot(at.checked_add(1)?)?)
    }

    #[must_use]
    pub fn name(&self, name: &str) -> Option<&'m str> {
        let mut named = self.names.iter().filter(|(other, _)| other == name);
        named.find_map(|(_, index)| self.get(*index))
    }

    #[must_use]
    pub const fn has_names(&self) -> bool {
        !self.names.is_empty()
    }
}

impl JsRegex {
    /// `/pattern/flags`, where a slash in the pattern is escaped; `None` if it is not written so, or
    /// the pattern is refused.
    #[must_use]
    pub fn parse(literal: &str) -> Option<Self> {
        let rest = literal.strip_prefix('/')?;
        let mut escaped = false;
        let end = rest.find(|c| {
            let ends = c == '/' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        let (pattern, flags) = rest.split_at_checked(end)?;
        if pattern.is_empty() {
            return None;
        }
        Self::new(pattern, flags.strip_prefix('/')?)
    }

    /// A bare pattern; `None` if it or a flag is wrong, unknown, or too large.
    #[must_use]
    pub fn new(pattern: &str, flags: &str) -> Option<Self> {
        let known = |flag: char| "gimsuy".contains(flag) && flags.matches(flag).count() == 1;
        if flags.len() > 6 || !flags.chars().all(known) {
            return None;
        }
        let parsed = syntax::parse(
            pattern,
            Flags {
                ignore_case: flags.contains('i'),
                multi_line: flags.contains('m'),
                dot_all: flags.contains('s'),
                unicode: flags.contains('u'),
            },
        )?;
        let cost = cost(&parsed.node);
        if cost > MAX_COST {
            return None;
        }
        let linear = if parsed.backtracks {
            None
        } else {
            Linear::new(&parsed.node, cost)
        };
        let engine = match linear {
            Some(linear) => Engine::Linear(Box::new(linear)),
            None => Engine::Backtrack(Backtrack::new(&parsed.node, parsed.groups)),
        };
        Some(Self(Arc::new(Inner {
            engine,
            groups: parsed.groups,
            names: parsed.names,
            global: flags.contains('g'),
            sticky: flags.contains('y'),
        })))
    }

    /// Bytes in memory, about; for caches that hold patterns.
    #[must_use]
    pub fn weight(&self) -> usize {
        let engine = match &self.0.engine {
            Engine::Linear(linear) => linear.bytes(),
            Engine::Backtrack(backtrack) => backtrack.bytes(),
        };
        size_of::<Inner>() + engine
    }

    /// False as well if the pattern gave up.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.is_match_within(&mut { Allowance::CALL }, text) == Some(true)
    }

    /// As [`Self::is_match`], for calls that share an allowance; one call alone cannot take all of it.
    /// `None` if the pattern gave up.
    pub(crate) fn is_match_within(&self, shared: &mut Allowance, text: &str) -> Option<bool> {
        let whole = shared.for_one_call();
        let mut left = whole;
        let found = match &self.0.engine {
            Engine::Linear(linear) => linear.is_match(text, self.0.sticky, &mut left.work),
            Engine::Backtrack(_) => {
                let mut search = self.search(text);
                search.left = left;
                let found = search.find(0);
                left = search.left;
                found
            }
        };
        shared.spend(whole, left);
        found.ok()
    }

    /// Replaces the first match, or all with the flag `g`, by what `replace` makes of it.
    /// `None` if the pattern gave up, or the result has more than four times the bytes and a megabyte.
    pub fn replace<'t>(&self, text: &'t str, replace: impl FnMut(Groups<'_>) -> String) -> Option<Cow<'t, str>> {
        self.replace_within(&mut { Allowance::CALL }, text, replace)
    }

    /// As [`Self::replace`], for calls that share an allowance; one call alone cannot take all of it.
    pub(crate) fn replace_within<'t>(
        &self,
        shared: &mut Allowance,
        text: &'t str,
        replace: impl FnMut(Groups<'_>) -> String,
    ) -> Option<Cow<'t, str>> {
        let mut search = self.search(text);
        let whole = shared.for_one_call();
        search.left = whole;
        let replaced = self.replace_all(&mut search, replace);
        shared.spend(whole, search.left);
        replaced
    }

    fn replace_all<'t>(
        &self,
        search: &mut Search<'_, 't>,
        mut replace: impl FnMut(Groups<'_>) -> String,
    ) -> Option<Cow<'t, str>> {
        let text = search.text;
        let mut replaced = String::new();
        let mut copied = 0;
        let mut at = 0;
        let limit = text.len().saturating_mul(4).saturating_add(MAX_GROWTH);
        while search.find(at).ok()? {
            let (start, end) = search.bounds()?;
            replaced.push_str(text.get(copied..start)?);
            replaced.push_str(&replace(search.groups()));
            if replaced.len() > limit {
                return None;
            }
            copied = end;
            // Behind an empty match, the search goes on one character further.
            let rest = text.get(end..)?.chars().next();
            at = match rest {
                Some(c) if start == end => end + c.len_utf8(),
                None if start == end => break,
                _ => end,
            };
            if !self.0.global {
                break;
            }
        }
        if copied == 0 && replaced.is_empty() {
            return Some(Cow::Borrowed(text));
        }
        replaced.push_str(text.get(copied..)?);
        Some(Cow::Owned(replaced))
    }

    fn search<'r, 't>(&'r self, text: &'t str) -> Search<'r, 't> {
        Search {
            regex: &self.0,
            text,
            slots: vec![None; (self.0.groups + 1) * 2],
            left: Allowance::CALL,
        }
    }
}

/// The searches of one call, which share what they may take.
struct Search<'r, 't> {
    regex: &'r Inner,
    text: &'t str,
    slots: Slots,
    left: Allowance,
}

impl Search<'_, '_> {
    fn find(&mut self, at: usize) -> Result<bool, GaveUp> {
        let sticky = self.regex.sticky;
        match &self.regex.engine {
            Engine::Linear(linear) => linear.find(self.text, at, sticky, &mut self.left.work, &mut self.slots),
            Engine::Backtrack(backtrack) => {
                backtrack.find(self.text, at, sticky, &mut self.left.steps, &mut self.slots)
            }
        }
    }

    fn bounds(&self) -> Option<(usize, usize)> {
        match self.slots.as_slice() {
            [Some(start), Some(end), ..] => Some((*start, *end)),
            _ => None,
        }
    }

    fn groups(&self) -> Groups<'_> {
        Groups {
            text: self.text,
            slots: &self.slots,
            names: &self.regex.names,
        }
    }
}

fn cost(node: &Node) -> u64 {
    match node {
        Node::Empty | Node::Assert(_) | Node::Backref { .. } => 1,
        Node::Set(class) => 1 + class.ranges().len() as u64 / 8,
        Node::Cat(nodes) | Node::Alt(nodes) => nodes.iter().map(cost).fold(1, u64::saturating_add),
        Node::Group { node, .. } | Node::Look { node, .. } => cost(node).saturating_add(1),
        Node::Repeat { node, min, max, .. } => {
            let rounds = u64::from(max.unwrap_or_else(|| min.saturating_add(1)).max(1));
            cost(node).saturating_add(1).saturating_mul(rounds)
        }
    }
}

#[cfg(test)]
mod tests;
