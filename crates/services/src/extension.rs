//! Extensions: published, installed, granted, and run in the turns of whoever has them.
//!
//! What is published can be seen by all; an installation only by whose it is. A version is accepted
//! once, signed for by this server, and never changes; what an installation may do never grows without
//! its owner's word.

mod chain;
mod events;
mod housekeeping;
mod install;
mod keys;
mod names;
mod ports;
mod publish;
mod ready;
mod registry;
mod upgrade;
mod vault;

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tavern_domain::extension::{
    Extension, ExtensionEvent, ExtensionFilter, ExtensionLog, ExtensionOrder, ExtensionVersion, Installation, Publisher,
};
use tavern_domain::page::{Direction, Page, PageArgs, bad_cursor};
use tavern_domain::{Actor, Error, ExtensionId, ExtensionVersionId, InstallationId, Result};
use tavern_models::Router;
use tavern_plugins::Host;
use tavern_plugins::settings::{CompileSettings, PluginSettings};
use tavern_storage::{ExtensionQuery, ListedExtension};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Shared;
use chain::Kept;
use events::Events;
use ports::HousePorts;
use registry::Registry;
use vault::Vault;

pub use install::{InstallationPatch, NewInstallation, SecretPatch};
pub use publish::{Published, VersionPublished};
pub use upgrade::{Upgrade, Upgraded};
pub use vault::Rotated;

/// The use cases of extensions. Cheap to clone.
#[derive(Clone)]
pub struct Extensions(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    host: Host,
    vault: Arc<Vault>,
    registry: Registry,
    events: Events,
    kept: Kept,
    publications: Semaphore,
    /// The last package that was looked at in a sweep.
    swept: Mutex<Option<String>>,
    /// Held by whoever changes what operators have stopped, or tells the host.
    telling: tokio::sync::Mutex<()>,
    stop: CancellationToken,
}

impl Extensions {
    /// Starts what stores lines and looks after installations; [`Self::close`] ends it.
    pub(crate) fn open(
        shared: Arc<Shared>,
        keys: &Path,
        models: Router,
        settings: PluginSettings,
        compile: CompileSettings,
    ) -> Result<Self> {
        // In a folder of their own: every key beside those of access tokens would be taken for one.
        let folder = keys.join("extensions");
        let registry = Registry::open(&folder)?;
        let vault = Arc::new(Vault::open(&folder)?);
        let stop = CancellationToken::new();
        let events = Events::start(Arc::clone(&shared), stop.clone(), TaskTracker::new());
        let ports = HousePorts {
            shared: Arc::clone(&shared),
            vault: Arc::clone(&vault),
            models,
            events: events.clone(),
            room: ports::room(&settings.limits),
        };
        let key = registry::host_key(&folder)?;
        let host = Host::new(settings, compile, key, Arc::new(ports), Arc::clone(&shared.clock));
        let extensions = Self(Arc::new(Inner {
            host: host.map_err(Error::internal)?,
            shared,
            vault,
            registry,
            events,
            kept: Kept::new(),
            publications: Semaphore::new(publish::AT_ONCE),
            swept: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            stop,
        }));
        extensions.start_housekeeping();
        Ok(extensions)
    }

    /// Ends what runs in the background; lines that wait are stored.
    pub(crate) async fn close(&self) {
        self.0.stop.cancel();
        let tasks = self.0.events.tasks();
        tasks.close();
        tasks.wait().await;
    }

    #[must_use]
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// An extension by its name, `publisher/name`. Anybody may see it.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn by_name(&self, name: &str) -> Result<Option<Extension>> {
        self.0.shared.store.extensions.by_name(name).await
    }

    /// Those of `ids` that exist, in no order. Anybody may see them.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn by_ids(&self, ids: &[ExtensionId]) -> Result<Vec<Extension>> {
        self.0.shared.store.extensions.by_ids(ids).await
    }

    /// One page. Anybody may see it.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `filter.query` for one that is too long; on the page's arguments, such as `after`
    /// for what is not a cursor of this order.
    pub async fn list(
        &self,
        mut filter: ExtensionFilter,
        order: ExtensionOrder,
        page: PageArgs,
    ) -> Result<Page<ListedExtension>> {
        let Shared { store, limits, .. } = &*self.0.shared;
        let page = page.check(limits.default_page_size, limits.max_page_size)?;
        self.fold(&mut filter)?;
        store.extensions.list(&ExtensionQuery { filter, order, page }).await
    }

    /// How many extensions a list has, on all its pages.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `filter.query` for one that is too long.
    pub async fn count(&self, mut filter: ExtensionFilter) -> Result<u64> {
        self.fold(&mut filter)?;
        self.0.shared.store.extensions.count(&filter).await
    }

    fn fold(&self, filter: &mut ExtensionFilter) -> Result<()> {
        let most = self.0.shared.limits.search_query_bytes;
        for (field, text) in [("filter.query", &filter.query), ("filter.publisher", &filter.publisher)] {
            if text
                .as_ref()
                .is_some_and(|text| text.len() > most || text.contains('\0'))
            {
                return Err(Error::bad_input(
                    field,
                    format!("This has at most {most} bytes, none of them zero."),
                ));
            }
        }
        filter.query = filter.query.take().map(|query| publish::fold(&query));
        Ok(())
    }

    /// A page of the versions of an extension, the youngest first, and how many there are in all. Their
    /// cursors are their ids.
    ///
    /// # Errors
    /// BAD_USER_INPUT on the page's arguments.
    pub async fn versions_of(&self, extension: ExtensionId, page: PageArgs) -> Result<(Page<ExtensionVersion>, usize)> {
        let Shared { store, limits, .. } = &*self.0.shared;
        let page = page.check(limits.default_page_size, limits.max_page_size)?;
        let read = |argument, cursor: &Option<String>| -> Result<Option<ExtensionVersionId>> {
            let id = cursor.as_ref().map(|cursor| cursor.parse());
            id.transpose().map_err(|_| bad_cursor(argument))
        };
        let (after, before) = (read("after", &page.after)?, read("before", &page.before)?);
        let heads = store.extensions.version_heads(extension).await?;
        let total = heads.len();
        let mut ids: Vec<_> = heads.into_iter().map(|head| head.id).collect();
        ids.retain(|id| after.is_none_or(|after| *id < after) && before.is_none_or(|before| *id > before));
        if page.direction == Direction::Forward {
            ids.reverse();
        }
        ids.truncate(page.limit as usize + 1);
        let mut versions = store.extensions.versions(&ids).await?;
        versions.sort_by_key(|version| ids.iter().position(|id| *id == version.id));
        Ok((Page::from_rows(versions, &page), total))
    }

    /// Of each extension the newest version that can be installed; of one that has none, the newest.
    /// Anybody may see them.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn newest(&self, extensions: &[ExtensionId]) -> Result<Vec<ExtensionVersion>> {
        self.0.shared.store.extensions.newest(extensions).await
    }

    /// Those of `ids` that exist, in no order. Anybody may see them.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn versions(&self, ids: &[ExtensionVersionId]) -> Result<Vec<ExtensionVersion>> {
        self.0.shared.store.extensions.versions(ids).await
    }

    /// A publisher with its keys. Anybody may see it.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn publisher(&self, name: &str) -> Result<Option<Publisher>> {
        self.0.shared.store.extensions.publisher(name).await
    }

    /// The caller's installations, the oldest first.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub async fn installed(&self, actor: &Actor) -> Result<Vec<Installation>> {
        let owner = actor.require_user()?.user;
        self.0.shared.store.extensions.installed_by(owner).await
    }

    /// Those of `ids` that are the caller's, in no order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn installations(&self, actor: &Actor, ids: &[InstallationId]) -> Result<Vec<Installation>> {
        let mut found = self.0.shared.store.extensions.installations(ids).await?;
        found.retain(|installation| actor.is(installation.owner));
        Ok(found)
    }

    /// The secrets that an installation can have, and whether each is set.
    ///
    /// # Errors
    /// NOT_FOUND for what is not the caller's.
    pub async fn secrets(&self, actor: &Actor, id: InstallationId) -> Result<Vec<(String, bool)>> {
        let installation = self.required(actor, id).await?;
        let loaded = self.loaded(&installation.name, installation.version_id).await?;
        let set = self.0.shared.store.extensions.secret_names(&[id]).await?;
        let is_set = |name: String| {
            let set = set.iter().any(|(_, other)| *other == name);
            (name, set)
        };
        Ok(install::secrets_of(&loaded).into_iter().map(is_set).collect())
    }

    /// The newest lines of what happened to an installation, oldest first.
    ///
    /// # Errors
    /// NOT_FOUND for what is not the caller's.
    pub async fn logs(&self, actor: &Actor, id: InstallationId, limit: u32) -> Result<Vec<ExtensionLog>> {
        self.required(actor, id).await?;
        let limit = limit.min(self.0.shared.limits.extension_log_lines);
        self.0.shared.store.extensions.logs(id, limit).await
    }

    /// What happens to an installation: the newest lines, then all that comes, until it is taken away.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what is not the caller's.
    pub async fn events(&self, actor: &Actor, id: InstallationId) -> Result<BoxStream<'static, ExtensionEvent>> {
        actor.require_user()?;
        self.required(actor, id).await?;
        Ok(self.0.events.watch(id).await?.boxed())
    }

    async fn required(&self, actor: &Actor, id: InstallationId) -> Result<Installation> {
        let found = self.installations(actor, &[id]).await?.pop();
        found.ok_or_else(|| Error::not_found("installation"))
    }
}

#[cfg(test)]
mod tests;
