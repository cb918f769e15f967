//! In and out again.

use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = String> {
    "[a-zé\"\\\\\n🐉 ]{0,8}"
}

fn date() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0_i64..2_000_000_000_000).prop_map(Value::from),
        (0_i64..2_000_000_000_000).prop_map(|time| Value::from(Timestamp(time).to_rfc3339())),
        (1_u32..13, 1_u32..29, 0_u32..24)
            .prop_map(|(month, day, hour)| json!(format!("2024-{month}-{day} @{hour}h 05m 06s 789ms"))),
        Just(json!("October 18, 2024 4:05pm")),
    ]
}

fn extra() -> impl Strategy<Value = Value> {
    let fields = (
        proptest::option::of(text()),
        proptest::option::of("[a-z]{1,4}"),
        proptest::option::of(0_u32..999),
        proptest::option::of(prop_oneof![Just("narrator"), Just("comment")]),
    );
    fields.prop_map(|(reasoning, model, tokens, kind)| {
        let mut extra = json!({ "api": "x" });
        let fields = [
            ("reasoning", reasoning.map(Value::from)),
            ("model", model.map(Value::from)),
            ("token_count", tokens.map(Value::from)),
            ("type", kind.map(Value::from)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                extra[name] = value;
            }
        }
        extra
    })
}

/// As SillyTavern writes them: the text is that of its swipe, and each swipe has its info.
fn message() -> impl Strategy<Value = Value> {
    let swipes = proptest::collection::vec((text(), extra(), date()), 0..4);
    let rest = (
        text(),
        any::<bool>(),
        any::<bool>(),
        extra(),
        date(),
        proptest::option::of(text()),
    );
    (swipes, rest, any::<prop::sample::Index>(), 0_u8..3).prop_map(|(swipes, (name, is_user, is_system, extra, date, unknown), at, form)| {
        let mut line = json!({ "name": name, "is_user": is_user, "is_system": is_system, "send_date": date, "mes": "M", "extra": extra });
        if let Some(unknown) = unknown {
            line["force_avatar"] = json!(unknown);
        }
        if !swipes.is_empty() {
            let active = at.index(swipes.len());
            line["mes"] = json!(swipes[active].0);
            line["swipe_id"] = json!(active);
            line["swipes"] = swipes.iter().map(|(text, ..)| json!(text)).collect();
            if form > 0 {
                let infos = swipes.iter().enumerate().map(|(index, (_, own, at))| {
                    let extra = if index == active { &extra } else { own };
                    json!({ "send_date": at, "gen_started": null, "extra": extra })
                });
                // Old files have fewer of them.
                line["swipe_info"] = infos.take(if form == 1 { 1 } else { 9 }).collect();
            }
        }
        line
    })
}

fn file() -> impl Strategy<Value = Vec<Value>> {
    let header = prop_oneof![
        Just(
            json!({ "user_name": "You", "character_name": "Mira", "create_date": "2024-10-18@04h05m06s789ms", "chat_metadata": { "integrity": "x", "timedWorldInfo": { "sticky": { "w.1": { "hash": 1, "start": 0, "end": 2 } } }, "variables": { "hp": 7 } } })
        ),
        Just(
            json!({ "chat_metadata": { "note_prompt": "N", "main_chat": "c", "scenario": "s" }, "user_name": "unused", "character_name": "unused", "x": 1 })
        ),
        Just(json!({ "user_name": "You", "character_name": "Mira" })),
        Just(json!({ "user_name": "You", "chat_metadata": null })),
    ];
    (header, proptest::collection::vec(message(), 0..5))
        .prop_map(|(header, messages)| std::iter::once(header).chain(messages).collect())
}

/// Without what each file says in its own way.
fn typed(chat: &ImportedChat) -> (Vec<ImportedMessage>, Value) {
    let mut messages = chat.messages.clone();
    for message in &mut messages {
        message.raw = Value::Null;
        for swipe in &mut message.swipes {
            swipe.raw = Value::Null;
        }
    }
    (messages, chat.metadata.clone())
}

proptest! {
    #[test]
    fn a_file_comes_out_as_it_went_in(file in file()) {
        let text = lines(&file);
        let chat = read(&text);
        prop_assert!(chat.warnings.is_empty(), "{:?}", chat.warnings);
        prop_assert_eq!(chat.messages.len(), file.len() - 1);
        let written: Vec<Value> = write_chat(&chat).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        prop_assert_eq!(written, file);
    }

    #[test]
    fn what_is_kept_of_a_file_line_by_line_gives_it_again(file in file()) {
        let chat = read(&lines(&file));
        let mut written = vec![write_header(&ChatHeader::of(chat.header.raw), &chat.metadata)];
        for message in chat.messages {
            let again = ImportedMessage::of(message.raw.clone());
            prop_assert_eq!(again.as_ref(), Some(&message));
            written.push(write_message(&message));
        }
        let written: Vec<Value> = written.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        prop_assert_eq!(written, file);
    }

    #[test]
    fn a_chat_made_here_is_read_as_it_was(file in file()) {
        let mut chat = read(&lines(&file));
        chat.header.raw = Value::Null;
        chat.metadata = json!({ "note_prompt": "N" });
        for message in &mut chat.messages {
            message.raw = Value::Null;
            let only = message.swipes.len() == 1;
            for swipe in &mut message.swipes {
                swipe.raw = Value::Null;
                if only {
                    swipe.sent_at = message.sent_at;
                }
            }
        }
        let again = read(&write_chat(&chat));
        prop_assert_eq!(typed(&again), typed(&chat));
        prop_assert_eq!(again.header.user_name, chat.header.user_name);
        prop_assert_eq!(again.header.created_at, chat.header.created_at);
    }

    #[test]
    fn edits_are_read_again_and_the_rest_stays(file in file(), at in any::<prop::sample::Index>(), edit in 0_u8..8) {
        let mut chat = read(&lines(&file));
        prop_assume!(!chat.messages.is_empty());
        let index = at.index(chat.messages.len());
        let message = &mut chat.messages[index];
        let active = message.active;
        match edit {
            0 => message.swipes[active].text = "edited".into(),
            1 => message.swipes[active].reasoning = Some("why".into()),
            2 => message.swipes[active].reasoning = None,
            3 => message.active = (active + 1) % message.swipes.len(),
            4 => message.swipes.push(ImportedSwipe { text: "new".into(), model: Some("m".into()), ..ImportedSwipe::default() }),
            5 => message.is_hidden = !message.is_hidden,
            6 => {
                message.swipes[active] = ImportedSwipe { text: "again".into(), sent_at: message.sent_at, ..ImportedSwipe::default() };
                message.role = ChatRole::Assistant;
            }
            _ => {
                let last = message.swipes.len() - 1;
                message.swipes[last].model = Some("other".into());
            }
        }
        let (active, sent_at) = (message.active, message.sent_at);
        let shown = &mut message.swipes[active];
        shown.sent_at = shown.sent_at.or(sent_at);
        let written = write_chat(&chat);
        let again = read(&written);
        prop_assert_eq!(typed(&again), typed(&chat));
        for (line, (before, after)) in file.iter().zip(written.lines()).enumerate() {
            let after: Value = serde_json::from_str(after).expect("JSON");
            if line != index + 1 {
                prop_assert_eq!(&after, before);
            } else {
                prop_assert_eq!(&after["force_avatar"], &before["force_avatar"]);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = read_chats(&bytes, &Limits::default());
    }

    #[test]
    fn a_damaged_file_costs_the_damaged_lines_only(file in file(), noise in r#"[\[\]{}",:0-9a-z\n]{0,12}"#, at in any::<prop::sample::Index>()) {
        let text = lines(&file);
        let mut cut = at.index(text.len());
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let mutated = format!("{}{noise}{}", &text[..cut], &text[cut..]);
        if let Ok(chat) = read_chat(mutated.as_bytes(), &Limits::default()) {
            if chat.format == ChatFormat::SillyTavern {
                prop_assert!(chat.messages.len() + 2 >= file.len(), "only the line with the noise is lost");
            }
            let again = read_chat(write_chat(&chat).as_bytes(), &Limits::default()).expect("what we write is good");
            prop_assert_eq!(typed(&again).0, typed(&chat).0);
        }
    }

    #[test]
    fn arbitrary_objects_of_other_programs_never_panic(
        name in prop_oneof![Just("messages"), Just("data"), Just("data_visible"), Just("histories"), Just("actions"), Just("savedsettings")],
        value in prop_oneof![Just(json!(null)), Just(json!([[1], ["a"], "b", {}])), Just(json!({ "histories": [{ "msgs": [{}] }] })), Just(json!([{ "msg": "a", "retries": 1 }]))],
        kind in prop_oneof![Just("risuChat"), Just("x")],
    ) {
        let file = json!({ "type": kind, name: value }).to_string();
        if let Ok(chats) = read_chats(file.as_bytes(), &Limits::default()) {
            for chat in chats {
                let _ = write_chat(&chat);
            }
        }
    }
}
