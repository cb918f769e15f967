//! The vocabulary of the house: ids, domain types, errors, actors and permissions, time.
//!
//! Everything above speaks in these types. This crate does no I/O and knows no transport, no
//! database and no GraphQL; what it validates stays valid, because the constructors are the only way in.

pub mod account;
pub mod actor;
pub mod character;
pub mod chat;
pub mod clock;
pub mod error;
pub mod event;
pub mod extension;
pub mod generation;
pub mod id;
pub mod limits;
pub mod lore;
pub mod model;
pub mod page;
pub mod persona;
pub mod preset;
pub mod prompt;

pub use actor::{Actor, Permission, Role};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use error::{Code, Error, FieldError, Problems, Result};
pub use id::{
    CharacterId, ExtensionId, ExtensionVersionId, GenerationId, InstallationId, MessageId, PersonaId, PresetId,
    RefreshFamilyId, SessionId, UserId, ViewerId, WorldBookId, WorldEntryId,
};
pub use limits::Limits;
