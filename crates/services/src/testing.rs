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

    pub async fn with(limits: Limits, mut plugins: PluginSettings) -> Self {
        // A busy machine must not look like a slow guest.
        plugins.limits.wall_ms = 10_000;
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
            compile: compile_settings(folder.path().join("extensions")),
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

/// Extensions are compiled by these tests themselves, called anew as a program: what a harness says first
/// is cut off.
fn compile_settings(cache: PathBuf) -> CompileSettings {
    let tests = std::env::current_exe().expect("a test runs");
    let call = r#""$0" --exact --ignored --nocapture testing::compiles_extensions | LC_ALL=C sed '1,/^CODE$/d'"#;
    CompileSettings {
        cache,
        worker: PathBuf::from("/bin/sh"),
        worker_arguments: vec!["-c".into(), call.into(), tests.display().to_string()],
        patience: Duration::from_secs(120),
    }
}

#[test]
#[ignore = "this is the program that other tests compile extensions with"]
fn compiles_extensions() {
    // What the host tells whom it calls.
    if std::env::var_os("TAVERN_COMPILE_SECONDS").is_some() {
        std::io::Write::write_all(&mut std::io::stdout(), b"\nCODE\n").expect("somebody reads");
        std::process::exit(tavern_plugins::compile::worker());
    }
}
