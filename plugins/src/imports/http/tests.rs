//! Guests that send requests, to a server on this machine.

use std::fmt::{Debug, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tavern_domain::extension::{Hook, Outcome};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;
use crate::chain::{Chain, Member};
use crate::manifest::{SecretDeclaration, ToolDeclaration};
use crate::settings::PluginLimits;
use crate::testing::House;
use crate::testing::guest::Guest;
use crate::testing::server::Server;

const SEND: &str = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";

fn house(change: impl FnOnce(&mut PluginLimits)) -> House {
    House::with(|settings| {
        settings.allow_loopback = true;
        settings.limits.http_ms = 20_000;
        settings.limits.wall_http_ms = 20_000;
        change(&mut settings.limits);
    })
}

/// A guest that sends this so many times, and says what became of the last one: `=` and the body, or the number of
/// the error and its text.
fn asking(url: &str, auth: Option<&str>, times: u32) -> Vec<u8> {
    let (is_with, name) = (i32::from(auth.is_some()), auth.unwrap_or_default());
    let body = format!(
        r#"(local $sent i32)
        (loop $again
          (call $send (i32.const 1024) (i32.const 3) (i32.const 1100) (i32.const {})
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const {is_with}) (i32.const 1300) (i32.const {}) (i32.const 0) (i32.const 512))
          (local.set $sent (i32.add (local.get $sent) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $sent) (i32.const {times}))))
        (if (result i32) (i32.load8_u (i32.const 512))
          (then
            (i32.store8 (i32.const 2048) (i32.add (i32.const 48) (i32.load8_u (i32.const 516))))
            (memory.copy (i32.const 2049) (i32.load (i32.const 520)) (i32.load (i32.const 524)))
            (call $text (i32.const 2048) (i32.add (i32.const 1) (i32.load (i32.const 524)))))
          (else
            (i32.store8 (i32.const 2048) (i32.const 61))
            (memory.copy (i32.const 2049) (i32.load (i32.const 528)) (i32.load (i32.const 532)))
            (call $text (i32.const 2048) (i32.add (i32.const 1) (i32.load (i32.const 532))))))"#,
        url.len(),
        name.len(),
    );
    Guest::tool(&body)
        .import("http", "send", SEND)
        .items(&format!(
            r#"(data (i32.const 1024) "GET") (data (i32.const 1100) "{url}") (data (i32.const 1300) "{name}")"#
        ))
        .build()
}

async fn said(house: &House, guest: &[u8], granted: &[&str]) -> String {
    let called = house.says(&house.member(Hook::Tool, guest, granted)).await;
    called.result.expect("it answers whatever became of it")
}

#[tokio::test]
async fn a_guest_gets_the_answer_of_a_host_it_may_ask_and_of_no_other() {
    let house = house(|_| {});
    let server = Server::with_body(b"hello").await;
    let guest = asking(&server.url(), None, 1);
    assert_eq!(said(&house, &guest, &["http:127.0.0.1"]).await, "=hello");
    assert!(server.last.lock().starts_with("GET / HTTP/1.1"));
    for granted in [&[][..], &["http:example.org", "http:*.0.0.1"], &["kv:chat"]] {
        let said = said(&house, &guest, granted).await;
        assert!(said.starts_with('0'), "it is denied: {said}");
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
    house.assert_all_free();
}

#[tokio::test]
async fn what_failed_is_told_apart() {
    let house = house(|limits| limits.http_response_bytes = 1_000);
    let full = Server::with_body(&[b'a'; 1_000]).await;
    let over = Server::with_body(&[b'a'; 1_001]).await;
    let garbage = Server::start(b"no\r\n\r\n".to_vec(), false).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = format!("http://{}/", closed.local_addr().expect("it is bound"));
    drop(closed);
    for (url, expected) in [
        (full.url(), "=aaaa"),
        (over.url(), "2"),
        (nobody, "4"),
        (garbage.url(), "6The host's answer is not HTTP"),
    ] {
        let said = said(&house, &asking(&url, None, 1), &["http:127.0.0.1"]).await;
        assert!(said.starts_with(expected), "{url}: {said}");
    }
}

#[tokio::test]
async fn a_host_that_says_nothing_is_not_waited_for() {
    let house = house(|limits| limits.http_ms = 100);
    let silent = Server::start(Vec::new(), true).await;
    assert_eq!(
        said(&house, &asking(&silent.url(), None, 1), &["http:127.0.0.1"]).await,
        "1"
    );
}

#[tokio::test]
async fn a_call_has_so_many_requests_and_the_next_call_has_its_own() {
    let house = house(|_| {});
    let most = house.host.settings().limits.http_requests;
    let server = Server::with_body(b"hello").await;
    for (times, expected) in [(most, "=hello"), (most + 1, "7")] {
        let guest = asking(&server.url(), None, times);
        let member = house.member(Hook::Tool, &guest, &["http:127.0.0.1"]);
        let mut instance = house.start(&member).await.expect("an instance");
        for _ in 0..2 {
            let limits = crate::testing::limits();
            let called = instance.tool(limits, &crate::testing::turn(), "ask", "{}").await;
            assert_eq!(called.result.as_deref(), Ok(expected), "{times}");
        }
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 4 * most as usize);
}

#[tokio::test]
async fn many_are_answered_in_the_order_they_were_given() {
    let house = house(|_| {});
    let (one, two) = (Server::with_body(b"one").await, Server::with_body(b"two").await);
    let mut state = house.state(&["http:127.0.0.1"]).await;
    let request = |url: String| Request {
        method: "GET".into(),
        url,
        headers: Vec::new(),
        body: Vec::new(),
        auth: None,
        timeout_ms: 0,
    };
    let urls = [
        one.url(),
        "https://example.org/".into(),
        two.url(),
        one.url(),
        two.url(),
    ];
    let sent = state
        .send_many(urls.into_iter().map(request).collect())
        .await
        .expect("no trap");
    let body = |index: usize| sent[index].as_ref().map(|response| &response.body[..]).ok();
    assert_eq!(
        [body(0), body(2), body(3)],
        [Some(&b"one"[..]), Some(b"two"), Some(b"one")]
    );
    assert!(matches!(sent[1], Err(HttpError::Denied(_))), "{sent:?}");
    assert!(matches!(sent[4], Err(HttpError::Quota)), "four are the limit: {sent:?}");
    assert_eq!(sent.len(), 5);
}

fn with_secret(house: &House, guest: &[u8], granted: &[&str]) -> Member {
    let mut member = house.plain_member(Hook::Tool, guest, granted);
    let mut manifest = (*member.manifest).clone();
    manifest.secrets = vec![SecretDeclaration {
        name: "key".into(),
        title: "The key".into(),
        hosts: vec!["127.0.0.1".into()],
        header: "X-Key".into(),
        format: "Bearer {}".into(),
    }];
    manifest.tools = vec![ToolDeclaration {
        name: "ask".into(),
        description: "Asks.".into(),
        parameters: serde_json::json!({"type": "object"}),
    }];
    member.manifest = Arc::new(manifest);
    member
}

/// Everything that is logged while it is there, as text.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<String>>);

impl Visit for Logged {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0.lock(), "{}={value:?} ", field.name());
    }
}

impl Subscriber for Logged {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_secret_is_put_into_requests_to_its_host_and_shows_nowhere_else() {
    let house = house(|_| {});
    let server = Server::with_body(b"[1]").await;
    let secret = Secret("hush-hush".into());
    house.ports.secrets.lock().insert("key".into(), secret);
    let granted = ["secret:key", "http:127.0.0.1", "http:localhost", "tools"];
    let elsewhere = server.url().replace("127.0.0.1", "localhost");
    let logged = Logged::default();
    let _logging = tracing::subscriber::set_default(logged.clone());

    let mut told = String::new();
    for (url, expected) in [
        (server.url(), "=[1]"),
        (elsewhere, "0The secret may not go to `localhost`."),
    ] {
        let member = with_secret(&house, &asking(&url, Some("key"), 1), &granted);
        let called = house.says(&Arc::new(member.clone())).await;
        assert_eq!(called.result.as_deref(), Ok(expected));
        told += &format!("{called:?}");
        let chain = Arc::new(Chain::new(vec![member]));
        let mut hooks = house.host.turn(chain, crate::turn::tests::facts());
        let result = hooks.call_tool("ask", "{}").await;
        assert_eq!(hooks.traces()[0].outcome, Outcome::OutputInvalid, "`=[1]` is no JSON");
        told += &format!("{result:?} {:?}", hooks.take_traces());
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 2, "and none with it elsewhere");
    assert!(server.last.lock().to_lowercase().contains("x-key: bearer hush-hush"));
    told += &format!("{:?}", house.ports.events.lock());
    told += &*logged.0.lock();
    assert!(told.contains("extension"), "it is told of at all");
    assert!(!told.contains("hush"), "{told}");
}

#[tokio::test]
async fn a_secret_that_is_not_granted_declared_or_set_is_none() {
    let house = house(|_| {});
    let server = Server::with_body(b"").await;
    let ask = async |name: &str, granted: &[&str]| {
        let member = with_secret(&house, &asking(&server.url(), Some(name), 1), granted);
        house.says(&Arc::new(member)).await.result.expect("an answer")
    };
    let granted = ["secret:key", "secret:other", "http:127.0.0.1"];
    assert_eq!(ask("key", &granted).await, "0the secret is not set");
    house.ports.secrets.lock().insert("key".into(), Secret("hush".into()));
    house.ports.secrets.lock().insert("other".into(), Secret("hush".into()));
    assert_eq!(ask("key", &granted).await, "=");
    assert_eq!(ask("key", &granted[1..]).await, "0the secret is not granted");
    assert_eq!(
        ask("other", &granted).await,
        "0the secret is not granted",
        "no manifest has it"
    );
    assert_eq!(ask("key", &granted[..1]).await, "0no host is permitted");
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}
