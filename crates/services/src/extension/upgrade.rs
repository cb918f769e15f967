//! Other versions of what is installed: up, with consent to whatever it may do more, and back.

use std::sync::Arc;

use semver::{Version, VersionReq};
use serde_json::Value;
use tavern_domain::extension::{Capability, Installation, Outcome, PreviousVersion};
use tavern_domain::{Actor, Code, Error, ExtensionVersionId, InstallationId, Permission, Problems, Result};
use tavern_plugins::manifest::{strays, widened};
use tavern_storage::{Switch, SwitchOutcome, ValueOutcome, VersionHead};

use super::Extensions;
use super::chain::Loaded;
use super::install::{configuration, expect, is_installable, newest, not_now, outdated};
use super::ports::to_write;

/// Versions that can be gone back to.
const PREVIOUS: usize = 3;
/// How often values are moved that are written meanwhile.
const MOVES: u32 = 5;

/// What an upgrade goes to, and on which terms.
#[derive(Debug, Clone, Default)]
pub struct Upgrade {
    /// The revision it was asked for from; whatever is stored if that does not matter.
    pub expected_revision: Option<i32>,
    /// A version; by default the newest in the installation's range.
    pub version: Option<String>,
    /// Whether it may do all that it asks for. It counts for a version that was seen: the one named, or
    /// the one that waits.
    pub consent: bool,
    /// In place of the configuration, for a version whose schema is another.
    pub config: Option<Value>,
}

/// What became of an upgrade.
#[derive(Debug, Clone, PartialEq)]
pub struct Upgraded {
    pub installation: Installation,
    /// What the pending version wants to do more, and waits for; empty if there is none.
    pub widened: Vec<Capability>,
}

impl Extensions {
    /// Goes to another version. One that wants to do more than the one before waits for consent. The
    /// extension moves its values over itself; if it fails, nothing has changed. Without a newer version
    /// nothing happens.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what is not the caller's; BAD_USER_INPUT on `version` for one that is
    /// not there, not newer, or was taken back, and on `config.…` for what its schema refuses; CONFLICT on
    /// `expectedRevision`; PLUGIN_ERROR if it cannot move its values.
    pub async fn upgrade(&self, actor: &Actor, id: InstallationId, upgrade: Upgrade) -> Result<Upgraded> {
        actor.require(Permission::ChatUse)?;
        let stored = self.required(actor, id).await?;
        expect(&stored, upgrade.expected_revision)?;
        let heads = self.0.shared.store.extensions.version_heads(stored.extension).await?;
        let Some(target) = target(&stored, &heads, &upgrade)? else {
            return Ok(Upgraded {
                installation: stored,
                widened: Vec::new(),
            });
        };
        let becomes = self.loaded(&stored.name, target).await?;
        let more = self.widened(&stored, &becomes).await?;
        let was_seen = upgrade.version.is_some() || stored.pending == Some(target);
        let is_agreed = upgrade.consent && was_seen;
        if !more.is_empty() && !is_agreed {
            let installation = self.put_off(stored, &becomes).await?;
            return Ok(Upgraded {
                installation,
                widened: more,
            });
        }
        let installation = self.go(stored, &becomes, more, upgrade.config).await?;
        Ok(Upgraded {
            installation,
            widened: Vec::new(),
        })
    }

    /// What the version that waits for consent asks for beyond what is asked for and granted now, with its
    /// reasons, and of secrets where they would go; nothing if none waits.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn pending_permissions(&self, installation: &Installation) -> Result<Vec<(Capability, String)>> {
        let Some(pending) = installation.pending else {
            return Ok(Vec::new());
        };
        let becomes = self.loaded(&installation.name, pending).await?;
        let more = self.widened(installation, &becomes).await?;
        let manifest = &becomes.manifest;
        let with_reason = |capability: Capability| {
            let mut reason = manifest.permissions.get(&capability).cloned().unwrap_or_default();
            let secret = manifest
                .secrets
                .iter()
                .find(|secret| capability == Capability::Secret(secret.name.clone()));
            if let Some(secret) = secret {
                reason.push_str(&format!(" {secret}"));
            }
            (capability, reason)
        };
        Ok(more.into_iter().map(with_reason).collect())
    }

    /// What a version may do that the installation has neither been asked for nor granted.
    async fn widened(&self, stored: &Installation, becomes: &Loaded) -> Result<Vec<Capability>> {
        let was = self.loaded(&stored.name, stored.version_id).await?;
        Ok(widened(&was.manifest, &stored.grants, &becomes.manifest))
    }

    /// Notes that a version waits for consent.
    async fn put_off(&self, stored: Installation, becomes: &Loaded) -> Result<Installation> {
        if stored.pending == Some(becomes.id) {
            return Ok(stored);
        }
        let mut changed = Installation {
            pending: Some(becomes.id),
            ..stored.clone()
        };
        self.step(&mut changed);
        let extensions = &self.0.shared.store.extensions;
        if !extensions.change_installation(&changed, stored.revision, &[]).await? {
            return Err(outdated());
        }
        self.0.events.changed(changed.id, "pending", &becomes.version);
        Ok(changed)
    }

    async fn go(
        &self,
        stored: Installation,
        becomes: &Arc<Loaded>,
        more: Vec<Capability>,
        config: Option<Value>,
    ) -> Result<Installation> {
        let mut problems = Problems::new();
        let configuration = configuration(&mut problems, becomes, config.as_ref().unwrap_or(&stored.config));
        self.check_secrets(&mut problems, &configuration.secrets);
        problems.finish()?;
        let mut previous = vec![PreviousVersion {
            version_id: stored.version_id,
            version: stored.version.clone(),
            grants: stored.grants.clone(),
            config: stored.config.clone(),
        }];
        previous.extend_from_slice(&stored.previous);
        previous.truncate(PREVIOUS);
        let mut changed = Installation {
            version_id: becomes.id,
            version: becomes.version.clone(),
            grants: carried(&stored.grants, more, becomes),
            config: configuration.rest,
            pending: None,
            previous,
            ..stored.clone()
        };
        self.fits("version", becomes, &changed).await?;
        self.judge(becomes, &changed).await?;
        let member = Arc::new(becomes.member(&changed, self.0.host.settings()));
        self.step(&mut changed);
        let secrets = self.sealed(stored.id, configuration.secrets)?;
        let extensions = &self.0.shared.store.extensions;
        let mut outcome = SwitchOutcome::ValuesChanged;
        // Turns go on, and write what the extension has read already: then it moves the values once more.
        for _ in 0..MOVES {
            let seen = extensions.values_revision(stored.id).await?;
            let migrated = self.0.host.migrate(&member, &stored.version).await;
            let writes = migrated.map_err(|failed| match failed.outcome {
                Outcome::PoolBusy | Outcome::HostError => not_now(failed),
                _ => Error::of_field(
                    Code::PluginError,
                    "",
                    format!("The extension cannot take its values to {}: {failed}", becomes.version),
                ),
            })?;
            let switch = Switch::Upgrade {
                keep: stored.version_id,
                seen,
                writes: writes.into_iter().map(to_write).collect(),
                room: self.value_room(),
                now: changed.updated_at,
            };
            outcome = extensions.switch(&changed, stored.revision, &secrets, &switch).await?;
            if outcome != SwitchOutcome::ValuesChanged {
                break;
            }
        }
        match outcome {
            SwitchOutcome::Switched => {}
            SwitchOutcome::Changed | SwitchOutcome::Refused(ValueOutcome::Conflict | ValueOutcome::Gone) => {
                return Err(outdated());
            }
            SwitchOutcome::ValuesChanged => {
                return Err(Error::conflict(
                    "",
                    "The extension's values changed each time they were moved. Try again when no reply is being written.",
                ));
            }
            SwitchOutcome::Refused(_) => {
                return Err(Error::of_field(
                    Code::PluginError,
                    "",
                    format!(
                        "The extension has no room for what its values become in {}.",
                        becomes.version
                    ),
                ));
            }
        }
        self.0.host.forgive(changed.id);
        self.0.events.changed(changed.id, "upgraded", &changed.version);
        self.ready(becomes).await;
        Ok(changed)
    }

    /// Goes back to the version before, with its grants, configuration and values as they were. What was
    /// switched off because it kept failing is on again. Secrets that would go elsewhere than they do now are to be
    /// granted anew.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what is not the caller's; CONFLICT if there is no version before, an
    /// operator has stopped it, it does not take its configuration any more or has no place among the other
    /// extensions, or the installation has changed since (on `expectedRevision`).
    pub async fn rollback(
        &self,
        actor: &Actor,
        id: InstallationId,
        expected_revision: Option<i32>,
    ) -> Result<Installation> {
        actor.require(Permission::ChatUse)?;
        let stored = self.required(actor, id).await?;
        expect(&stored, expected_revision)?;
        let mut previous = stored.previous.iter().cloned();
        let Some(back) = previous.next() else {
            return Err(Error::conflict("", "There is no version to go back to."));
        };
        let extensions = &self.0.shared.store.extensions;
        let killed = extensions.versions(&[back.version_id]).await?.pop();
        if killed.is_none_or(|version| version.killed.is_some()) {
            return Err(Error::conflict(
                "",
                format!("Version {} was stopped by an operator.", back.version),
            ));
        }
        let becomes = self.loaded(&stored.name, back.version_id).await?;
        let mut problems = Problems::new();
        let config = configuration(&mut problems, &becomes, &back.config).rest;
        problems.finish().map_err(|error| {
            Error::conflict(
                "",
                format!(
                    "Version {} does not take its configuration any more: {error}",
                    back.version
                ),
            )
        })?;
        let asked = becomes.manifest.capabilities();
        // A secret that was set since for other hosts is not sent where those before it went.
        let current = self.loaded(&stored.name, stored.version_id).await?;
        let strays = strays(&current.manifest, &becomes.manifest);
        let is_asked = |grant: &Capability| !strays.contains(grant) && asked.iter().any(|asked| asked.covers(grant));
        let mut changed = Installation {
            version_id: back.version_id,
            version: back.version,
            grants: back.grants.into_iter().filter(is_asked).collect(),
            config,
            enabled: stored.enabled || stored.disabled_reason.is_some(),
            disabled_reason: None,
            pending: None,
            previous: previous.collect(),
            ..stored.clone()
        };
        self.fits("", &becomes, &changed).await?;
        self.step(&mut changed);
        let switch = Switch::Rollback(changed.version_id);
        match extensions.switch(&changed, stored.revision, &[], &switch).await? {
            SwitchOutcome::Switched => {}
            SwitchOutcome::Changed | SwitchOutcome::ValuesChanged | SwitchOutcome::Refused(_) => {
                return Err(outdated());
            }
        }
        self.0.host.forgive(id);
        self.0.events.changed(id, "rolled back", &changed.version);
        if let Ok(loaded) = self.loaded(&changed.name, changed.version_id).await {
            self.ready(&loaded).await;
        }
        Ok(changed)
    }
}

/// The version that an upgrade goes to; `None` if there is none that is newer.
fn target(stored: &Installation, heads: &[VersionHead], upgrade: &Upgrade) -> Result<Option<ExtensionVersionId>> {
    let current = Version::parse(&stored.version).map_err(Error::internal)?;
    let is_newer = |head: &VersionHead| Version::parse(&head.version).is_ok_and(|version| version > current);
    if let Some(version) = &upgrade.version {
        let head = heads.iter().find(|head| head.version == *version);
        let head = head.ok_or_else(|| Error::bad_input("version", "There is no such version."))?;
        return if !is_installable(head) {
            Err(Error::bad_input(
                "version",
                "This version was taken back, or does not work with this server.",
            ))
        } else if !is_newer(head) {
            Err(Error::bad_input(
                "version",
                format!("An upgrade goes to a version after {current}; rollbackInstallation goes back."),
            ))
        } else {
            Ok(Some(head.id))
        };
    }
    let waits = heads.iter().find(|head| Some(head.id) == stored.pending);
    if let Some(head) = waits.filter(|head| upgrade.consent && is_installable(head)) {
        return Ok(Some(head.id));
    }
    let range = VersionReq::parse(&stored.version_req).map_err(Error::internal)?;
    let newest = newest(heads, &range).filter(|(_, version)| *version > current);
    Ok(newest.map(|(id, _)| id))
}

/// What was granted and is still asked for, and what is new.
fn carried(grants: &[Capability], more: Vec<Capability>, becomes: &Loaded) -> Vec<Capability> {
    let asked = becomes.manifest.capabilities();
    let still = |grant: &&Capability| asked.iter().any(|asked| asked.covers(grant) || grant.covers(asked));
    let outdone = |grant: &&Capability| more.iter().any(|more| more.covers(grant));
    let mut carried: Vec<_> = grants
        .iter()
        .filter(still)
        .filter(|grant| !outdone(grant))
        .cloned()
        .collect();
    carried.extend(more);
    carried.sort();
    carried
}
