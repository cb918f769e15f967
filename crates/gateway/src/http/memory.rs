//! Memory that requests share: what one takes, others cannot have until it is given back.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The grain of accounting. A semaphore counts in `u32`, which bytes could exceed.
const KIB: usize = 1024;

pub struct MemoryPool(Arc<Semaphore>);

/// A part of a [`MemoryPool`], given back when dropped.
pub struct Share {
    pool: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl MemoryPool {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / KIB)))
    }

    /// An empty share.
    pub fn share(&self) -> Share {
        Share {
            pool: self.0.clone(),
            held: None,
            bytes: 0,
        }
    }
}

impl Share {
    /// Takes `bytes` more; false if the pool has not that much left.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let held = self.bytes.div_ceil(KIB);
        self.bytes = self.bytes.saturating_add(bytes);
        let missing = u32::try_from(self.bytes.div_ceil(KIB) - held).unwrap_or(u32::MAX);
        let Ok(permit) = self.pool.clone().try_acquire_many_owned(missing) else {
            return false;
        };
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        true
    }
}
