use serde_json::{Value, json};
use tavern_domain::extension::{KvScope, Outcome};

use super::{judge, unlike};
use crate::bench::Run;
use crate::case::{Expect, Values};

fn run(outcome: Outcome) -> Run {
    Run {
        outcome,
        edits: vec![json!({ "annotate": { "key": "mood", "value": "calm" } })],
        result: Value::Null,
        kv: Values::from([(KvScope::Chat, [("count".to_owned(), json!(3))].into())]),
        notes: Vec::new(),
        requests: Vec::new(),
        trace: None,
    }
}

fn expect(value: Value) -> Expect {
    serde_json::from_value(value).expect("an expectation")
}

#[test]
fn without_an_outcome_the_call_has_to_have_been_made() {
    assert!(judge(&Expect::default(), &run(Outcome::Ok)).is_empty());
    assert!(judge(&Expect::default(), &run(Outcome::Skipped)).is_empty());
    assert_eq!(
        judge(&Expect::default(), &run(Outcome::Trap)),
        ["outcome: expected ok or skipped, found trap"]
    );
    assert_eq!(judge(&Expect::default(), &run(Outcome::PoolBusy)).len(), 1);
    let trap = expect(json!({ "outcome": "trap" }));
    assert!(judge(&trap, &run(Outcome::Trap)).is_empty());
    assert_eq!(judge(&trap, &run(Outcome::Ok)).len(), 1);
}

#[test]
fn every_part_of_an_expectation_is_looked_at() {
    for (expected, at) in [
        (json!({ "edits": [] }), "edits"),
        (
            json!({ "edits": [{ "annotate": { "value": "wild" } }] }),
            "edits[0].annotate.value",
        ),
        (json!({ "result": 1 }), "result"),
        (json!({ "kv": { "chat": { "count": 4 } } }), "kv.chat.count"),
        (json!({ "kv": { "chat": { "count": null } } }), "kv.chat.count"),
        (json!({ "note": "left out" }), "note"),
    ] {
        let faults = judge(&expect(expected), &run(Outcome::Ok));
        assert!(
            faults.len() == 1 && faults[0].starts_with(&format!("{at}: ")),
            "{faults:?}"
        );
    }
    let right = json!({
        "edits": [{ "annotate": { "key": "mood" } }],
        "kv": { "chat": { "count": 3 }, "user": { "count": null } },
    });
    assert!(judge(&expect(right), &run(Outcome::Ok)).is_empty());
}

#[test]
fn a_call_that_gives_something_else_the_second_time_is_told() {
    let first = run(Outcome::Ok);
    assert_eq!(unlike(&first, &first.clone()), None);
    for (again, what) in [
        (run(Outcome::Trap), "outcome"),
        (
            Run {
                edits: Vec::new(),
                ..first.clone()
            },
            "edits",
        ),
        (
            Run {
                result: json!(1),
                ..first.clone()
            },
            "result",
        ),
        (
            Run {
                kv: Values::new(),
                ..first.clone()
            },
            "values",
        ),
    ] {
        let told = unlike(&first, &again).unwrap_or_default();
        assert!(told.contains(&format!("another {what} the second time")), "{told}");
    }
}
