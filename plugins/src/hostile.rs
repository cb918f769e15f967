//! Guests that mean harm, or go wrong in every way there is. Each ends in the outcome it should, in its time;
//! the next call of somebody else is served, and no place is lost.
//!
//! What goes wrong elsewhere than in a guest is tested where it happens:
//!
//! | what | tests |
//! |---|---|
//! | 1 endless loops, 2 filling of memory, 5 recursion | [`time`]; the host cannot be called back: [`interface`] |
//! | 3 memory, 4 tables | [`memory`], `store::tests` |
//! | 6 results that are too large, 9 floods | [`boundary`] |
//! | 7 values that are none (the interface has neither `char` nor flags), 16 other interfaces | [`interface`] |
//! | 8 traps before, in and after host calls; exits | [`interface`], [`wasi`]; no guest runs while the host works for it |
//! | 10 values: floods, limits, races, traps after writing | `imports::key_value::tests`, [`boundary`], `turn::tests` |
//! | 11 handles, 12 sleep, 13 randomness | [`wasi`] |
//! | 14 requests and secrets | `egress::tests`, `imports::http::tests` |
//! | 15 bytes that are no component, or a monstrous one | [`code`], `checks::tests`, `tests/compile.rs` |
//! | 17 packages and signatures | `package::tests`; keys and replays: `publish` in the services |
//! | 18 whoever waited has gone, at every point | [`turns`] |
//! | 19 guests that say something else the second time | `checks::smoke::tests` |
//! | 20 slow guests that fill the pool | [`places`], `places::tests` |
//! | 21 edits, scores and prices that may not be | `edits::tests`, `outside::tests` |
//! | 22 texts that pretend | `imports::log::tests`, `edits::tests` |
//! | 23 breakers | `breaker::tests`, `turn::tests` |
//! | 24 upgrades under a hundred running turns | [`turns`]; rollback: `upgrade` in the services |
//! | 25 damaged or older code in the cache | `cache::tests`, `tests/compile.rs` |
//! | 26 no thread that keeps the time | [`time`] |
//! | 27 very many sandboxes | [`places`]; 100,000 of them: `cargo xtask bench plugins` |

mod boundary;
mod code;
mod interface;
mod memory;
mod places;
mod time;
mod turns;
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
