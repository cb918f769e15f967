//! Extensions: published, refused, found.

use bytes::Bytes;
use serde_json::{Value, json};
use tar::EntryType;
use tavern_workbench::keys::Key;
use tavern_workbench::publish as shell;

use crate::support::{
    Author, Draft, INSTALL, Tavern, done, publish, publish_bytes, published, text, user_errors, with_lantern,
};

/// The checks of a report that failed.
fn failed(payload: &Value) -> Vec<String> {
    let checks = payload["report"]["checks"].as_array().expect("a report");
    let failed = checks.iter().filter(|check| check["passed"] == false);
    failed.map(|check| text(&check["name"], payload)).collect()
}

#[tokio::test]
async fn authors_are_told_what_the_server_has_checked_when_they_publish_from_their_shell() {
    let (tavern, author) = (Tavern::start().await, Author::new());
    let maker = tavern.user("maker").await;
    let package = Bytes::from(author.package(&Draft::default()));
    let send = async |token: &str, key: Option<&str>| shell::publish(&maker.url, token, package.clone(), key).await;
    let token = maker.token.as_deref().expect("a token");
    let public = author.public_key();

    let keyless = send(token, None).await.expect("an answer");
    assert!(!keyless.accepted);
    let refusal =
        |lines: &[String], what: &str| lines.iter().any(|line| line.starts_with("FAIL") && line.contains(what));
    assert!(refusal(&keyless.lines, "signature.key"), "{keyless:?}");
    let done = send(token, Some(&public)).await.expect("an answer");
    assert!(done.accepted, "{done:?}");
    assert!(
        done.lines.iter().any(|line| line.starts_with("ok    signature")),
        "{done:?}"
    );
    let again = send(token, Some(&public)).await.expect("an answer");
    assert!(
        !again.accepted && refusal(&again.lines, "is published already"),
        "{again:?}"
    );
    let stranger = send("nonsense", Some(&public)).await.expect_err("no account");
    assert!(stranger.to_string().contains("the server refused"), "{stranger:#}");
}

#[tokio::test]
async fn a_publisher_s_next_key_is_added_from_the_shell_on_the_word_of_the_one_before() {
    let tavern = Tavern::start().await;
    let maker = tavern.user("maker").await;
    let token = maker.token.as_deref().expect("a token");
    let [first, next, strange] = [(); 3].map(|()| Key::generate().expect("a key"));
    let line = |key: &Key| key.public().expect("a public key");
    let send = async |version: &'static str, key: &Key, public: Option<&str>| {
        let draft = Draft {
            version,
            ..Draft::default()
        };
        let signed = key.sign(draft.files()).expect("a signature");
        let package = tavern_plugins::package::write(&signed).expect("a package");
        shell::publish(&maker.url, token, package, public)
            .await
            .expect("an answer")
            .accepted
    };
    let rotate = async |by: &Key, to: &Key| {
        let signature = by.vouch("acme", &line(to)).expect("a signature");
        shell::rotate(&maker.url, token, "acme", &line(to), &signature).await
    };
    assert!(send("1.0.0", &first, Some(&line(&first))).await);
    assert!(!send("1.1.0", &next, None).await);
    let refused = rotate(&strange, &next).await.expect_err("a strange key");
    assert!(refused.to_string().contains("by a key that holds"), "{refused:#}");
    rotate(&first, &next).await.expect("it is taken");
    for (version, key) in [("1.1.0", &next), ("1.2.0", &first)] {
        assert!(send(version, key, None).await, "{version}");
    }

    // A key that got lost signs nothing any more.
    let query = "{ extension(name: \"acme/lantern\") { latestVersion { keyId } } }";
    let lost = maker.data(query, json!({})).await["extension"]["latestVersion"]["keyId"].take();
    let revoke = "mutation($k: String!) { revokePublisherKey(input: { publisher: \"acme\", keyId: $k }) { publisher { keys { revokedAt } } userErrors { message field code } } }";
    let revoked = maker.data(revoke, json!({ "k": lost })).await;
    assert_eq!(user_errors(&revoked["revokePublisherKey"]), [""; 0], "{revoked:#}");
    assert!(!send("1.3.0", &first, None).await);
    assert!(send("1.3.0", &next, None).await);
}

#[tokio::test]
async fn whoever_looks_finds_what_was_published_and_what_it_asks_for() {
    let (tavern, ..) = with_lantern().await;
    let found = tavern
        .anonymous()
        .data(
            "{ extension(name: \"acme/lantern\") { id name publisher title summary description hooks tags permissions { capability reason } \
             owner { username } installationCount viewerInstallation { id } stoppedReason \
             latestVersion { id version manifest report { passed } packageBytes packageSha256 componentSha256 keyId } \
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
            "query($e: ID!, $v: ID!) { extension: node(id: $e) { ... on Extension { name } } version: node(id: $v) { ... on ExtensionVersion { version } } }",
            json!({ "e": extension["id"], "v": extension["latestVersion"]["id"] }),
        )
        .await;
    assert_eq!(
        node,
        json!({ "extension": { "name": "acme/lantern" }, "version": { "version": "1.0.0" } })
    );
}

#[tokio::test]
async fn versions_come_page_by_page_the_newest_first() {
    const LIST: &str = "query($f: Int, $a: String, $l: Int, $b: String) { extension(name: \"acme/lantern\") { versions(first: $f, after: $a, last: $l, before: $b) { totalCount nodes { version } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
    let (tavern, maker, author) = with_lantern().await;
    for version in ["1.1.0", "1.10.0"] {
        published(
            &maker,
            &author,
            &Draft {
                version,
                ..Draft::default()
            },
        )
        .await;
    }
    let anyone = tavern.anonymous();
    let page = async |variables: Value| anyone.data(LIST, variables).await["extension"]["versions"].take();
    let first = page(json!({ "f": 2 })).await;
    assert_eq!(first["nodes"], json!([{ "version": "1.10.0" }, { "version": "1.1.0" }]));
    assert_eq!(
        (&first["totalCount"], &first["pageInfo"]["hasNextPage"]),
        (&json!(3), &json!(true))
    );
    let next = page(json!({ "f": 2, "a": first["pageInfo"]["endCursor"] })).await;
    assert_eq!(next["nodes"], json!([{ "version": "1.0.0" }]));
    assert_eq!(next["pageInfo"]["hasNextPage"], false);
    let back = page(json!({ "l": 1, "b": next["pageInfo"]["startCursor"] })).await;
    assert_eq!(back["nodes"], json!([{ "version": "1.1.0" }]));
    assert_eq!(back["pageInfo"]["hasPreviousPage"], true);
    for wrong in [json!({ "f": 101 }), json!({ "a": "x" }), json!({ "f": 1, "l": 1 })] {
        assert_eq!(anyone.code(LIST, wrong.clone()).await, "BAD_USER_INPUT", "{wrong}");
    }
}

/// What unfolds to so much is refused while it does.
const BOMB: u64 = 40 << 20;

/// A package of one file, which the reader of packages does not take.
fn tar_of(name: &str, kind: EntryType, size: u64, content: impl std::io::Read) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, content).expect("in memory");
    let tar = tar.into_inner().expect("in memory");
    zstd::encode_all(&tar[..], 3).expect("in memory")
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
    let component = |component: Bytes| {
        author.package(&Draft {
            component: Some(component),
            ..draft.clone()
        })
    };
    let text = |text: &str| Bytes::from(wat::parse_str(text).expect("a component"));
    let precompiled = Bytes::from_static(b"\x7fELF\x02\x01\x01\xc8\x01 and the rest of what somebody has compiled");
    let zeros = std::io::Read::take(std::io::repeat(0), BOMB);
    for (what, package, check) in [
        (
            "a bomb",
            tar_of("extension.wasm", EntryType::Regular, BOMB, zeros),
            "package.ratio",
        ),
        (
            "a file elsewhere",
            tar_of("../extension.toml", EntryType::Regular, 1, &b"x"[..]),
            "package.name",
        ),
        (
            "a link",
            tar_of("extension.toml", EntryType::Symlink, 0, &b""[..]),
            "package.",
        ),
        ("code that was compiled elsewhere", component(precompiled), "component"),
        (
            "sockets",
            component(text("(component (import \"wasi:sockets/tcp@0.2.0\" (instance)))")),
            "component",
        ),
        (
            "an import that it has no permission for",
            component(text("(component (import \"tavern:extension/http@0.1.0\" (instance)))")),
            "component",
        ),
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
    let told = maker
        .data("{ serviceLimits { extensions { packageBytes } } }", json!({}))
        .await;
    assert_eq!(told["serviceLimits"]["extensions"]["packageBytes"], 20_000);
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
    const ROTATE: &str = "mutation($p: String!, $k: String!, $s: String!) { rotatePublisherKey(input: { publisher: $p, publicKey: $k, signature: $s }) { publisher { name keys { keyId publicKey revokedAt } } userErrors { message field code } } }";
    let (tavern, maker, author) = with_lantern().await;
    let new = Author::new();
    let key = new.public_key();
    let next = Draft {
        version: "1.0.1",
        ..Draft::default()
    };
    assert_ne!(user_errors(&publish(&maker, &new, &next).await), [""; 0]);
    let statement = format!("acme {key}");
    let by_itself = new.sign(statement.as_bytes(), "");
    let refused = maker
        .data(ROTATE, json!({ "p": "acme", "k": key, "s": by_itself }))
        .await;
    assert_eq!(
        user_errors(&refused["rotatePublisherKey"]),
        ["BAD_USER_INPUT signature"],
        "{refused:#}"
    );
    let by_old = author.sign(statement.as_bytes(), "");
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
