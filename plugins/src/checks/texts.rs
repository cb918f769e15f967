//! What people read of a package, and what nobody should.

use std::sync::LazyLock;

use regex::bytes::RegexSet;
use tavern_domain::extension::Capability;

use crate::manifest::HostPattern;
use crate::package::{Package, Report};
use crate::settings::PluginSettings;

/// What shows that a text is more than a heading.
const MIN_README_CHARS: usize = 80;
const MIN_LICENSE_CHARS: usize = 20;

/// Keys and tokens that people leave behind, by forms that nothing else has.
const SECRETS: [(&str, &str); 12] = [
    (
        "a private key",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
    ),
    (
        "a minisign secret key",
        r"untrusted comment: minisign (?:encrypted )?secret key|\bRWRTY0Iy[A-Za-z0-9+/]{100}",
    ),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    (
        "a GitHub token",
        r"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{50,}",
    ),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("a key of a model's provider", r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_]{32,}"),
    ("a Google key", r"\bAIza[A-Za-z0-9_-]{35}\b"),
    ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{20,}"),
    ("a Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("a PyPI token", r"\bpypi-AgEI[A-Za-z0-9_-]{50,}"),
    (
        "a JSON web token",
        r"\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,}",
    ),
];

static SCAN: LazyLock<RegexSet> = LazyLock::new(|| {
    // Bytes, since a component is scanned too.
    let patterns = SECRETS.map(|(_, pattern)| format!("(?-u){pattern}"));
    RegexSet::new(patterns).expect("the patterns are constants, and tested")
});

/// Hosts that hide where requests go.
const SHORTENERS: [&str; 10] = [
    "bit.ly",
    "cutt.ly",
    "goo.gl",
    "is.gd",
    "ow.ly",
    "rebrand.ly",
    "shorturl.at",
    "t.co",
    "tinyurl.com",
    "v.gd",
];

pub(super) fn examine(package: &Package, settings: &PluginSettings, report: &mut Report) {
    hosts(package, settings, report);
    if package.license.trim().chars().count() < MIN_LICENSE_CHARS {
        report.fail(
            "license",
            format!("`LICENSE` has to be the text of the licence: at least {MIN_LICENSE_CHARS} characters."),
        );
    } else {
        report.pass("license", format!("{}.", package.manifest.extension.license));
    }
    readme(package, report);
    secrets(package, report);
}

fn hosts(package: &Package, settings: &PluginSettings, report: &mut Report) {
    let asked = package
        .manifest
        .permissions
        .keys()
        .filter_map(|capability| match capability {
            Capability::Http(host) => host.parse::<HostPattern>().ok(),
            _ => None,
        });
    let mut loopback = false;
    for host in asked {
        loopback |= host.is_loopback();
        if SHORTENERS.iter().any(|shortener| host.matches(shortener)) {
            report.warn(format!("The host `{host}` hides where requests go."));
        }
        if !settings.allows(&Capability::Http(host.to_string())) {
            report.warn(format!("The host `{host}` is denied on this server."));
        }
    }
    if loopback && !settings.allow_loopback {
        report.fail(
            "manifest.hosts",
            "The manifest asks for the server's own machine, which is for trying things out alone.",
        );
    }
}

fn readme(package: &Package, report: &mut Report) {
    let text = &package.readme;
    let heading = |line: &str| {
        line.strip_prefix('#')
            .map(|rest| rest.trim_start_matches('#').trim().to_lowercase())
    };
    let headings: Vec<String> = text.lines().filter_map(|line| heading(line.trim_end())).collect();
    let written = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::chars);
    if headings.is_empty() || written.filter(|char| !char.is_whitespace()).count() < MIN_README_CHARS {
        report.fail(
            "readme",
            format!(
                "`README.md` needs a heading, and at least {MIN_README_CHARS} characters about what the extension does."
            ),
        );
        return;
    }
    report.pass("readme", format!("{} bytes.", text.len()));
    let wants = |needed: bool, words: &[&str]| {
        needed
            && !headings
                .iter()
                .any(|heading| words.iter().any(|word| heading.contains(word)))
    };
    if wants(!package.manifest.permissions.is_empty(), &["permission"]) {
        report.warn("`README.md` has no section on permissions.");
    }
    if wants(
        package.config_schema.is_some(),
        &["setting", "configuration", "options"],
    ) {
        report.warn("`README.md` has no section on settings.");
    }
}

fn secrets(package: &Package, report: &mut Report) {
    let manifest = serde_json::to_string(&package.manifest).unwrap_or_default();
    let schema = package
        .config_schema
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut texts = vec![
        ("README.md".to_owned(), package.readme.as_str()),
        ("LICENSE".to_owned(), &package.license),
        ("extension.toml".to_owned(), &manifest),
        ("config.schema.json".to_owned(), &schema),
    ];
    let locales: Vec<_> = package
        .locales
        .iter()
        .map(|(locale, texts)| (locale, texts.to_string()))
        .collect();
    for (locale, text) in &locales {
        texts.push((format!("i18n/{locale}.json"), text));
    }
    let mut found = Vec::new();
    for (name, text) in texts {
        for index in &SCAN.matches(text.as_bytes()) {
            found.push(format!("`{name}` has what looks like {}", SECRETS[index].0));
        }
    }
    if found.is_empty() {
        report.pass("secrets", "No text has what looks like a key.");
    } else {
        found.truncate(10);
        report.fail(
            "secrets",
            format!(
                "{}. Take it out, and have it revoked where it is from.",
                found.join("; ")
            ),
        );
    }
    // Code has tables that look like anything.
    for index in &SCAN.matches(&package.component) {
        report.warn(format!(
            "The component has what looks like {}: nothing in a package is secret.",
            SECRETS[index].0
        ));
    }
}
