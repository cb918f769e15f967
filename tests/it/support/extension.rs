//! Extensions made by the tests themselves: a guest written by hand, its package, and who signs it.

use std::io::Cursor;
use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tavern_plugins::package::{Files, checksums, write};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// Somebody who signs packages.
pub struct Author(minisign::KeyPair);

impl Author {
    pub fn new() -> Self {
        Self(minisign::KeyPair::generate_unencrypted_keypair().expect("a key"))
    }

    /// The line that a publisher registers.
    pub fn public_key(&self) -> String {
        self.0.pk.to_base64()
    }

    /// A signature over any text, with any comment.
    pub fn sign(&self, text: &[u8], comment: &str) -> String {
        let signed = minisign::sign(None, &self.0.sk, Cursor::new(text), Some(comment), None);
        signed.expect("a signature").into_string()
    }

    /// The package of a draft, signed.
    pub fn package(&self, draft: &Draft) -> Vec<u8> {
        self.package_of(draft.files(), &format!("{} {}", draft.id, draft.version))
    }

    /// A package of files, signed for an id and a version.
    pub fn package_of(&self, mut files: Files, version: &str) -> Vec<u8> {
        let component: String = hex(&files["extension.wasm"]);
        let comment = format!("{version} {component}");
        let signature = self.sign(checksums(&files).as_bytes(), &comment);
        files.insert("signature".into(), signature.into());
        write(&files).expect("a package").into()
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An extension that puts `note` at the end of each prompt.
#[derive(Clone)]
pub struct Draft {
    pub id: &'static str,
    pub version: &'static str,
    pub note: &'static str,
    /// Its one hook, and the line of `[permissions]` that it needs.
    pub hook: (&'static str, &'static str),
    /// Further lines of `[permissions]`.
    pub permissions: &'static str,
    /// More of the manifest.
    pub more: &'static str,
    pub schema: Option<Value>,
    /// What its hook does first in a real turn, as text of WebAssembly; while it is only looked at, it behaves.
    pub misbehaves: Option<&'static str>,
    /// In place of the guest that is made.
    pub component: Option<Bytes>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            id: "acme/lantern",
            version: "1.0.0",
            note: "The lantern is lit.",
            hook: ("before-prompt", "\"prompt.insert\" = \"To mention the lantern.\""),
            permissions: "",
            more: "",
            schema: None,
            misbehaves: None,
            component: None,
        }
    }
}

impl Draft {
    pub fn files(&self) -> Files {
        let Self {
            id,
            version,
            hook: (hook, permission),
            permissions,
            more,
            ..
        } = self;
        let manifest = format!(
            "[extension]\nid = \"{id}\"\nversion = \"{version}\"\ntitle = \"Lantern\"\nsummary = \"Keeps a lantern in the scene.\"\n\
             api = \"^0.1\"\nlicense = \"Apache-2.0\"\nkeywords = [\"light\"]\n\n[hooks.{hook}]\n\n\
             [permissions]\n{permission}\n{permissions}\n{more}"
        );
        let readme = "# Lantern\n\nKeeps a lantern in every scene: a note at the end of the prompt says that it is lit, so that nobody sits in the dark.\n\n## Permissions\n\nIt adds a note.\n\n## Settings\n\nSee the schema.\n";
        let component = self.component.clone();
        let mut files = Files::from([
            ("extension.toml".to_owned(), manifest.into()),
            (
                "extension.wasm".to_owned(),
                component.unwrap_or_else(|| guest(self.note, self.misbehaves.unwrap_or_default())),
            ),
            ("README.md".to_owned(), readme.into()),
            (
                "LICENSE".to_owned(),
                "Licensed under the Apache License, Version 2.0.".into(),
            ),
        ]);
        if let Some(schema) = &self.schema {
            files.insert("config.schema.json".into(), schema.to_string().into());
        }
        files
    }
}

/// Where the note's text stands in the guest's memory.
const TEXT: u32 = 2048;
/// Never returns.
pub const HANGS: &str = "(loop (br 0))";
/// Where `dry-run` stands in a turn.
const DRY_RUN: u32 = 144;
/// `user` among roles: a note as `system` needs a permission of its own.
const USER: u32 = 1;

/// A component whose one hook gives back one note, whatever it is told; in a real turn it misbehaves before.
fn guest(note: &str, misbehaves: &str) -> Bytes {
    let position = "end";
    // ok, a list of one `edit`; it is `add-note` with position, depth, role, text and priority.
    let result = words(&[0, 1040, 1]);
    let edit = words(&[0, TEXT, len(position), 0, USER, TEXT + 64, len(note), 0]);
    let data = format!(
        r#"(data (i32.const 1024) "{result}")
            (data (i32.const 1040) "{edit}")
            (data (i32.const {TEXT}) "{position}")
            (data (i32.const {}) "{}")"#,
        TEXT + 64,
        escaped(note.as_bytes()),
    );
    let before = format!("(if (i32.eqz (i32.load8_u offset={DRY_RUN} (local.get 0))) (then {misbehaves}))");
    component("before-prompt", "before-prompt", &before, &data)
}

/// A component whose functions all give back the same JSON.
pub fn tool(json: &str) -> Bytes {
    let result = words(&[0, TEXT, len(json)]);
    let data = format!(
        r#"(data (i32.const 1024) "{result}") (data (i32.const {TEXT}) "{}")"#,
        escaped(json.as_bytes())
    );
    component("tool", "call", "", &data)
}

/// A component of one hook, which does what stands in `before`, and gives back what stands at 1024 in its memory.
fn component(interface: &str, function: &str, before: &str, data: &str) -> Bytes {
    static INTERFACE: LazyLock<(Resolve, PackageId)> = LazyLock::new(|| {
        let mut resolve = Resolve::default();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/plugin-sdk/wit");
        let (package, _) = resolve.push_dir(folder).expect("the interface");
        (resolve, package)
    });
    let module = format!(
        r#"(module
            (memory (export "memory") 32)
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $place i32)
                (local.set $place (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $place) (local.get 3)))
                (local.get $place))
            (func $hook (export "tavern:extension/{interface}@0.1.0#{function}") (param i32) (result i32)
                {before}
                (i32.const 1024))
            {data})"#
    );
    let mut module = wat::parse_str(module).expect("a module");
    let (resolve, package) = &*INTERFACE;
    let world = resolve.select_world(&[*package], Some(&format!("with-{interface}")));
    let world = world.expect("a world");
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8, false).expect("its world");
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).expect("a module of that world");
    encoder.encode().expect("a component").into()
}

fn len(text: &str) -> u32 {
    u32::try_from(text.len()).expect("a short text")
}

/// Little-endian words, as a data segment has them.
fn words(words: &[u32]) -> String {
    escaped(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
