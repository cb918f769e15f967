use tavern_domain::chat::{AuthorsNote, NotePosition};

use super::*;

#[test]
fn the_authors_note_is_read_by_silly_taverns_numbers() {
    for (metadata, expected) in [
        (json!({}), None),
        (json!({ "note_prompt": "" }), None),
        (
            json!({ "note_prompt": "N" }),
            Some(AuthorsNote {
                content: "N".into(),
                ..AuthorsNote::default()
            }),
        ),
        (
            json!({ "note_prompt": "N", "note_interval": 3, "note_position": 0, "note_depth": 2, "note_role": 1 }),
            Some(AuthorsNote {
                content: "N".into(),
                position: NotePosition::AfterPrompt,
                depth: 2,
                role: ChatRole::User,
                interval: 3,
            }),
        ),
        (
            json!({ "note_prompt": "N", "note_interval": 0, "note_position": 2, "note_depth": "1", "note_role": 9 }),
            Some(AuthorsNote {
                content: "N".into(),
                position: NotePosition::BeforePrompt,
                depth: 1,
                role: ChatRole::System,
                interval: 0,
            }),
        ),
    ] {
        assert_eq!(authors_note(&metadata), expected, "{metadata}");
    }
}

#[test]
fn a_note_that_was_put_is_the_note() {
    for position in [
        NotePosition::BeforePrompt,
        NotePosition::AfterPrompt,
        NotePosition::InChat,
    ] {
        for role in [ChatRole::System, ChatRole::User, ChatRole::Assistant] {
            let note = AuthorsNote {
                content: "N".into(),
                position,
                depth: 7,
                role,
                interval: 2,
            };
            let mut metadata = json!({ "integrity": "x" });
            put_authors_note(&mut metadata, &note);
            assert_eq!(
                (authors_note(&metadata), &metadata["integrity"]),
                (Some(note), &json!("x"))
            );
        }
    }
}

#[test]
fn variables_keep_their_kind_until_they_change() {
    let mut metadata = json!({ "variables": { "hp": 7, "name": "Mira", "list": [1] } });
    let mut read = variables(&metadata);
    assert_eq!(
        read.iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect::<Vec<_>>(),
        [("hp", "7"), ("list", "[1]"), ("name", "Mira")]
    );
    put_variables(&mut metadata, &read);
    assert_eq!(
        metadata,
        json!({ "variables": { "hp": 7, "name": "Mira", "list": [1] } })
    );
    read.insert("hp".into(), "8".into());
    read.remove("list");
    put_variables(&mut metadata, &read);
    assert_eq!(metadata, json!({ "variables": { "hp": "8", "name": "Mira" } }));
    let mut none = Value::Null;
    put_variables(&mut none, &read);
    assert_eq!(variables(&none), read);
}
