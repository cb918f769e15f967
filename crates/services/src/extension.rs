//! Extensions: published, installed, granted, and run in the turns of whoever has them.

use std::path::Path;
use std::sync::Arc;

use tavern_domain::{Error, Result, UserId};
use tavern_models::Router;
use tavern_plugins::Host;
use tavern_plugins::chain::Chain;
use tavern_plugins::ports::MemoryPorts;
use tavern_plugins::settings::{CompileSettings, PluginSettings};

use crate::Shared;

/// The use cases of extensions. Cheap to clone.
#[derive(Clone)]
pub struct Extensions(Arc<Inner>);

struct Inner {
    host: Host,
}

impl Extensions {
    #[allow(clippy::unused_async, reason = "keys are read here")]
    pub(crate) async fn open(
        shared: Arc<Shared>,
        _keys: &Path,
        _models: Router,
        settings: PluginSettings,
        compile: CompileSettings,
    ) -> Result<Self> {
        let ports = Arc::new(MemoryPorts::default());
        let host = Host::new(settings, compile, [0; 32], ports, Arc::clone(&shared.clock));
        Ok(Self(Arc::new(Inner {
            host: host.map_err(Error::internal)?,
        })))
    }

    #[must_use]
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// The extensions of an account that are on.
    ///
    /// # Errors
    /// If the store fails.
    #[allow(clippy::unused_async, reason = "installations are read here")]
    pub(crate) async fn chain(&self, _user: UserId) -> Result<Arc<Chain>> {
        Ok(Arc::default())
    }
}
