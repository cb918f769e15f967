//! Who of those that would activate does: groups, chance, the books' budgets, the budget of all.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::{Active, Candidate, Engine};
use crate::lore::chance::roll;
use crate::lore::groups::{Member, losers};
use crate::lore::index::Entry;
use crate::lore::report::{Note, Reason};
use crate::macros::has_macros;

impl<'a> Engine<'a, '_, '_> {
    pub(super) fn settle_groups(&mut self, candidates: &mut Vec<Candidate>) {
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
    pub(super) fn settle_chances(&mut self, candidates: &mut Vec<Candidate>) {
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
    pub(super) fn settle_book_budgets(&mut self, candidates: &mut Vec<Candidate>) {
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
                by_priority.push((Reverse(entry.priority), place, entry.book, budget, *tokens));
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
    pub(super) fn enter(&mut self, candidates: Vec<Candidate>) {
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
}
