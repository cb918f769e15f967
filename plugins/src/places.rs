//! Who has a sandbox, and who waits for one.
//!
//! The pool of the engine fails when it is empty; here one waits, in order and not for long. An account has
//! no more than its part of the places, and of those who wait: what its extensions do slowly never keeps
//! another account from the rest.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tavern_domain::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::PluginSettings;

/// Sandboxes of one kind.
pub(crate) struct Places {
    all: Line,
    /// Of accounts that have a place or wait for one. What is nobody's is together like one account.
    accounts: Mutex<HashMap<Option<UserId>, Arc<Line>>>,
    /// Places of an account, and how many of its calls wait.
    account: (u32, u32),
    wait: Duration,
}

/// A place among the sandboxes; it is free again when this is dropped.
pub(crate) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_account: OwnedSemaphorePermit,
    /// An account is known as long as this is.
    _account: Arc<Line>,
}

impl Places {
    pub fn new(count: u32, settings: &PluginSettings) -> Self {
        Self {
            all: Line::new(count, settings.queue),
            accounts: Mutex::default(),
            account: (settings.account_sandboxes, settings.account_queue),
            wait: Duration::from_millis(settings.queue_wait_ms),
        }
    }

    pub fn free(&self) -> usize {
        self.all.permits.available_permits()
    }

    /// A place, or none if too many wait already or none comes free in time.
    pub async fn take(&self, owner: Option<UserId>) -> Option<Place> {
        let account = self.account(owner);
        if let Some(of_account) = account.now()
            && let Some(of_all) = self.all.now()
        {
            return Some(Place {
                _of_all: of_all,
                _of_account: of_account,
                _account: account,
            });
        }
        // In this order: whoever may not wait in its account's line takes nobody's room in that of all.
        let _waits = (account.join()?, self.all.join()?);
        let both = async { Some((account.next().await?, self.all.next().await?)) };
        let (of_account, of_all) = tokio::time::timeout(self.wait, both).await.ok()??;
        Some(Place {
            _of_all: of_all,
            _of_account: of_account,
            _account: Arc::clone(&account),
        })
    }

    fn account(&self, owner: Option<UserId>) -> Arc<Line> {
        let mut accounts = self.accounts.lock();
        if let Some(known) = accounts.get(&owner) {
            return Arc::clone(known);
        }
        // No more are left than have a place or wait.
        accounts.retain(|_, line| Arc::strong_count(line) > 1);
        let line = Arc::new(Line::new(self.account.0, self.account.1));
        accounts.insert(owner, Arc::clone(&line));
        line
    }
}

/// Places, and the line of those who wait for one.
struct Line {
    permits: Arc<Semaphore>,
    waiting: AtomicU32,
    most_waiting: u32,
}

impl Line {
    fn new(places: u32, most_waiting: u32) -> Self {
        let places = usize::try_from(places)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(places)),
            waiting: AtomicU32::new(0),
            most_waiting,
        }
    }

    /// Goes before nobody: a place that comes free belongs to whoever waits first.
    fn now(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    async fn next(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    fn join(&self) -> Option<Waiting<'_>> {
        let waiting = Waiting(&self.waiting);
        (self.waiting.fetch_add(1, Ordering::AcqRel) < self.most_waiting).then_some(waiting)
    }
}

/// One of those who wait.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
