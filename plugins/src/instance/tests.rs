//! Calls that go well, and the ways in which a guest says no.

use tavern_domain::extension::{ExtensionEvent, Hook, Outcome};

use super::*;
use crate::testing::guest::Guest;
use crate::testing::{House, facts, limits, turn};

/// Futures go through tasks.
fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn a_hook_is_called_and_gives_what_it_gave() {
    let house = House::new();
    let guest = Guest::before_prompt("(call $ok)").build();
    let member = house.member(Hook::BeforePrompt, &guest, &[]);
    let mut instance = house.start(&member).await.expect("an instance");
    let called = assert_send(instance.before_prompt(limits(), &turn(), &[])).await;
    assert_eq!(called.result, Ok(Vec::new()));
    assert!(called.fuel > 0 && called.fuel < 10_000, "{}", called.fuel);
    assert_eq!(called.memory, 65_536);
    assert!(instance.is_sound());
    drop(instance);
    house.assert_all_free();
}

#[tokio::test]
async fn what_a_guest_says_of_itself_is_told_apart() {
    let house = House::new();
    for (kind, outcome, retryable) in [
        (0, Outcome::Skipped, false),
        (1, Outcome::InvalidConfig, false),
        (2, Outcome::GuestError, true),
        (3, Outcome::GuestError, false),
    ] {
        let guest = Guest::tool(&format!(
            "(call $fail (i32.const {kind}) (i32.const 1024) (i32.const 4))"
        ))
        .items("(data (i32.const 1024) \"why.\")")
        .build();
        let member = house.member(Hook::Tool, &guest, &[]);
        let mut instance = house.start(&member).await.expect("an instance");
        let called = instance.tool(limits(), &turn(), "roll", "{}").await;
        let failure = Failure {
            outcome,
            message: "why.".into(),
            retryable,
        };
        assert_eq!(called.result, Err(failure));
        assert!(instance.is_sound(), "an error is an answer");
    }
}

#[tokio::test]
async fn one_instance_answers_call_after_call() {
    let house = House::new();
    let guest = Guest::tool("(call $text (i32.const 1024) (i32.const 4))")
        .items("(data (i32.const 1024) \"\\\"ok\\\"\")")
        .build();
    let member = house.member(Hook::Tool, &guest, &[]);
    let mut instance = house.start(&member).await.expect("an instance");
    for _ in 0..3 {
        let called = instance.tool(limits(), &turn(), "roll", "{}").await;
        assert_eq!(called.result.as_deref(), Ok("\"ok\""));
    }
}

/// Looks at the clock and counts to a million when it starts, and again in each call.
fn counts_at_the_start() -> Vec<u8> {
    Guest::before_prompt("(call $work) (call $ok)")
        .wasi("clocks/monotonic-clock", "now", "now", "(result i64)")
        .items(
            "(func $work (local $left i32) (local.set $left (i32.const 1000000)) (drop (call $now))
               (loop $on (br_if $on (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
             (start $work)",
        )
        .build()
}

#[tokio::test]
async fn what_a_guest_does_when_it_starts_is_on_the_account_of_its_first_call() {
    let house = House::new();
    let member = house.member(Hook::BeforePrompt, &counts_at_the_start(), &[]);
    let mut instance = house.start(&member).await.expect("an instance");
    let first = instance.before_prompt(limits(), &turn(), &[]).await;
    let second = instance.before_prompt(limits(), &turn(), &[]).await;
    assert_eq!((&first.result, &second.result), (&Ok(Vec::new()), &Ok(Vec::new())));
    assert_eq!((first.host_calls, second.host_calls), (2, 1));
    assert!(second.fuel > 1_000_000 && first.fuel >= 2 * 1_000_000, "{first:?}");

    // There is enough for either of the two, and not for both.
    let scarce = CallLimits {
        fuel: first.fuel - second.fuel / 2,
        ..limits()
    };
    let mut instance = house.start(&member).await.expect("an instance");
    let called = instance.before_prompt(scarce, &turn(), &[]).await;
    assert_eq!(
        called.result.map_err(|failure| failure.outcome),
        Err(Outcome::OutOfFuel)
    );
    assert_eq!(called.fuel, scarce.fuel);
    let enough = CallLimits {
        fuel: first.fuel,
        ..limits()
    };
    let mut instance = house.start(&member).await.expect("an instance");
    let called = instance.before_prompt(enough, &turn(), &[]).await;
    assert_eq!(called.result, Ok(Vec::new()));
}

const FILTER: &str = r#"
(import "[export]tavern:extension/stream-filter@0.1.0" "[resource-new]filter" (func $new (param i32) (result i32)))
"#;

#[tokio::test]
async fn a_filter_keeps_what_it_knows_from_push_to_push() {
    let house = House::new();
    // Replaces the second chunk by `two`, and passes others.
    let mut guest = Guest::new(
        "with-stream-filter",
        r#"(global $pushed (mut i32) (i32.const 0))
        (func (export "tavern:extension/stream-filter@0.1.0#[constructor]filter") (param i32) (result i32)
          (call $new (i32.const 1)))
        (func (export "tavern:extension/stream-filter@0.1.0#[method]filter.push") (param i32 i32 i32) (result i32)
          (global.set $pushed (i32.add (global.get $pushed) (i32.const 1)))
          (if (result i32) (i32.eq (global.get $pushed) (i32.const 2))
            (then
              (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 1))
              (i32.store (i32.const 24) (i32.const 1024)) (i32.store (i32.const 28) (i32.const 3))
              (i32.const 16))
            (else (call $ok))))
        (func (export "tavern:extension/stream-filter@0.1.0#[method]filter.finish") (param i32 i32 i32) (result i32)
          (call $ok))
        (data (i32.const 1024) "two")"#,
    );
    guest.imports = FILTER.into();
    let member = house.member(Hook::StreamFilter, &guest.build(), &["stream.modify"]);
    let mut instance = Instance::start(&house.host, &member, facts(), Share::Filters)
        .await
        .expect("an instance");
    assert_eq!(instance.open_filter(limits(), &turn()).await.result, Ok(()));
    use hooks::stream_filter::Verdict;
    assert_eq!(instance.push(limits(), "one").await.result, Ok(Verdict::Pass));
    let second = instance.push(limits(), "zwei").await;
    assert_eq!(second.result, Ok(Verdict::Replace("two".into())));
    assert_eq!(instance.finish(limits(), "").await.result, Ok(Verdict::Pass));
}

#[tokio::test]
async fn a_line_of_the_log_is_in_the_trace_and_told_to_those_who_watch() {
    let house = House::new();
    let guest = Guest::before_prompt(
        "(call $write (i32.const 1) (i32.const 1024) (i32.const 5) (i32.const 0) (i32.const 0)) (call $ok)",
    )
    .import("log", "write", "(param i32 i32 i32 i32 i32)")
    .items("(data (i32.const 1024) \"hello\")")
    .build();
    let member = house.member(Hook::BeforePrompt, &guest, &[]);
    let mut instance = house.start(&member).await.expect("an instance");
    let called = instance.before_prompt(limits(), &turn(), &[]).await;
    assert_eq!(called.log, ["info hello"]);
    assert_eq!(called.host_calls, 1);
    let events = house.ports.events.lock();
    let [(_, ExtensionEvent::Log { level, message, .. })] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((level.as_str(), message.as_str()), ("info", "hello"));
}

#[tokio::test]
async fn a_hook_that_is_not_exported_cannot_be_called() {
    let house = House::new();
    let member = house.member(Hook::Tool, &Guest::before_prompt("(call $ok)").build(), &[]);
    let mut instance = house.start(&member).await.expect("an instance");
    let called = instance.tool(limits(), &turn(), "roll", "{}").await;
    assert_eq!(
        called.result.map_err(|failure| failure.outcome),
        Err(Outcome::LoadFailed)
    );
}
