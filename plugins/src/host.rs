//! The host: one a process, shared by all turns.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tavern_domain::extension::Outcome;
use tavern_domain::{Clock, UserId};
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::breaker::Guard;
use crate::chain::Chain;
use crate::egress::Egress;
use crate::engine::{self, Ticker};
use crate::instance::{Failure, Share};
use crate::places::{Place, Places};
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
            egress: Egress::new(&settings).with_recorded(ports.recorded()),
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

    pub(crate) async fn place(&self, owner: Option<UserId>, share: Share) -> Result<Place, Failure> {
        let places = match share {
            Share::Calls => &self.0.calls,
            Share::Filters => &self.0.filters,
        };
        places.take(owner).await.ok_or_else(|| Failure {
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
