//! Guests out of a few lines of WebAssembly text: a test writes the body of a hook, and gets a component that
//! fits the interface.
//!
//! A hook is called with a pointer to its arguments, or with them, and gives back a pointer to its result. In
//! the text around a body there are `$ok` (a result with an empty list), `$text` (an ok of a string), and `$fail`
//! (an error of a kind), the memory, and an allocator that counts up.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What is below the heap: the result at 16, texts of the test from 1024.
pub(crate) const HEAP: u32 = 8192;

/// A guest before it is encoded.
pub(crate) struct Guest {
    pub world: &'static str,
    /// Imports of the core module.
    pub imports: String,
    /// Memory, with its export.
    pub memory: String,
    pub realloc: String,
    /// Anything else.
    pub items: String,
    /// The hook's function, exported by its name.
    pub hook: String,
    /// What the interface is changed to before the guest is made for it.
    pub changes: Vec<(&'static str, &'static str)>,
    pub encoding: StringEncoding,
}

impl Guest {
    /// With a body for `before-prompt`, whose parameter is `$arguments`.
    pub fn before_prompt(body: &str) -> Self {
        Self::new(
            "with-before-prompt",
            &format!(
                "(func (export \"tavern:extension/before-prompt@0.1.0#before-prompt\") \
                 (param $arguments i32) (result i32) {body})"
            ),
        )
    }

    /// With a body for `tool`, whose parameter is `$arguments`.
    pub fn tool(body: &str) -> Self {
        Self::new(
            "with-tool",
            &format!("(func (export \"tavern:extension/tool@0.1.0#call\") (param $arguments i32) (result i32) {body})"),
        )
    }

    pub fn new(world: &'static str, hook: &str) -> Self {
        Self {
            world,
            imports: String::new(),
            memory: "(memory (export \"memory\") 1)".into(),
            realloc: ALLOCATE.into(),
            items: String::new(),
            hook: hook.into(),
            changes: Vec::new(),
            encoding: StringEncoding::UTF8,
        }
    }

    pub fn import(mut self, interface: &str, function: &str, signature: &str) -> Self {
        self.imports.push_str(&format!(
            "(import \"tavern:extension/{interface}@0.1.0\" \"{function}\" (func ${function} {signature}))\n"
        ));
        self
    }

    /// The same of WASI; see [`WASI`].
    pub fn wasi(mut self, interface: &str, function: &str, name: &str, signature: &str) -> Self {
        self.imports.push_str(&format!(
            "(import \"wasi:{interface}@0.2.0\" \"{function}\" (func ${name} {signature}))\n"
        ));
        self
    }

    /// For an interface that differs from ours.
    pub fn changed(mut self, from: &'static str, to: &'static str) -> Self {
        self.changes.push((from, to));
        self
    }

    pub fn items(mut self, items: &str) -> Self {
        self.items.push_str(items);
        self
    }

    pub fn memory(mut self, memory: &str) -> Self {
        self.memory = memory.into();
        self
    }

    pub fn realloc(mut self, realloc: &str) -> Self {
        self.realloc = realloc.into();
        self
    }

    pub fn encoding(mut self, encoding: StringEncoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// The component.
    pub fn build(&self) -> Vec<u8> {
        let module = format!(
            "(module {} {} (global $heap (mut i32) (i32.const {HEAP})) {RESULTS} {} {} {})",
            self.imports, self.memory, self.realloc, self.items, self.hook
        );
        let mut module = wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}"));
        let mut resolve = Resolve::default();
        for (name, text) in WASI {
            resolve.push_source(name, text).expect("a part of WASI");
        }
        let package = resolve
            .push_source("extension.wit", &self.interface())
            .expect("the interface");
        let world = resolve.select_world(&[package], Some("hostile")).expect("a world");
        embed_component_metadata(&mut module, &resolve, world, self.encoding, false).expect("metadata");
        let mut encoder = ComponentEncoder::default();
        encoder.module(&module).expect("a module");
        encoder.encode().unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Our interface in one file, with a world that may import WASI too.
    fn interface(&self) -> String {
        let mut text = String::new();
        for file in ["types", "imports", "hooks", "worlds"] {
            text += &std::fs::read_to_string(format!("../plugin-sdk/wit/{file}.wit")).expect("the interface");
        }
        text += &format!("world hostile {{ include {};", self.world);
        for interface in [
            "cli/exit",
            "io/poll",
            "clocks/monotonic-clock",
            "random/random",
            "sockets/tcp",
        ] {
            text += &format!(" import wasi:{interface}@0.2.0;");
        }
        text += " }";
        for (from, to) in &self.changes {
            assert!(text.contains(from), "the interface has no `{from}`");
            text = text.replace(from, to);
        }
        text
    }
}

/// What hostile guests use of WASI.
const WASI: [(&str, &str); 5] = [
    (
        "cli.wit",
        "package wasi:cli@0.2.0; interface exit { exit: func(status: result); }",
    ),
    (
        "io.wit",
        "package wasi:io@0.2.0; interface poll { resource pollable { ready: func() -> bool; block: func(); } }",
    ),
    (
        "clocks.wit",
        "package wasi:clocks@0.2.0; interface monotonic-clock { use wasi:io/poll@0.2.0.{pollable}; \
         type instant = u64; type duration = u64; now: func() -> instant; \
         subscribe-duration: func(when: duration) -> pollable; }",
    ),
    (
        "random.wit",
        "package wasi:random@0.2.0; interface random { get-random-bytes: func(len: u64) -> list<u8>; }",
    ),
    (
        "sockets.wit",
        "package wasi:sockets@0.2.0; interface tcp { listen: func() -> u32; }",
    ),
];

const RESULTS: &str = r"
(func $ok (result i32)
  (i64.store (i32.const 16) (i64.const 0)) (i64.store (i32.const 24) (i64.const 0)) (i32.const 16))
(func $text (param $at i32) (param $bytes i32) (result i32)
  (i32.store (i32.const 16) (i32.const 0))
  (i32.store (i32.const 20) (local.get $at)) (i32.store (i32.const 24) (local.get $bytes)) (i32.const 16))
(func $fail (param $kind i32) (param $at i32) (param $bytes i32) (result i32)
  (i32.store (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (local.get $kind))
  (i32.store (i32.const 24) (local.get $at)) (i32.store (i32.const 28) (local.get $bytes)) (i32.const 16))
";

const ALLOCATE: &str = r#"
(func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $bytes i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and
    (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
    (i32.sub (i32.const 0) (local.get $align))))
  (global.set $heap (i32.add (local.get $at) (local.get $bytes)))
  (block $fits (loop $more
    (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
    (br $more)))
  (local.get $at))
"#;
