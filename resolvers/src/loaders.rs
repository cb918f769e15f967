//! Batched reads of relations.
//!
//! Nothing is cached: a loader lives as long as its operation, which for a subscription may be hours.
//! A batch is what the fields of one moment ask for; it is gathered by yielding, not by waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{Timer, TokioSpawner};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tavern_domain::account::User;
use tavern_domain::character::Character;
use tavern_domain::chat::{ChatSession, Message};
use tavern_domain::extension::{Extension, ExtensionVersion, Installation, PluginTrace};
use tavern_domain::generation::Generation;
use tavern_domain::lore::WorldBook;
use tavern_domain::persona::Persona;
use tavern_domain::preset::Preset;
use tavern_domain::{
    Actor, CharacterId, Error, ExtensionId, ExtensionVersionId, GenerationId, InstallationId, MessageId, PersonaId,
    PresetId, SessionId, UserId, WorldBookId,
};
use tavern_services::Services;

/// Reads what the caller may see.
pub(crate) struct Loaders {
    services: Services,
    actor: Actor,
}

/// Lets the other fields of the moment come to their loads; sleeping would cost a millisecond a level.
struct Yield;

impl Timer for Yield {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        tokio::task::yield_now().boxed()
    }
}

pub(crate) fn new(services: Services, actor: Actor) -> DataLoader<Loaders> {
    DataLoader::new(Loaders { services, actor }, TokioSpawner::current(), Yield).max_batch_size(100)
}

macro_rules! loader {
    ($id:ty, $value:ty, |$loaders:ident, $ids:ident| $load:expr, |$item:ident| $key:expr) => {
        impl Loader<$id> for Loaders {
            type Value = $value;
            type Error = Arc<Error>;

            async fn load(&self, $ids: &[$id]) -> Result<HashMap<$id, $value>, Arc<Error>> {
                let $loaders = self;
                let found = $load.await.map_err(Arc::new)?;
                Ok(found.into_iter().map(|$item| ($key, $item)).collect())
            }
        }
    };
}

loader!(
    UserId,
    User,
    |loaders, ids| loaders.services.accounts.by_ids(ids),
    |user| user.id
);
loader!(
    CharacterId,
    Character,
    |loaders, ids| loaders.services.characters.by_ids(&loaders.actor, ids),
    |character| character.summary.id
);
loader!(
    SessionId,
    ChatSession,
    |loaders, ids| loaders.services.chats.sessions(&loaders.actor, ids),
    |session| session.id
);
loader!(
    MessageId,
    Message,
    |loaders, ids| loaders.services.chats.messages_by_id(&loaders.actor, ids),
    |message| message.row.id
);
loader!(
    GenerationId,
    Generation,
    |loaders, ids| loaders.services.chats.generations(&loaders.actor, ids),
    |generation| generation.id
);
loader!(
    WorldBookId,
    WorldBook,
    |loaders, ids| loaders.services.world_books.by_ids(&loaders.actor, ids),
    |book| book.id
);
loader!(
    PresetId,
    Preset,
    |loaders, ids| loaders.services.presets.by_ids(&loaders.actor, ids),
    |preset| preset.id
);
loader!(
    PersonaId,
    Persona,
    |loaders, ids| loaders.services.personas.by_ids(&loaders.actor, ids),
    |persona| persona.id
);

loader!(
    ExtensionId,
    Extension,
    |loaders, ids| loaders.services.extensions.by_ids(ids),
    |extension| extension.id
);
loader!(
    ExtensionVersionId,
    ExtensionVersion,
    |loaders, ids| loaders.services.extensions.versions(ids),
    |version| version.id
);
loader!(
    InstallationId,
    Installation,
    |loaders, ids| loaders.services.extensions.installations(&loaders.actor, ids),
    |installation| installation.id
);

/// The newest version of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Newest(pub ExtensionId);

loader!(
    Newest,
    ExtensionVersion,
    |loaders, keys| async {
        let ids: Vec<_> = keys.iter().map(|Newest(id)| *id).collect();
        loaders.services.extensions.newest(&ids).await
    },
    |version| Newest(version.extension)
);

/// The calls of extensions for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CallsOf(pub GenerationId);

impl Loader<CallsOf> for Loaders {
    type Value = Vec<PluginTrace>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[CallsOf]) -> Result<HashMap<CallsOf, Vec<PluginTrace>>, Arc<Error>> {
        let ids: Vec<_> = keys.iter().map(|CallsOf(id)| *id).collect();
        let found = self.services.chats.plugin_traces(&ids).await.map_err(Arc::new)?;
        let mut calls: HashMap<_, Vec<_>> = HashMap::new();
        for (id, trace) in found {
            calls.entry(CallsOf(id)).or_default().push(trace);
        }
        Ok(calls)
    }
}

/// The caller's installation of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Installed(pub ExtensionId);

impl Loader<Installed> for Loaders {
    type Value = Installation;
    type Error = Arc<Error>;

    async fn load(&self, _: &[Installed]) -> Result<HashMap<Installed, Installation>, Arc<Error>> {
        if self.actor.user_id().is_none() {
            return Ok(HashMap::new());
        }
        let own = self
            .services
            .extensions
            .installed(&self.actor)
            .await
            .map_err(Arc::new)?;
        let of = |installation: Installation| (Installed(installation.extension), installation);
        Ok(own.into_iter().map(of).collect())
    }
}

/// A shared error of a batch as each of its fields tells it.
pub(crate) fn shared(error: Arc<Error>) -> Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| Error::new(error.code(), error.message().to_owned()))
}
