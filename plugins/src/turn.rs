//! The hooks of one turn, called along the chain.

mod shapes;
mod tools;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tavern_domain::InstallationId;
use tavern_domain::extension::{ExtensionEvent, Hook, PluginTrace};
use tokio::time::Instant;

pub use crate::bindings::exports::tavern::extension::before_prompt::Note;
pub use crate::bindings::exports::tavern::extension::world_info::{Addition, Candidate};
pub use crate::bindings::tavern::extension::types::{Character, Message, Role};
use crate::calls::{AfterReplyCall, BeforePromptCall, ExpandCall, HookCall, SelectCall, TransformCall, alone, seen};
use crate::chain::{Chain, Member};
use crate::edits::{Prompt, merge, note};
use crate::filters::Filters;
use crate::host::Host;
use crate::runner::{Ran, Runner, Seat};
pub use shapes::{
    Abort, AfterReply, BeforePrompt, MacroCall, OfferedTool, Selection, Setting, Transformed, TransformedMessage,
    TurnFacts,
};

/// Different macros that are expanded in a turn; what is beyond stays as it was written.
const MACROS: usize = 256;
/// Extensions that look at candidates of lore at the same time.
const SELECTING: usize = 4;

/// The hooks of one turn. It keeps one sandbox an extension for the phase of the prompt; dropping it, or
/// [`Self::end_prompt`], lets them go.
///
/// Messages and candidates of lore are handed in with the ids of the house. Extensions know them by their places:
/// an id that stays would tell two of them that they run for the same person.
pub struct TurnHooks {
    host: Host,
    chain: Arc<Chain>,
    facts: TurnFacts,
    traces: Vec<PluginTrace>,
    seats: HashMap<InstallationId, Seat>,
    /// What all calls before the prompt may still take together.
    left: Duration,
    /// The same macro has the same text for the whole turn.
    expanded: HashMap<MacroCall, Option<String>>,
}

impl TurnHooks {
    pub(crate) fn new(host: Host, chain: Arc<Chain>, facts: TurnFacts) -> Self {
        Self {
            left: Duration::from_millis(host.settings().limits.wall_chain_ms),
            host,
            chain,
            facts,
            traces: Vec::new(),
            seats: HashMap::new(),
            expanded: HashMap::new(),
        }
    }

    #[must_use]
    pub fn has(&self, hook: Hook) -> bool {
        self.chain.has(hook)
    }

    /// `history` is all that the prompt may draw on, oldest first; each extension gets its share of it. One
    /// extension sees the variables that those before it have set.
    pub async fn before_prompt(&mut self, history: &[Message]) -> BeforePrompt {
        let mut all = BeforePrompt::default();
        let history = &self.shown(Hook::BeforePrompt, history)[..];
        for member in self.members(Hook::BeforePrompt) {
            let shown = seen(history, &member);
            let call = BeforePromptCall { history: &shown };
            let ran = self.prompt_call(&member, &call).await;
            all.abort = ran.abort;
            if let Some(edits) = ran.taken {
                let notes = edits.notes.into_iter();
                all.notes.extend(notes.map(|note| (member.name.clone(), note)));
                self.set_variables(&edits.variables);
                settle(&mut all.variables, &member, edits.variables);
                settle(&mut all.sampling, &member, edits.sampling);
                all.abort = edits.abort.map(|message| Abort {
                    extension: member.name.clone(),
                    message,
                    is_failure: false,
                });
            }
            if all.abort.is_some() {
                break;
            }
        }
        all.notes.sort_by_key(|(_, note)| std::cmp::Reverse(note.priority));
        all
    }

    /// All get the same candidates, the first [`lore_candidates`](crate::settings::PluginLimits::lore_candidates);
    /// their decisions are merged.
    pub async fn select(&mut self, history: &[Message], mut candidates: Vec<Candidate>) -> Selection {
        if !self.chain.has(Hook::WorldInfo) {
            return Selection::default();
        }
        let history = &self.shown(Hook::WorldInfo, history)[..];
        candidates.truncate(self.host.settings().limits.lore_candidates);
        let ids = (0..).zip(&mut candidates);
        let ids = ids.map(|(place, one): (usize, _)| std::mem::replace(&mut one.id, format!("c{place}")));
        let (ids, candidates) = (ids.collect::<Vec<_>>(), &candidates[..]);
        let members = self.members(Hook::WorldInfo);
        let seats = members.into_iter().map(|member| {
            let seat = self.seats.remove(&member.installation).unwrap_or_default();
            (member, seat)
        });
        let seats: Vec<_> = seats.collect();
        let (runner, patience, began) = (runner(&self.host, &self.facts), self.left, Instant::now());
        let mut calls = Vec::with_capacity(seats.len());
        for (member, mut seat) in seats {
            calls.push(Box::pin(async move {
                let shown = seen(history, &member);
                let call = SelectCall {
                    history: &shown,
                    candidates,
                };
                // It may have waited for those before it.
                let left = patience.saturating_sub(began.elapsed());
                let ran = runner.run(&member, &mut seat, left, &call).await;
                (member, seat, ran)
            }));
        }
        let ran: Vec<_> = futures::stream::iter(calls).buffered(SELECTING).collect().await;
        self.left = self.left.saturating_sub(began.elapsed());
        let mut selections = Vec::with_capacity(ran.len());
        let mut abort = None;
        for (member, seat, (ran, trace)) in ran {
            self.seats.insert(member.installation, seat);
            self.traces.push(trace);
            abort = abort.or(ran.abort);
            selections.extend(ran.taken.map(|taken| (member.name.clone(), taken)));
        }
        Selection {
            abort,
            ..merge(candidates, &ids, selections)
        }
    }

    /// Whether some extension expands a macro of this name (in lower case).
    #[must_use]
    pub fn has_macro(&self, name: &str) -> bool {
        self.chain.at(Hook::MacroProvider).any(|member| declares(member, name))
    }

    /// One value for each call, in order. Of several extensions with a macro of the name, the first in the
    /// chain expands it.
    pub async fn expand(&mut self, calls: &[MacroCall]) -> Vec<Option<String>> {
        let mut open: Vec<&MacroCall> = Vec::new();
        let mut asked: HashSet<&MacroCall> = HashSet::new();
        for call in calls {
            let has_room = self.expanded.len() + open.len() < MACROS;
            if has_room && !self.expanded.contains_key(call) && asked.insert(call) {
                open.push(call);
            }
        }
        for member in self.members(Hook::MacroProvider) {
            let (own, others): (Vec<_>, Vec<_>) = open.into_iter().partition(|call| declares(&member, &call.name));
            open = others;
            if own.is_empty() {
                continue;
            }
            let ran = self.prompt_call(&member, &ExpandCall::new(&own)).await;
            let texts = ran.taken.unwrap_or_else(|| vec![None; own.len()]);
            self.expanded.extend(own.into_iter().cloned().zip(texts));
        }
        let text = |call| self.expanded.get(call).cloned().flatten();
        calls.iter().map(text).collect()
    }

    /// Each sees the prompt after those before it. `budget` is what it may have in tokens, four for each
    /// message besides those of its text. Messages whose ids begin with `platform:` stay as they are.
    pub async fn transform(&mut self, prompt: Vec<Message>, budget: u32) -> Transformed {
        let mut prompt = Prompt::new(prompt, budget);
        let count = Arc::clone(&self.facts.count);
        let mut abort = None;
        for member in self.members(Hook::PromptTransform) {
            let call = TransformCall {
                shown: prompt.shown_to(&member),
                prompt: &prompt,
                count: &*count,
            };
            let ran = self.prompt_call(&member, &call).await;
            if let Some(plan) = ran.taken {
                prompt.apply(plan, &member.name);
            }
            abort = ran.abort;
            if abort.is_some() {
                break;
            }
        }
        Transformed {
            abort,
            ..prompt.into_transformed()
        }
    }

    /// Lets the sandboxes of the prompt go.
    pub fn end_prompt(&mut self) {
        for seat in self.seats.values_mut() {
            seat.instance = None;
        }
    }

    /// The filters of the reply, if there are any.
    pub fn filters(&self) -> Option<Filters> {
        let has_filters = self.chain.has(Hook::StreamFilter);
        has_filters.then(|| Filters::new(&self.host, &self.chain, &self.facts))
    }

    /// One extension after the other; what one does no other can undo.
    pub async fn after_reply(&mut self, history: &[Message], user: Option<&Message>, reply: &Message) -> AfterReply {
        let mut all = AfterReply::default();
        let renamed = |message: &Message, id| Message { id, ..message.clone() };
        let place = |id: &str| history.iter().rev().position(|message| message.id == *id);
        let user = user.map(|user| renamed(user, place(&user.id).map_or_else(|| "user".into(), place_name)));
        let (user, reply) = (user.as_ref(), &renamed(reply, "reply".into()));
        let history = &self.shown(Hook::AfterReply, history)[..];
        let patience = Duration::from_millis(self.host.settings().limits.wall_after_reply_ms);
        for member in self.members(Hook::AfterReply) {
            let history = seen(history, &member);
            let (user, reply) = (user.map(|user| alone(user, &member)), alone(reply, &member));
            let call = AfterReplyCall {
                history: &history,
                user: user.as_ref(),
                reply: &reply,
            };
            let Some(effects) = self.background_call(&member, patience * 2, &call).await.taken else {
                continue;
            };
            let name = || member.name.clone();
            let annotations = effects.annotations.into_iter();
            all.annotations
                .extend(annotations.map(|(key, value)| (name(), key, value)));
            let suggestions = effects.suggestions.into_iter();
            all.suggestions.extend(suggestions.map(|text| (name(), text)));
            self.set_variables(&effects.variables);
            settle(&mut all.variables, &member, effects.variables);
            for (name, payload) in effects.events {
                if !self.facts.dry_run {
                    let event = ExtensionEvent::Custom { name, payload };
                    self.host.inner().ports.emit(member.installation, event);
                }
            }
        }
        all
    }

    /// What was called so far, in order.
    #[must_use]
    pub fn traces(&self) -> &[PluginTrace] {
        &self.traces
    }

    pub fn take_traces(&mut self) -> Vec<PluginTrace> {
        std::mem::take(&mut self.traces)
    }

    /// Of others who have called on the turn's behalf, such as its filters.
    pub fn add_traces(&mut self, traces: Vec<PluginTrace>) {
        self.traces.extend(traces);
    }

    /// Notes that what an extension wanted at a hook came to nothing after all.
    pub fn remark(&mut self, extension: &str, hook: Hook, remark: &str) {
        let mut latest = self.traces.iter_mut().rev();
        if let Some(trace) = latest.find(|trace| trace.extension == extension && trace.hook == hook) {
            trace.edits = trace.edits.saturating_sub(1);
            note(&mut trace.notes, remark);
        }
    }

    #[must_use]
    pub fn facts(&self) -> &TurnFacts {
        &self.facts
    }

    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The end of a chat, as much of it as anybody at a hook may see.
    fn shown(&self, hook: Hook, history: &[Message]) -> Vec<Message> {
        let most = self.chain.at(hook).map(|member| member.history()).max().unwrap_or(0);
        let end = &history[history.len().saturating_sub(most)..];
        let shown = (0..end.len()).rev().zip(end).map(|(place, message)| Message {
            id: place_name(place),
            ..message.clone()
        });
        shown.collect()
    }

    fn members(&self, hook: Hook) -> Vec<Arc<Member>> {
        self.chain.at(hook).cloned().collect()
    }

    /// A call in the phase of the prompt: its sandbox stays for the next hook, and its time is all's.
    async fn prompt_call<C: HookCall>(&mut self, member: &Arc<Member>, call: &C) -> Ran<C::Taken> {
        let began = Instant::now();
        let seat = self.seats.entry(member.installation).or_default();
        let (ran, trace) = runner(&self.host, &self.facts).run(member, seat, self.left, call).await;
        self.left = self.left.saturating_sub(began.elapsed());
        self.traces.push(trace);
        ran
    }

    /// A call in a sandbox of its own.
    async fn background_call<C: HookCall>(
        &mut self,
        member: &Arc<Member>,
        patience: Duration,
        call: &C,
    ) -> Ran<C::Taken> {
        let mut seat = Seat::default();
        let (ran, trace) = runner(&self.host, &self.facts)
            .run(member, &mut seat, patience, call)
            .await;
        self.traces.push(trace);
        ran
    }

    /// Those that are called later see them.
    fn set_variables(&mut self, variables: &[(String, String)]) {
        for pair in variables {
            set(&mut self.facts.variables, pair.clone());
        }
        if !variables.is_empty() {
            self.seats.values_mut().for_each(|seat| seat.turn = None);
        }
    }
}

fn runner<'a>(host: &'a Host, facts: &'a TurnFacts) -> Runner<'a> {
    Runner { host, facts }
}

/// What a message of the chat is called, so many before the last one.
fn place_name(place: usize) -> String {
    format!("h{place}")
}

fn declares(member: &Member, name: &str) -> bool {
    member.manifest.macros.iter().any(|declared| declared.name == name)
}

/// The later value stands for the earlier one.
fn set(pairs: &mut Vec<(String, String)>, (key, value): (String, String)) {
    match pairs.iter_mut().find(|(known, _)| *known == key) {
        Some((_, known)) => *known = value,
        None => pairs.push((key, value)),
    }
}

/// The same for what comes of a turn.
fn settle(settings: &mut Vec<Setting>, member: &Member, pairs: Vec<(String, String)>) {
    for (key, value) in pairs {
        let is_same = |known: &&mut Setting| known.key == key && (key != "stop" || known.value == value);
        let setting = Setting {
            extension: member.name.clone(),
            key: key.clone(),
            value: value.clone(),
        };
        match settings.iter_mut().find(is_same) {
            Some(known) => *known = setting,
            None => settings.push(setting),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
