//! Extensions as people publish and install them.

use serde_json::{Value, json};
use tavern::config::Config;

use super::{Author, Client, Draft, Tavern, user_errors};

pub const PUBLISH: &str = "mutation($f: Upload!, $k: String) { publishExtension(input: { package: $f, publicKey: $k }) { extension { id name title } version { version yanked packageSha256 countersignature } report { passed checks { name passed message } warnings } userErrors { message field code } } }";
pub const INSTALL: &str = "mutation($i: InstallExtensionInput!) { installExtension(input: $i) { installation { ...I } userErrors { message field code } } } ";
pub const CONFIGURE: &str = "mutation($i: ConfigureInstallationInput!) { configureInstallation(input: $i) { installation { ...I } userErrors { message field code } } } ";
pub const UPGRADE: &str = "mutation($i: UpgradeInstallationInput!) { upgradeInstallation(input: $i) { installation { ...I } userErrors { message field code } } } ";
pub const ROLLBACK: &str = "mutation($i: RollbackInstallationInput!) { rollbackInstallation(input: $i) { installation { ...I } userErrors { message field code } } } ";
pub const FIELDS: &str = "fragment I on Installation { id name version versionReq grants config secrets { name isSet } enabled priority pendingVersion { version } pendingPermissions { capability reason } previousVersions { version } disabledReason revision }";

/// What is told of a call of an extension.
pub const TRACE: &str =
    "fragment T on PluginTrace { extension version hook outcome edits notes fuel micros memory hostCalls log }";

/// Publishes a draft; the payload.
pub async fn publish(client: &Client, author: &Author, draft: &Draft) -> Value {
    publish_bytes(client, Some(author), author.package(draft)).await
}

pub async fn publish_bytes(client: &Client, key: Option<&Author>, package: Vec<u8>) -> Value {
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

/// Runs a mutation on installations; its payload.
pub async fn run(client: &Client, mutation: &str, input: Value) -> Value {
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
pub async fn installed(client: &Client) -> Value {
    done(
        client,
        INSTALL,
        json!({ "name": "acme/lantern", "grants": ["prompt.insert"] }),
    )
    .await
}

/// A server with the lantern on it, and who made it.
pub async fn with_lantern() -> (Tavern, Client, Author) {
    with_lantern_on(|_| {}).await
}

pub async fn with_lantern_on(change: impl FnOnce(&mut Config)) -> (Tavern, Client, Author) {
    let tavern = Tavern::with(change).await;
    let maker = tavern.user("maker").await;
    let author = Author::new();
    published(&maker, &author, &Draft::default()).await;
    (tavern, maker, author)
}

/// Whether a prompt has a message with these words.
pub fn says(prompt: &Value, what: &str) -> bool {
    let messages = prompt["messages"].as_array().expect("messages");
    messages.iter().any(|message| {
        message["content"]
            .as_str()
            .is_some_and(|content| content.contains(what))
    })
}
