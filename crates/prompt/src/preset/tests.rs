use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;
use tavern_domain::chat::ChatRole;
use tavern_domain::generation::GenerationOptions;
use tavern_domain::lore::LoreStrategy;
use tavern_domain::preset::SECTIONS;

use super::*;

fn read(file: Value) -> (String, Value, Vec<String>) {
    read_preset_file(file, "dir/My file.json").expect("it is a preset")
}

fn chat(preset: Value) -> ChatPreset {
    PresetConfig::read(&json!({ "chat": preset })).chat
}

/// The files of SillyTavern that are at hand, by name.
fn shared_files(folder: &str) -> Vec<(String, Value)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sillytavern");
    let Ok(files) = std::fs::read_dir(root.join(folder)) else {
        println!("skipped: {} is not there", root.join(folder).display());
        return Vec::new();
    };
    files
        .map(|file| file.expect("the folder is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_name().expect("it is a file").to_string_lossy().into_owned();
            let json = std::fs::read_to_string(&path).expect("it is readable");
            (name, serde_json::from_str(&json).expect("it is JSON"))
        })
        .collect()
}

#[test]
fn sillytaverns_presets_come_out_as_they_went_in() {
    for (name, file) in shared_files("presets") {
        let (_, sections, warnings) = read_preset_file(file.clone(), &name).expect("it is a preset");
        let section = match name.split('-').next() {
            Some("openai") => "chat",
            Some(section) => section,
            None => "",
        };
        assert_eq!(
            sections.as_object().expect("an object").keys().collect::<Vec<_>>(),
            [section],
            "{name}"
        );
        assert_eq!(sections[section], file, "{name}");
        assert_eq!(export_preset(&sections), file, "{name}");
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
    }
}

#[test]
fn the_parts_of_sillytaverns_settings_are_taken_whole() {
    for (name, file) in shared_files("").into_iter().filter(|(name, _)| name == "settings.json") {
        let (_, sections, _) = read_preset_file(file.clone(), &name).expect("it is a preset");
        for (section, path) in [
            ("chat", "/oai_settings"),
            ("samplers", "/textgenerationwebui_settings"),
            ("lore", "/world_info_settings"),
            ("instruct", "/power_user/instruct"),
            ("context", "/power_user/context"),
            ("sysprompt", "/power_user/sysprompt"),
        ] {
            assert_eq!(Some(&sections[section]), file.pointer(path), "{section}");
        }
        let config = PresetConfig::read(&sections);
        let lore = config.lore.expect("there are lore settings");
        assert_eq!((lore.depth, lore.recursive, lore.match_whole_words), (2, true, true));
        assert_eq!(config.samplers.repetition_penalty, Some(1.1));
        assert!(config.instruct.is_some_and(|instruct| !instruct.enabled));
    }
}

#[test]
fn every_kind_of_file_is_known() {
    for (section, file) in [
        ("chat", json!({ "prompts": [] })),
        ("chat", json!({ "prompt_order": [] })),
        ("chat", json!({ "main_prompt": "x", "temperature": 1 })),
        ("instruct", json!({ "input_sequence": "x", "name": "Mine" })),
        ("context", json!({ "story_string": "x" })),
        ("sysprompt", json!({ "name": "Mine", "content": "x" })),
        ("reasoning", json!({ "name": "Mine", "prefix": "<", "suffix": ">" })),
        ("samplers", json!({ "temp": 1, "rep_pen": 1 })),
        ("lore", json!({ "world_info_depth": 3 })),
        ("regexScripts", json!({ "scriptName": "Mine", "findRegex": "/x/" })),
        ("regexScripts", json!([{ "findRegex": "/x/" }, { "findRegex": "/y/" }])),
    ] {
        let (_, sections, _) = read(file.clone());
        let keys: Vec<_> = sections.as_object().expect("an object").keys().collect();
        assert_eq!(keys, [section], "{file}");
        assert_eq!(export_preset(&sections), file, "{section}");
    }
}

#[test]
fn a_master_file_comes_out_as_it_went_in() {
    let file = json!({
        "instruct": { "input_sequence": "x" }, "context": { "story_string": "y" },
        "preset": { "temp": 0.5 }, "unknown": { "kept": true },
    });
    let (_, sections, _) = read(file.clone());
    assert_eq!(sections["samplers"]["temp"], 0.5);
    assert_eq!(sections["unknown"], file["unknown"]);
    assert_eq!(export_preset(&sections), file);
}

#[test]
fn what_is_no_preset_is_refused() {
    for file in [
        json!({}),
        json!([]),
        json!([{ "x": 1 }]),
        json!("text"),
        json!(1),
        Value::Null,
        json!({ "entries": {} }),
        json!({ "preset": "Default" }),
        json!({ "power_user": {} }),
    ] {
        assert_eq!(read_preset_file(file.clone(), "x.json"), Err(PresetFileError), "{file}");
    }
}

#[test]
fn a_preset_is_named_by_itself_or_its_file() {
    for (file, name, expected) in [
        (json!({ "prompts": [], "name": "Inside" }), "file.json", "Inside"),
        (json!({ "prompts": [] }), "C:\\presets\\My file.v2.json", "My file.v2"),
        (json!({ "prompts": [], "name": " " }), "plain", "plain"),
        (json!({ "prompts": [] }), "", "Preset"),
        (
            json!({ "instruct": { "name": "Alpaca" }, "context": {} }),
            "x.json",
            "Alpaca",
        ),
    ] {
        assert_eq!(read_preset_file(file, name).expect("it is a preset").0, expected);
    }
}

#[test]
fn the_order_for_all_characters_is_taken() {
    let order = |id: Value, identifier: &str| json!({ "character_id": id, "order": [{ "identifier": identifier, "enabled": true }] });
    for (name, orders, expected) in [
        (
            "100001",
            json!([order(json!(100_000), "nsfw"), order(json!(100_001), "main")]),
            "main",
        ),
        (
            "100001 as text",
            json!([order(json!(1), "nsfw"), order(json!("100001"), "main")]),
            "main",
        ),
        (
            "100000",
            json!([order(json!(1), "nsfw"), order(json!(100_000), "main")]),
            "main",
        ),
        (
            "the first",
            json!([order(json!(7), "main"), order(json!(8), "nsfw")]),
            "main",
        ),
        (
            "a bare list",
            json!([{ "identifier": "main", "enabled": true }]),
            "main",
        ),
    ] {
        let preset = chat(json!({ "prompt_order": orders }));
        let identifiers: Vec<_> = preset.prompts.iter().map(|prompt| prompt.identifier.as_str()).collect();
        assert_eq!(identifiers, [expected], "{name}");
    }
}

#[test]
fn without_an_order_the_usual_one_holds() {
    let preset = chat(json!({}));
    let on: Vec<_> = preset
        .prompts
        .iter()
        .filter(|prompt| prompt.enabled)
        .map(|prompt| prompt.identifier.as_str())
        .collect();
    assert_eq!(
        on,
        [
            "main",
            "worldInfoBefore",
            "personaDescription",
            "charDescription",
            "charPersonality",
            "scenario",
            "nsfw",
            "worldInfoAfter",
            "dialogueExamples",
            "chatHistory",
            "jailbreak",
        ]
    );
    assert_eq!(preset.prompts.len(), 12);
}

#[test]
fn a_prompts_fields_are_read() {
    let preset = chat(json!({
        "prompts": [
            { "identifier": "a", "name": "A", "role": "assistant", "content": "x", "injection_position": "1",
              "injection_depth": "2", "injection_order": 5, "injection_trigger": ["swipe"], "forbid_overrides": true },
            { "identifier": "b" },
        ],
        "prompt_order": [{ "identifier": "b", "enabled": false }, { "identifier": "a" }, { "identifier": "gone" }],
    }));
    assert_eq!(
        preset.prompts,
        [
            PromptEntry {
                identifier: "b".to_owned(),
                name: "b".to_owned(),
                role: ChatRole::System,
                content: String::new(),
                enabled: false,
                slot: PromptSlot::Relative,
                triggers: Vec::new(),
                forbid_overrides: false,
            },
            PromptEntry {
                identifier: "a".to_owned(),
                name: "A".to_owned(),
                role: ChatRole::Assistant,
                content: "x".to_owned(),
                enabled: true,
                slot: PromptSlot::InChat { depth: 2, order: 5 },
                triggers: vec!["swipe".to_owned()],
                forbid_overrides: true,
            },
        ]
    );
}

#[test]
fn texts_from_before_there_were_prompts_are_found() {
    let preset = chat(json!({ "main_prompt": "M", "nsfw_prompt": "N", "jailbreak_prompt": "J" }));
    let content = |identifier: &str| {
        let mut prompts = preset.prompts.iter();
        prompts
            .find(|prompt| prompt.identifier == identifier)
            .map(|prompt| prompt.content.as_str())
    };
    assert_eq!(
        [content("main"), content("nsfw"), content("jailbreak")],
        [Some("M"), Some("N"), Some("J")]
    );
}

#[test]
fn repairs_are_told() {
    for (name, sections, warning) in [
        (
            "a wrong type",
            json!({ "chat": { "squash_system_messages": "often" } }),
            "squash_system_messages",
        ),
        (
            "an unknown name",
            json!({ "chat": { "names_behavior": 9 } }),
            "names_behavior",
        ),
        ("no identifier", json!({ "chat": { "prompts": [{}] } }), "identifier"),
        (
            "two of one",
            json!({ "chat": { "prompts": [{ "identifier": "x" }, { "identifier": "x" }] } }),
            "second",
        ),
        (
            "an order of nothing",
            json!({ "chat": { "prompt_order": [{ "identifier": "x" }] } }),
            "not there",
        ),
        ("a section that is none", json!({ "instruct": [] }), "instruct"),
        (
            "a count below zero",
            json!({ "chat": { "openai_max_context": -1 } }),
            "openai_max_context",
        ),
    ] {
        let warnings = PresetConfig::read(&sections).warnings;
        assert!(
            warnings.iter().any(|text| text.contains(warning)),
            "{name}: {warnings:?}"
        );
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
    }
}

#[test]
fn numbers_and_flags_may_be_written_otherwise() {
    let preset = chat(json!({
        "openai_max_context": "4096", "openai_max_tokens": 300.0, "squash_system_messages": "true", "continue_prefill": 1,
        "names_behavior": "2",
    }));
    assert_eq!((preset.max_context, preset.max_response), (Some(4096), Some(300)));
    assert!(preset.squash_system && preset.continue_prefill);
    assert_eq!(preset.names, NamesBehaviour::Content);
}

#[test]
fn samplers_that_change_nothing_are_not_named() {
    let config = PresetConfig::read(&json!({ "chat": {
        "temperature": 1, "top_p": 1, "top_k": 0, "min_p": 0, "frequency_penalty": 0, "presence_penalty": 0.5,
        "repetition_penalty": 1, "seed": -1, "top_a": 0,
    }}));
    assert_eq!(
        config.samplers,
        Samplers {
            temperature: Some(1.0),
            presence_penalty: Some(0.5),
            ..Samplers::default()
        }
    );
}

#[test]
fn samplers_of_text_completion_go_over_those_of_the_chat() {
    let config = PresetConfig::read(&json!({
        "chat": { "temperature": 0.5, "top_p": 0.9 },
        "samplers": { "temp": 0.7, "typical": 0.5, "dry_multiplier": 0.8, "xtc_probability": 0, "top_k": "40", "seed": 7 },
    }));
    let samplers = config.samplers;
    assert_eq!(
        (samplers.temperature, samplers.top_p, samplers.top_k),
        (Some(0.7), Some(0.9), Some(40))
    );
    assert_eq!(samplers.seed, Some(7));
    assert_eq!(
        Value::Object(samplers.others.clone()),
        json!({ "typical_p": 0.5, "dry_multiplier": 0.8 })
    );

    let mut options = GenerationOptions {
        temperature: Some(0.1),
        ..GenerationOptions::default()
    };
    samplers.fill(&mut options);
    assert_eq!(
        (options.temperature, options.top_k),
        (Some(0.1), Some(40)),
        "the turn's own go first"
    );
}

#[test]
fn lore_settings_have_two_spellings() {
    for prefix in ["world_info_", ""] {
        let field = |name: &str| format!("{prefix}{name}");
        let config = PresetConfig::read(&json!({ "lore": {
            field("depth"): 5, field("budget"): 300, field("recursive"): false, field("character_strategy"): 0,
            field("budget_cap"): "900",
        }}));
        let lore = config.lore.expect("there are lore settings");
        assert_eq!((lore.depth, lore.recursive, lore.budget_cap), (5, false, 900));
        assert_eq!((lore.budget_percent, lore.strategy), (100.0, LoreStrategy::Evenly));
    }
}

#[test]
fn older_instruct_templates_are_read() {
    for (name, template, names) in [
        ("names", json!({ "names": true }), InstructNames::Always),
        (
            "forced in groups",
            json!({ "names": false, "names_force_groups": true }),
            InstructNames::Force,
        ),
        (
            "neither",
            json!({ "names": false, "names_force_groups": false }),
            InstructNames::None,
        ),
        (
            "newer",
            json!({ "names": true, "names_behavior": "none" }),
            InstructNames::None,
        ),
    ] {
        let config = PresetConfig::read(&json!({ "instruct": template }));
        assert_eq!(config.instruct.map(|instruct| instruct.names), Some(names), "{name}");
    }
    let config = PresetConfig::read(&json!({ "instruct": {
        "system_sequence_prefix": "A", "system_sequence_suffix": "B", "separator_sequence": "C",
    }}));
    let instruct = config.instruct.expect("the section is there");
    assert_eq!(
        [
            instruct.story_string_prefix,
            instruct.story_string_suffix,
            instruct.output_suffix
        ],
        ["A", "B", "C"]
    );
}

#[test]
fn regex_scripts_of_the_section_come_before_those_inside_the_chat_preset() {
    let config = PresetConfig::read(&json!({
        "regexScripts": [{ "id": 1 }],
        "chat": { "extensions": { "regex_scripts": [{ "id": 2 }] } },
    }));
    assert_eq!(config.regex_scripts, [json!({ "id": 1 }), json!({ "id": 2 })]);
}

#[test]
fn templates_texts_are_there_for_macros() {
    let config = PresetConfig::read(&json!({
        "instruct": { "input_sequence": "[U]" }, "context": { "chat_start": "***" }, "sysprompt": { "content": "S" },
    }));
    let texts = config.macro_texts();
    assert_eq!(
        [
            &texts["instructInput"],
            &texts["chatStart"],
            &texts["instructSystemPrompt"]
        ],
        ["[U]", "***", "S"]
    );
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z{}0-9 ]{0,12}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        "[a-z]{1,4}",
        proptest::sample::select(
            [
                "prompts",
                "prompt_order",
                "identifier",
                "order",
                "enabled",
                "content",
                "role",
                "injection_depth",
                "injection_order",
                "injection_trigger",
                "names_behavior",
                "temp",
                "top_k",
                "seed",
                "story_string",
                "input_sequence",
                "wrap",
                "depth",
                "preset",
                "extensions",
                "regex_scripts",
                "name",
                "findRegex",
            ]
            .map(str::to_owned)
            .to_vec(),
        ),
        proptest::sample::select(SECTIONS.map(str::to_owned).to_vec()),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_reads(json in json()) {
        let config = PresetConfig::read(&json);
        prop_assert!(config.warnings.len() <= 200);
    }

    #[test]
    fn what_is_read_from_a_file_is_read_again_from_its_export(json in json()) {
        if let Ok((_, sections, _)) = read_preset_file(json, "file.json") {
            let exported = export_preset(&sections);
            let (_, again, _) = read_preset_file(exported.clone(), "file.json").expect("an export is a preset");
            prop_assert_eq!(export_preset(&again), exported);
        }
    }
}
