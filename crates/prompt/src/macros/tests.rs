use super::*;

mod bounds;
mod chance;
mod conditions;
mod grammar;
mod moments;
mod names;
mod scopes;
mod values;
mod variables;

/// 2026-03-09T14:05:06.078Z, a Monday.
const NOW: i64 = 1_773_065_106_078;

fn scene() -> Scene<'static> {
    Scene {
        user: "Tom".into(),
        char: "Mira".into(),
        ..Scene::default()
    }
}

fn macros(scene: Scene<'_>) -> Macros<'_> {
    Macros::new(scene, Variables::new(), Variables::new(), 7)
}

fn expand(text: &str) -> String {
    macros(scene()).expand(text)
}

/// Expands `text` and says what was warned of.
fn warnings(text: &str) -> Vec<String> {
    let mut macros = macros(scene());
    macros.expand(text);
    macros.finish().warnings
}

/// Each row: what it is about, a text, and what it comes to.
fn check(rows: &[(&str, &str, &str)]) {
    check_in(&scene(), rows);
}

fn check_in(scene: &Scene<'_>, rows: &[(&str, &str, &str)]) {
    for (about, text, expected) in rows {
        assert_eq!(macros(scene.clone()).expand(text), *expected, "{about}: {text}");
    }
}

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
