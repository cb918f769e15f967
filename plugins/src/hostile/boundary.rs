//! Guests that give the host too much.

use tavern_domain::extension::{Hook, Outcome};

use super::{Trial, all_end};
use crate::instance::{Instance, Share};
use crate::testing::guest::Guest;
use crate::testing::{House, facts, limits, turn};

fn logging(body: &str) -> Guest {
    Guest::before_prompt(body)
        .import("log", "write", "(param i32 i32 i32 i32 i32)")
        .memory("(memory (export \"memory\") 64)")
}

fn write(bytes: usize) -> String {
    format!("(call $write (i32.const 1) (i32.const 65536) (i32.const {bytes}) (i32.const 0) (i32.const 0))")
}

#[tokio::test]
async fn a_flood_of_host_calls_or_bytes_ends_the_call() {
    all_end(
        Outcome::HostcallLimit,
        [
            (
                "ten million lines",
                logging(&format!("(loop $again {} (br $again)) unreachable", write(1))),
            ),
            (
                "a line of two megabytes",
                logging(&format!("{} (call $ok)", write(2 << 20))),
            ),
            (
                "many lines that are too much together",
                logging(&format!("(loop $again {} (br $again)) unreachable", write(100_000))),
            ),
            (
                "a result of two megabytes",
                Guest::before_prompt("(call $fail (i32.const 3) (i32.const 0) (i32.const 2097152))")
                    .memory("(memory (export \"memory\") 64)"),
            ),
            (
                "a million edits",
                Guest::before_prompt("(call $text (i32.const 65536) (i32.const 1000000))")
                    .memory("(memory (export \"memory\") 900)"),
            ),
        ],
    )
    .await;
}

/// Lists of lists, each of the inner ones the same four megabytes of memory.
#[tokio::test]
async fn what_is_little_in_the_guest_and_much_outside_is_too_much() {
    // Fifty requests from 1024 on, with a list of headers each.
    let headers = Guest::before_prompt(
        "(local $request i32)
         (local.set $request (i32.const 1024))
         (loop $more
           (i32.store (i32.add (local.get $request) (i32.const 16)) (i32.const 65536))
           (i32.store (i32.add (local.get $request) (i32.const 20)) (i32.const 100000))
           (local.set $request (i32.add (local.get $request) (i32.const 48)))
           (br_if $more (i32.lt_u (local.get $request) (i32.const 3424))))
         (call $send-many (i32.const 1024) (i32.const 50) (i32.const 512)) (call $ok)",
    )
    .import("http", "send-many", "(param i32 i32 i32)");
    // A hundred keys from 1024 on.
    let keys = Guest::before_prompt(
        "(local $key i32)
         (local.set $key (i32.const 1024))
         (loop $more
           (i32.store (local.get $key) (i32.const 65536))
           (i32.store (i32.add (local.get $key) (i32.const 4)) (i32.const 1000000))
           (local.set $key (i32.add (local.get $key) (i32.const 8)))
           (br_if $more (i32.lt_u (local.get $key) (i32.const 1824))))
         (call $get-many (i32.const 0) (i32.const 1024) (i32.const 100) (i32.const 512)) (call $ok)",
    )
    .import("key-value", "get-many", "(param i32 i32 i32 i32)");
    let memory = "(memory (export \"memory\") 64)";
    all_end(
        Outcome::HostcallLimit,
        [("headers", headers.memory(memory)), ("keys", keys.memory(memory))],
    )
    .await;
}

#[tokio::test]
async fn the_last_host_call_that_is_allowed_is_served_and_the_next_one_is_not() {
    for (calls, served) in [(2_000, true), (2_001, false)] {
        let house = House::new();
        let guest = logging(&format!(
            "(local $calls i32)
             (loop $again {} (local.set $calls (i32.add (local.get $calls) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $calls) (i32.const {calls}))))
             (call $ok)",
            write(1)
        ));
        let member = house.member(Hook::BeforePrompt, &guest.build(), &[]);
        let mut instance = house.start(&member).await.expect("an instance");
        let called = instance.before_prompt(limits(), &turn(), &[]).await;
        assert_eq!(called.result.is_ok(), served, "{calls}");
        assert!(called.log.len() <= 64);
        assert!(called.log.iter().map(String::len).sum::<usize>() <= 8 << 10);
        assert!(
            called.notes.iter().any(|note| note.starts_with("log: ")),
            "{:?}",
            called.notes
        );
    }
}

#[tokio::test]
async fn ten_million_empty_texts_are_too_much() {
    let house = House::new();
    let guest = Guest::new(
        "with-macro-provider",
        "(func (export \"tavern:extension/macro-provider@0.1.0#expand\") (param i32) (result i32)
           (call $text (i32.const 65536) (i32.const 4000000)))",
    )
    .memory("(memory (export \"memory\") 900)");
    let member = house.member(Hook::MacroProvider, &guest.build(), &["macros"]);
    let mut instance = house.start(&member).await.expect("an instance");
    let called = instance.expand(limits(), &turn(), &[]).await;
    assert_eq!(
        called.result.map_err(|failure| failure.outcome),
        Err(Outcome::HostcallLimit)
    );
}

#[tokio::test]
async fn what_a_guest_wrote_before_it_failed_is_gone() {
    let trial = Trial {
        granted: vec!["kv:chat"],
        ..Trial::new()
    };
    let set = "(call $set (i32.const 2) (i32.const 1024) (i32.const 3) (i32.const 1024) (i32.const 3) \
               (i32.const 0) (i64.const 0) (i32.const 0) (i64.const 0) (i32.const 2048))";
    let signature = "(param i32 i32 i32 i32 i32 i32 i64 i32 i64 i32)";
    let guest = |body: &str| {
        Guest::before_prompt(body)
            .import("key-value", "set", signature)
            .items("(data (i32.const 1024) \"key\")")
    };
    trial.fails(&guest(&format!("{set} unreachable"))).await;
    assert!(trial.house.ports.values.lock().is_empty());

    let member = trial.house.member(
        Hook::BeforePrompt,
        &guest(&format!("{set} (call $ok)")).build(),
        &["kv:chat"],
    );
    let mut instance = Instance::start(&trial.house.host, &member, facts(), Share::Calls)
        .await
        .expect("an instance");
    let called = instance.before_prompt(limits(), &turn(), &[]).await;
    assert_eq!(called.result, Ok(Vec::new()));
    let writes = instance.take_writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(
        (writes[0].key.key.as_str(), writes[0].key.owner.as_str()),
        ("key", "chat")
    );
    assert!(trial.house.ports.values.lock().is_empty(), "whoever calls commits");
}
