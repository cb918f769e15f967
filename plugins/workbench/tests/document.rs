//! docs/EXTENSIONS.md against what there is.

use serde_json::Value;
use tavern_domain::extension::Hook;
use tavern_plugins::settings::PluginLimits;

const DOCUMENT: &str = include_str!("../../../docs/EXTENSIONS.md");

#[test]
fn the_document_states_the_limits_there_are() {
    let limits = serde_json::to_value(PluginLimits::default()).expect("JSON");
    let limits = limits.as_object().expect("an object");
    let rows: Vec<(&str, String)> = DOCUMENT
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            limits.contains_key(name).then_some(())?;
            Some((name, cells.next()?.replace(',', "")))
        })
        .collect();
    assert_eq!(rows.len(), limits.len(), "each limit stands there once");
    for (name, stated) in rows {
        assert_eq!(Value::to_string(&limits[name]), stated, "{name}");
    }
}

#[test]
fn the_document_has_every_hook() {
    for hook in Hook::ALL {
        assert!(DOCUMENT.contains(&format!("| `{hook}` |")), "{hook}");
    }
}
