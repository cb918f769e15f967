//! What is told about the entries.

use super::*;

#[test]
fn every_entry_has_its_decision() {
    let world = World::of(&[
        ("key", with_content(&["absent", "Forest"], "the bear")),
        ("none", entry(&["absent"])),
        ("keyless", entry(&[])),
        ("off", changed(entry(&["forest"]), |entry| entry.enabled = false)),
        ("lore", entry(&["bear"])),
        ("pattern", entry(&["/f[o]rest/"])),
        ("deep", entry(&["/b[e]ar/"])),
        ("across", entry(&["/x[^]*y/"])),
        ("note", entry(&["injected"])),
        (
            "described",
            changed(entry(&["tall"]), |entry| entry.scan_also.character_description = true),
        ),
        (
            "secondary",
            changed(entry(&["forest"]), |entry| entry.secondary_keys = vec!["absent".into()]),
        ),
        (
            "wait",
            changed(entry(&["forest"]), |entry| entry.delay_until_recursion = 9),
        ),
    ])
    .saying(&["x", "a forest, y"]);
    let activation = world.run_with(|scan| {
        scan.injections = vec!["injected"];
        scan.character_description = "a tall man";
    });
    let told: Vec<String> = activation
        .decisions
        .iter()
        .map(|decision| {
            let key = decision.matched_key.unwrap_or_default();
            let place = decision.matched_in.map(|place| place.to_string()).unwrap_or_default();
            format!(
                "{}: {} | {} {key} | {place}",
                decision.key, decision.activated, decision.reason
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "key: true | key Forest | message 1",
            "none: false | no key matched  | ",
            "keyless: false | no keys  | ",
            "off: false | disabled  | ",
            "lore: true | key bear | lore: key",
            "pattern: true | key /f[o]rest/ | message 1",
            "deep: true | key /b[e]ar/ | lore: key",
            "across: true | key /x[^]*y/ | several texts",
            "note: true | key injected | injected text 0",
            "described: true | key tall | character description",
            "secondary: false | secondary keys did not match  | ",
            "wait: true | key forest | message 1",
        ]
    );
    assert_eq!(activation.decisions.len(), 12);
    assert!(activation.decisions.considered().count() < 12);
}

#[test]
fn a_decision_survives_being_stored() {
    let activation = World::of(&[("e", entry(&["key"]))]).saying(&["key"]).run();
    let decision = decision(&activation, "e");
    let stored = serde_json::to_string(&decision).expect("it is data");
    assert_eq!(
        serde_json::from_str::<Decision>(&stored).expect("it was stored"),
        decision
    );
}

#[test]
fn tokens_add_up() {
    let activation = World::of(&[("a", constant("some words")), ("b", constant("more words"))]).run();
    let sum: u32 = activation.entries.iter().map(|entry| entry.tokens).sum();
    assert_eq!(activation.tokens, sum);
    assert_eq!(
        activation.decisions.iter().map(|decision| decision.tokens).sum::<u32>(),
        sum
    );
}

#[test]
fn an_index_says_what_it_weighs() {
    let small = World::of(&[("a", entry(&["key"]))]).index().weight();
    let large = World::of(&[("a", with_content(&["key"], &"x".repeat(10_000)))])
        .index()
        .weight();
    assert!(large >= small + 9_000, "{small} {large}");
}

#[test]
fn what_was_found_out_of_the_chat_is_not_forgotten_in_recursion() {
    let world = World::of(&[
        ("a", with_content(&["forest"], "a bear")),
        ("b", entry(&["bear"])),
        (
            "shy",
            changed(entry(&["forest"]), |entry| {
                entry.secondary_keys = vec!["absent".into()];
                entry.exclude_recursion = true;
            }),
        ),
    ]);
    let activation = world.saying(&["forest"]).run();
    assert_eq!(reason(&activation, "shy"), "secondary keys did not match");
}
