use tavern_domain::extension::{Capability, Hook, KvScope};

use super::*;

const WHOLE: &str = r#"
[extension]
id = "quiet-river/night-watch"
version = "1.2.3-beta.1"
title = "Night Watch"
summary = "Keeps the story in the dark."
api = "^0.1"
license = "(MIT OR Apache-2.0) AND BSD-3-Clause"
repository = "https://git.example.org/quiet-river/night-watch"
keywords = ["night", "mood"]

[hooks.before-prompt]
phase = "enrich"
priority = -20
before = ["other/one"]
after = ["other/two"]

[hooks.stream-filter]
flush = { bytes = 128 }
triggers = ["*sighs*"]
patterns = ['\bvery\s+dark\b']

[hooks.macro-provider]
[hooks.tool]

[permissions]
"history:20" = "To see who speaks."
"stream.modify" = "To take sighs out."
"macros" = "For the hour."
"tools" = "For the moon."
"kv:chat" = "To remember the hour."
"http:api.example.org" = "The moon's phase."
"http:*.example.net" = "The weather."
"secret:moon" = "The account there."

[[macros]]
name = "night_hour"
help = "The hour of the night."

[[tools]]
name = "moon-phase"
description = "The phase of the moon."
[tools.parameters]
type = "object"
properties.day = { type = "integer" }

[[secrets]]
name = "moon"
title = "Key of the moon's service"
hosts = ["api.example.org", "eu.example.net"]
header = "Authorization"
format = "Bearer {}"
"#;

fn with(from: &str, to: &str) -> Result<Manifest, Vec<String>> {
    assert!(WHOLE.contains(from), "{from}");
    Manifest::parse(&WHOLE.replacen(from, to, 1))
}

#[test]
fn a_whole_manifest_is_read() {
    let manifest = Manifest::parse(WHOLE).expect("it keeps every rule");
    assert_eq!(manifest.hooks[&Hook::StreamFilter].flush, Some(Flush::Bytes(128)));
    assert_eq!(manifest.hooks[&Hook::BeforePrompt].phase, Phase::Enrich);
    assert_eq!(manifest.capabilities().len(), 8);
    assert!(manifest.capabilities().contains(&Capability::Kv(KvScope::Chat)));
    assert_eq!(manifest.secrets[0].format, "Bearer {}");
    // What is stored of a version is this, as JSON.
    let stored = serde_json::to_value(&manifest).expect("it is data");
    assert_eq!(
        serde_json::from_value::<Manifest>(stored).expect("it is itself"),
        manifest
    );
}

/// Each of these alone makes the manifest wrong, and one sentence says so.
#[test]
fn every_broken_rule_is_told_in_a_sentence_of_its_own() {
    let long = "x".repeat(81);
    let hints = |count: usize| {
        format!(
            "before = [{}]",
            (0..count).map(|n| format!("\"some/ext{n}\",")).collect::<String>()
        )
    };
    let triggers = |count: usize| format!("triggers = [{}]", "\"a\",".repeat(count));
    let settings = |count: usize| {
        let names = (0..count).map(|n| format!("\"s{n}\","));
        format!("trigger-settings = [{}]", names.collect::<String>())
    };
    let patterns = |count: usize| format!("patterns = [{}]", "\"a\",".repeat(count));
    let keywords = |count: usize| {
        format!(
            "keywords = [{}]",
            (0..count).map(|n| format!("\"k{n}\",")).collect::<String>()
        )
    };
    let metrics = |count: usize| {
        format!(
            "metrics = [{}]\n[extension]",
            (0..count).map(|n| format!("\"m{n}\",")).collect::<String>()
        )
    };
    let trigger = |bytes: usize| format!("triggers = [\"{}\"]", "a".repeat(bytes));
    let pattern = |bytes: usize| format!("patterns = [\"{}\"]", "a".repeat(bytes));
    let reason = |chars: usize| format!("\"kv:chat\" = \"{}\"", "é".repeat(chars));
    let title = |chars: usize| format!("title = \"{}\"", "é".repeat(chars));

    let rows: &[(&str, &str, Option<&str>)] = &[
        // What it is called.
        ("quiet-river/night-watch\"\nv", "Quiet/night\"\nv", Some("extension.id")),
        ("quiet-river/night-watch\"\nv", "quiet\"\nv", Some("extension.id")),
        ("quiet-river/night-watch\"\nv", "q/night\"\nv", Some("extension.id")),
        ("quiet-river/night-watch\"\nv", "a/b/c\"\nv", Some("extension.id")),
        ("quiet-river/night-watch\"\nv", "../passwd\"\nv", Some("extension.id")),
        (
            "quiet-river/night-watch\"\nv",
            "quiet-/night\"\nv",
            Some("extension.id"),
        ),
        (
            "quiet-river/night-watch\"\nv",
            &format!("ab/a{}\"\nv", "b".repeat(39)),
            None,
        ),
        (
            "quiet-river/night-watch\"\nv",
            &format!("ab/a{}\"\nv", "b".repeat(40)),
            Some("extension.id"),
        ),
        ("1.2.3-beta.1", "1.2", Some("extension.version")),
        ("1.2.3-beta.1", "1.2.3+linux", Some("build metadata")),
        ("\"^0.1\"", "\">=0.1.0, <0.3\"", None),
        ("\"^0.1\"", "\"^0.2\"", Some("has version 0.1.0")),
        ("\"^0.1\"", "\"new\"", Some("no range")),
        ("title = \"Night Watch\"", &title(80), None),
        (
            "title = \"Night Watch\"",
            &title(81),
            Some("81 characters: it needs 1 to 80"),
        ),
        ("title = \"Night Watch\"", "title = \" \"", Some("extension.title")),
        ("title = \"Night Watch\"", "title = \"a\\u001bb\"", Some("control")),
        (
            "(MIT OR Apache-2.0) AND BSD-3-Clause",
            "GPL-3.0-or-later WITH Classpath-exception-2.0",
            None,
        ),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", "do what you like", Some("SPDX")),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", "(MIT", Some("SPDX")),
        (
            "https://git.example.org",
            "http://git.example.org",
            Some("extension.repository"),
        ),
        (
            "https://git.example.org",
            "javascript:alert(1)//",
            Some("extension.repository"),
        ),
        ("keywords = [\"night\", \"mood\"]", &keywords(10), None),
        (
            "keywords = [\"night\", \"mood\"]",
            &keywords(11),
            Some("11 extension.keywords, and 10 are the most"),
        ),
        (
            "\"mood\"",
            "\"night\"",
            Some("keyword `night` stands there more than once"),
        ),
        // Where it is called.
        ("priority = -20", "priority = -1000", None),
        ("priority = -20", "priority = 1001", Some("-1000 to 1000")),
        (
            "before = [\"other/one\"]",
            "before = [\"quiet-river/night-watch\"]",
            Some("no other extension's id"),
        ),
        (
            "before = [\"other/one\"]",
            "before = [\"other/two\"]",
            Some("both before and after"),
        ),
        ("before = [\"other/one\"]", &hints(16), None),
        (
            "before = [\"other/one\"]",
            &hints(17),
            Some("17 hooks.before-prompt.before"),
        ),
        ("priority = -20", "triggers = [\"a\"]", Some("for stream-filter alone")),
        ("bytes = 128", "bytes = 4096", None),
        ("bytes = 128", "bytes = 4097", Some("1 to 4096")),
        ("bytes = 128", "bytes = 0", Some("1 to 4096")),
        ("triggers = [\"*sighs*\"]", &triggers(64), None),
        (
            "triggers = [\"*sighs*\"]",
            &triggers(65),
            Some("65 hooks.stream-filter.triggers"),
        ),
        ("triggers = [\"*sighs*\"]", &trigger(64), None),
        ("triggers = [\"*sighs*\"]", &trigger(65), Some("65 bytes")),
        ("triggers = [\"*sighs*\"]", &trigger(0), Some("0 bytes")),
        (
            "priority = -20",
            "trigger-settings = [\"a\"]",
            Some("for stream-filter alone"),
        ),
        ("triggers = [\"*sighs*\"]", &settings(16), None),
        (
            "triggers = [\"*sighs*\"]",
            &settings(17),
            Some("17 hooks.stream-filter.trigger-settings"),
        ),
        (
            "triggers = [\"*sighs*\"]",
            "trigger-settings = [\"a\", \"a\"]",
            Some("more than once"),
        ),
        (r"patterns = ['\bvery\s+dark\b']", &patterns(16), None),
        (
            r"patterns = ['\bvery\s+dark\b']",
            &patterns(17),
            Some("17 hooks.stream-filter.patterns"),
        ),
        (r"patterns = ['\bvery\s+dark\b']", &pattern(256), None),
        (r"patterns = ['\bvery\s+dark\b']", &pattern(257), Some("257 bytes")),
        (r"\bvery\s+dark\b", "(", Some("cannot be used: error: unclosed group")),
        (r"\bvery\s+dark\b", "(?=a)", Some("cannot be used")),
        (r"\bvery\s+dark\b", r"(\w{50}){50}", Some("grows too large")),
        (r"\bvery\s+dark\b", "a*", Some("where nothing is")),
        // What it asks for.
        ("\"kv:chat\" = \"To remember the hour.\"", &reason(200), None),
        (
            "\"kv:chat\" = \"To remember the hour.\"",
            &reason(201),
            Some("reason for `kv:chat`"),
        ),
        ("To remember the hour.", "", Some("reason for `kv:chat`")),
        ("history:20", "history:200", None),
        ("history:20", "history:201", Some("history:200")),
        ("history:20", "history:0", Some("history:1")),
        (
            "\"macros\" =",
            "\"history:5\" = \"Less.\"\n\"macros\" =",
            Some("stands there 2 times"),
        ),
        ("\"macros\" =", "\"model:1000000\" = \"To think.\"\n\"macros\" =", None),
        (
            "\"macros\" =",
            "\"model:1000001\" = \"To think.\"\n\"macros\" =",
            Some("model:1000000"),
        ),
        (
            "\"macros\" =",
            "\"http:*\" = \"All.\"\n\"macros\" =",
            Some("The host of `http:*` has `*`"),
        ),
        ("\"stream.modify\" =", "\"stream.observe\" =", None),
        (
            "\"stream.modify\" =",
            "\"persona\" =",
            Some("hooks.stream-filter needs the permission `stream.modify` or"),
        ),
        (
            "\"macros\" =",
            "\"events\" =",
            Some("hooks.macro-provider needs the permission `macros`"),
        ),
        (
            "\"tools\" =",
            "\"events\" =",
            Some("hooks.tool needs the permission `tools`"),
        ),
        ("[hooks.tool]", "[hooks.tool]\n[hooks.world-info]", Some("`lore.read`")),
        (
            "[hooks.tool]",
            "[hooks.tool]\n[hooks.search-rank]",
            Some("`marketplace`"),
        ),
        (
            "[hooks.tool]",
            "[hooks.tool]\n[hooks.listing-price]",
            Some("`marketplace`"),
        ),
        (
            "[hooks.tool]",
            "[hooks.tool]\n[hooks.listing-validate]",
            Some("`marketplace`"),
        ),
        // What it offers.
        (
            "[hooks.macro-provider]\n",
            "",
            Some("[[macros]] needs [hooks.macro-provider]"),
        ),
        ("[hooks.tool]\n", "", Some("[[tools]] needs [hooks.tool]")),
        ("night_hour", "Night", Some("The macro `Night`")),
        ("The hour of the night.", &"x".repeat(201), Some("help of the macro")),
        ("moon-phase", "moon phase", Some("The tool `moon phase`")),
        ("moon-phase", &"m".repeat(64), None),
        ("moon-phase", &"m".repeat(65), Some("1 to 64")),
        (
            "description = \"The phase of the moon.\"",
            "description = \"\"",
            Some("1 to 1000"),
        ),
        (
            "type = \"object\"",
            "type = \"array\"",
            Some("do not say `\"type\": \"object\"`"),
        ),
        ("type = \"integer\"", "type = \"day\"", Some("no valid JSON schema")),
        (
            "type = \"integer\"",
            "\"$ref\" = \"https://example.org/day\"",
            Some("refer to"),
        ),
        // Its secrets.
        (
            "[[secrets]]\nname = \"moon\"",
            "[[secrets]]\nname = \"sun\"",
            Some("`secret:moon` needs a [[secrets]]"),
        ),
        (
            "\"secret:moon\"",
            "\"persona\"",
            Some("needs the permission `secret:moon`"),
        ),
        (
            "\"eu.example.net\"]",
            "\"example.net\"]",
            Some("needs the permission `http:example.net`"),
        ),
        ("\"eu.example.net\"]", "\"10.0.0.1\"]", Some("is an address")),
        (
            "hosts = [\"api.example.org\", \"eu.example.net\"]",
            "hosts = []",
            Some("no hosts"),
        ),
        ("\"Authorization\"", "\"X-Api-Key\"", None),
        ("\"Authorization\"", "\"Host\"", Some("none that a secret may stand in")),
        (
            "\"Authorization\"",
            "\"Cookie\"",
            Some("none that a secret may stand in"),
        ),
        (
            "\"Authorization\"",
            "\"Proxy-Authorization\"",
            Some("none that a secret may stand in"),
        ),
        ("\"Authorization\"", "\"A: b\"", Some("none that a secret may stand in")),
        ("Bearer {}", "Bearer", Some("`{}` once")),
        ("Bearer {}", "{} {}", Some("`{}` once")),
        ("Bearer {}", "Bearer\\n{}", Some("`{}` once")),
        ("Key of the moon's service", &long, Some("title of the secret `moon`")),
        // Its counters.
        ("[extension]", &metrics(16), None),
        ("[extension]", &metrics(17), Some("17 metrics, and 16 are the most")),
        (
            "[extension]",
            "metrics = [\"a-b\"]\n[extension]",
            Some("The metric `a-b`"),
        ),
        // What it cannot be.
        (
            "title =",
            "titel =",
            Some("Line 5 of extension.toml: unknown field `titel`"),
        ),
        ("\"kv:chat\"", "\"kv:all\"", Some("There is no capability `kv:all`")),
        ("[hooks.tool]", "[hooks.toll]", Some("unknown variant `toll`")),
    ];
    for (from, to, expected) in rows {
        match (with(from, to), expected) {
            (Ok(_), None) => {}
            (Err(mistakes), Some(expected)) => {
                assert!(
                    mistakes.iter().any(|mistake| mistake.contains(expected)),
                    "{to:?}: {mistakes:#?}"
                );
                assert!(
                    mistakes
                        .iter()
                        .all(|mistake| mistake.ends_with('.') && mistake.len() < 700),
                    "{mistakes:#?}"
                );
            }
            (found, expected) => panic!(
                "{to:?}: expected {expected:?}, found {:#?}",
                found.map(|manifest| manifest.extension)
            ),
        }
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = WHOLE
        .replace("\"1.2.3-beta.1\"", "\"one\"")
        .replace("priority = -20", "priority = 9999")
        .replace("\"http:api.example.org\"", "\"http:10.0.0.1\"");
    let mistakes = Manifest::examine(&text).expect_err("there are three");
    let fields: Vec<_> = mistakes.iter().map(|mistake| mistake.field).collect();
    // The secret has lost the host it may go to.
    assert_eq!(fields, ["version", "permissions", "hooks", "secrets"]);
}

#[test]
fn of_very_many_mistakes_fifty_are_told() {
    let text = format!("metrics = [{}]{WHOLE}", "'-',".repeat(10_000));
    assert_eq!(Manifest::parse(&text).expect_err("there are many").len(), 50);
}

#[test]
fn a_manifest_that_nothing_ever_calls_is_refused() {
    let text =
        "[extension]\nid = 'ab/cd'\nversion = '1.0.0'\ntitle = 'T'\nsummary = 'S'\napi = '^0.1'\nlicense = 'MIT'\n";
    for (hooks, expected) in [("", false), ("[hooks.lifecycle]", false), ("[hooks.after-reply]", true)] {
        assert_eq!(Manifest::parse(&format!("{text}{hooks}")).is_ok(), expected, "{hooks}");
    }
}

#[test]
fn a_manifest_is_at_most_64_kib() {
    let padded = |bytes: usize| format!("{WHOLE}{}", "#".repeat(bytes - WHOLE.len()));
    assert!(Manifest::parse(&padded(64 << 10)).is_ok());
    let mistakes = Manifest::parse(&padded((64 << 10) + 1)).expect_err("it is a byte too long");
    assert!(mistakes[0].contains("65536"), "{mistakes:?}");
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let mut text = format!("{WHOLE}deep = ");
    text.push_str(&"[".repeat(20_000));
    assert!(Manifest::parse(&text).is_err());
}

#[test]
fn hosts_are_names_and_nothing_else() {
    let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    let longer = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(62));
    let long_label = format!("{}.org", "a".repeat(64));
    let rows = [
        ("api.example.org", true),
        ("a-b.example.org", true),
        ("*.example.org", true),
        ("*.api.example.co.uk", true),
        ("*.example.co.uk", true),
        ("example.co.uk", true),
        ("xn--mnchen-3ya.example", true),
        ("localhost", true),
        ("127.0.0.1", true),
        (longest.as_str(), true),
        (longer.as_str(), false),
        (long_label.as_str(), false),
        ("*", false),
        ("*.", false),
        ("*.org", false),
        ("*.co.uk", false),
        ("*.com.au", false),
        ("**.example.org", false),
        ("a.*.example.org", false),
        ("*example.org", false),
        ("org", false),
        ("intranet", false),
        ("*.localhost", false),
        ("Example.org", false),
        ("münchen.example", false),
        ("example.org.", false),
        (".example.org", false),
        ("example..org", false),
        ("-a.example.org", false),
        ("example.org:443", false),
        ("https://example.org", false),
        ("example.org/path", false),
        ("user@example.org", false),
        ("10.0.0.1", false),
        ("127.0.0.2", false),
        ("0x7f.1", false),
        ("2130706433", false),
        ("[::1]", false),
        ("::1", false),
        ("a_b.example.org", false),
        ("exa mple.org", false),
        ("exa%6dple.org", false),
        ("", false),
    ];
    for (pattern, expected) in rows {
        let found = pattern.parse::<HostPattern>();
        assert_eq!(found.is_ok(), expected, "{pattern}: {found:?}");
        if let Ok(found) = found {
            assert_eq!(found.to_string(), pattern);
        }
    }
}

#[test]
fn a_pattern_matches_whole_labels_alone() {
    let rows = [
        ("example.org", "example.org", true),
        ("example.org", "api.example.org", false),
        ("*.example.org", "api.example.org", true),
        ("*.example.org", "a.b.example.org", true),
        ("*.example.org", "example.org", false),
        ("*.example.org", ".example.org", false),
        ("*.example.org", "evilexample.org", false),
        ("*.example.org", "example.org.evil.net", false),
    ];
    for (pattern, host, expected) in rows {
        let pattern: HostPattern = pattern.parse().expect("it is one");
        assert_eq!(pattern.matches(host), expected, "{pattern} {host}");
    }
    let covers = |wide: &str, narrow: &str| {
        let (wide, narrow): (HostPattern, HostPattern) = (wide.parse().expect("one"), narrow.parse().expect("one"));
        wide.covers(&narrow)
    };
    assert!(covers("*.example.org", "*.example.org") && covers("*.example.org", "*.a.example.org"));
    assert!(covers("*.example.org", "a.example.org") && covers("a.example.org", "a.example.org"));
    assert!(!covers("a.example.org", "*.a.example.org") && !covers("*.example.org", "example.org"));
}

#[test]
fn what_is_effective_is_asked_for_and_granted_and_allowed() {
    let manifest = Manifest::parse(WHOLE).expect("it is whole");
    let capability = |text: &&str| text.parse::<Capability>().expect("it is one");
    let effective = |grants: &[&str], policy: &PluginSettings| {
        let grants: Vec<_> = grants.iter().map(capability).collect();
        let texts = manifest
            .effective(&grants, policy)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        texts.join(" ")
    };
    let open = PluginSettings::default();
    let rows: &[(&[&str], &str)] = &[
        (&[], ""),
        (&["persona"], ""),
        (&["history:5"], "history:5"),
        (&["history:50"], "history:20"),
        (&["stream.modify"], "stream.modify"),
        (&["stream.observe"], "stream.observe"),
        (&["stream.observe", "stream.modify"], "stream.modify"),
        (&["http:api.example.org"], "http:api.example.org"),
        (&["http:*.example.org"], "http:api.example.org"),
        (&["http:eu.example.net"], "http:eu.example.net"),
        (&["http:eu.example.net", "http:*.example.net"], "http:*.example.net"),
        (&["http:example.net"], ""),
        (&["http:evil.org"], ""),
        (&["kv:user"], ""),
        (&["secret:moon", "kv:chat"], "kv:chat secret:moon"),
    ];
    for (grants, expected) in rows {
        assert_eq!(effective(grants, &open), *expected, "{grants:?}");
    }
    let closed = PluginSettings {
        denied: vec!["history".into(), "kv:chat".into()],
        denied_hosts: vec!["example.net".into()],
        ..PluginSettings::default()
    };
    let all = [
        "history:20",
        "kv:chat",
        "macros",
        "http:api.example.org",
        "http:*.example.net",
        "http:eu.example.net",
    ];
    assert_eq!(effective(&all, &closed), "http:api.example.org macros");
}

#[test]
fn only_what_goes_beyond_needs_consent() {
    let manifest = Manifest::parse(WHOLE).expect("it is whole");
    assert_eq!(widened(&manifest, &manifest.capabilities(), &manifest), []);
    let mut old = manifest.clone();
    old.permissions
        .retain(|capability, _| !matches!(capability, Capability::History(_) | Capability::Macros));
    let more = [Capability::History(20), Capability::Macros];
    assert_eq!(widened(&old, &[Capability::History(10)], &manifest), more);
    assert_eq!(widened(&old, &more, &manifest), []);
}

#[test]
fn a_secret_that_would_go_elsewhere_or_in_another_form_needs_consent() {
    let with = |change: fn(&mut SecretDeclaration)| {
        let mut manifest = Manifest::parse(WHOLE).expect("it is whole");
        manifest.secrets[0].hosts = vec!["*.example.org".into(), "api.example.net".into()];
        change(&mut manifest.secrets[0]);
        manifest
    };
    let old = with(|_| {});
    let secret = Capability::Secret(old.secrets[0].name.clone());
    let grants = old.capabilities();
    let narrower: [fn(&mut SecretDeclaration); 4] = [
        |_| {},
        |secret| secret.title = "Another title".into(),
        |secret| secret.hosts.truncate(1),
        |secret| secret.hosts = vec!["api.example.org".into()],
    ];
    for change in narrower {
        assert_eq!(widened(&old, &grants, &with(change)), []);
    }
    let wider: [fn(&mut SecretDeclaration); 5] = [
        |secret| secret.hosts.push("stats.author.example".into()),
        |secret| secret.hosts = vec!["example.org".into()],
        |secret| secret.hosts = vec!["*.example.net".into()],
        |secret| secret.header = "X-Other".into(),
        |secret| secret.format = "x {}".into(),
    ];
    for change in wider {
        let new = with(change);
        assert_eq!(
            widened(&old, &grants, &new),
            std::slice::from_ref(&secret),
            "{:?}",
            new.secrets[0]
        );
        assert_eq!(widened(&old, &[], &new), [], "what was not granted goes nowhere");
    }
}

#[test]
fn the_version_of_the_interface_is_its_own() {
    let package = format!("package tavern:extension@{API_VERSION};");
    assert!(include_str!("../../../plugin-sdk/wit/types.wit").contains(&package));
}
