//! What a chat is set up with: preset, persona, world books, author's note, variables.

use serde_json::{Value, json};

use crate::support::{Client, Tavern, text, user_errors};

const CREATE: &str = "mutation($i: CreateChatSessionInput!) { createChatSession(input: $i) { chatSession { id ...S } userErrors { message field code } } } fragment S on ChatSession { preset { id } persona { id } worldBooks { id } authorsNote { content position depth role interval } variables }";
const UPDATE: &str = "mutation($i: UpdateChatSessionInput!) { updateChatSession(input: $i) { chatSession { ...S } userErrors { message field code } } } fragment S on ChatSession { preset { id } persona { id } worldBooks { id } authorsNote { content position depth role interval } variables }";

/// The id of a new preset and of a new persona.
async fn things(client: &Client, is_default: bool) -> (String, String) {
    let preset = client
        .data(
            "mutation { savePreset(input: { name: \"P\" }) { preset { id } } }",
            json!({}),
        )
        .await;
    let persona = client
        .data(
            "mutation($d: Boolean) { savePersona(input: { name: \"Nell\", isDefault: $d }) { persona { id } } }",
            json!({ "d": is_default }),
        )
        .await;
    (
        text(&preset["savePreset"]["preset"]["id"], &preset),
        text(&persona["savePersona"]["persona"]["id"], &persona),
    )
}

#[tokio::test]
async fn a_chat_is_set_up_when_it_is_made_and_changed_field_by_field() {
    let tavern = Tavern::start().await;
    let client = tavern.user("writer").await;
    let character = client.character("C", json!({})).await;
    let (preset, persona) = things(&client, false).await;
    let (one, two) = (
        client.world_book("One", json!({})).await,
        client.world_book("Two", json!({})).await,
    );
    let note = json!({ "content": "Rain.", "position": "AFTER_PROMPT", "depth": 2, "role": "USER", "interval": 3 });
    let input = json!({
        "characterIds": [character], "presetId": preset, "personaId": persona, "worldBookIds": [two, one], "authorsNote": note,
        "variables": { "hp": 7, "name": "x", "alive": true }
    });
    let made = client.data(CREATE, json!({ "i": input })).await;
    let mut expected = json!({
        "preset": { "id": preset }, "persona": { "id": persona }, "worldBooks": [{ "id": two }, { "id": one }], "authorsNote": note,
        "variables": { "alive": "true", "hp": "7", "name": "x" }
    });
    let session = text(&made["createChatSession"]["chatSession"]["id"], &made);
    let update = async |change: Value| {
        let mut input = json!({ "id": session });
        for (key, value) in change.as_object().expect("an object") {
            input[key] = value.clone();
        }
        client.data(UPDATE, json!({ "i": input })).await["updateChatSession"]["chatSession"].take()
    };
    assert_eq!(update(json!({ "title": "T" })).await, expected);
    expected["preset"] = Value::Null;
    assert_eq!(update(json!({ "presetId": null })).await, expected);
    expected["worldBooks"] = json!([{ "id": one }]);
    assert_eq!(update(json!({ "worldBookIds": [one] })).await, expected);
    expected["variables"] = json!({});
    assert_eq!(update(json!({ "variables": {} })).await, expected);
    expected["authorsNote"] =
        json!({ "content": "Sun.", "position": "IN_CHAT", "depth": 4, "role": "SYSTEM", "interval": 1 });
    assert_eq!(update(json!({ "authorsNote": { "content": "Sun." } })).await, expected);
    expected["authorsNote"] = Value::Null;
    expected["persona"] = Value::Null;
    assert_eq!(
        update(json!({ "authorsNote": null, "personaId": null })).await,
        expected
    );
}

#[tokio::test]
async fn a_new_chat_has_the_default_persona_unless_it_names_another_or_none() {
    let tavern = Tavern::start().await;
    let client = tavern.user("writer").await;
    let character = client
        .character("C", json!({ "firstMessage": "Hello, {{user}}." }))
        .await;
    let (_, persona) = things(&client, true).await;
    let create = "mutation($i: CreateChatSessionInput!) { createChatSession(input: $i) { chatSession { persona { id } messages { nodes { content } } } userErrors { message field code } } }";
    let made = client
        .data(create, json!({ "i": { "characterIds": [character] } }))
        .await;
    assert_eq!(
        made["createChatSession"]["chatSession"],
        json!({ "persona": { "id": persona }, "messages": { "nodes": [{ "content": "Hello, Nell." }] } })
    );
    let none = client
        .data(
            create,
            json!({ "i": { "characterIds": [character], "personaId": null } }),
        )
        .await;
    assert_eq!(
        none["createChatSession"]["chatSession"],
        json!({ "persona": null, "messages": { "nodes": [{ "content": "Hello, writer." }] } })
    );
}

#[tokio::test]
async fn what_is_gone_is_left_out_of_a_chat() {
    let tavern = Tavern::start().await;
    let client = tavern.user("writer").await;
    let character = client.character("C", json!({})).await;
    let (preset, persona) = things(&client, false).await;
    let book = client.world_book("One", json!({})).await;
    let input =
        json!({ "characterIds": [character], "presetId": preset, "personaId": persona, "worldBookIds": [book] });
    let made = client.data(CREATE, json!({ "i": input })).await;
    let session = text(&made["createChatSession"]["chatSession"]["id"], &made);
    client
        .data(
            "mutation($a: ID!, $b: ID!, $c: ID!) { deletePreset(input: { id: $a }) { deletedId } deletePersona(input: { id: $b }) { deletedId } deleteWorldBook(input: { id: $c }) { deletedId } }",
            json!({ "a": preset, "b": persona, "c": book }),
        )
        .await;
    let left = client
        .data(
            "query($id: ID!) { chatSession(id: $id) { preset { id } persona { id } worldBooks { id } } }",
            json!({ "id": session }),
        )
        .await;
    assert_eq!(
        left["chatSession"],
        json!({ "preset": null, "persona": null, "worldBooks": [] })
    );
}

#[tokio::test]
async fn a_chat_is_set_up_with_ones_own_things_only_and_all_that_is_wrong_is_told() {
    let tavern = Tavern::start().await;
    let (client, other) = (tavern.user("writer").await, tavern.user("other").await);
    let character = client.character("C", json!({})).await;
    let (preset, persona) = things(&other, false).await;
    let (private, public) = (
        other.world_book("Private", json!({})).await,
        other.world_book("Public", json!({ "isPublic": true })).await,
    );
    let input = json!({
        "characterIds": [character], "presetId": preset, "personaId": persona, "worldBookIds": [public, private, public],
        "authorsNote": { "content": "c", "depth": -1, "interval": -1 }, "variables": { "v": [] }
    });
    let refused = client.data(CREATE, json!({ "i": input })).await;
    assert_eq!(
        user_errors(&refused["createChatSession"]),
        [
            "BAD_USER_INPUT presetId",
            "BAD_USER_INPUT personaId",
            "BAD_USER_INPUT worldBookIds.1",
            "BAD_USER_INPUT worldBookIds.2",
            "BAD_USER_INPUT authorsNote.depth",
            "BAD_USER_INPUT authorsNote.interval",
            "BAD_USER_INPUT variables"
        ]
    );
}

#[tokio::test]
async fn the_limits_of_a_setup_hold_on_both_sides() {
    let tavern = Tavern::with(|config| config.limits.world_books_per_session = 1).await;
    let client = tavern.user("writer").await;
    let session = client.chat().await;
    let (one, two) = (
        client.world_book("One", json!({})).await,
        client.world_book("Two", json!({})).await,
    );
    let (note, variables) = (8 * 1024, 64 * 1024);
    let cases = [
        ("worldBookIds", json!([one]), json!([one, two]), "worldBookIds"),
        (
            "authorsNote",
            json!({ "content": "n".repeat(note) }),
            json!({ "content": "n".repeat(note + 1) }),
            "authorsNote.content",
        ),
        (
            "variables",
            json!({ "v": "x".repeat(variables - 8) }),
            json!({ "v": "x".repeat(variables - 7) }),
            "variables",
        ),
    ];
    for (field, fits, exceeds, place) in cases {
        let with = |value: &Value| {
            let mut input = json!({ "id": session });
            input[field] = value.clone();
            json!({ "i": input })
        };
        let kept = client.data(UPDATE, with(&fits)).await;
        assert_eq!(user_errors(&kept["updateChatSession"]), [""; 0], "{field} at its limit");
        let refused = client.data(UPDATE, with(&exceeds)).await;
        assert_eq!(
            user_errors(&refused["updateChatSession"]),
            [format!("BAD_USER_INPUT {place}")]
        );
    }
}
