//! The host as `cargo test` has it: each thread has one of its own.
//!
//! ```
//! use tavern_extension::{kv, testing};
//!
//! testing::host(|host| host.config = serde_json::json!({ "limit": 3 }));
//! kv::CHAT.set("told", &2)?;
//! assert_eq!(kv::CHAT.get("told")?, Some(2));
//! # tavern_extension::Result::Ok(())
//! ```
//!
//! It keeps to what the interface says, and not to limits and permissions: `tavern extension test` runs an
//! extension in the real host.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::{HttpError, Request, Response};
use crate::kv::{Entry, Scope};
use crate::model::{Completion, ModelError};
use crate::{Character, Turn, model};

/// What the host's functions answer with, and what they were called with.
pub struct Host {
    pub config: Value,
    /// By the scope's name and the key.
    pub values: BTreeMap<(&'static str, String), Entry>,
    pub secrets: Vec<String>,
    /// Lines, each with its level in front.
    pub log: Vec<String>,
    pub counters: BTreeMap<String, u32>,
    pub respond: fn(&Request) -> Result<Response, HttpError>,
    pub complete: fn(&model::Request) -> Result<Completion, ModelError>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            config: json!({}),
            values: BTreeMap::new(),
            secrets: Vec::new(),
            log: Vec::new(),
            counters: BTreeMap::new(),
            respond: |request| Err(HttpError::Denied(request.url.clone())),
            complete: |_| Err(ModelError::Denied),
        }
    }
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// Looks at or changes the host of this thread.
pub fn host<R>(with: impl FnOnce(&mut Host) -> R) -> R {
    HOST.with_borrow_mut(with)
}

/// A turn of a user called Ana with a character called Mira.
#[must_use]
pub fn turn() -> Turn {
    Turn {
        id: "turn".into(),
        chat: "chat".into(),
        user: "user".into(),
        user_name: "Ana".into(),
        persona: String::new(),
        character: Some(Character {
            name: "Mira".into(),
            description: String::new(),
            personality: String::new(),
            scenario: String::new(),
            tags: Vec::new(),
        }),
        kind: "normal".into(),
        locale: "en".into(),
        model: "model".into(),
        context_tokens: 8192,
        reply_tokens: 512,
        variables: Vec::new(),
        seed: 1,
        now_ms: 1_700_000_000_000,
        dry_run: false,
        extra: Vec::new(),
    }
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Installation => "installation",
        Scope::User => "user",
        Scope::Chat => "chat",
    }
}

/// Stand-ins for the imports of a component, with their signatures.
pub(crate) mod functions {
    pub mod log {
        use crate::Pair;
        use crate::log::Level;

        pub fn write(level: Level, message: &str, _fields: &[Pair]) {
            crate::testing::host(|host| host.log.push(format!("{level:?}: {message}")));
        }
    }

    pub mod config {
        pub fn get(key: &str) -> Option<String> {
            crate::testing::host(|host| host.config.get(key).map(ToString::to_string))
        }

        pub fn all() -> String {
            crate::testing::host(|host| host.config.to_string())
        }
    }

    pub mod key_value {
        use crate::kv::{Entry, KvError, Scope};
        use crate::testing::{host, scope_name};

        pub fn get(scope: Scope, key: &str) -> Result<Option<Entry>, KvError> {
            Ok(host(|host| {
                host.values.get(&(scope_name(scope), key.to_owned())).cloned()
            }))
        }

        pub fn get_many(scope: Scope, keys: &[String]) -> Result<Vec<Option<Entry>>, KvError> {
            keys.iter().map(|key| get(scope, key)).collect()
        }

        pub fn set(
            scope: Scope,
            key: &str,
            value: &[u8],
            ttl_ms: Option<u64>,
            if_version: Option<u64>,
        ) -> Result<u64, KvError> {
            host(|host| {
                let place = (scope_name(scope), key.to_owned());
                let version = host.values.get(&place).map_or(0, |entry| entry.version);
                if if_version.is_some_and(|wanted| wanted != version) {
                    return Err(KvError::Conflict);
                }
                let entry = Entry {
                    value: value.to_vec(),
                    version: version + 1,
                    expires_at_ms: ttl_ms.map(|ttl| super::super::turn().now_ms + ttl),
                };
                host.values.insert(place, entry);
                Ok(version + 1)
            })
        }

        pub fn delete(scope: Scope, key: &str) -> Result<bool, KvError> {
            Ok(host(|host| {
                host.values.remove(&(scope_name(scope), key.to_owned())).is_some()
            }))
        }

        pub fn list_keys(scope: Scope, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, KvError> {
            Ok(host(|host| {
                let keys = host.values.keys().filter(|(name, _)| *name == scope_name(scope));
                keys.map(|(_, key)| key.clone())
                    .filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after))
                    .take(limit as usize)
                    .collect()
            }))
        }
    }

    pub mod http {
        use crate::http::{HttpError, Request, Response};

        pub fn send(request: &Request) -> Result<Response, HttpError> {
            (crate::testing::host(|host| host.respond))(request)
        }

        pub fn send_many(requests: &[Request]) -> Vec<Result<Response, HttpError>> {
            requests.iter().map(send).collect()
        }
    }

    pub mod secrets {
        /// Those that the owner has set and permitted.
        #[must_use]
        pub fn names() -> Vec<String> {
            crate::testing::host(|host| host.secrets.clone())
        }
    }

    pub mod text {
        /// A token is four bytes here.
        #[must_use]
        pub fn count_tokens(text: &str) -> u32 {
            u32::try_from(text.len().div_ceil(4)).unwrap_or(u32::MAX)
        }

        /// The longest beginning with at most so many tokens.
        #[must_use]
        pub fn truncate_tokens(text: &str, max: u32) -> String {
            text[..text.floor_char_boundary(max as usize * 4)].to_owned()
        }
    }

    pub mod metrics {
        pub fn count(name: &str, delta: u32) {
            crate::testing::host(|host| *host.counters.entry(name.to_owned()).or_default() += delta);
        }
    }

    pub mod model {
        use crate::model::{Completion, ModelError, Request};

        pub fn complete(request: &Request) -> Result<Completion, ModelError> {
            (crate::testing::host(|host| host.complete))(request)
        }
    }
}
