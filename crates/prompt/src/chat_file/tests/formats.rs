//! Chats of other programs.

use super::*;

/// Name, role, and the texts of the swipes of each message.
fn spoken(chat: &ImportedChat) -> Vec<(&str, ChatRole, Vec<&str>)> {
    let messages = chat.messages.iter();
    let spoken = messages.map(|it| {
        (
            it.name.as_str(),
            it.role,
            it.swipes.iter().map(|swipe| swipe.text.as_str()).collect(),
        )
    });
    spoken.collect()
}

#[test]
fn every_format_is_told_by_its_form() {
    use ChatRole::{Assistant, User};
    for (what, file, format, expected) in [
        (
            "Agnai",
            json!({ "name": "C", "messages": [
                { "_id": "1", "msg": "Hi.", "userId": "u", "handle": "You", "createdAt": "2024-10-18T04:05:06.789Z" },
                { "_id": "2", "msg": "B", "characterId": "c", "retries": ["A"], "adapter": "kobold" },
            ] }),
            ChatFormat::Agnai,
            vec![("You", User, vec!["Hi."]), ("", Assistant, vec!["B", "A"])],
        ),
        (
            "RisuAI",
            json!({ "type": "risuChat", "ver": 2, "data": { "note": "N", "message": [
                { "role": "user", "data": "Hi.", "time": 1_729_224_306_789_u64 },
                { "role": "char", "data": "B", "name": "Mira", "generationInfo": { "model": "m" } },
            ] } }),
            ChatFormat::Risu,
            vec![("", User, vec!["Hi."]), ("Mira", Assistant, vec!["B"])],
        ),
        (
            "CAI Tools",
            json!({ "histories": { "histories": [{ "msgs": [
                { "src": { "is_human": true, "name": "You" }, "text": "Hi." },
                { "src": { "is_human": false, "name": "Mira" }, "text": "B" },
            ] }] } }),
            ChatFormat::CaiTools,
            vec![("You", User, vec!["Hi."]), ("Mira", Assistant, vec!["B"])],
        ),
        (
            "oobabooga",
            json!({ "data": [["x", "y"]], "data_visible": [["<|BEGIN-VISIBLE-CHAT|>", "A"], ["Hi.", "B"], ["", "C"]] }),
            ChatFormat::Ooba,
            vec![
                ("", Assistant, vec!["A"]),
                ("", User, vec!["Hi."]),
                ("", Assistant, vec!["B"]),
                ("", Assistant, vec!["C"]),
            ],
        ),
        (
            "oobabooga without what is shown",
            json!({ "data": [["Hi.", "B"]] }),
            ChatFormat::Ooba,
            vec![("", User, vec!["Hi."]), ("", Assistant, vec!["B"])],
        ),
        (
            "KoboldAI Lite",
            json!({ "savedsettings": { "chatname": "You", "chatopponent": "Mira||$||Tom" }, "prompt": "A", "actions": ["\n{{[INPUT]}}\nHi.\n{{[OUTPUT]}}\n", "B"] }),
            ChatFormat::KoboldLite,
            vec![
                ("Mira", Assistant, vec!["A"]),
                ("You", User, vec!["Hi."]),
                ("Mira", Assistant, vec!["B"]),
            ],
        ),
    ] {
        for text in [file.to_string(), format!("\u{feff}{file:#}\r\n")] {
            let chat = read(&text);
            assert_eq!((chat.format, spoken(&chat)), (format, expected.clone()), "{what}");
            assert_eq!(chat.warnings, [""; 0], "{what}");
            let again = read(&write_chat(&chat));
            assert_eq!(
                (again.format, spoken(&again)),
                (ChatFormat::SillyTavern, expected.clone()),
                "{what} becomes SillyTavern's"
            );
            assert_eq!(again.metadata, chat.metadata, "{what}");
        }
    }
}

#[test]
fn times_models_and_the_rest_of_the_file_come_along() {
    let agnai = read(&json!({ "name": "C", "messages": [{ "msg": "B", "createdAt": "2024-10-18T04:05:06.789Z", "adapter": "kobold" }] }).to_string());
    assert_eq!(agnai.messages[0].sent_at, Some(Timestamp(1_729_224_306_789)));
    assert_eq!(agnai.messages[0].swipes[0].model.as_deref(), Some("kobold"));
    assert_eq!(agnai.metadata, json!({ "agnai": { "name": "C" } }));
    let risu = read(&json!({ "type": "risuChat", "data": { "note": "N", "message": [{ "role": "char", "data": "B", "time": 1_729_224_306_789_u64 }] } }).to_string());
    assert_eq!(risu.messages[0].sent_at, Some(Timestamp(1_729_224_306_789)));
    assert_eq!(
        authors_note(&risu.metadata).map(|note| note.content).as_deref(),
        Some("N")
    );
    assert_eq!(risu.messages[0].raw["role"], "char");
}

#[test]
fn several_chats_in_one_file_are_all_read_and_the_first_one_is_told() {
    let history = |text: &str| json!({ "msgs": [{ "src": { "is_human": true }, "text": text }] });
    let file = json!({ "histories": { "histories": [history("A"), history("B")] } }).to_string();
    let chats = read_chats(file.as_bytes(), &Limits::default()).expect("good chats");
    assert_eq!(chats.iter().map(texts).collect::<Vec<_>>(), [["A"], ["B"]]);
    let first = read(&file);
    assert_eq!(
        (texts(&first), first.warnings.clone()),
        (
            vec!["A"],
            vec!["The file holds 1 more chats; the first one was read.".to_owned()]
        )
    );
    let risu = json!({ "type": "risuAllChats", "data": [{ "message": [] }, { "message": [] }] }).to_string();
    assert_eq!(
        read_chats(risu.as_bytes(), &Limits::default())
            .expect("good chats")
            .len(),
        2
    );
}

#[test]
fn what_is_no_message_is_left_out_and_told() {
    for file in [
        json!({ "messages": [{ "msg": null }, { "msg": "A" }] }),
        json!({ "type": "risuChat", "data": { "message": [{ "role": "user" }, { "data": "A" }] } }),
        json!({ "histories": { "histories": [{ "msgs": [7, { "text": "A" }] }] } }),
        json!({ "data_visible": [7, ["", "A"]] }),
        json!({ "savedsettings": {}, "actions": [7, "A"] }),
    ] {
        let chat = read(&file.to_string());
        assert_eq!(texts(&chat), ["A"], "{file}");
        assert_eq!(
            chat.warnings,
            ["`text` was missing; the message was left out (message 1)."],
            "{file}"
        );
    }
}

#[test]
fn what_is_no_chat_is_refused_in_words() {
    for (file, why) in [
        ("", "The file is not valid JSON at line 1, column 0."),
        ("{", "The file is not valid JSON at line 1, column 1."),
        ("[]", "This is no chat: it is neither lines of JSON nor a JSON object."),
        ("{}", "This is no chat: it has no messages of a known form."),
        (r#"{"histories":{}}"#, "This is no chat: it has no messages."),
    ] {
        let error = read_chat(file.as_bytes(), &Limits::default()).expect_err("no chat");
        assert_eq!(error.to_string(), why, "{file}");
    }
}
