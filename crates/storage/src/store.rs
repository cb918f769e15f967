//! Opening the whole store, and bringing its schema up to date.

use std::path::PathBuf;
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::{MigrationStatus, MigratorTrait};
use tavern_domain::{Limits, Result};
use tavern_migrations::Migrator;

use crate::account::AccountStore;
use crate::bus::EventBus;
use crate::character::CharacterStore;
use crate::chat::ChatStore;
use crate::db::{Db, DbResult};
use crate::documents::{DocumentStore, SqlDocuments};
use crate::extension::ExtensionStore;
use crate::generation::GenerationStore;
use crate::objects::Objects;
use crate::persona::PersonaStore;
use crate::preset::PresetStore;

/// Where things are to be kept.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `sqlite:///absolute/path.db` or `postgres://…`.
    pub database_url: String,
    pub objects: ObjectsConfig,
    /// Connections that read at once. Over PostgreSQL the pool has four more, for what writes.
    pub readers: u32,
}

/// Where objects are to be kept.
#[derive(Debug, Clone)]
pub enum ObjectsConfig {
    /// Files below this directory, which is made if need be.
    Files(PathBuf),
}

/// Everything that is kept. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub accounts: AccountStore,
    pub characters: CharacterStore,
    pub chats: ChatStore,
    pub presets: PresetStore,
    pub personas: PersonaStore,
    pub extensions: ExtensionStore,
    pub generations: GenerationStore,
    pub documents: Arc<dyn DocumentStore>,
    pub objects: Objects,
    pub events: EventBus,
    db: Db,
}

impl Store {
    /// Connects, and migrates to the newest version.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `database.url`; UNAVAILABLE if the database or the directory cannot be reached.
    pub async fn open(config: &StoreConfig, limits: &Limits) -> Result<Self> {
        let db = Db::connect(&config.database_url, config.readers).await?;
        up(&db).await?;
        let ObjectsConfig::Files(directory) = &config.objects;
        Ok(Self {
            accounts: AccountStore { db: db.clone() },
            characters: CharacterStore::new(db.clone()),
            chats: ChatStore { db: db.clone() },
            presets: PresetStore { db: db.clone() },
            personas: PersonaStore { db: db.clone() },
            extensions: ExtensionStore { db: db.clone() },
            generations: GenerationStore { db: db.clone() },
            documents: Arc::new(SqlDocuments { db: db.clone() }),
            objects: Objects::files(directory)?,
            events: EventBus::new(limits.session_events),
            db,
        })
    }

    /// Ends all event subscriptions, then closes the database; what is under way is finished first.
    pub async fn close(&self) {
        self.events.close();
        self.db.close().await;
    }

    /// # Errors
    /// UNAVAILABLE if the database does not answer.
    pub async fn ping(&self) -> Result<()> {
        self.db.read.ping().await.db()?;
        self.db.write.ping().await.db()
    }
}

/// One version of the schema, and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    pub name: String,
    pub applied: bool,
}

/// Brings a database up to the newest version.
///
/// # Errors
/// As [`Store::open`].
pub async fn migrate(database_url: &str) -> Result<()> {
    let db = Db::connect(database_url, 1).await?;
    let migrated = up(&db).await;
    db.close().await;
    migrated
}

/// All versions, oldest first, without changing anything.
///
/// # Errors
/// As [`Store::open`].
pub async fn migrations(database_url: &str) -> Result<Vec<MigrationState>> {
    let db = Db::connect(database_url, 1).await?;
    let states = Migrator::get_migration_with_status_read_only(&db.read).await.db();
    db.close().await;
    Ok(states?
        .iter()
        .map(|state| MigrationState {
            name: state.name().to_owned(),
            applied: state.status() == MigrationStatus::Applied,
        })
        .collect())
}

/// Several nodes may start at once: the first migrates, the others wait for it.
async fn up(db: &Db) -> Result<()> {
    let tx = db.begin().await?;
    if db.backend() == DbBackend::Postgres {
        tx.execute_unprepared("SELECT pg_advisory_xact_lock(7305804402)")
            .await
            .db()?;
    }
    Migrator::up(&tx, None).await.db()?;
    tx.commit().await.db()
}
