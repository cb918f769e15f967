use super::*;
use tavern_extension::testing::turn;

fn candidate(id: &str, text: &str, tokens: u32, active: bool) -> Candidate {
    Candidate {
        id: id.into(),
        book: "book".into(),
        title: String::new(),
        keys: Vec::new(),
        tokens,
        active,
        text: text.into(),
    }
}

/// Ids with `+` for activated and `-` for silenced ones.
fn selected(config: Value, said: &str, candidates: &[Candidate]) -> Vec<String> {
    let librarian = LoreLibrarian::from_config(&config.to_string()).expect("it fits");
    let history = [Message::new("m", Role::User, said)];
    match librarian.select(&turn(), &history, candidates) {
        Ok(selection) => selection
            .activations
            .iter()
            .map(|activation| format!("{}{}", if activation.active { '+' } else { '-' }, activation.id))
            .collect(),
        Err(HookError::Skip(_)) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_fits_is_activated_best_first_and_as_many_as_asked_for() {
    let candidates = [
        candidate("market", "The market sells fish and bread.", 10, false),
        candidate(
            "harbour",
            "The harbour smells of fish, and its lighthouse is dark.",
            10,
            false,
        ),
        candidate("tower", "A tower without a door.", 10, false),
        candidate(
            "keeper",
            "Lighthouse keeper Ilse waits in the harbour lighthouse.",
            10,
            true,
        ),
    ];
    let said = "Fish from the harbour? Not since the lighthouse went dark.";
    assert_eq!(selected(json!({}), said, &candidates), ["+harbour"]);
    assert_eq!(
        selected(json!({ "minimum": 0 }), said, &candidates),
        ["+harbour", "+market"]
    );
    assert_eq!(
        selected(json!({ "minimum": 0, "activate": 1 }), said, &candidates),
        ["+harbour"]
    );
    assert!(selected(json!({ "activate": 0 }), said, &candidates).is_empty());
    assert!(selected(json!({}), "Hello.", &candidates).is_empty());
}

#[test]
fn what_fits_worst_is_silenced_beyond_the_budget() {
    let candidates = [
        candidate("tower", "A tower without a door.", 60, true),
        candidate("harbour", "The harbour and its lighthouse.", 60, true),
        candidate("well", "A well in the harbour.", 60, false),
    ];
    let said = "To the harbour!";
    assert_eq!(selected(json!({ "budget": 180 }), said, &candidates), ["+well"]);
    assert_eq!(
        selected(json!({ "budget": 120 }), said, &candidates),
        Vec::<String>::new()
    );
    assert_eq!(selected(json!({ "budget": 119 }), said, &candidates), ["-tower"]);
    assert_eq!(
        selected(json!({ "budget": 10 }), said, &candidates),
        ["-tower", "-harbour"]
    );
}

#[test]
fn there_are_never_more_edits_than_the_host_takes() {
    let candidates: Vec<_> = (0..500)
        .map(|index| candidate(&index.to_string(), "harbour", 10, true))
        .collect();
    assert_eq!(
        selected(json!({ "budget": 1 }), "harbour", &candidates).len(),
        MAX_EDITS
    );
}

#[test]
fn defaults_are_those_of_the_schema() {
    let schema: Value = serde_json::from_str(include_str!("../config.schema.json")).expect("JSON");
    let unset = LoreLibrarian::default();
    let default = |name: &str| schema["properties"][name]["default"].clone();
    assert_eq!(default("messages"), json!(unset.messages));
    assert_eq!(default("activate"), json!(unset.activate));
    assert_eq!(default("minimum"), json!(unset.minimum));
    assert_eq!(default("budget"), json!(unset.budget));
}
