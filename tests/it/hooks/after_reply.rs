//! What is said of a reply once it is stored.

use serde_json::{Value, json};

use super::noted;
use crate::support::{Said, Script, Stage, eventually};

const ALL: [&str; 4] = ["annotate", "suggest", "events", "variables"];

/// The trace of the call behind a reply; its effects follow.
async fn called(stage: &Stage, said: &Said) -> Value {
    stage.trace(&said.generation, "after-reply").await
}

#[tokio::test]
async fn annotations_suggestions_variables_and_events_come_behind_the_reply() {
    let effects = json!([
        { "annotate": ["mood", { "name": "calm", "strength": 0.5 }] },
        { "annotate": ["turn", 1] },
        { "suggest-reply": "Tell me more." },
        { "suggest-reply": "Good night." },
        { "set-variable": ["visits", "1"] },
        { "emit-event": ["scene", { "place": "harbour" }] },
    ]);
    let stage = Stage::new(&ALL, json!({ "after-reply": effects })).await;
    let mut socket = stage.watch().await;
    let said = stage.say("Hello?").await;
    assert_eq!(said.ended["message"]["content"], "Hello.");
    let event = loop {
        let event = socket.event().await["extensionEvents"].take();
        if event["kind"] == "custom" {
            break event;
        }
    };
    assert_eq!(
        (&event["name"], &event["payload"]),
        (&json!("scene"), &json!({ "place": "harbour" })),
        "{event:#}"
    );
    let annotations = eventually(async || Some(stage.annotations().await).filter(|said| *said != json!({}))).await;
    assert_eq!(
        annotations,
        json!({
            "acme/puppet": { "mood": { "name": "calm", "strength": 0.5 }, "turn": 1 },
            "suggestions": ["Tell me more.", "Good night."],
        })
    );
    let trace = called(&stage, &said).await;
    assert_eq!(
        (&trace["outcome"], &trace["edits"]),
        (&json!("ok"), &json!(6)),
        "{trace:#}"
    );
    assert_eq!(stage.session("variables").await, json!({ "visits": "1" }));

    // What was said of a reply goes with it, as the reply does.
    stage.configure(json!({})).await;
    stage.swipe().await;
    assert_eq!(stage.session("variables").await, json!({}));
}

#[tokio::test]
async fn effects_that_are_not_granted_are_left_out_one_by_one() {
    let effects = json!([
        { "annotate": ["mood", "calm"] },
        { "suggest-reply": "Tell me more." },
        { "set-variable": ["visits", "1"] },
        { "emit-event": ["scene", 1] },
    ]);
    let stage = Stage::new(&["annotate"], json!({ "after-reply": effects })).await;
    let said = stage.say("Hello?").await;
    let annotations = eventually(async || Some(stage.annotations().await).filter(|said| *said != json!({}))).await;
    assert_eq!(annotations, json!({ "acme/puppet": { "mood": "calm" } }));
    let trace = called(&stage, &said).await;
    assert_eq!(trace["edits"], 1, "{trace:#}");
    for permission in ["suggest", "variables", "events"] {
        assert!(
            noted(&trace, &format!("needs the permission `{permission}`")),
            "{trace:#}"
        );
    }
    assert_eq!(stage.session("variables").await, json!({}));
    let logs = stage.logs().await;
    assert!(logs.iter().all(|line| line["event"]["kind"] != "custom"), "{logs:#?}");
}

#[tokio::test]
async fn nothing_is_said_of_a_reply_that_did_not_come() {
    let stage = Stage::new(&ALL, json!({ "after-reply": [{ "annotate": ["turn", 1] }] })).await;
    stage.fake.next(Script::Fail(400)).await;
    let failed = stage.say("Hello?").await;
    assert_eq!(failed.ended["status"], "FAILED");
    // The next reply is told of, so that the one before would have been.
    let said = stage.say("Hello?").await;
    called(&stage, &said).await;
    let traces = stage.traces(&failed.generation).await;
    assert!(traces.iter().all(|trace| trace["hook"] != "after-reply"), "{traces:#?}");
}

#[tokio::test]
async fn annotations_and_suggestions_belong_to_the_swipe_they_were_made_for() {
    const SELECT: &str = "mutation($m: ID!, $n: Int!) { selectSwipe(input: { messageId: $m, index: $n }) { message { annotations } userErrors { message field code } } }";
    let effects = |turn: u32| json!({ "after-reply": [{ "annotate": ["turn", turn] }, { "suggest-reply": format!("After {turn}.") }] });
    let expected = |turn: u32| json!({ "acme/puppet": { "turn": turn }, "suggestions": [format!("After {turn}.")] });
    let stage = Stage::new(&ALL, effects(1)).await;
    let said = stage.say("Hello?").await;
    let annotated = async |turn| eventually(async || (stage.annotations().await == expected(turn)).then_some(())).await;
    annotated(1).await;
    stage.configure(effects(2)).await;
    stage.swipe().await;
    annotated(2).await;
    for (index, turn) in [(0, 1), (1, 2)] {
        let variables = json!({ "m": said.ended["message"]["id"], "n": index });
        let mut shown = stage.client.data(SELECT, variables).await;
        assert_eq!(shown["selectSwipe"]["message"]["annotations"].take(), expected(turn));
        assert_eq!(stage.annotations().await, expected(turn));
    }
    // A swipe that nothing was said of has nothing of its neighbours.
    stage.configure(json!({})).await;
    let (_, generation) = stage.swipe().await;
    stage.trace(&generation, "after-reply").await;
    assert_eq!(stage.annotations().await, json!({}));
}

#[tokio::test]
async fn annotations_have_so_much_room_and_a_note_says_what_did_not_fit() {
    let fill = |sizes: &[usize]| {
        let fills = sizes.iter().enumerate();
        let fills: Vec<_> = fills
            .map(|(index, bytes)| json!({ "fill-annotation": [format!("k{index}"), bytes] }))
            .collect();
        json!({ "after-reply": fills })
    };
    let stage = Stage::new(&ALL, fill(&[30_000, 30_000])).await;
    let said = stage.say("Hello?").await;
    eventually(async || {
        let annotations = stage.annotations().await;
        annotations["acme/puppet"]["k1"]
            .as_str()
            .filter(|text| text.len() == 30_000)
            .map(|_| ())
    })
    .await;
    assert_eq!(called(&stage, &said).await["notes"], json!([]));

    stage.configure(fill(&[30_000, 30_000, 10_000, 100])).await;
    let said = stage.say("Hello?").await;
    let trace = called(&stage, &said).await;
    assert!(
        noted(&trace, "annotate: the annotations of a reply have no room for it"),
        "{trace:#}"
    );
    let annotations = eventually(async || Some(stage.annotations().await).filter(|said| *said != json!({}))).await;
    let keys: Vec<_> = annotations["acme/puppet"]
        .as_object()
        .expect("annotations")
        .keys()
        .collect();
    assert_eq!(keys, ["k0", "k1", "k3"]);
}

#[tokio::test]
async fn messages_are_shown_with_history_alone_and_names_with_the_persona() {
    let stage = Stage::new(&[], json!({ "tells": ["after-reply", "before-prompt"] })).await;
    let shown = async |grants: &[&str]| -> (Value, Value) {
        stage.grant(grants).await;
        stage.fake.next(Script::Say(vec!["A quiet answer."])).await;
        let said = stage.say("A loud question.").await;
        let mut told = Vec::new();
        for hook in ["before-prompt", "after-reply"] {
            let trace = stage.trace(&said.generation, hook).await;
            let line = trace["log"][0].as_str().expect("a line").to_owned();
            let json = line.split_once('{').expect("JSON").1;
            told.push(serde_json::from_str(&format!("{{{json}")).expect("JSON"));
        }
        (told.remove(0), told.remove(0))
    };

    let (before, after) = shown(&[]).await;
    assert_eq!((&before["user"], &before["history"]), (&json!(""), &json!([])));
    assert_eq!(
        (&after["history"], &after["user"]["text"], &after["reply"]["text"]),
        (&json!([]), &json!(""), &json!("")),
        "{after:#}"
    );
    assert!(!after.to_string().contains("player"), "{after:#}");

    let (before, after) = shown(&["history:1"]).await;
    assert_eq!(before["history"][0]["text"], "A loud question.");
    assert_eq!(after["user"]["text"], "A loud question.");
    assert_eq!(after["reply"]["text"], "A quiet answer.");
    for told in [&before, &after] {
        assert!(!told.to_string().contains("player"), "{told:#}");
    }

    let (before, after) = shown(&["history:2", "persona"]).await;
    assert_eq!(before["user"], "player");
    assert_eq!(
        before["history"],
        json!([
            { "name": "Tester", "text": "A quiet answer." },
            { "name": "player", "text": "A loud question." },
        ])
    );
    assert_eq!(after["user"], json!({ "name": "player", "text": "A loud question." }));
    assert_eq!(after["history"].as_array().map(Vec::len), Some(2));
}
