//! What the guard lets through, and what it says of the rest.

use proptest::prelude::*;
use serde_json::json;

use crate::client::Toy;

const TOO_COMPLEX: &str = "QUERY_TOO_COMPLEX";

/// `text` passes with the limit at `actual`, and one less refuses it naming both.
async fn assert_limit(set: impl Fn(&mut tavern_domain::Limits, usize), text: &str, actual: usize) {
    let at = Toy::with(|limits| set(limits, actual)).query(text).await;
    assert!(at.json().get("errors").is_none(), "{}", at.text);
    let over = Toy::with(|limits| set(limits, actual - 1)).query(text).await;
    over.assert_refused(400, TOO_COMPLEX, &format!("has {actual} "));
    over.assert_refused(400, TOO_COMPLEX, &format!("limit is {}.", actual - 1));
}

#[tokio::test]
async fn bytes_of_a_document_are_limited() {
    assert_limit(|limits, bytes| limits.document_bytes = bytes, "{ hello } # é", 14).await;
}

#[tokio::test]
async fn tokens_of_a_document_are_limited() {
    let text = "query($t: String = \"a b\\\" {\") { echo(text: $t) ... on Query { a: hello, } } # not counted";
    assert_limit(|limits, tokens| limits.document_tokens = tokens, text, 26).await;
}

#[tokio::test]
async fn depth_is_counted_through_fragments() {
    let text = "{ node { ...A } } fragment A on Node { node { ... on Node { value } } }";
    assert_limit(|limits, depth| limits.query_depth = depth, text, 3).await;
}

#[tokio::test]
async fn aliases_are_counted_through_fragments() {
    let text = "{ a: node { ...A } b: node { ...A } } fragment A on Node { c: value }";
    assert_limit(|limits, aliases| limits.aliases = aliases, text, 4).await;
}

#[tokio::test]
async fn selections_are_counted_through_fragments() {
    let text = "{ a: node { ...A } b: node { ...A } } fragment A on Node { value }";
    assert_limit(|limits, selections| limits.selections = selections, text, 6).await;
}

#[tokio::test]
async fn root_fields_of_a_query_are_counted_through_fragments() {
    assert_limit(
        |limits, fields| limits.root_fields = fields,
        "{ hello ...A } fragment A on Query { a: hello node { value } }",
        3,
    )
    .await;
}

#[tokio::test]
async fn root_fields_of_a_mutation_have_a_limit_of_their_own() {
    assert_limit(
        |limits, fields| limits.mutation_root_fields = fields,
        "mutation { a: bump b: bump }",
        2,
    )
    .await;
}

#[tokio::test]
async fn fragments_are_limited() {
    let text = "{ ...A ...B } fragment A on Query { hello } fragment B on Query { hello }";
    assert_limit(|limits, fragments| limits.fragments = fragments, text, 2).await;
}

#[tokio::test]
async fn directives_in_one_place_are_limited() {
    assert_limit(
        |limits, directives| limits.directives_per_node = directives,
        "{ hello @skip(if: false) @include(if: true) }",
        2,
    )
    .await;
}

#[tokio::test]
async fn directives_of_a_document_are_limited() {
    let text = "{ hello @skip(if: false) node @include(if: true) { ... @skip(if: false) { value } } }";
    assert_limit(|limits, directives| limits.directives = directives, text, 3).await;
}

#[tokio::test]
async fn operations_of_a_document_are_limited() {
    let text = json!({ "query": "query A { hello } query B { hello }", "operationName": "B" });
    Toy::with(|limits| limits.operations = 2)
        .post(text.clone())
        .await
        .assert_data(json!({ "hello": "world" }));
    Toy::with(|limits| limits.operations = 1)
        .post(text)
        .await
        .assert_refused(400, TOO_COMPLEX, "has 2 operations; the limit is 1.");
}

#[tokio::test]
async fn points_of_an_operation_are_limited() {
    Toy::with(|limits| limits.complexity = 40)
        .query("{ costly }")
        .await
        .assert_data(json!({ "costly": 1 }));
    Toy::with(|limits| limits.complexity = 39)
        .query("{ costly }")
        .await
        .assert_refused(400, TOO_COMPLEX, "more than 39 points");
}

#[tokio::test]
async fn brackets_nest_48_levels_deep_at_most() {
    let text = |levels: usize| format!("{{ any(value: {}1{}) }}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(Toy::new().query(&text(46)).await.status, 200);
    Toy::new()
        .query(&text(47))
        .await
        .assert_refused(400, TOO_COMPLEX, "has 49 levels of brackets; the limit is 48.");
}

#[tokio::test]
async fn brackets_in_strings_and_comments_do_not_nest() {
    let text = format!(
        "{{ echo(text: \"{0}\") other: echo(text: \"\"\"{0}\\\"\"\"{0}\"\"\") }} # {0}",
        "[".repeat(100)
    );
    assert_eq!(Toy::new().query(&text).await.status, 200);
}

#[tokio::test]
async fn a_block_string_without_an_end_hides_nothing() {
    let text = format!("{{ any(value: [\"\"\"x\" {} ", "[".repeat(10_000));
    Toy::new().query(&text).await.assert_refused(
        400,
        "GRAPHQL_PARSE_FAILED",
        "line 1, column 15: a string without an end",
    );
}

#[tokio::test]
async fn a_bomb_of_fragments_costs_no_more_than_its_text() {
    let mut text = String::from("{ ...F0 }");
    for n in 0..29 {
        text += &format!(" fragment F{n} on Query {{ ...F{0} ...F{0} }}", n + 1);
    }
    Toy::new()
        .query(&(text.clone() + " fragment F29 on Query { hello }"))
        .await
        .assert_refused(400, TOO_COMPLEX, "selections");
    // A leaf that does not exist must not make the bomb look harmless.
    Toy::new()
        .query(&text)
        .await
        .assert_refused(400, TOO_COMPLEX, "selections");
}

#[tokio::test]
async fn a_bomb_of_fragments_in_a_mutation_costs_no_more_than_its_text() {
    let mut text = String::from("mutation { ...F0 }");
    for n in 0..29 {
        text += &format!(" fragment F{n} on Mutation {{ ...F{0} ...F{0} }}", n + 1);
    }
    Toy::new()
        .query(&text)
        .await
        .assert_refused(400, TOO_COMPLEX, "selections");
}

#[tokio::test]
async fn fragments_nest_32_levels_deep_at_most() {
    let chain = |length: usize| {
        let links: String = (1..length)
            .map(|n| format!(" fragment F{n} on Query {{ ...F{} }}", n + 1))
            .collect();
        format!("{{ ...F1 }}{links} fragment F{length} on Query {{ hello }}")
    };
    Toy::new()
        .query(&chain(32))
        .await
        .assert_data(json!({ "hello": "world" }));
    Toy::new()
        .query(&chain(33))
        .await
        .assert_refused(400, TOO_COMPLEX, "the limit is 32.");
}

#[tokio::test]
async fn fragments_that_spread_themselves_are_refused() {
    let text = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }";
    Toy::new()
        .query(text)
        .await
        .assert_refused(400, "GRAPHQL_VALIDATION_FAILED", "spreads itself");
}

#[tokio::test]
async fn fragments_that_nothing_spreads_are_guarded_too() {
    let text = "{ hello } fragment A on Query { ...A }";
    Toy::new()
        .query(text)
        .await
        .assert_refused(400, "GRAPHQL_VALIDATION_FAILED", "spreads itself");
}

#[tokio::test]
async fn ten_thousand_aliases_are_refused() {
    let aliases: String = (0..10_000).map(|n| format!("a{n}:hello ")).collect();
    let toy = Toy::with(|limits| {
        limits.document_bytes = 1 << 20;
        limits.document_tokens = 1 << 20;
    });
    toy.query(&format!("{{ {aliases} }}"))
        .await
        .assert_refused(400, TOO_COMPLEX, "has 10000 ");
}

#[tokio::test]
async fn a_mutation_does_not_happen_twice_under_one_name() {
    let toy = Toy::new();
    for text in [
        "mutation { bump bump }",
        "mutation { bump ...A } fragment A on Mutation { bump }",
        "mutation { a: bump ... { a: bump } }",
    ] {
        toy.query(text)
            .await
            .assert_refused(400, "GRAPHQL_VALIDATION_FAILED", "selected more than once");
    }
    assert_eq!(toy.house.world.bumps(), 0);
}

#[tokio::test]
async fn the_usual_introspection_query_passes() {
    // As deep and as wide as what GraphiQL and code generators ask.
    let type_ref = (0..9).fold("kind name".to_owned(), |inner, _| {
        format!("kind name ofType {{ {inner} }}")
    });
    let text = format!(
        "{{ __schema {{ description queryType {{ name kind }} mutationType {{ name kind }} subscriptionType {{ name kind }}
            types {{ ...Type }} directives {{ name description isRepeatable locations args(includeDeprecated: true) {{ ...Input }} }} }} }}
        fragment Type on __Type {{ kind name description specifiedByURL isOneOf
            fields(includeDeprecated: true) {{ name description args(includeDeprecated: true) {{ ...Input }} type {{ ...Ref }} isDeprecated deprecationReason }}
            inputFields(includeDeprecated: true) {{ ...Input }} interfaces {{ ...Ref }}
            enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} possibleTypes {{ ...Ref }} }}
        fragment Input on __InputValue {{ name description type {{ ...Ref }} defaultValue isDeprecated deprecationReason }}
        fragment Ref on __Type {{ {type_ref} }}"
    );
    let answer = Toy::new().query(&text).await;
    assert_eq!((answer.status.as_u16(), answer.json().get("errors")), (200, None));
    assert!(answer.text.contains("inputFields"), "the schema is described");
}

#[tokio::test]
async fn introspection_does_not_go_in_circles() {
    let answer = Toy::new()
        .query("{ __schema { types { fields { type { fields { name } } } } } }")
        .await;
    answer.assert_refused(
        400,
        TOO_COMPLEX,
        "has 2 steps from types to members of types; the limit is 1.",
    );
}

#[tokio::test]
async fn a_syntax_error_tells_its_place() {
    let answer = Toy::new().query("{\n  hello(").await;
    answer.assert_refused(400, "GRAPHQL_PARSE_FAILED", "line 2");
    assert_eq!(answer.json()["errors"][0]["locations"][0]["line"], 2);
}

#[tokio::test]
async fn an_error_of_validation_tells_its_place() {
    let answer = Toy::new().query("{ hello nothing }").await;
    answer.assert_refused(400, "GRAPHQL_VALIDATION_FAILED", "nothing");
    assert_eq!(
        answer.json()["errors"][0]["locations"],
        json!([{ "line": 1, "column": 9 }])
    );
}

#[tokio::test]
async fn numbers_beyond_all_bounds_are_refused() {
    Toy::new()
        .query("{ number(n: 1e999999) }")
        .await
        .assert_refused(400, "GRAPHQL_PARSE_FAILED", "number");
}

#[tokio::test]
async fn the_named_operation_is_executed() {
    let ask = |name| json!({ "query": "query A { a: hello } query B { b: hello }", "operationName": name });
    Toy::new().post(ask("A")).await.assert_data(json!({ "a": "world" }));
    Toy::new().post(ask("B")).await.assert_data(json!({ "b": "world" }));
}

#[tokio::test]
async fn an_unknown_operation_is_refused() {
    for query in ["query A { hello } query B { hello }", "query A { hello }", "{ hello }"] {
        let answer = Toy::new().post(json!({ "query": query, "operationName": "C" })).await;
        answer.assert_refused(400, "OPERATION_RESOLUTION_FAILURE", "no operation named `C`");
    }
}

#[tokio::test]
async fn several_operations_need_a_name_and_one_does_not() {
    Toy::new()
        .query("query A { hello } query B { hello }")
        .await
        .assert_refused(400, "OPERATION_RESOLUTION_FAILURE", "`operationName`");
    Toy::new()
        .query("query A { hello }")
        .await
        .assert_data(json!({ "hello": "world" }));
    Toy::new()
        .post(json!({ "query": "{ hello }", "operationName": "" }))
        .await
        .assert_data(json!({ "hello": "world" }));
}

proptest! {
    /// Whatever the text, it is prepared or refused: nothing panics, and nothing recurses without end.
    #[test]
    fn every_text_is_prepared_or_refused(parts in prop::collection::vec(prop::sample::select(PARTS), 0..200)) {
        let _ = Toy::new().front.prepare(Some(&parts.concat()), None, None);
    }
}

const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\"\"\"",
    "\\",
    "#",
    "\n",
    " ",
    "...",
    "@skip(if: $a)",
    "$a",
    ":",
    "=",
    "!",
    "é",
    "\u{feff}",
    "query",
    "mutation",
    "subscription",
    "fragment A on Query",
    "on",
    "...A",
    "hello",
    "{ hello }",
    "a: hello",
    "1",
    "-1.5e9",
    "null",
    "true",
    "x",
];
