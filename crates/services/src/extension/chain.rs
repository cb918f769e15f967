//! The extensions of an account, ready to be called: made when they are first needed, kept as long as
//! nothing changes, and looked at anew in every turn, so that a change holds on all servers at once.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use moka::sync::Cache;
use serde_json::Value;
use tavern_domain::extension::{ExtensionVersion, Installation};
use tavern_domain::{Code, Error, ExtensionVersionId, Result, UserId};
use tavern_plugins::chain::{Chain, Member};
use tavern_plugins::manifest::Manifest;
use tavern_plugins::package;
use tavern_plugins::program::{ComponentSource, Program};
use tavern_plugins::settings::{PluginLimits, PluginSettings};
use tavern_storage::{InstallationStamp, Objects, ValueRoom};

use super::Extensions;
use super::ports::room;
use super::registry::Registry;
use crate::Shared;

/// Accounts whose chains are kept, and versions. Both are small: code is kept by the host.
const CHAINS: u64 = 10_000;
const VERSIONS: u64 = 2_000;

/// Where packages lie.
pub(super) const PACKAGES: &str = "extensions";

/// Where a package lies.
pub(super) fn package_key(sha256: &str) -> String {
    format!("{PACKAGES}/{sha256}")
}

/// The SHA-256 of the package that lies there; `None` if something else does.
pub(super) fn package_of(key: &str) -> Option<&str> {
    let (folder, sha256) = key.split_once('/')?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (folder == PACKAGES && sha256.len() == 64 && sha256.bytes().all(is_digit)).then_some(sha256)
}

/// What is the same for all who have a version.
pub(super) struct Loaded {
    pub id: ExtensionVersionId,
    /// `publisher/name`.
    pub name: String,
    pub version: String,
    pub manifest: Arc<Manifest>,
    pub config_schema: Option<Value>,
    pub program: Arc<Program>,
}

impl Loaded {
    /// A member of a chain, as this installation would have it.
    pub fn member(&self, installation: &Installation, settings: &PluginSettings) -> Member {
        Member {
            installation: installation.id,
            owner: Some(installation.owner),
            name: self.name.clone(),
            version: self.version.clone(),
            manifest: Arc::clone(&self.manifest),
            program: Arc::clone(&self.program),
            granted: Arc::new(self.manifest.effective(&installation.grants, settings)),
            config: Arc::new(installation.config.clone()),
            priority: installation.priority,
            fail_closed: settings.fail_closed.contains(&self.name),
        }
    }
}

/// A chain, and what it was made of.
type Stamped = (Vec<InstallationStamp>, Arc<Chain>);

/// What is kept of versions and chains.
pub(super) struct Kept {
    chains: Cache<UserId, Arc<Stamped>>,
    versions: Cache<ExtensionVersionId, Arc<Loaded>>,
    /// Of those who have nothing installed.
    none: Arc<Chain>,
}

impl Kept {
    pub fn new() -> Self {
        Self {
            chains: Cache::new(CHAINS),
            versions: Cache::new(VERSIONS),
            none: Arc::default(),
        }
    }
}

impl Extensions {
    /// The extensions of an account that are on. A turn keeps what it began with.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn chain(&self, user: UserId) -> Result<Arc<Chain>> {
        let (kept, settings) = (&self.0.kept, self.0.host.settings());
        if !settings.enabled {
            return Ok(Arc::clone(&kept.none));
        }
        let extensions = &self.0.shared.store.extensions;
        let stamps = extensions.running(user).await?;
        if stamps.is_empty() {
            return Ok(Arc::clone(&kept.none));
        }
        if let Some(known) = kept.chains.get(&user)
            && known.0 == stamps
        {
            return Ok(Arc::clone(&known.1));
        }
        let ids: Vec<_> = stamps.iter().map(|stamp| stamp.id).collect();
        let mut installed = extensions.installations(&ids).await?;
        installed.sort_by_key(|installation| installation.id);
        let mut members = Vec::with_capacity(installed.len());
        for installation in &installed {
            match self.loaded(&installation.name, installation.version_id).await {
                Ok(loaded) => members.push(loaded.member(installation, settings)),
                Err(error) => {
                    tracing::error!(installation = %installation.id, ?error, "an extension cannot be loaded");
                    if settings.fail_closed.contains(&installation.name) {
                        let message = format!("The extension `{}` is needed and cannot be loaded.", installation.name);
                        return Err(Error::new(Code::PluginError, message));
                    }
                    // The others run without it.
                }
            }
        }
        let is_whole = members.len() == installed.len();
        let chain = Arc::new(Chain::new(members));
        // What could not be loaded may be there in the next turn.
        if is_whole {
            kept.chains.insert(user, Arc::new((stamps, Arc::clone(&chain))));
        }
        Ok(chain)
    }

    /// A version that this server has accepted.
    ///
    /// # Errors
    /// INTERNAL_SERVER_ERROR if it is not there, or is not what was accepted.
    pub(super) async fn loaded(&self, name: &str, id: ExtensionVersionId) -> Result<Arc<Loaded>> {
        if let Some(known) = self.0.kept.versions.get(&id) {
            return Ok(known);
        }
        let found = self.0.shared.store.extensions.versions(&[id]).await?.pop();
        let version = found.ok_or_else(|| Error::internal(format!("version {id} of {name} is gone")))?;
        let loaded = Arc::new(load(&self.0.shared, &self.0.registry, name, version, self.limits())?);
        self.0.kept.versions.insert(id, Arc::clone(&loaded));
        Ok(loaded)
    }

    pub(super) fn limits(&self) -> &PluginLimits {
        &self.0.host.settings().limits
    }

    /// What an installation may keep.
    pub(crate) fn value_room(&self) -> ValueRoom {
        room(self.limits())
    }
}

fn load(
    shared: &Shared,
    registry: &Registry,
    name: &str,
    version: ExtensionVersion,
    limits: &PluginLimits,
) -> Result<Loaded> {
    let sha256 = &version.package_sha256;
    if !registry.verify(name, &version.version, sha256, &version.countersignature) {
        return Err(Error::internal(format!(
            "{name} {} is not what this server has accepted",
            version.version
        )));
    }
    let manifest: Manifest = serde_json::from_value(version.manifest).map_err(Error::internal)?;
    let source = PackageSource {
        objects: shared.store.objects.clone(),
        sha256: version.package_sha256,
        limits: limits.clone(),
    };
    Ok(Loaded {
        id: version.id,
        name: name.to_owned(),
        version: version.version,
        config_schema: version.config_schema,
        program: Arc::new(Program {
            sha256: version.component_sha256,
            source: Arc::new(source),
            large_runtime: manifest.extension.large_runtime,
        }),
        manifest: Arc::new(manifest),
    })
}

/// The component of a package among the objects.
struct PackageSource {
    objects: Objects,
    sha256: String,
    limits: PluginLimits,
}

#[async_trait]
impl ComponentSource for PackageSource {
    async fn component(&self) -> Result<Bytes, String> {
        let found = self.objects.get(&package_key(&self.sha256)).await;
        let bytes = found.map_err(|error| format!("{error:?}"))?;
        let bytes = bytes.ok_or_else(|| format!("the package {} is gone", self.sha256))?;
        let limits = self.limits.clone();
        // Unpacking and hashing take milliseconds a megabyte.
        let read = tokio::task::spawn_blocking(move || package::read(&bytes, &limits)).await;
        let (package, _) = read
            .map_err(|error| error.to_string())?
            .map_err(|_| format!("the package {} is damaged", self.sha256))?;
        if package.sha256 == self.sha256 {
            Ok(package.component)
        } else {
            Err(format!("the package {} was replaced", self.sha256))
        }
    }
}
