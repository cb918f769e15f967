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

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tavern_domain::extension::{Hook, Outcome};

use crate::engine::TICK;
use crate::instance::{CallLimits, Called, Failure};
use crate::store::FREE_TICKS;
use crate::testing::guest::Guest;
use crate::testing::{House, limits, turn};

/// How long a busy machine may take for what takes no time.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a call may take beyond its budget, on a machine that has time.
const GRACE: Duration = Duration::from_millis(50);

/// Measures by how much this machine is late with waking whoever sleeps for a tick, which is how time is kept.
struct Lateness {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<f64>,
}

impl Lateness {
    fn measure() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (began, mut ticks) = (Instant::now(), 0);
            while !seen.load(Ordering::Acquire) {
                std::thread::sleep(TICK);
                ticks += 1;
            }
            began.elapsed().as_secs_f64() / (TICK * ticks.max(1)).as_secs_f64()
        });
        Self { stop, thread }
    }

    /// How many times as long as it should be a tick was: 1 or more.
    fn so_far(self) -> f64 {
        self.stop.store(true, Ordering::Release);
        self.thread.join().expect("it only sleeps").max(1.0)
    }
}

/// What this thread has computed so far: however busy the machine is with others, that is not in it.
fn computed() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the thread");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds"))
}

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
        let failure = match self.house.start(&member).await {
            Err(failure) => failure,
            Ok(mut instance) => {
                let (lateness, before) = (Lateness::measure(), computed());
                let called = instance.before_prompt(self.limits, &turn(), &[]).await;
                self.assert_in_time(&called, computed() - before, lateness.so_far());
                assert!(called.memory <= self.house.host.settings().limits.memory_bytes as u64);
                assert!(!instance.is_sound(), "what was stopped is not called again");
                assert!(instance.take_writes().is_empty());
                let again = instance.before_prompt(self.limits, &turn(), &[]).await;
                assert!(again.result.is_err());
                called.result.expect_err("a hostile guest fails")
            }
        };
        self.others_are_served().await;
        failure
    }

    /// Neither the processor nor anybody's time was taken for longer than the call's budget and a little.
    fn assert_in_time<T: std::fmt::Debug>(&self, called: &Called<T>, computed: Duration, lateness: f64) {
        let fuel_nanos = self.house.host.settings().limits.fuel_nanos;
        let ticks = TICK * u32::try_from(FREE_TICKS).expect("a few");
        let fuel = Duration::from_nanos(self.limits.fuel.saturating_mul(fuel_nanos));
        for (took, budget) in [(computed, fuel + ticks), (called.elapsed, self.limits.wall)] {
            let most = (budget + GRACE).as_secs_f64() * lateness;
            assert!(
                took.as_secs_f64() <= most,
                "{took:?} of {budget:?}, late by {lateness}: {called:?}"
            );
        }
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
