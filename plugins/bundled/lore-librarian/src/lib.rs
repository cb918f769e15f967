//! Chooses lore by how well it fits the latest messages, beside what its keys have activated.

mod relevance;
mod stem;

use relevance::relevance;
use serde::Deserialize;
use tavern_extension::*;

/// Edits of one call, which the host limits.
const MAX_EDITS: usize = 60;

#[derive(Extension, Deserialize)]
#[hooks(WorldInfo)]
#[serde(default)]
pub struct LoreLibrarian {
    messages: usize,
    activate: usize,
    minimum: f32,
    budget: u64,
}

impl Default for LoreLibrarian {
    fn default() -> Self {
        Self {
            messages: 4,
            activate: 3,
            minimum: 0.25,
            budget: 0,
        }
    }
}

impl WorldInfo for LoreLibrarian {
    fn select(&self, _turn: &Turn, history: &[Message], candidates: &[Candidate]) -> Result<Selection> {
        let recent = &history[history.len().saturating_sub(self.messages)..];
        let scores = relevance(recent, candidates);
        let mut ranked: Vec<usize> = (0..candidates.len()).collect();
        ranked.sort_by(|&one, &other| scores[other].total_cmp(&scores[one]).then(one.cmp(&other)));

        let tokens = |index: usize| u64::from(candidates[index].tokens);
        let active = || ranked.iter().copied().filter(|&index| candidates[index].active);
        let mut used: u64 = active().map(tokens).sum();
        let mut activations = Vec::new();
        for index in active().collect::<Vec<_>>().into_iter().rev() {
            if self.budget == 0 || used <= self.budget || activations.len() == MAX_EDITS {
                break;
            }
            used -= tokens(index);
            // What fits worst is meant most.
            activations.push(Activation::silence(&candidates[index].id, 1.0 - scores[index]));
        }
        let mut activated = 0;
        for &index in &ranked {
            let candidate = &candidates[index];
            let fits = self.budget == 0 || used + tokens(index) <= self.budget;
            if scores[index] < self.minimum || scores[index] == 0.0 || activations.len() == MAX_EDITS {
                break;
            }
            if candidate.active || !fits || activated == self.activate {
                continue;
            }
            used += tokens(index);
            activated += 1;
            activations.push(Activation::activate(&candidate.id, scores[index]));
        }
        if activations.is_empty() {
            return Err(HookError::Skip("the keys have chosen well".into()));
        }
        Ok(Selection {
            activations,
            additions: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests;
