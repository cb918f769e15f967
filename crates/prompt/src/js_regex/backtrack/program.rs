//! Patterns as programs of small steps.

use std::collections::BTreeMap;

use crate::js_regex::syntax::{Assert, Node};

#[derive(Debug)]
pub(super) enum Inst {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// What a matcher runs; each instruction with the direction it reads in.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) insts: Vec<(Inst, Direction)>,
    pub(super) sets: Vec<Set>,
    /// Those of the groups, and one more for each repetition.
    pub(super) slots: usize,
}

impl Program {
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
            insts: compiler.program,
            sets: compiler.sets,
            slots: compiler.slots,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(|set| size_of_val(&*set.ranges)).sum();
        sets + size_of_val(&*self.insts) + size_of_val(&*self.sets)
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
pub(super) struct Set {
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

    pub(super) fn has(&self, c: char) -> bool {
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
