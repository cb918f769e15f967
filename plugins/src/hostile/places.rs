//! Guests that hold their places, turns that nobody waits for, and many turns one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tavern_domain::UserId;
use tavern_domain::extension::{Hook, Outcome};

use super::PATIENCE;
use crate::chain::Member;
use crate::instance::{CallLimits, Instance, Share};
use crate::testing::guest::Guest;
use crate::testing::{House, facts, limits, turn};

fn crowded(queue: u32, wait_ms: u64) -> House {
    House::with(|settings| {
        settings.sandboxes = 2;
        settings.filter_sandboxes = 1;
        settings.queue = queue;
        settings.queue_wait_ms = wait_ms;
    })
}

#[tokio::test]
async fn when_all_places_are_taken_the_next_waits_and_is_told_so() {
    let house = crowded(8, 50);
    let guest = Guest::before_prompt("(call $ok)").build();
    let member = house.member(Hook::BeforePrompt, &guest, &[]);
    let held = [house.start(&member).await, house.start(&member).await];
    let started = Instant::now();
    let busy = house.start(&member).await.err().expect("no place");
    assert_eq!(busy.outcome, Outcome::PoolBusy);
    assert!(started.elapsed() >= Duration::from_millis(50));
    let filter = Instance::start(&house.host, &member, facts(), Share::Filters).await;
    assert!(filter.is_ok(), "filters have places of their own");
    drop(held);
    assert!(house.start(&member).await.is_ok());
}

#[tokio::test]
async fn who_waits_gets_the_place_that_comes_free() {
    let house = crowded(8, 60_000);
    let guest = Guest::before_prompt("(call $ok)").build();
    let member = house.member(Hook::BeforePrompt, &guest, &[]);
    let held = [house.start(&member).await, house.start(&member).await];
    let waiting = house.start(&member);
    tokio::pin!(waiting);
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(held);
    assert!(tokio::time::timeout(PATIENCE, waiting).await.expect("in time").is_ok());
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let house = crowded(1, 60_000);
    let guest = Guest::before_prompt("(call $ok)").build();
    let member = house.member(Hook::BeforePrompt, &guest, &[]);
    let held = [house.start(&member).await, house.start(&member).await];
    {
        let waiting = house.start(&member);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        let refused = house.start(&member).await.err().expect("the queue is full");
        assert_eq!(refused.outcome, Outcome::PoolBusy);
    }
    // Who stops waiting makes room in the queue.
    let waiting = house.start(&member);
    tokio::pin!(waiting);
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(held);
    assert!(waiting.await.is_ok());
}

/// Sleeps for an hour.
fn slow() -> Vec<u8> {
    Guest::before_prompt("(call $block (call $subscribe (i64.const 3600000000000))) (call $ok)")
        .wasi(
            "clocks/monotonic-clock",
            "subscribe-duration",
            "subscribe",
            "(param i64) (result i32)",
        )
        .wasi("io/poll", "[method]pollable.block", "block", "(param i32)")
        .build()
}

#[tokio::test]
async fn slow_guests_of_one_account_fill_its_part_and_others_are_served() {
    let house = House::with(|settings| {
        settings.sandboxes = 4;
        settings.account_sandboxes = 2;
        settings.queue_wait_ms = 50;
    });
    let of = |owner: UserId, guest: &[u8]| {
        let member = house.plain_member(Hook::BeforePrompt, guest, &[]);
        Arc::new(Member {
            owner: Some(owner),
            ..member
        })
    };
    let (greedy, other) = (UserId::new(), UserId::new());
    let (slow, quick) = (slow(), Guest::before_prompt("(call $ok)").build());
    let turn = turn();
    let sleep = async |member: Arc<Member>| {
        let mut instance = house.start(&member).await.expect("a place in its part");
        instance.before_prompt(limits(), &turn, &[]).await.result
    };
    // Of two extensions: it is the account that is counted.
    let (first, second) = (sleep(of(greedy, &slow)), sleep(of(greedy, &slow)));
    let mut running = Box::pin(async { tokio::join!(first, second) });
    while house.host.free_sandboxes().0 > 2 {
        assert!(futures::poll!(&mut running).is_pending(), "they sleep");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    let started = Instant::now();
    let busy = house.start(&of(greedy, &quick)).await.err().expect("its part is taken");
    assert_eq!(busy.outcome, Outcome::PoolBusy);
    assert!(started.elapsed() >= Duration::from_millis(50), "it has waited");
    let theirs = of(other, &quick);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut instance = house.start(&theirs).await.expect("their part is free");
        let called = instance.before_prompt(limits(), &turn, &[]).await;
        assert_eq!(called.result, Ok(Vec::new()));
        held.push(instance);
    }
    drop((running, held));
    assert!(house.start(&of(greedy, &quick)).await.is_ok());
    house.assert_all_free();
}

#[tokio::test]
async fn a_turn_that_nobody_waits_for_leaves_nothing() {
    let house = House::new();
    let member = house.member(Hook::BeforePrompt, &slow(), &[]);
    for _ in 0..20 {
        let mut instance = house.start(&member).await.expect("an instance");
        {
            let turn = turn();
            let call = instance.before_prompt(limits(), &turn, &[]);
            tokio::pin!(call);
            assert!(futures::poll!(&mut call).is_pending(), "it waits in the host");
        }
        assert!(!instance.is_sound());
        drop(instance);
        house.assert_all_free();
    }
}

/// Bytes of memory that this process has, as the system sees it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("the process");
    let pages: u64 = status
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("pages");
    pages * 4096
}

/// Turns in a round of [`assert_level`].
const ROUND: usize = 750;

/// Memory is as it was, round by round: what one turn leaves behind shows in every round, what other tests of this
/// process take does not.
async fn assert_level(mut turns: impl AsyncFnMut()) {
    /// Bytes a turn.
    const LEAK: u64 = 2 << 10;
    let mut grown = Vec::new();
    for _ in 0..5 {
        let before = resident();
        turns().await;
        grown.push(resident().saturating_sub(before));
    }
    // In the first round all that stays is made.
    let least = grown[1..].iter().min();
    assert!(
        least.is_some_and(|least| *least < ROUND as u64 * LEAK),
        "{grown:?} bytes more"
    );
}

#[tokio::test]
async fn three_thousand_turns_leave_memory_as_it_was() {
    let house = House::new();
    // Each dirties a megabyte.
    let guest = Guest::before_prompt("(memory.fill (i32.const 8192) (i32.const 7) (i32.const 1048576)) (call $ok)")
        .memory("(memory (export \"memory\") 20)")
        .build();
    let member = house.member(Hook::BeforePrompt, &guest, &[]);
    assert_level(async || {
        for _ in 0..ROUND {
            let mut instance = house.start(&member).await.expect("an instance");
            let called = instance.before_prompt(limits(), &turn(), &[]).await;
            assert_eq!(called.result, Ok(Vec::new()));
        }
    })
    .await;
    house.assert_all_free();
}

#[tokio::test]
async fn three_thousand_guests_that_are_stopped_leave_memory_as_it_was() {
    let house = House::new();
    let bomb = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) unreachable";
    let guests = [
        ("unreachable", Outcome::Trap),
        ("(loop $again (br $again)) (call $ok)", Outcome::OutOfFuel),
        (bomb, Outcome::OutOfMemory),
    ];
    let members = guests.map(|(body, outcome)| {
        let guest = Guest::before_prompt(body).build();
        (house.member(Hook::BeforePrompt, &guest, &[]), outcome)
    });
    let scarce = CallLimits {
        fuel: 50_000,
        ..limits()
    };
    assert_level(async || {
        for _ in 0..ROUND / members.len() {
            for (member, outcome) in &members {
                let mut instance = house.start(member).await.expect("an instance");
                let called = instance.before_prompt(scarce, &turn(), &[]).await;
                assert_eq!(called.result.map_err(|failure| failure.outcome), Err(*outcome));
            }
        }
    })
    .await;
    house.assert_all_free();
}
