use std::path::Path;

use clap::ValueEnum as _;
use tavern_domain::extension::Hook;

use super::create;
use crate::case;
use crate::project::{Language, Project};

#[test]
fn every_hook_begins_in_every_language_with_a_manifest_that_holds_and_a_case() {
    let folder = tempfile::tempdir().expect("a folder");
    for language in Language::value_variants() {
        // An extension with a life alone would never be called.
        for hook in Hook::ALL.into_iter().filter(|hook| *hook != Hook::Lifecycle) {
            let name = format!("{language}-{hook}");
            let dir = create(&name, *language, &[hook], folder.path()).expect("a project");
            let project = Project::open(&dir).expect("a manifest that holds");
            assert_eq!(project.language, *language);
            assert_eq!(project.manifest.extension.id, format!("example/{name}"));
            assert_eq!(project.manifest.hooks.keys().copied().collect::<Vec<_>>(), [hook]);
            assert_eq!(project.manifest.extension.large_runtime, *language != Language::Rust);
            let cases = case::read_all(&dir.join("tests")).expect("cases");
            assert!(
                cases.iter().all(|case| case.hook == hook) && !cases.is_empty(),
                "{name}"
            );
            for file in ["README.md", "LICENSE", ".gitignore", "config.schema.json"] {
                let text = std::fs::read_to_string(dir.join(file)).expect(file);
                assert!(!text.contains("EXTENSION_"), "{file} of {name}");
            }
        }
    }
}

#[test]
fn all_hooks_fit_into_one_project() {
    let folder = tempfile::tempdir().expect("a folder");
    for language in Language::value_variants() {
        let dir = create(&format!("ann/all-{language}"), *language, &Hook::ALL, folder.path()).expect("a project");
        let manifest = Project::open(&dir).expect("a manifest that holds").manifest;
        assert_eq!(manifest.hooks.len(), Hook::ALL.len());
        assert_eq!(case::read_all(&dir.join("tests")).expect("cases").len(), 15);
    }
}

#[test]
fn a_project_stands_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    for (language, files) in [
        (
            Language::Rust,
            &[
                "sdk/rust/Cargo.toml",
                "sdk/rust/wit/hooks.wit",
                "sdk/rust-derive/src/lib.rs",
            ][..],
        ),
        (
            Language::Javascript,
            &["sdk/tavern.js", "sdk/wit/hooks.wit", "package-lock.json"],
        ),
        (
            Language::Python,
            &["sdk/tavern/__init__.py", "sdk/wit/hooks.wit", "requirements.txt"],
        ),
    ] {
        let dir = create(&format!("alone-{language}"), language, &[], folder.path()).expect("a project");
        for file in files {
            assert!(dir.join(file).is_file(), "{file}");
        }
        for frozen in ["sdk/wit/v0_1", "sdk/rust/wit/v0_1"] {
            assert!(!dir.join(frozen).exists(), "{frozen}");
        }
    }
}

#[test]
fn what_is_there_is_not_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("mine")).expect("a folder");
    let told = create("mine", Language::Python, &[], folder.path()).expect_err("it is there");
    assert!(told.to_string().contains("is there already"), "{told}");
    assert_eq!(folder.path().join("mine").read_dir().expect("a folder").count(), 0);
}

#[test]
fn a_name_that_is_none_makes_no_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["", "A", "../out", "a/b/c", "Capital", "x"] {
        assert!(create(name, Language::Rust, &[], folder.path()).is_err(), "{name}");
    }
    assert_eq!(Path::read_dir(folder.path()).expect("a folder").count(), 0);
}
