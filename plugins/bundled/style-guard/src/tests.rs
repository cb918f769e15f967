use super::*;
use tavern_extension::testing::{self, turn};

fn guard(config: Value) -> Guard {
    StyleGuard::from_config(&config.to_string())
        .and_then(|guard| guard.filter(&turn()))
        .expect("it fits")
}

/// What of a reply is shown, with what is held coming again as the host has it.
fn filtered(config: Value, chunks: &[&str]) -> String {
    let mut guard = guard(config);
    let (mut shown, mut held) = (String::new(), String::new());
    for chunk in chunks.iter().map(Some).chain([None]) {
        held += chunk.copied().unwrap_or_default();
        let verdict = match chunk {
            Some(_) => guard.push(&held),
            None => guard.finish(&held),
        };
        match verdict.expect("a verdict") {
            Verdict::Pass => shown += &held,
            Verdict::Replace(text) => shown += &text,
            Verdict::Drop => {}
            Verdict::Hold if chunk.is_some() => continue,
            Verdict::Hold => shown += &held,
            Verdict::Stop(text) => return shown + &text,
        }
        held.clear();
    }
    shown
}

/// The same, however the reply is cut.
fn guarded(config: Value, reply: &str) -> String {
    let whole = filtered(config.clone(), &[reply]);
    let letters: Vec<String> = reply.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    // The host cuts between words.
    for (at, _) in reply
        .char_indices()
        .filter(|(at, _)| reply[..*at].ends_with([' ', '.', '\n']))
    {
        assert_eq!(filtered(config.clone(), &[&reply[..at], &reply[at..]]), whole);
    }
    if config["whole_words"] == false {
        assert_eq!(filtered(config, &letters), whole);
    }
    whole
}

#[test]
fn words_are_replaced_in_their_case_and_nothing_else_is() {
    let config = json!({ "replace": { "damn": "darn", "my god": "my word", "don't": "do not" } });
    for (reply, shown) in [
        ("Damn, it is damned cold. DAMN!", "Darn, it is damned cold. DARN!"),
        ("Oh my  God. My\ngod!", "Oh my word. My word!"),
        ("I don’t. Goddamn", "I do not. Goddamn"),
        ("nothing here", "nothing here"),
        ("a damn", "a darn"),
    ] {
        assert_eq!(guarded(config.clone(), reply), shown);
    }
}

#[test]
fn parts_of_words_are_found_if_that_is_wanted() {
    let config = json!({ "whole_words": false, "mask": ["damn"], "replace": { "über": "sehr" } });
    assert_eq!(guarded(config, "Goddamned. ÜBERALL"), "Godd***ed. SEHRALL");
}

#[test]
fn a_masked_word_keeps_its_first_letters() {
    assert_eq!(
        guarded(json!({ "mask": ["bloody hell"] }), "Bloody hell, no."),
        "B***** h***, no."
    );
}

#[test]
fn a_reply_ends_where_a_phrase_says_so() {
    let config = json!({ "stop": ["as an AI"], "stop_text": "…", "replace": { "well": "so" } });
    assert_eq!(guarded(config.clone(), "Well. As an ai I will not."), "So. …");
    assert_eq!(guarded(config, "As an aim, well"), "As an aim, so");
}

#[test]
fn the_longest_phrase_counts() {
    let config = json!({ "replace": { "dark": "dim", "dark night": "evening" } });
    assert_eq!(
        guarded(config, "A dark night, a dark sky, dark"),
        "A evening, a dim sky, dim"
    );
}

#[test]
fn text_waits_only_while_it_may_become_a_phrase() {
    let mut guard = guard(json!({ "replace": { "dark night": "evening" } }));
    assert_eq!(guard.push("A dark"), Ok(Verdict::Hold));
    assert_eq!(guard.push("A dark sky."), Ok(Verdict::Pass));
    assert_eq!(guard.push("A dark night"), Ok(Verdict::Hold));
    assert_eq!(guard.finish("A dark night"), Ok(Verdict::Replace("A evening".into())));
    assert_eq!(guard.finish(""), Ok(Verdict::Pass));
}

#[test]
fn what_is_done_is_counted_once() {
    let config = json!({ "replace": { "one": "" }, "mask": ["two"], "stop": ["three"] });
    assert_eq!(filtered(config, &["one two one", " three"]), " t**  ");
    let counters = testing::host(|host| host.counters.clone());
    assert_eq!(
        counters.into_iter().collect::<Vec<_>>(),
        [("masked".into(), 1), ("replaced".into(), 2), ("stopped".into(), 1)]
    );
}

#[test]
fn a_phrase_without_words_or_with_two_actions_is_no_configuration() {
    for (config, reason) in [
        (json!({ "mask": [" "] }), "an empty phrase"),
        (json!({ "mask": ["Hell"], "stop": ["hell"] }), "`hell` has two actions"),
    ] {
        let error = StyleGuard::from_config(&config.to_string()).err().expect(reason);
        assert!(
            matches!(&error, HookError::InvalidConfig(why) if why.contains(reason)),
            "{error:?}"
        );
    }
}
