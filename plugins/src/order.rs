//! In which order extensions are called at a hook: by phase, then by priority, then by what they say of
//! each other, then by name. The same for the same extensions, however they were listed.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use tavern_domain::extension::Hook;

use crate::chain::Member;
use crate::manifest::{HookSettings, Phase};

/// The bounds of a priority; what is beyond is the bound.
pub const PRIORITIES: std::ops::RangeInclusive<i32> = -1000..=1000;

/// Extensions whose `before` and `after` contradict each other: they stand by priority instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub hook: Hook,
    /// Those that wait for each other, in the order of their names.
    pub names: Vec<String>,
}

/// The members called at `hook`, by index, and what could not be had.
pub(crate) fn order(members: &[Arc<Member>], hook: Hook, at: Vec<usize>) -> (Vec<usize>, Vec<Conflict>) {
    let settings = |index: usize| members[index].manifest.hooks.get(&hook);
    let phase = |index: usize| settings(index).map_or(Phase::default(), |settings| settings.phase);
    let mut ranked = at;
    ranked.sort_by_key(|&index| {
        let member = &members[index];
        let priority = member.priority.or(settings(index).map(|settings| settings.priority));
        let priority = priority.unwrap_or(0).clamp(*PRIORITIES.start(), *PRIORITIES.end());
        (phase(index), Reverse(priority), &member.name, member.installation)
    });
    let mut conflicts = Vec::new();
    let mut ordered = Vec::with_capacity(ranked.len());
    for group in ranked.chunk_by(|a, b| phase(*a) == phase(*b)) {
        match sorted(group, members, settings) {
            Ok(sorted) => ordered.extend(sorted),
            Err(names) => {
                ordered.extend_from_slice(group);
                conflicts.push(Conflict { hook, names });
            }
        }
    }
    (ordered, conflicts)
}

/// The members of a phase such that each hint holds, and otherwise as they stand; or the names of those
/// whose hints go round in a circle.
fn sorted<'a>(
    group: &[usize],
    members: &'a [Arc<Member>],
    settings: impl Fn(usize) -> Option<&'a HookSettings>,
) -> Result<Vec<usize>, Vec<String>> {
    let name = |rank: usize| &members[group[rank]].name;
    let hints = |rank: usize, of: fn(&HookSettings) -> &Vec<String>, other: usize| {
        rank != other && settings(group[rank]).is_some_and(|settings| of(settings).contains(name(other)))
    };
    let mut waiting: BTreeSet<usize> = (0..group.len()).collect();
    let mut edges = BTreeSet::new();
    for first in 0..group.len() {
        for then in 0..group.len() {
            if hints(first, |settings| &settings.before, then) || hints(then, |settings| &settings.after, first) {
                edges.insert((first, then));
            }
        }
    }
    let mut sorted = Vec::with_capacity(group.len());
    while let Some(&next) = waiting.iter().find(|rank| {
        !edges
            .iter()
            .any(|(first, then)| then == *rank && waiting.contains(first))
    }) {
        waiting.remove(&next);
        sorted.push(group[next]);
    }
    // What only comes behind a circle is not to blame for it.
    while let Some(&last) = waiting.iter().find(|rank| {
        !edges
            .iter()
            .any(|(first, then)| first == *rank && waiting.contains(then))
    }) {
        waiting.remove(&last);
    }
    if sorted.len() == group.len() {
        return Ok(sorted);
    }
    let names: BTreeSet<_> = waiting.into_iter().map(|rank| name(rank).clone()).collect();
    Err(names.into_iter().collect())
}

#[cfg(test)]
mod tests;
