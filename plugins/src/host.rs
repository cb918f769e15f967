//! The host: one a process, shared by all turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tavern_domain::Clock;
use tavern_domain::extension::Outcome;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::breaker::Guard;
use crate::chain::Chain;
use crate::egress::Egress;
use crate::engine::{self, Ticker};
use crate::instance::{Failure, Share};
use crate::ports::Ports;
use crate::program::{LoadError, Program, Programs};
use crate::pseudonym::Pseudonyms;
use crate::settings::{CompileSettings, PluginSettings};
use crate::store::State;
use crate::turn::{TurnFacts, TurnHooks};
use crate::{imports, wasi};

/// Runs extensions. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

pub(crate) struct Inner {
    pub settings: PluginSettings,
    pub ports: Arc<dyn Ports>,
    pub clock: Arc<dyn Clock>,
    pub engine: Engine,
    pub ticker: Arc<Ticker>,
    pub linker: Linker<State>,
    pub programs: Programs,
    pub egress: Egress,
    calls: Places,
    filters: Places,
    pub guard: Arc<Guard>,
    pub pseudonyms: Pseudonyms,
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("the sandbox cannot be set up: {0}")]
    Engine(String),
    #[error("the directory of compiled extensions cannot be used: {0}")]
    Cache(#[from] std::io::Error),
}

impl From<wasmtime::Error> for HostError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Engine(format!("{error:#}"))
    }
}

impl Host {
    /// `key` (32 bytes, secret) marks what was compiled here, and makes pseudonyms.
    ///
    /// # Errors
    /// [`HostError`], if the engine or its cache cannot be set up.
    pub fn new(
        settings: PluginSettings,
        compile: CompileSettings,
        key: [u8; 32],
        ports: Arc<dyn Ports>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HostError> {
        let engine = engine::new(&settings)?;
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker)?;
        wasi::link(&mut linker)?;
        let mut mark = Hmac::<Sha256>::new_from_slice(&key).expect("any length is a key");
        mark.update(b"compiled extensions");
        let programs = Programs::open(compile, mark.finalize().into_bytes().into(), &engine, &settings.limits)?;
        Ok(Self(Arc::new(Inner {
            calls: Places::new(settings.sandboxes, &settings),
            filters: Places::new(settings.filter_sandboxes, &settings),
            egress: Egress::new(&settings),
            ticker: Arc::new(Ticker::start(&engine)?),
            guard: Guard::new(&settings.killed),
            pseudonyms: Pseudonyms::new(&key),
            settings,
            ports,
            clock,
            engine,
            linker,
            programs,
        })))
    }

    /// The hooks of a turn.
    #[must_use]
    pub fn turn(&self, chain: Arc<Chain>, facts: TurnFacts) -> TurnHooks {
        TurnHooks::new(self.clone(), chain, facts)
    }

    #[must_use]
    pub fn settings(&self) -> &PluginSettings {
        &self.0.settings
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// Waits until an extension's code is at hand, compiling it if that must be: so that no turn has to. It
    /// goes on if nobody waits any more. Gives the bytes of the code.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    pub async fn prepare(&self, program: &Arc<Program>) -> Result<u64, LoadError> {
        let loaded = self.0.programs.load_anew(&self.0, program).await?;
        Ok(loaded.bytes as u64)
    }

    pub(crate) async fn place(&self, share: Share) -> Result<OwnedSemaphorePermit, Failure> {
        let places = match share {
            Share::Calls => &self.0.calls,
            Share::Filters => &self.0.filters,
        };
        places.take().await.ok_or_else(|| Failure {
            outcome: Outcome::PoolBusy,
            message: "No sandbox was free in time.".into(),
            retryable: true,
        })
    }

    /// Sandboxes that are free now, of each share.
    #[must_use]
    pub fn free_sandboxes(&self) -> (usize, usize) {
        (self.0.calls.free(), self.0.filters.free())
    }
}

/// A share of the sandboxes. The pool itself fails when it is empty; here one waits, in order and not for long.
struct Places {
    permits: Arc<Semaphore>,
    waiting: AtomicU32,
    queue: u32,
    wait: Duration,
}

impl Places {
    fn new(count: u32, settings: &PluginSettings) -> Self {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(count)),
            waiting: AtomicU32::new(0),
            queue: settings.queue,
            wait: Duration::from_millis(settings.queue_wait_ms),
        }
    }

    fn free(&self) -> usize {
        self.permits.available_permits()
    }

    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        let _waiting = Waiting::new(&self.waiting, self.queue)?;
        let permit = tokio::time::timeout(self.wait, Arc::clone(&self.permits).acquire_owned()).await;
        permit.ok()?.ok()
    }
}

/// One of those who wait.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32, most: u32) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::AcqRel) < most).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
