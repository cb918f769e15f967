mod exchange;

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::address::is_global;
use super::*;

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

/// A name that says what a test wants; nothing listens at any of them.
fn parsed(addresses: &[&str]) -> Vec<IpAddr> {
    let addresses = addresses.iter().map(|address| address.parse().expect("an address"));
    addresses.collect()
}

fn resolving(addresses: &'static [&'static str]) -> (Egress, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(parsed(addresses))
    });
    let mut settings = PluginSettings::default();
    settings.limits.http_ms = 200;
    (Egress::with(&settings, lookup, Vec::new()), asked)
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
    let lookup: Lookup = Arc::new(|_| Ok(parsed(&["127.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"])));
    let filtered = Filtered::new(lookup, false);
    let own = Arc::new(Semaphore::new(1));
    let found = resolve::OWN.sync_scope(Place::among(own), || {
        filtered.resolve("api.example.org".parse().expect("a name"))
    });
    let Ok(found) = found.await else {
        panic!("two are public");
    };
    let found: Vec<_> = found.map(|address| address.ip().to_string()).collect();
    assert_eq!(found, ["1.1.1.1", "2606:4700::1111"]);
}

#[tokio::test]
async fn names_that_are_looked_up_slowly_keep_their_own_account_waiting_and_nobody_else() {
    let (asked, (hold, held)) = (Arc::new(AtomicUsize::new(0)), std::sync::mpsc::channel::<()>());
    let (count, held) = (Arc::clone(&asked), Mutex::new(held));
    let lookup: Lookup = Arc::new(move |name| {
        if name.starts_with("slow") {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = held.lock().recv();
        }
        Ok(parsed(&["127.0.0.1"]))
    });
    let mut settings = PluginSettings::default();
    settings.limits.http_ms = 30_000;
    let egress = Egress::with(&settings, lookup, Vec::new());
    let grant = EgressGrant {
        hosts: vec!["*.example.org".into()],
        secret: None,
    };
    let brief = |url: String| EgressRequest {
        timeout_ms: 50,
        ..get(url)
    };
    let owner = Some(UserId::new());
    let slow = || Asker {
        installation: InstallationId::new(),
        owner,
    };
    // Whoever asked has given up, which makes no room for the next one, whichever installation of the account it is.
    for number in 0..6 {
        let sent = egress.send(slow(), &grant, brief(format!("https://slow{number}.example.org/")));
        let failed = match number < resolve::OWN_LOOKUPS {
            true => EgressError::Timeout,
            // Its host was not asked, and is not to blame.
            false => EgressError::Quota,
        };
        assert_eq!(sent.await, Err(failed));
    }
    assert_eq!(asked.load(Ordering::SeqCst), resolve::OWN_LOOKUPS);
    let sent = egress
        .send(slow(), &grant, brief("https://api.example.org/".into()))
        .await;
    assert_eq!(sent, Err(EgressError::Quota));
    let other = InstallationId::new();
    let sent = egress.send(other, &grant, get("https://api.example.org/")).await;
    assert!(
        matches!(sent, Err(EgressError::Denied(_))),
        "it was looked up: {sent:?}"
    );
    drop(hold);
    let sent = egress.send(slow(), &grant, get("https://api.example.org/")).await;
    assert!(
        matches!(sent, Err(EgressError::Denied(_))),
        "it has room again: {sent:?}"
    );
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
