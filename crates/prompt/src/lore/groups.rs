//! Inclusion groups: of those that would enter together, one does.

use std::collections::{HashMap, HashSet};

use super::chance::roll;
use super::index::{Entry, Rare};

/// An entry that would enter.
pub(super) struct Member<'a> {
    pub rank: u32,
    pub entry: &'a Entry,
    pub sticky: bool,
}

/// For each member, the name of the group that it lost in.
///
/// `taken`: groups that have an entry from an earlier pass. `score`: how many keys of an entry matched.
pub(super) fn losers<'a>(
    members: &[Member<'a>],
    taken: &HashSet<&str>,
    mut score: impl FnMut(u32) -> u32,
    seed: u64,
) -> Vec<Option<&'a str>> {
    let mut round = Round {
        members,
        lost: vec![None; members.len()],
    };
    let groups = groups(members);
    // Who stays from before stays; scores come before chance, and in all groups first.
    let mut open = Vec::new();
    for (name, places) in &groups {
        let has_sticky = places
            .iter()
            .any(|place| members.get(*place).is_some_and(|member| member.sticky));
        if has_sticky {
            round.remove(name, places, |member| !member.sticky);
        } else {
            open.push((*name, places));
        }
    }
    for (name, places) in &open {
        let alive = round.alive(places);
        if !alive.iter().any(|(_, member)| member.entry.group_scoring) {
            continue;
        }
        let scores: HashMap<u32, u32> = alive
            .iter()
            .map(|(_, member)| (member.rank, score(member.rank)))
            .collect();
        let best = scores.values().copied().max().unwrap_or_default();
        round.remove(name, places, |member| {
            member.entry.group_scoring && scores.get(&member.rank).is_some_and(|score| *score < best)
        });
    }
    for (name, places) in &open {
        if taken.contains(name) {
            round.remove(name, places, |_| true);
            continue;
        }
        let alive = round.alive(places);
        if alive.len() > 1
            && let Some(winner) = winner(&alive, name, seed)
        {
            round.remove(name, places, |member| member.rank != winner);
        }
    }
    round.lost
}

/// Each group with the places of its members, in the order they come up.
fn groups<'a>(members: &[Member<'a>]) -> Vec<(&'a str, Vec<usize>)> {
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for (place, member) in members.iter().enumerate() {
        for name in member.entry.groups() {
            let number = *numbers.entry(name).or_insert_with(|| {
                groups.push((name, Vec::new()));
                groups.len() - 1
            });
            if let Some((_, places)) = groups.get_mut(number) {
                places.push(place);
            }
        }
    }
    groups
}

struct Round<'m, 'a> {
    members: &'m [Member<'a>],
    lost: Vec<Option<&'a str>>,
}

impl<'m, 'a> Round<'m, 'a> {
    fn alive(&self, places: &[usize]) -> Vec<(usize, &'m Member<'a>)> {
        let alive = places
            .iter()
            .filter(|place| self.lost.get(**place).is_some_and(Option::is_none));
        alive
            .filter_map(|place| Some((*place, self.members.get(*place)?)))
            .collect()
    }

    fn remove(&mut self, name: &'a str, places: &[usize], is_out: impl Fn(&Member<'a>) -> bool) {
        for (place, member) in self.alive(places) {
            if is_out(member)
                && let Some(lost) = self.lost.get_mut(place)
            {
                *lost = Some(name);
            }
        }
    }
}

/// By override, the highest `order`; else by weighted chance. The chance is a race: each runs for a time
/// that depends on its weight and its own luck alone, and the first wins, which gives each the share of
/// its weight and does not shuffle the luck of the others when one more comes in.
fn winner(alive: &[(usize, &Member<'_>)], group: &str, seed: u64) -> Option<u32> {
    fn rare<'a>(member: &Member<'a>) -> Option<&'a Rare> {
        member.entry.rare.as_deref()
    }
    let overriding = alive
        .iter()
        .filter(|(_, member)| rare(member).is_some_and(|rare| rare.group_override));
    // The first of the highest, and `min_by_key` keeps the first.
    if let Some((_, winner)) = overriding.min_by_key(|(_, member)| std::cmp::Reverse(member.entry.order)) {
        return Some(winner.rank);
    }
    let weight = |member: &Member<'_>| rare(member).map_or(0.0, |rare| rare.group_weight).max(0.0);
    let all_weightless = alive.iter().all(|(_, member)| weight(member) <= 0.0);
    let time = |member: &Member<'_>| {
        let weight = if all_weightless { 1.0 } else { weight(member) };
        // 1 − roll is never 0; a weight of 0 never arrives.
        -(1.0 - roll(seed, group, &member.entry.key)).ln() / weight
    };
    let finite = alive
        .iter()
        .filter(|(_, member)| all_weightless || weight(member) > 0.0);
    let first = finite.min_by(|(_, a), (_, b)| time(a).total_cmp(&time(b)));
    first.map(|(_, winner)| winner.rank)
}
