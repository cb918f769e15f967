//! Extensions in an account: installed, configured, upgraded, taken back, watched.

use serde_json::{Value, json};

use crate::support::{
    Author, CONFIGURE, Draft, FIELDS, INSTALL, ROLLBACK, Tavern, UPGRADE, code_of, done, installed, published, run,
    text, user_errors, with_lantern,
};

const UNINSTALL: &str =
    "mutation($id: ID!) { uninstallExtension(input: { id: $id }) { deletedId userErrors { message field code } } }";
const YANK: &str = "mutation($i: YankExtensionInput!) { yankExtension(input: $i) { version { version yanked yankReason } userErrors { message field code } } }";

#[tokio::test]
async fn an_installation_has_what_was_granted_and_no_more() {
    let (tavern, ..) = with_lantern().await;
    let client = tavern.user("player").await;
    let refused = run(
        &client,
        INSTALL,
        json!({ "name": "acme/lantern", "grants": ["prompt.insert", "persona"] }),
    )
    .await;
    assert_eq!(user_errors(&refused), ["BAD_USER_INPUT grants.1"], "{refused:#}");
    let refused = run(
        &client,
        INSTALL,
        json!({ "name": "acme/lantern", "grants": ["everything"] }),
    )
    .await;
    assert_eq!(user_errors(&refused), ["BAD_USER_INPUT grants.0"], "{refused:#}");
    for (field, input) in [
        (
            "versionReq",
            json!({ "name": "acme/lantern", "versionReq": "^2", "grants": [] }),
        ),
        (
            "versionReq",
            json!({ "name": "acme/lantern", "versionReq": "newest", "grants": [] }),
        ),
        (
            "config",
            json!({ "name": "acme/lantern", "grants": [], "config": { "colour": "green" } }),
        ),
        (
            "secrets",
            json!({ "name": "acme/lantern", "grants": [], "secrets": [{ "name": "key", "value": "v" }] }),
        ),
    ] {
        let payload = run(&client, INSTALL, input).await;
        let errors = user_errors(&payload);
        assert!(
            errors
                .iter()
                .all(|error| error.starts_with(&format!("BAD_USER_INPUT {field}")))
                && !errors.is_empty(),
            "{field}: {payload:#}"
        );
    }
    let nothing = json!({ "i": { "name": "acme/nothing" } });
    assert_eq!(client.code(&format!("{INSTALL}{FIELDS}"), nothing).await, "NOT_FOUND");
    let installation = installed(&client).await;
    assert_eq!(installation["version"], "1.0.0");
    assert_eq!(installation["grants"], json!(["prompt.insert"]));
    assert_eq!(installation["enabled"], true);
    let again = run(&client, INSTALL, json!({ "name": "acme/lantern", "grants": [] })).await;
    assert_eq!(user_errors(&again), ["CONFLICT name"], "{again:#}");
    let seen = client
        .data(
            "query($id: ID!) { viewer { installedExtensions { id extension { name installationCount viewerInstallation { id } } } } node(id: $id) { ... on Installation { name } } }",
            json!({ "id": installation["id"] }),
        )
        .await;
    let list = &seen["viewer"]["installedExtensions"];
    assert_eq!(list[0]["id"], installation["id"]);
    assert_eq!(list[0]["extension"]["viewerInstallation"]["id"], installation["id"]);
    assert_eq!(list[0]["extension"]["installationCount"], 1);
    assert_eq!(seen["node"]["name"], "acme/lantern");
}

/// A draft with a colour to choose and a secret to set.
fn configurable() -> Draft {
    Draft {
        permissions: "\"http:api.example.org\" = \"To ask for the colour.\"\n\"secret:api-key\" = \"To be let in.\"",
        more: "[[secrets]]\nname = \"api-key\"\ntitle = \"Key\"\nhosts = [\"api.example.org\"]\nheader = \"x-key\"",
        schema: Some(json!({
            "type": "object",
            "properties": { "colour": { "type": "string", "enum": ["red", "green"] }, "size": { "type": "integer", "maximum": 3 } },
            "additionalProperties": false
        })),
        ..Draft::default()
    }
}

#[tokio::test]
async fn a_configuration_is_checked_against_the_schema_and_a_secret_is_never_told() {
    let tavern = Tavern::start().await;
    let maker = tavern.user("maker").await;
    published(&maker, &Author::new(), &configurable()).await;
    let client = tavern.user("player").await;
    let mut input = json!({
        "name": "acme/lantern", "grants": ["prompt.insert", "http:api.example.org", "secret:api-key"],
        "config": { "colour": "blue", "size": 4 }, "secrets": [{ "name": "api-key", "value": "hunter2" }]
    });
    let refused = run(&client, INSTALL, input.clone()).await;
    assert_eq!(
        user_errors(&refused),
        ["BAD_USER_INPUT config.colour", "BAD_USER_INPUT config.size"],
        "{refused:#}"
    );
    input["config"] = json!({ "colour": "green", "size": 3 });
    let made = done(&client, INSTALL, input).await;
    assert_eq!(made["config"], json!({ "colour": "green", "size": 3 }));
    assert_eq!(made["secrets"], json!([{ "name": "api-key", "isSet": true }]));
    let id = made["id"].clone();

    // What is not given stays.
    let changed = done(
        &client,
        CONFIGURE,
        json!({ "id": id, "expectedRevision": made["revision"], "config": { "colour": "red" }, "priority": 10 }),
    )
    .await;
    assert_eq!(changed["config"], json!({ "colour": "red" }));
    assert_eq!(changed["priority"], 10);
    assert_eq!(changed["grants"], made["grants"]);
    assert_eq!(changed["secrets"][0]["isSet"], true);
    let late = run(
        &client,
        CONFIGURE,
        json!({ "id": id, "expectedRevision": made["revision"], "enabled": false }),
    )
    .await;
    assert_eq!(user_errors(&late), ["CONFLICT expectedRevision"], "{late:#}");
    for (input, error) in [
        (json!({ "config": { "colour": 1 } }), "BAD_USER_INPUT config.colour"),
        (json!({ "grants": ["persona"] }), "BAD_USER_INPUT grants"),
        (json!({ "priority": 1001 }), "BAD_USER_INPUT priority"),
        (
            json!({ "secrets": [{ "name": "other", "value": "v" }] }),
            "BAD_USER_INPUT secrets",
        ),
    ] {
        let mut input = input;
        input["id"] = id.clone();
        let payload = run(&client, CONFIGURE, input).await;
        assert!(
            user_errors(&payload).iter().any(|told| told.starts_with(error)),
            "{error}: {payload:#}"
        );
    }
    let off = done(&client, CONFIGURE, json!({ "id": id, "enabled": false, "priority": null, "grants": [], "secrets": [{ "name": "api-key", "value": null }] })).await;
    assert_eq!(
        (off["enabled"].clone(), off["priority"].clone()),
        (json!(false), Value::Null)
    );
    assert_eq!(off["grants"], json!([]));
    assert_eq!(off["secrets"][0]["isSet"], false);
    let edge = done(&client, CONFIGURE, json!({ "id": id, "priority": 1000 })).await;
    assert_eq!(edge["priority"], 1000);
}

#[tokio::test]
async fn an_upgrade_that_asks_for_more_waits_for_consent_and_a_rollback_takes_it_back() {
    let (tavern, maker, author) = with_lantern().await;
    let client = tavern.user("player").await;
    let id = installed(&client).await["id"].clone();
    published(
        &maker,
        &author,
        &Draft {
            version: "1.1.0",
            ..Draft::default()
        },
    )
    .await;
    let upgraded = done(&client, UPGRADE, json!({ "id": id })).await;
    assert_eq!(upgraded["version"], "1.1.0", "what asks for no more is taken at once");
    assert_eq!(upgraded["previousVersions"], json!([{ "version": "1.0.0" }]));

    let wider = Draft {
        version: "1.2.0",
        permissions: "\"persona\" = \"To light your face.\"",
        ..Draft::default()
    };
    published(&maker, &author, &wider).await;
    let waiting = done(&client, UPGRADE, json!({ "id": id })).await;
    assert_eq!(waiting["version"], "1.1.0");
    assert_eq!(waiting["pendingVersion"]["version"], "1.2.0");
    assert_eq!(
        waiting["pendingPermissions"],
        json!([{ "capability": "persona", "reason": "To light your face." }]),
        "only the difference"
    );
    assert_eq!(waiting["grants"], json!(["prompt.insert"]));
    let agreed = done(&client, UPGRADE, json!({ "id": id, "consent": true })).await;
    assert_eq!(agreed["version"], "1.2.0");
    assert_eq!(
        (agreed["pendingVersion"].clone(), agreed["pendingPermissions"].clone()),
        (Value::Null, json!([]))
    );
    assert!(
        agreed["grants"]
            .as_array()
            .is_some_and(|grants| grants.contains(&json!("persona"))),
        "{agreed:#}"
    );

    let back = done(&client, ROLLBACK, json!({ "id": id })).await;
    assert_eq!(back["version"], "1.1.0");
    assert_eq!(back["grants"], json!(["prompt.insert"]));
    let back = done(&client, ROLLBACK, json!({ "id": id })).await;
    assert_eq!(back["version"], "1.0.0");
    let end = run(&client, ROLLBACK, json!({ "id": id })).await;
    assert_eq!(user_errors(&end).len(), 1, "there is nothing before the first: {end:#}");

    // A range holds upgrades back, and names what cannot be met.
    let held = done(&client, CONFIGURE, json!({ "id": id, "versionReq": "~1.1" })).await;
    assert_eq!(held["versionReq"], "~1.1");
    assert_eq!(
        done(&client, UPGRADE, json!({ "id": id, "consent": true })).await["version"],
        "1.1.0"
    );
    let refused = run(&client, UPGRADE, json!({ "id": id, "version": "9.9.9" })).await;
    assert_eq!(user_errors(&refused), ["BAD_USER_INPUT version"], "{refused:#}");
}

#[tokio::test]
async fn a_yanked_version_stays_where_it_is_and_goes_nowhere_else() {
    let (tavern, maker, author) = with_lantern().await;
    let client = tavern.user("player").await;
    published(
        &maker,
        &author,
        &Draft {
            version: "1.1.0",
            ..Draft::default()
        },
    )
    .await;
    let had = installed(&client).await;
    assert_eq!(had["version"], "1.1.0");
    let input = json!({ "i": { "name": "acme/lantern", "version": "1.1.0", "reason": "It smokes." } });
    assert_eq!(client.code(YANK, input.clone()).await, "FORBIDDEN");
    let yanked = maker.data(YANK, input).await;
    assert_eq!(
        yanked["yankExtension"]["version"],
        json!({ "version": "1.1.0", "yanked": true, "yankReason": "It smokes." })
    );
    let later = tavern.user("later").await;
    assert_eq!(installed(&later).await["version"], "1.0.0");
    let kept = client
        .data("{ viewer { installedExtensions { version } } }", json!({}))
        .await;
    assert_eq!(kept["viewer"]["installedExtensions"][0]["version"], "1.1.0");
    let missing = json!({ "i": { "name": "acme/lantern", "version": "3.0.0", "reason": "r" } });
    assert_eq!(maker.code(YANK, missing).await, "NOT_FOUND");
}

#[tokio::test]
async fn what_is_uninstalled_is_gone_and_may_come_again() {
    let (tavern, ..) = with_lantern().await;
    let client = tavern.user("player").await;
    let first = installed(&client).await["id"].clone();
    let gone = client.data(UNINSTALL, json!({ "id": first })).await;
    assert_eq!(gone["uninstallExtension"]["deletedId"], first);
    assert_eq!(client.code(UNINSTALL, json!({ "id": first })).await, "NOT_FOUND");
    let list = client.data("{ viewer { installedExtensions { id } } extension(name: \"acme/lantern\") { installationCount viewerInstallation { id } } }", json!({})).await;
    assert_eq!(list["viewer"]["installedExtensions"], json!([]));
    assert_eq!(
        list["extension"],
        json!({ "installationCount": 0, "viewerInstallation": null })
    );
    assert_ne!(installed(&client).await["id"], first);
}

#[tokio::test]
async fn an_account_has_so_many_installations() {
    let tavern = Tavern::with(|config| config.extensions.limits.installations = 1).await;
    let (maker, author) = (tavern.user("maker").await, Author::new());
    published(&maker, &author, &Draft::default()).await;
    published(
        &maker,
        &author,
        &Draft {
            id: "acme/torch",
            ..Draft::default()
        },
    )
    .await;
    installed(&maker).await;
    let refused = run(&maker, INSTALL, json!({ "name": "acme/torch", "grants": [] })).await;
    assert_eq!(user_errors(&refused), ["QUOTA_EXCEEDED"], "{refused:#}");
}

#[tokio::test]
async fn an_installation_does_not_exist_for_others() {
    const EVENTS: &str = "subscription($id: ID!) { extensionEvents(installationId: $id) }";
    let (tavern, ..) = with_lantern().await;
    let (client, stranger) = (tavern.user("player").await, tavern.user("stranger").await);
    let id = installed(&client).await["id"].clone();
    let seen = stranger
        .data(
            "query($id: ID!) { node(id: $id) { id } viewer { installedExtensions { id } } extension(name: \"acme/lantern\") { viewerInstallation { id } } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(
        seen,
        json!({ "node": null, "viewer": { "installedExtensions": [] }, "extension": { "viewerInstallation": null } })
    );
    for mutation in [CONFIGURE, UPGRADE, ROLLBACK] {
        let answer = stranger
            .run(&format!("{mutation}{FIELDS}"), json!({ "i": { "id": id } }))
            .await;
        assert_eq!(code_of(&answer), "NOT_FOUND", "{mutation}");
    }
    assert_eq!(stranger.code(UNINSTALL, json!({ "id": id })).await, "NOT_FOUND");
    for (who, code) in [(&stranger, "NOT_FOUND"), (&tavern.anonymous(), "UNAUTHENTICATED")] {
        assert_eq!(who.socket().await.refused(EVENTS, json!({ "id": id })).await, code);
    }
}

#[tokio::test]
async fn who_watches_an_installation_is_told_what_happens_to_it() {
    let (tavern, ..) = with_lantern().await;
    let client = tavern.user("player").await;
    let id = installed(&client).await["id"].clone();
    let mut socket = client.socket().await;
    socket
        .subscribe(
            "subscription($id: ID!) { extensionEvents(installationId: $id) }",
            json!({ "id": id }),
        )
        .await;
    // What is kept comes first, so the subscription stands once it has come.
    let first = socket.event().await["extensionEvents"].take();
    assert_eq!(
        (&first["kind"], &first["version"]),
        (&json!("changed"), &json!("1.0.0")),
        "{first:#}"
    );
    done(&client, CONFIGURE, json!({ "id": id, "enabled": false })).await;
    let second = socket.event().await["extensionEvents"].take();
    assert_eq!(second["kind"], "changed", "{second:#}");
    let kept = client
        .data(
            "query($id: ID!) { node(id: $id) { ... on Installation { logs(first: 10) { at event } } } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(kept["node"]["logs"].as_array().map(Vec::len), Some(2), "{kept:#}");
}
