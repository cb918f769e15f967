//! Installing, configuring and taking away. What is granted is part of what the manifest asks for, what
//! is configured fits the schema and the extension's own judgement, and secrets are sealed apart.

use std::collections::BTreeSet;
use std::sync::Arc;

use semver::{Version, VersionReq};
use serde_json::Value;
use tavern_domain::extension::{Capability, Hook, Installation, Outcome};
use tavern_domain::{Actor, Code, Error, ExtensionVersionId, InstallationId, Permission, Problems, Result};
use tavern_plugins::Failure;
use tavern_plugins::chain::{Chain, Member};
use tavern_plugins::checks::schema;
use tavern_plugins::manifest::API_VERSION;
use tavern_plugins::ports::Secret;
use tavern_storage::{InstallOutcome, SealedSecret, SecretChange, VersionHead};

use super::Extensions;
use super::chain::Loaded;
use crate::Shared;

/// Bytes of a range of versions.
const RANGE_BYTES: usize = 100;
/// The highest priority, and with a minus the lowest.
const MOST_URGENT: i32 = 1_000;

/// An extension as somebody wants it installed.
#[derive(Debug, Clone, Default)]
pub struct NewInstallation {
    /// `publisher/name`.
    pub name: String,
    /// Which versions it may be, now and after upgrades; any by default.
    pub version_req: Option<String>,
    /// Capabilities as text.
    pub grants: Vec<String>,
    /// An object; empty by default.
    pub config: Option<Value>,
    pub secrets: Vec<SecretPatch>,
}

/// A change of an installation; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct InstallationPatch {
    /// The revision it was made from; whatever is stored if that does not matter.
    pub expected_revision: Option<i32>,
    pub version_req: Option<String>,
    /// Replaces the former ones.
    pub grants: Option<Vec<String>>,
    /// Replaces the former one. Secrets that are not in it stay as they are.
    pub config: Option<Value>,
    pub secrets: Vec<SecretPatch>,
    pub enabled: Option<bool>,
    /// `Some(None)` is the manifest's.
    pub priority: Option<Option<i32>>,
}

/// Sets a secret, or clears it.
#[derive(Clone)]
pub struct SecretPatch {
    pub name: String,
    pub value: Option<String>,
}

impl std::fmt::Debug for SecretPatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretPatch")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The secrets that an installation of a version can have, in order.
pub(super) fn secrets_of(loaded: &Loaded) -> BTreeSet<String> {
    let declared = loaded.manifest.secrets.iter().map(|secret| secret.name.clone());
    let marked = loaded.config_schema.iter().flat_map(schema::secret_names);
    declared.chain(marked.map(str::to_owned)).collect()
}

/// A configuration without its secrets, and they.
pub(super) struct Configuration {
    pub rest: Value,
    pub secrets: Vec<(String, Option<Secret>)>,
}

impl Extensions {
    /// Installs the newest version that may be installed.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND; BAD_USER_INPUT on `versionReq`, `grants.N`, `config.…` and `secrets.N`
    /// for all that is wrong; CONFLICT on `name` if it is installed; QUOTA_EXCEEDED; UNAVAILABLE if the
    /// extension is to be asked about its configuration, and cannot be now.
    pub async fn install(&self, actor: &Actor, new: NewInstallation) -> Result<Installation> {
        actor.require(Permission::ChatUse)?;
        let owner = actor.require_user()?.user;
        let extension = self.named(&new.name).await?;
        let Shared { store, clock, .. } = &*self.0.shared;
        let mut problems = Problems::new();
        let version_req = new.version_req.unwrap_or_else(|| "*".into());
        let range = range(&mut problems, &version_req);
        if extension.killed.is_some() {
            problems.add("name", "This extension was stopped by an operator.");
        }
        let Some(range) = range else {
            return Err(refused(problems));
        };
        let heads = store.extensions.version_heads(extension.id).await?;
        let Some((version_id, _)) = newest(&heads, &range) else {
            problems.add("versionReq", "There is no version of it that can be installed.");
            return Err(refused(problems));
        };
        let loaded = self.loaded(&extension.name, version_id).await?;
        let grants = grants(&mut problems, &loaded, &new.grants, self.list_limit());
        let config = new.config.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let mut configuration = configuration(&mut problems, &loaded, &config);
        self.secrets_into(&mut problems, &loaded, new.secrets, &mut configuration.secrets);
        problems.finish()?;
        let now = clock.now();
        let installation = Installation {
            id: InstallationId::new(),
            owner,
            extension: extension.id,
            name: extension.name,
            version_id,
            version: loaded.version.clone(),
            version_req,
            grants,
            config: configuration.rest,
            enabled: true,
            priority: None,
            pending: None,
            previous: Vec::new(),
            disabled_reason: None,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        self.fits("name", &loaded, &installation).await?;
        self.judge(&loaded, &installation).await?;
        let secrets = self.sealed(installation.id, configuration.secrets)?;
        let secrets: Vec<SealedSecret> = secrets
            .into_iter()
            .filter_map(|change| match change {
                SecretChange::Set(sealed) => Some(sealed),
                SecretChange::Clear(_) => None,
            })
            .collect();
        let most = u32::try_from(self.limits().installations).unwrap_or(u32::MAX);
        match store.extensions.install(&installation, &secrets, most).await? {
            InstallOutcome::Installed => {
                self.0
                    .events
                    .changed(installation.id, "installed", &installation.version);
                // It is installed, whatever becomes of this.
                self.ready(&loaded).await;
                Ok(installation)
            }
            InstallOutcome::Exists => Err(Error::conflict("name", "This extension is installed already.")),
            InstallOutcome::Full => Err(Error::of_field(
                Code::QuotaExceeded,
                "",
                format!("An account has at most {most} extensions installed."),
            )),
        }
    }

    /// Changes an installation. Switching it on forgets why it was stopped.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what is not the caller's; BAD_USER_INPUT for every field that is
    /// wrong; CONFLICT on `expectedRevision` if it has changed since.
    pub async fn configure(&self, actor: &Actor, id: InstallationId, patch: InstallationPatch) -> Result<Installation> {
        actor.require(Permission::ChatUse)?;
        let stored = self.required(actor, id).await?;
        expect(&stored, patch.expected_revision)?;
        let loaded = self.loaded(&stored.name, stored.version_id).await?;
        let mut changed = stored.clone();
        let mut problems = Problems::new();
        let judges = patch.config.is_some() || patch.grants.is_some();
        if let Some(version_req) = patch.version_req {
            range(&mut problems, &version_req);
            changed.version_req = version_req;
        }
        if let Some(new) = patch.grants {
            changed.grants = grants(&mut problems, &loaded, &new, self.list_limit());
        }
        let mut secrets = Vec::new();
        if let Some(config) = patch.config {
            let configuration = configuration(&mut problems, &loaded, &config);
            changed.config = configuration.rest;
            secrets = configuration.secrets;
        }
        self.secrets_into(&mut problems, &loaded, patch.secrets, &mut secrets);
        if let Some(priority) = patch.priority {
            if priority.is_some_and(|priority| !(-MOST_URGENT..=MOST_URGENT).contains(&priority)) {
                problems.add(
                    "priority",
                    format!("A priority is between -{MOST_URGENT} and {MOST_URGENT}."),
                );
            }
            changed.priority = priority;
        }
        if let Some(enabled) = patch.enabled {
            changed.enabled = enabled;
            changed.disabled_reason = None;
        }
        problems.finish()?;
        if judges {
            self.judge(&loaded, &changed).await?;
        }
        let secrets = self.sealed(id, secrets)?;
        self.step(&mut changed);
        let extensions = &self.0.shared.store.extensions;
        if extensions
            .change_installation(&changed, stored.revision, &secrets)
            .await?
        {
            self.0.events.changed(id, "configured", &changed.version);
            if patch.enabled == Some(true) {
                self.0.host.forgive(id);
                self.ready(&loaded).await;
            }
            Ok(changed)
        } else {
            Err(outdated())
        }
    }

    /// Takes an installation away, with its values, secrets and logs.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what is not the caller's.
    pub async fn uninstall(&self, actor: &Actor, id: InstallationId) -> Result<()> {
        actor.require(Permission::ChatUse)?;
        let installation = self.required(actor, id).await?;
        if !self.0.shared.store.extensions.uninstall(id).await? {
            return Err(Error::not_found("installation"));
        }
        self.0.events.changed(id, super::events::REMOVED, &installation.version);
        Ok(())
    }

    /// The next revision.
    pub(super) fn step(&self, changed: &mut Installation) {
        changed.revision = changed.revision.saturating_add(1);
        changed.updated_at = self.0.shared.clock.now();
    }

    /// Asks the extension itself what it thinks of a configuration.
    pub(super) async fn judge(&self, loaded: &Arc<Loaded>, installation: &Installation) -> Result<()> {
        if loaded.manifest.hooks.contains_key(&Hook::Lifecycle) {
            self.ready(loaded).await;
        }
        let member = Arc::new(loaded.member(installation, self.0.host.settings()));
        let judged = self.0.host.validate_config(&member, &installation.config).await;
        judged.map_err(|failed| match failed.outcome {
            Outcome::GuestError | Outcome::InvalidConfig => {
                Error::bad_input("config", format!("The extension does not take this: {failed}"))
            }
            Outcome::PoolBusy | Outcome::HostError => not_now(failed),
            _ => Error::of_field(
                Code::PluginError,
                "config",
                format!("The extension cannot say whether it takes this: {failed}"),
            ),
        })
    }

    /// Whether it can have its place among the others of the account.
    pub(super) async fn fits(&self, field: &str, loaded: &Loaded, installation: &Installation) -> Result<()> {
        let chain = self.chain(installation.owner).await?;
        let others = chain.members().iter().map(|member| Member::clone(member));
        let mut members: Vec<_> = others.filter(|member| member.installation != installation.id).collect();
        members.push(loaded.member(installation, self.0.host.settings()));
        let chain = Chain::new(members);
        let mut conflicts = chain.conflicts().iter();
        match conflicts.find(|conflict| conflict.names.contains(&installation.name)) {
            None => Ok(()),
            Some(conflict) => Err(Error::conflict(
                field,
                format!(
                    "At {} each of these wants to come before the other: {}.",
                    conflict.hook,
                    conflict.names.join(", ")
                ),
            )),
        }
    }

    /// Adds what is said of secrets by name.
    fn secrets_into(
        &self,
        problems: &mut Problems,
        loaded: &Loaded,
        patches: Vec<SecretPatch>,
        secrets: &mut Vec<(String, Option<Secret>)>,
    ) {
        let known = secrets_of(loaded);
        if patches.len() > self.list_limit() {
            problems.add("secrets", format!("At most {} at once.", self.list_limit()));
            return;
        }
        for (index, patch) in patches.into_iter().enumerate() {
            let field = format!("secrets.{index}");
            if !known.contains(&patch.name) {
                let shown: String = patch.name.chars().take(60).collect();
                problems.add(&field, format!("The extension has no secret {shown:?}."));
            } else if secrets.iter().any(|(name, _)| *name == patch.name) {
                problems.add(&field, format!("The secret `{}` is given twice.", patch.name));
            } else {
                secrets.push((patch.name, patch.value.map(Secret)));
            }
        }
        self.check_secrets(problems, secrets);
    }

    /// Secrets stand in headers, and so are short and of one line.
    pub(super) fn check_secrets(&self, problems: &mut Problems, secrets: &[(String, Option<Secret>)]) {
        let most = self.0.shared.limits.extension_secret_bytes;
        for (name, secret) in secrets {
            let Some(Secret(text)) = secret else { continue };
            if text.is_empty() || text.len() > most || text.chars().any(char::is_control) {
                problems.add(
                    "secrets",
                    format!("The secret `{name}` has 1 to {most} bytes, and no control characters."),
                );
            }
        }
    }

    pub(super) fn sealed(
        &self,
        installation: InstallationId,
        secrets: Vec<(String, Option<Secret>)>,
    ) -> Result<Vec<SecretChange>> {
        let change = |(name, secret): (String, Option<Secret>)| {
            Ok(match secret {
                Some(secret) => SecretChange::Set(self.0.vault.seal(installation, &name, &secret)?),
                None => SecretChange::Clear(name),
            })
        };
        secrets.into_iter().map(change).collect()
    }

    fn list_limit(&self) -> usize {
        self.0.shared.limits.max_page_size as usize
    }
}

/// An extension could not be called, by no fault of its own.
#[track_caller]
pub(super) fn not_now(failed: Failure) -> Error {
    Error::new(
        Code::Unavailable,
        "The extension cannot be asked at the moment. Try again later.",
    )
    .with_source(failed)
}

/// All problems; there is at least one.
fn refused(problems: Problems) -> Error {
    problems
        .finish()
        .err()
        .unwrap_or_else(|| Error::internal("something was refused without a reason"))
}

/// The range of versions that a text means.
pub(super) fn range(problems: &mut Problems, text: &str) -> Option<VersionReq> {
    let range = (text.len() <= RANGE_BYTES)
        .then(|| VersionReq::parse(text).ok())
        .flatten();
    if range.is_none() {
        problems.add(
            "versionReq",
            format!("This is not a range of versions such as `^1.2`, in at most {RANGE_BYTES} bytes."),
        );
    }
    range
}

/// The newest version within the range that may be installed here.
pub(super) fn newest(heads: &[VersionHead], range: &VersionReq) -> Option<(ExtensionVersionId, Version)> {
    heads
        .iter()
        .filter(|head| is_installable(head))
        .filter_map(|head| Some((head.id, Version::parse(&head.version).ok()?)))
        .filter(|(_, version)| range.matches(version))
        .max_by(|one, other| one.1.cmp(&other.1))
}

/// Whether nobody has taken it back, and it works with the interfaces of this server.
pub(super) fn is_installable(head: &VersionHead) -> bool {
    head.usable && VersionReq::parse(&head.api).is_ok_and(|api| api.matches(&API_VERSION))
}

/// Capabilities out of text, each part of what the manifest asks for.
fn grants(problems: &mut Problems, loaded: &Loaded, texts: &[String], most: usize) -> Vec<Capability> {
    if texts.len() > most {
        problems.add("grants", format!("At most {most} grants, not {}.", texts.len()));
        return Vec::new();
    }
    let asked = loaded.manifest.capabilities();
    let mut granted = BTreeSet::new();
    for (index, text) in texts.iter().enumerate() {
        let field = format!("grants.{index}");
        match text.parse::<Capability>() {
            Err(message) => problems.add(&field, message),
            Ok(grant) if asked.iter().any(|asked| asked.covers(&grant)) => {
                granted.insert(grant);
            }
            Ok(_) => {
                let shown: String = text.chars().take(100).collect();
                problems.add(&field, format!("The extension does not ask for `{shown}`."));
            }
        }
    }
    granted.into_iter().collect()
}

/// Checks a configuration against the schema, and takes its secrets out.
pub(super) fn configuration(problems: &mut Problems, loaded: &Loaded, config: &Value) -> Configuration {
    let none = Configuration {
        rest: Value::Object(serde_json::Map::new()),
        secrets: Vec::new(),
    };
    let Some(fields) = config.as_object() else {
        problems.add("config", "A configuration is a JSON object.");
        return none;
    };
    let Some(schema) = &loaded.config_schema else {
        if !fields.is_empty() {
            problems.add("config", "The extension has nothing to configure.");
        }
        return none;
    };
    for (place, message) in schema::check_config(schema, config) {
        problems.add(&format!("config{}", place.replace('/', ".")), message);
    }
    let (rest, secrets) = schema::split_secrets(schema, config);
    let secrets = secrets.into_iter().map(|(name, secret)| (name, Some(Secret(secret))));
    Configuration {
        rest,
        secrets: secrets.collect(),
    }
}

/// Holds a change against the revision it was made from.
pub(super) fn expect(stored: &Installation, expected: Option<i32>) -> Result<()> {
    match expected {
        Some(expected) if expected != stored.revision => Err(outdated()),
        _ => Ok(()),
    }
}

#[track_caller]
pub(super) fn outdated() -> Error {
    Error::conflict(
        "expectedRevision",
        "The installation has changed since. Read it again and repeat the change.",
    )
}
