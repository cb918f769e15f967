//! What is in a store beside the guest: what it may take and has taken, and what host functions work on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tavern_domain::extension::ExtensionEvent;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::chain::Member;
use crate::engine::{CORE_INSTANCES, MEMORIES, TABLES, TICK, Watch};
use crate::host::Host;
use crate::imports::key_value::Writes;
use crate::imports::log::Log;
use crate::instance::{CallFacts, CallLimits};
use crate::places::Place;
use crate::settings::PluginLimits;
use crate::wasi::{self, Output};

/// Streams, polls and the like that a guest may have at once.
const RESOURCES: usize = 64;

/// After so much fuel others may go on, should the thread that keeps the time not run.
const YIELD_FUEL: u64 = 10_000_000;

/// Ticks that any call has: one thread that is put aside by the system often sees more of them than it used.
pub(crate) const FREE_TICKS: u64 = 3;

/// Why the host ends a call from within.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("it called the host more than {0} times")]
    HostCalls(u32),
    #[error("it gave the host more than {0} bytes")]
    Transfer(usize),
    /// Our fault.
    #[error("the host failed: {0}")]
    Host(String),
}

pub(crate) struct State {
    pub host: Host,
    pub member: Arc<Member>,
    pub facts: CallFacts,
    pub call: Call,
    pub memory: Memory,
    /// What hooks have written and nobody has committed.
    pub writes: Writes,
    pub output: Output,
    resources: ResourceTable,
    wasi: Option<Box<WasiCtx>>,
    // The place is free, and time need not be kept, when the store is gone.
    _place: Place,
    _watch: Watch,
}

/// What one call has taken so far.
#[derive(Default)]
pub(crate) struct Call {
    pub host_calls: u32,
    /// Bytes that host functions were given.
    pub moved: usize,
    pub kv_operations: u32,
    pub http_requests: u32,
    pub log: Log,
    pub counters: BTreeMap<String, u32>,
    pub notes: Vec<String>,
    ticks: u64,
    most_ticks: u64,
}

impl Call {
    pub fn new(limits: CallLimits, fuel_nanos: u64) -> Self {
        let time = Duration::from_nanos(limits.fuel.saturating_mul(fuel_nanos));
        let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
        Self {
            most_ticks: FREE_TICKS.saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX)),
            ..Self::default()
        }
    }

    /// Each note once: a guest that does something over and over says nothing new.
    pub fn note(&mut self, note: String) {
        if self.notes.len() < 16 && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// What those who watch the installation are told.
    pub fn take_events(&mut self) -> Vec<ExtensionEvent> {
        let mut events = std::mem::take(&mut self.log.events);
        let counters = std::mem::take(&mut self.counters);
        events.extend(
            counters
                .into_iter()
                .map(|(name, delta)| ExtensionEvent::Metric { name, delta }),
        );
        events
    }
}

impl State {
    pub fn new(host: Host, member: Arc<Member>, facts: CallFacts, place: Place) -> Self {
        let memory = Memory::new(&host.settings().limits, member.program.large_runtime);
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(RESOURCES);
        let watch = host.inner().ticker.watch();
        Self {
            host,
            member,
            facts,
            call: Call::default(),
            memory,
            writes: Writes::default(),
            output: Output::default(),
            resources,
            wasi: None,
            _place: place,
            _watch: watch,
        }
    }

    pub fn limits(&self) -> &PluginLimits {
        &self.host.settings().limits
    }

    /// Every host function of ours comes through here before it is called.
    pub fn counted(&mut self) -> &mut Self {
        self.call.host_calls = self.call.host_calls.saturating_add(1);
        self
    }

    /// Whether a host function may do its work on so many bytes; otherwise the call ends.
    pub fn admit(&mut self, bytes: usize) -> Result<(), Stop> {
        self.call.moved = self.call.moved.saturating_add(bytes);
        self.stop().map_or(Ok(()), Err)
    }

    fn stop(&self) -> Option<Stop> {
        let limits = self.limits();
        if self.call.host_calls > limits.host_calls {
            Some(Stop::HostCalls(limits.host_calls))
        } else if self.call.moved > limits.transfer_bytes {
            Some(Stop::Transfer(limits.transfer_bytes))
        } else {
            None
        }
    }

    /// A tick has passed while the guest ran.
    fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        // The functions of WASI are not ours, and count without stopping; so this is where they end.
        if let Some(stop) = self.stop() {
            return Err(stop.into());
        }
        self.call.ticks += 1;
        Ok(if self.call.ticks > self.call.most_ticks {
            UpdateDeadline::Interrupt
        } else {
            UpdateDeadline::Yield(1)
        })
    }
}

/// Made when it is first asked for: few guests need it.
impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.call.host_calls = self.call.host_calls.saturating_add(1);
        let (facts, output) = (&self.facts, &self.output);
        let random_bytes = self.host.settings().limits.random_bytes;
        let ctx = self
            .wasi
            .get_or_insert_with(|| Box::new(wasi::context(facts.seed, facts.now, random_bytes, output)));
        WasiCtxView {
            ctx,
            table: &mut self.resources,
        }
    }
}

/// A store for one guest, with all limits on but fuel, which each call brings.
pub(crate) fn new(state: State) -> wasmtime::Result<Store<State>> {
    let engine = state.host.inner().engine.clone();
    let transfer_bytes = state.limits().transfer_bytes;
    let mut store = Store::new(&engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(transfer_bytes);
    store.fuel_async_yield_interval(Some(YIELD_FUEL))?;
    store.epoch_deadline_callback(|mut store| store.data_mut().tick());
    Ok(store)
}

/// All memories and tables of a store together.
pub(crate) struct Memory {
    bytes: usize,
    most_bytes: usize,
    elements: usize,
    most_elements: usize,
    /// The guest wanted more than it may have.
    pub refused: bool,
}

impl Memory {
    pub fn new(limits: &PluginLimits, large_runtime: bool) -> Self {
        Self {
            bytes: 0,
            most_bytes: if large_runtime {
                limits.large_memory_bytes
            } else {
                limits.memory_bytes
            },
            elements: 0,
            most_elements: limits.table_elements,
            refused: false,
        }
    }

    /// Memory never shrinks, so this is also the most there was.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Whether a part of a sum may grow from `current` to `desired`: only as far as all parts together may, and
/// the part itself.
fn grow(
    sum: &mut usize,
    most: usize,
    refused: &mut bool,
    (current, desired): (usize, usize),
    maximum: Option<usize>,
) -> bool {
    let wanted = sum.saturating_add(desired.saturating_sub(current));
    *refused |= wanted > most;
    let fits = wanted <= most && maximum.is_none_or(|maximum| desired <= maximum);
    if fits {
        *sum = wanted;
    }
    fits
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let step = (current, desired);
        Ok(grow(&mut self.bytes, self.most_bytes, &mut self.refused, step, maximum))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let step = (current, desired);
        Ok(grow(
            &mut self.elements,
            self.most_elements,
            &mut self.refused,
            step,
            maximum,
        ))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

#[cfg(test)]
mod tests;
