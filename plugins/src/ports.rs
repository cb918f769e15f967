//! What the host needs from whoever runs it: values, secrets, the model, and somebody to tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tavern_domain::extension::{ExtensionEvent, KvScope};
use tavern_domain::{InstallationId, Timestamp};

use crate::egress::Recorded;

/// Where a value of an extension stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KvKey {
    pub installation: InstallationId,
    pub scope: KvScope,
    /// The account's or the chat's id; empty for the installation's.
    pub owner: String,
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEntry {
    pub value: Vec<u8>,
    /// 1 for the first.
    pub version: u64,
    pub expires_at: Option<Timestamp>,
}

/// A change that waits for its hook to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvWrite {
    pub key: KvKey,
    /// `None` removes it.
    pub value: Option<Vec<u8>>,
    pub expires_at: Option<Timestamp>,
    /// The version the hook saw, 0 for none: with another one, nothing is written. `None` writes anyway.
    pub expected: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KvFault {
    #[error("a value was changed by somebody else")]
    Conflict,
    #[error("another version of the extension has been installed")]
    OtherVersion,
    #[error("the installation has no room for more values")]
    Quota,
    #[error("the values cannot be reached")]
    Unavailable,
}

/// What a guest asks of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// Role (`system`, `user`, `assistant`) and text.
    pub messages: Vec<(String, String)>,
    pub max_tokens: u32,
    pub temperature: Option<f32>,
    /// The configured name.
    pub model: String,
    /// What the installation may use in a day.
    pub daily_tokens: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelReply {
    pub text: String,
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub budget_left: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelFault {
    #[error("the day's budget of tokens does not suffice")]
    Budget,
    #[error("the request is too large")]
    TooLarge,
    #[error("{0}")]
    Unavailable(String),
}

/// What runs the host gives it. All of it is asked on behalf of one installation.
#[async_trait]
pub trait Ports: Send + Sync + 'static {
    /// Values by key, in order; what has expired is gone.
    async fn kv_get(&self, keys: Vec<KvKey>) -> Result<Vec<Option<KvEntry>>, KvFault>;

    /// Keys that begin so, in the order of their bytes, after `after`.
    async fn kv_keys(&self, prefix: KvKey, after: Option<String>, limit: u32) -> Result<Vec<String>, KvFault>;

    /// All of these, or none: checks versions and the installation's room. They are made by `version` of the
    /// extension; if another one is installed by now, they are in a form that is not for it.
    async fn kv_commit(&self, installation: InstallationId, version: &str, writes: Vec<KvWrite>)
    -> Result<(), KvFault>;

    /// The names of secrets that are set.
    async fn secret_names(&self, installation: InstallationId) -> Vec<String>;

    /// A secret as it is, for this version of the extension: there is none if another one is installed by now, whose
    /// hosts it is for.
    async fn secret(&self, installation: InstallationId, version: &str, name: &str) -> Option<Secret>;

    /// A call of a model out of the installation's budget.
    async fn complete(&self, installation: InstallationId, request: ModelRequest) -> Result<ModelReply, ModelFault>;

    /// Tells those who watch; never waits.
    fn emit(&self, installation: InstallationId, event: ExtensionEvent);

    /// What answers requests in place of their hosts, for all of the host's life.
    fn recorded(&self) -> Option<Arc<dyn Recorded>> {
        None
    }
}

/// A secret; it never shows in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Values in memory, no model: for tests and for authors.
#[derive(Default)]
pub struct MemoryPorts {
    pub values: parking_lot::Mutex<BTreeMap<KvKey, KvEntry>>,
    pub secrets: parking_lot::Mutex<BTreeMap<String, Secret>>,
    /// The latest, a thousand at most.
    pub events: parking_lot::Mutex<Vec<(InstallationId, ExtensionEvent)>>,
    /// The version that is installed; whichever writes, if nobody says.
    pub installed: parking_lot::Mutex<Option<String>>,
    /// What the model says; without one it is unavailable.
    pub completion: parking_lot::Mutex<Option<String>>,
    /// What answers requests; without it, they are sent.
    pub recorded: Option<Arc<dyn Recorded>>,
}

#[async_trait]
impl Ports for MemoryPorts {
    async fn kv_get(&self, keys: Vec<KvKey>) -> Result<Vec<Option<KvEntry>>, KvFault> {
        let values = self.values.lock();
        Ok(keys.iter().map(|key| values.get(key).cloned()).collect())
    }

    async fn kv_keys(&self, prefix: KvKey, after: Option<String>, limit: u32) -> Result<Vec<String>, KvFault> {
        let values = self.values.lock();
        let keys = values.keys().filter(|key| {
            (key.installation, key.scope, &key.owner) == (prefix.installation, prefix.scope, &prefix.owner)
                && key.key.starts_with(&prefix.key)
                && after.as_ref().is_none_or(|after| key.key > *after)
        });
        Ok(keys.take(limit as usize).map(|key| key.key.clone()).collect())
    }

    async fn kv_commit(
        &self,
        _installation: InstallationId,
        version: &str,
        writes: Vec<KvWrite>,
    ) -> Result<(), KvFault> {
        if self
            .installed
            .lock()
            .as_ref()
            .is_some_and(|installed| installed != version)
        {
            return Err(KvFault::OtherVersion);
        }
        let mut values = self.values.lock();
        let version = |values: &BTreeMap<KvKey, KvEntry>, key: &KvKey| values.get(key).map_or(0, |entry| entry.version);
        for write in &writes {
            if write
                .expected
                .is_some_and(|expected| expected != version(&values, &write.key))
            {
                return Err(KvFault::Conflict);
            }
        }
        for write in writes {
            let next = version(&values, &write.key) + 1;
            match write.value {
                Some(value) => {
                    let entry = KvEntry {
                        value,
                        version: next,
                        expires_at: write.expires_at,
                    };
                    values.insert(write.key, entry);
                }
                None => {
                    values.remove(&write.key);
                }
            }
        }
        Ok(())
    }

    async fn secret_names(&self, _installation: InstallationId) -> Vec<String> {
        self.secrets.lock().keys().cloned().collect()
    }

    async fn secret(&self, _installation: InstallationId, _version: &str, name: &str) -> Option<Secret> {
        self.secrets.lock().get(name).cloned()
    }

    async fn complete(&self, _installation: InstallationId, request: ModelRequest) -> Result<ModelReply, ModelFault> {
        let text = self.completion.lock().clone();
        let text = text.ok_or_else(|| ModelFault::Unavailable("There is no model here.".into()))?;
        Ok(ModelReply {
            text,
            prompt_tokens: 1,
            completion_tokens: 1,
            budget_left: request.daily_tokens,
        })
    }

    fn emit(&self, installation: InstallationId, event: ExtensionEvent) {
        let mut events = self.events.lock();
        if events.len() == 1_000 {
            events.drain(..500);
        }
        events.push((installation, event));
    }

    fn recorded(&self) -> Option<Arc<dyn Recorded>> {
        self.recorded.clone()
    }
}
