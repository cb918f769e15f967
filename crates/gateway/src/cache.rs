//! Documents that were seen before: by their text, and by their hash for automatic persisted queries.
//!
//! Only what has passed the guard is kept. Both caches are bounded by the memory of what they keep,
//! so that no client can make them grow; one that floods them only makes others parse again.

use std::sync::Arc;

use moka::sync::Cache;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tavern_domain::Limits;

use crate::document::Document;
use crate::error::{ErrorCode, RequestError};

/// Bytes of memory that a parsed document takes for one byte of its text, about.
const AST_BYTES_PER_TEXT_BYTE: usize = 24;

/// `extensions.persistedQuery` of a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersistedQuery {
    pub version: u32,
    /// In hexadecimal digits.
    pub sha256_hash: String,
}

type Sha256Hash = [u8; 32];

pub struct DocumentCache {
    by_text: Cache<Box<str>, Arc<Document>>,
    by_hash: Cache<Sha256Hash, Arc<Document>>,
}

impl DocumentCache {
    /// `capacity` is in bytes, for each of the two.
    pub fn new(capacity: usize) -> Self {
        fn weight<K>(_: &K, document: &Arc<Document>) -> u32 {
            u32::try_from(
                document
                    .size
                    .saturating_mul(AST_BYTES_PER_TEXT_BYTE)
                    .saturating_add(1024),
            )
            .unwrap_or(u32::MAX)
        }
        Self {
            by_text: Cache::builder().max_capacity(capacity as u64).weigher(weight).build(),
            by_hash: Cache::builder().max_capacity(capacity as u64).weigher(weight).build(),
        }
    }

    /// The document of that text, or of that hash. A text that comes with its hash is remembered under it.
    ///
    /// # Errors
    /// As [`Front::prepare`](crate::Front::prepare).
    pub fn find(
        &self,
        text: Option<&str>,
        persisted: Option<&PersistedQuery>,
        limits: &Limits,
    ) -> Result<Arc<Document>, RequestError> {
        let hash = persisted.map(PersistedQuery::hash).transpose()?;
        match (text, hash) {
            (Some(text), None) => self.by_text(text, limits),
            (Some(text), Some(hash)) => {
                if text.len() <= limits.document_bytes && *Sha256::digest(text) != hash {
                    return Err(RequestError::bad_request("`sha256Hash` is not the SHA-256 of `query`."));
                }
                let document = self.by_text(text, limits)?;
                self.by_hash.insert(hash, document.clone());
                Ok(document)
            }
            (None, Some(hash)) => self.by_hash.get(&hash).ok_or_else(|| {
                // Clients recognise this text and send the document again.
                RequestError::document(ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound")
            }),
            (None, None) => Err(RequestError::bad_request("`query` is missing.")),
        }
    }

    fn by_text(&self, text: &str, limits: &Limits) -> Result<Arc<Document>, RequestError> {
        if let Some(document) = self.by_text.get(text) {
            return Ok(document);
        }
        let document = Arc::new(Document::parse(text, limits)?);
        self.by_text.insert(text.into(), document.clone());
        Ok(document)
    }
}

impl PersistedQuery {
    fn hash(&self) -> Result<Sha256Hash, RequestError> {
        if self.version != 1 {
            return Err(RequestError::bad_request(format!(
                "`persistedQuery.version` must be 1, not {}.",
                self.version
            )));
        }
        let digits = &self.sha256_hash;
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(RequestError::bad_request(
                "`persistedQuery.sha256Hash` must be 64 hexadecimal digits.",
            ));
        }
        Ok(std::array::from_fn(|at| {
            u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("two hexadecimal digits")
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let (capacity, limits) = (20_000, Limits::default());
        let cache = DocumentCache::new(capacity);
        for n in 0..1_000 {
            let text = format!("{{ field{n} }}");
            let sha256_hash = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
            cache
                .find(
                    Some(&text),
                    Some(&PersistedQuery {
                        version: 1,
                        sha256_hash,
                    }),
                    &limits,
                )
                .expect("a good document");
        }
        cache.by_text.run_pending_tasks();
        cache.by_hash.run_pending_tasks();
        for (kept, entries) in [
            (cache.by_text.weighted_size(), cache.by_text.entry_count()),
            (cache.by_hash.weighted_size(), cache.by_hash.entry_count()),
        ] {
            assert!(
                entries > 0 && kept <= capacity as u64,
                "{entries} entries of {kept} bytes"
            );
        }
    }

    #[test]
    fn a_document_that_fills_the_cache_is_kept_and_a_larger_one_is_only_answered() {
        let (text, limits) = (format!("{{ {} }}", "a".repeat(100)), Limits::default());
        let weight = text.len() * AST_BYTES_PER_TEXT_BYTE + 1024;
        for (capacity, kept) in [(weight, 1), (weight - 1, 0)] {
            let cache = DocumentCache::new(capacity);
            cache.find(Some(&text), None, &limits).expect("a good document");
            cache.by_text.run_pending_tasks();
            assert_eq!(cache.by_text.entry_count(), kept, "{capacity} bytes");
        }
    }

    #[test]
    fn a_document_is_parsed_once() {
        let (cache, limits) = (DocumentCache::new(1 << 20), Limits::default());
        let find = || cache.find(Some("{ hello }"), None, &limits).expect("a good document");
        assert!(Arc::ptr_eq(&find(), &find()));
    }
}
