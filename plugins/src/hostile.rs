//! Guests that mean harm, or go wrong in every way there is. Each ends in the outcome it should, in its time;
//! the next call of somebody else is served, and no place is lost.

mod boundary;
mod code;
mod interface;
mod memory;
mod places;
mod time;
mod wasi;

use std::time::{Duration, Instant};

use tavern_domain::extension::{Hook, Outcome};

use crate::instance::{CallLimits, Failure};
use crate::testing::guest::Guest;
use crate::testing::{House, limits, turn};

/// What a busy machine may add to a call's limit.
const PATIENCE: Duration = Duration::from_secs(10);

/// A host, and what was done to it.
struct Trial {
    house: House,
    limits: CallLimits,
    granted: Vec<&'static str>,
}

impl Trial {
    fn new() -> Self {
        Self {
            house: House::new(),
            limits: limits(),
            granted: Vec::new(),
        }
    }

    fn with_limits(fuel: u64, wall: Duration) -> Self {
        Self {
            limits: CallLimits { fuel, wall },
            ..Self::new()
        }
    }

    /// Starts the guest and calls its `before-prompt`: it must fail. Gives how.
    async fn fails(&self, guest: &Guest) -> Failure {
        self.component_fails(&guest.build()).await
    }

    async fn component_fails(&self, component: &[u8]) -> Failure {
        let member = self.house.member(Hook::BeforePrompt, component, &self.granted);
        let started = Instant::now();
        let failure = match self.house.start(&member).await {
            Err(failure) => failure,
            Ok(mut instance) => {
                let called = instance.before_prompt(self.limits, &turn(), &[]).await;
                assert!(called.memory <= self.house.host.settings().limits.memory_bytes as u64);
                assert!(!instance.is_sound(), "what was stopped is not called again");
                assert!(instance.take_writes().is_empty());
                let again = instance.before_prompt(self.limits, &turn(), &[]).await;
                assert!(again.result.is_err());
                called.result.expect_err("a hostile guest fails")
            }
        };
        let elapsed = started.elapsed();
        assert!(elapsed < self.limits.wall + PATIENCE, "{elapsed:?}: {failure:?}");
        self.others_are_served().await;
        failure
    }

    async fn others_are_served(&self) {
        self.house.assert_all_free();
        let friend = Guest::before_prompt("(call $ok)").build();
        let friend = self.house.member(Hook::BeforePrompt, &friend, &[]);
        let mut instance = self.house.start(&friend).await.expect("a place");
        let called = instance.before_prompt(limits(), &turn(), &[]).await;
        assert_eq!(called.result, Ok(Vec::new()));
    }
}

/// All of these end the same way.
async fn all_end(outcome: Outcome, guests: impl IntoIterator<Item = (&'static str, Guest)>) {
    let trial = Trial::new();
    for (name, guest) in guests {
        let failure = trial.fails(&guest).await;
        assert_eq!(failure.outcome, outcome, "{name}: {failure:?}");
        assert!(failure.message.len() <= 1024);
    }
}
