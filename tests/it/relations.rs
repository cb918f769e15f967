//! Relay's node, relations, costs, and errors as the specification has them.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Value, json};

use crate::support::{Tavern, code_of, text};

#[tokio::test]
async fn everything_with_an_id_is_found_by_it() {
    let tavern = Tavern::start().await;
    let client = tavern.user("finder").await;
    let session = client.chat().await;
    let (message, generation) = client
        .send(
            &session,
            "Hello.",
            json!({ "extra": { "demo": { "words": 3, "delayMs": 0 } } }),
        )
        .await;
    let all = client
        .data(
            "query($s: ID!) { viewer { id user { id } } chatSession(id: $s) { characters { id } } }",
            json!({ "s": session }),
        )
        .await;
    let viewer = text(&all["viewer"]["id"], &all);
    let made = client
        .data("mutation { savePreset(input: { name: \"P\" }) { preset { id } } savePersona(input: { name: \"P\" }) { persona { id } } }", json!({}))
        .await;
    let ids = [
        ("User", text(&all["viewer"]["user"]["id"], &all)),
        ("Viewer", viewer.clone()),
        ("Character", text(&all["chatSession"]["characters"][0]["id"], &all)),
        ("ChatSession", session),
        ("Message", message),
        ("Generation", generation),
        ("WorldBook", client.world_book("Lore", json!({})).await),
        ("Preset", text(&made["savePreset"]["preset"]["id"], &made)),
        ("Persona", text(&made["savePersona"]["persona"]["id"], &made)),
    ];
    for (kind, id) in &ids {
        let found = client
            .data("query($i: ID!) { node(id: $i) { __typename id } }", json!({ "i": id }))
            .await;
        assert_eq!(found["node"], json!({ "__typename": kind, "id": id }));
    }
    let listed: Vec<_> = ids.iter().map(|(_, id)| id).collect();
    let found = client
        .data("query($i: [ID!]!) { nodes(ids: $i) { id } }", json!({ "i": listed }))
        .await;
    assert_eq!(
        found["nodes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|node| &node["id"])
            .collect::<Vec<_>>(),
        listed
            .iter()
            .map(|id| json!(id))
            .collect::<Vec<_>>()
            .iter()
            .collect::<Vec<_>>()
    );
    let stranger = tavern.user("stranger").await;
    assert!(
        stranger
            .data("query($i: ID!) { node(id: $i) { id } }", json!({ "i": viewer }))
            .await["node"]
            .is_null()
    );
}

#[tokio::test]
async fn a_malformed_id_or_one_of_another_type_is_bad_input_and_nulls_its_field_alone() {
    let tavern = Tavern::start().await;
    let client = tavern.user("finder").await;
    let session = client.chat().await;
    for wrong in ["", "x", "chr_", "chr_0", &session, "chr_01m82qzep7e0hvkrfq6ztyjkbd"] {
        let answer = client
            .run(
                "query($i: ID!) { character(id: $i) { id } models { name } }",
                json!({ "i": wrong }),
            )
            .await;
        assert_eq!(code_of(&answer), "BAD_USER_INPUT", "{wrong}");
        assert_eq!(answer["errors"][0]["path"], json!(["character"]));
        assert!(answer["errors"][0]["locations"][0]["line"].is_u64());
        assert!(answer["data"]["character"].is_null());
        assert_eq!(
            answer["data"]["models"][0]["name"], "demo",
            "the other fields are answered: {answer:#}"
        );
    }
}

#[tokio::test]
async fn fields_come_back_in_the_order_they_were_asked_for() {
    let tavern = Tavern::start().await;
    let client = tavern.anonymous();
    let request = json!({ "query": "{ models { name } zebra: __typename characters(first: 1) { pageInfo { hasNextPage } nodes { tags name id } } serviceLimits { maxPageSize } apple: __typename }" });
    let answer = client
        .http
        .post(format!("{}/graphql", tavern.url))
        .json(&request)
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    let places: Vec<_> = [
        "\"models\"",
        "\"zebra\"",
        "\"characters\"",
        "\"pageInfo\"",
        "\"nodes\"",
        "\"tags\"",
        "\"id\"",
        "\"serviceLimits\"",
        "\"apple\"",
    ]
    .iter()
    .map(|key| answer.find(key).unwrap_or_else(|| panic!("{key} in {answer}")))
    .collect();
    assert!(places.is_sorted(), "{answer}");
}

#[tokio::test]
async fn the_number_of_ids_at_once_is_limited_on_both_sides() {
    let tavern = Tavern::start().await;
    let client = tavern.anonymous();
    let id = "chr_01M82QZEP7E0HVKRFQ6ZTYJKBD";
    let nodes = "query($i: [ID!]!) { nodes(ids: $i) { id } }";
    assert_eq!(
        client.data(nodes, json!({ "i": vec![id; 100] })).await["nodes"]
            .as_array()
            .map(Vec::len),
        Some(100)
    );
    assert_eq!(
        client.code(nodes, json!({ "i": vec![id; 101] })).await,
        "BAD_USER_INPUT"
    );
}

#[tokio::test]
async fn an_operation_that_costs_too_much_is_refused() {
    let tavern = Tavern::start().await;
    let client = tavern.user("spender").await;
    let nested = "{ characters(first: 100) { nodes { creator { characters(first: 100) { nodes { creator { characters(first: 100) { nodes { id } } } } } } } } }";
    assert_eq!(client.code(nested, json!({})).await, "QUERY_TOO_COMPLEX");
}

/// A connection that did not multiply could be nested to read the whole store at the price of a page.
#[tokio::test]
async fn every_connection_multiplies_the_cost_of_what_is_below_it() {
    let tavern = Tavern::start().await;
    let introspected = tavern.anonymous().data("{ __schema { types { name kind fields { name args { name type { kind ofType { name kind } } } type { ...T } } } } } fragment T on __Type { name kind ofType { name kind ofType { name kind ofType { name kind } } } }", json!({})).await;
    let types: HashMap<_, _> = introspected["__schema"]["types"]
        .as_array()
        .expect("types")
        .iter()
        .map(|kind| (kind["name"].as_str().expect("a name"), kind))
        .collect();
    // The shortest way to each object type, as nested selections.
    let mut ways: HashMap<&str, Vec<String>> = HashMap::from([("Query", Vec::new())]);
    let mut queue = VecDeque::from(["Query"]);
    let mut connections = Vec::new();
    let mut seen = HashSet::new();
    while let Some(kind) = queue.pop_front() {
        for field in types[kind]["fields"].as_array().into_iter().flatten() {
            let target = named(&field["type"]);
            if target.ends_with("Connection") && seen.insert((kind, field["name"].as_str())) {
                connections.push((ways[kind].clone(), field["name"].as_str().expect("a name")));
            }
            if types[target]["fields"].is_array() && !ways.contains_key(target) {
                let mut way = ways[kind].clone();
                way.push(format!(
                    "{}{}",
                    field["name"].as_str().expect("a name"),
                    required(&field["args"])
                ));
                ways.insert(target, way);
                queue.push_back(target);
            }
        }
    }
    assert!(connections.len() >= 5, "{connections:?}");
    let cost = |query: String| async move {
        let schema = tavern_resolvers::schema()
            .extension(async_graphql::extensions::Analyzer)
            .finish();
        let answer = schema.execute(query).await;
        answer.extensions.get("analyzer").map_or_else(
            || panic!("{:?}", answer.errors),
            |analyzer| {
                analyzer.clone().into_json().expect("JSON")["complexity"]
                    .as_i64()
                    .expect("a number")
            },
        )
    };
    for (way, field) in connections {
        let query = |first: i32| {
            let inner = format!("{field}(first: {first}) {{ nodes {{ id }} }}");
            // Never resolved, only weighed.
            let selected = way
                .iter()
                .rev()
                .fold(inner, |inner, step| format!("{step} {{ {inner} }}"));
            format!("{{ ... @skip(if: true) {{ {selected} }} }}")
        };
        let (small, large) = (cost(query(1)).await, cost(query(100)).await);
        assert!(
            large - small >= 99,
            "{way:?} {field}: {small} for one, {large} for a hundred"
        );
    }
}

fn named(kind: &Value) -> &str {
    kind["name"].as_str().unwrap_or_else(|| named(&kind["ofType"]))
}

/// Something for each argument that must be there.
fn required(arguments: &Value) -> String {
    let given: Vec<_> = arguments
        .as_array()
        .into_iter()
        .flatten()
        .filter(|argument| argument["type"]["kind"] == "NON_NULL")
        .map(|argument| {
            format!(
                "{}: {}",
                argument["name"].as_str().expect("a name"),
                if argument["type"]["ofType"]["kind"] == "LIST" {
                    "[\"x\"]"
                } else {
                    "\"x\""
                }
            )
        })
        .collect();
    if given.is_empty() {
        String::new()
    } else {
        format!("({})", given.join(", "))
    }
}
