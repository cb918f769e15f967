//! Whether an entry would activate in a pass: its conditions, then its keys.

use tavern_domain::lore::SelectiveLogic;

use super::{Engine, State};
use crate::lore::LoreScan;
use crate::lore::haystack::{MAX_DEPTH, View};
use crate::lore::index::{Decorated, Entry};
use crate::lore::report::Reason;
use crate::lore::text::trim;
use crate::tokens::Counter;

impl<'a> Engine<'a, '_, '_> {
    /// Why an entry would activate, and by which key; or why it would not.
    pub(super) fn look_at(&mut self, rank: u32, entry: &'a Entry) -> Result<(Reason, Option<u32>), Reason> {
        if let Some(why) = self.silenced.get(&rank) {
            return Err(Reason::Silenced((*why).to_owned()));
        }
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

    pub(super) fn view(&mut self, entry: &Entry) -> View {
        let says = entry.says(self.scan.instruct);
        let in_tokens = says.and_then(|says| says.instruct_scan_depth);
        let mut in_messages = |tokens| self.token_depths.messages(tokens, self.scan, self.counter);
        let depth = says
            .and_then(|says| says.scan_depth)
            .or_else(|| in_tokens.map(&mut in_messages))
            .or(entry.scan_depth)
            .unwrap_or_else(|| self.depth());
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
    pub(super) fn score(&mut self, rank: u32) -> u32 {
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
}

/// How many of the newest messages have so many tokens; counted at the first question.
#[derive(Default)]
pub(super) struct TokenDepths {
    /// Of the newest messages, of one more each.
    sums: Vec<u64>,
}

impl TokenDepths {
    pub(super) fn messages(&mut self, tokens: u32, scan: &LoreScan<'_>, counter: &Counter) -> u32 {
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
