//! What SillyTavern's lines mean, and what real ones get wrong.

use super::*;

#[test]
fn the_header_tells_names_time_and_metadata() {
    let chat = read(&lines(&[header()]));
    assert_eq!(chat.format, ChatFormat::SillyTavern);
    assert_eq!(chat.header.user_name.as_deref(), Some("You"));
    assert_eq!(chat.header.character_name.as_deref(), Some("Mira"));
    assert_eq!(chat.header.created_at, Some(Timestamp(1_729_224_306_789)));
    assert_eq!(chat.metadata, json!({ "integrity": "x" }));
    let newer = read(&lines(&[
        json!({ "chat_metadata": {}, "user_name": "unused", "character_name": "unused" }),
    ]));
    assert_eq!((newer.header.user_name, newer.header.character_name), (None, None));
}

#[test]
fn roles_are_told_by_what_the_message_is() {
    for (what, message, role, is_hidden) in [
        ("a person", json!({ "is_user": true }), ChatRole::User, false),
        ("a character", json!({ "is_user": false }), ChatRole::Assistant, false),
        (
            "a hidden one",
            json!({ "is_user": false, "is_system": true }),
            ChatRole::Assistant,
            true,
        ),
        (
            "a hidden person",
            json!({ "is_user": true, "is_system": true }),
            ChatRole::User,
            true,
        ),
        (
            "a narrator",
            json!({ "extra": { "type": "narrator" } }),
            ChatRole::System,
            false,
        ),
        (
            "a comment",
            json!({ "is_system": true, "extra": { "type": "comment" } }),
            ChatRole::System,
            true,
        ),
        (
            "an assistant without a card",
            json!({ "extra": { "type": "assistant_message" } }),
            ChatRole::Assistant,
            false,
        ),
        (
            "a tool",
            json!({ "is_system": true, "extra": { "tool_invocations": [{}] } }),
            ChatRole::Tool,
            true,
        ),
        (
            "no tool",
            json!({ "extra": { "tool_invocations": [] } }),
            ChatRole::Assistant,
            false,
        ),
        (
            "a person as a text",
            json!({ "is_user": "true" }),
            ChatRole::User,
            false,
        ),
    ] {
        let mut message = message;
        message["mes"] = json!("Hi.");
        let read = only(message).0;
        assert_eq!((read.role, read.is_hidden), (role, is_hidden), "{what}");
    }
}

#[test]
fn each_swipe_has_its_own_reasoning_model_and_time() {
    let (message, warnings) = only(json!({
        "name": "Mira", "is_user": false, "mes": "B", "send_date": 2_000_000_000_000_u64,
        "swipe_id": 1, "swipes": ["A", "B", "C"],
        "extra": { "reasoning": "b", "model": "m2" },
        "swipe_info": [
            { "send_date": 1_000_000_000_000_u64, "extra": { "reasoning": "a", "model": "m1" } },
            { "send_date": 2_000_000_000_000_u64, "extra": { "reasoning": "stale" } },
        ],
    }));
    assert_eq!((warnings.len(), message.active), (0, 1));
    let of_swipe = |swipe: &ImportedSwipe| {
        (
            swipe.text.clone(),
            swipe.reasoning.clone(),
            swipe.model.clone(),
            swipe.sent_at.map(|time| time.0),
        )
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        message.swipes.iter().map(of_swipe).collect::<Vec<_>>(),
        [
            ("A".to_owned(), text("a"), text("m1"), Some(1_000_000_000_000)),
            ("B".to_owned(), text("b"), text("m2"), Some(2_000_000_000_000)),
            ("C".to_owned(), None, None, None),
        ]
    );
}

#[test]
fn what_real_messages_get_wrong_is_repaired_and_told() {
    for (what, message, expected, active, warnings) in [
        ("no swipes", json!({ "mes": "A" }), vec!["A"], 0, 0),
        (
            "swipes of nothing",
            json!({ "mes": "A", "swipes": [] }),
            vec!["A"],
            0,
            0,
        ),
        (
            "swipes of another kind",
            json!({ "mes": "A", "swipes": "B" }),
            vec!["A"],
            0,
            1,
        ),
        (
            "a swipe too far",
            json!({ "mes": "B", "swipe_id": 7, "swipes": ["A", "B"] }),
            vec!["A", "B"],
            1,
            1,
        ),
        (
            "a swipe as a text",
            json!({ "mes": "B", "swipe_id": "1", "swipes": ["A", "B"] }),
            vec!["A", "B"],
            1,
            1,
        ),
        (
            "no swipe",
            json!({ "mes": "A", "swipe_id": null, "swipes": ["A", "B"] }),
            vec!["A", "B"],
            0,
            0,
        ),
        (
            "an edit of one copy",
            json!({ "mes": "X", "swipe_id": 0, "swipes": ["A", "B"] }),
            vec!["X", "B"],
            0,
            1,
        ),
        ("a text of another kind", json!({ "mes": 7 }), vec!["7"], 0, 1),
        ("a null", json!({ "mes": null }), vec![""], 0, 1),
        (
            "an unknown time",
            json!({ "mes": "A", "send_date": "yesterday" }),
            vec!["A"],
            0,
            1,
        ),
        (
            "Chub's",
            json!({ "mes": { "message": "B" }, "swipe_id": 1, "swipes": [{ "message": "A" }, { "message": "B" }] }),
            vec!["A", "B"],
            1,
            0,
        ),
    ] {
        let (read, told) = only(message.clone());
        assert_eq!(
            read.swipes.iter().map(|swipe| swipe.text.as_str()).collect::<Vec<_>>(),
            expected,
            "{what}"
        );
        assert_eq!((read.active, told.len()), (active, warnings), "{what}: {told:?}");
        let written = write_chat(&read_chat(lines(&[header(), message]).as_bytes(), &Limits::default()).expect("good"));
        let line: Value = serde_json::from_str(written.lines().nth(1).expect("a message")).expect("JSON");
        if let Some(swipes) = line["swipes"].as_array().filter(|swipes| !swipes.is_empty()) {
            assert_eq!(line["mes"], swipes[read.active], "{what}: both copies are one text");
        }
    }
}

#[test]
fn a_line_that_cannot_be_read_costs_that_line() {
    let good = |text: &str| json!({ "name": "M", "mes": text }).to_string();
    let head = header().to_string();
    let deep = format!(r#"{{"mes":"D","x":{}{}}}"#, "[".repeat(80), "]".repeat(80));
    for (what, file, expected, warning) in [
        (
            "cut off",
            format!("{head}\n{}\n{}", good("A"), &good("B")[..10]),
            vec!["A"],
            Some("`JSON` was broken off in the last line; it was left out (line 3)."),
        ),
        (
            "broken inside",
            format!("{head}\n{{\"mes\":\n{}", good("B")),
            vec!["B"],
            Some("`JSON` was broken; the line was left out (line 2)."),
        ),
        (
            "no object",
            format!("{head}\n[1]\n{}", good("B")),
            vec!["B"],
            Some("`JSON` was broken; the line was left out (line 2)."),
        ),
        (
            "no text",
            format!("{head}\n{{}}\n{}", good("B")),
            vec!["B"],
            Some("`mes` was missing; the line was left out (line 2)."),
        ),
        (
            "too deep",
            format!("{head}\n{deep}\n{}", good("B")),
            vec!["B"],
            Some("`JSON` was nested too deep; the line was left out (line 2)."),
        ),
        (
            "a second header",
            format!("{head}\n{head}\n{}", good("B")),
            vec!["B"],
            Some("`mes` was missing; the line was left out (line 2)."),
        ),
        (
            "a broken header",
            format!("{}\n{}", &head[..9], good("A")),
            vec!["A"],
            Some("The file has no header."),
        ),
        ("no header", good("A"), vec!["A"], Some("The file has no header.")),
        (
            "half a character",
            format!("{head}\n{{\"mes\":\"\\ud83d\"}}"),
            vec!["\u{fffd}"],
            Some("`text` was cut inside a character; it was replaced (line 2)."),
        ),
        (
            "a byte order mark, CRLF and empty lines",
            format!("\u{feff}{head}\r\n\r\n{}\r\n\n", good("A")),
            vec!["A"],
            None,
        ),
    ] {
        let chat = read(&file);
        assert_eq!(texts(&chat), expected, "{what}");
        assert_eq!(chat.warnings.first().map(String::as_str), warning, "{what}");
    }
}

#[test]
fn the_speakers_of_a_group_are_told_apart() {
    let speaks = |name: &str, avatar: &str| json!({ "name": name, "is_user": false, "mes": "Hi.", "force_avatar": avatar, "original_avatar": avatar, "extra": { "gen_id": 1 } });
    let file = lines(&[
        json!({ "chat_metadata": {} }),
        speaks("Mira", "m.png"),
        speaks("Tom", "t.png"),
    ]);
    let chat = read(&file);
    let speakers: Vec<_> = chat
        .messages
        .iter()
        .map(|it| (it.name.as_str(), it.raw["original_avatar"].clone()))
        .collect();
    assert_eq!(speakers, [("Mira", json!("m.png")), ("Tom", json!("t.png"))]);
    assert_eq!(write_chat(&chat), file);
}
