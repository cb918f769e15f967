//! Personas: who one is in one's chats.

use serde_json::{Value, json};

use crate::support::{Client, Tavern, text, user_errors};

const SAVE: &str = "mutation($i: SavePersonaInput!) { savePersona(input: $i) { persona { id name title description position depth role isDefault worldBook { id } version } userErrors { message field code } } }";

async fn persona(client: &Client, name: &str, is_default: bool) -> String {
    let answer = client
        .data(SAVE, json!({ "i": { "name": name, "isDefault": is_default } }))
        .await;
    text(&answer["savePersona"]["persona"]["id"], &answer)
}

#[tokio::test]
async fn every_field_of_a_persona_comes_back_as_it_was_given() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Lore", json!({})).await;
    let mut given = json!({
        "name": "Nell", "title": "the bold", "description": "{{user}} is bold.", "position": "AT_DEPTH", "depth": 3, "role": "USER",
        "isDefault": true, "worldBookId": book
    });
    let saved = client.data(SAVE, json!({ "i": given })).await;
    let id = text(&saved["savePersona"]["persona"]["id"], &saved);
    let persona = given.as_object_mut().expect("an object");
    persona.remove("worldBookId");
    persona.insert("worldBook".into(), json!({ "id": book }));
    persona.insert("id".into(), json!(id));
    persona.insert("version".into(), json!(1));
    assert_eq!(saved["savePersona"]["persona"], given);
    let listed = client
        .data("{ viewer { personas { id name title description position depth role isDefault worldBook { id } version } } }", json!({}))
        .await;
    assert_eq!(listed["viewer"]["personas"], json!([given]));
}

#[tokio::test]
async fn a_change_keeps_what_is_not_given_and_names_its_version() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let id = persona(&client, "Nell", true).await;
    let changed = client
        .data(SAVE, json!({ "i": { "id": id, "expectedVersion": 1, "title": "t" } }))
        .await;
    let changed = &changed["savePersona"]["persona"];
    assert_eq!(
        (
            &changed["name"],
            &changed["title"],
            &changed["isDefault"],
            &changed["version"]
        ),
        (&json!("Nell"), &json!("t"), &json!(true), &json!(2))
    );
    let late = client
        .data(SAVE, json!({ "i": { "id": id, "expectedVersion": 1, "title": "u" } }))
        .await;
    assert_eq!(user_errors(&late["savePersona"]), ["CONFLICT expectedVersion"]);
    let unnamed = client.data(SAVE, json!({ "i": { "id": id } })).await;
    assert_eq!(user_errors(&unnamed["savePersona"]), ["BAD_USER_INPUT expectedVersion"]);
}

#[tokio::test]
async fn an_account_has_one_default_persona() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    persona(&client, "One", true).await;
    persona(&client, "Two", true).await;
    let listed = client
        .data("{ viewer { personas { name isDefault } } }", json!({}))
        .await;
    assert_eq!(
        listed["viewer"]["personas"],
        json!([{ "name": "One", "isDefault": false }, { "name": "Two", "isDefault": true }])
    );
}

#[tokio::test]
async fn nobody_sees_or_changes_anothers_persona() {
    let tavern = Tavern::start().await;
    let (owner, other) = (
        tavern.user("author").await,
        tavern.staff("admin", tavern_domain::Role::Admin).await,
    );
    let id = persona(&owner, "Mine", false).await;
    let node = "query($id: ID!) { node(id: $id) { id } viewer { personas { id } } }";
    assert_eq!(
        other.data(node, json!({ "id": id })).await,
        json!({ "node": null, "viewer": { "personas": [] } })
    );
    assert_eq!(
        other
            .code(SAVE, json!({ "i": { "id": id, "expectedVersion": 1, "name": "N" } }))
            .await,
        "NOT_FOUND"
    );
    let delete = "mutation($id: ID!) { deletePersona(input: { id: $id }) { deletedId userErrors { code } } }";
    assert_eq!(other.code(delete, json!({ "id": id })).await, "NOT_FOUND");
    assert_eq!(
        owner.data(delete, json!({ "id": id })).await["deletePersona"]["deletedId"],
        json!(id)
    );
    assert_eq!(owner.data(node, json!({ "id": id })).await["node"], Value::Null);
}

#[tokio::test]
async fn all_wrong_fields_of_a_persona_are_told_at_once() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let foreign = tavern.user("other").await.world_book("Private", json!({})).await;
    let input = json!({ "name": "", "description": "d".repeat(256 * 1024 + 1), "depth": -1, "worldBookId": foreign });
    let refused = client.data(SAVE, json!({ "i": input })).await;
    assert_eq!(
        user_errors(&refused["savePersona"]),
        [
            "BAD_USER_INPUT name",
            "BAD_USER_INPUT description",
            "BAD_USER_INPUT worldBookId",
            "BAD_USER_INPUT depth"
        ]
    );
}

#[tokio::test]
async fn the_limits_of_personas_hold_on_both_sides() {
    let tavern = Tavern::with(|config| config.limits.personas_per_user = 2).await;
    let client = tavern.user("author").await;
    let save = async |input: Value| user_errors(&client.data(SAVE, json!({ "i": input })).await["savePersona"]);
    assert_eq!(save(json!({ "name": "n".repeat(201) })).await, ["BAD_USER_INPUT name"]);
    assert_eq!(save(json!({ "name": "n".repeat(200) })).await, [""; 0]);
    assert_eq!(
        save(json!({ "name": "N", "description": "d".repeat(256 * 1024) })).await,
        [""; 0]
    );
    assert_eq!(save(json!({ "name": "N" })).await, ["QUOTA_EXCEEDED"]);
}
