//! One call of one extension from beginning to end: whether it may be called, its sandbox, the call, the
//! check of what it gave, its writes, and what is told of it.

use std::sync::Arc;
use std::time::Duration;

use tavern_domain::extension::{Capability, ExtensionEvent, Hook, Outcome, PluginTrace};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::bindings::tavern::extension::types::{Character, Pair, Turn};
use crate::calls::HookCall;
use crate::chain::Member;
use crate::edits::{Checker, note};
use crate::host::Host;
use crate::instance::{CallFacts, CallLimits, Called, Failure, Instance, Share};
use crate::ports::{KvFault, KvWrite};
use crate::pseudonym::Named;
use crate::turn::{Abort, TurnFacts};

/// Lines of the log in a trace.
const LOG_LINES: usize = 64;

/// How long values may take to be kept. A store that is well or knows that it is not answers long before.
const COMMIT: Duration = Duration::from_secs(15);

/// An extension's place in a turn: what it is told of the turn, and its sandbox, once there is one.
#[derive(Default)]
pub(crate) struct Seat {
    pub instance: Option<Instance>,
    pub turn: Option<Turn>,
}

/// What became of a call.
pub(crate) struct Ran<T> {
    pub taken: Option<T>,
    /// It failed and must not.
    pub abort: Option<Abort>,
}

/// Calls extensions for one turn.
#[derive(Clone, Copy)]
pub(crate) struct Runner<'a> {
    pub host: &'a Host,
    pub facts: &'a TurnFacts,
}

/// A trace of a call that has not been made.
pub(crate) fn blank(member: &Member, hook: Hook) -> PluginTrace {
    PluginTrace {
        extension: member.name.clone(),
        version: member.version.clone(),
        hook,
        outcome: Outcome::Skipped,
        edits: 0,
        notes: Vec::new(),
        fuel: 0,
        micros: 0,
        memory: 0,
        host_calls: 0,
        log: Vec::new(),
    }
}

/// Adds what a call took to a trace.
pub(crate) fn absorb<T>(trace: &mut PluginTrace, called: Called<T>) -> Result<T, Failure> {
    trace.fuel = trace.fuel.saturating_add(called.fuel);
    let micros = u64::try_from(called.elapsed.as_micros()).unwrap_or(u64::MAX);
    trace.micros = trace.micros.saturating_add(micros);
    trace.memory = trace.memory.max(called.memory);
    trace.host_calls = trace.host_calls.saturating_add(called.host_calls);
    let room = LOG_LINES.saturating_sub(trace.log.len());
    trace.log.extend(called.log.into_iter().take(room));
    for line in called.notes {
        note(&mut trace.notes, &line);
    }
    called.result
}

/// What the turn is to an extension that must work and did not. What an operator has stopped is not
/// waited for.
pub(crate) fn abort(member: &Member, outcome: Outcome) -> Option<Abort> {
    let is_failure = !matches!(outcome, Outcome::Ok | Outcome::Skipped | Outcome::Killed);
    (member.fail_closed && is_failure).then(|| Abort {
        extension: member.name.clone(),
        message: format!("The extension `{}` is needed and did not work.", member.name),
        is_failure: true,
    })
}

impl Runner<'_> {
    /// Calls a hook, at most for `patience` in all. The seat's sandbox is used again if there is one, and
    /// stays if it can be.
    pub async fn run<C: HookCall>(
        &self,
        member: &Arc<Member>,
        seat: &mut Seat,
        patience: Duration,
        call: &C,
    ) -> (Ran<C::Taken>, PluginTrace) {
        let span = tracing::info_span!(
            "extension",
            extension = member.name,
            version = member.version,
            installation = %member.installation,
            turn = self.facts.turn,
            hook = C::HOOK.as_str(),
            outcome = tracing::field::Empty,
            fuel = tracing::field::Empty,
        );
        let mut trace = blank(member, C::HOOK);
        let called = self.guarded(member, seat, patience, call, &mut trace);
        let taken = match called.instrument(span.clone()).await {
            Ok(taken) => {
                trace.outcome = Outcome::Ok;
                Some(taken)
            }
            Err(failure) => {
                trace.outcome = failure.outcome;
                if !failure.message.is_empty() {
                    note(&mut trace.notes, &failure.message);
                }
                None
            }
        };
        span.record("outcome", trace.outcome.as_str());
        span.record("fuel", trace.fuel);
        self.tell(member, &trace);
        let abort = abort(member, trace.outcome);
        (Ran { taken, abort }, trace)
    }

    pub fn tell(&self, member: &Member, trace: &PluginTrace) {
        if !self.facts.dry_run {
            let trace = Box::new(trace.clone());
            let event = ExtensionEvent::Called { trace };
            self.host.inner().ports.emit(member.installation, event);
        }
    }

    /// Behind the kill switch and the breaker.
    async fn guarded<C: HookCall>(
        &self,
        member: &Arc<Member>,
        seat: &mut Seat,
        patience: Duration,
        call: &C,
        trace: &mut PluginTrace,
    ) -> Result<C::Taken, Failure> {
        let inner = self.host.inner();
        self.alive(member)?;
        if patience.is_zero() {
            return Err(out_of_time());
        }
        let permit = inner
            .guard
            .admit(member.installation, C::HOOK, member.fail_closed, inner.clock.now());
        let permit = permit.ok_or_else(|| failed(Outcome::BreakerOpen, "It failed too often lately."))?;
        let began = Instant::now();
        let mut is_again = false;
        let mut was_short;
        let result = loop {
            let left = patience.saturating_sub(began.elapsed());
            let limits = C::limits(&inner.settings.limits, member);
            was_short = left < limits.wall;
            let limits = CallLimits {
                wall: limits.wall.min(left),
                ..limits
            };
            let result = Box::pin(self.attempt(member, seat, left, limits, call, trace)).await;
            match &result {
                Err(failure) if may_retry(failure) && !is_again && began.elapsed() < patience => {
                    note(&mut trace.notes, &format!("Tried once more: {}", failure.message));
                    is_again = true;
                }
                _ => break result,
            }
        };
        let outcome = result.as_ref().map_or_else(|failure| failure.outcome, |_| Outcome::Ok);
        // If others have used its time up, that is not held against it.
        if !(was_short && outcome == Outcome::WallTimeout) {
            permit.report(outcome, inner.clock.now());
        }
        result
    }

    pub fn alive(&self, member: &Member) -> Result<(), Failure> {
        match self.host.inner().guard.is_killed(&member.name, &member.version) {
            true => Err(failed(Outcome::Killed, "An operator has stopped it.")),
            false => Ok(()),
        }
    }

    async fn attempt<C: HookCall>(
        &self,
        member: &Arc<Member>,
        seat: &mut Seat,
        left: Duration,
        limits: CallLimits,
        call: &C,
        trace: &mut PluginTrace,
    ) -> Result<C::Taken, Failure> {
        let mut instance = match seat.instance.take() {
            Some(instance) => instance,
            None => self.start(member, Share::Calls, left).await?,
        };
        let turn = seat.turn.get_or_insert_with(|| self.turn(member));
        let called = call.ask(&mut instance, limits, turn).await;
        let answer = absorb(trace, called);
        let writes = instance.take_writes();
        // Whatever becomes of the result: a sandbox that is sound serves the next hook.
        if instance.is_sound() {
            seat.instance = Some(instance);
        }
        let mut checker = Checker::new(member, &self.host.inner().settings.limits);
        let checked = call.check(&mut checker, answer?);
        for line in &checker.notes {
            note(&mut trace.notes, line);
        }
        let taken = checked?;
        self.commit(member, writes).await?;
        trace.edits = trace.edits.saturating_add(checker.taken);
        Ok(taken)
    }

    /// A fresh sandbox.
    pub async fn start(&self, member: &Arc<Member>, share: Share, patience: Duration) -> Result<Instance, Failure> {
        let facts = CallFacts {
            user: Some(self.facts.user.clone()),
            chat: Some(self.facts.chat.clone()),
            model: self.facts.model.clone(),
            seed: self.facts.seed,
            now: self.facts.now,
            dry_run: self.facts.dry_run,
            count: Arc::clone(&self.facts.count),
        };
        let start = Box::pin(Instance::start(self.host, member, facts, share));
        match tokio::time::timeout(patience, start).await {
            Ok(started) => started,
            // Loading takes long when a host is busy or new: that is not the extension's doing.
            Err(_) => Err(failed(Outcome::PoolBusy, "It could not be loaded in time.")),
        }
    }

    /// Keeps what was written, all of it or none. However long the extension may still take: the store has its own
    /// limits, and goes on if nobody waits for it any more.
    pub async fn commit(&self, member: &Member, writes: Vec<KvWrite>) -> Result<(), Failure> {
        if writes.is_empty() || self.facts.dry_run {
            return Ok(());
        }
        let (ports, installation) = (Arc::clone(&self.host.inner().ports), member.installation);
        let version = member.version.clone();
        let mut commit = tokio::spawn(async move { ports.kv_commit(installation, &version, writes).await });
        let fault = match tokio::time::timeout(COMMIT, &mut commit).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(fault))) => fault,
            Ok(Err(_)) => KvFault::Unavailable,
            Err(_) => {
                let message = "Whether its values are kept is not known yet: nothing else of the result was used.";
                return Err(failed(Outcome::HostError, message));
            }
        };
        let (outcome, message) = match fault {
            KvFault::Conflict => (Outcome::HostError, "A value was changed by somebody else meanwhile"),
            KvFault::OtherVersion => (Outcome::HostError, "It was replaced by another version meanwhile"),
            KvFault::Quota => (Outcome::Denied, "There is no room for its values"),
            KvFault::Unavailable => (Outcome::HostError, "Its values could not be kept"),
        };
        Err(failed(outcome, &format!("{message}: nothing of the result was used.")))
    }

    /// The turn as an extension may see it.
    pub fn turn(&self, member: &Member) -> Turn {
        let facts = self.facts;
        let names = &self.host.inner().pseudonyms;
        let name = |named, id: &str| names.of(member.installation, named, id);
        let if_may = |capability: &Capability, text: &String| match member.may(capability) {
            true => text.clone(),
            false => String::new(),
        };
        let character = facts
            .character
            .as_ref()
            .map(|character| match member.may(&Capability::Character) {
                true => character.clone(),
                false => Character {
                    name: character.name.clone(),
                    description: String::new(),
                    personality: String::new(),
                    scenario: String::new(),
                    tags: Vec::new(),
                },
            });
        let variables = match member.may(&Capability::Variables) {
            true => &facts.variables[..],
            false => &[],
        };
        let pair = |(key, value): &(String, String)| Pair {
            key: key.clone(),
            value: value.clone(),
        };
        Turn {
            id: name(Named::Turn, &facts.turn),
            chat: name(Named::Chat, &facts.chat),
            user: name(Named::User, &facts.user),
            user_name: if_may(&Capability::Persona, &facts.user_name),
            persona: if_may(&Capability::Persona, &facts.persona),
            character,
            kind: facts.kind.clone(),
            locale: facts.locale.clone(),
            model: facts.model.clone(),
            context_tokens: facts.context_tokens,
            reply_tokens: facts.reply_tokens,
            variables: variables.iter().map(pair).collect(),
            seed: facts.seed,
            now_ms: u64::try_from(facts.now.0).unwrap_or(0),
            dry_run: facts.dry_run,
            extra: Vec::new(),
        }
    }
}

pub(crate) fn failed(outcome: Outcome, message: &str) -> Failure {
    Failure {
        outcome,
        message: message.to_owned(),
        retryable: false,
    }
}

/// Only what the guest itself says may work the next time. Whoever trapped is not asked again.
pub(crate) fn may_retry(failure: &Failure) -> bool {
    failure.retryable && failure.outcome == Outcome::GuestError
}

fn out_of_time() -> Failure {
    failed(
        Outcome::WallTimeout,
        "The extensions before it have used up the time of all.",
    )
}
