//! Characters: made, changed, listed, found, seen.

use serde_json::{Value, json};

use crate::support::{Client, Tavern, code_of, text, user_errors};

const UPDATE: &str = "mutation($i: UpdateCharacterInput!) { updateCharacter(input: $i) { character { id name version tags } userErrors { message field code } } }";

async fn names(client: &Client, arguments: &str) -> Vec<String> {
    let answer = client
        .data(
            &format!("{{ characters({arguments}) {{ nodes {{ name }} }} }}"),
            json!({}),
        )
        .await;
    answer["characters"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| text(&node["name"], &answer))
        .collect()
}

#[tokio::test]
async fn the_first_start_brings_somebody_to_talk_to() {
    let tavern = Tavern::start().await;
    assert_eq!(names(&tavern.anonymous(), "first: 5").await, ["Maren Alder"]);
    let tavern = tavern.restart().await;
    assert_eq!(
        names(&tavern.anonymous(), "first: 5").await,
        ["Maren Alder"],
        "once is enough"
    );
}

#[tokio::test]
async fn every_field_comes_back_as_it_was_given() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let given = json!({
        "name": "Ilse", "description": "d {{char}}\r\n\u{1f56f}", "personality": "p", "scenario": "s", "firstMessage": "f", "alternateGreetings": ["a", "b"],
        "exampleDialogue": "<START>", "systemPrompt": "{{original}}", "postHistoryInstructions": "u", "creatorNotes": "n", "tags": ["One", "two"], "isNsfw": true, "visibility": "UNLISTED"
    });
    let id = client.character("Ilse", given.clone()).await;
    let got = client
        .data(
            "query($id: ID!) { character(id: $id) { name description personality scenario firstMessage alternateGreetings exampleDialogue systemPrompt postHistoryInstructions creatorNotes tags isNsfw visibility } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(got["character"], given);
}

#[tokio::test]
async fn a_lost_update_is_refused_and_changes_nothing() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let id = client.character("Draft", json!({})).await;
    let first = client
        .data(
            UPDATE,
            json!({ "i": { "id": id, "expectedVersion": 1, "name": "Second" } }),
        )
        .await;
    assert_eq!(first["updateCharacter"]["character"]["version"], 2);
    let late = client
        .data(
            UPDATE,
            json!({ "i": { "id": id, "expectedVersion": 1, "name": "Third" } }),
        )
        .await;
    assert_eq!(user_errors(&late["updateCharacter"]), ["CONFLICT expectedVersion"]);
    let now = client
        .data(
            "query($id: ID!) { character(id: $id) { name version } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(now["character"], json!({ "name": "Second", "version": 2 }));
}

#[tokio::test]
async fn all_wrong_fields_of_a_character_are_told_at_once() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let input = json!({ "name": " ", "description": "x".repeat(256 * 1024 + 1), "tags": ["ok", ""], "alternateGreetings": vec!["g"; 101] });
    let answer = client.data("mutation($i: CreateCharacterInput!) { createCharacter(input: $i) { character { id } userErrors { message field code } } }", json!({ "i": input })).await;
    assert_eq!(
        user_errors(&answer["createCharacter"]),
        [
            "BAD_USER_INPUT name",
            "BAD_USER_INPUT description",
            "BAD_USER_INPUT alternateGreetings",
            "BAD_USER_INPUT tags.1"
        ]
    );
}

#[tokio::test]
async fn the_limits_of_a_characters_fields_hold_on_both_sides() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let create = "mutation($i: CreateCharacterInput!) { createCharacter(input: $i) { character { id } userErrors { message field code } } }";
    let cases = [
        ("name", json!("n".repeat(120)), json!("n".repeat(121)), "name"),
        (
            "description",
            json!("d".repeat(256 * 1024)),
            json!("d".repeat(256 * 1024 + 1)),
            "description",
        ),
        (
            "alternateGreetings",
            json!(vec!["g"; 100]),
            json!(vec!["g"; 101]),
            "alternateGreetings",
        ),
        (
            "tags",
            json!((0..50).map(|n| format!("t{n}")).collect::<Vec<_>>()),
            json!((0..51).map(|n| format!("t{n}")).collect::<Vec<_>>()),
            "tags",
        ),
        ("tags", json!(["t".repeat(64)]), json!(["t".repeat(65)]), "tags.0"),
    ];
    for (field, fits, exceeds, place) in cases {
        let with = |value: &Value| {
            let mut input = json!({ "name": "N" });
            input[field] = value.clone();
            json!({ "i": input })
        };
        assert!(
            user_errors(&client.data(create, with(&fits)).await["createCharacter"]).is_empty(),
            "{field} at its limit"
        );
        assert_eq!(
            user_errors(&client.data(create, with(&exceeds)).await["createCharacter"]),
            [format!("BAD_USER_INPUT {place}")]
        );
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_by_its_field() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let input = json!({ "name": "N\u{0}", "scenario": "s\u{0}", "tags": ["t\u{0}"] });
    let answer = client
        .data(
            "mutation($i: CreateCharacterInput!) { createCharacter(input: $i) { character { id } userErrors { message field code } } }",
            json!({ "i": input }),
        )
        .await;
    assert_eq!(
        user_errors(&answer["createCharacter"]),
        [
            "BAD_USER_INPUT name",
            "BAD_USER_INPUT scenario",
            "BAD_USER_INPUT tags.0"
        ]
    );
}

#[tokio::test]
async fn an_account_has_a_limited_number_of_characters() {
    let tavern = Tavern::with(|config| config.limits.characters_per_user = 2).await;
    let client = tavern.user("author").await;
    client.character("One", json!({})).await;
    client.character("Two", json!({})).await;
    let third = client.data("mutation { createCharacter(input: { name: \"Three\" }) { character { id } userErrors { message field code } } }", json!({})).await;
    assert_eq!(user_errors(&third["createCharacter"]), ["QUOTA_EXCEEDED"]);
}

#[tokio::test]
async fn lists_hold_public_characters_and_ones_own_list_holds_all() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    for visibility in ["PRIVATE", "UNLISTED", "PUBLIC"] {
        client.character(visibility, json!({ "visibility": visibility })).await;
    }
    let stranger = tavern.user("stranger").await;
    assert_eq!(names(&stranger, "filter: { creator: \"author\" }").await, ["PUBLIC"]);
    let of_user = "{ user(username: \"author\") { characters { totalCount nodes { name } } } }";
    assert_eq!(
        stranger.data(of_user, json!({})).await["user"]["characters"]["totalCount"],
        1
    );
    assert_eq!(
        client.data(of_user, json!({})).await["user"]["characters"]["totalCount"],
        3
    );
    assert_eq!(
        client.data("{ viewer { characters { totalCount } } }", json!({})).await["viewer"]["characters"]["totalCount"],
        3
    );
}

#[tokio::test]
async fn whoever_has_the_id_sees_an_unlisted_character() {
    let tavern = Tavern::start().await;
    let id = tavern
        .user("author")
        .await
        .character("Hidden", json!({ "visibility": "UNLISTED" }))
        .await;
    let seen = tavern
        .anonymous()
        .data("query($id: ID!) { character(id: $id) { name } }", json!({ "id": id }))
        .await;
    assert_eq!(seen["character"]["name"], "Hidden");
}

#[tokio::test]
async fn filters_narrow_a_list() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let with = |tags: &[&str], nsfw: bool| json!({ "visibility": "PUBLIC", "tags": tags, "isNsfw": nsfw });
    client.character("Ash", with(&["Forest", "quiet"], false)).await;
    client.character("Birch", with(&["forest"], false)).await;
    client.character("Cedar", with(&["forest", "quiet"], true)).await;
    let mine = "creator: \"author\"";
    let sorted = async |filter: &str| {
        let mut found = names(&client, &format!("filter: {{ {mine}, {filter} }}")).await;
        found.sort();
        found
    };
    assert_eq!(sorted("tags: [\"FOREST\"]").await, ["Ash", "Birch"]);
    assert_eq!(sorted("tags: [\"forest\", \"quiet\"]").await, ["Ash"]);
    assert_eq!(sorted("tags: [\"forest\"], excludeTags: [\"Quiet\"]").await, ["Birch"]);
    assert_eq!(sorted("nsfw: true").await, ["Cedar"]);
    assert_eq!(sorted("nsfw: null").await, ["Ash", "Birch", "Cedar"]);
    assert_eq!(sorted("minRating: 1").await, [""; 0]);
}

#[tokio::test]
async fn search_finds_words_wherever_they_stand_and_survives_odd_ones() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    client.character("Quill", json!({ "visibility": "PUBLIC", "description": "Keeper of the obsidian archive.", "tags": ["librarian"], "creatorNotes": "unhurried" })).await;
    for word in [
        "quill",
        "obsidian",
        "LIBRARIAN",
        "unhurried",
        "obsidian archive",
        "obsid",
    ] {
        assert_eq!(
            names(&client, &format!("orderBy: RELEVANCE, filter: {{ query: \"{word}\" }}")).await,
            ["Quill"],
            "{word}"
        );
    }
    for odd in [
        "AND",
        "NOT obsidianx",
        "\\\"",
        "*",
        "a:b",
        "(",
        "obsidian OR",
        "-",
        "'; drop table characters; --",
    ] {
        names(&client, &format!("orderBy: RELEVANCE, filter: {{ query: \"{odd}\" }}")).await;
    }
}

#[tokio::test]
async fn a_changed_or_deleted_character_is_found_by_its_new_words_only() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let id = client
        .character("Mica", json!({ "visibility": "PUBLIC", "description": "granite" }))
        .await;
    client
        .data(
            UPDATE,
            json!({ "i": { "id": id, "expectedVersion": 1, "name": "Gneiss" } }),
        )
        .await;
    assert!(names(&client, "filter: { query: \"mica\" }").await.is_empty());
    assert_eq!(
        names(&client, "filter: { query: \"gneiss granite\" }").await,
        ["Gneiss"]
    );
    client
        .data(
            "mutation($id: ID!) { deleteCharacter(input: { id: $id }) { deletedId userErrors { code } } }",
            json!({ "id": id }),
        )
        .await;
    assert!(names(&client, "filter: { query: \"granite\" }").await.is_empty());
}

#[tokio::test]
async fn pages_in_both_directions_hold_every_character_once() {
    let tavern = Tavern::start().await;
    let client = tavern.user("author").await;
    let mut all = Vec::new();
    for number in 0..7 {
        all.push(format!("C{number}"));
        client
            .character(&format!("C{number}"), json!({ "visibility": "PUBLIC" }))
            .await;
    }
    let page = "query($f: Int, $a: String, $l: Int, $b: String) { characters(first: $f, after: $a, last: $l, before: $b, orderBy: CREATED, filter: { creator: \"author\" }) { totalCount nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    let (mut after, mut before) = (Value::Null, Value::Null);
    loop {
        let answer = client.data(page, json!({ "f": 3, "a": after })).await["characters"].take();
        forward.extend(
            answer["nodes"]
                .as_array()
                .expect("nodes")
                .iter()
                .map(|node| text(&node["name"], &answer)),
        );
        assert_eq!(answer["totalCount"], 7);
        after = answer["pageInfo"]["endCursor"].clone();
        if answer["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    loop {
        let answer = client.data(page, json!({ "l": 3, "b": before })).await["characters"].take();
        let names: Vec<_> = answer["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| text(&node["name"], &answer))
            .collect();
        backward.splice(0..0, names);
        before = answer["pageInfo"]["startCursor"].clone();
        if answer["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
    }
    all.reverse();
    assert_eq!((forward, backward), (all.clone(), all));
}

#[tokio::test]
async fn the_arguments_of_a_page_are_checked() {
    let tavern = Tavern::start().await;
    let client = tavern.anonymous();
    for good in ["first: 0", "first: 100", "last: 100"] {
        client
            .data(&format!("{{ characters({good}) {{ nodes {{ id }} }} }}"), json!({}))
            .await;
    }
    for bad in [
        "first: 101",
        "last: 101",
        "first: -1",
        "first: 1, last: 1",
        "after: \"x\"",
        "before: \"AAAA\"",
    ] {
        assert_eq!(
            client
                .code(&format!("{{ characters({bad}) {{ nodes {{ id }} }} }}"), json!({}))
                .await,
            "BAD_USER_INPUT",
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_cursor_of_another_order_is_refused() {
    let tavern = Tavern::start().await;
    let client = tavern.anonymous();
    let page = client
        .data("{ characters(orderBy: CREATED) { pageInfo { endCursor } } }", json!({}))
        .await;
    let cursor = text(&page["characters"]["pageInfo"]["endCursor"], &page);
    let answer = client
        .run(
            &format!("{{ characters(orderBy: RATING, after: \"{cursor}\") {{ nodes {{ id }} }} }}"),
            json!({}),
        )
        .await;
    assert_eq!(code_of(&answer), "BAD_USER_INPUT");
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .is_some_and(|message| message.contains("after")),
        "{answer}"
    );
}

#[tokio::test]
async fn the_limits_of_a_filter_hold_on_both_sides() {
    let tavern = Tavern::start().await;
    let client = tavern.anonymous();
    let list = "query($f: CharacterFilter) { characters(filter: $f) { nodes { id } } }";
    for good in [
        json!({ "query": "q".repeat(256) }),
        json!({ "tags": vec!["t"; 50] }),
        json!({ "minRating": 5.0 }),
        json!({ "tags": ["t".repeat(64)] }),
    ] {
        client.data(list, json!({ "f": good })).await;
    }
    for bad in [
        json!({ "query": "q".repeat(257) }),
        json!({ "tags": vec!["t"; 51] }),
        json!({ "minRating": 5.1 }),
        json!({ "excludeTags": ["t".repeat(65)] }),
    ] {
        assert_eq!(client.code(list, json!({ "f": bad })).await, "BAD_USER_INPUT", "{bad}");
    }
}
