//! Guests that misuse what there is of WASI.

use std::time::Duration;

use tavern_domain::extension::Outcome;

use super::{Trial, all_end};
use crate::testing::guest::Guest;

/// A guest that can wait.
fn waiting(body: &str) -> Guest {
    Guest::before_prompt(body)
        .wasi(
            "clocks/monotonic-clock",
            "subscribe-duration",
            "subscribe",
            "(param i64) (result i32)",
        )
        .wasi("clocks/monotonic-clock", "now", "now", "(result i64)")
        .wasi("io/poll", "[method]pollable.block", "block", "(param i32)")
        .wasi("io/poll", "[resource-drop]pollable", "drop_pollable", "(param i32)")
}

const HOUR: &str = "(call $subscribe (i64.const 3600000000000))";

#[tokio::test]
async fn a_guest_that_sleeps_for_an_hour_is_woken_by_the_wall_clock() {
    let trial = Trial::with_limits(50_000_000, Duration::from_millis(200));
    let failure = trial.fails(&waiting(&format!("(call $block {HOUR}) (call $ok)"))).await;
    assert_eq!(failure.outcome, Outcome::WallTimeout);
}

#[tokio::test]
async fn waiting_by_looking_at_the_clock_runs_out_of_something() {
    let trial = Trial::new();
    let failure = trial
        .fails(&waiting("(loop $again (drop (call $now)) (br $again)) unreachable"))
        .await;
    assert!(
        matches!(failure.outcome, Outcome::HostcallLimit | Outcome::OutOfFuel),
        "{failure:?}"
    );
}

#[tokio::test]
async fn handles_that_are_kept_dropped_twice_or_made_up_end_the_call() {
    let kept = format!("(loop $again (drop {HOUR}) (br $again)) unreachable");
    all_end(Outcome::HostcallLimit, [("never dropped", waiting(&kept))]).await;
    let twice = format!(
        "(local $one i32) (local.set $one {HOUR})
         (call $drop_pollable (local.get $one)) (call $drop_pollable (local.get $one)) (call $ok)"
    );
    let after = format!(
        "(local $one i32) (local.set $one {HOUR})
         (call $drop_pollable (local.get $one)) (call $block (local.get $one)) (call $ok)"
    );
    all_end(
        Outcome::Trap,
        [
            ("dropped twice", waiting(&twice)),
            ("used after it was dropped", waiting(&after)),
            ("never given out", waiting("(call $block (i32.const 77)) (call $ok)")),
        ],
    )
    .await;
}

#[tokio::test]
async fn randomness_comes_in_small_pieces() {
    let random = |bytes: u64| {
        Guest::before_prompt(&format!(
            "(call $random (i64.const {bytes}) (i32.const 2048)) (call $ok)"
        ))
        .wasi("random/random", "get-random-bytes", "random", "(param i64 i32)")
    };
    all_end(
        Outcome::HostcallLimit,
        [
            ("a gigabyte", random(1 << 30)),
            ("a byte too many", random((4 << 10) + 1)),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_guest_that_leaves_is_stopped() {
    let leaving =
        Guest::before_prompt("(call $exit (i32.const 0)) (call $ok)").wasi("cli/exit", "exit", "exit", "(param i32)");
    all_end(Outcome::Trap, [("exit", leaving)]).await;
}
