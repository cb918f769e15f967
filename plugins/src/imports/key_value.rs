//! Values that stay. A hook sees what it has written at once; anybody else sees it when the hook's result was
//! accepted, and never if it was not.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use tavern_domain::Timestamp;
use tavern_domain::extension::{Capability, KvScope};

use crate::bindings::tavern::extension::key_value::{Entry, Host, KvError, Scope};
use crate::ports::{KvEntry, KvFault, KvKey, KvWrite};
use crate::settings::PluginLimits;
use crate::store::State;

/// Milliseconds a value may live, if it is not to live for ever: a hundred years.
const MAX_TTL_MS: u64 = 100 * 365 * 86_400_000;

/// What waits to be committed, by key. It may be of many calls, as a filter's is, and is bounded like all that an
/// installation keeps.
#[derive(Default)]
pub(crate) struct Writes {
    writes: BTreeMap<KvKey, Write>,
    /// Of keys and values.
    bytes: usize,
    /// What waited before the call that is under way wrote something else, or nothing, for each key that it wrote.
    before: BTreeMap<KvKey, Option<Write>>,
}

struct Write {
    value: Option<Vec<u8>>,
    expires_at: Option<Timestamp>,
    expected: Option<u64>,
    /// Which one it will be, if nobody else writes.
    version: u64,
}

impl Writes {
    /// Takes them out, in the order of their keys.
    pub fn take(&mut self) -> Vec<KvWrite> {
        let writes = std::mem::take(self).writes;
        let write = |(key, write): (KvKey, Write)| KvWrite {
            key,
            value: write.value,
            expires_at: write.expires_at,
            expected: write.expected,
        };
        writes.into_iter().map(write).collect()
    }

    /// Calls have gone well so far: whatever becomes of the next one, theirs stays.
    pub fn keep(&mut self) {
        self.before.clear();
    }

    /// Forgets what was written since [`Self::keep`].
    pub fn undo(&mut self) {
        for (key, write) in std::mem::take(&mut self.before) {
            self.replace(key, write);
        }
    }

    fn put(&mut self, key: KvKey, write: Write) {
        let before = self.replace(key.clone(), Some(write));
        self.before.entry(key).or_insert(before);
    }

    fn replace(&mut self, key: KvKey, write: Option<Write>) -> Option<Write> {
        let name = key.key.len();
        self.bytes += write.as_ref().map_or(0, |write| name + write.bytes());
        let before = match write {
            Some(write) => self.writes.insert(key, write),
            None => self.writes.remove(&key),
        };
        self.bytes -= before.as_ref().map_or(0, |before| name + before.bytes());
        before
    }

    /// Whether a value of so many bytes may wait as well.
    fn has_room(&self, limits: &PluginLimits, key: &KvKey, bytes: usize) -> bool {
        let others = |write: &Write| (self.writes.len() - 1, self.bytes - key.key.len() - write.bytes());
        let (keys, others) = self.writes.get(key).map_or((self.writes.len(), self.bytes), others);
        keys < limits.kv_keys && others + key.key.len() + bytes <= limits.kv_bytes
    }
}

impl Write {
    fn bytes(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len)
    }
}

impl From<KvFault> for KvError {
    fn from(fault: KvFault) -> Self {
        match fault {
            KvFault::Conflict | KvFault::OtherVersion => Self::Conflict,
            KvFault::Quota => Self::Quota,
            KvFault::Unavailable => Self::Unavailable,
        }
    }
}

impl State {
    /// Counts an operation, and says where a key stands.
    fn place(&mut self, scope: Scope, key: String) -> Result<KvKey, KvError> {
        let scope = match scope {
            Scope::Installation => KvScope::Installation,
            Scope::User => KvScope::User,
            Scope::Chat => KvScope::Chat,
        };
        if !self.member.may(&Capability::Kv(scope)) {
            return Err(KvError::Denied);
        }
        let owner = match scope {
            KvScope::Installation => Some(String::new()),
            KvScope::User => self.facts.user.clone(),
            KvScope::Chat => self.facts.chat.clone(),
        };
        let owner = owner.ok_or(KvError::Denied)?;
        if key.len() > self.limits().kv_key_bytes {
            return Err(KvError::TooLarge);
        }
        if self.call.kv_operations >= self.limits().kv_operations {
            return Err(KvError::Quota);
        }
        self.call.kv_operations += 1;
        Ok(KvKey {
            installation: self.member.installation,
            scope,
            owner,
            key,
        })
    }

    async fn stored(&mut self, keys: Vec<KvKey>) -> Result<Vec<Option<KvEntry>>, KvError> {
        let wanted = keys.len();
        let found = self.host.inner().ports.kv_get(keys).await?;
        if found.len() == wanted {
            Ok(found)
        } else {
            Err(KvError::Unavailable)
        }
    }

    /// The version in the store, and the one the guest has before it.
    async fn versions(&mut self, key: &KvKey) -> Result<(u64, u64), KvError> {
        let stored = self.stored(vec![key.clone()]).await?;
        let stored = stored.first().and_then(Option::as_ref).map_or(0, |entry| entry.version);
        Ok(match self.writes.writes.get(key) {
            Some(Write { value: None, .. }) => (stored, 0),
            Some(write) => (stored, write.version),
            None => (stored, stored),
        })
    }

    async fn read(&mut self, keys: Vec<KvKey>) -> Result<Vec<Option<Entry>>, KvError> {
        let unwritten = keys.iter().filter(|key| !self.writes.writes.contains_key(key));
        let unwritten: Vec<_> = unwritten.cloned().collect();
        let mut stored = self.stored(unwritten).await?.into_iter();
        let entries = keys.into_iter().map(|key| match self.writes.writes.get(&key) {
            Some(write) => write
                .value
                .clone()
                .map(|value| entry(value, write.version, write.expires_at)),
            None => {
                let stored = stored.next().flatten();
                stored.map(|stored| entry(stored.value, stored.version, stored.expires_at))
            }
        });
        Ok(entries.collect())
    }

    async fn write(
        &mut self,
        key: KvKey,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
        if_version: Option<u64>,
    ) -> Result<u64, KvError> {
        if value.len() > self.limits().kv_value_bytes {
            return Err(KvError::TooLarge);
        }
        if !self.writes.has_room(self.limits(), &key, value.len()) {
            return Err(KvError::Quota);
        }
        let (stored, current) = self.versions(&key).await?;
        if if_version.is_some_and(|wanted| wanted != current) {
            return Err(KvError::Conflict);
        }
        let expected = match self.writes.writes.get(&key) {
            // What the guest saw last is its own write; the store must still be as it was for the first one.
            Some(before) => before.expected,
            None => if_version,
        };
        let version = stored.saturating_add(1);
        let write = Write {
            value: Some(value),
            expires_at: ttl_ms.map(|ttl| self.facts.now.plus(Duration::from_millis(ttl.min(MAX_TTL_MS)))),
            expected,
            version,
        };
        self.writes.put(key, write);
        Ok(version)
    }

    async fn remove(&mut self, key: KvKey) -> Result<bool, KvError> {
        if !self.writes.has_room(self.limits(), &key, 0) {
            return Err(KvError::Quota);
        }
        let (stored, current) = self.versions(&key).await?;
        let expected = self.writes.writes.get(&key).and_then(|before| before.expected);
        let write = Write {
            value: None,
            expires_at: None,
            expected,
            version: stored,
        };
        self.writes.put(key, write);
        Ok(current != 0)
    }

    async fn list(&mut self, prefix: KvKey, after: Option<String>, limit: u32) -> Result<Vec<String>, KvError> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX).min(self.limits().kv_keys);
        let in_prefix = |key: &KvKey| {
            (key.scope, &key.owner) == (prefix.scope, &prefix.owner)
                && key.key.starts_with(&prefix.key)
                && after.as_ref().is_none_or(|after| key.key > *after)
        };
        let (mut added, mut removed) = (BTreeSet::new(), BTreeSet::new());
        for (key, write) in self.writes.writes.iter().filter(|(key, _)| in_prefix(key)) {
            let changed = if write.value.is_some() {
                &mut added
            } else {
                &mut removed
            };
            changed.insert(key.key.clone());
        }
        // So many more that enough are left without those that were removed.
        let wanted = u32::try_from(most + removed.len()).unwrap_or(u32::MAX);
        let stored = self.host.inner().ports.kv_keys(prefix, after, wanted).await?;
        let mut keys: BTreeSet<_> = stored.into_iter().filter(|key| !removed.contains(key)).collect();
        keys.append(&mut added);
        Ok(keys.into_iter().take(most).collect())
    }
}

fn entry(value: Vec<u8>, version: u64, expires_at: Option<Timestamp>) -> Entry {
    Entry {
        value,
        version,
        expires_at_ms: expires_at.and_then(|at| u64::try_from(at.0).ok()),
    }
}

impl Host for State {
    async fn get(&mut self, scope: Scope, key: String) -> wasmtime::Result<Result<Option<Entry>, KvError>> {
        let entries = self.get_many(scope, vec![key]).await?;
        Ok(entries.map(|mut entries| entries.pop().flatten()))
    }

    async fn get_many(
        &mut self,
        scope: Scope,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<Entry>>, KvError>> {
        self.admit(keys.iter().map(String::len).sum())?;
        let places: Result<Vec<_>, _> = keys.into_iter().map(|key| self.place(scope, key)).collect();
        Ok(match places {
            Ok(places) => self.read(places).await,
            Err(error) => Err(error),
        })
    }

    async fn set(
        &mut self,
        scope: Scope,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
        if_version: Option<u64>,
    ) -> wasmtime::Result<Result<u64, KvError>> {
        self.admit(key.len() + value.len())?;
        if key.is_empty() {
            return Ok(Err(KvError::TooLarge));
        }
        Ok(match self.place(scope, key) {
            Ok(place) => self.write(place, value, ttl_ms, if_version).await,
            Err(error) => Err(error),
        })
    }

    async fn delete(&mut self, scope: Scope, key: String) -> wasmtime::Result<Result<bool, KvError>> {
        self.admit(key.len())?;
        Ok(match self.place(scope, key) {
            Ok(place) => self.remove(place).await,
            Err(error) => Err(error),
        })
    }

    async fn list_keys(
        &mut self,
        scope: Scope,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, KvError>> {
        self.admit(prefix.len() + after.as_ref().map_or(0, String::len))?;
        Ok(match self.place(scope, prefix) {
            Ok(place) => self.list(place, after, limit).await,
            Err(error) => Err(error),
        })
    }
}

#[cfg(test)]
mod tests;
