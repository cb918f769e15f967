//! With real servers, on this machine.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::testing::server::Server;

fn trying(change: impl FnOnce(&mut PluginLimits)) -> Egress {
    let mut settings = PluginSettings {
        allow_loopback: true,
        ..PluginSettings::default()
    };
    settings.limits.http_ms = 20_000;
    change(&mut settings.limits);
    Egress::new(&settings)
}

#[tokio::test]
async fn a_request_goes_out_and_its_response_comes_back() {
    let server = Server::start(
        b"HTTP/1.1 201 Created\r\nx-one: 1\r\nset-cookie: a=b\r\ncontent-length: 5\r\n\r\nhello".to_vec(),
        false,
    )
    .await;
    let request = EgressRequest {
        method: "POST".into(),
        headers: vec![("X-Mine".into(), "2".into())],
        body: Bytes::from_static(b"body"),
        ..get(server.url().replace("127.0.0.1", "localhost"))
    };
    let response = trying(|_| {})
        .send(InstallationId::new(), &here(), request)
        .await
        .expect("it answers");
    assert_eq!((response.status, &response.body[..]), (201, &b"hello"[..]));
    assert_eq!(response.headers, [("x-one".to_owned(), "1".to_owned())]);
    let seen = server.last.lock().to_lowercase();
    assert!(seen.starts_with("post / http/1.1"), "{seen}");
    assert!(
        seen.contains("x-mine: 2") && seen.contains("accept-encoding: identity"),
        "{seen}"
    );
    assert!(!seen.contains("cookie") && !seen.contains("referer"), "{seen}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let inside = Server::with_body(b"secret").await;
    let server = Server::with_head(&format!("302 Found\r\nlocation: {}", inside.url())).await;
    let response = trying(|_| {})
        .send(InstallationId::new(), &here(), get(server.url()))
        .await
        .expect("it answers");
    assert_eq!(response.status, 302);
    assert_eq!(inside.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_has_a_limit_on_both_sides_however_it_comes() {
    let egress = trying(|limits| limits.http_response_bytes = 1000);
    let send = async |server: &Server| egress.send(InstallationId::new(), &here(), get(server.url())).await;
    let full = send(&Server::with_body(&[b'a'; 1000]).await).await.expect("it fits");
    assert_eq!(full.body.len(), 1000);
    assert_eq!(
        send(&Server::with_body(&[b'a'; 1001]).await).await,
        Err(EgressError::TooLarge)
    );
    let chunked = |bytes: usize| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        Server::start(
            format!("{head}{bytes:x}\r\n{}\r\n0\r\n\r\n", "a".repeat(bytes)).into_bytes(),
            false,
        )
    };
    assert!(send(&chunked(1000).await).await.is_ok());
    assert_eq!(send(&chunked(1001).await).await, Err(EgressError::TooLarge));
    // Says that much, and is not waited for.
    let claims = Server::start(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec(), true).await;
    assert_eq!(send(&claims).await, Err(EgressError::TooLarge));

    let egress = trying(|limits| limits.http_request_bytes = 10);
    let server = Server::with_body(b"").await;
    for (bytes, fits) in [(10, true), (11, false)] {
        let request = EgressRequest {
            method: "PUT".into(),
            body: vec![b'a'; bytes].into(),
            ..get(server.url())
        };
        let sent = egress.send(InstallationId::new(), &here(), request).await;
        assert_eq!(sent.is_ok(), fits, "{sent:?}");
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_packed_answer_is_refused_unread() {
    let server = Server::start(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n".to_vec(), true).await;
    let sent = trying(|_| {})
        .send(InstallationId::new(), &here(), get(server.url()))
        .await;
    assert!(matches!(sent, Err(EgressError::Protocol(_))), "{sent:?}");
}

#[tokio::test]
async fn headers_of_a_response_have_limits() {
    let egress = trying(|_| {});
    let send = async |head: String| {
        let server = Server::with_head(&head).await;
        egress.send(InstallationId::new(), &here(), get(server.url())).await
    };
    // `connection` is one more.
    let many = |count: usize| {
        format!(
            "200 OK{}",
            (1..count).map(|n| format!("\r\nx-{n}: 1")).collect::<String>()
        )
    };
    assert!(send(many(64)).await.is_ok());
    for count in [65, 100_000] {
        let sent = send(many(count)).await;
        assert!(
            matches!(sent, Err(EgressError::TooLarge | EgressError::Protocol(_))),
            "{count}: {sent:?}"
        );
    }
    let long = |bytes: usize| format!("200 OK\r\nx: {}", "a".repeat(bytes - "xconnectionclose".len()));
    assert!(send(long(16 << 10)).await.is_ok());
    assert_eq!(send(long((16 << 10) + 1)).await, Err(EgressError::TooLarge));
}

#[tokio::test]
async fn a_host_that_dawdles_is_given_up_on_at_the_shorter_limit() {
    let silent = Server::start(Vec::new(), true).await;
    let drips = Server::start(
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthe first".to_vec(),
        true,
    )
    .await;
    for server in [&silent, &drips] {
        let own = EgressRequest {
            timeout_ms: 50,
            ..get(server.url())
        };
        let begun = std::time::Instant::now();
        let sent = trying(|_| {}).send(InstallationId::new(), &here(), own).await;
        assert_eq!(sent, Err(EgressError::Timeout));
        let greedy = EgressRequest {
            timeout_ms: u32::MAX,
            ..get(server.url())
        };
        let sent = trying(|limits| limits.http_ms = 50)
            .send(InstallationId::new(), &here(), greedy)
            .await;
        assert_eq!(sent, Err(EgressError::Timeout));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

/// A server with a certificate for `name`, which signs for itself: where it is, and the certificate.
async fn certified(name: &str) -> (u16, reqwest::Certificate) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let root = reqwest::Certificate::from_der(made.cert.der()).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a key for it");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut socket) = acceptor.accept(socket).await else {
                    return;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let asked = socket.get_ref().1.server_name().unwrap_or_default().to_owned();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{asked}", asked.len());
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    (port, root)
}

#[tokio::test]
async fn an_encrypted_request_goes_to_whom_the_certificate_names_and_to_nobody_else() {
    let (port, root) = certified("localhost").await;
    let (elsewhere, of_another) = certified("another.example").await;
    let send = async |port: u16, root: &reqwest::Certificate| {
        let mut settings = PluginSettings {
            allow_loopback: true,
            ..PluginSettings::default()
        };
        settings.limits.http_ms = 20_000;
        let egress = Egress::with(&settings, resolve::system(), vec![root.clone()]);
        let request = get(format!("https://localhost:{port}/"));
        egress.send(InstallationId::new(), &here(), request).await
    };
    let answer = send(port, &root).await.expect("it is known, and is who it says");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"localhost"[..]));
    assert_eq!(
        send(port, &of_another).await,
        Err(EgressError::Tls),
        "nobody known has signed"
    );
    assert_eq!(
        send(elsewhere, &of_another).await,
        Err(EgressError::Tls),
        "it is another's"
    );
}

#[tokio::test]
async fn what_is_no_http_is_told_apart_from_what_is_not_there() {
    let garbage = Server::start(b"SSH-2.0-OpenSSH\r\n".to_vec(), false).await;
    let sent = trying(|_| {})
        .send(InstallationId::new(), &here(), get(garbage.url()))
        .await;
    assert!(matches!(sent, Err(EgressError::Protocol(_))), "{sent:?}");
    let tls = trying(|_| {})
        .send(
            InstallationId::new(),
            &here(),
            get(garbage.url().replace("http:", "https:")),
        )
        .await;
    assert_eq!(tls, Err(EgressError::Tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let gone = format!("http://{}/", listener.local_addr().expect("it is bound"));
    drop(listener);
    let sent = trying(|_| {}).send(InstallationId::new(), &here(), get(gone)).await;
    assert_eq!(sent, Err(EgressError::Connect));
}

#[tokio::test]
async fn headers_that_are_not_a_guests_are_refused() {
    let server = Server::with_body(b"").await;
    let egress = trying(|limits| limits.http_requests_per_minute = 1000);
    let send = async |headers: Vec<(String, String)>| {
        let request = EgressRequest {
            headers,
            ..get(server.url())
        };
        egress.send(InstallationId::new(), &here(), request).await
    };
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let refused = [
        "Host",
        "HOST",
        "Authorization",
        "Cookie",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Content-Length",
        "Accept-Encoding",
        "Expect",
        "Proxy-Authorization",
        "Proxy-Connection",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "Forwarded",
        "Via",
        "X-Real-IP",
        "a b",
        "",
        "a\r\nhost",
        "é",
    ];
    for name in refused {
        let sent = send(vec![header(name, "1")]).await;
        assert!(matches!(sent, Err(EgressError::Denied(_))), "{name:?}: {sent:?}");
    }
    for value in ["a\r\nhost: b", "\0"] {
        assert!(
            matches!(send(vec![header("x", value)]).await, Err(EgressError::Denied(_))),
            "{value:?}"
        );
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
    assert!(send(vec![header("x", "1"); 32]).await.is_ok());
    assert!(send(vec![header("x", "1"); 33]).await.is_err());
    assert!(send(vec![header("x", &"a".repeat(8191))]).await.is_ok());
    assert!(send(vec![header("x", &"a".repeat(8192))]).await.is_err());
    for method in ["get", "CONNECT", "TRACE", "OPTIONS", "GET / HTTP/1.1\r\nx:", ""] {
        let request = EgressRequest {
            method: method.into(),
            ..get(server.url())
        };
        let sent = egress.send(InstallationId::new(), &here(), request).await;
        assert!(matches!(sent, Err(EgressError::Denied(_))), "{method}");
    }
}

#[tokio::test]
async fn a_secret_goes_to_its_hosts_alone_and_shows_nowhere() {
    let server = Server::with_body(b"").await;
    let secret = |hosts: &[&str], value: &str| EgressGrant {
        secret: Some(InjectedSecret {
            header: "Authorization".into(),
            value: Secret(value.into()),
            hosts: hosts.iter().map(ToString::to_string).collect(),
        }),
        ..here()
    };
    let egress = trying(|_| {});
    let granted = secret(&["127.0.0.1"], "Bearer hush");
    assert!(!format!("{granted:?}").contains("hush"));
    egress
        .send(InstallationId::new(), &granted, get(server.url()))
        .await
        .expect("it is bound there");
    assert!(server.last.lock().to_lowercase().contains("authorization: bearer hush"));

    let elsewhere = egress
        .send(
            InstallationId::new(),
            &secret(&["api.example.org"], "hush"),
            get(server.url()),
        )
        .await;
    let broken = egress
        .send(
            InstallationId::new(),
            &secret(&["127.0.0.1"], "hush\r\nx: y"),
            get(server.url()),
        )
        .await;
    let twice = EgressRequest {
        headers: vec![("X-Key".into(), "mine".into())],
        ..get(server.url())
    };
    let mut both = secret(&["127.0.0.1"], "hush");
    both.secret.as_mut().expect("there is one").header = "x-key".into();
    let twice = egress.send(InstallationId::new(), &both, twice).await;
    for sent in [elsewhere, broken, twice] {
        assert!(
            matches!(&sent, Err(EgressError::Denied(message)) if !message.contains("hush")),
            "{sent:?}"
        );
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_installation_has_so_many_requests_in_a_minute_and_others_have_theirs() {
    let server = Server::with_body(b"").await;
    let egress = trying(|limits| limits.http_requests_per_minute = 3);
    let (one, other) = (InstallationId::new(), InstallationId::new());
    for _ in 0..3 {
        assert!(egress.send(one, &here(), get(server.url())).await.is_ok());
    }
    assert_eq!(
        egress.send(one, &here(), get(server.url())).await,
        Err(EgressError::Quota)
    );
    assert!(egress.send(other, &here(), get(server.url())).await.is_ok());
    // What was refused at once took nothing.
    let denied = egress.send(other, &here(), get("https://evil.org/")).await;
    assert!(matches!(denied, Err(EgressError::Denied(_))));
    assert!(egress.send(other, &here(), get(server.url())).await.is_ok());
    assert!(egress.send(other, &here(), get(server.url())).await.is_ok());
    let none = trying(|limits| limits.http_requests_per_minute = 0);
    assert_eq!(
        none.send(one, &here(), get(server.url())).await,
        Err(EgressError::Quota)
    );
}

#[tokio::test]
async fn an_installation_has_so_many_requests_at_once_and_gives_them_back() {
    let silent = Server::start(Vec::new(), true).await;
    let quick = Server::with_body(b"").await;
    let egress = Arc::new(trying(|limits| limits.http_parallel = 2));
    let installation = InstallationId::new();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (egress, url) = (Arc::clone(&egress), silent.url());
            tokio::spawn(async move { egress.send(installation, &here(), get(url)).await })
        })
        .collect();
    while silent.requests.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    let hasty = EgressRequest {
        timeout_ms: 50,
        ..get(quick.url())
    };
    assert_eq!(
        egress.send(installation, &here(), hasty.clone()).await,
        Err(EgressError::Quota)
    );
    assert!(
        egress
            .send(InstallationId::new(), &here(), get(quick.url()))
            .await
            .is_ok()
    );
    // Given up by the caller, they are given back.
    for task in waiting {
        task.abort();
        let _ = task.await;
    }
    assert!(egress.send(installation, &here(), get(quick.url())).await.is_ok());
}

#[tokio::test]
async fn a_host_that_fails_five_times_is_left_alone_by_whom_it_failed() {
    let garbage = Server::start(b"no\r\n\r\n".to_vec(), false).await;
    let egress = trying(|_| {});
    let (one, other) = (InstallationId::new(), InstallationId::new());
    for _ in 0..5 {
        let sent = egress.send(one, &here(), get(garbage.url())).await;
        assert!(matches!(sent, Err(EgressError::Protocol(_))), "{sent:?}");
    }
    assert_eq!(
        egress.send(one, &here(), get(garbage.url())).await,
        Err(EgressError::BreakerOpen)
    );
    assert_eq!(garbage.requests.load(Ordering::SeqCst), 5);
    let sent = egress.send(other, &here(), get(garbage.url())).await;
    assert!(matches!(sent, Err(EgressError::Protocol(_))), "{sent:?}");
    // Another host is another matter.
    let sound = Server::with_body(b"").await;
    let sent = egress
        .send(one, &here(), get(sound.url().replace("127.0.0.1", "localhost")))
        .await;
    assert!(sent.is_ok(), "{sent:?}");
}

/// Says the same to whatever it is asked, and keeps count.
struct Tape(&'static str, AtomicUsize);

impl Recorded for Tape {
    fn answer(&self, request: &reqwest::Request) -> Option<Result<http::Response<Bytes>, EgressError>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.headers()["x-key"], "the secret");
        let mut answer = http::Response::new(Bytes::from_static(self.0.as_bytes()));
        let headers = answer.headers_mut();
        headers.insert("set-cookie", http::HeaderValue::from_static("a=b"));
        headers.insert("x-one", http::HeaderValue::from_static("1"));
        Some(Ok(answer))
    }
}

#[tokio::test]
async fn a_recorded_answer_is_given_to_what_would_be_sent_and_to_nothing_else() {
    let grant = EgressGrant {
        hosts: vec!["a.example".into()],
        secret: Some(InjectedSecret {
            header: "X-Key".into(),
            value: Secret("the secret".into()),
            hosts: vec!["a.example".into()],
        }),
    };
    let tape = Arc::new(Tape("hello", AtomicUsize::new(0)));
    let limited =
        |bytes| trying(|limits| limits.http_response_bytes = bytes).with_recorded(Some(Arc::clone(&tape) as _));
    let response = limited(5)
        .send(InstallationId::new(), &grant, get("https://a.example/"))
        .await
        .expect("it is recorded");
    assert_eq!(&response.body[..], b"hello");
    assert_eq!(response.headers, [("x-one".to_owned(), "1".to_owned())]);
    let large = limited(4)
        .send(InstallationId::new(), &grant, get("https://a.example/"))
        .await;
    assert_eq!(large, Err(EgressError::TooLarge));
    let elsewhere = limited(5)
        .send(InstallationId::new(), &grant, get("https://b.example/"))
        .await;
    assert!(matches!(elsewhere, Err(EgressError::Denied(_))), "{elsewhere:?}");
    assert_eq!(tape.1.load(Ordering::SeqCst), 2);
}
