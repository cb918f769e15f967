//! Who may do what: every root field, tried as everybody.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tavern_domain::Role;

use crate::support::{Author, Client, Draft, Tavern, text, user_errors};

/// What happens to a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It works.
    Done,
    /// As if it did not exist: null, and no error.
    Null,
    Unauthenticated,
    Forbidden,
    NotFound,
    /// The input is wrong in a way that has nothing to do with who asks.
    Refused,
}
use Then::{Done, Forbidden, NotFound, Null, Refused, Unauthenticated};

/// A root field, an operation on somebody's things, and what it does for
/// anonymous, a stranger, the owner, a moderator, an admin.
struct Row {
    field: &'static str,
    operation: &'static str,
    then: [Then; 5],
}

const fn row(field: &'static str, operation: &'static str, then: [Then; 5]) -> Row {
    Row { field, operation, then }
}

/// `$chr` is a private character, `$pub` a public one, `$ses` a chat, `$msg` a message of it, `$rep` a
/// reply in it, `$gen` its generation, `$wld` a private world book with an entry `$ent`, `$opn` a public one,
/// `$pre` a preset, `$per` a persona, `$ins` an installation, `$key` a key of the publisher `acme`; all are the
/// owner's, and made anew for every caller. `$f` is a file of noise.
const TABLE: &[Row] = &[
    row(
        "Query.node",
        "query($ses: ID!) { it: node(id: $ses) { id } }",
        [Null, Null, Done, Null, Done],
    ),
    row(
        "Query.nodes",
        "query($chr: ID!) { nodes(ids: [$chr]) { id } it: node(id: $chr) { id } }",
        [Null, Null, Done, Done, Done],
    ),
    row(
        "Query.viewer",
        "{ it: viewer { id email } }",
        [Null, Done, Done, Done, Done],
    ),
    row(
        "Query.serviceLimits",
        "{ it: serviceLimits { maxPageSize } }",
        [Done; 5],
    ),
    row(
        "Query.user",
        "{ it: user(username: \"owner\") { id username } }",
        [Done; 5],
    ),
    row(
        "Query.character",
        "query($chr: ID!) { it: character(id: $chr) { id } }",
        [Null, Null, Done, Done, Done],
    ),
    row(
        "Query.characters",
        "{ it: characters(first: 1) { nodes { id } } }",
        [Done; 5],
    ),
    row(
        "Query.chatSession",
        "query($ses: ID!) { it: chatSession(id: $ses) { id messages(first: 1) { nodes { content } } } }",
        [Null, Null, Done, Null, Done],
    ),
    row(
        "Query.generation",
        "query($gen: ID!) { it: generation(id: $gen) { id text } }",
        [Null, Null, Done, Null, Done],
    ),
    row(
        "Query.worldBook",
        "query($wld: ID!) { it: worldBook(id: $wld) { id entries(first: 1) { nodes { content } } } }",
        [Null, Null, Done, Done, Done],
    ),
    row(
        "Query.promptPreview",
        "query($ses: ID!) { it: promptPreview(input: { sessionId: $ses }) { tokenCount } }",
        [Unauthenticated, NotFound, Done, NotFound, Forbidden],
    ),
    row("Query.models", "{ it: models { name } }", [Done; 5]),
    row(
        "Mutation.register",
        "mutation { it: register(input: { username: \"x\", email: \"x\", password: \"x\" }) { viewer { id } userErrors { code } } }",
        [Refused; 5],
    ),
    row(
        "Mutation.login",
        "mutation { it: login(input: { login: \"nobody\", password: \"nothing at all\" }) { viewer { id } userErrors { code } } }",
        [Refused; 5],
    ),
    row(
        "Mutation.refreshTokens",
        "mutation { it: refreshTokens(input: { refreshToken: \"x\" }) { viewer { id } userErrors { code } } }",
        [Refused; 5],
    ),
    row(
        "Mutation.logout",
        "mutation { it: logout(input: {}) { userErrors { code } } }",
        [Unauthenticated, Done, Done, Done, Done],
    ),
    row(
        "Mutation.updateProfile",
        "mutation { it: updateProfile(input: { bio: \"b\" }) { user { id } userErrors { code } } }",
        [Unauthenticated, Done, Done, Done, Done],
    ),
    row(
        "Mutation.createCharacter",
        "mutation { it: createCharacter(input: { name: \"N\" }) { character { id } userErrors { code } } }",
        [Unauthenticated, Done, Done, Done, Done],
    ),
    row(
        "Mutation.updateCharacter",
        "mutation($chr: ID!) { it: updateCharacter(input: { id: $chr, expectedVersion: 1, name: \"N\" }) { character { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, Done, Done],
    ),
    row(
        "Mutation.deleteCharacter",
        "mutation($pub: ID!) { it: deleteCharacter(input: { id: $pub }) { deletedId userErrors { code } } }",
        [Unauthenticated, Forbidden, Done, Done, Done],
    ),
    row(
        "Mutation.setCharacterVisibility",
        "mutation($pub: ID!) { it: setCharacterVisibility(input: { id: $pub, visibility: PRIVATE }) { character { id } userErrors { code } } }",
        [Unauthenticated, Forbidden, Done, Done, Done],
    ),
    row(
        "Mutation.importCharacter",
        "mutation { it: importCharacter(input: { source: { json: { name: \"N\", description: \"\", personality: \"\", scenario: \"\", first_mes: \"\", mes_example: \"\" } } }) { character { id } userErrors { code } } }",
        [Unauthenticated, Done, Done, Done, Done],
    ),
    row(
        "Mutation.exportCharacter",
        "mutation($chr: ID!) { it: exportCharacter(input: { id: $chr, format: JSON }) { url userErrors { code } } }",
        [Unauthenticated, NotFound, Done, Done, Done],
    ),
    row(
        "Mutation.createChatSession",
        "mutation($chr: ID!) { it: createChatSession(input: { characterIds: [$chr] }) { chatSession { id } userErrors { code } } }",
        [Unauthenticated, Refused, Done, Done, Done],
    ),
    row(
        "Mutation.updateChatSession",
        "mutation($ses: ID!) { it: updateChatSession(input: { id: $ses, title: \"T\" }) { chatSession { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Forbidden],
    ),
    row(
        "Mutation.forkChatSession",
        "mutation($msg: ID!) { it: forkChatSession(input: { messageId: $msg }) { chatSession { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Forbidden],
    ),
    row(
        "Mutation.importChat",
        "mutation($chr: ID!) { it: importChat(input: { source: { text: \"{\\\"mes\\\":\\\"Hi\\\"}\" }, characterIds: [$chr] }) { chatSession { id } userErrors { code } } }",
        [Unauthenticated, Refused, Done, Done, Done],
    ),
    row(
        "Mutation.exportChat",
        "mutation($ses: ID!) { it: exportChat(input: { sessionId: $ses, branches: true }) { url userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Done],
    ),
    row(
        "Mutation.deleteChatSession",
        "mutation($ses: ID!) { it: deleteChatSession(input: { id: $ses }) { deletedId userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Done],
    ),
    row(
        "Mutation.sendMessage",
        "mutation($ses: ID!) { it: sendMessage(input: { sessionId: $ses, content: \"c\", generate: false }) { message { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Forbidden],
    ),
    row(
        "Mutation.generateReply",
        "mutation($ses: ID!) { it: generateReply(input: { sessionId: $ses, kind: QUIET }) { generation { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Forbidden],
    ),
    row(
        "Mutation.stopGeneration",
        "mutation($gen: ID!) { it: stopGeneration(input: { generationId: $gen }) { generation { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Forbidden],
    ),
    row(
        "Mutation.editMessage",
        "mutation($msg: ID!) { it: editMessage(input: { id: $msg, content: \"c\" }) { message { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Forbidden],
    ),
    row(
        "Mutation.deleteMessages",
        "mutation($ses: ID!, $msg: ID!) { it: deleteMessages(input: { sessionId: $ses, ids: [$msg] }) { ids userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Forbidden],
    ),
    row(
        "Mutation.setMessageHidden",
        "mutation($msg: ID!) { it: setMessageHidden(input: { id: $msg, isHidden: true }) { message { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Forbidden],
    ),
    row(
        "Mutation.selectSwipe",
        "mutation($rep: ID!) { it: selectSwipe(input: { messageId: $rep, index: 0 }) { message { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, Forbidden],
    ),
    row(
        "Mutation.createWorldBook",
        "mutation { it: createWorldBook(input: { name: \"N\" }) { worldBook { id } userErrors { code } } }",
        [Unauthenticated, Done, Done, Done, Done],
    ),
    row(
        "Mutation.updateWorldBook",
        "mutation($wld: ID!) { it: updateWorldBook(input: { id: $wld, expectedVersion: 2, name: \"N\" }) { worldBook { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, Done, Done],
    ),
    row(
        "Mutation.deleteWorldBook",
        "mutation($opn: ID!) { it: deleteWorldBook(input: { id: $opn }) { deletedId userErrors { code } } }",
        [Unauthenticated, Forbidden, Done, Done, Done],
    ),
    row(
        "Mutation.saveWorldEntry",
        "mutation($wld: ID!, $ent: ID!) { it: saveWorldEntry(input: { worldBookId: $wld, id: $ent, expectedVersion: 1, content: \"c\" }) { worldEntry { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, Done, Done],
    ),
    row(
        "Mutation.deleteWorldEntries",
        "mutation($opn: ID!, $ent: ID!) { it: deleteWorldEntries(input: { worldBookId: $opn, ids: [$ent] }) { ids userErrors { code } } }",
        [Unauthenticated, Forbidden, Done, Done, Done],
    ),
    row(
        "Mutation.importWorldBook",
        "mutation { it: importWorldBook(input: { source: { json: { entries: {} } } }) { worldBook { id } userErrors { code } } }",
        [Unauthenticated, Done, Done, Done, Done],
    ),
    row(
        "Mutation.exportWorldBook",
        "mutation($wld: ID!) { it: exportWorldBook(input: { id: $wld }) { json userErrors { code } } }",
        [Unauthenticated, NotFound, Done, Done, Done],
    ),
    row(
        "Mutation.savePreset",
        "mutation($pre: ID!) { it: savePreset(input: { id: $pre, expectedVersion: 1, name: \"N\" }) { preset { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, NotFound],
    ),
    row(
        "Mutation.deletePreset",
        "mutation($pre: ID!) { it: deletePreset(input: { id: $pre }) { deletedId userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, NotFound],
    ),
    row(
        "Mutation.importPreset",
        "mutation { it: importPreset(input: { source: { json: { temperature: 1.0, top_p: 1.0 } } }) { preset { id } userErrors { code } } }",
        [Unauthenticated, Done, Done, Done, Done],
    ),
    row(
        "Mutation.exportPreset",
        "mutation($pre: ID!) { it: exportPreset(input: { id: $pre }) { json userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, NotFound],
    ),
    row(
        "Mutation.savePersona",
        "mutation($per: ID!) { it: savePersona(input: { id: $per, expectedVersion: 1, name: \"N\" }) { persona { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, NotFound],
    ),
    row(
        "Mutation.deletePersona",
        "mutation($per: ID!) { it: deletePersona(input: { id: $per }) { deletedId userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, NotFound],
    ),
    row(
        "Query.extension",
        "{ it: extension(name: \"acme/lantern\") { id latestVersion { version } } }",
        [Done; 5],
    ),
    row("Query.extensions", "{ it: extensions { nodes { id } } }", [Done; 5]),
    row(
        "Mutation.publishExtension",
        "mutation($f: Upload!) { it: publishExtension(input: { package: $f }) { extension { id } userErrors { code } } }",
        [Unauthenticated, Refused, Refused, Refused, Refused],
    ),
    row(
        "Mutation.yankExtension",
        "mutation { it: yankExtension(input: { name: \"acme/torch\", version: \"1.0.0\", reason: \"R\" }) { version { version } userErrors { code } } }",
        [Unauthenticated, Forbidden, Done, Done, Done],
    ),
    row(
        "Mutation.stopExtension",
        "mutation { it: stopExtension(input: { name: \"acme/torch\", version: \"1.0.0\", reason: \"R\" }) { extension { id } userErrors { code } } }",
        [Unauthenticated, Forbidden, Forbidden, Done, Done],
    ),
    row(
        "Mutation.rotatePublisherKey",
        "mutation { it: rotatePublisherKey(input: { publisher: \"acme\", publicKey: \"x\", signature: \"x\" }) { publisher { name } userErrors { code } } }",
        [Unauthenticated, NotFound, Refused, Refused, Refused],
    ),
    row(
        "Mutation.revokePublisherKey",
        "mutation($key: String!) { it: revokePublisherKey(input: { publisher: \"acme\", keyId: $key }) { publisher { name } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, Done, Done],
    ),
    row(
        "Mutation.installExtension",
        "mutation { it: installExtension(input: { name: \"acme/torch\" }) { installation { id } userErrors { code } } }",
        [Unauthenticated, Done, Done, Done, Done],
    ),
    row(
        "Mutation.configureInstallation",
        "mutation($ins: ID!) { it: configureInstallation(input: { id: $ins, enabled: false }) { installation { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, NotFound],
    ),
    row(
        "Mutation.upgradeInstallation",
        "mutation($ins: ID!) { it: upgradeInstallation(input: { id: $ins }) { installation { id } userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, NotFound],
    ),
    row(
        "Mutation.rollbackInstallation",
        "mutation($ins: ID!) { it: rollbackInstallation(input: { id: $ins }) { installation { id } userErrors { code } } }",
        // There is nothing to go back to.
        [Unauthenticated, NotFound, Refused, NotFound, NotFound],
    ),
    row(
        "Mutation.uninstallExtension",
        "mutation($ins: ID!) { it: uninstallExtension(input: { id: $ins }) { deletedId userErrors { code } } }",
        [Unauthenticated, NotFound, Done, NotFound, NotFound],
    ),
    row(
        "Subscription.extensionEvents",
        "subscription($ins: ID!) { it: extensionEvents(installationId: $ins) }",
        [Unauthenticated, NotFound, Done, NotFound, NotFound],
    ),
    row(
        "Subscription.generationStream",
        "subscription($gen: ID!) { it: generationStream(generationId: $gen) { cursor } }",
        [NotFound, NotFound, Done, NotFound, Done],
    ),
    row(
        "Subscription.sessionEvents",
        "subscription($ses: ID!) { it: sessionEvents(sessionId: $ses) { cursor } }",
        [NotFound, NotFound, Done, NotFound, Done],
    ),
];

#[tokio::test]
async fn every_root_field_stands_in_the_access_table() {
    let tavern = Tavern::start().await;
    let schema = tavern.anonymous().data("{ __schema { queryType { name fields { name } } mutationType { name fields { name } } subscriptionType { name fields { name } } } }", json!({})).await;
    let mut fields = BTreeSet::new();
    for root in ["queryType", "mutationType", "subscriptionType"] {
        let root = &schema["__schema"][root];
        for field in root["fields"].as_array().expect("fields") {
            fields.insert(format!(
                "{}.{}",
                root["name"].as_str().expect("a name"),
                field["name"].as_str().expect("a name")
            ));
        }
    }
    let table: BTreeSet<_> = TABLE.iter().map(|row| row.field.to_owned()).collect();
    assert_eq!(fields, table);
}

#[tokio::test]
async fn everybody_gets_what_the_access_table_says() {
    // One of everything is made for each cell of the table.
    let tavern = Tavern::with(|config| {
        config.limits.presets_per_user = 10_000;
        config.limits.personas_per_user = 10_000;
    })
    .await;
    let owner = tavern.user("owner").await;
    publish(&owner).await;
    let mut wrong = Vec::new();
    for row in TABLE {
        for (column, who) in ["anonymous", "stranger", "owner", "moderator", "admin"]
            .into_iter()
            .enumerate()
        {
            let name = format!("{who}{}", wrong.len());
            let caller = match who {
                "anonymous" => tavern.anonymous(),
                "owner" if row.field == "Mutation.logout" => tavern.user("leaving-owner").await,
                "owner" => owner.clone(),
                "stranger" => callers(&tavern, row, &name, Role::User).await,
                "moderator" => callers(&tavern, row, &name, Role::Moderator).await,
                _ => callers(&tavern, row, &name, Role::Admin).await,
            };
            let things = things(&owner).await;
            let seen = if row.field.starts_with("Subscription") {
                subscribe(&caller, row, &things, &owner).await
            } else if row.operation.contains("$f: Upload!") {
                outcome(&caller.upload(row.operation, "noise", b"noise".to_vec()).await)
            } else {
                outcome(&caller.run(row.operation, things).await)
            };
            if seen != row.then[column] {
                wrong.push(format!(
                    "{} as {who}: {seen:?} instead of {:?}",
                    row.field, row.then[column]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Somebody with a role; new for each row, since some rows end the login.
async fn callers(tavern: &Tavern, row: &Row, name: &str, role: Role) -> Client {
    let field = row.field.split('.').next_back().expect("a field").to_lowercase();
    let name: String = format!("{}{field}", &name[..3]).chars().take(30).collect();
    if role == Role::User {
        tavern.user(&name).await
    } else {
        tavern.staff(&name, role).await
    }
}

/// Two extensions of the owner's, of two versions each, and keys to be revoked.
async fn publish(owner: &Client) {
    let (author, spares) = (Author::new(), [Author::new(), Author::new(), Author::new()]);
    let query = "mutation($f: Upload!, $k: String) { publishExtension(input: { package: $f, publicKey: $k }) { userErrors { message field code } } }";
    for (id, version) in [
        ("acme/lantern", "1.0.0"),
        ("acme/torch", "1.0.0"),
        ("acme/torch", "1.1.0"),
    ] {
        let package = author.package(&Draft {
            id,
            version,
            ..Draft::default()
        });
        let key = json!({ "k": author.public_key() });
        let answer = owner.upload_with(query, key, "extension.tavext", package).await;
        assert_eq!(user_errors(&answer["data"]["publishExtension"]), [""; 0], "{answer:#}");
    }
    for spare in spares {
        let key = spare.public_key();
        let input = json!({ "publisher": "acme", "publicKey": key, "signature": author.sign(format!("acme {key}").as_bytes(), "") });
        let answer = owner
            .data(
                "mutation($i: RotatePublisherKeyInput!) { rotatePublisherKey(input: $i) { userErrors { message field code } } }",
                json!({ "i": input }),
            )
            .await;
        assert_eq!(user_errors(&answer["rotatePublisherKey"]), [""; 0], "{answer:#}");
    }
}

/// The owner's installation, and a key that nothing hangs on.
async fn installed(owner: &Client) -> (Value, Value) {
    owner
        .data(
            "mutation { installExtension(input: { name: \"acme/lantern\" }) { userErrors { code } } }",
            json!({}),
        )
        .await;
    let mut found = owner
        .data(
            "{ extension(name: \"acme/lantern\") { viewerInstallation { id } publisherKeys { keyId revokedAt } } }",
            json!({}),
        )
        .await["extension"]
        .take();
    let keys = found["publisherKeys"].as_array().expect("keys");
    let spare = keys[1..].iter().find(|key| key["revokedAt"].is_null());
    let spare = spare.map_or(Value::Null, |key| key["keyId"].clone());
    (found["viewerInstallation"]["id"].take(), spare)
}

/// One of everything, the owner's.
async fn things(owner: &Client) -> Value {
    let private = owner.character("Private", json!({})).await;
    let public = owner.character("Public", json!({ "visibility": "PUBLIC" })).await;
    let (book, open) = (
        owner.world_book("Private", json!({})).await,
        owner.world_book("Public", json!({ "isPublic": true })).await,
    );
    let made = owner
        .data(
            "mutation($b: ID!) { entry: saveWorldEntry(input: { worldBookId: $b, content: \"c\" }) { worldEntry { id } } \
             preset: savePreset(input: { name: \"P\" }) { preset { id } } persona: savePersona(input: { name: \"P\" }) { persona { id } } }",
            json!({ "b": book }),
        )
        .await;
    let session = owner.chat_with(&private).await;
    let (message, generation) = owner
        .send(
            &session,
            "Hello?",
            json!({ "extra": { "demo": { "words": 3, "delayMs": 0 } } }),
        )
        .await;
    let ended = owner.ended(&generation).await;
    let (installation, key) = installed(owner).await;
    json!({
        "ins": installation, "key": key,
        "chr": private, "pub": public, "ses": session, "msg": message, "gen": generation, "rep": text(&ended["message"]["id"], &ended),
        "wld": book, "opn": open, "ent": made["entry"]["worldEntry"]["id"], "pre": made["preset"]["preset"]["id"], "per": made["persona"]["persona"]["id"]
    })
}

fn outcome(answer: &Value) -> Then {
    if let Some(error) = answer["errors"].get(0) {
        return match error["extensions"]["code"].as_str() {
            Some("UNAUTHENTICATED") => Unauthenticated,
            Some("FORBIDDEN") => Forbidden,
            Some("NOT_FOUND") => NotFound,
            _ => panic!("{answer:#}"),
        };
    }
    match &answer["data"]["it"] {
        Value::Null => Null,
        it if it["userErrors"].as_array().is_some_and(|errors| !errors.is_empty()) => Refused,
        _ => Done,
    }
}

async fn subscribe(caller: &Client, row: &Row, things: &Value, owner: &Client) -> Then {
    let mut socket = caller.socket().await;
    socket.subscribe(row.operation, things.clone()).await;
    let mut answer = loop {
        tokio::select! {
            answer = socket.read() => break answer.expect("an answer"),
            // An idle session says nothing by itself; whoever may not listen is told so all the same.
            () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {
                owner.run("mutation($msg: ID!) { setMessageHidden(input: { id: $msg, isHidden: true }) { message { id } } }", things.clone()).await;
            }
        }
    };
    let payload = answer["payload"].take();
    if payload.is_array() {
        outcome(&json!({ "errors": payload }))
    } else {
        outcome(&payload)
    }
}
