use super::*;

#[test]
fn every_limit_holds_on_both_sides() {
    let limits = Limits {
        chat_file_bytes: 400,
        chat_line_bytes: 150,
        messages_per_session: 2,
        swipes: 2,
        message_bytes: 3,
        reply_bytes: 5,
        file_json_values: 30,
        ..Limits::default()
    };
    let said = |is_user: bool, text: &str| json!({ "is_user": is_user, "mes": text }).to_string();
    let head = r#"{"chat_metadata":{}}"#;
    let chat = |lines: &[&str]| format!("{head}\n{}", lines.join("\n"));
    let swiped = |swipes: &[&str]| chat(&[&json!({ "mes": swipes[0], "swipes": swipes }).to_string()]);
    let thought = |text: &str| chat(&[&json!({ "mes": "", "extra": { "reasoning": text } }).to_string()]);
    let named = |name: &str| chat(&[&json!({ "mes": "", "name": name }).to_string()]);
    let wide = |bytes: usize| {
        let open = r#"{"mes":"","x":""#;
        chat(&[&format!("{open}{}\"}}", "x".repeat(bytes - open.len() - 2))])
    };
    let valued = |count: usize| chat(&[&json!({ "mes": "", "x": vec![0; count] }).to_string()]);
    let message = said(true, "abc");
    for (what, fits, breaks, error) in [
        (
            "file",
            format!("{head}{}", " ".repeat(380)),
            format!("{head}{}", " ".repeat(381)),
            "The file has 401 bytes; the limit is 400.",
        ),
        ("line", wide(150), wide(151), "Line 2 has 151 bytes; the limit is 150."),
        (
            "messages",
            chat(&[message.as_str(); 2]),
            chat(&[message.as_str(); 3]),
            "The chat has more than 2 messages.",
        ),
        (
            "swipes",
            swiped(&["a", "b"]),
            swiped(&["a", "b", "c"]),
            "The message of line 2 has 3 swipes; the limit is 2.",
        ),
        (
            "a person's text",
            chat(&[&said(true, "abc")]),
            chat(&[&said(true, "abcd")]),
            "The text of line 2 has 4 bytes; the limit is 3.",
        ),
        (
            "a reply",
            chat(&[&said(false, "abcde")]),
            chat(&[&said(false, "abcdef")]),
            "The text of line 2 has 6 bytes; the limit is 5.",
        ),
        (
            "a swipe",
            swiped(&["a", "abcde"]),
            swiped(&["a", "abcdef"]),
            "The text of line 2 has 6 bytes; the limit is 5.",
        ),
        (
            "reasoning",
            thought("abcde"),
            thought("abcdef"),
            "The reasoning of line 2 has 6 bytes; the limit is 5.",
        ),
        (
            "a name",
            named("abc"),
            named("abcd"),
            "The name of line 2 has 4 bytes; the limit is 3.",
        ),
        ("values", valued(24), valued(25), "The file holds more than 30 values."),
    ] {
        let read = |file: &str| read_chat(file.as_bytes(), &limits).map_err(|error| error.to_string());
        assert!(read(&fits).is_ok(), "{what}: {:?}", read(&fits).err());
        assert_eq!(read(&breaks).err().as_deref(), Some(error), "{what}");
    }
}

#[test]
fn ten_megabytes_in_one_line_are_refused_by_the_line() {
    let line = json!({ "mes": "a".repeat(10 << 20) }).to_string();
    let file = format!("{}\n{line}", header());
    let error = read_chat(file.as_bytes(), &Limits::default()).expect_err("too long");
    assert_eq!(
        error,
        ChatFileError::LineTooLong {
            line: 2,
            bytes: line.len(),
            limit: 4 << 20
        }
    );
}
