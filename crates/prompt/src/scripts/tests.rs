use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::macros::Scene;

fn macros() -> Macros<'static> {
    let scene = Scene {
        char: "Mira (2)".into(),
        user: "Ada".into(),
        ..Scene::default()
    };
    Macros::new(scene, Default::default(), Default::default(), 1)
}

fn apply(scripts: &[Value], text: &str, placement: Placement, purpose: Purpose, depth: Option<u32>) -> String {
    let scripts = Scripts::compile(scripts);
    let mut run = ScriptRun::default();
    scripts
        .apply(text, placement, purpose, depth, &mut macros(), &mut run)
        .into_owned()
}

/// One script for replies, applied to what is stored.
fn replaced(find: &str, replace: &str, text: &str) -> String {
    let script = json!({ "findRegex": find, "replaceString": replace, "placement": [2] });
    apply(&[script], text, Placement::AiOutput, Purpose::Store, None)
}

#[test]
fn a_replacement_inserts_what_was_matched() {
    for (name, find, replace, text, expected) in [
        ("a literal with flags", "/A/gi", "b", "aA", "bb"),
        ("a bare pattern", "a", "b", "aa", "ba"),
        ("slashes inside need no escape", "/</b>/g", "!", "</b></b>", "!!"),
        ("the whole match", "/a/", "<{{match}}>", "a", "<a>"),
        ("the whole match in any case", "/a/", "{{MATCH}}$0$&", "a", "aaa"),
        ("groups", "/(a)(b)?/g", "[$1$2]", "aba", "[ab][a]"),
        ("named groups", "/(?<x>a)/", "$<x>$<x>$<y>", "a", "aa"),
        (
            "two digits",
            "/(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)/",
            "$10$2",
            "abcdefghij",
            "jb",
        ),
        ("a digit behind a group", "/(a)/", "$12", "a", "a2"),
        ("no such group", "/(a)/", "[$2]", "a", "[]"),
        ("a dollar alone", "/a/", "$ $$ $<", "a", "$ $$ $<"),
        ("macros of the replacement", "/a/", "{{user}}", "a", "Ada"),
        (
            "a match that gives a macro its name",
            "/(user|char)/",
            "{{$1}}",
            "user",
            "Ada",
        ),
        ("macros of the match", "/.+/", "$0", "{{user}}", "{{user}}"),
        ("an empty replacement", "/ a/g", "", "b a a", "b"),
        ("a pattern that is wrong", "/(/", "b", "(", "("),
    ] {
        assert_eq!(replaced(find, replace, text), expected, "{name}");
    }
}

#[test]
fn the_purpose_decides_which_scripts_run() {
    let purposes = [Purpose::Store, Purpose::Edit, Purpose::Prompt, Purpose::Display];
    for (name, flags, expected) in [
        ("neither", json!({}), [true, false, false, false]),
        ("run on edit", json!({ "runOnEdit": true }), [true, true, false, false]),
        (
            "shown only",
            json!({ "markdownOnly": true }),
            [false, false, false, true],
        ),
        (
            "prompt only",
            json!({ "promptOnly": true }),
            [false, false, true, false],
        ),
        (
            "both",
            json!({ "markdownOnly": true, "promptOnly": true, "runOnEdit": true }),
            [false, false, true, true],
        ),
        ("disabled", json!({ "disabled": true }), [false; 4]),
        (
            "flags as texts",
            json!({ "promptOnly": "true", "disabled": "false" }),
            [false, false, true, false],
        ),
        (
            "the old place of shown only",
            json!({ "placement": [0] }),
            [false, false, true, true],
        ),
    ] {
        let mut script = json!({ "findRegex": "a", "replaceString": "b", "placement": [2] });
        for (key, value) in flags.as_object().expect("an object") {
            script[key] = value.clone();
        }
        let ran = purposes
            .map(|purpose| apply(std::slice::from_ref(&script), "a", Placement::AiOutput, purpose, None) == "b");
        assert_eq!(ran, expected, "{name}");
    }
}

#[test]
fn the_place_decides_which_scripts_run() {
    let places = [
        Placement::UserInput,
        Placement::AiOutput,
        Placement::SlashCommand,
        Placement::WorldInfo,
        Placement::Reasoning,
    ];
    for (name, placement, expected) in [
        ("none", json!([]), [false; 5]),
        ("missing", Value::Null, [false; 5]),
        ("two", json!([1, 6]), [true, false, false, false, true]),
        ("texts", json!(["2", "5"]), [false, true, false, true, false]),
        ("no list", json!(3), [false, false, true, false, false]),
        (
            "the old place of sent as",
            json!([4]),
            [false, false, true, false, false],
        ),
        ("no places", json!([-1, 7, 1e300, {}]), [false; 5]),
    ] {
        let script = json!({ "findRegex": "a", "replaceString": "b", "placement": placement });
        let ran = places.map(|place| apply(std::slice::from_ref(&script), "a", place, Purpose::Store, None) == "b");
        assert_eq!(ran, expected, "{name}");
    }
}

#[test]
fn the_depth_decides_which_scripts_run() {
    for (name, limits, expected) in [
        ("no limits", json!({}), [true, true, true, true]),
        (
            "nulls",
            json!({ "minDepth": null, "maxDepth": "" }),
            [true, true, true, true],
        ),
        ("from one on", json!({ "minDepth": 1 }), [true, false, true, true]),
        ("up to one", json!({ "maxDepth": "1" }), [true, true, true, false]),
        (
            "one",
            json!({ "minDepth": 1, "maxDepth": 1 }),
            [true, false, true, false],
        ),
        (
            "below zero",
            json!({ "minDepth": -1, "maxDepth": -1 }),
            [true, true, true, true],
        ),
    ] {
        let mut script = json!({ "findRegex": "a", "replaceString": "b", "placement": [2] });
        for (key, value) in limits.as_object().expect("an object") {
            script[key] = value.clone();
        }
        let ran = [None, Some(0), Some(1), Some(2)].map(|depth| {
            apply(
                std::slice::from_ref(&script),
                "a",
                Placement::AiOutput,
                Purpose::Store,
                depth,
            ) == "b"
        });
        assert_eq!(ran, expected, "{name}");
    }
}

#[test]
fn macros_of_the_pattern_are_expanded_as_asked() {
    for (name, mode, find, text, expected) in [
        ("not", json!(0), "/{{char}}/", "{{char}}", "!"),
        ("raw", json!(1), "/{{char}}/", "Mira 2", "!"),
        ("escaped", json!(2), "/{{char}}/", "Mira (2)", "!"),
        ("escaped, as a text", json!("2"), "/{{char}}/", "Mira 2", "Mira 2"),
        ("a name of a group stays", json!(1), "/(?<user>{{user}})/", "Ada", "!"),
        ("without an end", json!(1), "/{{user/", "{{user", "!"),
    ] {
        let script = json!({ "findRegex": find, "replaceString": "!", "placement": [2], "substituteRegex": mode });
        let result = apply(&[script], text, Placement::AiOutput, Purpose::Store, None);
        assert_eq!(result, expected, "{name}");
    }
}

#[test]
fn a_pattern_with_macros_follows_them() {
    let script = json!({ "findRegex": "{{user}}", "replaceString": "!", "placement": [2], "substituteRegex": 1 });
    let scripts = Scripts::compile(&[script]);
    let mut macros = macros();
    for (user, expected) in [("Ada", "! Bob"), ("Bob", "Ada !"), ("Bob", "Ada !")] {
        macros.scene_mut().user = user.into();
        let mut run = ScriptRun::default();
        let result = scripts.apply(
            "Ada Bob",
            Placement::AiOutput,
            Purpose::Store,
            None,
            &mut macros,
            &mut run,
        );
        assert_eq!(result, expected);
    }
}

#[test]
fn trim_strings_are_taken_out_of_what_is_inserted() {
    let script = json!({
        "findRegex": r#"/"(.*)"/"#, "replaceString": "*x* $1", "placement": [2], "trimStrings": ["*", "{{user}}", "", 5],
    });
    let result = apply(&[script], r#""*Ada* says""#, Placement::AiOutput, Purpose::Store, None);
    assert_eq!(result, "*x*  says");
}

#[test]
fn scripts_run_in_their_order() {
    let script = |find: &str, replace: &str| json!({ "findRegex": find, "replaceString": replace, "placement": [1] });
    let scripts = [script("a", "b"), script("b", "c")];
    assert_eq!(apply(&scripts, "a", Placement::UserInput, Purpose::Store, None), "c");
}

#[test]
fn a_script_without_a_usable_pattern_is_named() {
    let broken = json!({ "scriptName": "Broken", "findRegex": "/a(/", "placement": [1] });
    let scripts = Scripts::compile(&[json!(null), json!({}), broken]);
    assert!(scripts.is_empty());
    assert_eq!(
        scripts.warnings,
        ["The pattern of the regex script “Broken” cannot be used."]
    );
}

#[test]
fn a_script_that_gives_up_leaves_the_text_and_says_so_once() {
    let script = |find: &str, replace: &str| json!({ "scriptName": find, "findRegex": find, "replaceString": replace, "placement": [2] });
    let huge = "x".repeat(100_000);
    let scripts = Scripts::compile(&[script("/(?=a)(a+)+$/", "!"), script("/a/g", &huge), script("/b/", "c")]);
    let text = "a".repeat(3000) + "b";
    let mut run = ScriptRun::default();
    for _ in 0..2 {
        let result = scripts.apply(
            &text,
            Placement::AiOutput,
            Purpose::Store,
            None,
            &mut macros(),
            &mut run,
        );
        assert_eq!(result, text.replace('b', "c"));
    }
    assert_eq!(run.warnings.len(), 2);
}

#[test]
fn scripts_that_grow_a_text_together_stop_at_the_limit() {
    let script = json!({ "findRegex": "/^[^]*$/", "replaceString": "$0$0$0", "placement": [2] });
    let scripts = Scripts::compile(&vec![script; 50]);
    let mut run = ScriptRun::default();
    let text = "a".repeat(1000);
    let result = scripts.apply(
        &text,
        Placement::AiOutput,
        Purpose::Store,
        None,
        &mut macros(),
        &mut run,
    );
    assert!(result.len() <= 4 * text.len() + MAX_GROWTH);
    assert!(!run.warnings.is_empty());
}

#[test]
fn only_so_many_scripts_are_used() {
    let script = json!({ "findRegex": "a", "placement": [2] });
    let scripts = Scripts::compile(&vec![script; MAX_SCRIPTS + 1]);
    assert_eq!(scripts.scripts.len(), MAX_SCRIPTS);
    assert_eq!(scripts.warnings.len(), 1);
}

proptest! {
    #[test]
    fn no_script_panics(
        find in r"(/|\(|\)|a|\.|\*|\{\{char\}\}|\{\{|\}\}|g|é|\[|\]|\\){0,10}",
        replace in r"(\$1|\$<a>|\$|<|\{\{match\}\}|\{\{|\}\}|é|9){0,8}",
        mode in 0..3,
        text in "[aé{}(]{0,12}",
    ) {
        let script = json!({ "findRegex": find, "replaceString": replace, "placement": [2], "substituteRegex": mode });
        let _ = apply(&[script], &text, Placement::AiOutput, Purpose::Store, None);
    }
}
