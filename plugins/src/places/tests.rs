use futures::poll;

use super::*;

/// Four places, of which an account has two; of two who wait, one may be of the same account.
fn places() -> Places {
    Places::new(
        4,
        &PluginSettings {
            queue: 2,
            queue_wait_ms: 60_000,
            account_sandboxes: 2,
            account_queue: 1,
            ..PluginSettings::default()
        },
    )
}

fn somebody() -> Option<UserId> {
    Some(UserId::new())
}

async fn taken(places: &Places, owner: Option<UserId>, count: usize) -> Vec<Place> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(places.take(owner).await.expect("there is one"));
    }
    taken
}

#[tokio::test]
async fn an_account_has_its_part_and_not_one_more() {
    let places = places();
    let greedy = somebody();
    let mut held = taken(&places, greedy, 2).await;
    let third = places.take(greedy);
    tokio::pin!(third);
    assert!(poll!(&mut third).is_pending(), "two places are free, and not for it");
    assert_eq!(places.free(), 2);
    // What is nobody's is like one account.
    let nobodys = taken(&places, None, 2).await;
    let other = places.take(somebody());
    tokio::pin!(other);
    assert!(poll!(&mut other).is_pending(), "all are taken");
    held.pop();
    let other = other.await;
    assert!(other.is_some(), "before the third of an account that had its part");
    assert!(poll!(&mut third).is_pending());
    drop(nobodys);
    assert!(third.await.is_some());
}

#[tokio::test]
async fn an_account_has_its_part_of_the_line_and_leaves_the_rest() {
    let places = places();
    let greedy = somebody();
    let held = taken(&places, greedy, 2).await;
    let first = places.take(greedy);
    tokio::pin!(first);
    assert!(poll!(&mut first).is_pending());
    assert!(places.take(greedy).await.is_none(), "one of it waits already");
    let others = taken(&places, somebody(), 2).await;
    {
        let waits = places.take(somebody());
        tokio::pin!(waits);
        assert!(
            poll!(&mut waits).is_pending(),
            "there is room in the line for another one"
        );
        assert!(places.take(somebody()).await.is_none(), "and for no third");
    }
    drop(others);
    assert!(places.take(somebody()).await.is_some());
    drop(held);
    assert!(first.await.is_some());
}

#[tokio::test]
async fn who_waits_too_long_gets_none_and_leaves_nothing() {
    let mut places = places();
    places.wait = Duration::from_millis(20);
    let greedy = somebody();
    let held = taken(&places, greedy, 2).await;
    for _ in 0..3 {
        assert!(places.take(greedy).await.is_none());
    }
    drop(held);
    drop(taken(&places, greedy, 2).await);
    assert_eq!(places.free(), 4);
}

#[tokio::test]
async fn accounts_that_have_no_place_are_forgotten() {
    let places = places();
    let held = taken(&places, somebody(), 2).await;
    for _ in 0..1_000 {
        assert!(places.take(somebody()).await.is_some());
    }
    assert!(places.accounts.lock().len() <= 3);
    drop(held);
}
