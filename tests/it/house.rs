//! The shape of the house: who may import whom, and the API's schema as committed.

use std::collections::{HashMap, HashSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The floors, lowest first. A crate imports only from floors below its own; `schema` is below `resolvers`.
const FLOORS: [&[&str]; 7] = [
    &["tavern-domain", "tavern-migrations"],
    &["tavern-prompt", "tavern-models", "tavern-storage", "tavern-plugins"],
    &["tavern-services", "tavern-workbench"],
    &["tavern-schema"],
    &["tavern-resolvers"],
    &["tavern-gateway"],
    &["tavern"],
];

/// Which crates may use a library that must not spread.
const KEPT: [(&str, &[&str]); 8] = [
    (
        "async-graphql",
        &["tavern-schema", "tavern-resolvers", "tavern-gateway", "tavern"],
    ),
    ("sea-orm", &["tavern-storage", "tavern-migrations"]),
    ("sea-orm-migration", &["tavern-storage", "tavern-migrations"]),
    ("mongodb", &["tavern-storage"]),
    ("redis", &["tavern-storage"]),
    ("wasmtime", &["tavern-plugins"]),
    ("axum", &["tavern-gateway", "tavern"]),
    ("reqwest", &["tavern-models", "tavern-plugins", "tavern-workbench"]),
];

/// Crates that do no I/O have none of these.
const IO: [&str; 6] = ["tokio", "reqwest", "hyper", "sea-orm", "object_store", "axum"];

/// The normal dependencies of each crate of the product.
fn dependencies() -> HashMap<String, HashSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    let normal = |package: &cargo_metadata::Package| {
        package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
            .map(|dependency| dependency.name.clone())
            .collect()
    };
    metadata
        .packages
        .iter()
        .filter(|package| package.name.starts_with("tavern") && !package.name.starts_with("tavern-bench"))
        .map(|package| (package.name.to_string(), normal(package)))
        .collect()
}

#[test]
fn a_crate_imports_only_lower_floors() {
    let dependencies = dependencies();
    let floor = |name: &str| FLOORS.iter().position(|crates| crates.contains(&name));
    for (name, uses) in &dependencies {
        let own = floor(name).unwrap_or_else(|| panic!("{name} stands on no floor"));
        for used in uses.iter().filter(|used| dependencies.contains_key(*used)) {
            assert!(floor(used) < Some(own), "{name} imports {used}, which is not below it");
        }
    }
}

#[test]
fn libraries_stay_where_they_belong() {
    for (name, uses) in dependencies() {
        for (library, homes) in KEPT {
            assert!(
                !uses.contains(library) || homes.contains(&name.as_str()),
                "{name} uses {library}, which belongs to {homes:?}"
            );
        }
    }
}

#[test]
fn the_vocabulary_and_the_prompt_engine_do_no_io() {
    let dependencies = dependencies();
    for name in ["tavern-domain", "tavern-prompt"] {
        for library in IO {
            assert!(!dependencies[name].contains(library), "{name} uses {library}");
        }
    }
}

#[test]
fn the_schema_is_the_committed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/schema.graphql");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        tavern_resolvers::sdl() == committed,
        "schema/schema.graphql is not the schema; `cargo xtask schema` writes it"
    );
}
