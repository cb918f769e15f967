//! Patterns that a finite automaton can match, in time linear in the text.

use regex_automata::meta::{Config, Regex};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::{Capture, Class, Hir, Look, Repetition};

use super::syntax::{Assert, Node};
use super::{GaveUp, Slots};

/// Bytes of the automaton.
const MAX_BYTES: usize = 1 << 20;
/// Bytes for states that are made while matching, in each thread that matches.
const CACHE_BYTES: usize = 256 << 10;
/// Bytes of text read, times what a byte can cost, in one call.
pub(super) const MAX_WORK: u64 = 1 << 27;

#[derive(Debug)]
pub(super) struct Linear {
    regex: Regex,
    /// What a byte can cost, in the worst case.
    weight: u64,
    /// Bytes that may be read beyond the end of a match to find out that it is the match; `None`
    /// means all.
    reach: Option<usize>,
}

impl Linear {
    /// `None` if the automaton would be too large.
    pub(super) fn new(node: &Node, cost: u64) -> Option<Self> {
        let config = Config::new()
            .nfa_size_limit(Some(MAX_BYTES))
            .onepass_size_limit(Some(CACHE_BYTES))
            .hybrid_cache_capacity(CACHE_BYTES)
            .dfa(false);
        let regex = Regex::builder().configure(config).build_from_hir(&hir(node)).ok()?;
        let reach = (!tail(node).far).then(|| usize::try_from(cost.saturating_mul(4)).unwrap_or(usize::MAX));
        Some(Self {
            regex,
            weight: 1 + cost / 2,
            reach,
        })
    }

    /// Bytes in memory, what threads keep for matching left out.
    pub(super) fn bytes(&self) -> usize {
        self.regex.memory_usage()
    }

    /// `work` is what the call has left.
    pub(super) fn is_match(&self, text: &str, sticky: bool, work: &mut u64) -> Result<bool, GaveUp> {
        let input = Input::new(text).anchored(anchored(sticky));
        self.charge(work, text.len())?;
        Ok(self.regex.is_match(input))
    }

    /// `work` is what the call has left.
    pub(super) fn find(
        &self,
        text: &str,
        at: usize,
        sticky: bool,
        work: &mut u64,
        slots: &mut Slots,
    ) -> Result<bool, GaveUp> {
        let rest = text.len() - at;
        let mut ahead = *work;
        self.charge(&mut ahead, rest)?;
        let input = Input::new(text).span(at..text.len()).anchored(anchored(sticky));
        let mut found: Vec<Option<NonMaxUsize>> = vec![None; slots.len()];
        if self.regex.search_slots(&input, &mut found).is_none() {
            *work = ahead;
            return Ok(false);
        }
        for (slot, found) in slots.iter_mut().zip(found) {
            *slot = found.map(NonMaxUsize::get);
        }
        let read = match (self.reach, slots.get(1)) {
            (Some(reach), Some(Some(end))) => end.saturating_sub(at).saturating_add(reach).min(rest),
            _ => rest,
        };
        self.charge(work, read)?;
        Ok(true)
    }

    fn charge(&self, work: &mut u64, bytes: usize) -> Result<(), GaveUp> {
        let cost = (bytes as u64).saturating_add(1).saturating_mul(self.weight);
        *work = work.checked_sub(cost).ok_or(GaveUp)?;
        Ok(())
    }
}

const fn anchored(sticky: bool) -> Anchored {
    if sticky { Anchored::Yes } else { Anchored::No }
}

fn hir(node: &Node) -> Hir {
    match node {
        Node::Set(class) => Hir::class(Class::Unicode(class.clone())),
        Node::Cat(nodes) => Hir::concat(nodes.iter().map(hir).collect()),
        Node::Alt(nodes) => Hir::alternation(nodes.iter().map(hir).collect()),
        Node::Repeat {
            node, min, max, greedy, ..
        } => Hir::repetition(Repetition {
            min: *min,
            max: *max,
            greedy: *greedy,
            sub: Box::new(hir(node)),
        }),
        Node::Group { index, node } => Hir::capture(Capture {
            index: u32::try_from(*index).unwrap_or(u32::MAX),
            name: None,
            sub: Box::new(hir(node)),
        }),
        Node::Assert(assert) => Hir::look(match assert {
            Assert::Start => Look::Start,
            Assert::End => Look::End,
            Assert::LineStart => Look::StartLF,
            Assert::LineEnd => Look::EndLF,
            Assert::Word => Look::WordAscii,
            Assert::NotWord => Look::WordAsciiNegate,
        }),
        Node::Empty => Hir::empty(),
        // These make a pattern a case for the other engine.
        Node::Look { .. } | Node::Backref { .. } => Hir::fail(),
    }
}

/// Whether a match can be followed by text of any length that has to be read before it is known to
/// be the match: then each of many matches may read all of it.
#[derive(Debug, Clone, Copy, Default)]
struct Tail {
    nullable: bool,
    /// Can go on forever.
    endless: bool,
    /// Can go on forever, and must then find something else.
    far: bool,
}

fn tail(node: &Node) -> Tail {
    match node {
        Node::Empty => Tail {
            nullable: true,
            ..Tail::default()
        },
        Node::Set(_) | Node::Assert(_) | Node::Look { .. } | Node::Backref { .. } => Tail::default(),
        Node::Group { node, .. } => tail(node),
        Node::Cat(nodes) => nodes.iter().map(tail).fold(
            Tail {
                nullable: true,
                ..Tail::default()
            },
            |all, next| Tail {
                nullable: all.nullable && next.nullable,
                endless: all.endless || next.endless,
                far: all.far || next.far || (all.endless && !next.nullable),
            },
        ),
        Node::Alt(nodes) => nodes.iter().map(tail).fold(Tail::default(), |all, next| Tail {
            nullable: all.nullable || next.nullable,
            endless: all.endless || next.endless,
            far: all.far || next.far,
        }),
        Node::Repeat { node, min, max, .. } => {
            let once = tail(node);
            Tail {
                nullable: *min == 0 || once.nullable,
                endless: max.is_none() || once.endless,
                far: once.far || (once.endless && *min > 1),
            }
        }
    }
}
