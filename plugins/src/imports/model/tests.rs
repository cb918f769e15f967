use std::sync::Arc;

use tavern_domain::extension::Hook;

use super::*;
use crate::bindings::tavern::extension::model::PromptMessage;
use crate::testing::House;
use crate::testing::guest::Guest;

fn house() -> House {
    let house = House::new();
    *house.ports.completion.lock() = Some("Once upon a time".into());
    house
}

fn request(max_tokens: u32) -> Request {
    Request {
        messages: vec![PromptMessage {
            role: Role::User,
            text: "Go on.".into(),
        }],
        max_tokens,
        temperature: None,
    }
}

async fn asked(state: &mut State, request: Request) -> Result<Completion, ModelError> {
    state.complete(request).await.expect("no trap")
}

/// A guest that asks for so many tokens, and says what it got: `=` and the text, or the number of the error.
fn asking(max_tokens: u32) -> Vec<u8> {
    Guest::tool(&format!(
        r#"(i32.store8 (i32.const 1024) (i32.const 1))
        (i32.store (i32.const 1028) (i32.const 1100)) (i32.store (i32.const 1032) (i32.const 6))
        (call $complete (i32.const 1024) (i32.const 1) (i32.const {max_tokens}) (i32.const 0) (f32.const 0) (i32.const 512))
        (if (result i32) (i32.load8_u (i32.const 512))
          (then
            (i32.store8 (i32.const 2048) (i32.add (i32.const 48) (i32.load8_u (i32.const 520))))
            (call $text (i32.const 2048) (i32.const 1)))
          (else
            (i32.store8 (i32.const 2048) (i32.const 61))
            (memory.copy (i32.const 2049) (i32.load (i32.const 520)) (i32.load (i32.const 524)))
            (call $text (i32.const 2048) (i32.add (i32.const 1) (i32.load (i32.const 524))))))"#
    ))
    .import("model", "complete", "(param i32 i32 i32 i32 f32 i32)")
    .items("(data (i32.const 1100) \"Go on.\")")
    .build()
}

#[tokio::test]
async fn a_guest_has_what_was_granted_for_a_day_and_not_a_token_more() {
    let house = house();
    for (granted, max_tokens, expected) in [
        (&[][..], 1, "0"),
        (&["model:100"], 101, "1"),
        (&["model:100"], 60, "=Once upon a time"),
        (&["model:100"], 41, "1"),
        (&["model:50", "model:100"], 40, "=Once upon a time"),
        (&["model:100"], 1, "1"),
    ] {
        let member = house.member(Hook::Tool, &asking(max_tokens), granted);
        let called = house.says(&member).await;
        assert_eq!(called.result.as_deref(), Ok(expected), "{granted:?} {max_tokens}");
    }
    house.assert_all_free();
}

#[tokio::test]
async fn what_was_used_and_what_is_left_is_told() {
    let house = house();
    let mut state = house.state(&["model:100"]).await;
    let reply = asked(&mut state, request(70)).await.expect("it fits");
    assert_eq!((reply.text.as_str(), reply.budget_left), ("Once upon a time", 30));
    assert!(matches!(asked(&mut state, request(31)).await, Err(ModelError::Budget)));
    assert_eq!(
        asked(&mut state, request(30)).await.map(|reply| reply.budget_left).ok(),
        Some(0)
    );
}

#[tokio::test]
async fn a_request_has_bounds_on_both_sides() {
    let house = house();
    let mut state = house.state(&["model:1000000"]).await;
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = request(1);
        change(&mut request);
        request
    };
    let messages = |count: usize| with(&|request| request.messages = vec![request.messages[0].clone(); count]);
    let bytes = state.limits().result_bytes;
    let text = |bytes: usize| with(&|request| request.messages[0].text = "x".repeat(bytes));
    let heat = |heat: f32| with(&|request| request.temperature = Some(heat));
    for fits in [messages(MESSAGES), text(bytes), heat(0.0), heat(2.0)] {
        assert!(asked(&mut state, fits).await.is_ok());
    }
    for large in [messages(MESSAGES + 1), text(bytes + 1)] {
        assert!(matches!(asked(&mut state, large).await, Err(ModelError::TooLarge)));
    }
    for (wrong, why) in [
        (messages(0), "needs a message"),
        (with(&|request| request.max_tokens = 0), "max-tokens"),
        (heat(2.1), "temperature"),
        (heat(-0.1), "temperature"),
        (heat(f32::NAN), "temperature"),
        (with(&|request| request.messages[0].role = Role::Tool), "`tool`"),
    ] {
        match asked(&mut state, wrong).await {
            Err(ModelError::Unavailable(told)) => assert!(told.contains(why), "{told}"),
            other => panic!("{why}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn where_there_is_no_model_the_guest_is_told_so() {
    let house = House::new();
    let mut state = house.state(&["model:100"]).await;
    let failed = asked(&mut state, request(1)).await;
    assert!(matches!(failed, Err(ModelError::Unavailable(_))), "{failed:?}");
    let member = house.member(Hook::Tool, &asking(1), &["model:100"]);
    assert_eq!(house.says(&Arc::clone(&member)).await.result.as_deref(), Ok("4"));
}
