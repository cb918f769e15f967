//! Sticky and cooldown effects: what an activation leaves behind for the messages after it.
//!
//! An effect holds from the count of messages it began at until its end, and only while the chat has gone
//! on since: a swipe or a deletion of the message takes it back. An edit of the entry ends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::index::Inner;
use super::{TimedEffect, TimedEffects};

/// The effects of a chat at one count of messages.
pub(super) struct Timed {
    stored: TimedEffects,
    /// Ranks of the entries that stay active.
    sticky: BTreeMap<u32, u32>,
    /// Ranks of those that rest, and until when.
    cooldown: BTreeMap<u32, u32>,
    now: u32,
    instruct: bool,
}

/// What became of a stored effect.
enum Fate {
    Gone,
    /// Its entry is not among the books (or not as it was); it may come back.
    Asleep,
    Active(u32),
    Ended(u32),
}

impl Timed {
    pub(super) fn begin(index: &Inner, stored: &TimedEffects, now: u32, instruct: bool) -> Self {
        let mut timed = Self {
            stored: TimedEffects::default(),
            sticky: BTreeMap::new(),
            cooldown: BTreeMap::new(),
            now,
            instruct,
        };
        let mut resting = stored.cooldown.clone();
        for (key, effect) in &stored.sticky {
            match timed.fate(index, key, effect, |rank| timed.lasts(index, rank).0 > 0) {
                Fate::Gone => {}
                Fate::Asleep => {
                    timed.stored.sticky.insert(key.clone(), effect.clone());
                }
                Fate::Active(rank) => {
                    timed.sticky.insert(rank, effect.end);
                    timed.stored.sticky.insert(name(index, rank), effect.clone());
                }
                Fate::Ended(rank) => {
                    let cooldown = timed.lasts(index, rank).1;
                    if cooldown > 0 {
                        let effect = TimedEffect {
                            hash: effect.hash,
                            start: now,
                            end: now.saturating_add(cooldown),
                            protected: true,
                        };
                        resting.insert(name(index, rank), effect);
                    }
                }
            }
        }
        for (key, effect) in &resting {
            match timed.fate(index, key, effect, |rank| timed.lasts(index, rank).1 > 0) {
                Fate::Gone | Fate::Ended(_) => {}
                Fate::Asleep => {
                    timed.stored.cooldown.insert(key.clone(), effect.clone());
                }
                Fate::Active(rank) => {
                    timed.cooldown.insert(rank, effect.end);
                    timed.stored.cooldown.insert(name(index, rank), effect.clone());
                }
            }
        }
        timed
    }

    fn fate(&self, index: &Inner, key: &str, effect: &TimedEffect, has_effect: impl Fn(u32) -> bool) -> Fate {
        if self.now <= effect.start && !effect.protected {
            return Fate::Gone;
        }
        let Some(rank) = find(index, key, effect.hash) else {
            return if self.now < effect.end {
                Fate::Asleep
            } else {
                Fate::Gone
            };
        };
        if !has_effect(rank) {
            Fate::Gone
        } else if self.now < effect.end {
            Fate::Active(rank)
        } else {
            Fate::Ended(rank)
        }
    }

    /// Messages an entry stays, and rests.
    fn lasts(&self, index: &Inner, rank: u32) -> (u32, u32) {
        let entry = index.entries.get(rank as usize);
        entry.map_or((0, 0), |entry| {
            (entry.sticky(self.instruct), entry.cooldown(self.instruct))
        })
    }

    pub(super) fn is_sticky(&self, rank: u32) -> bool {
        self.sticky.contains_key(&rank)
    }

    pub(super) fn sticky(&self) -> impl Iterator<Item = u32> + '_ {
        self.sticky.keys().copied()
    }

    /// The count of messages an entry rests until.
    pub(super) fn resting(&self, rank: u32) -> Option<u32> {
        self.cooldown.get(&rank).copied()
    }

    /// The effects to be stored once these entries have activated.
    pub(super) fn commit(mut self, index: &Inner, activated: impl Iterator<Item = u32>) -> TimedEffects {
        for rank in activated {
            let (sticky, cooldown) = self.lasts(index, rank);
            let hash = index
                .entries
                .get(rank as usize)
                .and_then(|entry| Some(entry.rare.as_ref()?.hash));
            let effect = |messages: u32| TimedEffect {
                hash: hash.unwrap_or_default(),
                start: self.now,
                end: self.now.saturating_add(messages),
                protected: false,
            };
            for (messages, effects) in [(sticky, &mut self.stored.sticky), (cooldown, &mut self.stored.cooldown)] {
                if messages > 0 {
                    effects.entry(name(index, rank)).or_insert_with(|| effect(messages));
                }
            }
        }
        self.stored
    }
}

/// The entry of an effect, by its key or, if that is gone (a book imported anew), by its hash.
fn find(index: &Inner, key: &str, hash: u64) -> Option<u32> {
    let has_hash = |rank: u32| {
        let entry = index.entries.get(rank as usize);
        entry
            .and_then(|entry| entry.rare.as_ref())
            .is_some_and(|rare| rare.hash == hash)
    };
    match index.ranks.get(key) {
        Some(rank) => Some(*rank).filter(|rank| has_hash(*rank)),
        None => index.timed.iter().copied().find(|rank| has_hash(*rank)),
    }
}

fn name(index: &Inner, rank: u32) -> String {
    let entry = index.entries.get(rank as usize);
    entry
        .map(|entry| Arc::clone(&entry.key))
        .unwrap_or_default()
        .to_string()
}
