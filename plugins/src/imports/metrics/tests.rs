use tavern_domain::extension::{ExtensionEvent, Hook, Outcome};

use crate::testing::House;
use crate::testing::guest::Guest;

/// A guest that counts under each of these names, and then does this.
fn counting(counts: &[(&str, u32)], end: &str) -> Guest {
    let mut body = String::new();
    let mut data = String::new();
    for (index, (name, delta)) in counts.iter().enumerate() {
        let at = 1024 + 64 * index;
        body += &format!(
            "(call $count (i32.const {at}) (i32.const {}) (i32.const {}))",
            name.len(),
            *delta as i32
        );
        data += &format!("(data (i32.const {at}) \"{name}\")");
    }
    Guest::before_prompt(&(body + end))
        .import("metrics", "count", "(param i32 i32 i32)")
        .items(&data)
}

async fn told(counts: &[(&str, u32)], end: &str) -> (Vec<(String, u32)>, Vec<String>, Option<Outcome>) {
    let house = House::new();
    let member = house.member(Hook::BeforePrompt, &counting(counts, end).build(), &[]);
    let mut instance = house.start(&member).await.expect("an instance");
    let called = instance
        .before_prompt(crate::testing::limits(), &crate::testing::turn(), &[])
        .await;
    let events = house.ports.events.lock();
    let counters = events.iter().map(|(from, event)| match event {
        ExtensionEvent::Metric { name, delta } if *from == member.installation => (name.clone(), *delta),
        other => panic!("{other:?}"),
    });
    let failed = called.result.err().map(|failure| failure.outcome);
    (counters.collect(), called.notes, failed)
}

#[tokio::test]
async fn what_was_counted_is_told_once_the_call_has_ended_however_it_ended() {
    for (end, outcome) in [("(call $ok)", None), ("unreachable", Some(Outcome::Trap))] {
        let (counters, notes, failed) = told(&[("rolls", 2), ("rolls", 3)], end).await;
        assert_eq!(counters, [("rolls".to_owned(), 5)]);
        assert_eq!((notes, failed), (Vec::new(), outcome));
    }
}

#[tokio::test]
async fn a_counter_stops_at_the_most_there_is() {
    let (counters, ..) = told(&[("rolls", u32::MAX - 1), ("rolls", 1)], "(call $ok)").await;
    assert_eq!(counters, [("rolls".to_owned(), u32::MAX)]);
    let (counters, ..) = told(&[("rolls", u32::MAX), ("rolls", u32::MAX)], "(call $ok)").await;
    assert_eq!(counters, [("rolls".to_owned(), u32::MAX)]);
}

#[tokio::test]
async fn names_that_the_manifest_has_not_are_noted_once_and_not_counted() {
    let counts = [("throws", 1), ("", 1), ("rolls ", 1), ("rolls", 1)];
    let (counters, notes, failed) = told(&counts, "(call $ok)").await;
    assert_eq!(counters, [("rolls".to_owned(), 1)]);
    assert_eq!(notes, ["metrics: a counter that the manifest does not name"]);
    assert_eq!(failed, None);
}
