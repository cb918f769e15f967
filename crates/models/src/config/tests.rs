use super::*;

fn config(json: serde_json::Value) -> ModelsConfig {
    serde_json::from_value(json).expect("a config of the right shape")
}

fn home() -> ModelsConfig {
    config(serde_json::json!({
        "providers": [{
            "name": "home", "kind": "openai", "base_url": "http://127.0.0.1:8080/v1",
            "api_key": "k-123", "timeouts": { "first_token": 1000 },
        }],
        "models": [{
            "name": "story", "context_tokens": 32768, "max_output_tokens": 1024,
            "deployments": [{ "provider": "home", "model": "gemma" }],
        }],
    }))
}

fn mistakes(change: impl FnOnce(&mut ModelsConfig)) -> Vec<String> {
    let mut config = home();
    change(&mut config);
    config.validate()
}

#[test]
fn the_documented_shape_is_right() {
    assert_eq!(home().validate(), Vec::<String>::new());
    assert_eq!(
        home().providers[0].timeouts,
        Timeouts {
            first_token: 1000,
            ..Timeouts::default()
        }
    );
    assert_eq!(ModelsConfig::default().validate(), Vec::<String>::new());
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let config = config(serde_json::json!({
        "providers": [
            { "name": "a b", "kind": "gemini", "base_url": "ftp://x" },
            { "name": "home", "kind": "openai", "api_key": "k", "api_key_file": "/k" },
            { "name": "home", "kind": "demo", "timeouts": { "idle": 0 } },
            { "name": "demo", "kind": "openai", "base_url": "http://u:p@x" },
        ],
        "models": [
            { "name": "m", "deployments": [] },
            { "name": "m", "context_tokens": 300, "max_output_tokens": 300, "prompt_price": -1,
              "deployments": [{ "provider": "home", "model": "x" }, { "provider": "gone", "model": "" }] },
        ],
    }));
    let mistakes = config.validate();
    let places: Vec<_> = mistakes
        .iter()
        .filter_map(|mistake| mistake.split(": ").next())
        .collect();
    assert_eq!(
        places,
        [
            "providers[0].name",
            "providers[0].kind",
            "providers[0].base_url",
            "providers[1].base_url",
            "providers[1].api_key_file",
            "providers[2].timeouts.idle",
            "providers[2].name",
            "providers[3].base_url",
            "providers[3].name",
            "models[0].deployments",
            "models[1].max_output_tokens",
            "models[1].prompt_price",
            "models[1].deployments[1].provider",
            "models[1].deployments[1].model",
            "models[1].name",
        ]
    );
    assert_eq!(
        mistakes[1],
        "providers[0].kind: this version speaks `demo` and `openai`, not `gemini`"
    );
}

#[test]
fn numbers_are_taken_at_their_limits_and_refused_beyond() {
    type Set = fn(&mut ModelsConfig, i64);
    let cases: [(Set, i64, i64); 4] = [
        (
            |c, n| c.models[0].context_tokens = n as i32,
            1025,
            i64::from(MAX_CONTEXT),
        ),
        (|c, n| c.models[0].max_output_tokens = n as i32, 1, 32_767),
        (|c, n| c.models[0].prompt_price = n, 0, MAX_PRICE),
        (|c, n| c.providers[0].timeouts.idle = n as u64, 1, MAX_TIMEOUT_MS as i64),
    ];
    for (index, (set, least, most)) in cases.into_iter().enumerate() {
        for (value, good) in [(least, true), (most, true), (least - 1, false), (most + 1, false)] {
            assert_eq!(mistakes(|c| set(c, value)).is_empty(), good, "case {index}: {value}");
        }
    }
}

#[test]
fn names_have_up_to_sixty_four_characters() {
    assert!(mistakes(|c| c.models[0].name = "m".repeat(64)).is_empty());
    assert_eq!(mistakes(|c| c.models[0].name = "m".repeat(65)).len(), 1);
}

#[test]
fn a_model_has_up_to_sixteen_deployments() {
    let with = |count| mistakes(|c| c.models[0].deployments = vec![c.models[0].deployments[0].clone(); count]);
    assert!(with(16).is_empty());
    assert_eq!(with(17).len(), 1);
}

#[test]
fn unknown_fields_are_refused() {
    let json = serde_json::json!({ "providers": [{ "name": "a", "kind": "openai", "key": "x" }] });
    assert!(serde_json::from_value::<ModelsConfig>(json).is_err());
}

#[test]
fn a_secret_is_never_printed() {
    let config = home();
    let shown = format!("{config:?} {}", serde_json::to_string(&config).expect("it serialises"));
    assert!(!shown.contains("k-123"), "{shown}");
    assert_eq!(shown.matches("[redacted]").count(), 2);
}
