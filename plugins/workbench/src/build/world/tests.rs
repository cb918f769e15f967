use tavern_plugins::manifest::Manifest;

use super::{version, world};

fn manifest(hooks: &str, permissions: &str) -> Manifest {
    let text = format!(
        "[extension]\nid = \"ann/one\"\nversion = \"0.1.0\"\ntitle = \"One\"\nsummary = \"One\"\napi = \"^0.1\"\n\
         license = \"MIT\"\n{hooks}\n[permissions]\n{permissions}"
    );
    Manifest::parse(&text).expect("it holds")
}

#[test]
fn a_world_has_the_hooks_and_no_import_that_was_not_asked_for() {
    let plain = world(&manifest("[hooks.before-prompt]", ""), "0.1.0");
    assert_eq!(
        plain,
        "package local:extension;\n\nworld guest {\n  import tavern:extension/log@0.1.0;\n  \
         import tavern:extension/config@0.1.0;\n  import tavern:extension/text@0.1.0;\n  \
         import tavern:extension/metrics@0.1.0;\n  export tavern:extension/before-prompt@0.1.0;\n}\n"
    );
    let asking = manifest(
        "[hooks.before-prompt]\n[hooks.after-reply]",
        "\"kv:chat\" = \"Keeps it\"\n\"http:api.example.org\" = \"Asks it\"\n\"model:1000\" = \"Sums it up\"",
    );
    let asking = world(&asking, "0.1.0");
    for line in [
        "import tavern:extension/key-value@0.1.0;",
        "import tavern:extension/http@0.1.0;",
        "import tavern:extension/model@0.1.0;",
        "export tavern:extension/after-reply@0.1.0;",
    ] {
        assert!(asking.contains(line), "{line}");
    }
    assert!(!asking.contains("/secrets@"), "{asking}");
}

#[test]
fn the_version_is_the_interfaces_own() {
    assert_eq!(version("/// Words.\npackage tavern:extension@0.1.0;\n"), Some("0.1.0"));
    assert_eq!(version("package another:one@0.1.0;"), None);
    assert!(version(crate::embedded::text("wit/types.wit")).is_some());
}
