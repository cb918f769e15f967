//! Guests that do not end.

use std::time::Duration;

use tavern_domain::extension::{Hook, Outcome};

use super::{Trial, all_end};
use crate::instance::{CallLimits, Instance, Share};
use crate::testing::guest::Guest;
use crate::testing::{House, facts, limits, turn};

const SPIN: &str = "(func $spin (loop $again (br $again)))";
const ENDLESS: &str = "(loop $again (br $again)) unreachable";

#[tokio::test]
async fn an_endless_loop_runs_out_of_fuel_wherever_it_is() {
    all_end(
        Outcome::OutOfFuel,
        [
            ("in the hook", Guest::before_prompt(ENDLESS)),
            (
                "at the start",
                Guest::before_prompt("(call $ok)").items(SPIN).items("(start $spin)"),
            ),
            (
                "after the result was given",
                Guest::before_prompt("(call $ok)").items(
                    "(func (export \"cabi_post_tavern:extension/before-prompt@0.1.0#before-prompt\") (param i32)
                       (loop $again (br $again)))",
                ),
            ),
            (
                "where memory is given out",
                Guest::before_prompt("(call $ok)").realloc(
                    "(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) \
                     (loop $again (br $again)) unreachable)",
                ),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_filter_that_is_never_made_runs_out_of_fuel() {
    let house = House::new();
    let guest = Guest::new(
        "with-stream-filter",
        "(func (export \"tavern:extension/stream-filter@0.1.0#[constructor]filter\") (param i32) (result i32)
           (loop $again (br $again)) unreachable)
         (func (export \"tavern:extension/stream-filter@0.1.0#[method]filter.push\") (param i32 i32 i32) (result i32)
           (call $ok))
         (func (export \"tavern:extension/stream-filter@0.1.0#[method]filter.finish\") (param i32 i32 i32) (result i32)
           (call $ok))",
    );
    let member = house.member(Hook::StreamFilter, &guest.build(), &["stream.modify"]);
    let mut instance = Instance::start(&house.host, &member, facts(), Share::Filters)
        .await
        .expect("an instance");
    let opened = instance.open_filter(limits(), &turn()).await;
    assert_eq!(
        opened.result.map_err(|failure| failure.outcome),
        Err(Outcome::OutOfFuel)
    );
    assert!(!instance.is_sound());
    drop(instance);
    house.assert_all_free();
}

#[tokio::test]
async fn filling_all_memory_over_and_over_is_interrupted() {
    // Fuel for a long time; the processor's budget follows from it, so the wall must be far.
    let trial = Trial::with_limits(50_000_000, Duration::from_secs(60));
    let guest = Guest::before_prompt(
        "(loop $again (memory.fill (i32.const 0) (i32.const 0) (i32.const 62914560)) (br $again)) unreachable",
    )
    .memory("(memory (export \"memory\") 960)");
    let failure = trial.fails(&guest).await;
    assert!(
        matches!(failure.outcome, Outcome::Interrupted | Outcome::OutOfFuel),
        "{failure:?}"
    );
}

#[tokio::test]
async fn what_burns_no_fuel_is_interrupted() {
    // So little time for so much fuel that the tick comes first.
    let trial = Trial {
        house: House::with(|settings| {
            settings.limits.wall_ms = 10_000;
            settings.limits.fuel_nanos = 0;
        }),
        ..Trial::with_limits(u64::MAX / 2, Duration::from_secs(60))
    };
    let failure = trial.fails(&Guest::before_prompt(ENDLESS)).await;
    assert_eq!(failure.outcome, Outcome::Interrupted);
}

#[tokio::test]
async fn deep_recursion_is_a_trap_that_names_the_function() {
    let trial = Trial::new();
    let guest = Guest::before_prompt("(call $deeper) (call $ok)").items("(func $deeper (call $deeper) (call $deeper))");
    let failure = trial.fails(&guest).await;
    assert_eq!(failure.outcome, Outcome::Trap);
    assert!(failure.message.contains("stack"), "{failure:?}");
    assert!(failure.message.contains("deeper"), "{failure:?}");
}

#[tokio::test]
async fn without_the_thread_that_keeps_the_time_the_wall_clock_still_ends_a_call() {
    let trial = Trial::with_limits(u64::MAX / 2, Duration::from_millis(200));
    trial.house.host.inner().ticker.stop();
    let failure = trial.fails(&Guest::before_prompt(ENDLESS)).await;
    assert_eq!(failure.outcome, Outcome::WallTimeout);
}

#[tokio::test]
async fn others_go_on_while_a_guest_computes() {
    let house = House::new();
    let guest = Guest::before_prompt(ENDLESS).build();
    let member = house.member(Hook::BeforePrompt, &guest, &[]);
    let mut instance = house.start(&member).await.expect("an instance");
    let endless = CallLimits {
        fuel: u64::MAX / 2,
        wall: Duration::from_secs(60),
    };
    // On one thread: the timer can only fire if the guest lets it.
    let turn = turn();
    let call = instance.before_prompt(endless, &turn, &[]);
    let cut = tokio::time::timeout(Duration::from_millis(50), call).await;
    assert!(cut.is_err());
    assert!(
        !instance.is_sound(),
        "nobody waited for the end: it is not called again"
    );
    drop(instance);
    house.assert_all_free();
}
