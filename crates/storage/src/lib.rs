//! Where the house keeps things: the relational store, documents, objects and the event bus.
//!
//! The relational store is SQLite (one writer, many readers) or PostgreSQL, chosen by the URL and
//! migrated when opened. A method is one transaction: it happens as a whole or not at all, and what
//! it acknowledged survives a crash. Nothing here decides who may do what.
//!
//! A method fails with UNAVAILABLE if the database is busy or away, and can then be tried again; with
//! INTERNAL_SERVER_ERROR if it is broken. Other errors are named where they can occur.

mod account;
mod bus;
mod character;
mod character_list;
mod chat;
mod cursor;
mod db;
mod documents;
mod entity;
mod extension;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod generation;
mod login;
mod objects;
mod persona;
mod preset;
mod search;
mod store;
mod world_book;

pub use account::{AccountStore, Credentials, NewAccount, ProfileChange};
pub use bus::{EventBus, Subscription};
pub use character::CharacterStore;
pub use character_list::{CharacterQuery, CharacterScope, ListedCharacter, ListedCreator};
pub use chat::{ChatStore, DeletedSession, Idempotency, SessionChange, SetupChange, TurnOutcome, TurnStart};
pub use documents::{DocumentStore, GenerationRecord, SqlDocuments};
pub use extension::{
    ExtensionQuery, ExtensionStore, InstallOutcome, InstallationStamp, ListedExtension, Publication, PublishOutcome,
    SealedSecret, SecretChange, StoredValue, Switch, SwitchOutcome, ValueKey, ValueOutcome, ValueRoom, ValueWrite,
    VersionHead,
};
pub use generation::GenerationStore;
pub use login::Rotation;
pub use objects::{ListedObject, Objects};
pub use persona::PersonaStore;
pub use preset::PresetStore;
pub use store::{MigrationState, ObjectsConfig, Store, StoreConfig, migrate, migrations};
pub use world_book::{EntryOutcome, Room, WorldBookStore};
