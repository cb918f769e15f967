use futures::StreamExt as _;
use tavern_domain::InstallationId;
use tavern_domain::extension::{ExtensionEvent, Hook, Outcome, PluginTrace};

use super::*;

fn line(message: &str) -> ExtensionEvent {
    ExtensionEvent::Log {
        level: "info".into(),
        message: message.into(),
        fields: Vec::new(),
    }
}

fn called(outcome: Outcome) -> ExtensionEvent {
    ExtensionEvent::Called {
        trace: Box::new(PluginTrace {
            extension: NAME.into(),
            version: "1.0.0".into(),
            hook: Hook::AfterReply,
            outcome,
            edits: 0,
            notes: Vec::new(),
            fuel: 0,
            micros: 0,
            memory: 0,
            host_calls: 0,
            log: Vec::new(),
        }),
    }
}

async fn shop() -> (Shop, InstallationId) {
    let shop = Shop::open().await;
    shop.published(&Draft::new(NAME, "1.0.0")).await;
    let id = shop.installed(&shop.ann).await.id;
    (shop, id)
}

/// What is kept, but for what the house said.
async fn kept(shop: &Shop, id: InstallationId) -> Vec<ExtensionEvent> {
    shop.extensions().0.events.flush().await;
    let lines = shop.extensions().logs(&shop.ann, id, u32::MAX).await.unwrap();
    let events = lines.into_iter().map(|line| line.event);
    events
        .filter(|event| !matches!(event, ExtensionEvent::Changed { .. }))
        .collect()
}

#[tokio::test]
async fn failures_and_lines_are_kept_and_what_happens_in_every_turn_is_not() {
    let (shop, id) = shop().await;
    let events = &shop.extensions().0.events;
    let metric = ExtensionEvent::Metric {
        name: "calls".into(),
        delta: 1,
    };
    for event in [
        called(Outcome::Ok),
        called(Outcome::Skipped),
        metric,
        called(Outcome::Trap),
        line("a"),
    ] {
        events.emit(id, event);
    }
    assert_eq!(kept(&shop, id).await, [called(Outcome::Trap), line("a")]);
}

#[tokio::test]
async fn a_watcher_gets_all_of_it_once() {
    let (shop, id) = shop().await;
    let events = &shop.extensions().0.events;
    events.emit(id, line("before"));
    let mut stream = shop.extensions().events(&shop.ann, id).await.unwrap();
    events.emit(id, called(Outcome::Ok));
    events.emit(InstallationId::new(), line("another's"));
    events.emit(id, line("after"));
    let told: Vec<_> = stream.by_ref().take(4).collect().await;
    assert_eq!(told[1..], [line("before"), called(Outcome::Ok), line("after")]);
}

#[tokio::test]
async fn nothing_is_left_of_a_watcher_that_has_gone() {
    let (shop, id) = shop().await;
    let (one, other) = (
        shop.extensions().events(&shop.ann, id).await.unwrap(),
        shop.extensions().events(&shop.ann, id).await.unwrap(),
    );
    let watched = || shop.extensions().0.events.watched();
    assert_eq!(watched(), 1);
    drop(one);
    assert_eq!(watched(), 1);
    drop(other);
    assert_eq!(watched(), 0);
}

#[tokio::test]
async fn a_flood_fills_neither_memory_nor_the_store() {
    let (shop, id) = shop().await;
    let mut stream = shop.extensions().events(&shop.ann, id).await.unwrap();
    for number in 0..20_000 {
        shop.extensions().0.events.emit(id, line(&number.to_string()));
    }
    let kept = kept(&shop, id).await;
    // What may come at once, and what a second or two lets in besides.
    assert!((100..200).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept[0], line("0"));
    // The watcher was too slow for most of it, and is told the newest.
    let _installed = stream.next().await;
    let ExtensionEvent::Log { message, .. } = stream.next().await.unwrap() else {
        panic!("a line comes next");
    };
    assert!(message.parse::<u32>().unwrap() > 19_000, "{message}");
}

#[tokio::test]
async fn what_waits_is_stored_before_the_house_closes_and_watchers_end() {
    let (shop, id) = shop().await;
    let mut stream = shop.extensions().events(&shop.ann, id).await.unwrap();
    let _installed = stream.next().await;
    for number in 0..50 {
        shop.extensions().0.events.emit(id, line(&number.to_string()));
    }
    shop.extensions().close().await;
    let stored = shop.house.store.extensions.logs(id, 100).await.unwrap();
    assert_eq!(stored.len(), 51);
    let told = tokio::time::timeout(Duration::from_secs(30), stream.collect::<Vec<_>>()).await;
    assert!(told.unwrap().len() <= 50);
}
