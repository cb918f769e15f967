//! What every answer has in common.

use std::collections::HashSet;

use tavern_gateway::Origins;
use tavern_gateway::layers::Edge;

use crate::client::Site;

const APP: &str = "https://app.example";

fn open_to_app() -> Site {
    let edge = Edge {
        origins: Origins::parse(&[APP]).expect("an origin"),
        hsts: false,
    };
    Site::with(|_| {}, &edge)
}

#[tokio::test]
async fn a_request_id_comes_back_and_one_is_made_where_none_came() {
    let site = Site::new();
    assert_eq!(
        site.get("/", &[("x-request-id", "from-a_proxy-1")])
            .await
            .header("x-request-id"),
        "from-a_proxy-1"
    );
    let made: HashSet<String> = [
        site.get("/", &[]).await,
        site.get("/", &[("x-request-id", "in jection")]).await,
        site.get("/nowhere", &[]).await,
    ]
    .iter()
    .map(|answer| answer.header("x-request-id").to_owned())
    .collect();
    assert!(
        made.len() == 3 && made.iter().all(|id| !id.is_empty() && !id.contains(' ')),
        "{made:?}"
    );
}

#[tokio::test]
async fn a_handler_that_panics_gives_an_answer_without_its_secret_and_the_connection_lives() {
    let site = Site::new();
    let mut client = site.connect().await;
    let answer = client.get("/panic", &[]).await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.text().contains("INTERNAL_SERVER_ERROR") && !answer.text().contains("secret"),
        "{}",
        answer.text()
    );
    assert_eq!(client.get("/", &[]).await.status, 200);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_even_one_of_a_panic_or_of_nowhere() {
    let site = Site::new();
    for path in ["/", "/nowhere", "/panic"] {
        let answer = site.get(path, &[]).await;
        assert!(
            answer.header("content-security-policy").contains("default-src 'none'"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_ne!(answer.header("permissions-policy"), "", "{path}");
    }
}

#[tokio::test]
async fn the_playground_may_load_its_own_scripts_and_none_inline() {
    let site = Site::new();
    let policy = site
        .get("/playground", &[])
        .await
        .header("content-security-policy")
        .to_owned();
    assert!(
        policy.contains("script-src 'self'") && policy.contains("connect-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn browsers_are_bound_to_tls_only_where_the_operator_says_so() {
    assert_eq!(Site::new().get("/", &[]).await.header("strict-transport-security"), "");
    let bound = Site::with(
        |_| {},
        &Edge {
            hsts: true,
            ..Edge::default()
        },
    );
    assert!(
        bound
            .get("/", &[])
            .await
            .header("strict-transport-security")
            .contains("max-age=")
    );
}

#[tokio::test]
async fn a_listed_origin_may_read_answers_and_no_other() {
    let site = open_to_app();
    assert_eq!(
        site.get("/", &[("origin", APP)])
            .await
            .header("access-control-allow-origin"),
        APP
    );
    for foreign in ["https://evil.example", "null", "https://app.example.evil"] {
        assert_eq!(
            site.get("/", &[("origin", foreign)])
                .await
                .header("access-control-allow-origin"),
            "",
            "{foreign}"
        );
    }
}

#[tokio::test]
async fn without_a_list_no_foreign_origin_may_read_answers() {
    assert_eq!(
        Site::new()
            .get("/", &[("origin", APP)])
            .await
            .header("access-control-allow-origin"),
        ""
    );
}

#[tokio::test]
async fn a_preflight_allows_tokens_in_headers_for_hours_and_never_credentials() {
    let site = open_to_app();
    let mut client = site.connect().await;
    client
        .ask(
            "OPTIONS",
            "/",
            &[
                ("origin", APP),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "authorization"),
            ],
        )
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (
            answer.status,
            answer.header("access-control-allow-origin"),
            answer.header("access-control-max-age")
        ),
        (200, APP, "7200")
    );
    assert!(answer.header("access-control-allow-headers").contains("authorization"));
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn long_text_is_compressed_for_those_who_ask() {
    let site = Site::new();
    for encoding in ["gzip", "br"] {
        let answer = site.get("/large", &[("accept-encoding", encoding)]).await;
        assert_eq!(answer.header("content-encoding"), encoding);
        assert!(answer.body.len() < 1_000);
    }
}

#[tokio::test]
async fn short_text_and_text_nobody_wants_compressed_go_as_they_are() {
    let site = Site::new();
    let short = site.get("/", &[("accept-encoding", "gzip")]).await;
    assert_eq!((short.header("content-encoding"), short.text()), ("", "hello"));
    let plain = site.get("/large", &[]).await;
    assert_eq!(
        (
            plain.header("content-encoding"),
            plain.header("content-length"),
            plain.body.len()
        ),
        ("", "4003", 4003)
    );
}
