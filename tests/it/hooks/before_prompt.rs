//! Sampling, stopped turns and variables.

use serde_json::{Value, json};

use super::noted;
use crate::support::{Script, Stage, says};

fn sampling(pairs: &[(&str, &str)]) -> Value {
    let edits: Vec<_> = pairs.iter().map(|pair| json!({ "set-sampling": pair })).collect();
    json!({ "before-prompt": edits })
}

#[tokio::test]
async fn sampling_is_what_the_model_is_asked_with_unless_the_user_has_chosen() {
    let wishes = [
        ("temperature", "0.25"),
        ("top-p", "0.5"),
        ("top-k", "40"),
        ("frequency-penalty", "-1.5"),
        ("max-tokens", "50"),
        ("stop", "###"),
    ];
    let stage = Stage::new(&["sampling"], sampling(&wishes)).await;
    let said = stage.say("Hello?").await;
    let sent = stage.sent().await;
    for (field, value) in [
        ("temperature", json!(0.25)),
        ("top_p", json!(0.5)),
        ("top_k", json!(40)),
        ("frequency_penalty", json!(-1.5)),
        ("max_tokens", json!(50)),
    ] {
        assert_eq!(sent[field], value, "{field}: {sent:#}");
    }
    let stops = |sent: &Value| sent["stop"].as_array().cloned().unwrap_or_default();
    assert!(stops(&sent).contains(&json!("###")), "{sent:#}");
    assert_eq!(stage.trace(&said.generation, "before-prompt").await["edits"], 6);

    let chosen = json!({ "temperature": 0.75, "topK": 7, "maxTokens": 20, "stop": ["END"] });
    stage.say_with("Hello?", chosen).await;
    let sent = stage.sent().await;
    for (field, value) in [
        ("temperature", json!(0.75)),
        ("top_p", json!(0.5)),
        ("top_k", json!(7)),
        ("max_tokens", json!(20)),
    ] {
        assert_eq!(sent[field], value, "{field}: {sent:#}");
    }
    let stops = stops(&sent);
    assert!(
        stops.contains(&json!("END")) && stops.contains(&json!("###")),
        "one does not take the other's place: {sent:#}"
    );
}

#[tokio::test]
async fn sampling_that_is_out_of_bounds_or_not_granted_is_left_out() {
    let at_the_edge = [("temperature", "5"), ("top-p", "1"), ("presence-penalty", "-2")];
    let stage = Stage::new(&["sampling"], sampling(&at_the_edge)).await;
    stage.say("Hello?").await;
    let sent = stage.sent().await;
    assert_eq!(
        (&sent["temperature"], &sent["top_p"], &sent["presence_penalty"]),
        (&json!(5.0), &json!(1.0), &json!(-2.0)),
        "{sent:#}"
    );

    let beyond = [
        ("temperature", "5.1"),
        ("top-p", "1.1"),
        ("presence-penalty", "-2.1"),
        ("top-k", "many"),
        ("mirostat", "2"),
    ];
    stage.configure(sampling(&beyond)).await;
    let said = stage.say("Hello?").await;
    let sent = stage.sent().await;
    for field in ["temperature", "top_p", "presence_penalty", "top_k", "mirostat"] {
        assert_eq!(sent.get(field), None, "{sent:#}");
    }
    let trace = stage.trace(&said.generation, "before-prompt").await;
    assert!(noted(&trace, "`top-k` is a number"), "{trace:#}");
    assert!(noted(&trace, "`mirostat` cannot be set"), "{trace:#}");

    stage.configure(sampling(&at_the_edge)).await;
    stage.grant(&[]).await;
    let said = stage.say("Hello?").await;
    let sent = stage.sent().await;
    assert_eq!(sent.get("temperature"), None, "{sent:#}");
    let trace = stage.trace(&said.generation, "before-prompt").await;
    assert_eq!(trace["edits"], 0);
    assert!(noted(&trace, "needs the permission `sampling`"), "{trace:#}");
}

#[tokio::test]
async fn a_stopped_turn_tells_why_and_leaves_nothing_but_the_question() {
    let config = json!({ "before-prompt": [{ "set-variable": ["mood", "cross"] }, { "abort": "Not today." }] });
    let stage = Stage::new(&["abort", "variables"], config).await;
    let said = stage.say("Hello?").await;
    assert_eq!(said.ended["status"], "FAILED", "{:#}", said.ended);
    assert_eq!(
        said.ended["error"],
        json!({ "code": "PLUGIN_ERROR", "message": "acme/puppet: Not today.", "retryable": false })
    );
    assert_eq!(said.ended["usage"], Value::Null);
    assert!(stage.fake.requests().await.is_empty(), "the model was not asked");
    let query = "query($g: ID!) { generation(id: $g) { status text usage { promptTokens } attempts { number } error { code message } } }";
    let kept = stage.client.data(query, json!({ "g": said.generation })).await;
    assert_eq!(
        kept["generation"],
        json!({
            "status": "FAILED", "text": "", "usage": null, "attempts": [],
            "error": { "code": "PLUGIN_ERROR", "message": "acme/puppet: Not today." },
        })
    );
    assert_eq!(stage.session("totalTokens").await, "0");
    assert_eq!(stage.session("variables").await, json!({}));
    let messages = stage.session("messages(last: 9) { nodes { content } }").await;
    let contents: Vec<_> = messages["nodes"].as_array().expect("messages").iter().collect();
    let written: Vec<_> = contents
        .iter()
        .map(|message| &message["content"])
        .filter(|text| *text != "")
        .collect();
    assert_eq!(
        written,
        [&json!("*waves* Hello, player."), &json!("Hello?")],
        "{messages:#}"
    );
    let trace = stage.trace(&said.generation, "before-prompt").await;
    assert_eq!(
        (&trace["outcome"], &trace["edits"]),
        (&json!("ok"), &json!(2)),
        "{trace:#}"
    );

    let looked = stage.try_preview(json!({ "content": "Hello?" })).await;
    let error = &looked["errors"][0];
    assert_eq!(error["extensions"]["code"], "PLUGIN_ERROR", "{looked:#}");
    assert_eq!(error["message"], "acme/puppet: Not today.");

    // The next turn is another one; and who may not stop turns stops none.
    stage.grant(&["variables"]).await;
    let said = stage.say("And now?").await;
    assert_eq!(said.ended["status"], "COMPLETED", "{:#}", said.ended);
    let trace = stage.trace(&said.generation, "before-prompt").await;
    assert!(noted(&trace, "abort: needs the permission `abort`"), "{trace:#}");
}

#[tokio::test]
async fn variables_are_kept_with_the_reply_and_go_with_it() {
    let mood = |mood: &str| json!({ "before-prompt": [{ "set-variable": ["mood", mood] }] });
    let stage = Stage::new(&["variables"], mood("calm")).await;
    let entry = json!({ "constant": true, "content": "The mood is {{getvar::mood}}." });
    super::lore::book(&stage, &[entry]).await;

    assert!(says(
        &stage.preview(json!({ "content": "Hello?" })).await,
        "The mood is calm."
    ));
    assert_eq!(stage.session("variables").await, json!({}), "a look changes nothing");
    stage.fake.next(Script::Fail(400)).await;
    assert_eq!(stage.say("Hello?").await.ended["status"], "FAILED");
    assert_eq!(stage.session("variables").await, json!({}), "nothing came of it");

    stage.say("Hello?").await;
    let sent = stage.sent().await;
    assert!(says(&sent, "The mood is calm."), "{sent:#}");
    assert_eq!(stage.session("variables").await, json!({ "mood": "calm" }));

    stage
        .configure(json!({ "before-prompt": [{ "set-variable": ["weather", "rain"] }] }))
        .await;
    stage.swipe().await;
    let sent = stage.sent().await;
    assert!(!says(&sent, "calm"), "{sent:#}");
    assert_eq!(
        stage.session("variables").await,
        json!({ "weather": "rain" }),
        "what the reply before it has set is gone with it"
    );
    stage.configure(mood("merry")).await;
    stage.say("And now?").await;
    assert_eq!(
        stage.session("variables").await,
        json!({ "mood": "merry", "weather": "rain" })
    );

    stage.configure(mood("angry")).await;
    stage.grant(&[]).await;
    let said = stage.say("And then?").await;
    assert_eq!(stage.session("variables").await["mood"], "merry");
    let trace = stage.trace(&said.generation, "before-prompt").await;
    assert!(noted(&trace, "needs the permission `variables`"), "{trace:#}");
}

#[tokio::test]
async fn a_failing_extension_is_left_out_of_the_turn() {
    for (how, outcome) in [("error", "guest_error"), ("trap", "trap")] {
        let config =
            json!({ "fails": { "before-prompt": how }, "before-prompt": [{ "note": "The puppet was here." }] });
        let stage = Stage::new(&["prompt.insert"], config).await;
        let said = stage.say("Hello?").await;
        assert_eq!(said.ended["status"], "COMPLETED", "{:#}", said.ended);
        assert!(!says(&stage.sent().await, "puppet"));
        let trace = stage.trace(&said.generation, "before-prompt").await;
        assert_eq!((&trace["outcome"], &trace["edits"]), (&json!(outcome), &json!(0)));
        let told = [&trace["notes"], &trace["log"]].map(ToString::to_string).concat();
        assert!(told.contains("as it was told"), "{trace:#}");
    }
}
