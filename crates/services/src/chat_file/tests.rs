use std::io::{Cursor, Read as _};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tavern_domain::chat::NotePosition;
use tavern_domain::page::PageArgs;
use tavern_domain::{Actor, CharacterId, Code, MessageId, SessionId, Timestamp};

use super::*;
use crate::character::CharacterPatch;
use crate::testing::House;

async fn character(house: &House, creator: &Actor, name: &str) -> CharacterId {
    let patch = CharacterPatch {
        name: Some(name.into()),
        ..CharacterPatch::default()
    };
    let made = house
        .services
        .characters
        .create(creator, patch, tavern_domain::character::Visibility::Private);
    made.await.expect("a character").summary.id
}

async fn scene(limits: Limits) -> (House, Actor, CharacterId) {
    let house = House::open(limits).await;
    let owner = house.user("owner").await;
    let mira = character(&house, &owner, "Mira").await;
    (house, owner, mira)
}

fn lines(lines: &[Value]) -> String {
    lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

async fn try_import(house: &House, owner: &Actor, characters: &[CharacterId], file: &str) -> Result<Imported> {
    let import = ChatImport {
        source: ChatSource::Text(file.to_owned()),
        characters: characters.to_vec(),
        title: None,
    };
    house.services.chats.import(owner, import).await
}

async fn import(house: &House, owner: &Actor, character: CharacterId, file: &[Value]) -> SessionId {
    let imported = try_import(house, owner, &[character], &lines(file)).await;
    imported.expect("a chat").session.id
}

async fn export(house: &House, owner: &Actor, session: SessionId) -> Vec<Value> {
    let file = house
        .services
        .chats
        .export(owner, session, false)
        .await
        .expect("a file");
    let text = std::str::from_utf8(&file.bytes).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

async fn messages(house: &House, owner: &Actor, session: SessionId) -> Vec<tavern_domain::chat::Message> {
    let all = PageArgs {
        first: Some(100),
        ..PageArgs::default()
    };
    let page = house
        .services
        .chats
        .messages(owner, session, all)
        .await
        .expect("messages");
    page.items.into_iter().map(|(message, _)| message).collect()
}

fn header() -> Value {
    json!({ "user_name": "You", "character_name": "Mira", "create_date": "2024-10-18@04h05m06s789ms", "chat_metadata": {
        "integrity": "x", "note_prompt": "Rain.", "note_depth": 2, "note_position": 1, "note_interval": 1, "note_role": 0,
        "variables": { "hp": 7, "mood": "grim" }, "scenario": "A pier.", "timedWorldInfo": { "sticky": { "w.1": { "hash": 1, "start": 0, "end": 2 } } },
    } })
}

fn three_swipes() -> Value {
    json!({
        "name": "Mira", "is_user": false, "is_system": false, "send_date": "2024-10-18T04:06:00.000Z", "mes": "two",
        "swipe_id": 1, "swipes": ["one", "two", "three"], "force_avatar": "a.png",
        "swipe_info": [
            { "send_date": "2024-10-18T04:05:30.000Z", "extra": { "model": "m1" } },
            { "send_date": "2024-10-18T04:06:00.000Z", "extra": { "model": "m2", "reasoning": "hm" } },
            { "send_date": "2024-10-18T04:06:30.000Z", "extra": {} },
        ],
        "extra": { "model": "m2", "reasoning": "hm" },
    })
}

fn said(name: &str, is_user: bool, text: &str) -> Value {
    json!({ "name": name, "is_user": is_user, "is_system": false, "send_date": "2024-10-18T04:07:00.000Z", "mes": text, "extra": {} })
}

/// A line as SillyTavern writes it.
fn any_message() -> impl Strategy<Value = Value> {
    let extra = || {
        (
            proptest::option::of("[a-z]{1,6}"),
            proptest::option::of(0..999),
            any::<bool>(),
        )
            .prop_map(|(reasoning, tokens, narrates)| {
                let mut extra = json!({ "api": "x" });
                for (name, value) in [
                    ("reasoning", reasoning.map(Value::from)),
                    ("token_count", tokens.map(Value::from)),
                    ("type", narrates.then(|| Value::from("narrator"))),
                ] {
                    if let Some(value) = value {
                        extra[name] = value;
                    }
                }
                extra
            })
    };
    let date = || {
        prop_oneof![
            (0_i64..2_000_000_000_000).prop_map(|time| Value::from(Timestamp(time).to_rfc3339())),
            (0_i64..2_000_000_000_000).prop_map(Value::from),
            Just(json!("October 18, 2024 4:05pm")),
        ]
    };
    let swipes = proptest::collection::vec(("[a-zé\"\n ]{0,8}", extra(), date()), 0..4);
    let rest = (
        prop_oneof![Just("Mira"), Just("Somebody")],
        any::<bool>(),
        any::<bool>(),
        extra(),
        date(),
    );
    (swipes, rest, any::<prop::sample::Index>()).prop_map(|(swipes, (name, is_user, is_system, extra, date), at)| {
        let mut line = json!({ "name": name, "is_user": is_user, "is_system": is_system, "send_date": date, "mes": "M", "extra": extra, "unknown": [1.50, null] });
        if !swipes.is_empty() {
            let active = at.index(swipes.len());
            line["mes"] = json!(swipes[active].0);
            line["swipe_id"] = json!(active);
            line["swipes"] = swipes.iter().map(|(text, ..)| json!(text)).collect();
            let infos = swipes.iter().enumerate().map(|(index, (_, own, at))| {
                let extra = if index == active { &extra } else { own };
                json!({ "send_date": at, "gen_started": null, "extra": extra })
            });
            line["swipe_info"] = infos.collect();
        }
        line
    })
}

#[tokio::test]
async fn a_chat_comes_out_as_it_went_in() {
    let (house, owner, mira) = scene(Limits::default()).await;
    let mut runner = TestRunner::deterministic();
    let any_chat = proptest::collection::vec(any_message(), 0..8);
    for _ in 0..48 {
        let mut file = vec![header()];
        file.extend(any_chat.new_tree(&mut runner).expect("a chat").current());
        let session = import(&house, &owner, mira, &file).await;
        assert_eq!(export(&house, &owner, session).await, file);
    }
}

#[tokio::test]
async fn a_chat_of_several_batches_keeps_its_order() {
    let (house, owner, mira) = scene(Limits::default()).await;
    let mut file = vec![header()];
    file.extend((0..2 * BATCH + 1).map(|number| said("Mira", false, &number.to_string())));
    let session = import(&house, &owner, mira, &file).await;
    assert_eq!(export(&house, &owner, session).await, file);
}

#[tokio::test]
async fn what_the_platform_has_fields_for_is_taken_into_them() {
    let (house, owner, mira) = scene(Limits::default()).await;
    let mut narrator = said("Mira", false, "Night falls.");
    narrator["extra"]["type"] = json!("narrator");
    let mut hidden = said("Ann", true, "(aside)");
    hidden["is_system"] = json!(true);
    let session = import(&house, &owner, mira, &[header(), three_swipes(), hidden, narrator]).await;
    let setup = house
        .services
        .chats
        .session(&owner, session)
        .await
        .expect("read")
        .expect("there")
        .setup;
    assert_eq!(setup.scenario.as_deref(), Some("A pier."));
    let note = setup.authors_note.expect("a note");
    assert_eq!(
        (note.content.as_str(), note.depth, note.position),
        ("Rain.", 2, NotePosition::InChat)
    );
    let state = house
        .store
        .chats
        .get(session)
        .await
        .expect("read")
        .expect("there")
        .state;
    assert_eq!(
        state.variables,
        Variables::from([("hp".into(), "7".into()), ("mood".into(), "grim".into())])
    );
    let messages = messages(&house, &owner, session).await;
    let [reply, aside, night] = messages.as_slice() else {
        panic!("{messages:?}")
    };
    assert_eq!(reply.row.author, Some(tavern_domain::chat::Author::Character(mira)));
    assert_eq!(
        reply.row.created_at,
        Timestamp::parse_rfc3339("2024-10-18T04:06:00Z").expect("a time")
    );
    assert_eq!((reply.body.swipes.len(), reply.body.active), (3, 1));
    assert_eq!(reply.body.swipes[1].reasoning.as_deref(), Some("hm"));
    assert_eq!(reply.body.swipes[0].model.as_deref(), Some("m1"));
    let user = owner.user_id().expect("an account");
    assert_eq!(aside.row.author, Some(tavern_domain::chat::Author::User(user)));
    assert!(aside.row.is_hidden);
    assert_eq!(night.row.author, None);
}

#[tokio::test]
async fn authors_are_known_by_name_or_nickname_and_the_rest_is_the_firsts() {
    let (house, owner, mira) = scene(Limits::default()).await;
    let bram = character(&house, &owner, "Bram").await;
    let file = [
        header(),
        said("BRAM ", false, "a"),
        said("Mira", false, "b"),
        said("Zoe", false, "c"),
    ];
    let imported = try_import(&house, &owner, &[mira, bram], &lines(&file))
        .await
        .expect("a chat");
    let authors: Vec<_> = messages(&house, &owner, imported.session.id)
        .await
        .iter()
        .map(|message| message.row.author)
        .collect();
    let by = |id| Some(tavern_domain::chat::Author::Character(id));
    assert_eq!(authors, [by(bram), by(mira), by(mira)]);
    assert_eq!(
        imported.warnings,
        [r#"No character of the chat is called "Zoe"; what they say was given to Mira."#]
    );
}

#[tokio::test]
async fn edits_since_the_import_show_and_the_rest_stays() {
    let (house, owner, mira) = scene(Limits::default()).await;
    let mut file = vec![
        header(),
        three_swipes(),
        said("Ann", true, "Hello?"),
        said("Mira", false, "Gone."),
    ];
    let session = import(&house, &owner, mira, &file).await;
    let ids: Vec<MessageId> = messages(&house, &owner, session)
        .await
        .iter()
        .map(|message| message.row.id)
        .collect();
    let chats = &house.services.chats;
    chats.select_swipe(&owner, ids[0], 0).await.expect("selected");
    chats.edit(&owner, ids[1], "Hello!".into(), None).await.expect("edited");
    chats.set_hidden(&owner, ids[1], true).await.expect("hidden");
    chats
        .delete_messages(&owner, session, &[ids[2]])
        .await
        .expect("deleted");
    file.truncate(3);
    file[1]["swipe_id"] = json!(0);
    file[1]["mes"] = json!("one");
    file[1]["extra"] = json!({ "model": "m1" });
    file[1]["send_date"] = json!("2024-10-18T04:05:30.000Z");
    file[2]["mes"] = json!("Hello!");
    file[2]["is_system"] = json!(true);
    assert_eq!(export(&house, &owner, session).await, file);
}

#[tokio::test]
async fn a_chat_that_began_here_is_a_whole_file() {
    let (house, owner, mira) = scene(Limits::default()).await;
    let patch = CharacterPatch {
        first_message: Some("Hi.".into()),
        alternate_greetings: Some(vec!["Ho.".into()]),
        ..CharacterPatch::default()
    };
    house
        .services
        .characters
        .update(&owner, mira, 1, patch)
        .await
        .expect("updated");
    let new = crate::chat::NewSession {
        characters: vec![mira],
        ..crate::chat::NewSession::default()
    };
    let session = house.services.chats.create(&owner, new).await.expect("a chat").id;
    let file = export(&house, &owner, session).await;
    assert_eq!(
        (&file[0]["user_name"], &file[0]["character_name"]),
        (&json!("owner"), &json!("Mira"))
    );
    let greeting = &file[1];
    assert_eq!(
        (
            &greeting["name"],
            &greeting["mes"],
            &greeting["swipes"],
            &greeting["is_user"]
        ),
        (&json!("Mira"), &json!("Hi."), &json!(["Hi.", "Ho."]), &json!(false))
    );
    let again = import(&house, &owner, mira, &file).await;
    assert_eq!(export(&house, &owner, again).await, file);
}

#[tokio::test]
async fn a_chat_of_another_program_becomes_one_of_sillytavern() {
    let (house, owner, mira) = scene(Limits::default()).await;
    let file = json!({ "data_visible": [["", "Hi."], ["Hello?", "Ho."]], "data": [] }).to_string();
    let session = try_import(&house, &owner, &[mira], &file)
        .await
        .expect("a chat")
        .session
        .id;
    let texts: Vec<_> = export(&house, &owner, session).await[1..]
        .iter()
        .map(|line| (line["name"].clone(), line["is_user"].clone(), line["mes"].clone()))
        .collect();
    let line = |name: &str, is_user: bool, text: &str| (json!(name), json!(is_user), json!(text));
    assert_eq!(
        texts,
        [
            line("Mira", false, "Hi."),
            line("owner", true, "Hello?"),
            line("Mira", false, "Ho.")
        ]
    );
}

#[tokio::test]
async fn variables_beyond_their_bounds_stay_in_the_file() {
    let (house, owner, mira) = scene(Limits::default()).await;
    for (count, taken) in [(MAX_VARIABLES, MAX_VARIABLES), (MAX_VARIABLES + 1, 0)] {
        let variables: serde_json::Map<_, _> = (0..count).map(|number| (number.to_string(), json!("x"))).collect();
        let file = [
            json!({ "user_name": "a", "chat_metadata": { "variables": variables } }),
            said("Mira", false, "x"),
        ];
        let session = import(&house, &owner, mira, &file).await;
        let state = house
            .store
            .chats
            .get(session)
            .await
            .expect("read")
            .expect("there")
            .state;
        assert_eq!(state.variables.len(), taken);
        assert_eq!(export(&house, &owner, session).await, file);
    }
}

#[tokio::test]
async fn an_archive_holds_a_chat_its_ancestors_and_its_branches() {
    let (house, owner, mira) = scene(Limits::default()).await;
    let root = import(
        &house,
        &owner,
        mira,
        &[header(), said("Ann", true, "1"), said("Mira", false, "2")],
    )
    .await;
    let fork = async |of: SessionId, title: &str| {
        let last = messages(&house, &owner, of).await.pop().expect("a message").row.id;
        let fork = house.services.chats.fork(&owner, last, Some(title.into())).await;
        fork.expect("a fork").id
    };
    let left = fork(root, "left").await;
    fork(root, "right").await;
    fork(left, "left of left").await;
    let names = async |session| {
        let file = house
            .services
            .chats
            .export(&owner, session, true)
            .await
            .expect("an archive");
        let mut zip = zip::ZipArchive::new(Cursor::new(file.bytes)).expect("an archive");
        let mut names = Vec::new();
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).expect("an entry");
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("text");
            assert_eq!(text.lines().count(), 3, "a branch is whole");
            assert!(
                text.starts_with(r#"{"user_name":"You""#),
                "a branch has the header of its file: {text}"
            );
            names.push(entry.name().expect("a name").into_owned());
        }
        names
    };
    assert_eq!(names(left).await, ["Mira.jsonl", "left.jsonl", "left of left.jsonl"]);
    assert_eq!(
        names(root).await,
        ["Mira.jsonl", "left.jsonl", "right.jsonl", "left of left.jsonl"]
    );
}

#[tokio::test]
async fn an_export_has_a_largest_size() {
    let (house, owner, mira) = scene(Limits::default()).await;
    let file = [header(), said("Mira", false, "x")];
    let session = import(&house, &owner, mira, &file).await;
    let size = house
        .services
        .chats
        .export(&owner, session, false)
        .await
        .expect("a file")
        .bytes
        .len();
    for (limit, fits) in [(size, true), (size - 1, false)] {
        let limits = Limits {
            chat_export_bytes: limit,
            ..Limits::default()
        };
        let (house, owner, mira) = scene(limits).await;
        let session = import(&house, &owner, mira, &file).await;
        let exported = house.services.chats.export(&owner, session, false).await;
        assert_eq!(exported.is_ok(), fits, "{limit}");
        if let Err(error) = exported {
            assert_eq!(error.code(), Code::BadUserInput);
            assert!(error.message().contains(&limit.to_string()), "{error}");
        }
    }
}

#[tokio::test]
async fn what_is_no_chat_leaves_nothing_behind() {
    let (house, owner, mira) = scene(Limits::default()).await;
    let refused = try_import(&house, &owner, &[mira], "[1, 2]")
        .await
        .expect_err("no chat");
    assert_eq!(refused.fields()[0].path, ["source", "text"]);
    assert_eq!(
        house
            .services
            .chats
            .count_own_sessions(&owner, false)
            .await
            .expect("counted"),
        0
    );
}
