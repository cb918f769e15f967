use std::sync::Arc;

use serde_json::{Value, json};
use tavern_domain::extension::Hook;

use super::*;
use crate::chain::Member;
use crate::testing::House;
use crate::testing::guest::Guest;

fn configured(house: &House, guest: &Guest, config: Value) -> Arc<Member> {
    let mut member = house.plain_member(Hook::Tool, &guest.build(), &[]);
    member.config = Arc::new(config);
    Arc::new(member)
}

#[tokio::test]
async fn a_guest_reads_a_setting_as_json_and_all_of_them() {
    let house = House::new();
    let all =
        Guest::tool("(call $all (i32.const 512)) (call $text (i32.load (i32.const 512)) (i32.load (i32.const 516)))")
            .import("config", "all", "(param i32)");
    let get = |key: &str| {
        Guest::tool(&format!(
            "(call $get (i32.const 1024) (i32.const {}) (i32.const 512))
             (if (result i32) (i32.load8_u (i32.const 512))
               (then (call $text (i32.load (i32.const 516)) (i32.load (i32.const 520))))
               (else (call $text (i32.const 1100) (i32.const 4))))",
            key.len()
        ))
        .import("config", "get", "(param i32 i32 i32)")
        .items(&format!(
            "(data (i32.const 1024) \"{key}\") (data (i32.const 1100) \"none\")"
        ))
    };
    let config = json!({"name": "Ann \"the\" Smith", "sides": [6, 20]});
    for (guest, config, expected) in [
        (&get("sides"), config.clone(), "[6,20]"),
        (&get("name"), config.clone(), "\"Ann \\\"the\\\" Smith\""),
        (&get("other"), config.clone(), "none"),
        (&get(""), config.clone(), "none"),
        (&get("0"), json!([1]), "none"),
        (&all, config.clone(), &config.to_string()),
        (&all, Value::Null, "{}"),
    ] {
        let called = house.says(&configured(&house, guest, config)).await;
        assert_eq!(called.result.as_deref(), Ok(expected));
        assert_eq!(called.host_calls, 1);
    }
}

#[tokio::test]
async fn a_key_counts_against_what_a_call_may_give_the_host() {
    let house = House::new();
    let mut state = house.state(&[]).await;
    let most = state.limits().transfer_bytes;
    assert!(state.get("x".repeat(most)).await.is_ok());
    assert!(state.get("x".into()).await.is_err());
}
