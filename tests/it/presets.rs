//! Presets: an account's own, of sections that people exchange.

use serde_json::{Value, json};

use crate::support::{Client, Tavern, text, user_errors};

const SAVE: &str = "mutation($i: SavePresetInput!) { savePreset(input: $i) { preset { id name data version } userErrors { message field code } } }";

async fn preset(client: &Client, name: &str, data: Value) -> String {
    let answer = client.data(SAVE, json!({ "i": { "name": name, "data": data } })).await;
    text(&answer["savePreset"]["preset"]["id"], &answer)
}

#[tokio::test]
async fn a_preset_comes_back_as_it_was_given() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let data = json!({ "chat": { "temperature": 0.7, "prompts": [{ "identifier": "main", "x": null }] }, "regexScripts": [{ "a": 1 }] });
    let id = preset(&client, " Mine ", data.clone()).await;
    let got = client
        .data("{ viewer { presets { id name data version } } }", json!({}))
        .await;
    assert_eq!(
        got["viewer"]["presets"],
        json!([{ "id": id, "name": "Mine", "data": data, "version": 1 }])
    );
}

#[tokio::test]
async fn a_change_keeps_what_is_not_given_and_names_its_version() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let id = preset(&client, "One", json!({ "chat": { "a": 1 } })).await;
    let renamed = client
        .data(SAVE, json!({ "i": { "id": id, "expectedVersion": 1, "name": "Two" } }))
        .await;
    assert_eq!(
        renamed["savePreset"]["preset"],
        json!({ "id": id, "name": "Two", "data": { "chat": { "a": 1 } }, "version": 2 })
    );
    let late = client
        .data(SAVE, json!({ "i": { "id": id, "expectedVersion": 1, "data": {} } }))
        .await;
    assert_eq!(user_errors(&late["savePreset"]), ["CONFLICT expectedVersion"]);
    let unnamed = client.data(SAVE, json!({ "i": { "id": id, "data": {} } })).await;
    assert_eq!(user_errors(&unnamed["savePreset"]), ["BAD_USER_INPUT expectedVersion"]);
}

#[tokio::test]
async fn nobody_sees_or_changes_anothers_preset() {
    let tavern = Tavern::start().await;
    let (owner, other) = (
        tavern.user("author").await,
        tavern.staff("admin", tavern_domain::Role::Admin).await,
    );
    let id = preset(&owner, "Mine", json!({})).await;
    let node = "query($id: ID!) { node(id: $id) { id } viewer { presets { id } } }";
    assert_eq!(
        other.data(node, json!({ "id": id })).await,
        json!({ "node": null, "viewer": { "presets": [] } })
    );
    assert_eq!(
        other
            .code(SAVE, json!({ "i": { "id": id, "expectedVersion": 1, "name": "N" } }))
            .await,
        "NOT_FOUND"
    );
    let delete = "mutation($id: ID!) { deletePreset(input: { id: $id }) { deletedId userErrors { code } } }";
    assert_eq!(other.code(delete, json!({ "id": id })).await, "NOT_FOUND");
    assert_eq!(
        owner.data(delete, json!({ "id": id })).await["deletePreset"]["deletedId"],
        json!(id)
    );
    assert_eq!(owner.data(node, json!({ "id": id })).await["node"], Value::Null);
}

#[tokio::test]
async fn what_is_no_preset_is_refused_by_its_field() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let cases = [
        (json!({}), "name"),
        (json!({ "name": " " }), "name"),
        (json!({ "name": "n\u{0}" }), "name"),
        (json!({ "name": "N", "data": [] }), "data"),
        (json!({ "name": "N", "data": { "temperature": 1 } }), "data"),
        (json!({ "name": "N", "data": { "chat": [] } }), "data.chat"),
        (
            json!({ "name": "N", "data": { "regexScripts": {} } }),
            "data.regexScripts",
        ),
    ];
    for (input, field) in cases {
        let refused = client.data(SAVE, json!({ "i": input })).await;
        assert_eq!(
            user_errors(&refused["savePreset"]),
            [format!("BAD_USER_INPUT {field}")],
            "{input}"
        );
    }
}

#[tokio::test]
async fn the_limits_of_presets_hold_on_both_sides() {
    let tavern = Tavern::with(|config| {
        config.limits.presets_per_user = 2;
        config.limits.preset_bytes = 100;
    })
    .await;
    let client = tavern.user("author").await;
    let sized = |size: usize| json!({ "i": { "name": "N", "data": { "chat": { "x": "y".repeat(size - 17) } } } });
    assert_eq!(sized(100)["i"]["data"].to_string().len(), 100);
    assert_eq!(user_errors(&client.data(SAVE, sized(100)).await["savePreset"]), [""; 0]);
    assert_eq!(
        user_errors(&client.data(SAVE, sized(101)).await["savePreset"]),
        ["BAD_USER_INPUT data"]
    );
    assert_eq!(user_errors(&client.data(SAVE, sized(50)).await["savePreset"]), [""; 0]);
    assert_eq!(
        user_errors(&client.data(SAVE, sized(50)).await["savePreset"]),
        ["QUOTA_EXCEEDED"]
    );
    let long = |chars: usize| json!({ "i": { "name": "n".repeat(chars) } });
    assert_eq!(
        user_errors(&client.data(SAVE, long(201)).await["savePreset"]),
        ["BAD_USER_INPUT name"]
    );
    assert_eq!(
        user_errors(&client.data(SAVE, long(200)).await["savePreset"]),
        ["QUOTA_EXCEEDED"]
    );
}

const IMPORT: &str = "mutation($j: JSON!, $n: String) { importPreset(input: { source: { json: $j }, name: $n }) { preset { id name data } warnings userErrors { message field code } } }";
const IMPORT_FILE: &str = "mutation($f: Upload!) { importPreset(input: { source: { file: $f } }) { preset { id name data } warnings userErrors { message field code } } }";
const EXPORT: &str =
    "mutation($id: ID!) { exportPreset(input: { id: $id }) { json fileName userErrors { message field code } } }";

#[tokio::test]
async fn an_imported_preset_comes_out_as_it_went_in() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let files = [
        (
            "chat",
            json!({ "temperature": 0.9, "prompts": [{ "identifier": "main", "unknown": [1, null] }], "zebra": {} }),
        ),
        (
            "context",
            json!({ "story_string": "{{description}}", "unknown": 1, "name": "Story" }),
        ),
        ("samplers", json!({ "temp": 0.5, "rep_pen": 1.1, "unknown": "x" })),
    ];
    for (section, file) in files {
        let answer = client
            .upload(IMPORT_FILE, "My preset.json", format!("\u{feff}{file}").into_bytes())
            .await;
        let imported = &answer["data"]["importPreset"];
        assert_eq!(user_errors(imported), [""; 0], "{answer:#}");
        assert_eq!(imported["preset"]["data"][section], file);
        let id = text(&imported["preset"]["id"], &answer);
        let exported = client.data(EXPORT, json!({ "id": id })).await;
        assert_eq!(
            exported["exportPreset"]["json"].to_string(),
            file.to_string(),
            "{section}"
        );
    }
}

#[tokio::test]
async fn an_imported_preset_is_called_as_asked_or_as_its_file() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let samplers = json!({ "temp": 0.5, "rep_pen": 1.1 });
    let asked = client.data(IMPORT, json!({ "j": samplers, "n": "Asked" })).await;
    assert_eq!(asked["importPreset"]["preset"]["name"], "Asked");
    let nameless = client.data(IMPORT, json!({ "j": samplers })).await;
    assert_ne!(nameless["importPreset"]["preset"]["name"], "");
    let answer = client
        .upload(IMPORT_FILE, "Warm.json", samplers.to_string().into_bytes())
        .await;
    assert_eq!(answer["data"]["importPreset"]["preset"]["name"], "Warm");
    let id = text(&answer["data"]["importPreset"]["preset"]["id"], &answer);
    assert_eq!(
        client.data(EXPORT, json!({ "id": id })).await["exportPreset"]["fileName"],
        "Warm.json"
    );
}

#[tokio::test]
async fn files_that_are_no_presets_are_refused_in_words() {
    let tavern = Tavern::with(|config| config.limits.preset_bytes = 100).await;
    let client = tavern.user("author").await;
    let long = json!({ "temp": 0.5, "rep_pen": 1.1, "note": "x".repeat(100) }).to_string();
    for (name, bytes) in [
        ("empty.json", Vec::new()),
        ("noise.json", vec![0xff; 64]),
        ("broken.json", b"{\"temp\": ".to_vec()),
        ("list.json", b"[1]".to_vec()),
        ("other.json", b"{\"what\": 1}".to_vec()),
        ("deep.json", "[".repeat(300).into_bytes()),
        ("long.json", long.into_bytes()),
        ("longer.json", vec![b' '; 401]),
    ] {
        let answer = client.upload(IMPORT_FILE, name, bytes).await;
        assert_eq!(
            user_errors(&answer["data"]["importPreset"]),
            ["BAD_USER_INPUT source.file"],
            "{name}: {answer:#}"
        );
    }
}
