use minisign::KeyPair;
use std::io::Cursor;

use bytes::Bytes;

use super::*;
use crate::package::{Files, trusted_comment, unpack, write};
use crate::settings::PluginLimits;

const MANIFEST: &str = "\
[extension]
id = 'quiet-river/night-watch'
version = '1.0.0'
title = 'Night Watch'
summary = 'Keeps the story in the dark.'
api = '^0.1'
license = 'MIT'
[hooks.after-reply]
[permissions]
";
const README: &str = "\
# Night Watch

Keeps the story in the dark: after each reply it notes how late it has become, and says so when it matters.

## Permissions

None.
";

/// A component with these imports and exports, none of which has anything inside.
fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let instance = imports.len();
    let imports: String = imports
        .iter()
        .map(|name| format!("(import \"{name}\" (instance))"))
        .collect();
    let exports: String = exports
        .iter()
        .map(|name| format!("(export \"{name}\" (instance {instance}))"))
        .collect();
    let text = format!("(component {imports} (component) (instance (instantiate 0)) {exports})");
    wat::parse_str(&text).expect("it is a component")
}

fn sound() -> Vec<u8> {
    component(
        &["tavern:extension/types@0.1.0"],
        &["tavern:extension/after-reply@0.1.0"],
    )
}

fn files(changes: &[(&str, &[u8])]) -> Files {
    let mut files = Files::new();
    let whole: [(&str, &[u8]); 3] = [
        ("extension.toml", MANIFEST.as_bytes()),
        ("README.md", README.as_bytes()),
        ("LICENSE", b"Permission is hereby granted, free of charge.\n"),
    ];
    for (name, content) in whole.into_iter().chain(changes.iter().copied()) {
        files.insert(name.into(), Bytes::copy_from_slice(content));
    }
    files.entry("extension.wasm".into()).or_insert_with(|| sound().into());
    files
}

fn report(changes: &[(&str, &[u8])]) -> Report {
    report_on(changes, &PluginSettings::default())
}

fn report_on(changes: &[(&str, &[u8])], settings: &PluginSettings) -> Report {
    let (package, report) = read(&write(&files(changes)).expect("the names are known"), settings);
    assert_eq!(package.is_some(), report.passed(), "{report:?}");
    report
}

fn failed(report: &Report) -> Vec<&str> {
    report
        .checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| check.name.as_str())
        .collect()
}

#[test]
fn a_sound_package_passes_every_check_by_name() {
    let report = report(&[]);
    let names: Vec<_> = report.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "package.size",
            "package.archive",
            "package.checksums",
            "manifest",
            "license",
            "readme",
            "secrets",
            "component.bounds",
            "component.exports",
            "component.imports",
        ]
    );
    assert!(report.passed() && report.warnings.is_empty(), "{report:?}");
}

#[test]
fn all_that_is_wrong_with_a_package_is_told_at_once() {
    let report = report(&[
        ("README.md", b"#"),
        ("LICENSE", b"MIT"),
        ("extension.wasm", b"(component)"),
    ]);
    assert_eq!(failed(&report), ["license", "readme", "component.kind"]);
}

#[test]
fn only_a_component_in_binary_form_is_one() {
    let compiled = wasmtime::Engine::default()
        .precompile_component(&sound())
        .expect("it compiles");
    let rows: [(&[u8], &str); 9] = [
        (b"", "no WebAssembly component"),
        (b"\0asm", "no WebAssembly component"),
        (b"MZ\x90\0", "no WebAssembly component"),
        (b"\0asm\x01\0\0\0", "core module"),
        (b"(component)", "as text"),
        (b"\n  (module)", "as text"),
        (b"\x7fELF\x02\x01\x01", "compiled code"),
        (&compiled, "compiled code"),
        (b"\0asm\x0d\0\x01\0\xff", "malformed"),
    ];
    for (bytes, expected) in rows {
        let report = report(&[("extension.wasm", bytes)]);
        let last = report.checks.last().expect("there are checks");
        assert!(!last.passed && last.message.contains(expected), "{expected}: {last:?}");
    }
}

#[test]
fn a_component_that_was_cut_off_or_flipped_never_panics() {
    let manifest = crate::manifest::Manifest::parse(MANIFEST).expect("it is whole");
    let passes = |bytes: &[u8]| {
        let mut report = Report::default();
        component::examine(bytes, &manifest, &mut report);
        report.passed()
    };
    let sound = sound();
    assert!(passes(&sound));
    for end in 0..sound.len() {
        assert!(!passes(&sound[..end]), "{end}");
        for bit in 0..8 {
            let mut flipped = sound.clone();
            flipped[end] ^= 1 << bit;
            passes(&flipped);
        }
    }
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], leb(content.len()), content.to_vec()].concat()
}

/// A sound component with one section more.
fn with_section(id: u8, content: &[u8]) -> Vec<u8> {
    [sound(), section(id, content)].concat()
}

fn module(functions: usize) -> Vec<u8> {
    let types = section(1, &[1, 0x60, 0, 0]);
    let declared = section(3, &[leb(functions), vec![0; functions]].concat());
    let code = section(10, &[leb(functions), [2, 0, 0x0b].repeat(functions)].concat());
    [b"\0asm\x01\0\0\0".to_vec(), types, declared, code].concat()
}

#[test]
fn a_component_has_bounds_on_both_sides() {
    let nested = |levels: usize| {
        let inner = (1..levels).fold(String::from("(component)"), |inner, _| format!("(component {inner})"));
        [sound(), section(4, &wat::parse_str(inner).expect("it is a component"))].concat()
    };
    let many = |count: usize| {
        (0..count)
            .flat_map(|_| section(4, b"\0asm\x0d\0\x01\0"))
            .collect::<Vec<_>>()
    };
    let custom = |bytes: usize| with_section(0, &[&leb(1)[..], b"x", &vec![7; bytes]].concat());
    let types = |count: usize| with_section(7, &[leb(count), [0x40, 0, 1, 0].repeat(count)].concat());
    let imports = |count: usize| {
        let names: Vec<_> = (1..count).map(|index| format!("wasi:io/i{index}")).collect();
        let mut names: Vec<_> = names.iter().map(String::as_str).collect();
        names.push("tavern:extension/types@0.1.0");
        component(&names, &["tavern:extension/after-reply@0.1.0"])
    };
    let rows: [(Vec<u8>, Option<&str>); 12] = [
        (with_section(1, &module(100_000)), None),
        (with_section(1, &module(100_001)), Some("100001 functions, and 100000")),
        (custom(1 << 20), None),
        (custom((1 << 20) + 1), Some("bytes of custom sections, and 1048576")),
        (nested(7), None),
        (nested(8), Some("9 levels")),
        ([sound(), many(199)].concat(), None),
        (
            [sound(), many(200)].concat(),
            Some("201 modules and components inside, and 200"),
        ),
        (imports(1000), None),
        (imports(1001), Some("1001 imports, and 1000")),
        (types(50_000 - 1000), None),
        (types(50_001), Some("types, and 50000")),
    ];
    for (bytes, expected) in rows {
        let report = report(&[("extension.wasm", &bytes)]);
        let bounds = report
            .checks
            .iter()
            .find(|check| check.name == "component.bounds")
            .expect("it is checked");
        match expected {
            None => assert!(bounds.passed, "{bounds:?}"),
            Some(expected) => assert!(
                !bounds.passed && bounds.message.contains(expected),
                "{expected}: {bounds:?}"
            ),
        }
    }
}

#[test]
fn hooks_are_those_of_the_manifest() {
    let rows: [(&[&str], Option<&str>); 6] = [
        (&["tavern:extension/after-reply@0.1.0"], None),
        (&["tavern:extension/after-reply@0.1.7"], Some("another version")),
        (&["tavern:extension/after-reply@1.0.0"], Some("another version")),
        (&[], Some("it does not export `after-reply`")),
        (
            &["tavern:extension/after-reply@0.1.0", "tavern:extension/tool@0.1.0"],
            Some("it exports `tool`, and the manifest has no [hooks.tool]"),
        ),
        (
            &["tavern:extension/after-reply@0.1.0", "tavern:extension/after-all@0.1.0"],
            Some("which is no hook"),
        ),
    ];
    for (exports, expected) in rows {
        let report = report(&[("extension.wasm", &component(&[], exports))]);
        match expected {
            None => assert!(report.passed(), "{report:?}"),
            Some(expected) => {
                assert_eq!(failed(&report), ["component.exports"]);
                assert!(
                    report.checks.iter().any(|check| check.message.contains(expected)),
                    "{report:?}"
                );
            }
        }
    }
    let more = component(&[], &["tavern:extension/after-reply@0.1.0", "local:more/thing"]);
    let report = report(&[("extension.wasm", &more)]);
    assert!(
        report.passed() && report.warnings[0].contains("local:more/thing"),
        "{report:?}"
    );
}

#[test]
fn imports_are_what_permissions_are_about() {
    let rows = [
        ("tavern:extension/log@0.1.0", "", None),
        ("tavern:extension/config@0.1.0", "", None),
        ("tavern:extension/metrics@0.1.0", "", None),
        ("tavern:extension/text@0.1.0", "", None),
        ("tavern:extension/http@0.1.0", "", Some("does not ask for `http:HOST`")),
        ("tavern:extension/http@0.1.0", "'http:api.example.org' = 'W'", None),
        (
            "tavern:extension/key-value@0.1.0",
            "'http:api.example.org' = 'W'",
            Some("`kv:SCOPE`"),
        ),
        ("tavern:extension/key-value@0.1.0", "'kv:chat' = 'W'", None),
        ("tavern:extension/model@0.1.0", "", Some("`model:TOKENS`")),
        ("tavern:extension/model@0.1.0", "'model:100' = 'W'", None),
        ("tavern:extension/secrets@0.1.0", "", Some("`secret:NAME`")),
        ("tavern:extension/files@0.1.0", "", Some("does not have")),
        ("tavern:extension/log@0.1.9", "", Some("another version")),
        ("wasi:io/streams@0.2.6", "", None),
        ("wasi:cli/environment@0.2.0", "", None),
        ("wasi:sockets/tcp@0.2.0", "", Some("--stub-wasi")),
        ("wasi:http/outgoing-handler@0.2.0", "", Some("--disable http")),
        ("wasi:keyvalue/store@0.2.0", "", Some("does not have")),
        ("evil:host/backdoor", "", Some("does not have")),
    ];
    for (import, permission, expected) in rows {
        let component = component(&[import], &["tavern:extension/after-reply@0.1.0"]);
        let manifest = format!("{MANIFEST}{permission}\n");
        let report = report(&[("extension.wasm", &component), ("extension.toml", manifest.as_bytes())]);
        match expected {
            None => assert!(report.passed(), "{import}: {report:?}"),
            Some(expected) => {
                assert_eq!(failed(&report), ["component.imports"], "{import}");
                assert!(
                    report.checks.iter().any(|check| check.message.contains(expected)),
                    "{report:?}"
                );
            }
        }
    }
    let idle = report(&[(
        "extension.toml",
        format!("{MANIFEST}'kv:chat' = 'To remember.'\n").as_bytes(),
    )]);
    assert!(
        idle.passed() && idle.warnings[0].contains("does not import `key-value`"),
        "{idle:?}"
    );
}

#[test]
fn what_is_wrong_is_told_within_bounds() {
    let names: Vec<_> = (0..900).map(|index| format!("evil:host/backdoor{index}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let report = report(&[(
        "extension.wasm",
        &component(&names, &["tavern:extension/after-reply@0.1.0"]),
    )]);
    let last = report.checks.last().expect("there are checks");
    assert!(
        last.message.contains("and 890 more") && last.message.len() < 2000,
        "{last:?}"
    );
}

#[test]
fn a_key_in_a_text_is_found_and_one_in_code_is_warned_of() {
    // In pieces, so that no scanner of sources takes these for leaks.
    let keys = [
        ["-----BEGIN RSA PRIVATE", " KEY-----"].concat(),
        ["-----BEGIN OPENSSH PRIVATE", " KEY-----"].concat(),
        ["-----BEGIN PGP PRIVATE", " KEY BLOCK-----"].concat(),
        ["untrusted comment: minisign encrypted", " secret key"].concat(),
        ["AKIA", "IOSFODNN7EXAMPLE"].concat(),
        ["ghp_", &"a1B2".repeat(9)].concat(),
        ["glpat-", &"x".repeat(20)].concat(),
        ["sk-proj-", &"Ab12".repeat(10)].concat(),
        ["AIza", &"B".repeat(35)].concat(),
        ["xoxb-", &"1".repeat(20)].concat(),
        ["sk_live_", &"2".repeat(24)].concat(),
        ["npm_", &"c".repeat(36)].concat(),
        ["eyJ", &"a".repeat(20), ".eyJ", &"b".repeat(20), ".", &"c".repeat(30)].concat(),
    ];
    for key in &keys {
        let readme = format!("{README}\nUse `{key}`.\n");
        let report = report(&[("README.md", readme.as_bytes())]);
        assert_eq!(failed(&report), ["secrets"], "{key}");
        let told = &report
            .checks
            .iter()
            .find(|check| !check.passed)
            .expect("it failed")
            .message;
        assert!(
            told.contains("`README.md` has what looks like") && !told.contains(key.as_str()),
            "{told}"
        );
    }
    let manifest = MANIFEST.replace("Keeps the story in the dark.", &keys[5]);
    assert_eq!(failed(&report(&[("extension.toml", manifest.as_bytes())])), ["secrets"]);
    let locale = format!("{{\"key\": \"{}\"}}", keys[4]);
    assert_eq!(failed(&report(&[("i18n/de.json", locale.as_bytes())])), ["secrets"]);
    let code = with_section(0, &[&leb(1)[..], b"x ", keys[5].as_bytes()].concat());
    let report = report(&[("extension.wasm", &code)]);
    assert!(
        report.passed() && report.warnings[0].contains("The component has what looks like"),
        "{report:?}"
    );
    // Words that look like it are words.
    for harmless in [
        "A task-oriented skeleton",
        "AKIA means nothing",
        "sk-short",
        "the -----BEGIN of it",
    ] {
        let readme = format!("{README}{harmless}");
        assert!(self::report(&[("README.md", readme.as_bytes())]).passed(), "{harmless}");
    }
}

#[test]
fn a_readme_says_what_it_has_to() {
    let text = |chars: usize| format!("# Title\n{}", "é".repeat(chars));
    assert_eq!(failed(&report(&[("README.md", text(79).as_bytes())])), ["readme"]);
    assert!(report(&[("README.md", text(80).as_bytes())]).passed());
    assert_eq!(
        failed(&report(&[("README.md", "é".repeat(200).as_bytes())])),
        ["readme"]
    );

    let asking = format!("{MANIFEST}annotate = 'To say how late it is.'\n");
    let schema: (&str, &[u8]) = ("config.schema.json", br#"{"type": "object"}"#);
    let report = report(&[
        ("extension.toml", asking.as_bytes()),
        schema,
        ("README.md", text(80).as_bytes()),
    ]);
    assert_eq!(report.warnings.len(), 2, "{report:?}");
}

#[test]
fn this_machine_can_be_asked_for_only_where_things_are_tried_out() {
    let manifest = format!("{MANIFEST}'http:localhost' = 'To try it out.'\n");
    let component = component(
        &["tavern:extension/http@0.1.0"],
        &["tavern:extension/after-reply@0.1.0"],
    );
    let changes: [(&str, &[u8]); 2] = [("extension.toml", manifest.as_bytes()), ("extension.wasm", &component)];
    assert_eq!(failed(&report(&changes)), ["manifest.hosts"]);
    let trying = PluginSettings {
        allow_loopback: true,
        ..PluginSettings::default()
    };
    assert!(report_on(&changes, &trying).passed());
    let manifest = format!("{MANIFEST}'http:bit.ly' = 'Short.'\n");
    let short = report(&[("extension.toml", manifest.as_bytes()), ("extension.wasm", &component)]);
    assert!(
        short.passed() && short.warnings[0].contains("`bit.ly` hides"),
        "{short:?}"
    );
}

#[test]
fn a_signature_is_one_of_the_publishers_keys() {
    let key = KeyPair::generate_unencrypted_keypair().expect("there is randomness");
    let other = KeyPair::generate_unencrypted_keypair().expect("there is randomness");
    let limits = PluginLimits::default();
    let mut files = unpack(&write(&files(&[])).expect("names are known"), &limits).expect("it is whole");
    let unsigned = package::read(&write(&files).expect("names are known"), &limits)
        .expect("it is whole")
        .0;
    let comment = trusted_comment(&unsigned.manifest, &unsigned.component_sha256);
    let sums = Cursor::new(&files["checksums"]);
    let text = minisign::sign(None, &key.sk, sums, Some(&comment), None)
        .expect("the key is at hand")
        .into_string();
    files.insert("signature".into(), text.into());
    let signed = package::read(&write(&files).expect("names are known"), &limits)
        .expect("it is whole")
        .0;

    let verdict = |package: &Package, keys: &[String]| {
        let mut report = Report::default();
        let passed = signature(package, keys, &mut report);
        assert_eq!(passed, report.passed());
        report.checks[0].name.clone()
    };
    let (own, others) = (key.pk.to_base64(), other.pk.to_base64());
    assert_eq!(verdict(&signed, &[others.clone(), own.clone()]), "signature");
    assert_eq!(verdict(&signed, std::slice::from_ref(&others)), "signature.key");
    assert_eq!(verdict(&signed, &[]), "signature.key");
    assert_eq!(verdict(&unsigned, &[own]), "signature.missing");
    assert_eq!(verdict(&unsigned, &[]), "signature.missing");
}

#[test]
fn bundled_extensions_keep_the_rules() {
    let bundled = concat!(env!("CARGO_MANIFEST_DIR"), "/bundled");
    let mut seen = 0;
    for entry in std::fs::read_dir(bundled).expect("there are some") {
        let dir = entry.expect("it is ours").path();
        let text = |name: &str| std::fs::read_to_string(dir.join(name));
        let Ok(manifest) = text("extension.toml") else {
            continue;
        };
        seen += 1;
        if let Err(mistakes) = crate::manifest::Manifest::parse(&manifest) {
            panic!("{}: {mistakes:#?}", dir.display());
        }
        if let Ok(schema) = text("config.schema.json") {
            let schema = serde_json::from_str(&schema).expect("it is JSON");
            assert_eq!(schema::examine_config(&schema), Ok(()), "{}", dir.display());
        }
        let readme = text("README.md").expect("each has one");
        let license = "Permission is hereby granted, free of charge.";
        let changes = [("README.md", readme.as_bytes()), ("LICENSE", license.as_bytes())];
        assert!(report(&changes).passed(), "{}", dir.display());
    }
    assert!(seen > 0);
}
