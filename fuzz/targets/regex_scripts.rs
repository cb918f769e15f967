//! A regex script: its pattern, the flags, what it inserts and, from the fourth line on, the text. It ends, alike each
//! time, and what it makes is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tavern_domain::chat::Variables;
use tavern_prompt::js_regex::JsRegex;
use tavern_prompt::macros::{Macros, Scene};
use tavern_prompt::scripts::{Placement, Purpose, ScriptRun, Scripts};

fuzz_target!(|data: &str| {
    let mut lines = data.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (pattern, flags, replacement, text) = (line(), line(), line(), line());
    if let Some(regex) = JsRegex::new(pattern, flags).or_else(|| JsRegex::parse(pattern)) {
        let found = regex.is_match(text);
        assert_eq!(found, regex.is_match(text));
        let inserted = |groups: tavern_prompt::js_regex::Groups<'_>| {
            (0..=groups.count()).filter_map(|index| groups.get(index)).collect()
        };
        let replaced = regex.replace(text, inserted);
        assert_eq!(replaced, regex.replace(text, inserted));
        if let Some(replaced) = replaced {
            assert!(replaced.len() <= text.len() * 4 + (1 << 20));
        }
    }
    for substitute in 0..3 {
        let scripts = Scripts::compile(&[json!({
            "scriptName": "Script",
            "findRegex": format!("/{pattern}/{flags}"),
            "replaceString": replacement,
            "trimStrings": [flags],
            "placement": [2],
            "promptOnly": true,
            "substituteRegex": substitute,
        })]);
        let apply = || {
            let scene = Scene {
                user: "Ana".into(),
                char: "Mira".into(),
                ..Scene::default()
            };
            let mut macros = Macros::new(scene, Variables::new(), Variables::new(), 1);
            let mut run = ScriptRun::default();
            let made = scripts.apply(
                text,
                Placement::AiOutput,
                Purpose::Prompt,
                Some(0),
                &mut macros,
                &mut run,
            );
            made.into_owned()
        };
        let made = apply();
        assert_eq!(made, apply());
        assert!(made.len() <= text.len() * 4 + (1 << 20));
    }
});
