//! What a component says of itself, read without compiling it: whether it is one, how much there is of it,
//! and whether what it imports and exports is what its manifest says.
//!
//! Nothing here trusts a count that a component claims; whatever passes may still be invalid, which the
//! compiler says, in a process of its own.

use std::collections::BTreeSet;

use tavern_domain::extension::{Capability, Hook};
use wasmparser::{Encoding, Parser, Payload};

use crate::manifest::{API_VERSION, Manifest};
use crate::package::Report;

const PACKAGE: &str = "tavern:extension/";

/// Functions of all modules together.
const MAX_FUNCTIONS: u64 = 100_000;
/// Types of all modules and components together.
const MAX_TYPES: u64 = 50_000;
/// What the component imports.
const MAX_IMPORTS: u64 = 1_000;
/// What its modules import, all together.
const MAX_MODULE_IMPORTS: u64 = 20_000;
/// Modules and components inside of it.
const MAX_NESTED: u64 = 200;
const MAX_DEPTH: usize = 8;
/// Bytes of names and notes that are not code.
const MAX_CUSTOM: u64 = 1 << 20;
/// The same with an interpreter, whose functions have names as well.
const MAX_CUSTOM_LARGE: u64 = 8 << 20;

type IsKind = fn(&Capability) -> bool;

/// Interfaces that nobody imports without a permission of a kind.
const GUARDED: [(&str, &str, IsKind); 4] = [
    ("http", "http:HOST", |asked| matches!(asked, Capability::Http(_))),
    ("key-value", "kv:SCOPE", |asked| matches!(asked, Capability::Kv(_))),
    ("secrets", "secret:NAME", |asked| matches!(asked, Capability::Secret(_))),
    ("model", "model:TOKENS", |asked| matches!(asked, Capability::Model(_))),
];
const OPEN: [&str; 5] = ["types", "log", "config", "text", "metrics"];

/// What of WASI is there, and it is little.
const WASI: [&str; 5] = [
    "wasi:io/",
    "wasi:clocks/",
    "wasi:random/",
    "wasi:cli/",
    "wasi:filesystem/",
];

/// What a component has, counted.
#[derive(Debug, Default)]
struct Counts {
    functions: u64,
    types: u64,
    imports: u64,
    module_imports: u64,
    nested: u64,
    depth: usize,
    custom: u64,
}

/// What a component imports and exports, by full names.
#[derive(Debug, Default)]
struct Outside {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Adds the checks of a component.
pub(super) fn examine(bytes: &[u8], manifest: &Manifest, report: &mut Report) {
    if let Err(message) = kind(bytes) {
        report.fail("component.kind", message);
        return;
    }
    let most_custom = if manifest.extension.large_runtime {
        MAX_CUSTOM_LARGE
    } else {
        MAX_CUSTOM
    };
    let (counts, outside) = match read(bytes, most_custom) {
        Ok(found) => found,
        Err(message) => {
            report.fail("component.bounds", message);
            return;
        }
    };
    report.pass(
        "component.bounds",
        format!(
            "{} bytes, {} functions in {} modules and components.",
            bytes.len(),
            counts.functions,
            counts.nested
        ),
    );
    exports(&outside.exports, manifest, report);
    imports(&outside.imports, manifest, report);
}

/// Whether this is a component at all.
fn kind(bytes: &[u8]) -> Result<(), &'static str> {
    // What Wasmtime compiles to is an object file of this format.
    if bytes.starts_with(b"\x7fELF") {
        return Err("`extension.wasm` is compiled code. A package has the component itself; it is compiled here.");
    }
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version {
            encoding: Encoding::Component,
            ..
        })) => Ok(()),
        Some(Ok(_)) => {
            Err("`extension.wasm` is a core module. Make a component of it, as `tavern extension build` does.")
        }
        _ if bytes.trim_ascii_start().starts_with(b"(") => {
            Err("`extension.wasm` is WebAssembly as text. A package has the component in binary form.")
        }
        _ => Err("`extension.wasm` is no WebAssembly component."),
    }
}

fn read(bytes: &[u8], most_custom: u64) -> Result<(Counts, Outside), String> {
    let mut counts = Counts::default();
    let mut outside = Outside::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| malformed(&error))? {
            Payload::Version { .. } => {
                depth += 1;
                counts.depth = counts.depth.max(depth);
            }
            Payload::End(_) => depth -= 1,
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => counts.nested += 1,
            Payload::FunctionSection(section) => counts.functions += u64::from(section.count()),
            Payload::TypeSection(section) => counts.types += u64::from(section.count()),
            Payload::CoreTypeSection(section) => counts.types += u64::from(section.count()),
            Payload::ComponentTypeSection(section) => counts.types += u64::from(section.count()),
            Payload::ImportSection(section) => counts.module_imports += u64::from(section.count()),
            Payload::CustomSection(section) => counts.custom += section.data().len() as u64,
            Payload::ComponentImportSection(section) if depth == 1 => {
                counts.imports += u64::from(section.count());
                counts.within(most_custom)?;
                for import in section {
                    outside
                        .imports
                        .push(import.map_err(|error| malformed(&error))?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section.into_iter().take(MAX_IMPORTS as usize) {
                    outside
                        .exports
                        .push(export.map_err(|error| malformed(&error))?.name.name.to_owned());
                }
            }
            _ => {}
        }
        counts.within(most_custom)?;
    }
    Ok((counts, outside))
}

fn malformed(error: &wasmparser::Error) -> String {
    format!("`extension.wasm` is malformed: {}.", shorten(&error.to_string()))
}

fn shorten(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(200).collect()
}

impl Counts {
    fn within(&self, most_custom: u64) -> Result<(), String> {
        for (what, count, most) in [
            ("functions", self.functions, MAX_FUNCTIONS),
            ("types", self.types, MAX_TYPES),
            ("imports", self.imports, MAX_IMPORTS),
            ("imports of modules", self.module_imports, MAX_MODULE_IMPORTS),
            ("modules and components inside", self.nested, MAX_NESTED),
            (
                "levels of components in each other",
                self.depth as u64,
                MAX_DEPTH as u64,
            ),
            ("bytes of custom sections", self.custom, most_custom),
        ] {
            if count > most {
                return Err(format!("`extension.wasm` has {count} {what}, and {most} are the most."));
            }
        }
        Ok(())
    }
}

/// The name of an interface of ours, if this version of it is one that this host has.
fn ours(name: &str) -> Option<Result<&str, String>> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@').unwrap_or_default();
    // The first number that is not 0 has to be the same.
    let range = semver::VersionReq::parse(&format!("^{version}"));
    let fits = range.is_ok_and(|range| range.matches(&API_VERSION));
    Some(fits.then_some(interface).ok_or_else(|| {
        format!(
            "`{}` is of another version than this server's {API_VERSION}",
            shorten(name)
        )
    }))
}

fn exports(names: &[String], manifest: &Manifest, report: &mut Report) {
    let mut exported = BTreeSet::new();
    let mut wrong = Vec::new();
    for name in names {
        match ours(name) {
            Some(Ok(interface)) => match interface.parse::<Hook>() {
                Ok(hook) => {
                    exported.insert(hook);
                }
                Err(()) => wrong.push(format!("it exports `{}`, which is no hook", shorten(name))),
            },
            Some(Err(error)) => wrong.push(error),
            // Toolchains export plain names of their own.
            None if !name.contains(':') => {}
            None => report.warn(format!(
                "The component exports `{}`, which nobody calls.",
                shorten(name)
            )),
        }
    }
    let declared: BTreeSet<Hook> = manifest.hooks.keys().copied().collect();
    for hook in exported.difference(&declared) {
        wrong.push(format!("it exports `{hook}`, and the manifest has no [hooks.{hook}]"));
    }
    for hook in declared.difference(&exported) {
        wrong.push(format!(
            "the manifest has [hooks.{hook}], and it does not export `{hook}`"
        ));
    }
    verdict(
        "component.exports",
        wrong,
        "Its hooks are those of the manifest.",
        report,
    );
}

fn imports(names: &[String], manifest: &Manifest, report: &mut Report) {
    let asks = |is: IsKind| manifest.permissions.keys().any(is);
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for name in names {
        let shown = shorten(name);
        let interface = match ours(name) {
            Some(Ok(interface)) => interface,
            Some(Err(error)) => {
                wrong.push(error);
                continue;
            }
            None => {
                wrong.extend(foreign(name));
                continue;
            }
        };
        used.insert(interface);
        match GUARDED.iter().find(|(guarded, ..)| *guarded == interface) {
            Some((_, permission, is)) if !asks(*is) => {
                wrong.push(format!(
                    "it imports `{shown}`, and the manifest does not ask for `{permission}`"
                ));
            }
            None if !OPEN.contains(&interface) => {
                wrong.push(format!("it imports `{shown}`, which this server does not have"));
            }
            Some(_) | None => {}
        }
    }
    for (interface, permission, is) in GUARDED {
        // Which secrets there are need not be asked, to use one.
        if interface != "secrets" && asks(is) && !used.contains(interface) {
            report.warn(format!(
                "The manifest asks for `{permission}`, and the component does not import `{interface}`."
            ));
        }
    }
    verdict(
        "component.imports",
        wrong,
        "It imports what its permissions are about.",
        report,
    );
}

/// Why an import of somebody else's cannot be had.
fn foreign(name: &str) -> Option<String> {
    if WASI.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    let shown = shorten(name);
    Some(if name.starts_with("wasi:sockets/") || name.starts_with("wasi:http/") {
        format!(
            "it imports `{shown}`: there are no sockets here. Requests go through `tavern:extension/http`; the guest's \
             tools leave the rest out with `--stub-wasi` (Python) or `--disable http` (JavaScript)"
        )
    } else {
        format!("it imports `{shown}`, which this server does not have")
    })
}

/// One check out of all that is wrong, bounded.
fn verdict(check: &str, wrong: Vec<String>, right: &str, report: &mut Report) {
    const TOLD: usize = 10;
    if wrong.is_empty() {
        report.pass(check, right);
        return;
    }
    let more = wrong.len().saturating_sub(TOLD);
    let mut told = wrong.into_iter().take(TOLD).collect::<Vec<_>>().join("; ");
    if more > 0 {
        told.push_str(&format!("; and {more} more"));
    }
    report.fail(check, format!("Of the component: {told}."));
}
