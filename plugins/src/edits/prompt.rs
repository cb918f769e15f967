//! What `prompt-transform` gives back, and the prompt it is done to.
//!
//! Of one result, removals win over replacements, replacements of a message are made in order, and what is
//! inserted at the same place stands in the order it was given. Each extension sees the prompt as those
//! before it have left it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use tavern_domain::extension::Capability;

use super::Checker;
use crate::bindings::exports::tavern::extension::prompt_transform::{Op, Placed, Replacement};
use crate::bindings::tavern::extension::types::{Message, Role};
use crate::calls::nameless;
use crate::chain::Member;
use crate::instance::Failure;
use crate::turn::{Transformed, TransformedMessage};

/// Messages of the house, which no extension may touch, have ids that begin so.
const PLATFORM: &str = "platform:";
/// Tokens of a message besides its text.
const MESSAGE_TOKENS: u32 = 4;

/// A prompt, and who has done what to it.
pub(crate) struct Prompt {
    messages: Vec<Message>,
    marks: Vec<Mark>,
    /// Tokens it may have.
    budget: u32,
    /// Messages that were inserted so far, for their ids.
    inserted: u32,
    /// Ids, and who took them out.
    removed: Vec<(String, String)>,
    stops: Vec<String>,
    changed: bool,
}

#[derive(Clone, Default)]
struct Mark {
    inserted_by: Option<String>,
    replaced_by: Option<String>,
}

/// Changes that may be made to the prompt they were planned for. Messages are named by their index.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    removed: BTreeSet<usize>,
    replaced: BTreeMap<usize, String>,
    before: BTreeMap<usize, Vec<(Role, String)>>,
    after: BTreeMap<usize, Vec<(Role, String)>>,
    stops: Vec<String>,
}

/// Tokens of the prompt as far as it is planned.
struct Room<'a> {
    count: &'a (dyn Fn(&str) -> u32 + Send + Sync),
    used: u32,
    budget: u32,
}

impl Room<'_> {
    /// Puts a text in the place of those of `freed` tokens, if the prompt then has room for it; what
    /// becomes no longer always has.
    fn swap(&mut self, freed: u32, text: &str, besides: u32) -> bool {
        let needed = (self.count)(text).saturating_add(besides);
        let used = self.used.saturating_sub(freed).saturating_add(needed);
        let fits = used <= self.budget || needed <= freed;
        if fits {
            self.used = used;
        }
        fits
    }
}

impl Prompt {
    pub fn new(messages: Vec<Message>, budget: u32) -> Self {
        Self {
            marks: vec![Mark::default(); messages.len()],
            messages,
            budget,
            inserted: 0,
            removed: Vec::new(),
            stops: Vec::new(),
            changed: false,
        }
    }

    /// What a member sees: all messages, to put others beside them; and the texts of those it may replace,
    /// or that are among the last of the chat which it may see.
    pub fn shown_to(&self, member: &Member) -> Cow<'_, [Message]> {
        let replaces = member.may(&Capability::Replace);
        let sees_all = replaces && member.may(&Capability::System);
        if sees_all && member.may(&Capability::Persona) {
            return Cow::Borrowed(&self.messages);
        }
        let messages = self.messages.iter().cloned();
        let mut shown: Vec<_> = messages.map(|message| nameless(message, member)).collect();
        if sees_all {
            return Cow::Owned(shown);
        }
        let mut history = member.history();
        for message in shown.iter_mut().rev() {
            let is_system = message.role == Role::System;
            let is_recent = !is_system && history > 0;
            history = history.saturating_sub(usize::from(!is_system));
            if !is_recent && (is_system || !replaces) {
                message.text.clear();
            }
        }
        Cow::Owned(shown)
    }

    /// Checks the edits of one extension. `count` counts tokens.
    pub fn plan(
        &self,
        checker: &mut Checker<'_>,
        ops: Vec<Op>,
        count: &(dyn Fn(&str) -> u32 + Send + Sync),
    ) -> Result<Plan, Failure> {
        let bytes = |op: &Op| match op {
            Op::InsertBefore(placed) | Op::InsertAfter(placed) => placed.anchor.len() + placed.text.len(),
            Op::ReplaceText(replacement) => replacement.id.len() + replacement.text.len(),
            Op::Remove(text) | Op::StopSequence(text) => text.len(),
        };
        checker.size(ops.len(), ops.iter().map(bytes).sum())?;
        let mut plan = Plan::default();
        if ops.is_empty() {
            return Ok(plan);
        }
        let mut known: HashMap<&str, usize> = HashMap::with_capacity(self.messages.len());
        for (index, message) in self.messages.iter().enumerate() {
            known.entry(&message.id).or_insert(index);
        }
        let mut room = Room {
            count,
            used: self.tokens(count),
            budget: self.budget,
        };
        for op in &ops {
            if let Op::Remove(id) = op
                && let Some(index) = self.target(checker, &known, "remove", id)
                && plan.removed.insert(index)
            {
                room.used = room.used.saturating_sub(self.cost(index, count));
                checker.taken += 1;
            }
        }
        for op in ops {
            let taken = match op {
                Op::Remove(_) => None,
                Op::StopSequence(text) => checker.stop("stop-sequence", text).map(|text| plan.stops.push(text)),
                Op::ReplaceText(replacement) => self.replace(checker, &known, &mut room, &mut plan, replacement),
                Op::InsertBefore(placed) => insert(checker, &known, &mut room, &mut plan.before, placed),
                Op::InsertAfter(placed) => insert(checker, &known, &mut room, &mut plan.after, placed),
            };
            checker.taken += u32::from(taken.is_some());
        }
        Ok(plan)
    }

    fn cost(&self, index: usize, count: &(dyn Fn(&str) -> u32 + Send + Sync)) -> u32 {
        count(&self.messages[index].text).saturating_add(MESSAGE_TOKENS)
    }

    fn tokens(&self, count: &(dyn Fn(&str) -> u32 + Send + Sync)) -> u32 {
        let costs = (0..self.messages.len()).map(|index| self.cost(index, count));
        costs.fold(0, u32::saturating_add)
    }

    /// A message that may be changed.
    fn target(&self, checker: &mut Checker<'_>, known: &HashMap<&str, usize>, edit: &str, id: &str) -> Option<usize> {
        checker.may(edit, Capability::Replace)?;
        let Some(&index) = known.get(id) else {
            return checker.refuse(format_args!("{edit}: there is no message `{id}`"));
        };
        if id.starts_with(PLATFORM) {
            return checker.refuse(format_args!("{edit}: `{id}` is the platform's"));
        }
        if self.messages[index].role == Role::System {
            checker.may(edit, Capability::System)?;
        }
        Some(index)
    }

    fn replace(
        &self,
        checker: &mut Checker<'_>,
        known: &HashMap<&str, usize>,
        room: &mut Room<'_>,
        plan: &mut Plan,
        Replacement { id, text }: Replacement,
    ) -> Option<()> {
        let edit = "replace-text";
        let index = self.target(checker, known, edit, &id)?;
        if plan.removed.contains(&index) {
            return checker.refuse(format_args!("{edit}: `{id}` is removed"));
        }
        let text = checker.text(edit, text)?;
        let current = plan.replaced.get(&index).unwrap_or(&self.messages[index].text);
        if !room.swap((room.count)(current), &text, 0) {
            return checker.refuse(format_args!("{edit}: the prompt has no room for the text of `{id}`"));
        }
        plan.replaced.insert(index, text);
        Some(())
    }

    /// Makes the changes; `by` is the extension.
    pub fn apply(&mut self, plan: Plan, by: &str) {
        let Plan {
            removed,
            mut replaced,
            mut before,
            mut after,
            stops,
        } = plan;
        for stop in stops {
            if !self.stops.contains(&stop) {
                self.stops.push(stop);
                self.changed = true;
            }
        }
        if removed.is_empty() && replaced.is_empty() && before.is_empty() && after.is_empty() {
            return;
        }
        self.changed = true;
        let ids: BTreeSet<String> = self.messages.iter().map(|message| message.id.clone()).collect();
        let old = std::mem::take(&mut self.messages).into_iter();
        let marks = std::mem::take(&mut self.marks);
        for (index, (mut message, mut mark)) in old.zip(marks).enumerate() {
            self.place(before.remove(&index), by, &ids);
            if let Some(text) = replaced.remove(&index) {
                message.text = text;
                mark.replaced_by = Some(by.to_owned());
            }
            if removed.contains(&index) {
                self.removed.push((message.id, by.to_owned()));
            } else {
                self.messages.push(message);
                self.marks.push(mark);
            }
            self.place(after.remove(&index), by, &ids);
        }
    }

    fn place(&mut self, texts: Option<Vec<(Role, String)>>, by: &str, taken: &BTreeSet<String>) {
        for (role, text) in texts.unwrap_or_default() {
            let id = loop {
                self.inserted += 1;
                let id = format!("inserted-{}", self.inserted);
                if !taken.contains(&id) {
                    break id;
                }
            };
            self.messages.push(Message {
                id,
                role,
                name: None,
                text,
            });
            self.marks.push(Mark {
                inserted_by: Some(by.to_owned()),
                replaced_by: None,
            });
        }
    }

    pub fn into_transformed(self) -> Transformed {
        let messages = self.messages.into_iter().zip(self.marks);
        let messages = messages.map(|(message, mark)| TransformedMessage {
            message,
            inserted_by: mark.inserted_by,
            replaced_by: mark.replaced_by,
        });
        Transformed {
            messages: messages.collect(),
            removed: self.removed,
            stops: self.stops,
            changed: self.changed,
            abort: None,
        }
    }
}

fn insert(
    checker: &mut Checker<'_>,
    known: &HashMap<&str, usize>,
    room: &mut Room<'_>,
    places: &mut BTreeMap<usize, Vec<(Role, String)>>,
    placed: Placed,
) -> Option<()> {
    let edit = "insert";
    checker.may(edit, Capability::Insert)?;
    checker.role(edit, placed.role)?;
    let Some(&index) = known.get(placed.anchor.as_str()) else {
        return checker.refuse(format_args!("{edit}: there is no message `{}`", placed.anchor));
    };
    let text = checker.text(edit, placed.text)?;
    if !room.swap(0, &text, MESSAGE_TOKENS) {
        return checker.refuse(format_args!("{edit}: the prompt has no room for it"));
    }
    places.entry(index).or_default().push((placed.role, text));
    Some(())
}
