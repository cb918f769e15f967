//! Values that stay, of an installation, a user or a chat. What a hook writes is kept only if its result is
//! accepted; until then it alone sees it.
//!
//! ```
//! # fn main() -> tavern_extension::Result<()> {
//! use tavern_extension::kv;
//!
//! let told: u32 = kv::CHAT.get("told")?.unwrap_or_default();
//! kv::CHAT.set("told", &(told + 1))?;
//! # Ok(())
//! # }
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host::key_value as host;
use crate::{HookError, Result};

pub use crate::bindings::tavern::extension::key_value::{Entry, KvError, Scope};

/// Shared by all chats of the installation. With the permission `kv:installation`.
pub const INSTALLATION: Store = Store(Scope::Installation);
/// Of the user of the turn. With the permission `kv:user`.
pub const USER: Store = Store(Scope::User);
/// Of the chat of the turn. With the permission `kv:chat`.
pub const CHAT: Store = Store(Scope::Chat);

/// The values of a scope.
#[derive(Debug, Clone, Copy)]
pub struct Store(Scope);

impl Store {
    /// A value that was stored as JSON.
    ///
    /// # Errors
    /// When it is not permitted, or the value is of another shape.
    pub fn get<T: DeserializeOwned>(self, key: &str) -> Result<Option<T>> {
        self.entry(key)?
            .map(|entry| {
                serde_json::from_slice(&entry.value)
                    .map_err(|error| HookError::Failed(format!("the value of `{key}`: {error}")))
            })
            .transpose()
    }

    /// Stores a value as JSON, for good.
    ///
    /// # Errors
    /// When it is not permitted, or is too much.
    pub fn set<T: Serialize + ?Sized>(self, key: &str, value: &T) -> Result<()> {
        self.put(key, &serde_json::to_vec(value)?, None, None)?;
        Ok(())
    }

    /// A value as it is, with its version.
    ///
    /// # Errors
    /// When it is not permitted.
    pub fn entry(self, key: &str) -> std::result::Result<Option<Entry>, KvError> {
        host::get(self.0, key)
    }

    /// Values of several keys, in their order.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn entries(self, keys: &[String]) -> std::result::Result<Vec<Option<Entry>>, KvError> {
        host::get_many(self.0, keys)
    }

    /// Stores bytes, for so many milliseconds if any are named, and gives their version. With `if_version`,
    /// only if that is the version there is; 0 is none.
    ///
    /// # Errors
    /// When it is not permitted, is too much, or the version is another.
    pub fn put(
        self,
        key: &str,
        value: &[u8],
        ttl_ms: Option<u64>,
        if_version: Option<u64>,
    ) -> std::result::Result<u64, KvError> {
        host::set(self.0, key, value, ttl_ms, if_version)
    }

    /// Whether there was one.
    ///
    /// # Errors
    /// When it is not permitted.
    pub fn delete(self, key: &str) -> std::result::Result<bool, KvError> {
        host::delete(self.0, key)
    }

    /// At most `limit` keys that begin so, in the order of their bytes, after `after`.
    ///
    /// # Errors
    /// When it is not permitted.
    pub fn keys(self, prefix: &str, after: Option<&str>, limit: u32) -> std::result::Result<Vec<String>, KvError> {
        host::list_keys(self.0, prefix, after, limit)
    }
}
