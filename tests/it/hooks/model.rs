//! The model, called by extensions out of their own budget.

use serde_json::{Value, json};

use crate::support::{Script, Stage, says, text};

const TEXT: &str = "Sum it up in a word.";
/// What a message takes besides its text.
const PER_MESSAGE: u64 = 4;
/// What the model says a call took.
const USED: u64 = 11 + 7;

fn asking(max_tokens: u64) -> Value {
    json!({ "model": { "text": TEXT, "max-tokens": max_tokens } })
}

/// A number behind a name in the line that the model's answer stands in.
fn figure(sent: &Value, name: &str) -> u64 {
    let sent = sent.to_string();
    let (_, rest) = sent
        .split_once(&format!("{name}="))
        .unwrap_or_else(|| panic!("no {name} in {sent}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

#[tokio::test]
async fn the_model_answers_as_long_as_the_budget_of_the_day_suffices() {
    let stage = Stage::new(&["model:60", "prompt.insert"], asking(8)).await;
    stage.fake.next(Script::Say(vec!["Storm."])).await;
    let said = stage.say("Hello?").await;
    assert_eq!(said.ended["message"]["content"], "Hello.");
    let requests = stage.fake.requests().await;
    let [own, turn] = &requests[..] else {
        panic!("two requests: {requests:#?}");
    };
    assert_eq!(own["messages"], json!([{ "role": "user", "content": TEXT }]), "{own:#}");
    assert_eq!(own["max_tokens"], 8);
    assert!(says(turn, "model: Storm."), "{turn:#}");
    let left = 60 - USED;
    assert_eq!(figure(turn, "left"), left);
    let prompt = figure(turn, "counted") + PER_MESSAGE;

    // What is asked for has to be there before it is asked.
    let asked = async |max_tokens: u64| {
        stage.configure(asking(max_tokens)).await;
        let before = stage.fake.requests().await.len();
        stage.say("Hello?").await;
        let requests = stage.fake.requests().await;
        (requests.len() - before, requests.last().cloned().expect("a request"))
    };
    let (requests, turn) = asked(left - prompt + 1).await;
    assert_eq!(requests, 1, "the model is asked for the reply alone");
    assert!(says(&turn, "Budget"), "{turn:#}");
    let (requests, turn) = asked(left - prompt).await;
    assert_eq!(requests, 2);
    assert_eq!(figure(&turn, "left"), left - USED);

    // It is the installation's, and not the chat's.
    let told = text(&stage.session("totalTokens").await, &Value::Null);
    assert_eq!(told, (3 * USED).to_string());
}

#[tokio::test]
async fn whoever_has_no_budget_does_not_ask_the_model() {
    let stage = Stage::new(&["prompt.insert"], asking(8)).await;
    stage.say("Hello?").await;
    let requests = stage.fake.requests().await;
    assert_eq!(requests.len(), 1);
    assert!(says(&requests[0], "Denied"), "{:#}", requests[0]);
}
