//! A component that can be run: loaded when it is first needed, and let go when it was long unused.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use moka::future::Cache;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use crate::cache::Disk;
use crate::compile::Compiler;
use crate::host::Inner;
use crate::inspect::{self, Inspection};
use crate::instance::Guests;
use crate::settings::{CompileSettings, PluginLimits};
use crate::store::State;

/// How long a component that could not be loaded is not tried again, and how many of them are remembered.
const FORGET_AFTER: Duration = Duration::from_secs(60);
const REMEMBERED: u64 = 1_000;

/// Where a component's bytes come from, such as a package among the objects.
#[async_trait]
pub trait ComponentSource: Send + Sync + 'static {
    /// # Errors
    /// Why it cannot be had, for logs.
    async fn component(&self) -> Result<Bytes, String>;
}

/// A component by its hash.
pub struct Program {
    /// SHA-256, in hex; checked whenever it is loaded.
    pub sha256: String,
    pub source: Arc<dyn ComponentSource>,
    /// Gets the larger limits.
    pub large_runtime: bool,
}

impl Program {
    /// A component at hand.
    #[must_use]
    pub fn of(component: Bytes, large_runtime: bool) -> Self {
        Self {
            sha256: hex(&component),
            source: Arc::new(Bytewise(component)),
            large_runtime,
        }
    }
}

/// A component at hand.
pub struct Bytewise(pub Bytes);

#[async_trait]
impl ComponentSource for Bytewise {
    async fn component(&self) -> Result<Bytes, String> {
        Ok(self.0.clone())
    }
}

fn hex(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a component cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It cannot be run here: why, for its author.
    #[error("{0}")]
    Component(String),
    /// Something of ours failed, such as the compiler, and may work the next time: what, for logs.
    #[error("{0}")]
    House(String),
}

/// A program in memory, with all names looked up: what is left is to make an instance.
pub(crate) struct Loaded {
    pub instance: InstancePre<State>,
    pub guests: Guests,
    pub inspection: Inspection,
    /// Of its code.
    pub bytes: usize,
}

/// All programs of the host.
pub(crate) struct Programs {
    loaded: Cache<(String, bool), Arc<Loaded>>,
    /// Why some could not be loaded: a broken one must not be compiled again and again.
    broken: Cache<(String, bool), LoadError>,
    disk: Arc<Disk>,
    compiler: Compiler,
}

impl Programs {
    pub fn open(
        compile: CompileSettings,
        key: [u8; 32],
        engine: &Engine,
        limits: &PluginLimits,
    ) -> std::io::Result<Self> {
        let disk = Disk::open(compile.cache.clone(), key, engine, limits.code_bytes)?;
        Ok(Self {
            loaded: Cache::builder()
                .max_capacity(limits.programs_bytes)
                .weigher(|_, loaded: &Arc<Loaded>| u32::try_from(loaded.bytes).unwrap_or(u32::MAX))
                .build(),
            broken: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(FORGET_AFTER)
                .build(),
            disk: Arc::new(disk),
            compiler: Compiler::new(compile, limits),
        })
    }

    #[cfg(test)]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// A program that is in memory.
    pub async fn at_hand(&self, program: &Program) -> Option<Arc<Loaded>> {
        self.loaded.get(&(program.sha256.clone(), program.large_runtime)).await
    }

    /// The same as [`Self::load`] for who asks on purpose: what failed on our side a moment ago is tried again.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    pub async fn load_anew(&self, host: &Arc<Inner>, program: &Arc<Program>) -> Result<Arc<Loaded>, LoadError> {
        let key = (program.sha256.clone(), program.large_runtime);
        if let Some(LoadError::House(_)) = self.broken.get(&key).await {
            self.broken.invalidate(&key).await;
        }
        self.load(host, program).await
    }

    /// Loads a program, once however many ask. It goes on if they stop waiting.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    pub async fn load(&self, host: &Arc<Inner>, program: &Arc<Program>) -> Result<Arc<Loaded>, LoadError> {
        if let Some(loaded) = self.at_hand(program).await {
            return Ok(loaded);
        }
        let (host, program) = (Arc::clone(host), Arc::clone(program));
        let loading = tokio::spawn(async move {
            let key = (program.sha256.clone(), program.large_runtime);
            let programs = &host.programs;
            if let Some(why) = programs.broken.get(&key).await {
                return Err(why);
            }
            let loaded = programs
                .loaded
                .try_get_with(key.clone(), programs.make(&host, &program));
            match loaded.await {
                Ok(loaded) => Ok(loaded),
                Err(why) => {
                    let why = LoadError::clone(&why);
                    if let LoadError::House(message) = &why {
                        tracing::error!(component = program.sha256, message, "an extension cannot be loaded");
                    }
                    programs.broken.insert(key, why.clone()).await;
                    Err(why)
                }
            }
        });
        loading
            .await
            .unwrap_or_else(|error| Err(LoadError::House(format!("it cannot be loaded: {error}"))))
    }

    async fn make(&self, host: &Inner, program: &Program) -> Result<Arc<Loaded>, LoadError> {
        let (component, bytes) = self.code(host, program).await?;
        let linked = || {
            let limits = &host.settings.limits;
            let inspection = inspect::inspect(&host.engine, &component, program.large_runtime, limits)?;
            let instance = host.linker.instantiate_pre(&component);
            let instance = instance.map_err(|error| inspect::link_error(&error))?;
            let guests = Guests::of(&instance, &inspection.hooks).map_err(|error| inspect::link_error(&error))?;
            Ok(Arc::new(Loaded {
                instance,
                guests,
                inspection,
                bytes,
            }))
        };
        linked().map_err(LoadError::Component)
    }

    /// Compiled code out of the cache, or made now, and its size.
    async fn code(&self, host: &Inner, program: &Program) -> Result<(Component, usize), LoadError> {
        let sha256 = &program.sha256;
        if let Some(kept) = self.read_disk(&host.engine, sha256).await? {
            return Ok(kept);
        }
        let component = program.source.component().await.map_err(LoadError::House)?;
        inspect::acceptable(&component, program.large_runtime, &host.settings.limits).map_err(LoadError::Component)?;
        if hex(&component) != *sha256 {
            return Err(LoadError::House(
                "the component is not the one that was published: its hash is another".into(),
            ));
        }
        let code = self.compiler.compile(&component).await?;
        let (disk, name) = (Arc::clone(&self.disk), sha256.clone());
        let saved = tokio::task::spawn_blocking(move || disk.save(&name, &code)).await;
        saved
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|error| LoadError::House(format!("compiled code cannot be kept: {error}")))?;
        let made = self.read_disk(&host.engine, sha256).await?;
        made.ok_or_else(|| LoadError::House("compiled code cannot be read back".into()))
    }

    async fn read_disk(&self, engine: &Engine, sha256: &str) -> Result<Option<(Component, usize)>, LoadError> {
        let (disk, engine, sha256) = (Arc::clone(&self.disk), engine.clone(), sha256.to_owned());
        let read = tokio::task::spawn_blocking(move || disk.load(&engine, &sha256)).await;
        let read = read.map_err(|error| LoadError::House(format!("compiled code cannot be read: {error}")))?;
        read.map_err(LoadError::Component)
    }
}
