//! The id that ties a request's answer to its lines in the log.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

/// The id of one HTTP request, an extension of it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

impl RequestId {
    /// An id that this process has not used before, and that other processes are unlikely to use.
    #[must_use]
    pub fn fresh() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(format!("{:012x}-{:x}", *PROCESS >> 16, NEXT.fetch_add(1, Ordering::Relaxed)).into())
    }
}
