//! Extensions: published, found, installed, configured, upgraded, taken back, and seen in a turn.

use serde_json::{Value, json};

use crate::support::{Author, Client, Draft, Tavern, code_of, text, user_errors};

const PUBLISH: &str = "mutation($f: Upload!, $k: String) { publishExtension(input: { package: $f, publicKey: $k }) { extension { id name title } version { version yanked packageSha256 countersignature } report { passed checks { name passed message } warnings } userErrors { message field code } } }";
pub const INSTALL: &str = "mutation($i: InstallExtensionInput!) { installExtension(input: $i) { installation { ...I } userErrors { message field code } } } ";
const CONFIGURE: &str = "mutation($i: ConfigureInstallationInput!) { configureInstallation(input: $i) { installation { ...I } userErrors { message field code } } } ";
const UPGRADE: &str = "mutation($i: UpgradeInstallationInput!) { upgradeInstallation(input: $i) { installation { ...I } userErrors { message field code } } } ";
const ROLLBACK: &str = "mutation($i: RollbackInstallationInput!) { rollbackInstallation(input: $i) { installation { ...I } userErrors { message field code } } } ";
const FIELDS: &str = "fragment I on Installation { id name version versionReq grants config secrets { name isSet } enabled priority pendingVersion { version } pendingPermissions { capability reason } previousVersions { version } disabledReason revision }";
const UNINSTALL: &str =
    "mutation($id: ID!) { uninstallExtension(input: { id: $id }) { deletedId userErrors { message field code } } }";
const YANK: &str = "mutation($i: YankExtensionInput!) { yankExtension(input: $i) { version { version yanked yankReason } userErrors { message field code } } }";

/// Publishes a draft; the payload.
async fn publish(client: &Client, author: &Author, draft: &Draft) -> Value {
    publish_bytes(client, Some(author), author.package(draft)).await
}

async fn publish_bytes(client: &Client, key: Option<&Author>, package: Vec<u8>) -> Value {
    let variables = json!({ "k": key.map(Author::public_key) });
    let mut answer = client
        .upload_with(PUBLISH, variables, "extension.tavext", package)
        .await;
    assert!(answer.get("errors").is_none(), "{answer:#}");
    answer["data"]["publishExtension"].take()
}

/// Publishes what is right.
pub async fn published(client: &Client, author: &Author, draft: &Draft) {
    let payload = publish(client, author, draft).await;
    assert_eq!(user_errors(&payload), [""; 0], "{payload:#}");
    assert_eq!(payload["report"]["passed"], true, "{payload:#}");
    assert_eq!(payload["version"]["version"], draft.version);
}

/// The checks of a report that failed.
fn failed(payload: &Value) -> Vec<String> {
    let checks = payload["report"]["checks"].as_array().expect("a report");
    let failed = checks.iter().filter(|check| check["passed"] == false);
    failed.map(|check| text(&check["name"], payload)).collect()
}

/// Runs a mutation on installations; its payload.
async fn run(client: &Client, mutation: &str, input: Value) -> Value {
    let mut data = client.data(&format!("{mutation}{FIELDS}"), json!({ "i": input })).await;
    let payload = data.as_object_mut().expect("data").values_mut().next();
    payload.expect("a payload").take()
}

/// The installation that comes of a mutation that works.
pub async fn done(client: &Client, mutation: &str, input: Value) -> Value {
    let mut payload = run(client, mutation, input).await;
    assert_eq!(user_errors(&payload), [""; 0], "{payload:#}");
    payload["installation"].take()
}

/// Installs the lantern with all it asks for; the installation.
async fn installed(client: &Client) -> Value {
    done(
        client,
        INSTALL,
        json!({ "name": "acme/lantern", "grants": ["prompt.insert"] }),
    )
    .await
}

/// A server with the lantern on it, and who made it.
async fn with_lantern() -> (Tavern, Client, Author) {
    let tavern = Tavern::start().await;
    let maker = tavern.user("maker").await;
    let author = Author::new();
    published(&maker, &author, &Draft::default()).await;
    (tavern, maker, author)
}

#[tokio::test]
async fn whoever_looks_finds_what_was_published_and_what_it_asks_for() {
    let (tavern, ..) = with_lantern().await;
    let found = tavern
        .anonymous()
        .data(
            "{ extension(name: \"acme/lantern\") { id name publisher title summary description hooks tags permissions { capability reason } \
             owner { username } installationCount viewerInstallation { id } stoppedReason \
             latestVersion { version manifest report { passed } packageBytes packageSha256 componentSha256 keyId } \
             versions { totalCount nodes { version yanked } } } missing: extension(name: \"acme/torch\") { id } }",
            json!({}),
        )
        .await;
    let extension = &found["extension"];
    assert_eq!(extension["publisher"], "acme");
    assert_eq!(extension["title"], "Lantern");
    assert_eq!(extension["owner"]["username"], "maker");
    assert!(text(&extension["description"], &found).starts_with("# Lantern"));
    assert_eq!(extension["hooks"], json!(["before-prompt"]));
    assert_eq!(extension["tags"], json!(["light"]));
    assert_eq!(
        extension["permissions"],
        json!([{ "capability": "prompt.insert", "reason": "To mention the lantern." }])
    );
    assert_eq!(extension["viewerInstallation"], Value::Null);
    assert_eq!(
        extension["latestVersion"]["manifest"]["extension"]["id"],
        "acme/lantern"
    );
    assert_eq!(extension["latestVersion"]["report"]["passed"], true);
    assert_eq!(text(&extension["latestVersion"]["packageSha256"], &found).len(), 64);
    assert_eq!(
        extension["versions"],
        json!({ "totalCount": 1, "nodes": [{ "version": "1.0.0", "yanked": false }] })
    );
    assert_eq!(found["missing"], Value::Null);
    let node = tavern
        .anonymous()
        .data(
            "query($id: ID!) { node(id: $id) { ... on Extension { name } } }",
            json!({ "id": extension["id"] }),
        )
        .await;
    assert_eq!(node["node"]["name"], "acme/lantern");
}

#[tokio::test]
async fn what_is_no_sound_package_is_refused_with_a_report_that_names_the_check() {
    let tavern = Tavern::start().await;
    let maker = tavern.user("maker").await;
    let (author, other) = (Author::new(), Author::new());
    let draft = Draft::default();
    let unsigned: Vec<u8> = tavern_plugins::package::write(&draft.files())
        .expect("a package")
        .into();
    let mut swapped = draft.files();
    // Signed as one version, packed as another.
    let signature = other.sign(b"something else", "acme/lantern 1.0.0 0");
    swapped.insert("signature".into(), signature.into());
    let swapped: Vec<u8> = tavern_plugins::package::write(&swapped).expect("a package").into();
    let core = Draft {
        component: Some(wat::parse_str("(module)").expect("a module").into()),
        ..draft.clone()
    };
    let unhooked = Draft {
        more: "[hooks.after-reply]",
        ..draft.clone()
    };
    for (what, package, check) in [
        ("noise", b"noise".to_vec(), "package."),
        ("nothing", Vec::new(), "package."),
        ("unsigned", unsigned, "signature"),
        ("of another key", other.package(&draft), "signature"),
        ("moved signature", swapped, "signature"),
        ("a core module", author.package(&core), "component"),
        ("a hook that is not there", author.package(&unhooked), "component"),
        (
            "a number too few",
            author.package(&Draft {
                version: "1.0",
                ..draft.clone()
            }),
            "manifest",
        ),
    ] {
        let payload = publish_bytes(&maker, Some(&author), package).await;
        assert_eq!(user_errors(&payload), ["BAD_USER_INPUT package"], "{what}: {payload:#}");
        assert_eq!(payload["report"]["passed"], false, "{what}: {payload:#}");
        let failed = failed(&payload);
        assert!(failed.iter().any(|name| name.starts_with(check)), "{what}: {failed:?}");
        assert_eq!(payload["version"], Value::Null, "{what}");
    }
    let none = tavern
        .anonymous()
        .data("{ extensions { totalCount } }", json!({}))
        .await;
    assert_eq!(
        none["extensions"]["totalCount"], 0,
        "nothing of what was refused is kept"
    );
}

#[tokio::test]
async fn a_package_may_be_so_large() {
    let tavern = Tavern::with(|config| config.extensions.limits.package_bytes = 20_000).await;
    let maker = tavern.user("maker").await;
    let author = Author::new();
    let package = author.package(&Draft::default());
    assert!(package.len() <= 20_000, "{} bytes", package.len());
    let payload = publish_bytes(&maker, Some(&author), package).await;
    assert_eq!(user_errors(&payload), [""; 0], "{payload:#}");
    let payload = publish_bytes(&maker, Some(&author), vec![0; 20_001]).await;
    assert_eq!(user_errors(&payload), ["BAD_USER_INPUT package"], "{payload:#}");
    assert_eq!(failed(&payload), ["package.size"]);
}

#[tokio::test]
async fn a_publisher_s_name_belongs_to_the_first_and_its_versions_only_grow() {
    let (tavern, maker, author) = with_lantern().await;
    let thief = tavern.user("thief").await;
    let own = Author::new();
    let next = Draft {
        version: "1.1.0",
        ..Draft::default()
    };
    let payload = publish(&thief, &own, &next).await;
    assert_eq!(user_errors(&payload), ["CONFLICT package"], "{payload:#}");
    // The key is the publisher's, not the account's: another one of the owner's does not do.
    let payload = publish(&maker, &own, &next).await;
    assert_ne!(user_errors(&payload), [""; 0], "{payload:#}");
    // A version is never used again, and none comes before another.
    for version in ["1.0.0", "0.9.0"] {
        let payload = publish(
            &maker,
            &author,
            &Draft {
                version,
                ..Draft::default()
            },
        )
        .await;
        assert_eq!(user_errors(&payload), ["CONFLICT package"], "{version}: {payload:#}");
    }
    published(&maker, &author, &next).await;
}

#[tokio::test]
async fn the_first_publication_needs_a_key_and_the_next_does_not() {
    let tavern = Tavern::start().await;
    let maker = tavern.user("maker").await;
    let author = Author::new();
    let payload = publish_bytes(&maker, None, author.package(&Draft::default())).await;
    assert_eq!(user_errors(&payload), ["BAD_USER_INPUT publicKey"], "{payload:#}");
    published(&maker, &author, &Draft::default()).await;
    let next = author.package(&Draft {
        version: "1.0.1",
        ..Draft::default()
    });
    let payload = publish_bytes(&maker, None, next).await;
    assert_eq!(user_errors(&payload), [""; 0], "{payload:#}");
}

#[tokio::test]
async fn a_new_key_comes_on_the_word_of_an_old_one() {
    const ROTATE: &str = "mutation($p: String!, $k: String!, $s: String!) { rotatePublisherKey(input: { publisher: $p, newPublicKey: $k, signature: $s }) { publisher { name keys { keyId publicKey revokedAt } } userErrors { message field code } } }";
    let (tavern, maker, author) = with_lantern().await;
    let new = Author::new();
    let key = new.public_key();
    let next = Draft {
        version: "1.0.1",
        ..Draft::default()
    };
    assert_ne!(user_errors(&publish(&maker, &new, &next).await), [""; 0]);
    let by_itself = new.sign(key.as_bytes(), "acme");
    let refused = maker
        .data(ROTATE, json!({ "p": "acme", "k": key, "s": by_itself }))
        .await;
    assert_eq!(
        user_errors(&refused["rotatePublisherKey"]),
        ["BAD_USER_INPUT signature"],
        "{refused:#}"
    );
    let by_old = author.sign(key.as_bytes(), "acme");
    let stranger = tavern.user("stranger").await;
    let variables = json!({ "p": "acme", "k": key, "s": by_old });
    assert_eq!(stranger.code(ROTATE, variables.clone()).await, "NOT_FOUND");
    let rotated = maker.data(ROTATE, variables).await;
    assert_eq!(user_errors(&rotated["rotatePublisherKey"]), [""; 0], "{rotated:#}");
    let keys = &rotated["rotatePublisherKey"]["publisher"]["keys"];
    assert!(
        keys.as_array()
            .is_some_and(|keys| keys.iter().any(|known| known["publicKey"] == key.as_str())),
        "{keys:#}"
    );
    published(&maker, &new, &next).await;
}

#[tokio::test]
async fn lists_are_ordered_filtered_and_come_page_by_page() {
    const LIST: &str = "query($o: ExtensionOrder, $f: ExtensionFilter, $a: String) { extensions(first: 2, after: $a, filter: $f, orderBy: $o) { totalCount nodes { name installationCount } pageInfo { hasNextPage endCursor } } }";
    let (tavern, maker, author) = with_lantern().await;
    for id in ["acme/torch", "acme/anchor"] {
        published(&maker, &author, &Draft { id, ..Draft::default() }).await;
    }
    let (other, theirs) = (tavern.user("other").await, Author::new());
    published(
        &other,
        &theirs,
        &Draft {
            id: "bolt/beacon",
            ..Draft::default()
        },
    )
    .await;
    done(&other, INSTALL, json!({ "name": "acme/torch", "grants": [] })).await;
    let anyone = tavern.anonymous();
    let names = async |variables: Value| -> Vec<String> {
        let mut names = Vec::new();
        let mut variables = variables;
        loop {
            let page = anyone.data(LIST, variables.clone()).await["extensions"].take();
            let nodes = page["nodes"].as_array().expect("nodes");
            names.extend(nodes.iter().map(|node| text(&node["name"], &page)));
            if page["pageInfo"]["hasNextPage"] == false {
                assert_eq!(page["totalCount"], names.len());
                return names;
            }
            variables["a"] = page["pageInfo"]["endCursor"].clone();
        }
    };
    assert_eq!(
        names(json!({ "o": "NAME" })).await,
        ["acme/anchor", "acme/lantern", "acme/torch", "bolt/beacon"]
    );
    assert_eq!(
        names(json!({ "o": "NEW" })).await,
        ["bolt/beacon", "acme/anchor", "acme/torch", "acme/lantern"]
    );
    assert_eq!(names(json!({})).await[0], "acme/torch", "the most installed first");
    published(
        &maker,
        &author,
        &Draft {
            version: "1.0.1",
            ..Draft::default()
        },
    )
    .await;
    assert_eq!(names(json!({ "o": "UPDATED" })).await[0], "acme/lantern");
    assert_eq!(
        names(json!({ "o": "NAME", "f": { "publisher": "bolt" } })).await,
        ["bolt/beacon"]
    );
    assert_eq!(names(json!({ "f": { "query": "BEACON" } })).await, ["bolt/beacon"]);
    assert_eq!(names(json!({ "f": { "hook": "before-prompt" } })).await.len(), 4);
    assert_eq!(names(json!({ "f": { "hook": "tool" } })).await, [""; 0]);
    assert_eq!(
        anyone.code(LIST, json!({ "f": { "hook": "teleport" } })).await,
        "BAD_USER_INPUT"
    );
    assert_eq!(
        anyone.code(LIST, json!({ "a": "not a cursor" })).await,
        "BAD_USER_INPUT"
    );
}

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
    assert_eq!(user_errors(&refused), ["BAD_USER_INPUT grants"], "{refused:#}");
    let refused = run(
        &client,
        INSTALL,
        json!({ "name": "acme/lantern", "grants": ["everything"] }),
    )
    .await;
    assert_eq!(user_errors(&refused), ["BAD_USER_INPUT grants"], "{refused:#}");
    for (field, input) in [
        ("name", json!({ "name": "acme/nothing", "grants": [] })),
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
    let refused = maker.data(YANK, missing).await;
    assert_eq!(
        user_errors(&refused["yankExtension"]),
        ["BAD_USER_INPUT version"],
        "{refused:#}"
    );
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
    for who in [&stranger, &tavern.anonymous()] {
        assert_eq!(
            who.socket().await.refused(EVENTS, json!({ "id": id })).await,
            "NOT_FOUND"
        );
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
