//! World books as files: imported by upload and as JSON, out of cards, and exported again.

use serde_json::{Value, json};

use crate::support::{Client, Tavern, png_card, text, user_errors, v2_card};

const IMPORT: &str = "mutation($j: JSON!, $n: String) { importWorldBook(input: { source: { json: $j }, name: $n }) { worldBook { id name isPublic sourceFormat entryCount entries { nodes { id comment keys content order position version } } } warnings userErrors { message field code } } }";
const IMPORT_FILE: &str = "mutation($f: Upload!) { importWorldBook(input: { source: { file: $f } }) { worldBook { id name sourceFormat entryCount } warnings userErrors { message field code } } }";
const EXPORT: &str = "mutation($id: ID!, $f: WorldBookFormat) { exportWorldBook(input: { id: $id, format: $f }) { json fileName userErrors { message field code } } }";

/// A world file as SillyTavern writes it, with fields that nobody knows.
fn world_file() -> Value {
    json!({
        "entries": {
            "0": { "uid": 0, "key": ["dragon"], "keysecondary": [], "comment": "Dragons", "content": "They sleep.", "order": 90, "position": 4, "depth": 2, "disable": false, "unknown": { "z": 1, "a": [null] } },
            "7": { "uid": 7, "key": ["/wyrm/i"], "comment": "Wyrms", "content": "They crawl.", "position": 1, "probability": "50" }
        },
        "originalTool": "kept"
    })
}

async fn imported(client: &Client, book: &Value) -> Value {
    let mut answer = client.data(IMPORT, json!({ "j": book, "n": "Beasts" })).await;
    assert_eq!(user_errors(&answer["importWorldBook"]), [""; 0], "{answer:#}");
    answer["importWorldBook"]["worldBook"].take()
}

async fn exported(client: &Client, id: &Value, format: Option<&str>) -> Value {
    let mut answer = client.data(EXPORT, json!({ "id": id, "f": format })).await;
    assert_eq!(user_errors(&answer["exportWorldBook"]), [""; 0], "{answer:#}");
    answer["exportWorldBook"]["json"].take()
}

#[tokio::test]
async fn a_world_file_becomes_a_private_book_of_entries() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let book = imported(&client, &world_file()).await;
    assert_eq!(
        (
            &book["name"],
            &book["isPublic"],
            &book["sourceFormat"],
            &book["entryCount"]
        ),
        (&json!("Beasts"), &json!(false), &json!("SILLY_TAVERN"), &json!(2))
    );
    let first = &book["entries"]["nodes"][0];
    assert_eq!(
        (
            &first["comment"],
            &first["keys"],
            &first["content"],
            &first["order"],
            &first["position"]
        ),
        (
            &json!("Dragons"),
            &json!(["dragon"]),
            &json!("They sleep."),
            &json!(90),
            &json!("AT_DEPTH")
        )
    );
}

#[tokio::test]
async fn a_book_that_was_not_changed_comes_out_as_it_went_in() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let file = world_file();
    let book = imported(&client, &file).await;
    assert_eq!(exported(&client, &book["id"], None).await.to_string(), file.to_string());
}

#[tokio::test]
async fn a_new_name_is_written_into_a_book_that_had_none() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let book = imported(&client, &world_file()).await;
    client
        .data(
            "mutation($id: ID!) { updateWorldBook(input: { id: $id, expectedVersion: 1, name: \"Monsters\" }) { userErrors { code } } }",
            json!({ "id": book["id"] }),
        )
        .await;
    assert_eq!(exported(&client, &book["id"], None).await["name"], "Monsters");
}

#[tokio::test]
async fn only_what_was_changed_differs_in_an_export() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let mut file = world_file();
    let book = imported(&client, &file).await;
    let entry = &book["entries"]["nodes"][0];
    let saved = client
        .data(
            "mutation($i: SaveWorldEntryInput!) { saveWorldEntry(input: $i) { userErrors { message field code } } }",
            json!({ "i": { "worldBookId": book["id"], "id": entry["id"], "expectedVersion": entry["version"], "content": "They wake." } }),
        )
        .await;
    assert_eq!(user_errors(&saved["saveWorldEntry"]), [""; 0]);
    file["entries"]["0"]["content"] = json!("They wake.");
    assert_eq!(exported(&client, &book["id"], None).await, file);
}

#[tokio::test]
async fn a_book_comes_out_in_every_format_and_in_again() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let book = imported(&client, &world_file()).await;
    for (format, read_as) in [
        ("SILLY_TAVERN", "SILLY_TAVERN"),
        // Nothing tells a V2 book that says `use_regex`, as SillyTavern's do, from one of V3.
        ("CARD_V2", "CARD_V3"),
        ("CARD_V3", "CARD_V3"),
        ("RISU", "RISU"),
        ("AGNAI", "AGNAI"),
        ("NOVEL_AI", "NOVEL_AI"),
    ] {
        let file = exported(&client, &book["id"], Some(format)).await;
        let again = imported(&client, &file).await;
        assert_eq!(again["sourceFormat"], read_as, "{file:#}");
        let contents: Vec<_> = again["entries"]["nodes"]
            .as_array()
            .expect("entries")
            .iter()
            .map(|entry| text(&entry["content"], &again))
            .collect();
        assert!(
            contents.iter().any(|content| content.contains("They sleep.")),
            "{format}: {contents:?}"
        );
        assert!(
            contents.iter().any(|content| content.contains("They crawl.")),
            "{format}: {contents:?}"
        );
    }
}

#[tokio::test]
async fn a_nameless_book_is_called_as_its_file() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let bytes = world_file().to_string().into_bytes();
    let answer = client.upload(IMPORT_FILE, "Old/Eldoria.json", bytes).await;
    let book = &answer["data"]["importWorldBook"]["worldBook"];
    assert_eq!(book["name"], "Eldoria", "{answer:#}");
    let exported = client.data(EXPORT, json!({ "id": book["id"] })).await;
    assert_eq!(exported["exportWorldBook"]["fileName"], "Eldoria.json");
}

#[tokio::test]
async fn files_that_are_no_books_are_refused_in_words_and_leave_nothing() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let card = json!({ "name": "N", "first_mes": "f" }).to_string().into_bytes();
    for (name, bytes) in [
        ("empty.json", Vec::new()),
        ("noise.json", vec![0xff; 64]),
        ("broken.json", b"{\"entries\": ".to_vec()),
        ("list.json", b"[1]".to_vec()),
        ("card.json", card),
        ("deep.json", "[".repeat(10_000).into_bytes()),
    ] {
        let answer = client.upload(IMPORT_FILE, name, bytes).await;
        assert_eq!(
            user_errors(&answer["data"]["importWorldBook"]),
            ["BAD_USER_INPUT source.file"],
            "{name}: {answer:#}"
        );
    }
    let count = client.data("{ viewer { worldBooks { totalCount } } }", json!({})).await;
    assert_eq!(count["viewer"]["worldBooks"]["totalCount"], 0);
}

#[tokio::test]
async fn the_limits_of_a_books_file_hold_on_both_sides() {
    let file = world_file().to_string();
    let size = file.len();
    let tavern = Tavern::with(move |config| {
        config.limits.world_book_bytes = size;
        config.limits.world_entries = 2;
        config.limits.world_books_per_user = 1;
    })
    .await;
    let client = tavern.user("importer").await;
    let errors = async |bytes: String| {
        let answer = client.upload(IMPORT_FILE, "b.json", bytes.into_bytes()).await;
        user_errors(&answer["data"]["importWorldBook"])
    };
    assert_eq!(errors(format!("{file} ")).await, ["BAD_USER_INPUT source.file"]);
    let three = json!({ "entries": { "0": {}, "1": {}, "2": {} } }).to_string();
    assert_eq!(errors(three).await, ["BAD_USER_INPUT source.file"]);
    assert_eq!(errors(file.clone()).await, [""; 0]);
    assert_eq!(errors(file).await, ["QUOTA_EXCEEDED"]);
}

#[tokio::test]
async fn the_book_of_an_imported_card_becomes_the_characters() {
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let answer = client.import("orla.png", png_card(&v2_card("Orla"))).await;
    let id = &answer["data"]["importCharacter"]["character"]["id"];
    let got = client
        .data("query($id: ID!) { character(id: $id) { worldBook { isPublic sourceFormat entries { nodes { content } } } } viewer { worldBooks { totalCount } } }", json!({ "id": id }))
        .await;
    assert_eq!(got["viewer"]["worldBooks"]["totalCount"], 1, "{got:#}");
    let book = &got["character"]["worldBook"];
    assert_eq!(
        (&book["isPublic"], &book["sourceFormat"]),
        (&json!(false), &json!("CARD_V2"))
    );
    assert_eq!(book["entries"]["nodes"][0]["content"], "Springs wind down.");
}

#[tokio::test]
async fn a_card_comes_in_without_a_book_that_cannot_be_kept_and_says_so() {
    let tavern = Tavern::with(|config| config.limits.world_books_per_user = 0).await;
    let client = tavern.user("importer").await;
    let answer = client.import("orla.png", png_card(&v2_card("Orla"))).await;
    let imported = &answer["data"]["importCharacter"];
    assert_eq!(imported["character"]["name"], "Orla", "{answer:#}");
    assert!(imported["warnings"].to_string().contains("world books"), "{answer:#}");
}

#[tokio::test]
async fn the_real_book_of_the_field_goes_in_and_comes_out_unchanged() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/sillytavern/Eldoria.json");
    let Ok(bytes) = std::fs::read(path) else {
        println!("skipped: {path} is absent");
        return;
    };
    let tavern = Tavern::start().await;
    let client = tavern.user("importer").await;
    let file: Value = serde_json::from_slice(&bytes).expect("JSON");
    let answer = client.upload(IMPORT_FILE, "Eldoria.json", bytes).await;
    let id = &answer["data"]["importWorldBook"]["worldBook"]["id"];
    assert_eq!(exported(&client, id, None).await.to_string(), file.to_string());
}
