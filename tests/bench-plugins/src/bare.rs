//! The floor: Wasmtime alone, with the same trimmed features, the same pool and the same generated code, and nothing
//! that keeps a guest in bounds but, where it is asked for, fuel and epochs.

use anyhow::{Result, ensure};
use tavern_plugins::bindings::exports::tavern::extension::before_prompt::GuestIndices;
use tavern_plugins::bindings::tavern::extension::types::{Message, Turn};
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Store, UpdateDeadline};

/// What is counted while a guest runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    pub fuel: bool,
    pub epochs: bool,
}

pub struct Bare {
    engine: Engine,
    before: InstancePre<()>,
    hook: GuestIndices,
    counted: Counted,
}

impl Bare {
    pub fn new(component: &[u8], counted: Counted) -> Result<Self> {
        let mut config = Config::new();
        config
            .consume_fuel(counted.fuel)
            .epoch_interruption(counted.epochs)
            .concurrency_support(false);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(64)
            .total_core_instances(256)
            .total_memories(128)
            .total_tables(256)
            .total_stacks(64)
            .max_memory_size(64 << 20)
            .linear_memory_keep_resident(256 << 10)
            .table_keep_resident(16 << 10)
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(wasmtime::InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let component = Component::from_binary(&engine, component)?;
        let mut linker: Linker<()> = Linker::new(&engine);
        // The one host function that the SDK calls by itself.
        let mut config = linker.instance("tavern:extension/config@0.1.0")?;
        config.func_wrap("all", |_, ()| Ok(("{}".to_owned(),)))?;
        linker.define_unknown_imports_as_traps(&component)?;
        let before = linker.instantiate_pre(&component)?;
        let hook = GuestIndices::new(&before)?;
        Ok(Self {
            engine,
            before,
            hook,
            counted,
        })
    }

    /// A store, an instance, and one call.
    pub async fn fresh(&self, turn: &Turn, history: &[Message]) -> Result<()> {
        self.calls(turn, history, 1).await
    }

    /// So many calls of one instance.
    pub async fn calls(&self, turn: &Turn, history: &[Message], calls: u32) -> Result<()> {
        let mut store = Store::new(&self.engine, ());
        if self.counted.fuel {
            store.set_fuel(u64::MAX / 2)?;
        }
        if self.counted.epochs {
            store.set_epoch_deadline(u64::MAX / 2);
            store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        }
        let instance = self.before.instantiate_async(&mut store).await?;
        let hook = self.hook.load(&mut store, &instance)?;
        for _ in 0..calls {
            let edits = hook.call_before_prompt(&mut store, turn, history).await?;
            ensure!(edits.is_ok_and(|edits| edits.is_empty()), "the guest does nothing");
        }
        Ok(())
    }
}

/// As the host would describe a turn.
pub fn turn() -> Turn {
    Turn {
        id: "gen_1".into(),
        chat: "c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1".into(),
        user: "a9b2a9b2a9b2a9b2a9b2a9b2a9b2a9b2".into(),
        user_name: String::new(),
        persona: String::new(),
        character: None,
        kind: "normal".into(),
        locale: String::new(),
        model: "story".into(),
        context_tokens: 8_192,
        reply_tokens: 512,
        variables: Vec::new(),
        seed: 7,
        now_ms: 1_790_000_000_000,
        dry_run: false,
        extra: Vec::new(),
    }
}
