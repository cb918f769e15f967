use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::address::is_global;
use super::*;

#[test]
fn no_address_of_ours_is_a_global_one_in_any_form() {
    let ours = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8", // unspecified, loopback, IPv4-compatible
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1", // IPv4-mapped and translated
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1", // NAT64
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1", // 6to4
        "2620:4f:8000::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ];
    let global = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700::1111",
        "2a00::1",
        "3ffe::1",
    ];
    for (addresses, expected) in [(&ours[..], false), (&global, true)] {
        for text in addresses {
            let address: IpAddr = text.parse().expect("it is an address");
            assert_eq!(is_global(address), expected, "{text}");
        }
    }
}

#[test]
fn an_address_is_admitted_in_one_spelling_of_its_meaning_or_not_at_all() {
    let granted: Vec<HostPattern> = [
        "api.example.org",
        "*.example.net",
        "xn--mnchen-3ya.example",
        "localhost",
        "127.0.0.1",
    ]
    .iter()
    .map(|pattern| pattern.parse().expect("it is one"))
    .collect();
    let rules = Rules {
        allow_loopback: false,
        denied: vec!["bad.example.net".into()],
    };
    let admitted = [
        ("plain", "https://api.example.org/a?b#c", "https://api.example.org/a?b"),
        (
            "default port",
            "https://api.example.org:443/",
            "https://api.example.org/",
        ),
        ("upper case", "HTTPS://API.EXAMPLE.ORG", "https://api.example.org/"),
        ("percent", "https://%61pi.example.org/", "https://api.example.org/"),
        ("full width", "https://ａｐｉ.example.org/", "https://api.example.org/"),
        (
            "ideographic dot",
            "https://api。example.org/",
            "https://api.example.org/",
        ),
        ("IDNA", "https://münchen.example/", "https://xn--mnchen-3ya.example/"),
        ("below", "https://a.b.example.net/", "https://a.b.example.net/"),
        (
            "dots in the path",
            "https://api.example.org/a/../b",
            "https://api.example.org/b",
        ),
        (
            "whitespace around",
            "  https://api.example.org/ ",
            "https://api.example.org/",
        ),
    ];
    for (row, text, expected) in admitted {
        let target = target::admit(text, &granted, &rules);
        assert_eq!(
            target.map(|target| target.url.to_string()),
            Ok(expected.to_owned()),
            "{row}"
        );
    }
    let long = format!("https://api.example.org/{}", "a".repeat(4096));
    let refused = [
        ("in the clear", "http://api.example.org/"),
        ("other scheme", "ftp://api.example.org/"),
        ("file", "file:///etc/passwd"),
        ("data", "data:text/plain,hello"),
        ("socket", "wss://api.example.org/"),
        ("no scheme", "//api.example.org/"),
        ("other port", "https://api.example.org:8443/"),
        ("plain port", "https://api.example.org:80/"),
        ("user", "https://user@api.example.org/"),
        ("user that looks like the host", "https://api.example.org@evil.org/"),
        ("password", "https://:secret@api.example.org/"),
        ("backslash before at", "https://evil.org\\@api.example.org/"),
        ("other host", "https://evil.org/"),
        ("suffix without a dot", "https://evilexample.net/"),
        ("the suffix itself", "https://example.net/"),
        ("host as prefix", "https://api.example.org.evil.org/"),
        ("trailing dot", "https://api.example.org./"),
        ("denied here", "https://bad.example.net/"),
        ("below denied", "https://a.bad.example.net/"),
        ("loopback", "https://127.0.0.1/"),
        ("loopback's name", "https://localhost/"),
        ("loopback in the clear", "http://localhost/"),
        ("hexadecimal", "https://0x7f.1/"),
        ("octal", "https://0177.0.0.1/"),
        ("decimal", "https://2130706433/"),
        ("short", "https://127.1/"),
        ("full-width digits", "https://１２７.0.0.1/"),
        ("trailing dot of an address", "https://127.0.0.1./"),
        ("IPv6", "https://[::1]/"),
        ("IPv6 mapped", "https://[::ffff:127.0.0.1]/"),
        ("IPv6 zone", "https://[fe80::1%25eth0]/"),
        ("metadata", "https://169.254.169.254/latest/meta-data"),
        ("unspecified", "https://0/"),
        ("no host", "https:///"),
        ("empty", ""),
        ("too long", &long),
    ];
    for (row, text) in refused {
        let target = target::admit(text, &granted, &rules);
        assert!(matches!(target, Err(EgressError::Denied(_))), "{row}: {target:?}");
    }

    // While trying out: this machine, and nothing else in the clear.
    let trying = Rules {
        allow_loopback: true,
        ..rules
    };
    let is_admitted = |text| target::admit(text, &granted, &trying).is_ok();
    assert!(is_admitted("http://127.0.0.1:8080/") && is_admitted("http://localhost:1/"));
    assert!(is_admitted("http://0x7f.1:8080/"));
    for text in [
        "http://127.0.0.2/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "http://api.example.org/",
        "https://api.example.org:1/",
    ] {
        assert!(!is_admitted(text), "{text}");
    }
    let ungranted = target::admit("http://127.0.0.1:8080/", &granted[..2], &trying);
    assert!(ungranted.is_err(), "it has to be asked for like any host");
}

/// Answers every connection with these bytes, and counts requests.
struct Server {
    port: u16,
    requests: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
}

impl Server {
    async fn start(answer: Vec<u8>, hold: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (requests, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
        let (count, seen) = (Arc::clone(&requests), Arc::clone(&last));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (answer, count, seen) = (answer.clone(), Arc::clone(&count), Arc::clone(&seen));
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    // A head, or the beginning of a handshake.
                    while !request.starts_with(b"\x16") && !request.windows(4).any(|end| end == b"\r\n\r\n") {
                        if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    *seen.lock() = String::from_utf8_lossy(&request).into_owned();
                    let _ = socket.write_all(&answer).await;
                    if hold {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { port, requests, last }
    }

    async fn with_body(body: &[u8]) -> Self {
        let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend_from_slice(body);
        Self::start(answer, false).await
    }

    async fn with_head(head: &str) -> Self {
        Self::start(
            format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").into_bytes(),
            false,
        )
        .await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

fn trying(change: impl FnOnce(&mut PluginLimits)) -> Egress {
    let mut settings = PluginSettings {
        allow_loopback: true,
        ..PluginSettings::default()
    };
    settings.limits.http_ms = 20_000;
    change(&mut settings.limits);
    Egress::new(&settings)
}

fn here() -> EgressGrant {
    EgressGrant {
        hosts: vec!["127.0.0.1".into(), "localhost".into()],
        secret: None,
    }
}

fn get(url: impl Into<String>) -> EgressRequest {
    EgressRequest {
        method: "GET".into(),
        url: url.into(),
        ..EgressRequest::default()
    }
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

/// A name that says what a test wants; nothing listens at any of them.
fn resolving(addresses: &'static [&'static str]) -> (Egress, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let found = addresses
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect();
        Box::pin(async move { Ok(found) })
    });
    let mut settings = PluginSettings::default();
    settings.limits.http_ms = 200;
    (Egress::with_lookup(&settings, lookup), asked)
}

#[tokio::test]
async fn a_name_is_resolved_once_and_leads_to_public_addresses_alone() {
    let grant = EgressGrant {
        hosts: vec!["api.example.org".into()],
        secret: None,
    };
    for addresses in [
        &["127.0.0.1"][..],
        &["10.0.0.1", "::1"],
        &["::ffff:127.0.0.1"],
        &["169.254.169.254", "fd00:ec2::254"],
        &["64:ff9b::7f00:1", "2002:7f00:1::"],
    ] {
        let (egress, asked) = resolving(addresses);
        let sent = egress
            .send(InstallationId::new(), &grant, get("https://api.example.org/"))
            .await;
        assert!(matches!(sent, Err(EgressError::Denied(_))), "{addresses:?}: {sent:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
    let (egress, _) = resolving(&[]);
    let sent = egress
        .send(InstallationId::new(), &grant, get("https://api.example.org/"))
        .await;
    assert_eq!(sent, Err(EgressError::Dns));
    // Without the mode for trying out, not even this server's own name is looked up.
    let (egress, asked) = resolving(&["127.0.0.1"]);
    let sent = egress
        .send(InstallationId::new(), &here(), get("https://localhost/"))
        .await;
    assert!(matches!(sent, Err(EgressError::Denied(_))), "{sent:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn of_mixed_addresses_the_public_ones_are_left() {
    use reqwest::dns::Resolve;
    let lookup: Lookup = Arc::new(|_| {
        let found = ["127.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"];
        Box::pin(async move {
            Ok(found
                .iter()
                .map(|address| address.parse().expect("an address"))
                .collect())
        })
    });
    let filtered = Filtered {
        lookup,
        allow_loopback: false,
    };
    let Ok(found) = filtered.resolve("api.example.org".parse().expect("a name")).await else {
        panic!("two are public");
    };
    let found: Vec<_> = found.map(|address| address.ip().to_string()).collect();
    assert_eq!(found, ["1.1.1.1", "2606:4700::1111"]);
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

#[test]
fn a_breaker_opens_probes_and_closes() {
    let start = Instant::now();
    let mut breaker = Breaker::default();
    for _ in 0..4 {
        breaker.failed(start);
        assert!(breaker.admits(start));
    }
    breaker.succeeded();
    for _ in 0..5 {
        assert!(breaker.admits(start));
        breaker.failed(start);
    }
    let almost = start + breaker::PAUSE - Duration::from_millis(1);
    assert!(!breaker.admits(start) && !breaker.admits(almost));
    // One probe, and if nothing is heard of it, another one a pause later.
    let later = start + breaker::PAUSE;
    assert!(breaker.admits(later) && !breaker.admits(later));
    let much_later = later + breaker::PAUSE;
    assert!(breaker.admits(much_later));
    breaker.failed(much_later);
    assert!(!breaker.admits(much_later));
    let end = much_later + breaker::PAUSE;
    assert!(breaker.admits(end));
    breaker.succeeded();
    assert!(breaker.admits(end) && breaker.admits(end));
}
