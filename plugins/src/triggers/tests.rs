use serde_json::json;

use super::*;

fn triggers(words: &[&str], patterns: &[&str]) -> Option<Triggers> {
    let settings = HookSettings {
        triggers: words.iter().map(|&text| text.to_owned()).collect(),
        patterns: patterns.iter().map(|&text| text.to_owned()).collect(),
        ..HookSettings::default()
    };
    Triggers::new(&settings, &Value::Null)
}

/// Of the settings `words` and `phrase`.
fn configured(config: &Value) -> Option<Triggers> {
    let settings = HookSettings {
        trigger_settings: vec!["words".into(), "phrase".into()],
        ..HookSettings::default()
    };
    Triggers::new(&settings, config)
}

#[test]
fn words_match_however_they_are_written() {
    let triggers = triggers(&["As an AI", "don't", "ÜBER"], &[r"\d{3}"]).expect("legal");
    for text in [
        "well, AS AN ai I",
        "as\n  an\u{a0}ai",
        "I don’t",
        "I DON'T",
        "überall",
        "call 911",
    ] {
        assert!(triggers.is_match(text), "{text}");
    }
    for text in ["as an artist, 91", "asanai", "dont", "uber"] {
        assert!(!triggers.is_match(text), "{text}");
    }
}

#[test]
fn a_letter_is_found_in_either_case() {
    for letter in ('a'..='\u{24f}')
        .chain('\u{370}'..='\u{52f}')
        .filter(|letter| letter.is_lowercase())
    {
        let mut upper = letter.to_uppercase();
        let (Some(upper), None) = (upper.next(), upper.next()) else {
            continue;
        };
        // Some capitals are those of two letters.
        if upper.to_lowercase().eq([letter]) {
            let triggers = triggers(&[&letter.to_string()], &[]).expect("legal");
            assert!(triggers.is_match(&upper.to_string()), "{letter} {upper}");
        }
    }
}

#[test]
fn the_beginning_of_a_trigger_is_waited_with_from_its_word_on() {
    let triggers = triggers(&["shiver", "über", "dark night"], &[]).expect("legal");
    for (text, begun) in [
        ("a shiv", "shiv"),
        ("a Sh", "Sh"),
        ("shiver", ""),
        ("drüber ü", "ü"),
        ("drü", "drü"),
        ("so dark \n", "dark \n"),
        ("the DARK  ni", "DARK  ni"),
        ("(dark n", "dark n"),
        ("undark n", "undark n"),
        ("calm", ""),
        ("", ""),
    ] {
        assert_eq!(triggers.begun(text), begun.len(), "{text}");
    }
}

#[test]
fn settings_are_looked_for_as_texts_lists_and_names() {
    let triggers = configured(&json!({
        "words": {"damn": "darn", " Bloody\thell ": ""},
        "phrase": ["as an AI", 7, ""],
        "other": "calm",
    }));
    let triggers = triggers.expect("there are some");
    for text in ["Damned", "bloody hell", "As an ai"] {
        assert!(triggers.is_match(text), "{text}");
    }
    for text in ["darn", "calm", "7", ""] {
        assert!(!triggers.is_match(text), "{text}");
    }
    let one = configured(&json!({"phrase": "shiver"})).expect("there is one");
    assert!(one.is_match("a Shiver") && !one.is_match("damn"));
}

#[test]
fn without_settings_nothing_is_looked_for() {
    for config in [
        json!({}),
        Value::Null,
        json!({"words": [], "phrase": " "}),
        json!({"words": 7}),
    ] {
        let triggers = configured(&config).expect("nothing is not everything");
        assert!(!triggers.is_match("damn") && triggers.begun("damn") == 0, "{config}");
    }
}

#[test]
fn what_cannot_be_looked_for_is_seen_everywhere() {
    assert!(triggers(&[], &[]).is_none());
    assert!(triggers(&[""], &[]).is_none());
    assert!(triggers(&[], &["("]).is_none());
    assert!(triggers(&[], &[r"(\w{200}){200}"]).is_none(), "too large when compiled");
    assert!(triggers(&[&"x".repeat(LONGEST + 1)], &[]).is_none());
    assert!(triggers(&[&"x".repeat(LONGEST)], &[]).is_some());
    let words = |count: usize| (0..count).map(|number| format!("w{number}")).collect::<Vec<_>>();
    assert!(configured(&json!({ "words": words(MOST) })).is_some());
    assert!(configured(&json!({ "words": words(MOST + 1) })).is_none());
    assert!(configured(&json!({ "phrase": "x".repeat(LONGEST) })).is_some());
    assert!(configured(&json!({ "phrase": "x".repeat(LONGEST + 1) })).is_none());
    assert!(triggers(&[], &["x"; MOST]).is_some());
    assert!(triggers(&[], &["x"; MOST + 1]).is_none());
}
