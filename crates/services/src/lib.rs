//! The use cases. Each takes the [`Actor`](tavern_domain::Actor) first and decides access itself.
//!
//! One struct a domain, all cheap to clone; [`Services::open`] builds them in the order of their
//! dependencies and starts what runs in the background.

pub mod account;
mod after_reply;
pub mod avatar;
pub mod character;
pub mod chat;
pub mod chat_file;
mod check;
pub mod export;
pub mod extension;
pub mod files;
mod fork;
mod gather;
pub mod generation;
mod group;
mod hooks;
mod lease;
pub mod live;
pub mod message;
pub mod password;
pub mod persona;
pub mod preset;
pub mod prompt;
mod reaper;
mod runtime;
pub mod setup;
#[cfg(test)]
mod testing;
pub mod throttle;
pub mod token;
mod tool;
pub mod turn;
pub mod world_book;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tavern_domain::{Clock, Code, Error, Limits, Result};
use tavern_models::Router;
use tavern_plugins::settings::{CompileSettings, PluginSettings};
use tavern_storage::Store;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::chat::ChatParts;
use crate::throttle::Throttle;

pub use account::Accounts;
pub use character::Characters;
pub use chat::Chats;
pub use export::Exports;
pub use extension::Extensions;
pub use persona::Personas;
pub use preset::Presets;
pub use world_book::WorldBooks;

/// Files being read or written whole at once: each may take hundreds of megabytes.
const LARGE_FILES: usize = 2;
/// How long somebody waits for a place among them.
const LARGE_FILE_WAIT: Duration = Duration::from_secs(10);

/// What the use cases share.
pub(crate) struct Shared {
    pub store: Store,
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    pub throttle: Throttle,
    large_files: Semaphore,
}

impl Shared {
    /// A place to read or write a whole file.
    ///
    /// # Errors
    /// OVERLOADED if none is free in time.
    pub(crate) async fn large_file(&self) -> Result<SemaphorePermit<'_>> {
        match tokio::time::timeout(LARGE_FILE_WAIT, self.large_files.acquire()).await {
            Ok(place) => place.map_err(Error::internal),
            Err(_) => Err(Error::new(
                Code::Overloaded,
                "Too many files are being read and written at this moment. Try again later.",
            )),
        }
    }
}

/// What [`Services::open`] needs.
pub struct Parts {
    pub store: Store,
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    pub models: Router,
    /// Where signing keys are kept.
    pub keys: PathBuf,
    pub plugins: PluginSettings,
    pub compile: CompileSettings,
}

/// All use cases.
#[derive(Clone)]
pub struct Services {
    pub accounts: Accounts,
    pub characters: Characters,
    pub chats: Chats,
    pub world_books: WorldBooks,
    pub presets: Presets,
    pub personas: Personas,
    pub exports: Exports,
    pub extensions: Extensions,
    shared: Arc<Shared>,
}

impl Services {
    /// Builds the use cases and starts the lease keeper, the reaper and housekeeping.
    ///
    /// # Errors
    /// If the keys cannot be read or made, or the store does not answer.
    pub async fn open(parts: Parts) -> Result<Self> {
        let shared = Arc::new(Shared {
            store: parts.store,
            throttle: Throttle::new(&parts.limits),
            limits: parts.limits,
            clock: parts.clock,
            large_files: Semaphore::new(LARGE_FILES),
        });
        let accounts = Accounts::open(Arc::clone(&shared), &parts.keys).await?;
        let world_books = WorldBooks::new(Arc::clone(&shared));
        let characters = Characters::new(Arc::clone(&shared), world_books.clone());
        let presets = Presets::new(Arc::clone(&shared));
        let personas = Personas::new(Arc::clone(&shared), world_books.clone());
        let extensions = Extensions::open(
            Arc::clone(&shared),
            &parts.keys,
            parts.models.clone(),
            parts.plugins,
            parts.compile,
        )?;
        let parts = ChatParts {
            extensions: extensions.clone(),
            accounts: accounts.clone(),
            characters: characters.clone(),
            world_books: world_books.clone(),
            presets: presets.clone(),
            personas: personas.clone(),
            models: parts.models,
        };
        let chats = Chats::start(Arc::clone(&shared), parts);
        let exports = Exports::new(Arc::clone(&shared), accounts.clone(), characters.clone(), chats.clone());
        Ok(Self {
            accounts,
            characters,
            chats,
            world_books,
            presets,
            personas,
            exports,
            extensions,
            shared,
        })
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    #[must_use]
    pub fn now(&self) -> tavern_domain::Timestamp {
        self.shared.clock.now()
    }

    /// Whether the stores answer.
    ///
    /// # Errors
    /// UNAVAILABLE, or whatever the store says.
    pub async fn ready(&self) -> Result<()> {
        self.shared.store.ping().await
    }

    /// Ends what runs in the background: replies under way are interrupted and kept. Then closes the store.
    pub async fn close(&self) {
        self.chats.shut_down().await;
        self.extensions.close().await;
        self.shared.store.close().await;
    }
}
