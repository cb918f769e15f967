//! Guests that say what a test wants: for each hook a list of answers, written as JSON and laid out in the
//! guest's memory as the interface has them. The first call gets the first answer, and the last one stays.
//!
//! A record is an object, a variant `{"case": payload}` or `"case"`, an option a value or null, a result
//! `{"ok": …}` or `{"err": …}`.

use std::fmt::Write as _;

use serde_json::Value;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SizeAlign, Type, TypeDefKind};

/// Where answers begin in memory; what is below is scratch, and what is above them the heap.
const ANSWERS: usize = 1024;

/// What a hook does when it is called.
pub(crate) enum Act {
    /// Gives this back.
    Answer(Value),
    /// Does this, in WebAssembly text, and gives nothing back.
    Run(&'static str),
    /// Does this and gives that back.
    Both(&'static str, Value),
}

pub(crate) fn ok(value: Value) -> Act {
    Act::Answer(serde_json::json!({ "ok": value }))
}

pub(crate) fn err(kind: &str, message: &str) -> Act {
    Act::Answer(serde_json::json!({ "err": { kind: message } }))
}

pub(crate) fn trap() -> Act {
    Act::Run("unreachable")
}

pub(crate) fn spin() -> Act {
    Act::Run("(loop $forever (br $forever)) unreachable")
}

/// Keeps the value `v` under the key `k` in the scope of the installation, if there is none under it yet.
pub(crate) const WRITES: &str =
    "(i32.store8 (i32.const 16) (i32.const 107)) (i32.store8 (i32.const 17) (i32.const 118))
  (call $set (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 17) (i32.const 1)
    (i32.const 0) (i64.const 0) (i32.const 1) (i64.const 0) (i32.const 32))";

/// A component with a script for each of its functions: the hook's interface, the function, what it does.
/// A `stream-filter` has the functions `push` and `finish`.
pub(crate) fn scripted(functions: &[(&str, &str, Vec<Act>)]) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir("../plugin-sdk/wit").expect("the interface");
    let mut interfaces: Vec<_> = functions.iter().map(|(interface, ..)| *interface).collect();
    interfaces.dedup();
    let exports = interfaces
        .iter()
        .map(|interface| format!("export tavern:extension/{interface}@0.1.0;"));
    let world = format!(
        "package test:guest; world guest {{ import tavern:extension/key-value@0.1.0; {} }}",
        exports.collect::<String>()
    );
    let package = resolve.push_str("guest.wit", &world).expect("a world");
    let world = resolve.select_world(&[package], Some("guest")).expect("a world");

    let mut sizes = SizeAlign::default();
    sizes.fill(&resolve).expect("sizes");
    let mut memory = Memory {
        resolve: &resolve,
        sizes,
        bytes: vec![0; ANSWERS],
    };
    let mut text = String::new();
    for (number, (interface, function, acts)) in functions.iter().enumerate() {
        let bodies = acts.iter().map(|act| memory.body(interface, function, act));
        let bodies: Vec<_> = bodies.collect();
        let (name, parameters) = match *interface {
            "stream-filter" => (format!("[method]filter.{function}"), "i32 i32 i32"),
            _ => (function.to_string(), "i32"),
        };
        let count = format!("$calls{number}");
        let _ = write!(
            text,
            "(global {count} (mut i32) (i32.const 0)) \
             (func (export \"tavern:extension/{interface}@0.1.0#{name}\") (param {parameters}) (result i32) \
             (global.set {count} (i32.add (global.get {count}) (i32.const 1)))"
        );
        for (at, body) in bodies.iter().enumerate() {
            let condition = match at + 1 == bodies.len() {
                true => "(i32.const 1)".to_owned(),
                false => format!("(i32.eq (global.get {count}) (i32.const {}))", at + 1),
            };
            let _ = write!(text, "(if {condition} (then {body}))");
        }
        text.push_str("unreachable)");
    }
    let mut imports = "(import \"tavern:extension/key-value@0.1.0\" \"set\" \
                       (func $set (param i32 i32 i32 i32 i32 i32 i64 i32 i64 i32)))"
        .to_owned();
    if interfaces.contains(&"stream-filter") {
        imports.push_str(
            "(import \"[export]tavern:extension/stream-filter@0.1.0\" \"[resource-new]filter\" \
             (func $new (param i32) (result i32)))",
        );
        text.push_str(
            "(func (export \"tavern:extension/stream-filter@0.1.0#[constructor]filter\") (param i32) (result i32) \
             (call $new (i32.const 1)))",
        );
    }
    let data: String = memory.bytes[ANSWERS..]
        .iter()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let module = format!(
        "(module {imports} (memory (export \"memory\") 16) (data (i32.const {ANSWERS}) \"{data}\") \
         (global $heap (mut i32) (i32.const {})) \
         (func (export \"cabi_realloc\") (param i32 i32 i32) (param $bytes i32) (result i32) (local $at i32) \
         (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8))) \
         (global.set $heap (i32.add (local.get $at) (local.get $bytes))) (local.get $at)) {text})",
        memory.bytes.len()
    );
    let mut module = wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).expect("metadata");
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).expect("a module");
    encoder.encode().unwrap_or_else(|error| panic!("{error:#}"))
}

/// A guest's memory while answers are put into it.
struct Memory<'a> {
    resolve: &'a Resolve,
    sizes: SizeAlign,
    bytes: Vec<u8>,
}

impl Memory<'_> {
    fn body(&mut self, interface: &str, function: &str, act: &Act) -> String {
        match act {
            Act::Run(text) => (*text).to_owned(),
            Act::Answer(value) => format!("(return (i32.const {}))", self.answer(interface, function, value)),
            Act::Both(text, value) => {
                format!(
                    "{text} (return (i32.const {}))",
                    self.answer(interface, function, value)
                )
            }
        }
    }

    fn answer(&mut self, interface: &str, function: &str, value: &Value) -> usize {
        let interfaces = &self.resolve.interfaces;
        let (_, found) = interfaces
            .iter()
            .find(|(_, known)| known.name.as_deref() == Some(interface))
            .expect("a hook");
        let method = format!("[method]filter.{function}");
        let function = found
            .functions
            .get(function)
            .or_else(|| found.functions.get(&method))
            .expect("a function");
        let given = function.result.expect("a result");
        let at = self.room(self.sizes.size(&given).size_wasm32());
        self.store(&given, value, at);
        at
    }

    fn room(&mut self, bytes: usize) -> usize {
        let at = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(at + bytes, 0);
        at
    }

    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.bytes[at..at + N].copy_from_slice(&bytes);
    }

    fn pair(&mut self, at: usize, start: usize, length: usize) {
        self.put(at, u32::try_from(start).expect("small").to_le_bytes());
        self.put(at + 4, u32::try_from(length).expect("small").to_le_bytes());
    }

    fn store(&mut self, ty: &Type, value: &Value, at: usize) {
        let number = || value.as_i64().unwrap_or_else(|| panic!("{value} is no number"));
        match ty {
            Type::Bool => self.put(at, [u8::from(value.as_bool().expect("a bool"))]),
            Type::U32 | Type::S32 => self.put(at, (number() as i32).to_le_bytes()),
            Type::U64 | Type::S64 => self.put(at, number().to_le_bytes()),
            // JSON has no NaN.
            Type::F32 => self.put(
                at,
                value.as_f64().map_or(f32::NAN, |number| number as f32).to_le_bytes(),
            ),
            Type::String => {
                let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text"));
                let start = self.room(text.len());
                self.bytes[start..start + text.len()].copy_from_slice(text.as_bytes());
                self.pair(at, start, text.len());
            }
            Type::Id(id) => self.store_defined(&self.resolve.types[*id].kind, value, at),
            other => panic!("{other:?} is not needed"),
        }
    }

    fn store_defined(&mut self, kind: &TypeDefKind, value: &Value, at: usize) {
        match kind {
            TypeDefKind::Type(ty) => self.store(ty, value, at),
            TypeDefKind::Record(record) => {
                let offsets = self.sizes.field_offsets(record.fields.iter().map(|field| &field.ty));
                for (field, (offset, ty)) in record.fields.iter().zip(offsets) {
                    self.store(ty, &value[&field.name], at + offset.size_wasm32());
                }
            }
            TypeDefKind::List(ty) => {
                let values = value.as_array().unwrap_or_else(|| panic!("{value} is no list"));
                let size = self.sizes.size(ty).size_wasm32();
                let start = self.room(size * values.len());
                for (index, value) in values.iter().enumerate() {
                    self.store(ty, value, start + index * size);
                }
                self.pair(at, start, values.len());
            }
            TypeDefKind::Enum(known) => {
                let case = known
                    .cases
                    .iter()
                    .position(|case| Some(case.name.as_str()) == value.as_str());
                self.put(at, [case.expect("a case") as u8]);
            }
            TypeDefKind::Option(ty) => {
                let cases = [("none", None), ("some", Some(ty))];
                let case = if value.is_null() { "none" } else { "some" };
                self.store_case(&cases, case, value, at);
            }
            TypeDefKind::Result(result) => {
                let cases = [("ok", result.ok.as_ref()), ("err", result.err.as_ref())];
                self.store_named(&cases, value, at);
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| (case.name.as_str(), case.ty.as_ref()));
                self.store_named(&cases.collect::<Vec<_>>(), value, at);
            }
            other => panic!("{other:?} is not needed"),
        }
    }

    fn store_named(&mut self, cases: &[(&str, Option<&Type>)], value: &Value, at: usize) {
        match value {
            Value::String(case) => self.store_case(cases, case, &Value::Null, at),
            Value::Object(fields) => {
                let (case, payload) = fields.iter().next().expect("a case");
                self.store_case(cases, case, payload, at);
            }
            other => panic!("{other} is no case"),
        }
    }

    fn store_case(&mut self, cases: &[(&str, Option<&Type>)], case: &str, payload: &Value, at: usize) {
        let index = cases.iter().position(|(name, _)| *name == case);
        let index = index.unwrap_or_else(|| panic!("there is no case `{case}`"));
        self.put(at, [index as u8]);
        let types = cases.iter().map(|(_, ty)| *ty);
        let offset = self.sizes.payload_offset(wit_parser::Int::U8, types).size_wasm32();
        if let Some(ty) = cases[index].1 {
            self.store(ty, payload, at + offset);
        }
    }
}
