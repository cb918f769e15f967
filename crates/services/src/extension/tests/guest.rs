//! Packages for tests: a guest written by hand, signed by a key made for the occasion.

use std::path::Path;

use bytes::Bytes;
use minisign::{KeyPair, PublicKey};
use tavern_plugins::package::{self, Files};
use wit_component::{ComponentEncoder, StringEncoding};

/// Refuses configurations of more than 100 bytes. After each reply it counts one up under `n`, as a number
/// behind the byte `FORMAT`, and skips if somebody else has meanwhile. Moved from another version, it writes `n` in
/// its own format, whatever others do, keeps that version's number under `moved`, and fails if that is `FAILS`.
const CODE: &str = r#"(module
  (import "tavern:extension/key-value@0.1.0" "set"
    (func $set (param i32 i32 i32 i32 i32 i32 i64 i32 i64 i32)))
  (import "tavern:extension/key-value@0.1.0" "get" (func $get (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "moved")
  (data (i32.const 32) "FAILS")
  (data (i32.const 48) "no")
  (data (i32.const 64) "n")
  (global $next (mut i32) (i32.const 8192))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (local.get 3))))
  (func $error (param $kind i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 1))
    (i32.store8 (i32.const 1028) (local.get $kind))
    (i32.store (i32.const 1032) (i32.const 48))
    (i32.store (i32.const 1036) (i32.const 2))
    (i32.const 1024))
  (func $count (param $more i32) (param $insists i32)
    (local $version i64)
    (call $get (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 4096))
    (i32.store8 (i32.const 80) (i32.const FORMAT))
    (if (i32.and (i32.eqz (i32.load8_u (i32.const 4096))) (i32.load8_u (i32.const 4104)))
      (then
        (i32.store (i32.const 84) (i32.load offset=4 (i32.load (i32.const 4112))))
        (local.set $version (i64.load (i32.const 4120)))))
    (i32.store (i32.const 84) (i32.add (i32.load (i32.const 84)) (local.get $more)))
    (call $set (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 80) (i32.const 8)
      (i32.const 0) (i64.const 0) (local.get $insists) (local.get $version) (i32.const 5120)))
  (func (export "tavern:extension/lifecycle@0.1.0#validate-config") (param i32 i32) (result i32)
    (if (i32.gt_u (local.get 1) (i32.const 100)) (then (return (call $error (i32.const 1)))))
    (i32.const 2048))
  (func (export "tavern:extension/lifecycle@0.1.0#migrate") (param i32 i32) (result i32)
    (if (i32.eq (i32.load (local.get 0)) (i32.load (i32.const 32)))
      (then (return (call $error (i32.const 3)))))
    (call $set (i32.const 0) (i32.const 16) (i32.const 5) (local.get 0) (local.get 1)
      (i32.const 0) (i64.const 0) (i32.const 0) (i64.const 0) (i32.const 3072))
    (call $count (i32.const 0) (i32.const 0))
    (i32.const 2048))
  (func (export "tavern:extension/after-reply@0.1.0#run") (param i32) (result i32)
    AFTER
    (call $count (i32.const 1) (i32.const 1))
    (if (i32.load8_u (i32.const 5120)) (then (return (call $error (i32.const 0)))))
    (i32.const 2048)))"#;

/// Traps, but not where it is only looked at.
const TRAP: &str = "(if (i32.eqz (i32.load8_u offset=144 (local.get 0))) (then unreachable))";

const WORLD: &str = "package test:guest;
world guest {
  import tavern:extension/key-value@0.1.0;
  export tavern:extension/lifecycle@0.1.0;
  export tavern:extension/after-reply@0.1.0;
}";

fn component(draft: &Draft) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugin-sdk/wit");
    resolve.push_dir(&wit).expect("the interfaces");
    let package = resolve.push_str("guest.wit", WORLD).expect("a world");
    let world = resolve.select_world(&[package], None).expect("one world");
    let code = CODE
        .replace("FAILS", draft.fails.as_deref().unwrap_or("none"))
        .replace("FORMAT", &draft.format.to_string())
        .replace("AFTER", if draft.traps { TRAP } else { "" });
    let mut module = wat::parse_str(code).expect("a module");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .expect("a world");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .expect("a component")
}

/// An author, with a key.
pub struct Author {
    pair: KeyPair,
}

impl Author {
    pub fn new() -> Self {
        Self {
            pair: KeyPair::generate_unencrypted_keypair().expect("a key"),
        }
    }

    /// The line of base64.
    pub fn public_key(&self) -> String {
        PublicKey::to_base64(&self.pair.pk)
    }

    pub fn sign(&self, text: &[u8], comment: &str) -> String {
        let signed = minisign::sign(Some(&self.pair.pk), &self.pair.sk, text, Some(comment), None);
        signed.expect("a signature").into_string()
    }
}

/// What a package is made of.
#[derive(Clone)]
pub struct Draft {
    pub id: String,
    pub version: String,
    /// Lines of `[permissions]`.
    pub permissions: String,
    /// The extension it is called before.
    pub before: Option<String>,
    pub schema: Option<String>,
    /// The version it cannot be moved from.
    pub fails: Option<String>,
    /// How it writes what it keeps.
    pub format: u8,
    /// It traps after each reply.
    pub traps: bool,
    /// More of the manifest.
    pub more: String,
}

impl Draft {
    pub fn new(id: &str, version: &str) -> Self {
        Self {
            id: id.into(),
            version: version.into(),
            permissions: "\"kv:installation\" = 'Keeps where it came from.'\n'annotate' = 'Marks replies.'\n".into(),
            before: None,
            schema: None,
            fails: None,
            format: 0,
            traps: false,
            more: String::new(),
        }
    }

    pub fn of_version(&self, version: &str) -> Self {
        Self {
            version: version.into(),
            ..self.clone()
        }
    }

    pub fn asking(mut self, permission: &str) -> Self {
        self.permissions
            .push_str(&format!("'{permission}' = 'It needs that.'\n"));
        self
    }

    fn files(&self) -> Files {
        let Self {
            id,
            version,
            permissions,
            more,
            ..
        } = self;
        let before = self
            .before
            .as_ref()
            .map(|id| format!("before = ['{id}']\n"))
            .unwrap_or_default();
        let manifest = format!(
            "[extension]\nid = '{id}'\nversion = '{version}'\ntitle = 'Night Watch'\nsummary = 'Keeps the story in the dark.'\napi = '^0.1'\nlicense = 'MIT'\nkeywords = ['night']\n[hooks.lifecycle]\n[hooks.after-reply]\n{before}[permissions]\n{permissions}{more}"
        );
        let readme = "# Night Watch\n\nKeeps the story in the dark: after each reply it notes how late it has become.\n\n## Permissions\n\nIt keeps where it came from, and marks replies.\n";
        let mut files = Files::new();
        let mut add = |name: &str, content: Vec<u8>| files.insert(name.to_owned(), Bytes::from(content));
        add("extension.toml", manifest.into_bytes());
        add("extension.wasm", component(self));
        add("README.md", readme.into());
        add("LICENSE", b"Permission is hereby granted, free of charge.\n".to_vec());
        if let Some(schema) = &self.schema {
            add("config.schema.json", schema.clone().into_bytes());
        }
        files
    }

    pub fn unsigned(&self) -> Bytes {
        package::write(&self.files()).expect("a package")
    }

    pub fn signed(&self, author: &Author) -> Bytes {
        let mut files = self.files();
        let checksums = package::checksums(&files);
        let component = checksums
            .lines()
            .find_map(|line| line.strip_suffix("  extension.wasm"))
            .expect("the component's hash");
        let comment = format!("{} {} {component}", self.id, self.version);
        let signature = author.sign(checksums.as_bytes(), &comment);
        files.insert("signature".into(), signature.into());
        package::write(&files).expect("a package")
    }
}
