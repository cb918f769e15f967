//! Publishing: every check is made and told, and what passes is kept for good.

use std::time::Duration;

use bytes::Bytes;
use semver::Version;
use tavern_domain::extension::{Extension, ExtensionVersion, Hook, PublisherKey};
use tavern_domain::{Actor, Code, Error, ExtensionId, ExtensionVersionId, Permission, Result, UserId};
use tavern_plugins::checks;
use tavern_plugins::package::{Package, Report};
use tavern_storage::{Publication, PublishOutcome, VersionHead};
use unicode_normalization::UnicodeNormalization as _;

use super::Extensions;
use super::chain::package_key;
use super::names::Likeness;
use super::{keys, names};
use crate::Shared;

/// Publications at once: each holds a package, and what is in it, for as long as its code is made.
pub(super) const AT_ONCE: usize = 4;
/// How long one waits for its place among them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Accounts that have an extension whose name is protected, and how many such names are looked at.
const MANY: i32 = 10;
const POPULAR: u32 = 1_000;

/// What became of a publication.
#[derive(Debug)]
pub struct Published {
    /// Every check that was made, in order.
    pub report: Report,
    /// BAD_USER_INPUT on `package` or `publicKey`, CONFLICT or QUOTA_EXCEEDED for what was refused.
    pub outcome: Result<VersionPublished>,
}

/// What was published.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionPublished {
    pub extension: Extension,
    pub version: ExtensionVersion,
}

/// Why a package is not published: a check that fails, or another error.
enum Refusal {
    /// Its name, and what is wrong.
    Check(&'static str, Error),
    /// The report has the check already.
    Told(Error),
    Failure(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failure(error)
    }
}

fn check(name: &'static str, code: Code, field: &str, message: impl Into<String>) -> Refusal {
    Refusal::Check(name, Error::of_field(code, field, message))
}

impl Extensions {
    /// Publishes a version. The first publication under a publisher's name takes the name for the
    /// account, and registers `public_key`; later ones are signed with one of the publisher's keys.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED, OVERLOADED; UNAVAILABLE if it cannot be checked now. What is wrong
    /// with the package is in the outcome.
    pub async fn publish(&self, actor: &Actor, package: Bytes, public_key: Option<&str>) -> Result<Published> {
        actor.require(Permission::ExtensionPublish)?;
        let owner = actor.require_user()?.user;
        self.0.shared.throttle.publication(owner)?;
        let waited = tokio::time::timeout(PATIENCE, self.0.publications.acquire()).await;
        let Ok(Ok(_place)) = waited else {
            return Err(Error::new(
                Code::Overloaded,
                "Too many packages are being published at this moment. Try again later.",
            ));
        };
        let mut report = Report::default();
        let outcome = match self.accept(actor, owner, package, public_key, &mut report).await {
            Ok(published) => Ok(published),
            Err(Refusal::Failure(error)) => return Err(error),
            Err(Refusal::Told(error)) => Err(error),
            Err(Refusal::Check(name, error)) => {
                report.fail(name, error.message());
                Err(error)
            }
        };
        Ok(Published { report, outcome })
    }

    async fn accept(
        &self,
        actor: &Actor,
        owner: UserId,
        bytes: Bytes,
        public_key: Option<&str>,
        report: &mut Report,
    ) -> Result<VersionPublished, Refusal> {
        let package = self.examined(&bytes, report).await?;
        let about = &package.manifest.extension;
        let name = about.id.as_str();
        let publisher = name.split('/').next().unwrap_or_default();
        let key = self.signer(owner, publisher, &package, public_key, report).await?;
        let store = &self.0.shared.store;
        let existing = store.extensions.by_name(name).await?;
        // Who moderates publishes what is the house's own.
        if existing.is_none() && !actor.may(Permission::ExtensionModerate) {
            self.check_name(name, report).await?;
        }
        let heads = match &existing {
            Some(extension) => store.extensions.version_heads(extension.id).await?,
            None => Vec::new(),
        };
        self.check_version(name, &about.version, &heads)?;
        report.pass("version", format!("{} is newer than all before.", about.version));
        let checked = checks::run(&self.0.host, &package, report).await;
        checked.map_err(|why| {
            Error::new(
                Code::Unavailable,
                "Packages cannot be checked at the moment. Try again later.",
            )
            .with_source(why)
        })?;
        if !report.passed() {
            return Err(Refusal::Told(failure(report)));
        }
        let (extension, version) = self.described(owner, existing.as_ref(), &package, &bytes, &key, report)?;
        // The package first: a row is never without its package.
        let sha256 = &version.package_sha256;
        store.objects.put(&package_key(sha256), bytes.clone()).await?;
        let hooks: Vec<Hook> = package.manifest.hooks.keys().copied().collect();
        let keywords = about.keywords.join(" ");
        let words = fold(&format!("{name} {} {} {keywords}", about.title, about.summary));
        let outcome = store
            .extensions
            .publish(&Publication {
                publisher,
                key: &key,
                extension: &extension,
                version: &version,
                api: &about.api,
                hooks: &hooks,
                words: &words,
                versions: heads.len() as u64,
                max_publishers: self.0.shared.limits.publishers_per_user,
            })
            .await?;
        match outcome {
            PublishOutcome::Published(extension) => {
                // One that was refused before may have lain there long enough to be swept just now.
                let key = package_key(&version.package_sha256);
                if !store.objects.exists(&key).await? {
                    store.objects.put(&key, bytes).await?;
                }
                let version = ExtensionVersion {
                    extension: extension.id,
                    ..version
                };
                Ok(VersionPublished { extension, version })
            }
            PublishOutcome::NameTaken => Err(taken(publisher)),
            PublishOutcome::KeyUnknown => Err(unknown_key(publisher)),
            PublishOutcome::Raced => Err(check(
                "version",
                Code::Conflict,
                "package",
                "Another version was published at the same time. Try again.",
            )),
            PublishOutcome::TooManyPublishers => Err(self.too_many_names()),
        }
    }

    fn too_many_names(&self) -> Refusal {
        check(
            "publisher",
            Code::QuotaExceeded,
            "package",
            format!(
                "An account publishes under at most {} names.",
                self.0.shared.limits.publishers_per_user
            ),
        )
    }

    /// Reads the package, off the threads that serve others.
    async fn examined(&self, bytes: &Bytes, report: &mut Report) -> Result<Package, Refusal> {
        // It is unpacked whole.
        let _place = self.0.shared.large_file().await?;
        let (settings, bytes) = (self.0.host.settings().clone(), bytes.clone());
        let read = tokio::task::spawn_blocking(move || checks::read(&bytes, &settings)).await;
        let package;
        (package, *report) = read.map_err(Error::internal)?;
        package.ok_or_else(|| Refusal::Told(failure(report)))
    }

    /// The key that the package is signed with, if the publisher may use it.
    async fn signer(
        &self,
        owner: UserId,
        publisher: &str,
        package: &Package,
        public_key: Option<&str>,
        report: &mut Report,
    ) -> Result<PublisherKey, Refusal> {
        let public_key = public_key.map(keys::parse).transpose();
        let public_key = public_key.map_err(|error| Refusal::Check("signature.key", error))?;
        let known = self.0.shared.store.extensions.publisher(publisher).await?;
        let keys = match known {
            Some(known) if known.owner != owner => return Err(taken(publisher)),
            Some(known) => {
                if let Some((id, line)) = &public_key
                    && !known.keys.iter().any(|key| key.id == *id && key.public_key == *line)
                {
                    return Err(check(
                        "signature.key",
                        Code::BadUserInput,
                        "publicKey",
                        format!(
                            "`{publisher}` has other keys: a new one is signed by an old one, see rotatePublisherKey."
                        ),
                    ));
                }
                known.keys
            }
            None => {
                let names = self.0.shared.store.extensions.publishers_of(owner).await?;
                if names >= u64::from(self.0.shared.limits.publishers_per_user) {
                    return Err(self.too_many_names());
                }
                let Some((id, line)) = public_key else {
                    return Err(check(
                        "signature.key",
                        Code::BadUserInput,
                        "publicKey",
                        "The first package of a publisher comes with the public key that it is signed with.",
                    ));
                };
                vec![PublisherKey {
                    id,
                    public_key: line,
                    created_at: self.0.shared.clock.now(),
                    revoked_at: None,
                }]
            }
        };
        let keys = keys.into_iter().filter(|key| key.revoked_at.is_none());
        let (keys, lines): (Vec<_>, Vec<_>) = keys.map(|key| (key.clone(), key.public_key)).unzip();
        if !checks::signature(package, &lines, report) {
            return Err(Refusal::Told(failure(report)));
        }
        let signer = package.signer();
        let key = keys.into_iter().find(|key| Some(&key.id) == signer.as_ref());
        key.ok_or_else(|| Refusal::Failure(Error::internal("a signature by a key that is not there")))
    }

    /// A new extension is taken for nobody else's.
    async fn check_name(&self, name: &str, report: &mut Report) -> Result<(), Refusal> {
        if let Some(part) = names::reserved(name) {
            let message = format!("The name `{part}` is kept for whoever runs the server.");
            return Err(check("name.reserved", Code::Conflict, "package", message));
        }
        let extensions = &self.0.shared.store.extensions;
        let popular = extensions.names_with_installs(MANY, POPULAR).await?;
        match names::likeness(name, &popular) {
            Some(Likeness::Same(other)) => {
                let message = format!("`{name}` cannot be told from `{other}`, which many know: choose another name.");
                return Err(check("name.lookalike", Code::Conflict, "package", message));
            }
            Some(Likeness::Near(other)) => {
                report.warn(format!("name.lookalike: `{name}` is easily taken for `{other}`."));
            }
            None => {}
        }
        report.pass("name", "It is nobody else's.");
        Ok(())
    }

    /// Versions only go up, and none is ever used again: a yanked one neither.
    fn check_version(&self, name: &str, version: &str, heads: &[VersionHead]) -> Result<(), Refusal> {
        let refuse = |message: String| Err(check("version", Code::Conflict, "package", message));
        let most = self.0.shared.limits.extension_versions;
        if heads.len() >= most {
            return Err(check(
                "version",
                Code::QuotaExceeded,
                "package",
                format!("An extension has at most {most} versions."),
            ));
        }
        let new = Version::parse(version).map_err(Error::internal)?;
        for head in heads {
            let old = Version::parse(&head.version).map_err(Error::internal)?;
            match old.cmp(&new) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => {
                    return refuse(format!(
                        "{name} {old} is published already, and a version never changes."
                    ));
                }
                std::cmp::Ordering::Greater => {
                    return refuse(format!("{name} has version {old}, and {new} is older."));
                }
            }
        }
        Ok(())
    }

    /// What is stored of it.
    fn described(
        &self,
        owner: UserId,
        existing: Option<&Extension>,
        package: &Package,
        bytes: &Bytes,
        key: &PublisherKey,
        report: &Report,
    ) -> Result<(Extension, ExtensionVersion)> {
        let Shared { clock, .. } = &*self.0.shared;
        let about = &package.manifest.extension;
        let now = clock.now();
        let extension = Extension {
            id: existing.map_or_else(ExtensionId::new, |extension| extension.id),
            name: about.id.clone(),
            owner,
            title: about.title.clone(),
            summary: about.summary.clone(),
            installs: existing.map_or(0, |extension| extension.installs),
            killed: None,
            created_at: now,
            updated_at: now,
        };
        let version = ExtensionVersion {
            id: ExtensionVersionId::new(),
            extension: extension.id,
            version: about.version.clone(),
            package_sha256: package.sha256.clone(),
            component_sha256: package.component_sha256.clone(),
            package_bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            manifest: serde_json::to_value(&package.manifest).map_err(Error::internal)?,
            config_schema: package.config_schema.clone(),
            readme: package.readme.clone(),
            report: serde_json::to_value(report).map_err(Error::internal)?,
            key_id: key.id.clone(),
            countersignature: self.0.registry.sign(&about.id, &about.version, &package.sha256),
            yanked: None,
            killed: None,
            created_at: now,
        };
        Ok((extension, version))
    }

    /// Takes a version off the shelf: it runs where it is installed, and is installed no more.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND; FORBIDDEN for who neither owns the extension nor moderates;
    /// BAD_USER_INPUT on `reason`.
    pub async fn yank(&self, actor: &Actor, name: &str, version: &str, reason: &str) -> Result<ExtensionVersion> {
        actor.require_user()?;
        let extension = self.named(name).await?;
        if !actor.is(extension.owner) {
            actor.require(Permission::ExtensionModerate)?;
        }
        let reason = self.reason(reason)?;
        let id = self.version_named(extension.id, version).await?;
        let store = &self.0.shared.store;
        store.extensions.yank(id, Some(reason)).await?;
        let yanked = store.extensions.versions(&[id]).await?.pop();
        yanked.ok_or_else(|| Error::not_found("version"))
    }

    /// Stops a version, or all of an extension, wherever it is installed; without a reason lets it run again.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN, NOT_FOUND; BAD_USER_INPUT on `reason`.
    pub async fn kill(
        &self,
        actor: &Actor,
        name: &str,
        version: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Extension> {
        actor.require(Permission::ExtensionModerate)?;
        let extension = self.named(name).await?;
        let reason = reason.map(|reason| self.reason(reason)).transpose()?;
        let id = match version {
            Some(version) => Some(self.version_named(extension.id, version).await?),
            None => None,
        };
        let extensions = &self.0.shared.store.extensions;
        let stops = reason.is_some();
        let killed = version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
        // Nobody tells the host meanwhile what was in the store before.
        let _told = self.0.telling.lock().await;
        extensions.kill(extension.id, id, reason).await?;
        // Turns under way on this server; other servers look every few seconds, and whenever a turn begins.
        if stops {
            self.0.host.kill(&killed);
        } else {
            self.0.host.revive(&killed);
        }
        self.named(name).await
    }

    fn reason(&self, reason: &str) -> Result<String> {
        let mut problems = tavern_domain::Problems::new();
        crate::check::name(&mut problems, "reason", reason, self.0.shared.limits.title_chars);
        problems.finish()?;
        Ok(reason.trim().to_owned())
    }

    pub(super) async fn named(&self, name: &str) -> Result<Extension> {
        let found = self.by_name(name).await?;
        found.ok_or_else(|| Error::not_found("extension"))
    }

    async fn version_named(&self, extension: ExtensionId, version: &str) -> Result<ExtensionVersionId> {
        let heads = self.0.shared.store.extensions.version_heads(extension).await?;
        let head = heads.into_iter().find(|head| head.version == version);
        head.map(|head| head.id).ok_or_else(|| Error::not_found("version"))
    }
}

/// Case, width and accents apart.
pub(super) fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|letter| !unicode_normalization::char::is_combining_mark(*letter))
        .flat_map(char::to_lowercase)
        .collect()
}

/// What the last check that failed says.
fn failure(report: &Report) -> Error {
    let failed = report.checks.iter().rev().find(|check| !check.passed);
    let message = failed.map_or("The package cannot be read.", |check| check.message.as_str());
    Error::bad_input("package", message)
}

fn taken(publisher: &str) -> Refusal {
    check(
        "publisher",
        Code::Conflict,
        "package",
        format!("The publisher's name `{publisher}` belongs to another account."),
    )
}

fn unknown_key(publisher: &str) -> Refusal {
    check(
        "signature.key",
        Code::BadUserInput,
        "package",
        format!("The package is not signed with a key of `{publisher}` that holds."),
    )
}
