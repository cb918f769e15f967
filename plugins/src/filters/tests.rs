use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tavern_domain::extension::{ExtensionEvent, Hook, KvScope, Outcome};

use super::*;
use crate::breaker::{CALLS, OFFENCES, TRAPS};
use crate::chain::Member;
use crate::manifest::Flush;
use crate::ports::KvKey;
use crate::program::Program;
use crate::settings::PluginSettings;
use crate::testing::House;
use crate::testing::guest::Guest;
use crate::testing::scripted::{Act, WRITES, err, ok, spin, trap};
use crate::turn::tests::{extension, facts};

/// Flushes have time enough on a busy machine.
fn house(change: impl FnOnce(&mut PluginSettings)) -> House {
    House::with(|settings| {
        settings.limits.wall_flush_ms = 10_000;
        change(settings);
    })
}

/// A filter with answers for its pushes and its end, asked about each piece.
fn filter(house: &House, name: &str, granted: &[&str], push: Vec<Act>, finish: Act) -> Member {
    let functions = [
        ("stream-filter", "push", push),
        ("stream-filter", "finish", vec![finish]),
    ];
    asked_about_each_piece(extension(house, name, granted, &functions))
}

fn asked_about_each_piece(mut member: Member) -> Member {
    let mut manifest = (*member.manifest).clone();
    if let Some(settings) = manifest.hooks.get_mut(&Hook::StreamFilter) {
        settings.flush = Some(Flush::Token);
    }
    member.manifest = Arc::new(manifest);
    member
}

fn triggered(mut member: Member, trigger: &str) -> Member {
    let mut manifest = (*member.manifest).clone();
    if let Some(settings) = manifest.hooks.get_mut(&Hook::StreamFilter) {
        settings.triggers = vec![trigger.into()];
    }
    member.manifest = Arc::new(manifest);
    member
}

fn filters(house: &House, members: Vec<Member>) -> Filters {
    Filters::new(&house.host, &Chain::new(members), &facts())
}

fn pass() -> Act {
    ok(json!("pass"))
}

fn replace(text: &str) -> Act {
    ok(json!({ "replace": text }))
}

const MODIFY: [&str; 1] = ["stream.modify"];

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn what_one_filter_lets_out_goes_into_the_next() {
    let house = house(|_| {});
    let first = filter(
        &house,
        "test/a",
        &MODIFY,
        vec![replace("one "), replace("two "), pass()],
        pass(),
    );
    let second = filter(
        &house,
        "test/b",
        &MODIFY,
        vec![ok(json!("hold")), pass()],
        replace("the end"),
    );
    let mut filters = filters(&house, vec![second, first]);
    assert_eq!(assert_send(filters.push("1")).await.text, "");
    assert_eq!(filters.push("2").await.text, "one two ");
    assert_eq!(filters.push("3").await.text, "3");
    assert_eq!(assert_send(filters.finish()).await.text, "the end");
    assert_eq!(filters.finish().await, Filtered::default());
    let traces = filters.take_traces().await;
    let seen: Vec<_> = traces
        .iter()
        .map(|trace| (trace.extension.as_str(), trace.outcome, trace.edits))
        .collect();
    assert_eq!(seen, [("test/a", Outcome::Ok, 2), ("test/b", Outcome::Ok, 1)]);
    house.assert_all_free();
}

#[tokio::test]
async fn a_filter_that_ends_the_reply_ends_it_for_all() {
    let house = house(|_| {});
    let first = filter(
        &house,
        "test/a",
        &MODIFY,
        vec![pass(), ok(json!({"stop": "Enough."}))],
        pass(),
    );
    let second = filter(&house, "test/b", &MODIFY, vec![ok(json!("hold"))], pass());
    let mut filters = filters(&house, vec![first, second]);
    assert_eq!(filters.push("So. ").await.text, "");
    let last = filters.push("And more.").await;
    assert_eq!((last.text.as_str(), last.stop, last.abort), ("So. Enough.", true, None));
    assert!(filters.push("More.").await.stop);
    assert_eq!(filters.finish().await.text, "");
    house.assert_all_free();
}

#[tokio::test]
async fn without_its_trigger_a_filter_takes_no_sandbox() {
    let house = house(|_| {});
    let mut filters = filters(
        &house,
        vec![triggered(
            filter(&house, "test/a", &MODIFY, vec![replace("*")], pass()),
            "damn",
        )],
    );
    assert_eq!(filters.push("A calm day").await.text, "A calm day");
    house.assert_all_free();
    assert_eq!(filters.push(", da").await.text, ", ");
    assert!(filters.deadline().is_some());
    assert_eq!(filters.push("mn").await.text, "*");
    assert_eq!(house.host.free_sandboxes().1, 1);
    assert_eq!(filters.finish().await.text, "");
    house.assert_all_free();
}

#[tokio::test]
async fn the_texts_of_a_setting_are_triggers_of_whoever_has_it_set() {
    let house = house(|_| {});
    let configured = |config: Value| {
        let mut member = filter(&house, "test/a", &MODIFY, vec![replace("*")], pass());
        let mut manifest = (*member.manifest).clone();
        if let Some(settings) = manifest.hooks.get_mut(&Hook::StreamFilter) {
            settings.trigger_settings = vec!["replace".into()];
        }
        member.manifest = Arc::new(manifest);
        member.config = Arc::new(config);
        filters(&house, vec![member])
    };
    let mut set = configured(json!({"replace": {"damn": "darn"}}));
    assert_eq!(set.push("A calm day, da").await.text, "A calm day, ");
    house.assert_all_free();
    assert_eq!(set.push("mn").await.text, "*");
    assert_eq!(set.finish().await.text, "");

    // With nothing to look for, nothing is found.
    let mut unset = configured(json!({}));
    assert_eq!(unset.push("damn").await.text, "damn");
    assert_eq!(unset.finish().await.text, "");
    assert_eq!(unset.take_traces().await[0].outcome, Outcome::Skipped);
    house.assert_all_free();
}

#[tokio::test]
async fn a_reply_that_is_none_of_its_business_is_told_nobody() {
    let house = house(|_| {});
    let mut filters = filters(
        &house,
        vec![triggered(
            filter(&house, "test/a", &MODIFY, vec![trap()], pass()),
            "damn",
        )],
    );
    filters.push("A calm day.").await;
    filters.finish().await;
    assert_eq!(filters.take_traces().await[0].outcome, Outcome::Skipped);
    assert!(house.ports.events.lock().is_empty());
}

#[tokio::test]
async fn a_filter_that_fails_is_out_and_no_text_is_lost() {
    let house = house(|_| {});
    for act in [
        trap(),
        err("failed", "no"),
        ok(json!({"replace": "x".repeat(40 << 10)})),
    ] {
        let failing = filter(&house, "test/a", &MODIFY, vec![ok(json!("hold")), act], pass());
        let mut filters = filters(&house, vec![failing]);
        assert_eq!(filters.push("one ").await.text, "");
        assert_eq!(filters.push("two ").await.text, "one two ");
        house.assert_all_free();
        assert_eq!(filters.push("three").await.text, "three");
        assert_eq!(filters.finish().await, Filtered::default());
        assert!(filters.take_traces().await[0].outcome.is_fault());
    }
}

#[tokio::test]
async fn a_filter_that_must_work_and_does_not_ends_the_reply() {
    let house = house(|_| {});
    let mut needed = filter(&house, "test/a", &MODIFY, vec![pass(), trap()], pass());
    needed.fail_closed = true;
    let after = filter(&house, "test/b", &MODIFY, vec![ok(json!("hold"))], pass());
    let mut filters = filters(&house, vec![needed, after]);
    filters.push("fine ").await;
    let last = filters.push("secret").await;
    assert_eq!(last.text, "fine ", "what was let out before comes to its end");
    assert!(last.stop && last.abort.is_some_and(|abort| abort.is_failure));
    house.assert_all_free();
}

#[tokio::test]
async fn what_has_nothing_to_do_lets_text_pass_and_what_may_work_again_is_tried_again() {
    let house = house(|_| {});
    let acts = vec![err("skip", ""), err("retryable", "once"), replace("!"), pass()];
    let mut filters = filters(&house, vec![filter(&house, "test/a", &MODIFY, acts, pass())]);
    assert_eq!(filters.push("one").await.text, "one");
    assert_eq!(filters.push("two").await.text, "!");
    assert_eq!(filters.finish().await.text, "");
    assert_eq!(filters.take_traces().await[0].outcome, Outcome::Ok);
}

#[tokio::test]
async fn a_filter_has_fuel_for_a_whole_reply_and_no_more() {
    let house = house(|settings| settings.limits.fuel_stream = 20_000);
    let burn =
        "(local.set 2 (i32.const 500)) (loop $on (br_if $on (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))";
    let busy = Act::Both(burn, json!({"ok": "pass"}));
    let mut filters = filters(&house, vec![filter(&house, "test/a", &MODIFY, vec![busy], pass())]);
    for _ in 0..50 {
        assert_eq!(filters.push("x").await.text, "x");
    }
    filters.finish().await;
    let trace = filters.take_traces().await.remove(0);
    assert_eq!(trace.outcome, Outcome::OutOfFuel);
    assert!(trace.fuel <= 20_000, "{}", trace.fuel);
}

#[tokio::test]
async fn a_filter_cannot_make_a_reply_grow_without_end() {
    let house = house(|settings| settings.limits.result_bytes = 10);
    let mut filters = filters(
        &house,
        vec![filter(&house, "test/a", &MODIFY, vec![replace("12345")], pass())],
    );
    assert_eq!(filters.push("a").await.text, "12345");
    assert_eq!(filters.push("b").await.text, "12345");
    assert_eq!(filters.push("c").await.text, "c");
    assert_eq!(filters.take_traces().await[0].outcome, Outcome::OutputInvalid);
}

#[tokio::test]
async fn what_a_filter_writes_is_kept_when_the_reply_has_ended_well() {
    let house = house(|_| {});
    for (last, kept) in [(pass(), true), (trap(), false)] {
        let writes = Act::Both(WRITES, json!({"ok": "pass"}));
        let member = filter(
            &house,
            "test/a",
            &["stream.modify", "kv:installation"],
            vec![writes],
            last,
        );
        let key = KvKey {
            installation: member.installation,
            scope: KvScope::Installation,
            owner: String::new(),
            key: "k".into(),
        };
        let mut filters = filters(&house, vec![member]);
        filters.push("x").await;
        assert!(!house.ports.values.lock().contains_key(&key));
        filters.finish().await;
        assert_eq!(house.ports.values.lock().contains_key(&key), kept);
    }
}

#[tokio::test]
async fn of_a_push_that_failed_nothing_is_kept_though_the_reply_ends_well() {
    let house = house(|_| {});
    for (kind, kept) in [("retryable", false), ("skip", false), ("", true)] {
        let answer = match kind {
            "" => json!({"ok": "pass"}),
            kind => json!({"err": {kind: "no"}}),
        };
        let member = filter(
            &house,
            "test/a",
            &["stream.modify", "kv:installation"],
            vec![Act::Both(WRITES, answer), pass()],
            pass(),
        );
        let key = KvKey {
            installation: member.installation,
            scope: KvScope::Installation,
            owner: String::new(),
            key: "k".into(),
        };
        let mut filters = filters(&house, vec![member]);
        assert_eq!(filters.push("x").await.text, "x");
        filters.finish().await;
        assert_eq!(filters.take_traces().await[0].outcome, Outcome::Ok);
        assert_eq!(house.ports.values.lock().contains_key(&key), kept, "{kind}");
    }
}

/// A filter that lets everything pass, with more in its module.
fn starting(house: &House, items: &str) -> Member {
    let mut guest = Guest::new(
        "with-stream-filter",
        r#"(func (export "tavern:extension/stream-filter@0.1.0#[constructor]filter") (param i32) (result i32)
          (call $new (i32.const 1)))
        (func (export "tavern:extension/stream-filter@0.1.0#[method]filter.push") (param i32 i32 i32) (result i32)
          (call $ok))
        (func (export "tavern:extension/stream-filter@0.1.0#[method]filter.finish") (param i32 i32 i32) (result i32)
          (call $ok))"#,
    );
    guest.imports = r#"(import "[export]tavern:extension/stream-filter@0.1.0" "[resource-new]filter"
        (func $new (param i32) (result i32)))"#
        .into();
    let component = guest.items(items).build();
    asked_about_each_piece(house.plain_member(Hook::StreamFilter, &component, &MODIFY))
}

/// How so many replies and one more end for a filter.
async fn outcomes(house: &House, member: &Member, replies: u32) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for _ in 0..=replies {
        let mut filters = filters(house, vec![member.clone()]);
        assert_eq!(filters.push("x").await.text, "x");
        outcomes.push(filters.take_traces().await[0].outcome);
    }
    house.assert_all_free();
    outcomes
}

#[tokio::test]
async fn a_filter_that_does_not_come_to_its_first_push_is_left_alone_after_a_while() {
    let house = house(|_| {});
    let traps = starting(&house, "(func $trap unreachable) (start $trap)");
    let ended = outcomes(&house, &traps, TRAPS).await;
    assert_eq!(ended.last(), Some(&Outcome::BreakerOpen));
    assert!(ended[..TRAPS as usize].iter().all(|outcome| *outcome == Outcome::Trap));

    let spins = starting(&house, "(func $spin (loop $on (br $on))) (start $spin)");
    let ended = outcomes(&house, &spins, OFFENCES - 1).await;
    assert!(ended.iter().all(|outcome| *outcome == Outcome::OutOfFuel), "{ended:?}");
    let condemned = house.host.take_condemned();
    assert_eq!(condemned[0].installation, spins.installation);

    let mut broken = starting(&house, "");
    broken.program = Arc::new(Program::of(Bytes::from_static(b"no component"), false));
    let ended = outcomes(&house, &broken, CALLS).await;
    assert!(
        ended[..CALLS as usize]
            .iter()
            .all(|outcome| *outcome == Outcome::LoadFailed)
    );
    assert_eq!(ended.last(), Some(&Outcome::BreakerOpen));
}

#[tokio::test]
async fn an_observers_trace_has_its_last_call() {
    let house = house(|_| {});
    for (push, finish, outcome) in [
        (vec![pass()], pass(), Outcome::Ok),
        (vec![pass()], trap(), Outcome::Trap),
        (vec![pass(), trap()], pass(), Outcome::Trap),
    ] {
        let observer = filter(&house, "test/a", &["stream.observe"], push, finish);
        let mut filters = filters(&house, vec![observer]);
        filters.push("one").await;
        filters.push("two").await;
        filters.finish().await;
        let trace = filters.take_traces().await.remove(0);
        assert_eq!(trace.outcome, outcome);
        let told = house
            .ports
            .events
            .lock()
            .iter()
            .rev()
            .find_map(|(_, event)| match event {
                ExtensionEvent::Called { trace } => Some((**trace).clone()),
                _ => None,
            });
        assert_eq!(told, Some(trace), "it is all there is to tell");
        house.assert_all_free();
    }
}

#[tokio::test]
async fn an_observers_last_words_are_not_waited_for_without_end() {
    let house = House::with(|settings| {
        settings.limits.fuel_flush = u64::MAX / 2;
        settings.limits.fuel_stream = u64::MAX / 2;
        settings.limits.wall_flush_ms = 10_000;
    });
    let observer = filter(&house, "test/a", &["stream.observe"], vec![spin()], pass());
    let mut filters = filters(&house, vec![observer]);
    filters.observers_patience = Duration::from_millis(20);
    filters.push("x").await;
    filters.finish().await;
    let trace = filters.take_traces().await.remove(0);
    assert!(trace.notes.concat().contains("still busy"), "{trace:?}");
}

#[tokio::test]
async fn an_observer_sees_the_reply_and_changes_nothing() {
    let house = house(|_| {});
    let observer = filter(
        &house,
        "test/a",
        &["stream.observe"],
        vec![replace("?")],
        ok(json!({"stop": "?"})),
    );
    let mut filters = filters(&house, vec![observer]);
    for _ in 0..3 {
        assert_eq!(filters.push("x").await.text, "x");
    }
    assert_eq!(filters.deadline(), None, "nobody waits for it");
    assert_eq!(filters.finish().await, Filtered::default());
    let trace = filters.take_traces().await.remove(0);
    assert_eq!((trace.outcome, trace.edits), (Outcome::Ok, 0));
    assert!(trace.fuel > 0);
}

#[tokio::test]
async fn an_observer_that_hangs_delays_nobody_and_goes_with_its_reply() {
    let house = house(|settings| settings.limits.fuel_flush = u64::MAX / 2);
    let observer = filter(&house, "test/a", &["stream.observe"], vec![spin()], pass());
    let mut filters = filters(&house, vec![observer]);
    let pieces = 200;
    for _ in 0..pieces {
        assert_eq!(filters.push("x").await.text, "x");
    }
    let seen = filters.take_traces().await.remove(0);
    assert!(seen.notes.concat().contains("too slow"), "{:?}", seen.notes);
    tokio::time::timeout(Duration::from_secs(30), async {
        while house.host.free_sandboxes().1 < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("its sandbox is free again");
}

#[tokio::test]
async fn a_reply_that_is_cut_off_leaves_nothing_behind() {
    let house = house(|settings| settings.limits.fuel_flush = u64::MAX / 2);
    let member = filter(&house, "test/a", &MODIFY, vec![pass(), spin()], pass());
    let mut filters = filters(&house, vec![member]);
    filters.push("x").await;
    assert_eq!(house.host.free_sandboxes().1, 1);
    let hangs = tokio::time::timeout(Duration::from_millis(50), filters.push("y")).await;
    assert!(hangs.is_err());
    drop(filters);
    house.assert_all_free();
}
