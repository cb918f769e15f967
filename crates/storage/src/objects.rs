//! Objects: immutable bytes under a key, such as pictures named by their hash. Files for now.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use tavern_domain::{Code, Error, Result, Timestamp};

/// Objects by key. Cheap to clone.
///
/// A key has 1 to 256 of the characters `a-z 0-9 _ . - /`, in parts between slashes, none of them
/// empty, `.` or `..`; anything else is BAD_USER_INPUT on `key`.
#[derive(Clone)]
pub struct Objects(Arc<dyn ObjectStore>);

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    pub stored_at: Timestamp,
}

impl Objects {
    /// Bytes of a key.
    pub const KEY_MAX: usize = 256;

    /// Objects as files below a directory, which is made if need be, for its owner alone.
    pub(crate) fn files(directory: &Path) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let failed = |error: std::io::Error| {
            Error::new(
                Code::Unavailable,
                format!("The directory {} cannot be made: {error}.", directory.display()),
            )
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed)?;
        // Synced, because rows that point at an object are acknowledged after it.
        let files = LocalFileSystem::new_with_prefix(directory)
            .map_err(Error::internal)?
            .with_fsync(true);
        Ok(Self(Arc::new(files)))
    }

    /// Stores an object whole or not at all; one that exists is replaced.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.0.put(&parse(key)?, bytes.into()).await.map_err(Error::internal)?;
        Ok(())
    }

    pub async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        match self.0.get(&parse(key)?).await {
            Ok(found) => found.bytes().await.map(Some).map_err(Error::internal),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::internal(error)),
        }
    }

    /// Deleting what does not exist is no error.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match self.0.delete(&parse(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::internal(error)),
        }
    }

    pub async fn exists(&self, key: &str) -> Result<bool> {
        match self.0.head(&parse(key)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(Error::internal(error)),
        }
    }

    /// When an object was stored, the last time. `None` if there is none.
    pub async fn stored_at(&self, key: &str) -> Result<Option<Timestamp>> {
        match self.0.head(&parse(key)?).await {
            Ok(object) => Ok(Some(Timestamp(object.last_modified.timestamp_millis()))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::internal(error)),
        }
    }

    /// The first `limit` objects below `prefix/` behind the key `after`, in the order of their keys.
    /// Looks at every object there, and keeps no more than `limit` in memory.
    pub async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<ListedObject>> {
        let prefix = parse(prefix)?;
        let mut all = match after {
            Some(after) => self.0.list_with_offset(Some(&prefix), &parse(after)?),
            None => self.0.list(Some(&prefix)),
        };
        // Files come in no order.
        let mut first = BTreeMap::new();
        while let Some(object) = all.try_next().await.map_err(Error::internal)? {
            first.insert(object.location, Timestamp(object.last_modified.timestamp_millis()));
            if first.len() > limit {
                first.pop_last();
            }
        }
        Ok(first
            .into_iter()
            .map(|(key, stored_at)| ListedObject {
                key: key.into(),
                stored_at,
            })
            .collect())
    }
}

fn parse(key: &str) -> Result<Key> {
    let refuse = |why: &str| {
        Err(Error::bad_input(
            "key",
            format!("This is not the key of an object: {why}."),
        ))
    };
    if key.len() > Objects::KEY_MAX {
        return refuse("it has more than 256 bytes");
    }
    if !key
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'/'))
    {
        return refuse("it has only the characters a-z, 0-9, `_`, `.`, `-` and `/`");
    }
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse("a part between slashes is empty, `.` or `..`");
    }
    Key::parse(key).map_err(|error| Error::bad_input("key", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_its_directory() {
        for good in ["a", "avatars/ab/0f_1.png", "..a", "a..b/c"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "", "/a", "a/", "a//b", "..", "a/../b", "./a", "A", "a b", "a\\b", "a\0", "ä", "%2e%2e/a",
        ] {
            assert_eq!(parse(bad).expect_err(bad).code(), Code::BadUserInput, "{bad}");
        }
    }

    #[test]
    fn a_key_has_at_most_256_bytes() {
        assert!(parse(&"a".repeat(256)).is_ok());
        assert!(parse(&"a".repeat(257)).is_err());
    }

    #[tokio::test]
    async fn an_object_is_there_until_it_is_deleted() {
        let directory = tempfile::tempdir().expect("a directory");
        let objects = Objects::files(&directory.path().join("objects")).expect("objects");
        assert_eq!(objects.get("a/b").await.expect("no error"), None);
        objects.put("a/b", Bytes::from_static(b"one")).await.expect("stored");
        objects.put("a/b", Bytes::from_static(b"two")).await.expect("replaced");
        assert_eq!(objects.get("a/b").await.expect("read").as_deref(), Some(&b"two"[..]));
        assert!(objects.exists("a/b").await.expect("asked"));
        objects.delete("a/b").await.expect("deleted");
        objects.delete("a/b").await.expect("deleted again");
        assert!(!objects.exists("a/b").await.expect("asked"));
    }

    #[tokio::test]
    async fn a_list_goes_on_where_the_last_one_ended() {
        let directory = tempfile::tempdir().expect("a directory");
        let objects = Objects::files(&directory.path().join("objects")).expect("objects");
        for key in ["a/3", "a/1", "b/0", "a/2/x", "a/2/w"] {
            objects.put(key, Bytes::from_static(b"x")).await.expect("stored");
        }
        let keys = async |after, limit| {
            let list = objects.list("a", after, limit).await.expect("listed");
            list.into_iter().map(|object| object.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(None, 2).await, ["a/1", "a/2/w"]);
        assert_eq!(keys(Some("a/2/w"), 2).await, ["a/2/x", "a/3"]);
        assert_eq!(keys(Some("a/3"), 2).await, [""; 0]);
        assert!(objects.list("nowhere", None, 2).await.expect("listed").is_empty());
    }
}
