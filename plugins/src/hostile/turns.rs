//! Turns and replies that nobody waits for any more, cut off wherever they wait; and turns whose extensions are
//! upgraded under them.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use serde_json::json;
use tavern_domain::InstallationId;
use tavern_domain::extension::Outcome;

use crate::bindings::tavern::extension::types::{Message, Role};
use crate::chain::{Chain, Member};
use crate::manifest::ToolDeclaration;
use crate::testing::House;
use crate::testing::scripted::{Act, WRITES, ok};
use crate::turn::TurnHooks;
use crate::turn::tests::{extension, facts};

/// Drives a future until it waits once more than so often, and drops it there. What it gave, if it ended before.
async fn cut_off<T>(future: impl Future<Output = T>, after: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut waited = 0;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(given) => Poll::Ready(Some(given)),
        Poll::Pending if waited == after => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

/// Keeps a value, and then computes so long that others are let through in between.
fn busy() -> &'static str {
    let compute = "(i32.store (i32.const 64) (i32.const 0))
      (loop $again
        (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
        (br_if $again (i32.lt_u (i32.load (i32.const 64)) (i32.const 3000000))))";
    format!("{WRITES} {compute}").leak()
}

/// Cuts a turn off at each point where it waits. After each, its only place is free and the next turn is served.
/// What it wrote is kept by the one that came to its end, and by those that had handed it to the store.
async fn at_every_point(
    granted: &[&str],
    functions: impl Fn() -> Vec<(&'static str, &'static str, Vec<Act>)>,
    call: impl AsyncFn(&mut TurnHooks),
) {
    for after in 0.. {
        let house = House::with(|settings| {
            settings.sandboxes = 1;
            settings.filter_sandboxes = 1;
            settings.limits.wall_flush_ms = 10_000;
            settings.limits.fuel_flush = settings.limits.fuel_prompt;
        });
        let mut member = extension(&house, "test/a", granted, &functions());
        Arc::make_mut(&mut member.manifest).tools = vec![ToolDeclaration {
            name: "run".into(),
            description: "Runs.".into(),
            parameters: json!({"type": "object"}),
        }];
        let chain = Arc::new(Chain::new(vec![member]));
        let mut hooks = house.host.turn(Arc::clone(&chain), facts());
        let ended = cut_off(Box::pin(call(&mut hooks)), after).await.is_some();
        drop(hooks);
        house.assert_all_free();
        // What was handed to the store is kept, though nobody waits for it.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let kept = !house.ports.values.lock().is_empty();
        assert!(kept || !ended, "after {after}");
        // It has not been loaded by then, or not begun.
        assert!(!kept || after > 2, "after {after}");

        let mut next = house.host.turn(chain, facts());
        Box::pin(call(&mut next)).await;
        let outcomes: Vec<_> = next.traces().iter().map(|trace| trace.outcome).collect();
        assert_eq!(outcomes, [Outcome::Ok], "after {after}");
        assert_eq!(house.ports.values.lock().len(), 1);
        if ended {
            // Loading, a look at the store, computing, and the commit at least.
            assert!(after >= 4, "{after}");
            return;
        }
    }
}

#[tokio::test]
async fn a_turn_that_is_cut_off_at_any_point_leaves_nothing_and_the_next_one_is_served() {
    let functions = || {
        let acts = vec![Act::Both(busy(), json!({"ok": []}))];
        vec![("before-prompt", "before-prompt", acts)]
    };
    at_every_point(&["kv:installation"], functions, async |hooks| {
        hooks.before_prompt(&[]).await;
        hooks.end_prompt();
    })
    .await;
}

#[tokio::test]
async fn a_function_that_is_cut_off_at_any_point_leaves_nothing_and_the_next_one_is_served() {
    let functions = || vec![("tool", "call", vec![Act::Both(busy(), json!({"ok": "{}"}))])];
    at_every_point(&["kv:installation", "tools"], functions, async |hooks| {
        let _ = hooks.call_tool("run", "{}").await;
    })
    .await;
}

#[tokio::test]
async fn a_reply_that_is_cut_off_at_any_point_leaves_nothing_and_the_next_one_is_served() {
    let functions = || {
        vec![
            ("stream-filter", "push", vec![Act::Both(busy(), json!({"ok": "pass"}))]),
            ("stream-filter", "finish", vec![ok(json!("pass"))]),
        ]
    };
    at_every_point(&["kv:installation", "stream.modify"], functions, async |hooks| {
        let mut filters = hooks.filters().expect("there is one");
        let mut shown = filters.push("Hello there. ").await.text;
        shown += &filters.finish().await.text;
        assert_eq!(shown, "Hello there. ");
        hooks.add_traces(filters.take_traces().await);
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_leaves_a_hundred_running_turns_with_what_they_began_with() {
    let house = House::with(|settings| {
        settings.sandboxes = 100;
        settings.account_sandboxes = 100;
        settings.queue_wait_ms = 60_000;
    });
    let installation = InstallationId::new();
    let version = |version: &str| {
        let note = json!([{"add-note": {
            "position": "end", "depth": 0, "role": "user", "text": version, "priority": 0
        }}]);
        let insert = json!([{"insert-after": {"anchor": "m", "role": "user", "text": version}}]);
        let functions = [
            ("before-prompt", "before-prompt", vec![ok(note)]),
            ("prompt-transform", "transform", vec![ok(insert)]),
        ];
        let member = Member {
            installation,
            version: version.into(),
            ..extension(&house, "test/a", &["prompt.insert"], &functions)
        };
        Arc::new(Chain::new(vec![member]))
    };
    let begin = async |chain: &Arc<Chain>| {
        let mut hooks = house.host.turn(Arc::clone(chain), facts());
        let before = hooks.before_prompt(&[]).await;
        (hooks, before.notes[0].1.text.clone())
    };
    let end = async |(mut hooks, noted): (TurnHooks, String)| {
        let message = Message {
            id: "m".into(),
            role: Role::User,
            name: None,
            text: "Hello.".into(),
        };
        let done = hooks.transform(vec![message], 1_000).await;
        let mut said = BTreeSet::from([noted, done.messages[1].message.text.clone()]);
        said.extend(hooks.traces().iter().map(|trace| trace.version.clone()));
        said
    };
    let (old, new) = (version("1.0.0"), version("2.0.0"));
    let running = futures::future::join_all((0..100).map(|_| begin(&old))).await;
    assert_eq!(house.host.free_sandboxes().0, 0, "all are in the middle of their turn");
    // The new ones wait for the places of the old ones.
    let later = futures::future::join_all((0..100).map(|_| async { end(begin(&new).await).await }));
    let earlier = futures::future::join_all(running.into_iter().map(end));
    let (later, earlier) = tokio::join!(later, earlier);
    assert!(earlier.iter().all(|said| said.iter().eq(["1.0.0"])), "{earlier:?}");
    assert!(later.iter().all(|said| said.iter().eq(["2.0.0"])), "{later:?}");
    house.assert_all_free();
}
