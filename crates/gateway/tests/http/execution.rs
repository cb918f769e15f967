//! Operations that take time, and clients that go away.

use std::time::Duration;

use futures::future::join;
use serde_json::json;

use crate::client::{Toy, post};

#[tokio::test]
async fn a_query_that_takes_too_long_ends() {
    let toy = Toy::with(|limits| limits.query_timeout_ms = 20);
    toy.query("{ atGate }")
        .await
        .assert_refused(504, "REQUEST_TIMEOUT", "more than 20 ms");
    toy.house.world.until_dropped(1).await;
}

#[tokio::test]
async fn a_mutation_that_takes_too_long_ends() {
    let toy = Toy::with(|limits| limits.mutation_timeout_ms = 20);
    toy.query("mutation { bumpAtGate }")
        .await
        .assert_refused(504, "REQUEST_TIMEOUT", "more than 20 ms");
    toy.house.world.until_dropped(1).await;
    assert_eq!(toy.house.world.bumps(), 0);
}

#[tokio::test]
async fn a_mutation_that_has_more_time_gets_it_wherever_its_field_stands() {
    let toy = Toy::with(|limits| limits.mutation_timeout_ms = 20);
    for (bumps, query) in [
        "mutation { bumpPatiently }",
        "mutation { ...F } fragment F on Mutation { ... { patiently: bumpPatiently } }",
        "mutation { bump bumpPatiently }",
    ]
    .into_iter()
    .enumerate()
    {
        let request = toy.start(post(json!({ "query": query }).to_string()));
        toy.house.world.until_waiting(bumps + 1).await;
        // Longer than a mutation has otherwise.
        tokio::time::sleep(Duration::from_millis(60)).await;
        toy.house.world.gate.add_permits(1);
        let Ok(answer) = request.await.expect("no panic");
        assert_eq!(answer.status(), 200, "{query}");
    }
    assert_eq!(toy.house.world.bumps(), 4);
}

#[tokio::test]
async fn a_query_ends_when_its_client_goes() {
    let toy = Toy::new();
    let request = toy.start(post(json!({ "query": "{ atGate }" }).to_string()));
    toy.house.world.until_waiting(1).await;
    request.abort();
    toy.house.world.until_dropped(1).await;
}

#[tokio::test]
async fn a_mutation_goes_on_when_its_client_goes() {
    let toy = Toy::new();
    let request = toy.start(post(json!({ "query": "mutation { bumpAtGate }" }).to_string()));
    toy.house.world.until_waiting(1).await;
    request.abort();
    assert!(request.await.is_err_and(|error| error.is_cancelled()));
    let open_the_gate = async { toy.house.world.gate.add_permits(1) };
    join(toy.front.drained(), open_the_gate).await;
    assert_eq!(toy.house.world.bumps(), 1);
}
