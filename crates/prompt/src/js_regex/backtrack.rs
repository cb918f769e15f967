//! Patterns with look-around or back-references, or too large for an automaton, matched as
//! JavaScript does: by trying, for a counted number of steps.
//!
//! An own matcher, because what bounds `fancy-regex` is the number of its retreats in one search: a
//! retreat may read the whole text, a global replacement searches again and again, and a
//! back-reference that ignores case compiles a pattern for each comparison. Here a step is a
//! character or a decision, and all searches of a call share one allowance.

mod program;

use super::syntax::{Assert, Node};
use super::{GaveUp, Slots};
use program::{Direction, Inst, Program};

/// Steps of one call.
pub(super) const MAX_STEPS: u64 = 2_000_000;
/// Ways to be tried yet, and changes to be undone, at once.
const MAX_STACK: usize = 1 << 18;

#[derive(Debug)]
pub(super) struct Backtrack(Program);

impl Backtrack {
    pub(super) fn new(node: &Node, groups: usize) -> Self {
        Self(Program::new(node, groups))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// `steps` are those the call has left.
    pub(super) fn find(
        &self,
        text: &str,
        at: usize,
        sticky: bool,
        steps: &mut u64,
        slots: &mut Slots,
    ) -> Result<bool, GaveUp> {
        let mut matcher = Matcher {
            program: &self.0,
            text,
            steps,
            slots: vec![None; self.0.slots],
            stack: Vec::new(),
            trail: Vec::new(),
        };
        let mut start = at;
        loop {
            if let Some(end) = matcher.run(0, start)? {
                for (slot, found) in slots.iter_mut().zip(&matcher.slots).skip(2) {
                    *slot = *found;
                }
                for (slot, found) in slots.iter_mut().zip([start, end]) {
                    *slot = Some(found);
                }
                return Ok(true);
            }
            matcher.undo(0);
            match step(text, start, Direction::Forward) {
                Some((_, next)) if !sticky => start = next,
                _ => return Ok(false),
            }
        }
    }
}

struct Matcher<'m, 't> {
    program: &'m Program,
    text: &'t str,
    steps: &'m mut u64,
    slots: Vec<Option<usize>>,
    /// Where to go on (instruction, position), and how much of the trail stays.
    stack: Vec<(usize, usize, usize)>,
    /// Slots changed, with what was in them.
    trail: Vec<(usize, Option<usize>)>,
}

impl Matcher<'_, '_> {
    /// The end of what matches from `at` on. Calls itself for look-around only, which the depth of
    /// groups bounds.
    fn run(&mut self, start: usize, at: usize) -> Result<Option<usize>, GaveUp> {
        let base = self.stack.len();
        let (mut pc, mut at) = (start, at);
        let program = self.program;
        loop {
            self.spend(1)?;
            let Some((inst, direction)) = program.insts.get(pc) else {
                return Ok(None);
            };
            let next = match inst {
                Inst::Set(set) => match (program.sets.get(*set), step(self.text, at, *direction)) {
                    (Some(set), Some((c, next))) if set.has(c) => Some((pc + 1, next)),
                    _ => None,
                },
                Inst::Jump(target) => Some((*target, at)),
                Inst::Split(first, second) => {
                    if self.stack.len() >= MAX_STACK {
                        return Err(GaveUp);
                    }
                    self.stack.push((*second, at, self.trail.len()));
                    Some((*first, at))
                }
                Inst::Save(slot) => {
                    self.set(*slot, Some(at))?;
                    Some((pc + 1, at))
                }
                Inst::Clear(from, to) => {
                    self.spend((to - from) as u64)?;
                    for slot in *from..*to {
                        self.set(slot, None)?;
                    }
                    Some((pc + 1, at))
                }
                Inst::Progress(mark) => (self.slots.get(*mark) != Some(&Some(at))).then_some((pc + 1, at)),
                Inst::Assert(assert) => self.holds(*assert, at).then_some((pc + 1, at)),
                Inst::Look { negative, next } => {
                    let trail = self.trail.len();
                    let found = self.run(pc + 1, at)?.is_some();
                    if *negative || !found {
                        self.undo(trail);
                    }
                    (found != *negative).then_some((*next, at))
                }
                Inst::Backref { groups, ignore_case } => self
                    .backref(groups, *ignore_case, at, *direction)?
                    .map(|next| (pc + 1, next)),
                Inst::Accept => {
                    self.stack.truncate(base);
                    return Ok(Some(at));
                }
            };
            (pc, at) = match next {
                Some(next) => next,
                None if self.stack.len() > base => {
                    let Some((pc, at, trail)) = self.stack.pop() else {
                        return Ok(None);
                    };
                    self.undo(trail);
                    (pc, at)
                }
                None => return Ok(None),
            };
        }
    }

    fn spend(&mut self, steps: u64) -> Result<(), GaveUp> {
        *self.steps = self.steps.checked_sub(steps).ok_or(GaveUp)?;
        Ok(())
    }

    fn set(&mut self, slot: usize, value: Option<usize>) -> Result<(), GaveUp> {
        if self.trail.len() >= MAX_STACK {
            return Err(GaveUp);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            self.trail.push((slot, *place));
            *place = value;
        }
        Ok(())
    }

    fn undo(&mut self, length: usize) {
        while self.trail.len() > length {
            if let Some((slot, value)) = self.trail.pop()
                && let Some(place) = self.slots.get_mut(slot)
            {
                *place = value;
            }
        }
    }

    fn holds(&self, assert: Assert, at: usize) -> bool {
        let before = step(self.text, at, Direction::Backward).map(|(c, _)| c);
        let after = step(self.text, at, Direction::Forward).map(|(c, _)| c);
        let is_line_end = |c: char| matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}');
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        match assert {
            Assert::Start => before.is_none(),
            Assert::End => after.is_none(),
            Assert::LineStart => before.is_none_or(is_line_end),
            Assert::LineEnd => after.is_none_or(is_line_end),
            Assert::Word => is_word(before) != is_word(after),
            Assert::NotWord => is_word(before) == is_word(after),
        }
    }

    /// The position behind the text of the group; a group that has matched nothing yet is empty.
    fn backref(
        &mut self,
        groups: &[usize],
        ignore_case: bool,
        at: usize,
        direction: Direction,
    ) -> Result<Option<usize>, GaveUp> {
        let slot = |index: usize| self.slots.get(index).copied().flatten();
        let found = groups
            .iter()
            .find_map(|group| self.text.get(slot(group * 2)?..slot(group * 2 + 1)?));
        let Some(found) = found else {
            return Ok(Some(at));
        };
        self.spend(found.len() as u64)?;
        let fold = |c: char| if ignore_case { lower(c) } else { c };
        let mut end = at;
        let mut expected = found.chars();
        loop {
            let c = match direction {
                Direction::Forward => expected.next(),
                Direction::Backward => expected.next_back(),
            };
            let Some(c) = c else {
                return Ok(Some(end));
            };
            match step(self.text, end, direction) {
                Some((other, next)) if fold(other) == fold(c) => end = next,
                _ => return Ok(None),
            }
        }
    }
}

/// The lower case, where it is one character.
fn lower(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

/// The character next to `at`, and the position beyond it.
fn step(text: &str, at: usize, direction: Direction) -> Option<(char, usize)> {
    match direction {
        Direction::Forward => {
            let c = text.get(at..)?.chars().next()?;
            Some((c, at + c.len_utf8()))
        }
        Direction::Backward => {
            let c = text.get(..at)?.chars().next_back()?;
            Some((c, at - c.len_utf8()))
        }
    }
}
