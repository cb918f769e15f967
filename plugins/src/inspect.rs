//! What a component is before it runs: whether it can run here at all, and where it would be called.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tavern_domain::extension::Hook;
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::{MEMORIES, TABLES};
use crate::settings::PluginLimits;

/// The package of our interfaces, and what stands before a hook's name.
const PACKAGE: &str = "tavern:extension/";
/// The version that this host offers.
const VERSION: &str = "0.1.0";

/// Bytes of a page of memory.
const PAGE: u64 = 64 << 10;

/// What was found in a component that can be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// The hooks it exports.
    pub hooks: BTreeSet<Hook>,
    /// What it imports: interfaces with their versions.
    pub imports: Vec<String>,
    pub memories: u32,
    /// Bytes of its largest memory at the beginning.
    pub initial_memory: u64,
    pub tables: u32,
    /// Elements of its largest table at the beginning.
    pub initial_table: u64,
}

impl Inspection {
    /// Whether it imports an interface of ours, by its name without package and version.
    #[must_use]
    pub fn uses(&self, interface: &str) -> bool {
        self.imports.iter().any(|import| name_of(import) == Some(interface))
    }
}

/// The name of an interface of our package.
fn name_of(interface: &str) -> Option<&str> {
    let name = interface.strip_prefix(PACKAGE)?;
    Some(name.split_once('@').map_or(name, |(name, _)| name))
}

/// Refuses what must not even be compiled.
pub(crate) fn acceptable(bytes: &[u8], large_runtime: bool, limits: &PluginLimits) -> Result<(), String> {
    let most = if large_runtime {
        limits.large_component_bytes
    } else {
        limits.component_bytes
    };
    if bytes.len() > most {
        return Err(format!("the component has {} bytes; it may have {most}", bytes.len()));
    }
    if Engine::detect_precompiled(bytes).is_some() {
        return Err("this is compiled code, which is not accepted; publish the component".into());
    }
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version {
            encoding: Encoding::Component,
            ..
        })) => Ok(()),
        Some(Ok(_)) => Err("this is a core module; make a component of it".into()),
        _ => Err("this is not a WebAssembly component".into()),
    }
}

/// Looks at a component that was compiled.
pub(crate) fn inspect(
    engine: &Engine,
    component: &Component,
    large_runtime: bool,
    limits: &PluginLimits,
) -> Result<Inspection, String> {
    let types = component.component_type();
    let imports: Vec<String> = types.imports(engine).map(|(name, _)| name.to_owned()).collect();
    for import in &imports {
        refused(import)?;
    }
    let mut hooks = BTreeSet::new();
    for (name, _) in types.exports(engine) {
        if let Some(interface) = name_of(name) {
            let hook = interface.parse::<Hook>();
            hooks.insert(hook.map_err(|()| format!("it exports `{name}`, which is not a hook of {VERSION}"))?);
        }
    }
    let Some(needs) = component.resources_required() else {
        return Err("it imports core modules".into());
    };
    let inspection = Inspection {
        hooks,
        imports,
        memories: needs.num_memories,
        initial_memory: needs.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE),
        tables: needs.num_tables,
        initial_table: needs.max_initial_table_size.unwrap_or(0),
    };
    let memory = if large_runtime {
        limits.large_memory_bytes
    } else {
        limits.memory_bytes
    };
    for (what, has, may) in [
        ("memories", u64::from(inspection.memories), u64::from(MEMORIES)),
        ("bytes of memory at its start", inspection.initial_memory, memory as u64),
        ("tables", u64::from(inspection.tables), u64::from(TABLES)),
        (
            "elements in a table at its start",
            inspection.initial_table,
            limits.table_elements as u64,
        ),
    ] {
        if has > may {
            return Err(format!("it has {has} {what}; a sandbox has {may}"));
        }
    }
    Ok(inspection)
}

/// Imports that are known to be refused, with what an author can do.
fn refused(import: &str) -> Result<(), String> {
    let why = match import.split_once('/').map_or(import, |(package, _)| package) {
        "wasi:sockets" => {
            "there are no sockets. Requests go through `tavern:extension/http`. Guests in Python are built with \
             `--stub-wasi`; other toolchains bring sockets along unless they are told not to"
        }
        "wasi:http" => {
            "requests go through `tavern:extension/http`. Guests in JavaScript are built with `--disable http`"
        }
        "wasi_snapshot_preview1" => "modules for WASI 0.1 must be adapted by the toolchain",
        _ => return Ok(()),
    };
    Err(format!("it imports `{import}`: {why}"))
}

/// What does not fit between a component and this host.
pub(crate) fn link_error(error: &wasmtime::Error) -> String {
    format!("it does not fit `tavern:extension@{VERSION}`: {error:#}")
}
