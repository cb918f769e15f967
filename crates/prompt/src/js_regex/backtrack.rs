//! Patterns with look-around or back-references, matched as JavaScript does: by trying, for a
//! counted number of steps.
//!
//! An own matcher, because what bounds `fancy-regex` is the number of its retreats in one search: a
//! retreat may read the whole text, a global replacement searches again and again, and a
//! back-reference that ignores case compiles a pattern for each comparison. Here a step is a
//! character or a decision, and all searches of a call share one allowance.

use std::collections::BTreeMap;

use super::syntax::{Assert, Node};
use super::{GaveUp, Slots};

/// Steps of one call.
pub(super) const MAX_STEPS: u64 = 2_000_000;
/// Ways to be tried yet, and changes to be undone, at once.
const MAX_STACK: usize = 1 << 18;

#[derive(Debug)]
enum Inst {
    /// One character of a set.
    Set(usize),
    Jump(usize),
    /// The first, and the second if it fails.
    Split(usize, usize),
    /// The position into a slot.
    Save(usize),
    /// Forgets slots.
    Clear(usize, usize),
    /// Fails if the position is still the one in the slot.
    Progress(usize),
    Assert(Assert),
    /// Tries what follows up to its `Accept`, then goes on at `next` where it began.
    Look {
        negative: bool,
        next: usize,
    },
    Backref {
        groups: Vec<usize>,
        ignore_case: bool,
    },
    /// From here on, to the left or to the right.
    Accept,
}

#[derive(Debug)]
pub(super) struct Backtrack {
    program: Vec<(Inst, Direction)>,
    sets: Vec<Set>,
    slots: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

impl Backtrack {
    pub(super) fn new(node: &Node, groups: usize) -> Self {
        let mut compiler = Compiler {
            program: Vec::new(),
            sets: Vec::new(),
            known: BTreeMap::new(),
            slots: (groups + 1) * 2,
        };
        compiler.node(node, Direction::Forward);
        compiler.push(Inst::Accept, Direction::Forward);
        Self {
            program: compiler.program,
            sets: compiler.sets,
            slots: compiler.slots,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(|set| size_of_val(&*set.ranges)).sum();
        sets + size_of_val(&*self.program) + size_of_val(&*self.sets)
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
            program: self,
            text,
            steps,
            slots: vec![None; self.slots],
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

struct Compiler {
    program: Vec<(Inst, Direction)>,
    sets: Vec<Set>,
    known: BTreeMap<Box<[(char, char)]>, usize>,
    slots: usize,
}

impl Compiler {
    fn push(&mut self, inst: Inst, direction: Direction) -> usize {
        self.program.push((inst, direction));
        self.program.len() - 1
    }

    fn patch(&mut self, at: usize, inst: Inst) {
        if let Some((place, _)) = self.program.get_mut(at) {
            *place = inst;
        }
    }

    fn node(&mut self, node: &Node, direction: Direction) {
        match node {
            Node::Empty => {}
            Node::Set(class) => {
                let ranges: Box<[_]> = class.iter().map(|range| (range.start(), range.end())).collect();
                let next = self.sets.len();
                let set = *self.known.entry(ranges.clone()).or_insert(next);
                if set == next {
                    self.sets.push(Set::new(ranges));
                }
                self.push(Inst::Set(set), direction);
            }
            Node::Cat(nodes) if direction == Direction::Backward => {
                nodes.iter().rev().for_each(|node| self.node(node, direction));
            }
            Node::Cat(nodes) => nodes.iter().for_each(|node| self.node(node, direction)),
            Node::Alt(nodes) => self.alternatives(nodes, direction),
            Node::Repeat {
                node,
                min,
                max,
                greedy,
                groups,
            } => self.repeat(node, (*min, *max), *greedy, *groups, direction),
            Node::Group { index, node } => {
                let (first, last) = match direction {
                    Direction::Forward => (index * 2, index * 2 + 1),
                    Direction::Backward => (index * 2 + 1, index * 2),
                };
                self.push(Inst::Save(first), direction);
                self.node(node, direction);
                self.push(Inst::Save(last), direction);
            }
            Node::Assert(assert) => {
                self.push(Inst::Assert(*assert), direction);
            }
            Node::Look { ahead, negative, node } => {
                let inner = if *ahead {
                    Direction::Forward
                } else {
                    Direction::Backward
                };
                let look = self.push(Inst::Accept, direction);
                self.node(node, inner);
                let next = self.push(Inst::Accept, inner) + 1;
                self.patch(
                    look,
                    Inst::Look {
                        negative: *negative,
                        next,
                    },
                );
            }
            Node::Backref { groups, ignore_case } => {
                let inst = Inst::Backref {
                    groups: groups.clone(),
                    ignore_case: *ignore_case,
                };
                self.push(inst, direction);
            }
        }
    }

    fn alternatives(&mut self, nodes: &[Node], direction: Direction) {
        let mut jumps = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let is_last = index + 1 == nodes.len();
            let split = (!is_last).then(|| self.push(Inst::Accept, direction));
            self.node(node, direction);
            if let Some(split) = split {
                jumps.push(self.push(Inst::Accept, direction));
                self.patch(split, Inst::Split(split + 1, self.program.len()));
            }
        }
        let end = self.program.len();
        for jump in jumps {
            self.patch(jump, Inst::Jump(end));
        }
    }

    fn repeat(
        &mut self,
        node: &Node,
        (min, max): (u32, Option<u32>),
        greedy: bool,
        groups: (usize, usize),
        direction: Direction,
    ) {
        let clear = |compiler: &mut Self| {
            if groups.0 < groups.1 {
                compiler.push(Inst::Clear(groups.0 * 2, groups.1 * 2), direction);
            }
        };
        for _ in 0..min {
            clear(self);
            self.node(node, direction);
        }
        let mark = self.slots;
        self.slots += 1;
        let mut splits = Vec::new();
        for _ in 0..max.map_or(1, |max| max.saturating_sub(min)) {
            let split = self.push(Inst::Accept, direction);
            splits.push(split);
            self.push(Inst::Save(mark), direction);
            clear(self);
            self.node(node, direction);
            // A round that has matched nothing leads nowhere.
            self.push(Inst::Progress(mark), direction);
            if max.is_none() {
                self.push(Inst::Jump(split), direction);
            }
        }
        let end = self.program.len();
        for split in splits {
            let inst = if greedy {
                Inst::Split(split + 1, end)
            } else {
                Inst::Split(end, split + 1)
            };
            self.patch(split, inst);
        }
    }
}

/// A set of characters.
#[derive(Debug)]
struct Set {
    ascii: u128,
    /// Ascending, apart from each other.
    ranges: Box<[(char, char)]>,
}

impl Set {
    fn new(ranges: Box<[(char, char)]>) -> Self {
        let ascii = (0_u8..128)
            .filter(|&c| contains(&ranges, char::from(c)))
            .fold(0, |bits, c| bits | 1_u128 << c);
        Self { ascii, ranges }
    }

    fn has(&self, c: char) -> bool {
        if c.is_ascii() {
            self.ascii >> u32::from(c) & 1 == 1
        } else {
            contains(&self.ranges, c)
        }
    }
}

fn contains(ranges: &[(char, char)], c: char) -> bool {
    let after = ranges.partition_point(|&(start, _)| start <= c);
    after
        .checked_sub(1)
        .and_then(|at| ranges.get(at))
        .is_some_and(|&(_, end)| c <= end)
}

struct Matcher<'m, 't> {
    program: &'m Backtrack,
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
            let Some((inst, direction)) = program.program.get(pc) else {
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
