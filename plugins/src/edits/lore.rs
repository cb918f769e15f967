//! What `world-info` gives back, and how the decisions of several extensions become one.

use std::collections::{HashMap, HashSet};

use tavern_domain::extension::Capability;

use super::{Checker, invalid};
use crate::bindings::exports::tavern::extension::world_info::{Activation, Addition, Candidate, Selection as Raw};
use crate::instance::Failure;
use crate::turn::Selection;

/// Where an addition may stand.
const POSITIONS: [&str; 3] = ["before-character", "after-character", "in-chat"];

/// The decisions of one extension that may be made.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CheckedSelection {
    pub activations: Vec<Activation>,
    pub additions: Vec<Addition>,
}

pub(crate) fn check_selection(
    checker: &mut Checker<'_>,
    candidates: &[Candidate],
    raw: Raw,
) -> Result<CheckedSelection, Failure> {
    let limit = checker.limits.lore_candidates;
    if raw.activations.len() > limit {
        let given = raw.activations.len();
        return Err(invalid(format!("It gave {given} activations, {limit} are the limit.")));
    }
    let named = raw.activations.iter().map(|activation| activation.id.len());
    let added = raw
        .additions
        .iter()
        .map(|addition| addition.title.len() + addition.text.len());
    checker.size(raw.additions.len(), named.chain(added).sum())?;
    let mut checked = CheckedSelection::default();
    if raw.activations.is_empty() && raw.additions.is_empty() {
        return Ok(checked);
    }
    if checker.may("select", Capability::LoreEdit).is_none() {
        return Ok(checked);
    }
    let known: HashSet<&str> = candidates.iter().map(|candidate| candidate.id.as_str()).collect();
    for activation in raw.activations {
        if !known.contains(activation.id.as_str()) {
            checker.refuse::<()>(format_args!("activation: there is no candidate `{}`", activation.id));
        } else if !activation.score.is_finite() {
            checker.refuse::<()>(format_args!(
                "activation: the score of `{}` is no number",
                activation.id
            ));
        } else {
            checked.activations.push(activation);
        }
    }
    for addition in raw.additions {
        checked.additions.extend(check_addition(checker, addition));
    }
    let taken = checked.activations.len() + checked.additions.len();
    checker.taken = u32::try_from(taken).unwrap_or(u32::MAX);
    Ok(checked)
}

fn check_addition(checker: &mut Checker<'_>, addition: Addition) -> Option<Addition> {
    let edit = "addition";
    if !POSITIONS.contains(&addition.position.as_str()) {
        return checker.refuse(format_args!("{edit}: there is no position `{}`", addition.position));
    }
    let text = checker.text(edit, addition.text)?;
    let title = checker.text(edit, addition.title)?;
    Some(Addition {
        text,
        title,
        ..addition
    })
}

/// Of several decisions about a candidate the one with the highest score counts, and of those the first
/// one in the chain. Activations are in the order of the candidates, with the `ids` that the house has for them;
/// additions are in that of the chain.
pub(crate) fn merge(
    candidates: &[Candidate],
    ids: &[String],
    selections: Vec<(String, CheckedSelection)>,
) -> Selection {
    let mut decisions: HashMap<String, (f32, bool)> = HashMap::new();
    let mut merged = Selection::default();
    for (extension, selection) in selections {
        for activation in selection.activations {
            let decided = decisions
                .entry(activation.id)
                .or_insert((activation.score, activation.active));
            if activation.score > decided.0 {
                *decided = (activation.score, activation.active);
            }
        }
        let additions = selection.additions.into_iter();
        merged
            .additions
            .extend(additions.map(|addition| (extension.clone(), addition)));
    }
    for (candidate, id) in candidates.iter().zip(ids) {
        match decisions.remove(&candidate.id) {
            Some((_, true)) => merged.activate.push(id.clone()),
            Some((_, false)) => merged.silence.push(id.clone()),
            None => {}
        }
    }
    merged
}
