//! A package: what is read of one is within the limits and the same when it is written again, and no component or
//! configuration schema in it brings the checks down.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tavern_plugins::checks;
use tavern_plugins::package::{self, Files};
use tavern_plugins::settings::{PluginLimits, PluginSettings};

const SEPARATOR: &[u8] = b"\n%\n";

/// Of minisign's; nothing is signed with it.
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

static SETTINGS: LazyLock<PluginSettings> = LazyLock::new(|| PluginSettings {
    limits: PluginLimits {
        // So small that inputs of a few kilobytes come to both sides.
        package_bytes: 16 << 10,
        package_files: 10,
        component_bytes: 2 << 10,
        large_component_bytes: 4 << 10,
        ..PluginLimits::default()
    },
    ..PluginSettings::default()
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    // Mutated bytes are hardly ever a zstd frame with right checksums in it: what they are in is made around them.
    let bytes = match kind % 3 {
        0 => data.to_vec(),
        1 => zstd::encode_all(data, 1).expect("it is in memory"),
        _ => package::write(&files(data)).expect("the names are known").to_vec(),
    };
    let (package, report) = checks::read(&bytes, &SETTINGS);
    for check in &report.checks {
        assert!(check.message.len() < 10_000 && !check.name.is_empty(), "{check:?}");
    }
    assert_eq!(package.is_some(), report.passed());
    let Some(package) = package else {
        assert!(report.checks.iter().any(|check| !check.passed));
        return;
    };
    assert!(package.component.len() <= SETTINGS.limits.large_component_bytes);
    assert!(package::verify(&package, KEY).is_err());
    let _ = package.signer();
    let files = package::unpack(&bytes, &SETTINGS.limits).expect("it was read");
    let again = package::write(&files).expect("it was a package");
    let (again, _) = package::read(&again, &PluginLimits::default()).expect("it is a package");
    assert_eq!(again.checksums, package.checksums);
    if let Some(schema) = &package.config_schema {
        let config = serde_json::json!({"a": [1, "b", {"c": null}]});
        assert!(checks::check_config(schema, &config).len() <= 20);
        let (rest, _) = checks::split_secrets(schema, &config);
        assert!(rest.is_object());
    }
});

/// Files with contents out of the input: pieces that end with a line of `%`.
fn files(data: &[u8]) -> Files {
    const NAMES: [&str; 7] = [
        "extension.toml",
        "extension.wasm",
        "config.schema.json",
        "README.md",
        "LICENSE",
        "signature",
        "i18n/de.json",
    ];
    let mut files = Files::new();
    let mut rest = data;
    for name in NAMES {
        let end = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
        let (piece, next) = match end {
            Some(end) => (&rest[..end], Some(&rest[end + SEPARATOR.len()..])),
            None => (rest, None),
        };
        files.insert(name.into(), piece.to_vec().into());
        match next {
            Some(next) => rest = next,
            None => break,
        }
    }
    files
}
