//! Each field of each format, by name.

use tavern_domain::chat::ChatRole;
use tavern_domain::lore::{LoreCharacterFilter, LorePosition, ScanAlso, SelectiveLogic};

use super::*;

/// Of the only entry, without what every case has.
fn only(value: &Value) -> LoreEntry {
    let book = read(value);
    assert_eq!(book.warnings, [""; 0], "{value}");
    let (_, entries) = without_sources(&book);
    entries.into_iter().next().expect("an entry")
}

type Change = fn(&mut LoreEntry);

#[test]
fn every_field_of_silly_tavern_is_read_and_written() {
    let cases: [(&str, Value, Change); 36] = [
        ("key", json!(["a", "/b,c/i", ""]), |it| {
            it.keys = vec!["a".into(), "/b,c/i".into(), String::new()]
        }),
        ("keysecondary", json!(["b"]), |it| it.secondary_keys = vec!["b".into()]),
        ("comment", json!("T"), |it| it.comment = "T".into()),
        ("content", json!("@@depth 2\nC"), |it| {
            it.content = "@@depth 2\nC".into()
        }),
        ("constant", json!(true), |it| it.constant = true),
        ("vectorized", json!(true), |it| it.vectorized = true),
        ("selective", json!(false), |it| it.selective = false),
        ("selectiveLogic", json!(1), |it| it.logic = SelectiveLogic::NotAll),
        ("order", json!(-5), |it| it.order = -5),
        ("position", json!(2), |it| it.position = LorePosition::NoteTop),
        ("position", json!(4), |it| it.position = LorePosition::AtDepth),
        ("position", json!(7), |it| it.position = LorePosition::Outlet),
        ("disable", json!(true), |it| it.enabled = false),
        ("ignoreBudget", json!(true), |it| it.ignore_budget = true),
        ("excludeRecursion", json!(true), |it| it.exclude_recursion = true),
        ("preventRecursion", json!(true), |it| it.prevent_recursion = true),
        ("delayUntilRecursion", json!(2), |it| it.delay_until_recursion = 2),
        ("matchPersonaDescription", json!(true), |it| {
            it.scan_also.persona_description = true
        }),
        ("matchCharacterDescription", json!(true), |it| {
            it.scan_also.character_description = true
        }),
        ("matchCharacterPersonality", json!(true), |it| {
            it.scan_also.character_personality = true
        }),
        ("matchCharacterDepthPrompt", json!(true), |it| {
            it.scan_also.character_depth_prompt = true
        }),
        ("matchScenario", json!(true), |it| it.scan_also.scenario = true),
        ("matchCreatorNotes", json!(true), |it| it.scan_also.creator_notes = true),
        ("probability", json!(12.5), |it| it.probability = 12.5),
        ("useProbability", json!(false), |it| it.use_probability = false),
        ("depth", json!(0), |it| it.depth = 0),
        ("outletName", json!("o"), |it| it.outlet = "o".into()),
        ("group", json!("g, h"), |it| it.group = "g, h".into()),
        ("groupOverride", json!(true), |it| it.group_override = true),
        ("groupWeight", json!(7), |it| it.group_weight = 7.0),
        ("scanDepth", json!(3), |it| it.scan_depth = Some(3)),
        ("automationId", json!("x"), |it| it.automation_id = "x".into()),
        ("role", json!(2), |it| it.role = ChatRole::Assistant),
        ("triggers", json!(["swipe"]), |it| it.triggers = vec!["swipe".into()]),
        (
            "characterFilter",
            json!({ "isExclude": true, "names": ["n"], "tags": ["t"] }),
            |it| {
                it.character_filter = LoreCharacterFilter {
                    exclude: true,
                    names: vec!["n".into()],
                    tags: vec!["t".into()],
                };
            },
        ),
        ("extensions", json!({ "x": [1] }), |it| {
            it.extensions = json!({ "x": [1] })
        }),
    ];
    let nullable: [(&str, Value, Change); 6] = [
        ("caseSensitive", json!(true), |it| it.case_sensitive = Some(true)),
        ("matchWholeWords", json!(false), |it| it.match_whole_words = Some(false)),
        ("useGroupScoring", json!(true), |it| it.use_group_scoring = Some(true)),
        ("sticky", json!(1), |it| it.sticky = Some(1)),
        ("cooldown", json!(2), |it| it.cooldown = Some(2)),
        ("delay", json!(3), |it| it.delay = Some(3)),
    ];
    for (name, value, change) in cases.into_iter().chain(nullable) {
        let mut expected = LoreEntry::default();
        change(&mut expected);
        let mut raw = json!({ "uid": 0 });
        raw[name] = value.clone();
        assert_eq!(only(&silly_tavern(raw)), expected, "{name} is read");
        let fresh = write_world_book(&WorldBookText::default(), &[expected], LoreFormat::SillyTavern);
        assert_eq!(fresh["entries"]["0"][name], value, "{name} is written");
    }
}

#[test]
fn every_field_of_a_card_book_is_read_and_written() {
    let cases: [(&str, Value, Change); 12] = [
        ("keys", json!(["a,b"]), |it| it.keys = vec!["a,b".into()]),
        ("secondary_keys", json!(["b"]), |it| {
            it.secondary_keys = vec!["b".into()]
        }),
        ("comment", json!("T"), |it| it.comment = "T".into()),
        ("content", json!("@@@role user\nC"), |it| {
            it.content = "@@@role user\nC".into()
        }),
        ("constant", json!(true), |it| it.constant = true),
        ("selective", json!(true), |it| it.selective = true),
        ("insertion_order", json!(3), |it| it.order = 3),
        ("enabled", json!(false), |it| it.enabled = false),
        ("priority", json!(-2), |it| it.priority = Some(-2)),
        ("position", json!("before_char"), |it| {
            it.position = LorePosition::BeforeCharacter
        }),
        ("case_sensitive", json!(false), |it| it.case_sensitive = Some(false)),
        ("use_regex", json!(true), |it| it.use_regex = true),
    ];
    for (name, value, change) in cases {
        let mut expected = card_book::blank();
        change(&mut expected);
        let mut raw = json!({ "keys": [] });
        raw[name] = value.clone();
        assert_eq!(only(&card_v2(raw)), expected, "{name} is read");
        let fresh = write_world_book(&WorldBookText::default(), &[expected], LoreFormat::CardV2);
        assert_eq!(fresh["entries"][0][name], value, "{name} is written");
    }
}

#[test]
fn every_field_that_silly_tavern_puts_into_a_card_is_read_and_written() {
    let extensions = json!({
        "position": 4, "exclude_recursion": true, "prevent_recursion": true, "delay_until_recursion": 1,
        "probability": 40, "useProbability": false, "depth": 2, "selectiveLogic": 3, "outlet_name": "o",
        "group": "g", "group_override": true, "group_weight": 5, "scan_depth": 9, "case_sensitive": true,
        "match_whole_words": false, "use_group_scoring": true, "automation_id": "a", "role": 1, "vectorized": true,
        "sticky": 1, "cooldown": 2, "delay": 3, "match_persona_description": true,
        "match_character_description": true, "match_character_personality": true,
        "match_character_depth_prompt": true, "match_scenario": true, "match_creator_notes": true,
        "triggers": ["quiet"], "ignore_budget": true,
        "character_filter": { "isExclude": false, "names": ["n"], "tags": [] },
        "mine": { "x": 1 },
    });
    let expected = LoreEntry {
        position: LorePosition::AtDepth,
        exclude_recursion: true,
        prevent_recursion: true,
        delay_until_recursion: 1,
        probability: 40.0,
        use_probability: false,
        depth: 2,
        logic: SelectiveLogic::AndAll,
        outlet: "o".into(),
        group: "g".into(),
        group_override: true,
        group_weight: 5.0,
        scan_depth: Some(9),
        case_sensitive: Some(true),
        match_whole_words: Some(false),
        use_group_scoring: Some(true),
        automation_id: "a".into(),
        role: ChatRole::User,
        vectorized: true,
        sticky: Some(1),
        cooldown: Some(2),
        delay: Some(3),
        scan_also: ScanAlso {
            persona_description: true,
            character_description: true,
            character_personality: true,
            character_depth_prompt: true,
            scenario: true,
            creator_notes: true,
        },
        triggers: vec!["quiet".into()],
        ignore_budget: true,
        character_filter: LoreCharacterFilter {
            exclude: false,
            names: vec!["n".into()],
            tags: Vec::new(),
        },
        extensions: json!({ "mine": { "x": 1 } }),
        ..card_book::blank()
    };
    let raw = json!({ "keys": [], "position": "before_char", "use_regex": true, "extensions": extensions });
    assert_eq!(only(&card_v2(raw)), expected);
    let fresh = write_world_book(&WorldBookText::default(), &[expected], LoreFormat::CardV2);
    let entry = &fresh["entries"][0];
    for (name, value) in extensions.as_object().expect("an object") {
        assert_eq!(&entry["extensions"][name], value, "{name}");
    }
    assert_eq!(entry["position"], "after_char");
}

#[test]
fn use_regex_means_patterns_but_in_what_silly_tavern_exports() {
    for (what, raw, expected) in [
        ("V3", json!({ "keys": ["a|b"], "use_regex": true }), true),
        ("V3 off", json!({ "keys": ["a"], "use_regex": false }), false),
        ("V2", json!({ "keys": ["a"] }), false),
        (
            "SillyTavern",
            json!({ "keys": ["a"], "use_regex": true, "extensions": { "useProbability": true } }),
            false,
        ),
        (
            "SillyTavern's fields on a V3 entry of ours",
            json!({ "keys": ["a"], "use_regex": true, "extensions": { "useProbability": true, "use_regex": true } }),
            true,
        ),
    ] {
        assert_eq!(only(&card_v2(raw)).use_regex, expected, "{what}");
    }
    for (what, use_regex, keys, expected) in [
        ("patterns", true, vec!["a|b"], true),
        ("slashed patterns", false, vec!["/a/", "/b/gi"], true),
        ("texts", false, vec!["a", "b"], false),
        ("both", false, vec!["/a/", "b"], false),
        ("a path", false, vec!["/usr/bin"], false),
        ("none", false, vec![], false),
    ] {
        let keys = keys.into_iter().map(str::to_owned).collect();
        let entry = LoreEntry {
            keys,
            use_regex,
            ..LoreEntry::default()
        };
        let written = write_world_book(
            &WorldBookText::default(),
            std::slice::from_ref(&entry),
            LoreFormat::CardV3,
        );
        assert_eq!(written["entries"][0]["use_regex"], expected, "{what}");
        assert_eq!(only(&written).use_regex, use_regex, "{what}");
    }
}

#[test]
fn every_field_of_risu_is_read() {
    let entry = only(&json!({ "type": "risu", "ver": 1, "data": [{
        "key": "a, b,,c ", "secondkey": "d", "insertorder": 7, "comment": "T", "content": "@@depth 1\nC",
        "mode": "normal", "alwaysActive": true, "selective": true, "activationPercent": 30, "useRegex": true,
        "extentions": { "risu_case_sensitive": true }, "folder": "f",
    }] }));
    let expected = LoreEntry {
        keys: ["a", "b", "c"].map(str::to_owned).into(),
        secondary_keys: vec!["d".into()],
        order: 7,
        comment: "T".into(),
        content: "@@depth 1\nC".into(),
        constant: true,
        selective: true,
        probability: 30.0,
        use_regex: true,
        case_sensitive: Some(true),
        ..LoreEntry::default()
    };
    assert_eq!(entry, expected);
}

#[test]
fn what_risu_has_no_field_for_becomes_a_decorator() {
    let written = |entry: LoreEntry| {
        let book = write_world_book(&WorldBookText::default(), &[entry], LoreFormat::Risu);
        book["data"][0]["content"].as_str().expect("a text").to_owned()
    };
    let plain = LoreEntry {
        content: "C".into(),
        ..LoreEntry::default()
    };
    assert_eq!(written(plain.clone()), "C");
    assert_eq!(
        written(LoreEntry {
            enabled: false,
            ..plain.clone()
        }),
        "@@dont_activate\nC"
    );
    let at_depth = LoreEntry {
        position: LorePosition::AtDepth,
        role: ChatRole::User,
        ..plain.clone()
    };
    assert_eq!(written(at_depth), "@@depth 4\n@@role user\nC");
    assert_eq!(
        written(LoreEntry {
            scan_depth: Some(6),
            ..plain
        }),
        "@@scan_depth 6\nC"
    );
}

#[test]
fn a_folder_of_risu_is_disabled_and_comes_out_again() {
    let file =
        json!({ "type": "risu", "ver": 1, "data": [{ "key": "\u{f000}folder:1", "mode": "folder", "content": "" }] });
    let book = read(&file);
    assert!(!book.entries[0].enabled);
    assert_eq!(write(&book, LoreFormat::Risu), file);
}

#[test]
fn every_field_of_agnai_is_read() {
    let file = json!({ "kind": "memory", "_id": "1", "name": "B", "description": "D", "scanDepth": 3,
        "tokenBudget": 500, "recursiveScanning": true, "extensions": { "x": 1 }, "entries": [{
        "name": "T", "entry": "C", "keywords": ["a"], "priority": 4, "weight": 9, "enabled": false,
        "secondaryKeys": ["b"], "selective": true, "constant": true, "position": "after_char", "id": 5,
    }] });
    let expected = LoreEntry {
        comment: "T".into(),
        content: "C".into(),
        keys: vec!["a".into()],
        priority: Some(4),
        order: 9,
        enabled: false,
        secondary_keys: vec!["b".into()],
        selective: true,
        constant: true,
        position: LorePosition::AfterCharacter,
        ..LoreEntry::default()
    };
    assert_eq!(only(&file), expected);
    let text = read(&file).text;
    let of_book = (
        text.name.as_str(),
        text.description.as_str(),
        text.scan_depth,
        text.token_budget,
        text.recursive,
    );
    assert_eq!(of_book, ("B", "D", Some(3), Some(500), Some(true)));
    assert_eq!(text.extensions, json!({ "x": 1 }));
}

#[test]
fn every_field_of_novel_ai_is_read() {
    let entry = only(&json!({ "lorebookVersion": 5, "categories": [], "entries": [{
        "text": "C", "displayName": "T", "keys": ["a"], "enabled": false, "forceActivation": true,
        "contextConfig": { "budgetPriority": 400, "prefix": "" }, "searchRange": 1000,
    }] }));
    let expected = LoreEntry {
        content: "C".into(),
        comment: "T".into(),
        keys: vec!["a".into()],
        enabled: false,
        constant: true,
        order: 400,
        selective: false,
        ..LoreEntry::default()
    };
    assert_eq!(entry, expected);
}

#[test]
fn every_field_of_a_book_is_read_and_written() {
    let raw = json!({
        "name": "B", "description": "D", "scan_depth": 5, "token_budget": 900, "recursive_scanning": false,
        "extensions": { "tags": ["t"], "x": 1 }, "entries": [],
    });
    let text = read(&raw).text;
    let expected = WorldBookText {
        name: "B".into(),
        description: "D".into(),
        tags: vec!["t".into()],
        scan_depth: Some(5),
        token_budget: Some(900),
        recursive: Some(false),
        extensions: json!({ "x": 1 }),
        source: text.source.clone(),
    };
    assert_eq!(text, expected);
    let here = WorldBookText { source: None, ..text };
    assert_eq!(write_world_book(&here, &[], LoreFormat::CardV2), raw);
}
