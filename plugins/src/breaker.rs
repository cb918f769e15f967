//! What keeps an extension that fails from being called again and again: a circuit breaker for each hook
//! of each installation, a count of those that take more than they may, and the operators' kill switch.
//!
//! A breaker opens after [`TRAPS`] traps in a row, or when [`FAILED_PERCENT`] of at least [`CALLS`] calls of
//! the last [`WINDOW`] failed; the window begins with a failure, so that what works leaves no state behind.
//! It stays open for [`FIRST_PAUSE`], then lets one call through: if that fails, the pause doubles, up to
//! [`LONGEST_PAUSE`]. An installation is condemned, which is for its owner to be told and for services to
//! switch it off, when a breaker was open for [`GIVEN_UP`] or it took too much [`OFFENCES`] times a day. One
//! that must work is never condemned: switched off, it would let everything pass.
//!
//! All state is in memory, is bounded, and begins anew with the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tavern_domain::extension::{Hook, Outcome};
use tavern_domain::{InstallationId, Timestamp};

use crate::host::Host;

pub const TRAPS: u32 = 3;
pub const FAILED_PERCENT: u32 = 30;
pub const CALLS: u32 = 20;
pub const WINDOW: Duration = Duration::from_secs(5 * 60);
pub const FIRST_PAUSE: Duration = Duration::from_secs(30);
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
pub const GIVEN_UP: Duration = Duration::from_secs(24 * 60 * 60);
pub const OFFENCES: u32 = 5;
/// In which offences are counted together.
const OFFENCE_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// Breakers, and installations with offences, that are remembered. With more, the least lately used go.
const REMEMBERED: usize = 10_000;
/// The window slides in steps of a fifth.
const STEPS: usize = 5;

/// An installation that should not run any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condemned {
    pub installation: InstallationId,
    /// For its owner and the author.
    pub reason: String,
}

impl Host {
    /// Stops an extension, `publisher/name`, or one version of it, `publisher/name@version`: it is not
    /// called any more, in running turns either.
    pub fn kill(&self, name: &str) {
        self.inner().guard.killed.write().told.insert(name.to_owned());
    }

    /// Undoes [`Self::kill`], and what the settings said of this name.
    pub fn revive(&self, name: &str) {
        let mut killed = self.inner().guard.killed.write();
        killed.told.remove(name);
        killed.settings.remove(name);
    }

    /// What is killed, and nothing else but what the settings say: for several hosts to be told the same.
    pub fn set_killed(&self, names: impl IntoIterator<Item = String>) {
        self.inner().guard.killed.write().told = names.into_iter().collect();
    }

    /// The installations that have come to be condemned since this was last asked, each once.
    #[must_use]
    pub fn take_condemned(&self) -> Vec<Condemned> {
        let inner = self.inner();
        inner.guard.take_condemned(inner.clock.now())
    }

    /// Forgets the failures of an installation: it was upgraded, or its owner wants to try again.
    pub fn forgive(&self, installation: InstallationId) {
        self.inner().guard.forgive(installation);
    }
}

/// All of a host's breakers, and what is killed.
#[derive(Default)]
pub(crate) struct Guard {
    killed: RwLock<Killed>,
    state: Mutex<State>,
}

/// Names of extensions, and of versions of them.
#[derive(Default)]
struct Killed {
    settings: BTreeSet<String>,
    told: BTreeSet<String>,
}

impl Killed {
    fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.told.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        self.settings.contains(name) || self.told.contains(name)
    }
}

#[derive(Default)]
struct State {
    breakers: HashMap<(InstallationId, Hook), Breaker>,
    offences: HashMap<InstallationId, Offences>,
    condemned: BTreeMap<InstallationId, String>,
}

/// The calls of one step of the window.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    /// Which one, counted from the epoch.
    number: i64,
    calls: u32,
    failures: u32,
}

#[derive(Debug, Default)]
struct Breaker {
    steps: [Step; STEPS],
    traps_in_row: u32,
    open: Option<Open>,
    used: i64,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    /// When it first opened; half-open trials that failed do not change it.
    since: Timestamp,
    until: Timestamp,
    pause: Duration,
    /// A trial is under way.
    probing: bool,
    /// It is not given up.
    is_needed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Offences {
    since: Timestamp,
    count: u32,
}

/// A call that a breaker let through. Dropping it without [`Self::report`] says nothing either way.
pub(crate) struct Permit {
    guard: Arc<Guard>,
    key: (InstallationId, Hook),
    probe: bool,
    is_needed: bool,
}

/// The extension took what it may not, by its own doing alone: waiting too long is often another's fault.
const fn is_offence(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::OutOfFuel | Outcome::Interrupted | Outcome::OutOfMemory | Outcome::HostcallLimit
    )
}

impl Guard {
    pub fn new(killed: &[String]) -> Arc<Self> {
        Arc::new(Self {
            killed: RwLock::new(Killed {
                settings: killed.iter().cloned().collect(),
                told: BTreeSet::new(),
            }),
            state: Mutex::default(),
        })
    }

    pub fn is_killed(&self, name: &str, version: &str) -> bool {
        let killed = self.killed.read();
        // Most hosts have killed nothing, and need no name of name and version.
        !killed.is_empty() && (killed.has(name) || killed.has(&format!("{name}@{version}")))
    }

    /// Lets a call through, unless its breaker is open. `is_needed`: the extension must work.
    pub fn admit(
        self: &Arc<Self>,
        installation: InstallationId,
        hook: Hook,
        is_needed: bool,
        now: Timestamp,
    ) -> Option<Permit> {
        let key = (installation, hook);
        let probe = match self
            .state
            .lock()
            .breakers
            .get_mut(&key)
            .and_then(|breaker| breaker.open.as_mut())
        {
            None => false,
            Some(open) if open.probing || now < open.until => return None,
            Some(open) => {
                open.probing = true;
                true
            }
        };
        Some(Permit {
            guard: Arc::clone(self),
            key,
            probe,
            is_needed,
        })
    }

    fn take_condemned(&self, now: Timestamp) -> Vec<Condemned> {
        let mut state = self.state.lock();
        let given_up: Vec<_> = state
            .breakers
            .iter()
            .filter(|(_, breaker)| {
                breaker
                    .open
                    .is_some_and(|open| !open.is_needed && now.since(open.since) >= GIVEN_UP)
            })
            .map(|((installation, hook), _)| (*installation, *hook))
            .collect();
        for (installation, hook) in given_up {
            let reason = format!("Its hook `{hook}` kept failing for a day.");
            state.condemn(installation, reason);
        }
        let condemned = std::mem::take(&mut state.condemned);
        condemned
            .into_iter()
            .map(|(installation, reason)| Condemned { installation, reason })
            .collect()
    }

    fn forgive(&self, installation: InstallationId) {
        let mut state = self.state.lock();
        state.forget(installation);
        state.condemned.remove(&installation);
    }
}

impl State {
    fn forget(&mut self, installation: InstallationId) {
        self.breakers.retain(|(other, _), _| *other != installation);
        self.offences.remove(&installation);
    }

    /// What it did is forgotten: should it run again, it begins anew.
    fn condemn(&mut self, installation: InstallationId, reason: String) {
        self.forget(installation);
        if self.condemned.len() < REMEMBERED {
            self.condemned.entry(installation).or_insert(reason);
        }
    }

    fn offended(&mut self, installation: InstallationId, outcome: Outcome, now: Timestamp) {
        if self.offences.len() >= REMEMBERED && !self.offences.contains_key(&installation) {
            let oldest = self.offences.iter().min_by_key(|(_, offences)| offences.since);
            let oldest = oldest.map(|(installation, _)| *installation);
            oldest.and_then(|installation| self.offences.remove(&installation));
        }
        let fresh = Offences { since: now, count: 0 };
        let offences = self.offences.entry(installation).or_insert(fresh);
        if now.since(offences.since) >= OFFENCE_WINDOW {
            *offences = fresh;
        }
        offences.count += 1;
        if offences.count >= OFFENCES {
            let reason = format!(
                "It took more than it may {OFFENCES} times in a day, last: {}.",
                outcome.as_str()
            );
            self.condemn(installation, reason);
        }
    }

    fn breaker(&mut self, key: (InstallationId, Hook)) -> &mut Breaker {
        if self.breakers.len() >= REMEMBERED && !self.breakers.contains_key(&key) {
            let oldest = self.breakers.iter().min_by_key(|(_, breaker)| breaker.used);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.and_then(|key| self.breakers.remove(&key));
        }
        self.breakers.entry(key).or_default()
    }
}

impl Breaker {
    /// Whether it is closed and remembers nothing that could open it.
    fn is_idle(&self, now: Timestamp) -> bool {
        self.open.is_none() && self.traps_in_row == 0 && self.recent(now).1 == 0
    }

    /// Calls and failures in the window.
    fn recent(&self, now: Timestamp) -> (u32, u32) {
        let oldest = step(now) - STEPS as i64 + 1;
        let steps = self.steps.iter().filter(|step| step.number >= oldest);
        steps.fold((0, 0), |(calls, failures), step| {
            (calls + step.calls, failures + step.failures)
        })
    }

    fn count(&mut self, outcome: Outcome, now: Timestamp) {
        let number = step(now);
        let slot = &mut self.steps[usize::try_from(number.rem_euclid(STEPS as i64)).unwrap_or(0)];
        if slot.number != number {
            *slot = Step {
                number,
                ..Step::default()
            };
        }
        slot.calls = slot.calls.saturating_add(1);
        slot.failures = slot.failures.saturating_add(u32::from(outcome.is_fault()));
        self.used = now.0;
        match outcome {
            Outcome::Trap => self.traps_in_row += 1,
            _ => self.traps_in_row = 0,
        }
    }

    fn should_open(&self, now: Timestamp) -> bool {
        let (calls, failures) = self.recent(now);
        self.traps_in_row >= TRAPS || (calls >= CALLS && failures * 100 >= calls * FAILED_PERCENT)
    }
}

fn step(now: Timestamp) -> i64 {
    let length = WINDOW.as_millis() as i64 / STEPS as i64;
    now.0.div_euclid(length)
}

impl Permit {
    /// How the call ended. What the extension is not at fault for changes nothing.
    pub fn report(mut self, outcome: Outcome, now: Timestamp) {
        let is_success = matches!(outcome, Outcome::Ok | Outcome::Skipped);
        if !is_success && !outcome.is_fault() {
            return;
        }
        let (key, probe) = (self.key, std::mem::take(&mut self.probe));
        let mut state = self.guard.state.lock();
        if probe {
            match state.breakers.get_mut(&key) {
                Some(breaker) if outcome.is_fault() => {
                    breaker.used = now.0;
                    if let Some(open) = &mut breaker.open {
                        open.pause = (open.pause * 2).min(LONGEST_PAUSE);
                        open.until = now.plus(open.pause);
                        open.probing = false;
                    }
                }
                _ => {
                    state.breakers.remove(&key);
                }
            }
        } else if outcome.is_fault() || state.breakers.contains_key(&key) {
            let breaker = state.breaker(key);
            breaker.count(outcome, now);
            // A call that began before the breaker opened may end while it is open.
            if breaker.open.is_none() && breaker.should_open(now) {
                *breaker = Breaker {
                    open: Some(Open {
                        since: now,
                        until: now.plus(FIRST_PAUSE),
                        pause: FIRST_PAUSE,
                        probing: false,
                        is_needed: self.is_needed,
                    }),
                    used: now.0,
                    ..Breaker::default()
                };
            } else if breaker.is_idle(now) {
                state.breakers.remove(&key);
            }
        }
        if is_offence(outcome) && !self.is_needed {
            state.offended(key.0, outcome, now);
        }
    }
}

impl Drop for Permit {
    /// A trial that was cancelled has shown nothing: the next call is one.
    fn drop(&mut self) {
        if self.probe
            && let Some(breaker) = self.guard.state.lock().breakers.get_mut(&self.key)
            && let Some(open) = &mut breaker.open
        {
            open.probing = false;
        }
    }
}

#[cfg(test)]
mod tests;
