//! The use cases over a store of their own, by a clock that moves only when told to: for unit tests.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tavern_domain::actor::SignedIn;
use tavern_domain::{Actor, Clock as _, Limits, ManualClock, RefreshFamilyId, SystemClock};
use tavern_models::{ModelsConfig, Router};
use tavern_plugins::settings::{CompileSettings, PluginSettings};
use tavern_storage::{ObjectsConfig, Store, StoreConfig};
use tempfile::TempDir;

use crate::{Parts, Services};

pub(crate) struct House {
    pub services: Services,
    pub store: Store,
    /// Starts at the time of day, which is also that of files.
    pub clock: ManualClock,
    _folder: TempDir,
}

impl House {
    pub async fn open(limits: Limits) -> Self {
        Self::with(limits, PluginSettings::default()).await
    }

    pub async fn with(limits: Limits, plugins: PluginSettings) -> Self {
        Self::made(limits, plugins, &ModelsConfig::default()).await
    }

    pub async fn with_models(models: &ModelsConfig) -> Self {
        Self::made(Limits::default(), PluginSettings::default(), models).await
    }

    async fn made(limits: Limits, plugins: PluginSettings, models: &ModelsConfig) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = StoreConfig {
            database_url: format!("sqlite://{}", folder.path().join("tavern.db").display()),
            objects: ObjectsConfig::Files(folder.path().join("objects")),
            readers: 1,
        };
        let store = Store::open(&config, &limits).await.expect("a store");
        let clock = ManualClock::at(SystemClock.now());
        let parts = Parts {
            store: store.clone(),
            models: Router::new(models, limits.reply_bytes).expect("good models"),
            limits,
            clock: Arc::new(clock.clone()),
            keys: folder.path().join("keys"),
            plugins,
            compile: CompileSettings {
                cache: folder.path().join("extensions"),
                worker: compiler(),
                worker_arguments: Vec::new(),
                patience: Duration::from_secs(120),
            },
        };
        let services = Services::open(parts).await.expect("the services");
        Self {
            services,
            store,
            clock,
            _folder: folder,
        }
    }

    /// Somebody new, signed in.
    pub async fn user(&self, name: &str) -> Actor {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let email = format!("{name}@example.org");
        let made = self
            .services
            .accounts
            .register(here, name, &email, "a lantern over the harbour");
        let user = made.await.expect("an account").user;
        Actor::User(Arc::new(SignedIn {
            user: user.id,
            login: RefreshFamilyId::new(),
            roles: user.roles,
        }))
    }
}

/// The program that compiles extensions, an example of this crate: built with the tests, beside them.
fn compiler() -> PathBuf {
    let tests = std::env::current_exe().expect("a test runs");
    let folder = tests.ancestors().nth(2).expect("tests lie in `deps`");
    folder.join("examples/compile-extension")
}
