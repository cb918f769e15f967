use std::collections::BTreeMap;
use std::io::Cursor;

use minisign::KeyPair;

use super::*;

const MANIFEST: &str = "\
[extension]
id = 'quiet-river/night-watch'
version = '1.0.0'
title = 'Night Watch'
summary = 'Keeps the story in the dark.'
api = '^0.1'
license = 'MIT'
[hooks.after-reply]
";

fn files() -> Files {
    let files: BTreeMap<&str, &[u8]> = BTreeMap::from([
        ("extension.toml", MANIFEST.as_bytes()),
        ("extension.wasm", b"\0asm\x0d\0\x01\0"),
        ("README.md", b"# Night Watch\n"),
        ("LICENSE", b"MIT\n"),
        ("icon.png", b"\x89PNG\r\n\x1a\n..."),
        (
            "config.schema.json",
            br#"{"type": "object", "properties": {"key": {"type": "string", "x-secret": true}}}"#,
        ),
        ("i18n/de-AT.json", br#"{"title": "Nachtwache"}"#),
    ]);
    files
        .into_iter()
        .map(|(name, content)| (name.to_owned(), Bytes::from_static(content)))
        .collect()
}

fn with(name: &str, content: impl Into<Bytes>) -> Files {
    let mut files = files();
    files.insert(name.into(), content.into());
    files
}

fn packed(files: &Files) -> Bytes {
    write(files).expect("the names are known")
}

/// A tar of anything, compressed: what a package may not be.
fn raw(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    build(&mut tar);
    compressed(&tar.into_inner().expect("it is in memory"))
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("it is in memory")
}

fn unpacked(package: &[u8]) -> Vec<u8> {
    zstd::decode_all(package).expect("it was compressed")
}

/// A header that says what it likes.
fn header(name: &[u8], kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header
}

fn refused(package: &[u8], limits: &PluginLimits) -> (String, String) {
    let report = read(package, limits).map(|_| ()).expect_err("it is not a package");
    let last = report.checks.last().expect("it says why").clone();
    assert!(!last.passed && !report.passed(), "{report:?}");
    assert!(
        last.message.ends_with('.') && last.message.len() < 700,
        "{}",
        last.message
    );
    (last.name, last.message)
}

#[test]
fn what_is_written_is_read() {
    let package = packed(&files());
    let (read, report) = read(&package, &PluginLimits::default()).expect("it is whole");
    assert!(report.passed() && report.warnings.is_empty(), "{report:?}");
    assert_eq!(read.manifest.extension.id, "quiet-river/night-watch");
    assert_eq!(read.component, &b"\0asm\x0d\0\x01\0"[..]);
    assert_eq!(read.readme, "# Night Watch\n");
    assert_eq!(read.locales[0].0, "de-AT");
    assert!(read.icon.is_some() && read.config_schema.is_some() && read.signature.is_none());
    assert_eq!(read.sha256, hex_sha256(&package));
    assert_eq!(read.component_sha256, hex_sha256(&read.component));
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let once = packed(&files());
    assert_eq!(once, packed(&files()));
    // What was unpacked, with `checksums` among it, is what was packed.
    assert_eq!(
        once,
        packed(&unpack(&once, &PluginLimits::default()).expect("it is whole"))
    );
}

#[test]
fn a_package_has_the_files_it_needs_and_no_others() {
    for name in ["extension.toml", "extension.wasm", "README.md", "LICENSE"] {
        let mut files = files();
        files.remove(name);
        let (check, message) = refused(&packed(&files), &PluginLimits::default());
        assert_eq!(check, "package.files");
        assert!(message.contains(name), "{message}");
    }
    assert!(write(&with("notes.txt", "")).is_err());
}

#[test]
fn a_name_that_is_not_a_packages_is_refused() {
    let names: [&[u8]; 14] = [
        b"/extension.toml",
        b"../extension.toml",
        b"./extension.toml",
        b"i18n/../extension.toml",
        b"i18n\\de.json",
        b"extension.toml/",
        b"EXTENSION.TOML",
        b"i18n/de.json/x",
        b"i18n/.json",
        b"i18n/german.json",
        b"i18n/de_AT.json",
        b"C:extension.toml",
        b"exten\xffsion.toml",
        b"setup.sh",
    ];
    for name in names {
        let package = raw(|tar| {
            tar.append(&header(name, tar::EntryType::Regular, 0), &b""[..])
                .expect("in memory")
        });
        let (check, _) = refused(&package, &PluginLimits::default());
        assert_eq!(check, "package.names", "{}", String::from_utf8_lossy(name));
    }
}

#[test]
fn a_package_has_plain_files_alone() {
    use tar::EntryType::{Block, Char, Directory, Fifo, GNULongName, GNUSparse, Link, Symlink, XGlobalHeader, XHeader};
    for kind in [
        Block,
        Char,
        Directory,
        Fifo,
        GNULongName,
        GNUSparse,
        Link,
        Symlink,
        XGlobalHeader,
        XHeader,
    ] {
        let package = raw(|tar| {
            tar.append(&header(b"extension.toml", kind, 0), &b""[..])
                .expect("in memory")
        });
        let (check, message) = refused(&package, &PluginLimits::default());
        assert_eq!(check, "package.names", "{kind:?}");
        assert!(message.contains("no plain file"), "{kind:?}: {message}");
    }
}

#[test]
fn a_name_stands_there_once_in_whatever_case() {
    for pair in [["README.md", "README.md"], ["i18n/de-AT.json", "i18n/de-at.json"]] {
        let package = raw(|tar| {
            for name in pair {
                tar.append(&header(name.as_bytes(), tar::EntryType::Regular, 0), &b""[..])
                    .expect("in memory");
            }
        });
        let (check, message) = refused(&package, &PluginLimits::default());
        assert_eq!(check, "package.names");
        assert!(message.contains("twice"), "{message}");
    }
}

#[test]
fn nothing_stands_behind_the_end() {
    let limits = PluginLimits::default();
    let package = packed(&files());
    let mut tar = unpacked(&package);

    let mut more = package.to_vec();
    more.push(0);
    assert_eq!(refused(&more, &limits).0, "package.trailing");
    let mut second = package.to_vec();
    second.extend(compressed(b"hidden"));
    assert_eq!(refused(&second, &limits).0, "package.trailing");

    // As other writers fill it up.
    let filled = |blocks: usize| compressed(&[&tar[..], &vec![0; blocks * 512]].concat());
    assert!(read(&filled(18), &limits).is_ok());
    assert_eq!(refused(&filled(19), &limits).0, "package.trailing");

    tar.extend([0, 1]);
    assert_eq!(refused(&compressed(&tar), &limits).0, "package.trailing");
}

#[test]
fn what_was_cut_off_is_refused_wherever_it_was() {
    let package = packed(&files());
    for end in 0..package.len() {
        refused(&package[..end], &PluginLimits::default());
    }
    let tar = unpacked(&package);
    for end in (0..tar.len()).step_by(100) {
        refused(&compressed(&tar[..end]), &PluginLimits::default());
    }
}

#[test]
fn what_is_no_package_is_refused() {
    let zip = b"PK\x03\x04............................";
    for bytes in [
        &b""[..],
        b"\0",
        b"\x28\xb5\x2f\xfd",
        zip,
        &compressed(b""),
        &compressed(&[7; 4096]),
    ] {
        let (check, _) = refused(bytes, &PluginLimits::default());
        assert!(check.starts_with("package."), "{check}");
    }
}

#[test]
fn limits_hold_on_both_sides() {
    let package = packed(&files());
    let exact = |change: fn(&mut PluginLimits, usize), value: usize| {
        let mut limits = PluginLimits::default();
        change(&mut limits, value);
        limits
    };
    let bytes = |limits: &mut PluginLimits, value| limits.package_bytes = value;
    assert!(read(&package, &exact(bytes, package.len())).is_ok());
    assert_eq!(refused(&package, &exact(bytes, package.len() - 1)).0, "package.size");

    let count = |limits: &mut PluginLimits, value| limits.package_files = value;
    assert!(read(&package, &exact(count, 8)).is_ok());
    assert_eq!(refused(&package, &exact(count, 7)).0, "package.files");

    let component = |limits: &mut PluginLimits, value| limits.component_bytes = value;
    assert!(read(&package, &exact(component, 8)).is_ok());
    assert_eq!(refused(&package, &exact(component, 7)).0, "package.component");
    let large = packed(&with(
        "extension.toml",
        MANIFEST.replace("license =", "large-runtime = true\nlicense ="),
    ));
    assert!(read(&large, &exact(component, 7)).is_ok());
    let large_component = |limits: &mut PluginLimits, value| limits.large_component_bytes = value;
    assert_eq!(refused(&large, &exact(large_component, 7)).0, "package.size");

    for (name, most) in [("LICENSE", 256 << 10), ("README.md", 1 << 20), ("signature", 4 << 10)] {
        let text = |bytes: usize| {
            // Little that repeats, so that the ratio is not what refuses it.
            let noise = (0..bytes as u64).map(|index| b'a' + (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as u8);
            packed(&with(name, noise.collect::<Vec<_>>()))
        };
        assert!(read(&text(most), &PluginLimits::default()).is_ok(), "{name}");
        let (check, message) = refused(&text(most + 1), &PluginLimits::default());
        assert_eq!(check, "package.size");
        assert!(
            message.contains(name) && message.contains(&most.to_string()),
            "{message}"
        );
    }
}

#[test]
fn a_bomb_is_refused_before_it_has_unfolded() {
    // 40 MiB of nothing, in a few kilobytes: within every size, and beyond every ratio.
    let size = 40 << 20;
    let package = raw(|tar| {
        let zeros = std::io::Read::take(std::io::repeat(0), size);
        tar.append(&header(b"extension.wasm", tar::EntryType::Regular, size), zeros)
            .expect("in memory");
    });
    assert!(package.len() < 20_000);
    assert_eq!(refused(&package, &PluginLimits::default()).0, "package.ratio");

    // More than a file may have is not even begun with.
    let claims = |size: u64| {
        raw(|tar| {
            tar.append(&header(b"extension.wasm", tar::EntryType::Regular, size), &b"x"[..])
                .expect("in memory")
        })
    };
    assert_eq!(refused(&claims(1 << 40), &PluginLimits::default()).0, "package.size");
    assert_eq!(
        refused(&claims(u64::MAX >> 1), &PluginLimits::default()).0,
        "package.size"
    );
    // What is claimed and does not come takes no memory.
    assert_eq!(refused(&claims(40 << 20), &PluginLimits::default()).0, "package.tar");
}

#[test]
fn a_window_that_takes_much_memory_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("in memory");
    encoder.window_log(25).expect("it is legal");
    std::io::copy(&mut Cursor::new(unpacked(&packed(&files()))), &mut encoder).expect("in memory");
    let package = encoder.finish().expect("in memory");
    assert_eq!(refused(&package, &PluginLimits::default()).0, "package.zstd");
}

#[test]
fn checksums_are_complete_and_right() {
    let good = unpack(&packed(&files()), &PluginLimits::default()).expect("it is whole");
    let sums = String::from_utf8(good["checksums"].to_vec()).expect("it is text");
    let lines: Vec<_> = sums.lines().collect();
    let swapped = [&[lines[1], lines[0]], &lines[2..]].concat().join("\n") + "\n";
    let rows = [
        (String::new(), "no line for"),
        (
            sums.replacen("  README.md", "  READYOU.md", 1),
            "no line for `README.md`",
        ),
        (
            sums.lines().skip(1).map(|line| format!("{line}\n")).collect(),
            "no line for `LICENSE`",
        ),
        (swapped, "in the order of names"),
        (format!("{sums}{}  signature\n", "0".repeat(64)), "a line too many"),
        (sums.to_uppercase(), "`LICENSE` is not what"),
        (sums.replacen(&lines[0][..4], "0000", 1), "`LICENSE` is not what"),
        (sums.trim_end().to_owned(), "is not what"),
    ];
    for (sums, expected) in rows {
        let package = raw(|tar| {
            for (name, content) in &good {
                let content = if name == "checksums" { sums.as_bytes() } else { content };
                let header = header(name.as_bytes(), tar::EntryType::Regular, content.len() as u64);
                tar.append(&header, content).expect("in memory");
            }
        });
        let (check, message) = refused(&package, &PluginLimits::default());
        assert_eq!(check, "package.checksums");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn contents_are_what_they_are_said_to_be() {
    let rows: [(&str, &[u8], &str); 12] = [
        ("extension.toml", b"[extension", "manifest.syntax"),
        ("extension.toml", b"\xff", "manifest.syntax"),
        ("README.md", b"\xff", "package.text"),
        ("LICENSE", b"\xff", "package.text"),
        ("icon.png", b"<svg onload='alert(1)'/>", "package.icon"),
        ("config.schema.json", b"{", "package.config-schema"),
        ("config.schema.json", b"[]", "package.config-schema"),
        (
            "config.schema.json",
            br#"{"type": "object", "$ref": "https://example.org/x"}"#,
            "package.config-schema",
        ),
        ("i18n/de.json", b"[]", "package.locales"),
        ("i18n/de.json", br#"{"a": 1}"#, "package.locales"),
        ("i18n/de.json", b"{", "package.locales"),
        ("signature", b"\xff", "package.text"),
    ];
    for (name, content, expected) in rows {
        let (check, _) = refused(&packed(&with(name, content)), &PluginLimits::default());
        assert_eq!(check, expected, "{name} {}", String::from_utf8_lossy(content));
    }
}

#[test]
fn what_is_to_trigger_is_a_setting_with_texts() {
    let files = |name: &str, schema: &str| {
        let hook =
            format!("[hooks.stream-filter]\ntrigger-settings = ['{name}']\n[permissions]\n'stream.modify' = 'Yes'\n");
        let mut files = with("extension.toml", MANIFEST.replace("[hooks.after-reply]\n", &hook));
        files.insert("config.schema.json".into(), schema.to_owned().into());
        files
    };
    let schema = r#"{"type": "object", "properties": {
        "text": {"type": "string"},
        "list": {"type": "array", "items": {"type": "string"}},
        "names": {"type": "object", "additionalProperties": {"type": "string"}},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "anything": {"type": "array"},
        "flag": {"type": "boolean"},
        "key": {"type": "string", "x-secret": true}
    }}"#;
    for name in ["text", "list", "names"] {
        assert!(
            read(&packed(&files(name, schema)), &PluginLimits::default()).is_ok(),
            "{name}"
        );
    }
    for name in ["numbers", "anything", "flag", "key", "none", ""] {
        let (check, message) = refused(&packed(&files(name, schema)), &PluginLimits::default());
        assert_eq!(check, "manifest.hooks");
        assert!(message.contains(&format!("`{name}`")), "{message}");
    }
    let mut none = files("text", schema);
    none.remove("config.schema.json");
    assert_eq!(refused(&packed(&none), &PluginLimits::default()).0, "manifest.hooks");
}

#[test]
fn every_mistake_of_a_manifest_is_a_check() {
    let manifest = MANIFEST.replace("1.0.0", "one").replace("quiet-river/", "");
    let report = read(&packed(&with("extension.toml", manifest)), &PluginLimits::default()).expect_err("two mistakes");
    let failed: Vec<_> = report
        .checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| check.name.as_str())
        .collect();
    assert_eq!(failed, ["manifest.id", "manifest.version"]);
}

fn signed(files: &Files, key: &KeyPair, comment: &str) -> Package {
    let unsigned = unpack(&packed(files), &PluginLimits::default()).expect("it is whole");
    let signature = minisign::sign(
        Some(&key.pk),
        &key.sk,
        Cursor::new(&unsigned["checksums"]),
        Some(comment),
        None,
    );
    let mut files = unsigned;
    files.insert(
        "signature".into(),
        signature.expect("the key is at hand").into_string().into(),
    );
    let (package, _) = read(&packed(&files), &PluginLimits::default()).expect("it is whole");
    package
}

#[test]
fn a_signature_is_of_these_files_this_version_and_this_key() {
    let key = KeyPair::generate_unencrypted_keypair().expect("there is randomness");
    let other = KeyPair::generate_unencrypted_keypair().expect("there is randomness");
    let (public, others) = (key.pk.to_base64(), other.pk.to_base64());
    let unsigned = read(&packed(&files()), &PluginLimits::default())
        .expect("it is whole")
        .0;
    let comment = trusted_comment(&unsigned.manifest, &unsigned.component_sha256);
    assert_eq!(
        comment,
        format!("quiet-river/night-watch 1.0.0 {}", unsigned.component_sha256)
    );

    let good = signed(&files(), &key, &comment);
    assert_eq!(verify(&good, &public), Ok(()));
    assert_eq!(verify(&good, &key.pk.to_box().expect("a key").into_string()), Ok(()));
    assert_eq!(good.signer(), key_id(&public));

    let check = |package: &Package, key: &str| verify(package, key).expect_err("it does not hold").name;
    assert_eq!(check(&unsigned, &public), "signature.missing");
    assert_eq!(check(&good, &others), "signature.key");
    assert_eq!(check(&good, "a key"), "signature.key");
    assert_eq!(check(&good, ""), "signature.key");

    // Replayed as another version, or another extension: the comment does not fit.
    let moved = signed(&files(), &key, &comment.replace("1.0.0", "1.0.1"));
    assert_eq!(check(&moved, &public), "signature.comment");
    // Moved to other files: the signature does not fit.
    let mut changed = signed(&with("README.md", "# Another\n"), &key, &comment);
    changed.signature.clone_from(&good.signature);
    assert_eq!(check(&changed, &public), "signature.invalid");
    // Another key that says it is this one.
    let mut forged = other.pk.to_bytes();
    forged[2..10].copy_from_slice(&key.pk.to_bytes()[2..10]);
    let forged = minisign::PublicKey::from_bytes(&forged).expect("a key").to_base64();
    assert_eq!(check(&good, &forged), "signature.invalid");
    // The comment written anew under the same signature.
    let mut edited = moved.clone();
    edited.signature = edited.signature.map(|text| text.replace("1.0.1", "1.0.0"));
    assert_eq!(check(&edited, &public), "signature.invalid");
    let mut garbled = good.clone();
    for text in ["", "untrusted comment: x", "a\n\u{e9}\nb\nc"] {
        garbled.signature = Some(text.into());
        assert_eq!(check(&garbled, &public), "signature.invalid");
        assert_eq!(garbled.signer(), None);
    }
}

#[test]
fn the_id_of_a_key_is_as_its_file_shows_it() {
    let key = KeyPair::generate_unencrypted_keypair().expect("there is randomness");
    let shown = key.pk.to_box().expect("a key").into_string();
    let id = key_id(&key.pk.to_base64()).expect("it is a key");
    assert_eq!(id.len(), 16);
    assert!(
        shown
            .lines()
            .next()
            .is_some_and(|comment| comment.ends_with(id.trim_start_matches('0'))),
        "{shown} {id}"
    );
    assert_eq!(key_id(&shown), Some(id));
    assert_eq!(key_id("RWQ"), None);
}
