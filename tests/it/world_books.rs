//! World books: made, changed entry by entry, seen, listed.

use serde_json::{Value, json};
use tavern_domain::Role;

use crate::support::{Client, Tavern, text, user_errors};

const CREATE: &str = "mutation($i: CreateWorldBookInput!) { createWorldBook(input: $i) { worldBook { id name version } userErrors { message field code } } }";
const UPDATE: &str = "mutation($i: UpdateWorldBookInput!) { updateWorldBook(input: $i) { worldBook { id name isPublic scanDepth version } userErrors { message field code } } }";
const SAVE: &str = "mutation($i: SaveWorldEntryInput!) { saveWorldEntry(input: $i) { worldEntry { id comment content sticky version } worldBook { version entryCount } userErrors { message field code } } }";
const SEE: &str = "query($id: ID!) { worldBook(id: $id) { id name entries { totalCount nodes { id content } } } }";

/// A new entry of a book; its id.
async fn entry(client: &Client, book: &str, content: &str) -> String {
    let input = json!({ "worldBookId": book, "content": content, "keys": ["k"] });
    let answer = client.data(SAVE, json!({ "i": input })).await;
    text(&answer["saveWorldEntry"]["worldEntry"]["id"], &answer)
}

async fn sees(client: &Client, book: &str) -> bool {
    !client.data(SEE, json!({ "id": book })).await["worldBook"].is_null()
}

#[tokio::test]
async fn every_field_of_a_book_comes_back_as_it_was_given() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let given = json!({
        "name": "Eldoria", "description": "d\r\n\u{1f56f}", "tags": ["One", "two"], "isPublic": true,
        "scanDepth": 3, "tokenBudget": 500, "recursive": false, "extensions": { "z": 1, "a": [null] }
    });
    let answer = client.data(CREATE, json!({ "i": given })).await;
    let id = text(&answer["createWorldBook"]["worldBook"]["id"], &answer);
    let got = client
        .data("query($id: ID!) { worldBook(id: $id) { name description tags isPublic scanDepth tokenBudget recursive extensions } }", json!({ "id": id }))
        .await;
    assert_eq!(got["worldBook"], given);
    let rest = client
        .data("query($id: ID!) { worldBook(id: $id) { version entryCount owner { username } entries { totalCount nodes { id } } } }", json!({ "id": id }))
        .await;
    assert_eq!(
        rest["worldBook"],
        json!({ "version": 1, "entryCount": 0, "owner": { "username": "author" }, "entries": { "totalCount": 0, "nodes": [] } })
    );
}

#[tokio::test]
async fn every_field_of_an_entry_comes_back_as_it_was_given() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Book", json!({})).await;
    let given: Value = serde_json::from_str(
        r#"{
        "comment": "c", "keys": ["dragon", "/wyrm/i"], "secondaryKeys": ["s"], "content": "@@depth 2\nDragons.", "enabled": false,
        "constant": true, "selective": false, "selectiveLogic": "NOT_ANY", "order": -7, "priority": 3, "position": "AT_DEPTH", "depth": 9,
        "role": "ASSISTANT", "outletName": "o", "probability": 12.5, "useProbability": false, "ignoreBudget": true, "excludeRecursion": true,
        "preventRecursion": true, "delayUntilRecursion": 2, "scanDepth": 5, "caseSensitive": true, "matchWholeWords": false,
        "useGroupScoring": true, "group": "a,b", "groupOverride": true, "groupWeight": 40.0, "sticky": 1, "cooldown": 2, "delay": 3,
        "automationId": "x", "vectorized": true, "matchPersonaDescription": true, "matchCharacterDescription": true,
        "matchCharacterPersonality": true, "matchCharacterDepthPrompt": true, "matchScenario": true, "matchCreatorNotes": true,
        "characterFilter": { "isExclude": true, "names": ["N"], "tags": ["T"] }, "triggers": ["normal", "quiet"], "useRegex": true,
        "extensions": { "z": { "y": [1] } }
    }"#,
    )
    .expect("JSON");
    let mut input = given.clone();
    input["worldBookId"] = json!(book);
    let saved = client.data(SAVE, json!({ "i": input })).await;
    assert_eq!(user_errors(&saved["saveWorldEntry"]), [""; 0], "{saved:#}");
    let fields: Vec<_> = given
        .as_object()
        .expect("an object")
        .keys()
        .map(|field| match field.as_str() {
            "characterFilter" => "characterFilter { isExclude names tags }",
            field => field,
        })
        .collect();
    let query = format!(
        "query($id: ID!) {{ worldBook(id: $id) {{ entries {{ nodes {{ {} }} }} }} }}",
        fields.join(" ")
    );
    let got = client.data(&query, json!({ "id": book })).await;
    assert_eq!(got["worldBook"]["entries"]["nodes"], json!([given]));
}

#[tokio::test]
async fn a_new_entry_has_the_usual_defaults() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Book", json!({})).await;
    entry(&client, &book, "c").await;
    let got = client
        .data("query($id: ID!) { worldBook(id: $id) { entries { nodes { enabled constant selective selectiveLogic order position depth role probability groupWeight scanDepth sticky triggers extensions version } } } }", json!({ "id": book }))
        .await;
    assert_eq!(
        got["worldBook"]["entries"]["nodes"],
        json!([{ "enabled": true, "constant": false, "selective": true, "selectiveLogic": "AND_ANY", "order": 100,
            "position": "BEFORE_CHARACTER", "depth": 4, "role": "SYSTEM", "probability": 100.0, "groupWeight": 100.0,
            "scanDepth": null, "sticky": null, "triggers": [], "extensions": {}, "version": 1 }])
    );
}

#[tokio::test]
async fn what_is_not_given_of_an_entry_stays_and_null_clears() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Book", json!({})).await;
    let input = json!({ "worldBookId": book, "content": "c", "comment": "t", "sticky": 4 });
    let saved = client.data(SAVE, json!({ "i": input })).await;
    let id = text(&saved["saveWorldEntry"]["worldEntry"]["id"], &saved);
    let change = |version: i32, more: Value| {
        let mut input = json!({ "worldBookId": book, "id": id, "expectedVersion": version });
        for (key, value) in more.as_object().expect("an object") {
            input[key] = value.clone();
        }
        json!({ "i": input })
    };
    let changed = client.data(SAVE, change(1, json!({ "comment": "u" }))).await;
    assert_eq!(
        changed["saveWorldEntry"]["worldEntry"],
        json!({ "id": id, "comment": "u", "content": "c", "sticky": 4, "version": 2 })
    );
    let cleared = client.data(SAVE, change(2, json!({ "sticky": null }))).await;
    assert_eq!(cleared["saveWorldEntry"]["worldEntry"]["sticky"], Value::Null);
    assert_eq!(
        cleared["saveWorldEntry"]["worldBook"],
        json!({ "version": 4, "entryCount": 1 }),
        "each change of an entry raises the book"
    );
}

#[tokio::test]
async fn two_who_edit_different_entries_do_not_meet_and_a_lost_update_is_refused() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Book", json!({})).await;
    let (one, two) = (entry(&client, &book, "1").await, entry(&client, &book, "2").await);
    let change = |id: &str, content: &str| json!({ "i": { "worldBookId": book, "id": id, "expectedVersion": 1, "content": content } });
    for (id, content) in [(&one, "one"), (&two, "two")] {
        let changed = client.data(SAVE, change(id, content)).await;
        assert_eq!(user_errors(&changed["saveWorldEntry"]), [""; 0]);
    }
    let late = client.data(SAVE, change(&one, "late")).await;
    assert_eq!(user_errors(&late["saveWorldEntry"]), ["CONFLICT expectedVersion"]);
    let now = client.data(SEE, json!({ "id": book })).await;
    let contents: Vec<_> = now["worldBook"]["entries"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| text(&node["content"], &now))
        .collect();
    assert_eq!(contents, ["one", "two"]);
}

#[tokio::test]
async fn a_change_of_an_entry_names_its_version() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Book", json!({})).await;
    let id = entry(&client, &book, "1").await;
    let unnamed = client
        .data(SAVE, json!({ "i": { "worldBookId": book, "id": id } }))
        .await;
    assert_eq!(
        user_errors(&unnamed["saveWorldEntry"]),
        ["BAD_USER_INPUT expectedVersion"]
    );
    let other = client.world_book("Other", json!({})).await;
    let input = json!({ "worldBookId": other, "id": id, "expectedVersion": 1 });
    assert_eq!(
        client.code(SAVE, json!({ "i": input })).await,
        "NOT_FOUND",
        "it is in another book"
    );
}

#[tokio::test]
async fn a_book_changes_from_the_version_named() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Book", json!({ "scanDepth": 4 })).await;
    let change = |version: i32| json!({ "i": { "id": book, "expectedVersion": version, "name": " Other ", "isPublic": true, "scanDepth": null } });
    let changed = client.data(UPDATE, change(1)).await;
    assert_eq!(
        changed["updateWorldBook"]["worldBook"],
        json!({ "id": book, "name": "Other", "isPublic": true, "scanDepth": null, "version": 2 })
    );
    entry(&client, &book, "raises the version").await;
    let late = client.data(UPDATE, change(2)).await;
    assert_eq!(user_errors(&late["updateWorldBook"]), ["CONFLICT expectedVersion"]);
}

#[tokio::test]
async fn deleted_entries_and_books_are_gone() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Book", json!({})).await;
    let other = client.world_book("Other", json!({})).await;
    let (one, two) = (entry(&client, &book, "1").await, entry(&client, &book, "2").await);
    let foreign = entry(&client, &other, "3").await;
    let deleted = client
        .data(
            "mutation($i: DeleteWorldEntriesInput!) { deleteWorldEntries(input: $i) { ids worldBook { version entryCount } userErrors { message field code } } }",
            json!({ "i": { "worldBookId": book, "ids": [one, foreign] } }),
        )
        .await;
    assert_eq!(deleted["deleteWorldEntries"]["ids"], json!([one]));
    assert_eq!(
        deleted["deleteWorldEntries"]["worldBook"],
        json!({ "version": 4, "entryCount": 1 })
    );
    let left = client.data(SEE, json!({ "id": book })).await;
    assert_eq!(left["worldBook"]["entries"]["nodes"][0]["id"], json!(two));
    let gone = client
        .data(
            "mutation($id: ID!) { deleteWorldBook(input: { id: $id }) { deletedId userErrors { code } } }",
            json!({ "id": book }),
        )
        .await;
    assert_eq!(gone["deleteWorldBook"]["deletedId"], json!(book));
    assert!(!sees(&client, &book).await);
    assert!(sees(&client, &other).await);
}

#[tokio::test]
async fn a_public_book_is_seen_by_all_and_a_private_one_by_owner_and_moderators() {
    let tavern = Tavern::start().await;
    let owner = tavern.user("author").await;
    let private = owner.world_book("Private", json!({})).await;
    let public = owner.world_book("Public", json!({ "isPublic": true })).await;
    let (stranger, moderator) = (
        tavern.user("stranger").await,
        tavern.staff("moderator", Role::Moderator).await,
    );
    for (client, sees_private) in [
        (&owner, true),
        (&stranger, false),
        (&moderator, true),
        (&tavern.anonymous(), false),
    ] {
        assert_eq!(sees(client, &private).await, sees_private, "{}", client.name);
        assert!(sees(client, &public).await, "{}", client.name);
    }
    let input = json!({ "i": { "worldBookId": public, "content": "x" } });
    assert_eq!(stranger.code(SAVE, input.clone()).await, "FORBIDDEN");
    assert_eq!(
        user_errors(&moderator.data(SAVE, input).await["saveWorldEntry"]),
        [""; 0]
    );
}

#[tokio::test]
async fn whoever_sees_a_character_sees_its_book_if_both_are_of_one_owner() {
    let tavern = Tavern::start().await;
    let (owner, stranger) = (tavern.user("author").await, tavern.user("stranger").await);
    let book = owner.world_book("Lore", json!({})).await;
    let hidden = owner.character("Hidden", json!({ "worldBookId": book })).await;
    assert!(!sees(&stranger, &book).await);
    let shown = owner
        .character("Shown", json!({ "worldBookId": book, "visibility": "PUBLIC" }))
        .await;
    let query = "query($id: ID!) { character(id: $id) { worldBook { id } } characters(filter: { creator: \"author\" }) { nodes { worldBook { id } } } }";
    let seen = stranger.data(query, json!({ "id": shown })).await;
    assert_eq!(
        seen,
        json!({ "character": { "worldBook": { "id": book } }, "characters": { "nodes": [{ "worldBook": { "id": book } }] } })
    );
    assert!(sees(&tavern.anonymous(), &book).await);
    assert!(owner.data(query, json!({ "id": hidden })).await["character"]["worldBook"].is_object());
}

#[tokio::test]
async fn nobody_opens_a_book_by_naming_it() {
    let tavern = Tavern::start().await;
    let (owner, thief) = (tavern.user("author").await, tavern.user("thief").await);
    let book = owner.world_book("Lore", json!({ "isPublic": true })).await;
    let character = thief
        .character("Theirs", json!({ "worldBookId": book, "visibility": "PUBLIC" }))
        .await;
    owner
        .data(
            UPDATE,
            json!({ "i": { "id": book, "expectedVersion": 1, "isPublic": false } }),
        )
        .await;
    assert!(!sees(&thief, &book).await);
    let seen = thief
        .data(
            "query($id: ID!) { character(id: $id) { name worldBook { id } } }",
            json!({ "id": character }),
        )
        .await;
    assert_eq!(seen["character"], json!({ "name": "Theirs", "worldBook": null }));
    let create = "mutation($i: CreateCharacterInput!) { createCharacter(input: $i) { character { id } userErrors { message field code } } }";
    let refused = thief
        .data(create, json!({ "i": { "name": " ", "worldBookId": book } }))
        .await;
    assert_eq!(
        user_errors(&refused["createCharacter"]),
        ["BAD_USER_INPUT name", "BAD_USER_INPUT worldBookId"]
    );
}

#[tokio::test]
async fn a_characters_book_is_given_changed_and_taken_away() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Lore", json!({})).await;
    let id = client.character("C", json!({})).await;
    let update = "mutation($i: UpdateCharacterInput!) { updateCharacter(input: $i) { character { worldBook { id } version } userErrors { message field code } } }";
    let given = client
        .data(
            update,
            json!({ "i": { "id": id, "expectedVersion": 1, "worldBookId": book } }),
        )
        .await;
    assert_eq!(
        given["updateCharacter"]["character"],
        json!({ "worldBook": { "id": book }, "version": 2 })
    );
    let kept = client
        .data(update, json!({ "i": { "id": id, "expectedVersion": 2, "name": "D" } }))
        .await;
    assert_eq!(kept["updateCharacter"]["character"]["worldBook"]["id"], json!(book));
    let taken = client
        .data(
            update,
            json!({ "i": { "id": id, "expectedVersion": 3, "worldBookId": null } }),
        )
        .await;
    assert_eq!(taken["updateCharacter"]["character"]["worldBook"], Value::Null);
}

#[tokio::test]
async fn ones_own_books_are_listed_the_last_changed_first_and_nobody_elses() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let one = client.world_book("One", json!({})).await;
    client.world_book("Two", json!({})).await;
    tavern
        .user("other")
        .await
        .world_book("Not mine", json!({ "isPublic": true }))
        .await;
    entry(&client, &one, "moves it up").await;
    let list = "query($f: Int, $a: String) { viewer { worldBooks(first: $f, after: $a) { totalCount nodes { name entryCount } pageInfo { hasNextPage endCursor } } } }";
    let first = client.data(list, json!({ "f": 1 })).await["viewer"]["worldBooks"].take();
    assert_eq!(first["nodes"], json!([{ "name": "One", "entryCount": 1 }]));
    assert_eq!(first["totalCount"], 2);
    let next = client
        .data(list, json!({ "f": 5, "a": first["pageInfo"]["endCursor"] }))
        .await;
    assert_eq!(
        next["viewer"]["worldBooks"]["nodes"],
        json!([{ "name": "Two", "entryCount": 0 }])
    );
    assert_eq!(client.code(list, json!({ "f": 101 })).await, "BAD_USER_INPUT");
    assert_eq!(client.code(list, json!({ "a": "x" })).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn entries_come_in_pages_of_both_directions() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Book", json!({})).await;
    for content in ["a", "b", "c"] {
        entry(&client, &book, content).await;
    }
    let page = "query($id: ID!, $f: Int, $a: String, $l: Int, $b: String) { worldBook(id: $id) { entries(first: $f, after: $a, last: $l, before: $b) { totalCount nodes { content } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
    let read = async |arguments: Value| {
        let mut variables = json!({ "id": book });
        for (key, value) in arguments.as_object().expect("an object") {
            variables[key] = value.clone();
        }
        client.data(page, variables).await["worldBook"]["entries"].take()
    };
    let first = read(json!({ "f": 2 })).await;
    assert_eq!(first["nodes"], json!([{ "content": "a" }, { "content": "b" }]));
    assert_eq!(
        (&first["totalCount"], &first["pageInfo"]["hasNextPage"]),
        (&json!(3), &json!(true))
    );
    let rest = read(json!({ "f": 2, "a": first["pageInfo"]["endCursor"] })).await;
    assert_eq!(rest["nodes"], json!([{ "content": "c" }]));
    let last = read(json!({ "l": 1 })).await;
    assert_eq!(last["nodes"], json!([{ "content": "c" }]));
    let before = read(json!({ "l": 5, "b": last["pageInfo"]["startCursor"] })).await;
    assert_eq!(before["nodes"], json!([{ "content": "a" }, { "content": "b" }]));
}

#[tokio::test]
async fn all_wrong_fields_of_a_book_and_of_an_entry_are_told_at_once() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = json!({ "name": " ", "tags": ["ok", ""], "scanDepth": -1, "tokenBudget": -1, "extensions": [] });
    let refused = client.data(CREATE, json!({ "i": book })).await;
    assert_eq!(
        user_errors(&refused["createWorldBook"]),
        [
            "BAD_USER_INPUT name",
            "BAD_USER_INPUT tags.1",
            "BAD_USER_INPUT extensions",
            "BAD_USER_INPUT scanDepth",
            "BAD_USER_INPUT tokenBudget"
        ]
    );
    let book = client.world_book("Book", json!({})).await;
    let entry = json!({
        "worldBookId": book, "depth": -1, "sticky": -1, "probability": 100.5, "groupWeight": -0.5, "triggers": ["normal", "never"], "extensions": "x"
    });
    let refused = client.data(SAVE, json!({ "i": entry })).await;
    assert_eq!(
        user_errors(&refused["saveWorldEntry"]),
        [
            "BAD_USER_INPUT triggers.1",
            "BAD_USER_INPUT probability",
            "BAD_USER_INPUT groupWeight",
            "BAD_USER_INPUT extensions",
            "BAD_USER_INPUT depth",
            "BAD_USER_INPUT sticky"
        ]
    );
    let seen = client.data(SEE, json!({ "id": book })).await;
    assert_eq!(seen["worldBook"]["entries"]["totalCount"], 0);
}

#[tokio::test]
async fn the_limits_of_an_entrys_fields_hold_on_both_sides() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let book = client.world_book("Book", json!({})).await;
    let (content, key) = (256 * 1024, 4 * 1024);
    let cases = [
        (
            "content",
            json!("c".repeat(content)),
            json!("c".repeat(content + 1)),
            "content",
        ),
        (
            "comment",
            json!("c".repeat(content)),
            json!("c".repeat(content + 1)),
            "comment",
        ),
        ("keys", json!(vec!["k"; 1_000]), json!(vec!["k"; 1_001]), "keys"),
        (
            "secondaryKeys",
            json!(vec!["k"; 1_000]),
            json!(vec!["k"; 1_001]),
            "secondaryKeys",
        ),
        ("keys", json!(["k".repeat(key)]), json!(["k".repeat(key + 1)]), "keys.0"),
        ("group", json!("g".repeat(key)), json!("g".repeat(key + 1)), "group"),
        ("probability", json!(0), json!(-0.1), "probability"),
        (
            "extensions",
            json!({ "e": "x".repeat(content - 8) }),
            json!({ "e": "x".repeat(content - 7) }),
            "extensions",
        ),
    ];
    for (field, fits, exceeds, place) in cases {
        let with = |value: &Value| {
            let mut input = json!({ "worldBookId": book });
            input[field] = value.clone();
            json!({ "i": input })
        };
        let saved = client.data(SAVE, with(&fits)).await;
        assert_eq!(user_errors(&saved["saveWorldEntry"]), [""; 0], "{field} at its limit");
        let refused = client.data(SAVE, with(&exceeds)).await;
        assert_eq!(
            user_errors(&refused["saveWorldEntry"]),
            [format!("BAD_USER_INPUT {place}")]
        );
    }
}

#[tokio::test]
async fn a_book_and_an_account_hold_so_much_and_no_more() {
    let tavern = Tavern::with(|config| {
        config.limits.world_books_per_user = 2;
        config.limits.world_entries = 2;
        config.limits.world_book_bytes = 10;
    })
    .await;
    let client = tavern.user("author").await;
    let by_count = client.world_book("One", json!({})).await;
    let by_bytes = client.world_book("Two", json!({})).await;
    let third = client.data(CREATE, json!({ "i": { "name": "Three" } })).await;
    assert_eq!(user_errors(&third["createWorldBook"]), ["QUOTA_EXCEEDED"]);
    let add = async |book: &str, content: &str| {
        let saved = client
            .data(SAVE, json!({ "i": { "worldBookId": book, "content": content } }))
            .await;
        user_errors(&saved["saveWorldEntry"])
    };
    assert_eq!(add(&by_count, "1").await, [""; 0]);
    assert_eq!(add(&by_count, "2").await, [""; 0]);
    assert_eq!(add(&by_count, "3").await, ["QUOTA_EXCEEDED"]);
    assert_eq!(add(&by_bytes, "0123456789").await, [""; 0]);
    assert_eq!(add(&by_bytes, "0").await, ["QUOTA_EXCEEDED"]);
}

#[tokio::test]
async fn books_for_a_prompt_are_whole_in_order_and_never_stale() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let (one, two) = (
        client.world_book("One", json!({})).await,
        client.world_book("Two", json!({})).await,
    );
    entry(&client, &one, "a").await;
    let books = &tavern.services().world_books;
    let ids = [&two, &one].map(|id| id.parse().expect("an id"));
    let read = async || -> Vec<(String, Vec<String>)> {
        let read = books.for_prompt(&ids).await.expect("read");
        read.into_iter()
            .map(|(book, entries)| {
                let contents = entries.iter().map(|entry| entry.entry.content.clone());
                (book.text.name, contents.collect())
            })
            .collect()
    };
    assert_eq!(read().await, [("Two".into(), vec![]), ("One".into(), vec!["a".into()])]);
    entry(&client, &one, "b").await;
    assert_eq!(read().await[1].1, ["a", "b"]);
    client
        .data(
            "mutation($id: ID!) { deleteWorldBook(input: { id: $id }) { deletedId } }",
            json!({ "id": two }),
        )
        .await;
    assert_eq!(read().await.len(), 1);
}
