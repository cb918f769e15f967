//! Extensions: published, installed, watched.
//!
//! Capabilities and hooks are text, spelled as in `extension.toml`: a newer server may know more of them.

use async_graphql::{Enum, ID, InputObject, Json, MaybeUndefined, SimpleObject, Upload};
use serde_json::Value;
use tavern_domain::extension as domain;
use tavern_domain::{Error, Result};

use crate::scalar::DateTime;

/// All but NAME are descending.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::ExtensionOrder")]
pub enum ExtensionOrder {
    /// By number of installations.
    Popular,
    /// By when it was first published.
    New,
    /// By when its newest version was published.
    Updated,
    Name,
}

#[derive(InputObject, Default)]
pub struct ExtensionFilter {
    /// Words to be found in name, title, summary or keywords.
    pub query: Option<String>,
    /// What the name begins with, before the slash.
    pub publisher: Option<String>,
    /// It has this hook: `before-prompt`, `tool`, …
    pub hook: Option<String>,
}

impl ExtensionFilter {
    /// # Errors
    /// BAD_USER_INPUT on `filter.hook` for what is no hook.
    pub fn parse(self) -> Result<domain::ExtensionFilter> {
        let hook = self.hook.map(|hook| {
            hook.parse().map_err(|()| {
                let known = domain::Hook::ALL.map(domain::Hook::as_str).join(", ");
                Error::bad_input("filter.hook", format!("This is no hook. The hooks are {known}."))
            })
        });
        Ok(domain::ExtensionFilter {
            query: self.query.filter(|query| !query.trim().is_empty()),
            publisher: self.publisher,
            hook: hook.transpose()?,
        })
    }
}

/// The plain fields of `Extension`.
#[derive(SimpleObject, Debug, Clone)]
pub struct ExtensionFields {
    /// `publisher/name`; never changes.
    pub name: String,
    /// What the name begins with.
    pub publisher: String,
    pub title: String,
    pub summary: String,
    /// Accounts that have it.
    pub installation_count: i32,
    /// Why an operator has stopped all versions; null if nobody has.
    pub stopped_reason: Option<String>,
    pub created_at: DateTime,
    /// When its newest version was published.
    pub updated_at: DateTime,
}

impl From<domain::Extension> for ExtensionFields {
    fn from(extension: domain::Extension) -> Self {
        let publisher = extension.name.split('/').next().unwrap_or_default().to_owned();
        Self {
            publisher,
            name: extension.name,
            title: extension.title,
            summary: extension.summary,
            installation_count: extension.installs,
            stopped_reason: extension.killed,
            created_at: extension.created_at.into(),
            updated_at: extension.updated_at.into(),
        }
    }
}

/// What an extension asks for, or waits for.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq)]
pub struct ExtensionPermission {
    /// `persona`, `prompt.insert`, `history:20`, `kv:chat`, `http:api.example.org`, …
    pub capability: String,
    /// Its author's.
    pub reason: String,
}

/// A version: immutable but for its being yanked or stopped.
#[derive(SimpleObject, Debug, Clone)]
pub struct ExtensionVersion {
    pub id: ID,
    pub version: String,
    /// `extension.toml`.
    pub manifest: Json<Value>,
    /// JSON schema of the configuration; null if there is nothing to configure.
    pub config_schema: Option<Json<Value>>,
    /// Markdown.
    pub readme: String,
    pub permissions: Vec<ExtensionPermission>,
    pub hooks: Vec<String>,
    /// What was checked when it was published.
    pub report: CheckReport,
    /// It is not installed any more; who has it keeps it.
    pub yanked: bool,
    pub yank_reason: Option<String>,
    /// Why an operator has stopped it; null if nobody has.
    pub stopped_reason: Option<String>,
    pub package_bytes: i32,
    /// In lower-case hexadecimal.
    pub package_sha256: String,
    /// In lower-case hexadecimal.
    pub component_sha256: String,
    /// The publisher's key that signed it: 16 hexadecimal digits.
    pub key_id: String,
    /// This server's ed25519 signature over name, version and hash, in base64.
    pub countersignature: String,
    pub published_at: DateTime,
}

impl From<domain::ExtensionVersion> for ExtensionVersion {
    fn from(version: domain::ExtensionVersion) -> Self {
        Self {
            id: version.id.to_string().into(),
            version: version.version,
            permissions: permissions(&version.manifest),
            hooks: hooks(&version.manifest),
            manifest: Json(version.manifest),
            config_schema: version.config_schema.map(Json),
            readme: version.readme,
            report: report(&version.report),
            yanked: version.yanked.is_some(),
            yank_reason: version.yanked,
            stopped_reason: version.killed,
            package_bytes: version.package_bytes.try_into().unwrap_or(i32::MAX),
            package_sha256: version.package_sha256,
            component_sha256: version.component_sha256,
            key_id: version.key_id,
            countersignature: version.countersignature,
            published_at: version.created_at.into(),
        }
    }
}

/// What a manifest asks for, with its reasons.
#[must_use]
pub fn permissions(manifest: &Value) -> Vec<ExtensionPermission> {
    let asked = manifest["permissions"].as_object().into_iter().flatten();
    asked
        .map(|(capability, reason)| ExtensionPermission {
            capability: capability.clone(),
            reason: reason.as_str().unwrap_or_default().to_owned(),
        })
        .collect()
}

/// Where a manifest has itself called.
#[must_use]
pub fn hooks(manifest: &Value) -> Vec<String> {
    let hooks = manifest["hooks"].as_object().into_iter().flatten();
    hooks.map(|(hook, _)| hook.clone()).collect()
}

/// What a manifest wants to be found by.
#[must_use]
pub fn keywords(manifest: &Value) -> Vec<String> {
    let keywords = manifest["extension"]["keywords"].as_array().into_iter().flatten();
    keywords.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What was found at one place of a package.
#[derive(SimpleObject, Debug, Clone)]
pub struct ExtensionCheck {
    /// `package.names`, `signature`, `component.imports`, …
    pub name: String,
    pub passed: bool,
    /// For the author.
    pub message: String,
}

/// Every check of a package, in order. Where one fails, those after it may not have been made.
#[derive(SimpleObject, Debug, Clone)]
pub struct CheckReport {
    pub passed: bool,
    pub checks: Vec<ExtensionCheck>,
    /// What is legal and should be looked at.
    pub warnings: Vec<String>,
}

/// A report as it is stored.
#[must_use]
pub fn report(stored: &Value) -> CheckReport {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| stored[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let checks: Vec<_> = list("checks")
        .iter()
        .map(|check| ExtensionCheck {
            name: text(&check["name"]),
            passed: check["passed"].as_bool().unwrap_or_default(),
            message: text(&check["message"]),
        })
        .collect();
    CheckReport {
        passed: checks.iter().all(|check| check.passed),
        checks,
        warnings: list("warnings").iter().map(text).collect(),
    }
}

/// A key a publisher signs packages with.
#[derive(SimpleObject, Debug, Clone)]
pub struct PublisherKey {
    /// 16 hexadecimal digits.
    pub key_id: String,
    /// The base64 line of a minisign public key.
    pub public_key: String,
    pub created_at: DateTime,
    /// Nothing new is taken with it since; null for a key that holds.
    pub revoked_at: Option<DateTime>,
}

/// A name under which an account publishes; claimed by its first publication.
#[derive(SimpleObject, Debug, Clone)]
pub struct Publisher {
    pub name: String,
    /// The oldest first.
    pub keys: Vec<PublisherKey>,
}

impl From<domain::Publisher> for Publisher {
    fn from(publisher: domain::Publisher) -> Self {
        let key = |key: domain::PublisherKey| PublisherKey {
            key_id: key.id,
            public_key: key.public_key,
            created_at: key.created_at.into(),
            revoked_at: key.revoked_at.map(Into::into),
        };
        Self {
            name: publisher.name,
            keys: publisher.keys.into_iter().map(key).collect(),
        }
    }
}

/// A secret that an extension may have put into requests. Nobody can read it back.
#[derive(SimpleObject, Debug, Clone)]
pub struct InstallationSecret {
    pub name: String,
    pub is_set: bool,
}

/// A version that a rollback can go to.
#[derive(SimpleObject, Debug, Clone)]
pub struct PreviousVersion {
    pub version: String,
    /// What was granted then, and is again after a rollback.
    pub grants: Vec<String>,
    /// Restored, too.
    pub config: Json<Value>,
}

impl From<domain::PreviousVersion> for PreviousVersion {
    fn from(previous: domain::PreviousVersion) -> Self {
        Self {
            version: previous.version,
            grants: previous.grants.iter().map(ToString::to_string).collect(),
            config: Json(previous.config),
        }
    }
}

/// The plain fields of `Installation`.
#[derive(SimpleObject, Debug, Clone)]
pub struct InstallationFields {
    /// `publisher/name`.
    pub name: String,
    pub version: String,
    /// Which versions an upgrade may choose.
    pub version_req: String,
    /// What it may, of what its manifest asks for.
    pub grants: Vec<String>,
    /// Without secrets.
    pub config: Json<Value>,
    pub enabled: bool,
    /// In place of the manifest's; -1000 to 1000, higher is called first.
    pub priority: Option<i32>,
    /// Before this one, the newest first, at most 3.
    pub previous_versions: Vec<PreviousVersion>,
    /// Why it was stopped for its failures; null if it was not.
    pub disabled_reason: Option<String>,
    /// Grows by one with each change; a change may name the revision it was made from.
    pub revision: i32,
    pub created_at: DateTime,
    pub updated_at: DateTime,
}

impl From<domain::Installation> for InstallationFields {
    fn from(installation: domain::Installation) -> Self {
        Self {
            name: installation.name,
            version: installation.version,
            version_req: installation.version_req,
            grants: installation.grants.iter().map(ToString::to_string).collect(),
            config: Json(installation.config),
            enabled: installation.enabled,
            priority: installation.priority,
            previous_versions: installation.previous.into_iter().map(Into::into).collect(),
            disabled_reason: installation.disabled_reason,
            revision: installation.revision,
            created_at: installation.created_at.into(),
            updated_at: installation.updated_at.into(),
        }
    }
}

/// Something that happened to an installation.
#[derive(SimpleObject, Debug, Clone)]
pub struct ExtensionLog {
    pub at: DateTime,
    /// As `extensionEvents` tells it.
    pub event: Json<Value>,
}

impl From<domain::ExtensionLog> for ExtensionLog {
    fn from(log: domain::ExtensionLog) -> Self {
        Self {
            event: event(&log.event),
            at: log.at.into(),
        }
    }
}

/// An event as it is told.
#[must_use]
pub fn event(event: &domain::ExtensionEvent) -> Json<Value> {
    Json(serde_json::to_value(event).expect("an event is of text, numbers and JSON"))
}

#[derive(InputObject)]
pub struct PublishExtensionInput {
    /// A `.tavext`, by the GraphQL multipart request specification.
    pub package: Upload,
    /// The base64 line of the minisign public key that it is signed with; needed the first time a publisher publishes.
    pub public_key: Option<String>,
}

#[derive(InputObject)]
pub struct YankExtensionInput {
    /// `publisher/name`.
    pub name: String,
    pub version: String,
    /// For those who have it installed.
    pub reason: String,
}

#[derive(InputObject)]
pub struct RotatePublisherKeyInput {
    pub publisher: String,
    /// The base64 line of the new key.
    pub public_key: String,
    /// The text of a minisign signature with a key that holds, over the publisher's name, a space, and the new
    /// key's line, with nothing behind it.
    pub signature: String,
}

#[derive(InputObject)]
pub struct RevokePublisherKeyInput {
    pub publisher: String,
    /// 16 hexadecimal digits.
    pub key_id: String,
}

#[derive(InputObject)]
pub struct StopExtensionInput {
    /// `publisher/name`.
    pub name: String,
    /// All versions if not given.
    pub version: Option<String>,
    /// For those who have it installed; null lets it run again.
    pub reason: Option<String>,
}

#[derive(InputObject)]
pub struct SecretInput {
    pub name: String,
    /// Null takes it away.
    pub value: Option<String>,
}

#[derive(InputObject)]
pub struct InstallExtensionInput {
    /// `publisher/name`.
    pub name: String,
    /// Versions that may be installed, now and by upgrades: `^1.2`, `=1.2.3`. Any stable one if not given.
    pub version_req: Option<String>,
    /// What it may, of what its manifest asks for: consent is given here, so nothing is granted that is not named.
    #[graphql(default)]
    pub grants: Vec<String>,
    /// Checked against the version's `configSchema`.
    pub config: Option<Json<Value>>,
    #[graphql(default)]
    pub secrets: Vec<SecretInput>,
}

/// What is not given stays.
#[derive(InputObject)]
pub struct ConfigureInstallationInput {
    pub id: ID,
    /// The revision the change was made from: a lost update is refused. If not given, the change is made anyway.
    pub expected_revision: Option<i32>,
    pub version_req: Option<String>,
    /// Replaces all former grants.
    pub grants: Option<Vec<String>>,
    /// Replaces the whole configuration, secrets apart.
    pub config: Option<Json<Value>>,
    /// Those named are set or taken away.
    pub secrets: Option<Vec<SecretInput>>,
    /// True, too, starts what was stopped for its failures.
    pub enabled: Option<bool>,
    /// Null is the manifest's.
    pub priority: MaybeUndefined<i32>,
}

#[derive(InputObject)]
pub struct UpgradeInstallationInput {
    pub id: ID,
    /// The revision that was seen; with another one nothing happens.
    pub expected_revision: Option<i32>,
    /// If not given, the newest within `versionReq`; with `consent`, the one that waits.
    pub version: Option<String>,
    /// It may have all that the new version asks for beyond the old one. Without it, such a version waits. It
    /// counts for a version that was seen: the one named here, or the one that waits.
    #[graphql(default)]
    pub consent: bool,
    /// In place of the configuration, for a version with another schema.
    pub config: Option<Json<Value>>,
}

#[derive(InputObject)]
pub struct RollbackInstallationInput {
    pub id: ID,
    /// The revision that was seen; with another one nothing happens.
    pub expected_revision: Option<i32>,
}

#[derive(InputObject)]
pub struct UninstallExtensionInput {
    /// The installation's.
    pub id: ID,
}
