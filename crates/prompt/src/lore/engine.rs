//! The activation of entries, pass by pass: those whose keys are in the chat, then those whose keys are
//! in the contents of these, and so on until nothing new comes or a limit is reached.
//!
//! A pass looks only at entries that some key was found for and at those that need none, so that what a
//! scan costs follows the text and not the books.

mod look;
mod outcome;
mod settle;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use look::TokenDepths;

use super::haystack::{Haystack, MAX_DEPTH};
use super::index::{Entry, Inner};
use super::report::{Note, Reason};
use super::text::{fold, hidden_keys, trim, without_asides};
use super::timed::Timed;
use super::{Activation, LoreScan};
use crate::macros::Macros;
use crate::tokens::Counter;

/// What looking at an entry once costs, in units of the scan's work.
const LOOK: u64 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Initial,
    Recursion,
    MinActivations,
}

/// An entry that would activate in this pass.
struct Candidate {
    rank: u32,
    reason: Reason,
    key: Option<u32>,
    sticky: bool,
    /// Once it was needed: the content with its macros expanded, and its tokens.
    text: Option<(String, u32)>,
}

struct Active {
    rank: u32,
    content: String,
    tokens: u32,
    /// Into the notes.
    note: usize,
}

pub(super) struct Engine<'a, 'm, 'x> {
    index: &'a Inner,
    scan: &'a LoreScan<'a>,
    macros: &'m mut Macros<'x>,
    counter: &'a Counter,
    haystack: Haystack<'a>,
    timed: Timed,
    forced: HashMap<u32, &'a str>,
    silenced: HashMap<u32, &'a str>,
    trigger: String,
    /// Messages of the character.
    replies: u32,
    /// Depths in tokens, as messages.
    token_depths: TokenDepths,
    state: State,
    pass: u32,
    skew: u32,
    level: u32,
    /// Ranks that may still activate and are worth a look, ascending.
    live: Vec<u32>,
    /// Per rank: 1 = among the live, 2 = done with, for better or worse.
    status: Vec<u8>,
    /// Per rank, one more than its place in `notes`.
    note_of: Vec<u32>,
    notes: Vec<Note>,
    active: Vec<Active>,
    groups: HashSet<&'a str>,
    book_tokens: Vec<u32>,
    budget: u32,
    /// Of those that count.
    tokens: u32,
    overflow: bool,
    has_lore: bool,
    warnings: Vec<String>,
}

const LIVE: u8 = 1;
const DONE: u8 = 2;

/// Finds what enters the prompt.
pub(super) fn activate(
    index: &Arc<Inner>,
    scan: &LoreScan<'_>,
    macros: &mut Macros<'_>,
    counter: &Counter,
) -> Activation {
    let mut engine = Engine::new(index, scan, macros, counter);
    engine.run();
    engine.finish(Arc::clone(index))
}

impl<'a, 'm, 'x> Engine<'a, 'm, 'x> {
    fn new(index: &'a Inner, scan: &'a LoreScan<'a>, macros: &'m mut Macros<'x>, counter: &'a Counter) -> Self {
        let count = |messages: usize| u32::try_from(messages).unwrap_or(u32::MAX);
        let mut warnings = index.warnings.clone();
        let mut forced = HashMap::new();
        for (key, why) in &scan.forced {
            match index.ranks.get(key.as_str()) {
                Some(rank) => {
                    forced.entry(*rank).or_insert(why.as_str());
                }
                None => warnings.push(format!("A lore entry that is not there was to be activated: {key}")),
            }
        }
        let silenced = scan.silenced.iter();
        let silenced = silenced.filter_map(|(key, why)| Some((*index.ranks.get(key.as_str())?, why.as_str())));
        let mut engine = Self {
            index,
            scan,
            haystack: Haystack::new(index, scan, macros),
            macros,
            counter,
            timed: Timed::begin(index, &scan.timed, count(scan.messages.len()), scan.instruct),
            forced,
            silenced: silenced.collect(),
            trigger: fold(trim(scan.trigger)).into_owned(),
            replies: count(scan.messages.iter().filter(|message| !message.is_user).count()),
            token_depths: TokenDepths::default(),
            state: State::Initial,
            pass: 0,
            skew: 0,
            level: index.levels.first().copied().unwrap_or_default(),
            live: Vec::new(),
            status: vec![0; index.entries.len()],
            note_of: vec![0; index.entries.len()],
            notes: Vec::new(),
            active: Vec::new(),
            groups: HashSet::new(),
            book_tokens: vec![0; index.books.len()],
            budget: budget(index, scan.prompt_budget),
            tokens: 0,
            overflow: false,
            has_lore: false,
            warnings,
        };
        let sticky: Vec<u32> = engine.timed.sticky().collect();
        let forced: Vec<u32> = engine.forced.keys().copied().collect();
        engine.enliven(&index.always);
        engine.enliven(&sticky);
        engine.enliven(&forced);
        let depth = engine.depth();
        engine.haystack.reach(index.own_depth.max(depth));
        if let Some(tokens) = index.own_token_depth.filter(|_| scan.instruct) {
            let depth = engine.token_depths.messages(tokens, scan, counter);
            engine.haystack.reach(depth);
        }
        engine
    }

    fn run(&mut self) {
        let steps = self.index.settings.max_recursion_steps;
        let mut levels = self.index.levels.iter().skip(1);
        loop {
            if steps > 0 && self.pass >= steps {
                break;
            }
            let first = self.active.len();
            let mut candidates = self.candidates();
            self.settle_groups(&mut candidates);
            self.settle_chances(&mut candidates);
            self.settle_book_budgets(&mut candidates);
            self.enter(candidates);
            let Some((state, by_level)) = self.next(first, &mut levels) else {
                break;
            };
            self.feed(first, by_level);
            if self.haystack.work.spent {
                break;
            }
            self.state = state;
            self.pass = self.pass.saturating_add(1);
        }
        if self.haystack.work.spent || self.haystack.gave_up {
            let warning = "Lore has too much text to be looked for in, or too many patterns: not all was looked at.";
            self.warnings.push(warning.to_owned());
        }
    }

    /// Messages that entries without a depth of their own see.
    fn depth(&self) -> u32 {
        self.index.settings.depth.saturating_add(self.skew)
    }

    fn enliven(&mut self, ranks: &[u32]) {
        for rank in ranks {
            if let Some(status) = self.status.get_mut(*rank as usize).filter(|status| **status == 0) {
                *status = LIVE;
                self.live.push(*rank);
            }
        }
    }

    /// Those whose turn and keys are right, in order, the sticky ones first.
    fn candidates(&mut self) -> Vec<Candidate> {
        let touched = self.haystack.take_touched();
        self.enliven(&touched);
        let status = &self.status;
        self.live.retain(|rank| status.get(*rank as usize) == Some(&LIVE));
        self.live.sort_unstable();
        let looks = u64::try_from(self.live.len()).unwrap_or(u64::MAX);
        // Even with nothing left: this pass is the last one then.
        self.haystack.work.take(looks.saturating_mul(LOOK));
        let mut candidates = Vec::new();
        let index = self.index;
        for rank in std::mem::take(&mut self.live) {
            let Some(entry) = index.entries.get(rank as usize) else {
                continue;
            };
            match self.look_at(rank, entry) {
                Ok((reason, key)) => candidates.push(Candidate {
                    rank,
                    reason,
                    key,
                    sticky: self.timed.is_sticky(rank),
                    text: None,
                }),
                // That says less than what was found out when it was looked at.
                Err(Reason::ExcludedFromRecursion) if self.note_of.get(rank as usize).is_some_and(|note| *note > 0) => {
                }
                Err(reason) => self.note(rank, reason, None),
            }
            self.live.push(rank);
        }
        candidates.sort_by_key(|candidate| !candidate.sticky);
        candidates
    }

    /// What comes after a pass that began with `first` active entries, and whether only because a level
    /// of delayed entries is due.
    fn next<'l>(&mut self, first: usize, levels: &mut impl Iterator<Item = &'l u32>) -> Option<(State, bool)> {
        let index = self.index;
        let settings = &index.settings;
        if !self.overflow {
            let mut fresh = self.active.iter().skip(first);
            let recursing = fresh.any(|active| {
                let entry = index.entries.get(active.rank as usize);
                entry.is_some_and(|entry| is_recursing(index, entry))
            });
            let after_min = self.state == State::MinActivations && index.recursive && self.has_lore;
            if recursing || after_min {
                return Some((State::Recursion, false));
            }
            let is_short = self.active.len() < settings.min_activations as usize;
            let depth = self.depth();
            let max = settings.min_activations_depth_max;
            let is_deep = (max > 0 && depth > max) || depth as usize > self.scan.messages.len().min(MAX_DEPTH);
            if is_short && !is_deep {
                self.skew = self.skew.saturating_add(1);
                self.haystack.reach(depth.saturating_add(1));
                return Some((State::MinActivations, false));
            }
        }
        self.level = *levels.next()?;
        Some((State::Recursion, true))
    }

    /// Lets the contents of the entries since `first` be scanned.
    fn feed(&mut self, first: usize, by_level: bool) {
        let index = self.index;
        let mut texts = Vec::new();
        for active in self.active.iter().skip(first) {
            let Some(entry) = index.entries.get(active.rank as usize) else {
                continue;
            };
            let book_says_no = index.book(entry).is_some_and(|book| book.recursive == Some(false));
            let feeds = is_recursing(index, entry) || (by_level && !entry.prevent_recursion && !book_says_no);
            if !feeds {
                continue;
            }
            let mut text = without_asides(&active.content).into_owned();
            for key in hidden_keys(&entry.content) {
                text.push('\n');
                text.push_str(&self.macros.expand(key));
            }
            texts.push((active.rank, text));
        }
        self.has_lore |= texts.iter().any(|(_, text)| !text.is_empty());
        self.haystack
            .add_lore(texts.iter().map(|(rank, text)| (*rank, text.as_str())));
    }

    fn done_with(&mut self, rank: u32) {
        if let Some(status) = self.status.get_mut(rank as usize) {
            *status = DONE;
        }
    }

    /// Puts down why an entry is out.
    fn note(&mut self, rank: u32, reason: Reason, key: Option<u32>) {
        self.put_down(Note {
            rank,
            activated: false,
            key,
            matched_in: None,
            pass: self.pass,
            tokens: 0,
            reason,
        });
    }

    /// Over what was put down of the entry before. Gives the note's place.
    fn put_down(&mut self, note: Note) -> usize {
        let Some(number) = self.note_of.get_mut(note.rank as usize) else {
            return usize::MAX;
        };
        let known = (*number as usize).wrapping_sub(1);
        if let Some(place) = self.notes.get_mut(known) {
            *place = note;
            return known;
        }
        self.notes.push(note);
        *number = u32::try_from(self.notes.len()).unwrap_or_default();
        self.notes.len() - 1
    }
}

/// Whether an entry's content may activate others.
fn is_recursing(index: &Inner, entry: &Entry) -> bool {
    let own = index.book(entry).and_then(|book| book.recursive);
    !entry.prevent_recursion && own.unwrap_or(index.settings.recursive)
}

/// Tokens that lore may use; never 0, which would be a budget that even a blank entry fills.
fn budget(index: &Inner, prompt_budget: u32) -> u32 {
    let settings = &index.settings;
    let share = (settings.budget_percent * f64::from(prompt_budget) / 100.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what fits"
    )]
    let tokens = (share.clamp(0.0, f64::from(u32::MAX)) as u32).max(1);
    if settings.budget_cap > 0 {
        tokens.min(settings.budget_cap)
    } else {
        tokens
    }
}
