//! One filter of a reply: its sandbox, what it may still take, and what is told of it in the end.

use std::sync::Arc;
use std::time::Duration;

use tavern_domain::extension::{Hook, Outcome, PluginTrace};
use tokio::time::Instant;

use crate::bindings::exports::tavern::extension::stream_filter::Verdict;
use crate::breaker::Permit;
use crate::calls::scaled;
use crate::chain::Member;
use crate::edits::{Checker, invalid, note};
use crate::host::Host;
use crate::instance::{CallLimits, Called, Failure, Instance, Share};
use crate::manifest::Flush;
use crate::runner::{Runner, abort, absorb, blank, failed, may_retry};
use crate::stage::{Hold, Memory, Stage, Step};
use crate::triggers::Triggers;
use crate::turn::{Abort, TurnFacts};

pub(super) struct Post {
    host: Host,
    facts: Arc<TurnFacts>,
    member: Arc<Member>,
    triggers: Option<Arc<Triggers>>,
    flush: Flush,
    memory: Memory,
    state: State,
    trace: PluginTrace,
    /// Bytes that it has put into the reply in place of others.
    written: usize,
    /// What it says is of no consequence.
    observes: bool,
}

enum State {
    /// It has not been needed yet.
    Unopened,
    Open {
        instance: Box<Instance>,
        permit: Permit,
    },
    /// It has ended, or failed.
    Out,
}

/// What comes out of a filter.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub text: String,
    pub stop: bool,
    pub abort: Option<Abort>,
}

enum Question<'a> {
    Push(&'a str),
    Finish(&'a str),
}

impl Post {
    pub fn new(host: Host, facts: Arc<TurnFacts>, member: Arc<Member>, triggers: Option<Arc<Triggers>>) -> Self {
        let settings = member.manifest.hooks.get(&Hook::StreamFilter);
        Self {
            flush: settings.and_then(|settings| settings.flush).unwrap_or(Flush::Sentence),
            trace: blank(&member, Hook::StreamFilter),
            host,
            facts,
            member,
            triggers,
            memory: Memory::default(),
            state: State::Unopened,
            written: 0,
            observes: false,
        }
    }

    pub fn observing(self) -> Self {
        Self { observes: true, ..self }
    }

    pub fn trace(&self) -> &PluginTrace {
        &self.trace
    }

    fn runner(&self) -> Runner<'_> {
        Runner {
            host: &self.host,
            facts: &self.facts,
        }
    }

    fn hold(&self) -> Hold {
        let limits = &self.host.settings().limits;
        Hold {
            bytes: limits.hold_bytes,
            patience: Duration::from_millis(limits.hold_ms),
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let is_out = matches!(self.state, State::Out);
        let deadline = || self.memory.deadline(self.flush, self.triggers.as_deref(), self.hold());
        (!is_out).then(deadline).flatten()
    }

    /// More text, or the end of it.
    pub async fn advance(&mut self, text: &str, ending: bool) -> Passed {
        let mut passed = Passed::default();
        if matches!(self.state, State::Out) {
            text.clone_into(&mut passed.text);
            return passed;
        }
        let (hold, triggers, flush) = (self.hold(), self.triggers.clone(), self.flush);
        let mut memory = std::mem::take(&mut self.memory);
        let mut stage = Stage::new(flush, triggers.as_deref(), hold, &mut memory);
        stage.receive(text, Instant::now());
        let failure = loop {
            match stage.next(Instant::now(), ending) {
                Step::Wait if ending => {
                    let held = stage.take_held();
                    break self.last_word(held, &mut passed).await.err();
                }
                Step::Wait => break None,
                Step::Pass(text) => passed.text.push_str(&text),
                Step::Ask(chunk) => match self.ask(Question::Push(&chunk)).await {
                    Ok(verdict) => {
                        passed.stop = matches!(verdict, Verdict::Stop(_));
                        passed.text.push_str(&stage.answer(chunk, verdict, Instant::now()));
                        if passed.stop {
                            break None;
                        }
                    }
                    Err(failure) => break Some((failure, chunk)),
                },
            }
        };
        self.memory = memory;
        match failure {
            Some((failure, chunk)) => self.fail(failure, &chunk, &mut passed),
            None if ending || passed.stop => self.close().await,
            None => {}
        }
        passed
    }

    /// The end of the reply: what it holds comes out as it says. If it fails, gives that back too.
    async fn last_word(&mut self, held: String, passed: &mut Passed) -> Result<(), (Failure, String)> {
        // Who was never asked about anything has nothing to add.
        if matches!(self.state, State::Unopened) {
            return Ok(());
        }
        match self.ask(Question::Finish(&held)).await {
            Ok(verdict) => {
                passed.stop = matches!(verdict, Verdict::Stop(_));
                match verdict {
                    Verdict::Pass | Verdict::Hold => passed.text.push_str(&held),
                    Verdict::Replace(text) | Verdict::Stop(text) => passed.text.push_str(&text),
                    Verdict::Drop => {}
                }
                Ok(())
            }
            Err(failure) => Err((failure, held)),
        }
    }

    async fn ask(&mut self, question: Question<'_>) -> Result<Verdict, Failure> {
        self.runner().alive(&self.member)?;
        if matches!(self.state, State::Unopened) {
            Box::pin(self.open()).await?;
        }
        let limits = &self.host.settings().limits;
        let limits = self.affordable(scaled(limits, &self.member, limits.fuel_flush, limits.wall_flush_ms))?;
        let verdict = match self.asked_once(limits, &question).await {
            Err(failure) if may_retry(&failure) => {
                note(&mut self.trace.notes, &format!("Tried once more: {}", failure.message));
                self.asked_once(self.affordable(limits)?, &question).await
            }
            verdict => verdict,
        };
        match verdict {
            // There was nothing to do.
            Err(failure) if failure.outcome == Outcome::Skipped => Ok(Verdict::Pass),
            Err(failure) => Err(failure),
            Ok(verdict) => self.checked(verdict),
        }
    }

    async fn asked_once(&mut self, limits: CallLimits, question: &Question<'_>) -> Result<Verdict, Failure> {
        let State::Open { instance, .. } = &mut self.state else {
            return Err(failed(Outcome::HostError, "It has ended."));
        };
        let called: Called<Verdict> = match question {
            Question::Push(chunk) => Box::pin(instance.push(limits, chunk)).await,
            Question::Finish(held) => Box::pin(instance.finish(limits, held)).await,
        };
        absorb(&mut self.trace, called)
    }

    /// What a call may take, out of what is left for the reply.
    fn affordable(&self, limits: CallLimits) -> Result<CallLimits, Failure> {
        let settings = &self.host.settings().limits;
        let all = scaled(settings, &self.member, settings.fuel_stream, 0).fuel;
        match all.saturating_sub(self.trace.fuel) {
            0 => Err(failed(
                Outcome::OutOfFuel,
                "It has used up its fuel for the whole reply.",
            )),
            left => Ok(CallLimits {
                fuel: limits.fuel.min(left),
                ..limits
            }),
        }
    }

    async fn open(&mut self) -> Result<(), Failure> {
        let inner = self.host.inner();
        let now = inner.clock.now();
        let member = &self.member;
        let permit = inner
            .guard
            .admit(member.installation, Hook::StreamFilter, member.fail_closed, now);
        let permit = permit.ok_or_else(|| failed(Outcome::BreakerOpen, "It failed too often lately."))?;
        let limits = &inner.settings.limits;
        let limits = scaled(limits, &self.member, limits.fuel_prompt, limits.wall_ms);
        let started = self.runner().start(&self.member, Share::Filters, limits.wall).await;
        let instance = match started {
            Ok(instance) => instance,
            Err(failure) => {
                permit.report(failure.outcome, inner.clock.now());
                return Err(failure);
            }
        };
        let turn = self.runner().turn(&self.member);
        self.trace.outcome = Outcome::Ok;
        self.state = State::Open {
            instance: Box::new(instance),
            permit,
        };
        let State::Open { instance, .. } = &mut self.state else {
            return Ok(());
        };
        let called = Box::pin(instance.open_filter(limits, &turn)).await;
        absorb(&mut self.trace, called)
    }

    /// What it says is taken only if it keeps the limits.
    fn checked(&mut self, verdict: Verdict) -> Result<Verdict, Failure> {
        let text = match &verdict {
            Verdict::Pass | Verdict::Hold => return Ok(verdict),
            _ if self.observes => return Ok(Verdict::Pass),
            Verdict::Drop => "",
            Verdict::Replace(text) | Verdict::Stop(text) => text,
        };
        let limits = &self.host.settings().limits;
        self.written = self.written.saturating_add(text.len());
        if self.written > limits.result_bytes {
            return Err(invalid(format!(
                "It put {} bytes into the reply, {} are the limit.",
                self.written, limits.result_bytes
            )));
        }
        let mut checker = Checker::new(&self.member, limits);
        let mut taken = |text| checker.text("verdict", text);
        let verdict = match verdict {
            Verdict::Replace(text) => taken(text).map(Verdict::Replace),
            Verdict::Stop(text) => taken(text).map(Verdict::Stop),
            verdict => Some(verdict),
        };
        self.trace.edits += 1;
        verdict.ok_or_else(|| invalid(checker.notes.concat()))
    }

    /// It is out: what it was asked about and all that waits pass, unless it must work.
    fn fail(&mut self, failure: Failure, chunk: &str, passed: &mut Passed) {
        note(&mut self.trace.notes, &failure.message);
        let rest = self.memory.drain();
        passed.abort = abort(&self.member, failure.outcome);
        if passed.abort.is_none() {
            passed.text.push_str(chunk);
            passed.text.push_str(&rest);
        }
        self.conclude(failure.outcome);
    }

    /// It has ended well: what it wrote is kept.
    pub async fn close(&mut self) {
        let State::Open { instance, .. } = &mut self.state else {
            if matches!(self.state, State::Unopened) {
                self.conclude(Outcome::Skipped);
            }
            return;
        };
        let writes = instance.take_writes();
        let kept = self.runner().commit(&self.member, writes).await;
        let outcome = match kept {
            Ok(()) => Outcome::Ok,
            Err(failure) => {
                note(&mut self.trace.notes, &failure.message);
                failure.outcome
            }
        };
        self.conclude(outcome);
    }

    fn conclude(&mut self, outcome: Outcome) {
        self.trace.outcome = outcome;
        if let State::Open { permit, .. } = std::mem::replace(&mut self.state, State::Out) {
            permit.report(outcome, self.host.inner().clock.now());
        }
        tracing::info!(
            extension = self.member.name,
            version = self.member.version,
            installation = %self.member.installation,
            turn = self.facts.turn,
            hook = Hook::StreamFilter.as_str(),
            outcome = outcome.as_str(),
            fuel = self.trace.fuel,
            "an extension filtered a reply"
        );
        // Most replies of a filter with triggers are none of its business.
        if outcome != Outcome::Skipped {
            self.runner().tell(&self.member, &self.trace);
        }
    }

    /// What became of it. A reply that was cut off ends here for it as well, and what it wrote is not kept.
    pub fn into_trace(mut self) -> PluginTrace {
        if !matches!(self.state, State::Out) {
            self.conclude(self.trace.outcome);
        }
        self.trace
    }
}
