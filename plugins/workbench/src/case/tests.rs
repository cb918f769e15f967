use tavern_domain::extension::Hook;

use super::{MAX_BYTES, parse, read};

#[test]
fn a_case_says_only_what_it_is_about() {
    let cases = parse(r#"{ "hook": "tool" }"#, "counts").expect("a case");
    assert_eq!(cases.len(), 1);
    assert_eq!((cases[0].name.as_str(), cases[0].hook), ("counts", Hook::Tool));
    assert_eq!(cases[0].turn.kind, "normal");
    assert_eq!(
        cases[0].turn.character.as_ref().map(|person| person.name.as_str()),
        Some("Ann")
    );
}

#[test]
fn several_cases_in_a_file_are_told_apart() {
    let cases = parse(r#"[{ "hook": "tool" }, { "hook": "tool", "name": "mine" }]"#, "counts").expect("cases");
    let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["counts 1", "mine"]);
}

#[test]
fn a_word_that_is_none_is_refused_rather_than_passed_over() {
    for text in [
        r#"{ "hook": "tool", "expects": {} }"#,
        r#"{ "hook": "no-hook" }"#,
        r#"{ "hook": "tool", "turn": { "sed": 1 } }"#,
        r#"{ "hook": "tool", "grants": ["everything"] }"#,
        r#"{ "hook": "tool", "expect": { "outcome": "fine" } }"#,
        r#"{ "hook": "tool", "history": [{ "role": "narrator", "text": "" }] }"#,
    ] {
        assert!(parse(text, "case").is_err(), "{text}");
    }
}

#[test]
fn a_file_of_cases_may_be_large_and_not_larger() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("case.json");
    let most = usize::try_from(MAX_BYTES).expect("it fits");
    let mut text = r#"{ "hook": "tool" }"#.to_owned();
    text.push_str(&" ".repeat(most - text.len()));
    std::fs::write(&path, &text).expect("a file");
    assert_eq!(read(&path).expect("a case").len(), 1);
    std::fs::write(&path, text + " ").expect("a file");
    assert!(read(&path).is_err());
}
