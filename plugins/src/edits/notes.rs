//! What `before-prompt` gives back.

use tavern_domain::extension::Capability;

use super::Checker;
use crate::bindings::exports::tavern::extension::before_prompt::{Edit, Note};
use crate::bindings::tavern::extension::types::Pair;
use crate::instance::Failure;

/// Where a note may stand.
const POSITIONS: [&str; 4] = ["in-chat", "before-character", "after-character", "end"];
/// What may be set of sampling, as numbers; and `stop`, a text.
const SAMPLING: [&str; 9] = [
    "temperature",
    "top-p",
    "top-k",
    "min-p",
    "frequency-penalty",
    "presence-penalty",
    "repetition-penalty",
    "seed",
    "max-tokens",
];

/// The edits of one extension that may be made, each in the order it was given.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct BeforeEdits {
    pub notes: Vec<Note>,
    pub variables: Vec<(String, String)>,
    pub sampling: Vec<(String, String)>,
    /// What the user is told; the first counts.
    pub abort: Option<String>,
}

pub(crate) fn check_before(checker: &mut Checker<'_>, edits: Vec<Edit>) -> Result<BeforeEdits, Failure> {
    let bytes = |edit: &Edit| match edit {
        Edit::AddNote(note) => note.text.len() + note.position.len(),
        Edit::SetVariable(pair) | Edit::SetSampling(pair) => pair.key.len() + pair.value.len(),
        Edit::Abort(text) => text.len(),
    };
    checker.size(edits.len(), edits.iter().map(bytes).sum())?;
    let mut checked = BeforeEdits::default();
    for edit in edits {
        let taken = match edit {
            Edit::AddNote(note) => check_note(checker, note).map(|note| checked.notes.push(note)),
            Edit::SetVariable(pair) => checker.variable(pair).map(|pair| checked.variables.push(pair)),
            Edit::SetSampling(pair) => check_sampling(checker, pair).map(|pair| checked.sampling.push(pair)),
            Edit::Abort(text) => check_abort(checker, text).map(|text| {
                checked.abort.get_or_insert(text);
            }),
        };
        checker.taken += u32::from(taken.is_some());
    }
    Ok(checked)
}

fn check_note(checker: &mut Checker<'_>, note: Note) -> Option<Note> {
    let edit = "add-note";
    checker.may(edit, Capability::Insert)?;
    checker.role(edit, note.role)?;
    if !POSITIONS.contains(&note.position.as_str()) {
        return checker.refuse(format_args!("{edit}: there is no position `{}`", note.position));
    }
    let text = checker.text(edit, note.text)?;
    Some(Note { text, ..note })
}

fn check_sampling(checker: &mut Checker<'_>, pair: Pair) -> Option<(String, String)> {
    let edit = "set-sampling";
    checker.may(edit, Capability::Sampling)?;
    if pair.key == "stop" {
        return Some((pair.key, checker.stop(edit, pair.value)?));
    }
    if !SAMPLING.contains(&pair.key.as_str()) {
        return checker.refuse(format_args!("{edit}: `{}` cannot be set", pair.key));
    }
    match pair.value.parse::<f64>() {
        Ok(number) if number.is_finite() => Some((pair.key, pair.value)),
        _ => checker.refuse(format_args!("{edit}: `{}` is a number", pair.key)),
    }
}

fn check_abort(checker: &mut Checker<'_>, text: String) -> Option<String> {
    checker.may("abort", Capability::Abort)?;
    let text = checker.text("abort", text)?;
    match text.trim() {
        "" => Some(format!(
            "The extension `{}` has stopped this turn.",
            checker.member.name
        )),
        _ => Some(text),
    }
}
