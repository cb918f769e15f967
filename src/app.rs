//! The wiring: from a configuration to a running server.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tavern_domain::{Limits, SystemClock};
use tavern_gateway::health::{self, Readiness};
use tavern_gateway::layers::{self, Edge};
use tavern_gateway::server;
use tavern_gateway::ws::Sockets;
use tavern_gateway::{Front, Origins, graphql_routes, objects, playground};
use tavern_models::Router;
use tavern_plugins::settings::CompileSettings;
use tavern_services::{Parts, Services};
use tavern_storage::{ObjectsConfig, Store, StoreConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::house::Tavern;

/// A server that accepts connections.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    pub services: Services,
    front: Front<Tavern>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    /// How long mutations are waited for at the end.
    patience: Duration,
}

impl Running {
    /// Stops accepting, lets what is under way finish, and closes the stores.
    ///
    /// # Errors
    /// If the server's task panicked.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let served = self.serving.await;
        // A mutation goes on when its client has left; the stores stay open for it. A publication may take
        // minutes, and leaves nothing behind when it is cut off.
        let _ = tokio::time::timeout(self.patience, self.front.drained()).await;
        self.services.close().await;
        served.context("the server's task")
    }

    /// Waits until the server ends by itself, which it does not.
    pub async fn ended(&mut self) {
        let _ = (&mut self.serving).await;
    }
}

/// What a configuration says of the stores.
#[must_use]
pub fn store_config(config: &Config) -> StoreConfig {
    let readers = match config.database.readers {
        0 => std::thread::available_parallelism().map_or(2, |count| u32::try_from(count.get()).unwrap_or(2)),
        readers => readers,
    };
    StoreConfig {
        database_url: config.database_url(),
        objects: ObjectsConfig::Files(config.objects_dir()),
        readers,
    }
}

/// Components are compiled by this program itself, run anew, unless another one is set.
fn compile_settings(config: &Config, data_dir: &Path) -> anyhow::Result<CompileSettings> {
    let worker = &config.extensions.worker;
    Ok(CompileSettings {
        cache: data_dir.join("extensions"),
        worker: if worker.as_os_str().is_empty() {
            std::env::current_exe().context("where this program is")?
        } else {
            worker.clone()
        },
        worker_arguments: vec!["compile-extension".into()],
        patience: Duration::from_secs(2 * config.extensions.limits.compile_seconds),
    })
}

/// Opens the stores and the use cases over them.
///
/// # Errors
/// If a store cannot be opened, or the keys cannot be read or made.
pub async fn open(config: &Config) -> anyhow::Result<Services> {
    let data_dir = std::path::absolute(&config.data_dir)?;
    tavern_services::files::create_private_folder(&data_dir)?;
    let store = Store::open(&store_config(config), &config.limits)
        .await
        .with_context(|| "the store cannot be opened")?;
    let models = Router::new(&config.models_config(), config.limits.reply_bytes)?;
    let parts = Parts {
        store,
        limits: config.limits.clone(),
        clock: Arc::new(SystemClock),
        models,
        keys: data_dir.join("keys"),
        compile: compile_settings(config, &data_dir)?,
        plugins: config.extensions.clone(),
    };
    Ok(Services::open(parts).await?)
}

/// Starts a server. The first start makes the data directory, the keys, the database and a demo character.
///
/// # Errors
/// If a store cannot be opened, or the address cannot be listened on.
pub async fn start(config: &Config) -> anyhow::Result<Running> {
    let is_first_start = !config.data_dir.join("keys").exists();
    let services = open(config).await?;
    services.extensions.warm_up();
    if is_first_start {
        crate::demo_character::introduce(&services).await?;
    }
    let listener =
        server::bind(config.server.listen).with_context(|| format!("cannot listen on {}", config.server.listen))?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let origins = Origins::parse(&config.server.cors_origins)?;

    let ready_services = services.clone();
    let readiness = Readiness::new(stop.clone(), move || {
        let services = ready_services.clone();
        Box::pin(async move { services.ready().await.map_err(|error| format!("{error:?}")) })
    });
    let front = Front::new(Arc::new(Tavern::new(services.clone())));
    let sockets = Sockets::new(front.clone(), origins.clone(), stop.clone());
    let app = graphql_routes(front.clone(), sockets)
        .merge(objects::routes(services.clone()))
        .merge(playground::routes())
        .merge(health::routes(readiness.clone()));
    let app = layers::dress(
        app,
        &Edge {
            origins,
            hsts: config.server.hsts,
        },
    );
    readiness.start();
    let limits = Arc::new(config.limits.clone());
    let serving = tokio::spawn(server::serve(listener, app, limits, stop.clone()));
    Ok(Running {
        address,
        services,
        front,
        stop,
        serving,
        patience: Limits::ms(config.limits.mutation_timeout_ms),
    })
}
