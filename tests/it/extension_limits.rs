//! What an account may publish and keep of extensions, on both sides of each limit.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Author, CONFIGURE, Draft, INSTALL, PUBLISH, Tavern, done, installed, publish, published, run, user_errors,
    with_lantern_on,
};

#[tokio::test]
async fn an_account_publishes_under_so_many_names() {
    let (_tavern, maker, author) = with_lantern_on(|config| config.limits.publishers_per_user = 2).await;
    let under = |id| Draft { id, ..Draft::default() };
    published(&maker, &author, &under("bolt/beacon")).await;
    let refused = publish(&maker, &author, &under("coal/candle")).await;
    assert_eq!(user_errors(&refused), ["QUOTA_EXCEEDED package"], "{refused:#}");
    // Names it has count once.
    published(&maker, &author, &under("bolt/torch")).await;
}

#[tokio::test]
async fn an_account_sends_so_many_packages_an_hour() {
    let (tavern, maker, author) = with_lantern_on(|config| config.limits.publications_per_hour = 2).await;
    // The same version once more: what is refused counts as well.
    let second = publish(&maker, &author, &Draft::default()).await;
    assert_eq!(user_errors(&second), ["CONFLICT package"], "{second:#}");
    let next = Draft {
        version: "1.0.1",
        ..Draft::default()
    };
    let package = author.package(&next);
    let third = maker.upload_with(PUBLISH, json!({}), "extension.tavext", package).await;
    let refused = &third["errors"][0]["extensions"];
    assert_eq!(refused["code"], "RATE_LIMITED", "{third:#}");
    assert!(
        refused["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0),
        "{third:#}"
    );
    // Everybody has an hour of their own.
    let other = tavern.user("other").await;
    published(
        &other,
        &Author::new(),
        &Draft {
            id: "bolt/beacon",
            ..Draft::default()
        },
    )
    .await;
}

#[tokio::test]
async fn a_publisher_has_so_many_keys() {
    const ROTATE: &str = "mutation($k: String!, $s: String!) { rotatePublisherKey(input: { publisher: \"acme\", publicKey: $k, signature: $s }) { publisher { keys { keyId } } userErrors { message field code } } }";
    let (_tavern, maker, author) = with_lantern_on(|config| config.limits.publisher_keys = 2).await;
    let add = async || -> Value {
        let key = Author::new().public_key();
        let signature = author.sign(format!("acme {key}").as_bytes(), "");
        let mut data = maker.data(ROTATE, json!({ "k": key, "s": signature })).await;
        data["rotatePublisherKey"].take()
    };
    let second = add().await;
    assert_eq!(
        second["publisher"]["keys"].as_array().map(Vec::len),
        Some(2),
        "{second:#}"
    );
    let third = add().await;
    assert_eq!(user_errors(&third), ["QUOTA_EXCEEDED publicKey"], "{third:#}");
}

#[tokio::test]
async fn an_extension_has_so_many_versions() {
    let (_tavern, maker, author) = with_lantern_on(|config| config.limits.extension_versions = 2).await;
    let of = |version| Draft {
        version,
        ..Draft::default()
    };
    published(&maker, &author, &of("1.0.1")).await;
    let refused = publish(&maker, &author, &of("1.0.2")).await;
    assert_eq!(user_errors(&refused), ["QUOTA_EXCEEDED package"], "{refused:#}");
}

#[tokio::test]
async fn a_secret_has_so_many_bytes() {
    let tavern = Tavern::with(|config| config.limits.extension_secret_bytes = 8).await;
    let client = tavern.user("player").await;
    let draft = Draft {
        permissions: "\"http:api.example.org\" = \"To ask for the colour.\"\n\"secret:api-key\" = \"To be let in.\"",
        more: "[[secrets]]\nname = \"api-key\"\ntitle = \"Key\"\nhosts = [\"api.example.org\"]\nheader = \"x-key\"",
        ..Draft::default()
    };
    published(&client, &Author::new(), &draft).await;
    let with = |value: &str| json!({ "name": "acme/lantern", "grants": [], "secrets": [{ "name": "api-key", "value": value }] });
    for wrong in ["ninebytes", "", "two\nln"] {
        let refused = run(&client, INSTALL, with(wrong)).await;
        assert_eq!(user_errors(&refused), ["BAD_USER_INPUT secrets"], "{refused:#}");
    }
    let made = done(&client, INSTALL, with("8 bytes!")).await;
    assert_eq!(made["secrets"][0]["isSet"], true);
    let set = |value: &str| json!({ "id": made["id"], "secrets": [{ "name": "api-key", "value": value }] });
    let refused = run(&client, CONFIGURE, set("ninebytes")).await;
    assert_eq!(user_errors(&refused), ["BAD_USER_INPUT secrets"], "{refused:#}");
    done(&client, CONFIGURE, set("another1")).await;
}

#[tokio::test]
async fn so_many_lines_of_an_installation_are_kept_and_the_oldest_goes() {
    let (tavern, ..) = with_lantern_on(|config| config.limits.extension_log_lines = 2).await;
    let client = tavern.user("player").await;
    let id = installed(&client).await["id"].clone();
    // Lines are stored beside what happens, so a moment later.
    let kept = async |expected: [&str; 2]| {
        let query = "query($id: ID!) { node(id: $id) { ... on Installation { logs(first: 10) { event } } } }";
        let mut seen = Value::Null;
        for _ in 0..400 {
            seen = client.data(query, json!({ "id": id })).await["node"]["logs"].take();
            let lines: Vec<_> = seen.as_array().into_iter().flatten().collect();
            let what: Vec<_> = lines.iter().filter_map(|line| line["event"]["what"].as_str()).collect();
            if what == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not {expected:?}: {seen:#}");
    };
    let set = async |priority: i32| done(&client, CONFIGURE, json!({ "id": id, "priority": priority })).await;
    set(1).await;
    kept(["installed", "configured"]).await;
    set(2).await;
    kept(["configured", "configured"]).await;
}
