//! The engine that all guests share, and the thread that keeps its time.
//!
//! What decides what compiled code looks like stands in one place, because the process that compiles and the
//! one that runs must agree on it. Sandboxes come out of a pool that is made at the start: a fresh one costs
//! microseconds, and there are never more of them than the pool was made for.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig};

use crate::settings::PluginSettings;

/// How often time is looked at. A guest that computes lets others go on this often.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Ticks without a call after which the thread rests.
const IDLE_TICKS: u32 = 200;

/// Modules that a component may be made of: guests with an interpreter have dozens.
pub(crate) const CORE_INSTANCES: u32 = 64;
pub(crate) const MEMORIES: u32 = 4;
pub(crate) const TABLES: u32 = 16;

/// What is in the pool above the sandboxes that may be in use: a store is let go a little after its place.
const SLACK: u32 = 8;

/// The stack of guests. The host's own functions have the rest of [`STACK`].
const GUEST_STACK: usize = 512 << 10;
const STACK: usize = 2 << 20;

/// What compiled code depends on.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .wasm_gc(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(STACK)
        .memory_init_cow(true)
        .generate_address_map(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(20));
    config
}

/// An engine for the sandboxes of `settings`: out of a pool, or one by one where there is no address space
/// for it.
pub(crate) fn new(settings: &PluginSettings) -> wasmtime::Result<Engine> {
    let mut pooled = config();
    pooled.allocation_strategy(pool(settings));
    Engine::new(&pooled).or_else(|error| {
        tracing::warn!(%error, "there is no address space for a pool of sandboxes; each is made when it is needed");
        Engine::new(&config())
    })
}

fn pool(settings: &PluginSettings) -> PoolingAllocationConfig {
    let sandboxes = settings.sandboxes.saturating_add(settings.filter_sandboxes);
    let sandboxes = sandboxes.saturating_add(SLACK);
    let limits = &settings.limits;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(sandboxes)
        .total_stacks(sandboxes)
        .total_core_instances(sandboxes.saturating_mul(CORE_INSTANCES))
        .total_memories(sandboxes.saturating_mul(MEMORIES))
        .total_tables(sandboxes.saturating_mul(TABLES))
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_tables_per_module(TABLES)
        .max_memory_size(limits.memory_bytes.max(limits.large_memory_bytes))
        .table_elements(limits.table_elements)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(16 << 10)
        .max_unused_warm_slots(32)
        .decommit_batch_size(16)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Advances the engine's epoch from a thread of its own: a task would starve when it is needed most. It rests
/// while nothing runs, and ends with this.
pub(crate) struct Ticker {
    state: Arc<State>,
    thread: Thread,
}

struct State {
    running: AtomicUsize,
    stopped: AtomicBool,
}

impl Ticker {
    pub fn start(engine: &Engine) -> std::io::Result<Self> {
        let state = Arc::new(State {
            running: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let (seen, engine) = (Arc::clone(&state), engine.weak());
        let run = move || {
            let mut idle = 0;
            while !seen.stopped.load(Ordering::Acquire) {
                idle = if seen.running.load(Ordering::Acquire) == 0 {
                    idle + 1
                } else {
                    0
                };
                if idle > IDLE_TICKS {
                    std::thread::park();
                    idle = 0;
                } else {
                    std::thread::sleep(TICK);
                }
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => break,
                }
            }
        };
        let handle = std::thread::Builder::new().name("epochs".into()).spawn(run)?;
        Ok(Self {
            state,
            thread: handle.thread().clone(),
        })
    }

    /// Time is kept at least as long as what this gives lives.
    pub fn watch(self: &Arc<Self>) -> Watch {
        if self.state.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Watch(Arc::clone(self))
    }

    pub fn stop(&self) {
        self.state.stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Something runs.
pub(crate) struct Watch(Arc<Ticker>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.state.running.fetch_sub(1, Ordering::AcqRel);
    }
}
