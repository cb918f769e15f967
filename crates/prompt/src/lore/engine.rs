//! The activation of entries, pass by pass: those whose keys are in the chat, then those whose keys are
//! in the contents of these, and so on until nothing new comes or a limit is reached.
//!
//! A pass looks only at entries that some key was found for and at those that need none, so that what a
//! scan costs follows the text and not the books.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tavern_domain::lore::{LorePosition, SelectiveLogic};

use super::chance::roll;
use super::decorators::Position;
use super::groups::{Member, losers};
use super::haystack::{Haystack, MAX_DEPTH, View};
use super::index::{Decorated, Entry, Inner};
use super::report::{Decisions, Note, Reason};
use super::text::{fold, hidden_keys, trim, without_asides};
use super::timed::Timed;
use super::{Activated, Activation, LorePlace, LoreScan};
use crate::macros::{Macros, has_macros};
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
        let mut engine = Self {
            index,
            scan,
            haystack: Haystack::new(index, scan, macros),
            macros,
            counter,
            timed: Timed::begin(index, &scan.timed, count(scan.messages.len()), scan.instruct),
            forced,
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
        if self.haystack.work.spent {
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
        let mut candidates = Vec::new();
        if !self.haystack.work.take(looks.saturating_mul(LOOK)) {
            return candidates;
        }
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
                Err(reason) => self.note(rank, reason, None),
            }
            self.live.push(rank);
        }
        candidates.sort_by_key(|candidate| !candidate.sticky);
        candidates
    }

    /// Why an entry would activate, and by which key; or why it would not.
    fn look_at(&mut self, rank: u32, entry: &'a Entry) -> Result<(Reason, Option<u32>), Reason> {
        let sticky = self.timed.is_sticky(rank);
        self.is_for_now(rank, entry, sticky)?;
        let decorated = entry.decorated(self.scan.instruct);
        let says = decorated.map(|decorated| &decorated.says);
        if says.is_some_and(|says| says.activate) {
            return Ok((Reason::Activate, None));
        }
        if says.is_some_and(|says| says.dont_activate) {
            return Err(Reason::DontActivate);
        }
        if let Some(why) = self.forced.get(&rank) {
            return Ok((Reason::Forced((*why).to_owned()), None));
        }
        let view = self.view(entry);
        let conditions = decorated.map_or(Ok(()), |decorated| self.conditions(decorated, view));
        if entry.constant && conditions.is_ok() {
            return Ok((Reason::Constant, None));
        }
        if sticky {
            return Ok((Reason::Sticky, None));
        }
        if entry.constant {
            return conditions.map(|()| (Reason::Constant, None));
        }
        if entry.primary.is_empty() {
            return Err(Reason::NoKeys);
        }
        let key = entry.primary.clone().find(|key| self.haystack.has(*key, view));
        let key = key.ok_or(Reason::NoKeyMatched)?;
        if !self.secondary_match(entry, view) {
            return Err(Reason::SecondaryKeys);
        }
        conditions?;
        Ok((Reason::Key, Some(key)))
    }

    /// The conditions that have nothing to do with keys.
    fn is_for_now(&self, rank: u32, entry: &Entry, sticky: bool) -> Result<(), Reason> {
        let unless = |is_out: bool, reason: Reason| if is_out { Err(reason) } else { Ok(()) };
        unless(!entry.enabled, Reason::Disabled)?;
        if let Some(rare) = &entry.rare {
            let is_other = !rare.triggers.is_empty() && !rare.triggers.contains(&self.trigger);
            unless(is_other, Reason::Trigger)?;
            let filter = &rare.filter;
            let is_in = |listed: &[String], own: &[&str]| {
                let mut listed = listed.iter().map(|name| trim(name));
                listed.any(|name| own.iter().any(|own| trim(own) == name))
            };
            if !filter.names.is_empty() {
                let is_named = is_in(&filter.names, &self.scan.character_names);
                unless(is_named == filter.exclude, Reason::Character)?;
            }
            // A character without tags is not told apart by them.
            if !filter.tags.is_empty() && !self.scan.character_tags.is_empty() {
                let is_tagged = is_in(&filter.tags, &self.scan.character_tags);
                unless(is_tagged == filter.exclude, Reason::Character)?;
            }
            if let Some(says) = entry.says(self.scan.instruct) {
                let after = says.activate_only_after.unwrap_or(0);
                unless(self.replies < after, Reason::OnlyAfter(after))?;
                let every = says.activate_only_every.unwrap_or(1).max(1);
                unless(!sticky && !self.replies.is_multiple_of(every), Reason::OnlyEvery(every))?;
                if let Some(greeting) = says.is_greeting {
                    unless(self.scan.greeting != Some(greeting), Reason::Greeting(greeting))?;
                }
            }
            unless(
                self.scan.messages.len() < rare.delay as usize,
                Reason::Delay(rare.delay),
            )?;
        }
        if sticky {
            return Ok(());
        }
        if let Some(until) = self.timed.resting(rank) {
            return Err(if until == u32::MAX {
                Reason::OnceOnly
            } else {
                Reason::Cooldown(until)
            });
        }
        let recursion = self.state == State::Recursion;
        unless(!recursion && entry.level > 0, Reason::WaitsForRecursion)?;
        unless(
            recursion && entry.level > self.level,
            Reason::WaitsForLevel(entry.level),
        )?;
        let excluded = recursion && self.index.recursive && entry.exclude_recursion;
        unless(excluded, Reason::ExcludedFromRecursion)
    }

    fn view(&mut self, entry: &Entry) -> View {
        let says = entry.says(self.scan.instruct);
        let in_tokens = says.and_then(|says| says.instruct_scan_depth);
        let depth = says
            .and_then(|says| says.scan_depth)
            .or_else(|| in_tokens.map(|tokens| self.token_depths.messages(tokens, self.scan, self.counter)))
            .or(entry.scan_depth)
            .unwrap_or_else(|| self.depth());
        if in_tokens.is_some() {
            self.haystack.reach(depth);
        }
        View {
            depth,
            fields: entry.fields,
            lore: self.state != State::MinActivations,
        }
    }

    fn secondary_match(&mut self, entry: &Entry, view: View) -> bool {
        if entry.secondary.is_empty() {
            return true;
        }
        let mut keys = entry.secondary.clone();
        match entry.logic {
            SelectiveLogic::AndAny => keys.any(|key| self.haystack.has(key, view)),
            SelectiveLogic::NotAll => !keys.all(|key| self.haystack.has(key, view)),
            SelectiveLogic::NotAny => !keys.any(|key| self.haystack.has(key, view)),
            SelectiveLogic::AndAll => keys.all(|key| self.haystack.has(key, view)),
        }
    }

    fn conditions(&mut self, decorated: &Decorated, view: View) -> Result<(), Reason> {
        if let Some(key) = decorated.exclude.clone().find(|key| self.haystack.has(*key, view)) {
            return Err(Reason::ExcludeKey(self.index.key_text(key).to_owned()));
        }
        for keys in &decorated.additional {
            if !keys.clone().any(|key| self.haystack.has(key, view)) {
                return Err(Reason::AdditionalKeys);
            }
        }
        Ok(())
    }

    /// How well an entry's keys match, against others of its group.
    fn score(&mut self, rank: u32) -> u32 {
        let index = self.index;
        let Some(entry) = index.entries.get(rank as usize) else {
            return 0;
        };
        if entry.primary.is_empty() {
            return 0;
        }
        let view = self.view(entry);
        let mut count = |keys: std::ops::Range<u32>| {
            let found = keys.filter(|key| self.haystack.has(*key, view)).count();
            u32::try_from(found).unwrap_or(u32::MAX)
        };
        let primary = count(entry.primary.clone());
        let secondary = count(entry.secondary.clone());
        match entry.logic {
            SelectiveLogic::AndAny => primary.saturating_add(secondary),
            SelectiveLogic::AndAll if secondary as usize == entry.secondary.len() => primary.saturating_add(secondary),
            _ => primary,
        }
    }

    fn settle_groups(&mut self, candidates: &mut Vec<Candidate>) {
        let index = self.index;
        let members: Vec<Member<'a>> = candidates
            .iter()
            .filter_map(|candidate| {
                Some(Member {
                    rank: candidate.rank,
                    entry: index.entries.get(candidate.rank as usize)?,
                    sticky: candidate.sticky,
                })
            })
            .collect();
        if members.iter().all(|member| member.entry.groups().is_empty()) {
            return;
        }
        let groups = std::mem::take(&mut self.groups);
        let seed = self.scan.seed;
        let lost = losers(&members, &groups, |rank| self.score(rank), seed);
        self.groups = groups;
        let mut lost = lost.into_iter();
        candidates.retain(|candidate| match lost.next().flatten() {
            Some(group) => {
                self.note(candidate.rank, Reason::Group(group.to_owned()), candidate.key);
                false
            }
            None => true,
        });
    }

    /// Who fails here fails for the whole scan.
    fn settle_chances(&mut self, candidates: &mut Vec<Candidate>) {
        let index = self.index;
        candidates.retain(|candidate| {
            let Some(entry) = index.entries.get(candidate.rank as usize) else {
                return false;
            };
            let Some(percent) = entry.probability.filter(|_| !candidate.sticky) else {
                return true;
            };
            let is_lucky = roll(self.scan.seed, "probability", &entry.key) * 100.0 < percent;
            if !is_lucky {
                self.note(candidate.rank, Reason::Probability(percent), candidate.key);
                self.done_with(candidate.rank);
            }
            is_lucky
        });
    }

    /// Of each book with a budget of its own, the entries of lowest priority are left out until the rest
    /// fits, together with those of earlier passes.
    fn settle_book_budgets(&mut self, candidates: &mut Vec<Candidate>) {
        if self.index.books.iter().all(|book| book.token_budget.is_none()) {
            return;
        }
        let index = self.index;
        let mut by_priority = Vec::new();
        for (place, candidate) in candidates.iter_mut().enumerate() {
            let Some(entry) = index.entries.get(candidate.rank as usize) else {
                continue;
            };
            let budget = index.book(entry).and_then(|book| book.token_budget);
            if let Some(budget) = budget.filter(|_| !entry.ignore_budget) {
                let (_, tokens) = candidate.text.get_or_insert_with(|| self.text(entry));
                by_priority.push((std::cmp::Reverse(entry.priority), place, entry.book, budget, *tokens));
            }
        }
        by_priority.sort_unstable();
        let mut used = self.book_tokens.clone();
        let mut full = HashSet::new();
        let mut out = HashSet::new();
        for (_, place, book, budget, tokens) in by_priority {
            let Some(used) = used.get_mut(book as usize) else {
                continue;
            };
            let needed = used.saturating_add(tokens);
            if needed > budget || full.contains(&book) {
                full.insert(book);
                out.insert(place);
            } else {
                *used = needed;
            }
        }
        let mut place = 0..;
        candidates.retain(|candidate| {
            let stays = place.next().is_none_or(|place| !out.contains(&place));
            if !stays {
                self.note(candidate.rank, Reason::OverBookBudget, candidate.key);
            }
            stays
        });
    }

    /// In order, until the budget is full; those that ignore it come in even then.
    fn enter(&mut self, candidates: Vec<Candidate>) {
        let index = self.index;
        for mut candidate in candidates {
            let Some(entry) = index.entries.get(candidate.rank as usize) else {
                continue;
            };
            if self.overflow && !entry.ignore_budget {
                self.note(candidate.rank, Reason::OverBudget, candidate.key);
                continue;
            }
            let (content, tokens) = candidate.text.take().unwrap_or_else(|| self.text(entry));
            if !entry.ignore_budget {
                let needed = self.tokens.saturating_add(tokens);
                if needed >= self.budget {
                    self.overflow = true;
                    self.note(candidate.rank, Reason::OverBudget, candidate.key);
                    continue;
                }
                self.tokens = needed;
                if let Some(used) = self.book_tokens.get_mut(entry.book as usize) {
                    *used = used.saturating_add(tokens);
                }
            }
            let view = self.view(entry);
            let matched_in = candidate.key.and_then(|key| self.haystack.whereabouts(key, view));
            let note = self.put_down(Note {
                rank: candidate.rank,
                activated: true,
                key: candidate.key,
                matched_in,
                pass: self.pass,
                tokens,
                reason: candidate.reason,
            });
            self.done_with(candidate.rank);
            self.groups.extend(entry.groups().iter().map(String::as_str));
            self.active.push(Active {
                rank: candidate.rank,
                content,
                tokens,
                note,
            });
        }
    }

    /// An entry's content with its macros expanded, and its tokens.
    fn text(&mut self, entry: &Entry) -> (String, u32) {
        let content = if has_macros(&entry.content) {
            self.macros.expand(&entry.content)
        } else {
            entry.content.to_string()
        };
        let is_blank = content.trim().is_empty();
        let tokens = if is_blank { 0 } else { self.counter.count(&content) };
        (content, tokens)
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

    fn finish(mut self, index: Arc<Inner>) -> Activation {
        let instruct = self.scan.instruct;
        let timed = if self.scan.dry_run {
            self.scan.timed.clone()
        } else {
            let activated: Vec<u32> = self.active.iter().map(|active| active.rank).collect();
            self.timed.commit(&index, activated.into_iter())
        };
        let mut activation = Activation {
            timed,
            budget: self.budget,
            warnings: self.warnings,
            ..Activation::default()
        };
        let order = |active: &Active| index.entries.get(active.rank as usize).map_or(0, |entry| entry.order);
        // Ascending; of equals, the later one comes first.
        self.active.reverse();
        self.active.sort_by_key(order);
        for active in self.active {
            let Some(entry) = index.entries.get(active.rank as usize) else {
                continue;
            };
            let says = entry.says(instruct);
            if let Some(says) = says {
                activation.user_icon = activation.user_icon.or_else(|| says.is_user_icon.clone());
                activation.disabled_prompts.extend(says.disable_ui_prompt);
            }
            let place = place(entry, instruct);
            let nothing = if active.content.trim().is_empty() {
                Some(Reason::Empty)
            } else if place.position == LorePosition::Outlet && place.outlet.is_empty() {
                Some(Reason::UnnamedOutlet)
            } else {
                None
            };
            if let Some(reason) = nothing {
                if let Some(note) = self.notes.get_mut(active.note) {
                    note.activated = false;
                    note.reason = reason;
                }
                continue;
            }
            activation.tokens = activation.tokens.saturating_add(active.tokens);
            activation.entries.push(Activated {
                key: entry.key.to_string(),
                book: index.book(entry).map(|book| book.name.to_string()).unwrap_or_default(),
                comment: entry.comment.to_string(),
                content: active.content,
                place,
                order: entry.order,
                tokens: active.tokens,
                ignore_on_max_context: says.is_some_and(|says| says.ignore_on_max_context),
            });
        }
        activation.disabled_prompts.sort_unstable();
        activation.disabled_prompts.dedup();
        activation.decisions = Decisions::new(index, self.notes);
        activation
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

/// Where an entry goes: as it says, unless its decorators say otherwise.
fn place(entry: &Entry, instruct: bool) -> LorePlace {
    let mut place = LorePlace {
        position: entry.position,
        depth: entry.depth,
        role: entry.role,
        outlet: entry.rare.as_ref().map(|rare| rare.outlet.clone()).unwrap_or_default(),
        from_start: false,
        instruct_depth: None,
        beside: None,
    };
    let Some(says) = entry.says(instruct) else {
        return place;
    };
    match says.position {
        Some(Position::Of(position)) => place.position = position,
        Some(Position::Beside(field)) => {
            place.position = LorePosition::AfterCharacter;
            place.beside = Some(field);
        }
        None => {}
    }
    if let Some(depth) = says.depth {
        place.position = LorePosition::AtDepth;
        place.depth = depth.count;
        place.from_start = depth.from_start;
        place.beside = None;
    }
    place.instruct_depth = says.instruct_depth;
    if let Some(role) = says.role {
        place.role = role;
    }
    place
}

/// How many of the newest messages have so many tokens; counted at the first question.
#[derive(Default)]
struct TokenDepths {
    /// Of the newest messages, of one more each.
    sums: Vec<u64>,
}

impl TokenDepths {
    fn messages(&mut self, tokens: u32, scan: &LoreScan<'_>, counter: &Counter) -> u32 {
        if self.sums.is_empty() {
            let mut sum = 0;
            for message in scan.messages.iter().take(MAX_DEPTH) {
                sum += u64::from(counter.count(message.text));
                self.sums.push(sum);
            }
        }
        let whole = self.sums.partition_point(|sum| *sum <= u64::from(tokens));
        u32::try_from(whole).unwrap_or(u32::MAX)
    }
}
