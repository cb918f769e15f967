//! The host: one a process, shared by all turns.

use std::sync::Arc;

use tavern_domain::Clock;

use crate::breaker::Guard;
use crate::chain::Chain;
use crate::ports::Ports;
use crate::pseudonym::Pseudonyms;
use crate::settings::{CompileSettings, PluginSettings};
use crate::turn::{TurnFacts, TurnHooks};

/// Runs extensions. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

pub(crate) struct Inner {
    pub settings: PluginSettings,
    pub compile: CompileSettings,
    pub ports: Arc<dyn Ports>,
    pub clock: Arc<dyn Clock>,
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
        Ok(Self(Arc::new(Inner {
            guard: Guard::new(&settings.killed),
            pseudonyms: Pseudonyms::new(&key),
            settings,
            compile,
            ports,
            clock,
        })))
    }

    /// The hooks of a turn.
    #[must_use]
    pub fn turn(&self, chain: Arc<Chain>, facts: TurnFacts) -> TurnHooks {
        TurnHooks::new(self.clone(), chain, facts)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    #[must_use]
    pub fn settings(&self) -> &PluginSettings {
        &self.0.settings
    }
}
