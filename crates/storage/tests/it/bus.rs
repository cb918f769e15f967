//! Events of a session: in order, once, and again from a cursor.

use futures::FutureExt;
use futures::future::join_all;
use tavern_domain::event::{SessionEvent, SessionEventKind};
use tavern_domain::{Code, Limits, MessageId, SessionId};
use tavern_storage::{EventBus, Store, Subscription};
use tempfile::TempDir;

use crate::support::{NOW, sqlite};

async fn bus() -> (EventBus, Store, TempDir) {
    let (store, directory) = sqlite().await;
    (store.events.clone(), store, directory)
}

fn publish(bus: &EventBus, session: SessionId, count: usize) -> Vec<SessionEventKind> {
    let kinds: Vec<_> = (0..count)
        .map(|_| SessionEventKind::MessageCreated(MessageId::new()))
        .collect();
    kinds.iter().for_each(|kind| bus.publish(session, kind.clone(), NOW));
    kinds
}

/// What is there already.
fn ready(subscription: &mut Subscription) -> Vec<SessionEvent> {
    std::iter::from_fn(|| subscription.next().now_or_never().flatten()).collect()
}

fn kinds(events: &[SessionEvent]) -> Vec<SessionEventKind> {
    events.iter().map(|event| event.kind.clone()).collect()
}

#[tokio::test]
async fn a_late_joiner_hears_only_what_comes() {
    let (bus, _store, _directory) = bus().await;
    let session = SessionId::new();
    let mut early = bus.subscribe(session, None).expect("listening");
    let before = publish(&bus, session, 2);
    let mut late = bus.subscribe(session, None).expect("listening");
    let after = publish(&bus, session, 1);
    assert_eq!(kinds(&ready(&mut early)), [before, after.clone()].concat());
    assert_eq!(kinds(&ready(&mut late)), after);
}

#[tokio::test]
async fn sessions_do_not_hear_each_other() {
    let (bus, _store, _directory) = bus().await;
    let mut subscription = bus.subscribe(SessionId::new(), None).expect("listening");
    publish(&bus, SessionId::new(), 1);
    assert!(ready(&mut subscription).is_empty());
}

#[tokio::test]
async fn a_listener_resumes_after_its_cursor_even_if_nobody_listened_meanwhile() {
    let (bus, _store, _directory) = bus().await;
    let session = SessionId::new();
    let mut subscription = bus.subscribe(session, None).expect("listening");
    publish(&bus, session, 2);
    let cursor = ready(&mut subscription)[0].cursor.clone();
    drop(subscription);
    publish(&bus, session, 1);
    let mut subscription = bus.subscribe(session, Some(&cursor)).expect("listening");
    let events = ready(&mut subscription);
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.kind != SessionEventKind::Resync));
}

#[tokio::test]
async fn a_cursor_of_another_log_resyncs_and_then_goes_on() {
    let (bus, _store, _directory) = bus().await;
    let (session, other) = (SessionId::new(), SessionId::new());
    let mut elsewhere = bus.subscribe(other, None).expect("listening");
    publish(&bus, other, 1);
    let foreign = ready(&mut elsewhere)[0].cursor.clone();
    let mut subscription = bus.subscribe(session, Some(&foreign)).expect("listening");
    let events = ready(&mut subscription);
    assert_eq!(kinds(&events), [SessionEventKind::Resync]);
    let next = publish(&bus, session, 1);
    assert_eq!(kinds(&ready(&mut subscription)), next);
    let mut again = bus.subscribe(session, Some(&events[0].cursor)).expect("listening");
    assert_eq!(kinds(&ready(&mut again)), next);
}

#[tokio::test]
async fn a_listener_may_fall_behind_by_the_ring_and_no_further() {
    let (bus, _store, _directory) = bus().await;
    let (session, ring) = (SessionId::new(), Limits::default().session_events);
    let (mut in_time, mut too_late) = (
        bus.subscribe(session, None).expect("listening"),
        bus.subscribe(session, None).expect("listening"),
    );
    let published = publish(&bus, session, ring);
    assert_eq!(kinds(&ready(&mut in_time)), published);
    publish(&bus, session, 1);
    assert_eq!(kinds(&ready(&mut too_late)), [SessionEventKind::Resync]);
    let next = publish(&bus, session, 1);
    assert_eq!(kinds(&ready(&mut too_late)), next);
}

#[tokio::test]
async fn what_is_no_cursor_is_refused() {
    let (bus, _store, _directory) = bus().await;
    for bad in [
        "",
        ".",
        "x.1",
        "0.1",
        "0000000000000000",
        "0000000000000000.",
        "0000000000000000.-1",
        "000000000000000g.1",
        "0000000000000000.1.1",
    ] {
        let error = bus.subscribe(SessionId::new(), Some(bad)).err().expect("refused");
        assert_eq!(
            (error.code(), error.fields()[0].path[0].as_str()),
            (Code::BadUserInput, "after"),
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_listeners_hear_every_event_once_and_in_order() {
    let (bus, _store, _directory) = bus().await;
    let session = SessionId::new();
    let listeners: Vec<_> = (0..20)
        .map(|_| {
            let mut subscription = bus.subscribe(session, None).expect("listening");
            tokio::spawn(async move {
                let mut heard = Vec::new();
                while heard.len() < 200 {
                    heard.push(subscription.next().await.expect("open").kind);
                }
                heard
            })
        })
        .collect();
    let published = publish(&bus, session, 200);
    for heard in join_all(listeners).await {
        assert_eq!(heard.expect("no panic"), published);
    }
}

#[tokio::test]
async fn closing_the_store_ends_subscriptions() {
    let (bus, store, _directory) = bus().await;
    let mut subscription = bus.subscribe(SessionId::new(), None).expect("listening");
    let waiting = tokio::spawn(async move { subscription.next().await });
    tokio::task::yield_now().await;
    store.close().await;
    assert_eq!(waiting.await.expect("no panic"), None);
}
