//! A circuit breaker per deployment, so that a provider that is down costs nobody a wait.
//!
//! Closed: calls pass and are counted. Open: calls are refused until the rest is over; each
//! failed probe doubles the rest. Half-open: one probe passes and decides.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Outcomes older than this are forgotten.
const WINDOW: Duration = Duration::from_secs(60);
/// Fewer calls than this prove nothing.
const MIN_CALLS: u32 = 5;
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Default)]
pub(crate) struct Breaker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    window_start: Option<Instant>,
    calls: u32,
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    until: Instant,
    rest: Duration,
    probing: bool,
}

/// The right to make one call. Dropped without a verdict, as by a cancelled reply, it counts for
/// nothing and frees the probe's place.
pub(crate) struct Permit {
    breaker: Breaker,
    is_probe: bool,
}

impl Breaker {
    /// `None` while the deployment rests or another call probes it.
    pub fn enter(&self) -> Option<Permit> {
        let mut state = self.0.lock();
        let is_probe = match &mut state.open {
            None => false,
            Some(open) if open.probing || Instant::now() < open.until => return None,
            Some(open) => {
                open.probing = true;
                true
            }
        };
        Some(Permit {
            breaker: self.clone(),
            is_probe,
        })
    }

    /// Whether calls are let through, or would be as a probe.
    pub fn is_available(&self) -> bool {
        let state = self.0.lock();
        state
            .open
            .is_none_or(|open| !open.probing && Instant::now() >= open.until)
    }
}

impl Permit {
    pub fn succeeded(self) {
        let mut state = self.breaker.0.lock();
        if self.is_probe {
            *state = State::default();
        } else {
            state.count(false);
        }
    }

    /// The call failed in a way that may pass.
    pub fn failed(self) {
        let mut state = self.breaker.0.lock();
        state.count(true);
        if self.is_probe {
            let rest = state.open.map_or(FIRST_REST, |open| (open.rest * 2).min(LONGEST_REST));
            state.rest_for(rest);
        } else if state.open.is_none() && state.calls >= MIN_CALLS && state.failures * 2 >= state.calls {
            state.rest_for(FIRST_REST);
        }
    }

    /// The call failed in a way that only an operator can mend.
    pub fn failed_for_long(self) {
        self.breaker.0.lock().rest_for(LONGEST_REST);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(open) = &mut self.breaker.0.lock().open
        {
            open.probing = false;
        }
    }
}

impl State {
    fn count(&mut self, failed: bool) {
        let now = Instant::now();
        if self.window_start.is_none_or(|start| now.duration_since(start) > WINDOW) {
            (self.window_start, self.calls, self.failures) = (Some(now), 0, 0);
        }
        self.calls += 1;
        self.failures += u32::from(failed);
    }

    fn rest_for(&mut self, rest: Duration) {
        // Up to a quarter is added so that several nodes do not probe at the same moment.
        let jitter = rand::random_range(Duration::ZERO..=rest / 4);
        self.open = Some(Open {
            until: Instant::now() + rest + jitter,
            rest,
            probing: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.enter().expect("the breaker is closed").failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn four_failures_prove_nothing_and_the_fifth_opens() {
        let breaker = Breaker::default();
        fail(&breaker, MIN_CALLS - 1);
        assert!(breaker.is_available());
        fail(&breaker, 1);
        assert!(!breaker.is_available());
        assert!(breaker.enter().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_that_mostly_answers_stays_open_for_business() {
        let breaker = Breaker::default();
        for _ in 0..20 {
            breaker.enter().expect("closed").succeeded();
        }
        fail(&breaker, 19);
        assert!(breaker.is_available(), "19 of 39 is below half");
        fail(&breaker, 1);
        assert!(!breaker.is_available(), "20 of 40 is half");
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_rest_one_probe_passes_and_its_success_closes() {
        let breaker = Breaker::default();
        fail(&breaker, MIN_CALLS);
        tokio::time::advance(FIRST_REST * 2).await;
        let probe = breaker.enter().expect("the rest is over");
        assert!(breaker.enter().is_none(), "one probe at a time");
        probe.succeeded();
        fail(&breaker, MIN_CALLS - 1);
        assert!(breaker.is_available(), "old failures are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_doubles_the_rest() {
        let breaker = Breaker::default();
        fail(&breaker, MIN_CALLS);
        tokio::time::advance(FIRST_REST * 2).await;
        breaker.enter().expect("the rest is over").failed();
        tokio::time::advance(FIRST_REST + FIRST_REST / 4).await;
        assert!(!breaker.is_available());
        tokio::time::advance(FIRST_REST * 2).await;
        assert!(breaker.is_available());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_was_cancelled_frees_its_place() {
        let breaker = Breaker::default();
        fail(&breaker, MIN_CALLS);
        tokio::time::advance(FIRST_REST * 2).await;
        drop(breaker.enter());
        assert!(breaker.enter().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_key_opens_at_once_and_for_long() {
        let breaker = Breaker::default();
        breaker.enter().expect("closed").failed_for_long();
        tokio::time::advance(LONGEST_REST - Duration::from_secs(1)).await;
        assert!(!breaker.is_available());
        tokio::time::advance(LONGEST_REST / 4 + Duration::from_secs(2)).await;
        assert!(breaker.is_available());
    }
}
