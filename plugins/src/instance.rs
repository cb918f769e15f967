//! A component in a fresh store: one sandbox, one extension, one turn and phase.
//!
//! A call has its own fuel, its own time on the processor and on the wall, and its own account of what it did.
//! After a trap, a timeout, or a call that nobody waited for to the end, the store is gone: what is left of a
//! guest that was stopped midway is not called again.

mod outcome;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tavern_domain::Timestamp;
use tavern_domain::extension::{Hook, Outcome};
use wasmtime::Store;
use wasmtime::component::{Instance as Made, InstancePre, ResourceAny};

use crate::bindings::exports::tavern::extension as hooks;
use crate::bindings::tavern::extension::types::{HookError, Message, Pair, Turn};
use crate::chain::Member;
use crate::host::Host;
use crate::ports::KvWrite;
use crate::program::{LoadError, Loaded};
use crate::store::{self, Call, State};

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub outcome: Outcome,
    /// For the author and the owner.
    pub message: String,
    /// The extension thinks that it may work the next time.
    pub retryable: bool,
}

/// What a call gave, and what it took.
#[derive(Debug, Clone)]
pub(crate) struct Called<T> {
    pub result: Result<T, Failure>,
    pub fuel: u64,
    pub elapsed: Duration,
    /// Bytes of linear memory at the most.
    pub memory: u64,
    pub host_calls: u32,
    pub log: Vec<String>,
    /// What was cut or refused on the way, for the trace.
    pub notes: Vec<String>,
}

/// What a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallLimits {
    pub fuel: u64,
    pub wall: Duration,
}

/// What host functions need to know of what the call is about.
#[derive(Clone)]
pub(crate) struct CallFacts {
    /// The account, if values and secrets of it may be asked for.
    pub user: Option<String>,
    pub chat: Option<String>,
    /// The configured name.
    pub model: String,
    pub seed: u64,
    pub now: Timestamp,
    /// Nothing is to come of it: nobody else is asked, and nobody is told.
    pub dry_run: bool,
    /// Tokens as the model counts them.
    pub count: Arc<dyn Fn(&str) -> u32 + Send + Sync>,
}

/// Which sandboxes it takes its place among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Calls,
    Filters,
}

/// Where the hooks of a component are: each that it exports, and none that it does not.
macro_rules! guests {
    ($($hook:ident = $module:ident),* $(,)?) => {
        #[derive(Clone, Default)]
        pub(crate) struct Guests {
            $($module: Option<hooks::$module::GuestIndices>,)*
        }

        impl Guests {
            /// # Errors
            /// If an interface has not the functions it should have.
            pub fn of(instance: &InstancePre<State>, exported: &BTreeSet<Hook>) -> wasmtime::Result<Self> {
                let mut guests = Self::default();
                $(if exported.contains(&Hook::$hook) {
                    guests.$module = Some(hooks::$module::GuestIndices::new(instance)?);
                })*
                Ok(guests)
            }

            /// Whether all functions take and give what they should.
            ///
            /// # Errors
            /// If one does not.
            fn check(&self, mut store: &mut Store<State>, made: &Made) -> wasmtime::Result<()> {
                $(if let Some(guest) = &self.$module {
                    let loaded = guest.load(&mut store, made);
                    loaded.map_err(|error| error.context(format!("`{}`", Hook::$hook)))?;
                })*
                Ok(())
            }
        }
    };
}

guests! {
    Lifecycle = lifecycle,
    BeforePrompt = before_prompt,
    WorldInfo = world_info,
    PromptTransform = prompt_transform,
    StreamFilter = stream_filter,
    AfterReply = after_reply,
    MacroProvider = macro_provider,
    Tool = tool,
    ListingValidate = listing_validate,
    ListingPrice = listing_price,
    SearchRank = search_rank,
}

/// A hook was called that the component does not export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not export `{0}`")]
struct Missing(Hook);

/// A guest that can be called.
struct Sandbox {
    store: Store<State>,
    /// Made in the first call: what it does when it starts is done on that call's account.
    made: Option<Made>,
    loaded: Arc<Loaded>,
    filter: Option<ResourceAny>,
}

impl Sandbox {
    async fn make(&mut self) -> wasmtime::Result<()> {
        if self.made.is_none() {
            let made = self.loaded.instance.instantiate_async(&mut self.store).await?;
            self.made = Some(made);
        }
        Ok(())
    }

    fn made(&self) -> Made {
        self.made.expect("a call makes it before anything else")
    }
}

/// The functions of a hook.
macro_rules! guest {
    ($sandbox:ident, $hook:ident, $module:ident) => {{
        let made = $sandbox.made();
        $sandbox
            .loaded
            .guests
            .$module
            .as_ref()
            .ok_or(Missing(Hook::$hook))?
            .load(&mut $sandbox.store, &made)?
    }};
}

/// A sandbox. After a failure other than an error the guest gave back it is not used again.
pub(crate) struct Instance {
    /// Taken out for a call, and put back when it has ended well.
    sandbox: Option<Box<Sandbox>>,
}

impl Instance {
    /// Loads the program, waits for a place, and makes a fresh store. Nothing of the guest runs before its first
    /// call.
    pub async fn start(host: &Host, member: &Arc<Member>, facts: CallFacts, share: Share) -> Result<Self, Failure> {
        let loaded = load(host, member).await?;
        let place = host.place(member.owner, share).await?;
        let state = State::new(host.clone(), Arc::clone(member), facts, place);
        let store = store::new(state).map_err(|error| outcome::of_start(&error, None))?;
        Ok(Self {
            sandbox: Some(Box::new(Sandbox {
                store,
                made: None,
                loaded,
                filter: None,
            })),
        })
    }

    /// Whether it may be called once more.
    pub fn is_sound(&self) -> bool {
        self.sandbox.is_some()
    }

    /// Whether the functions of its hooks take and give what they should.
    pub async fn check(&mut self, limits: CallLimits) -> Called<Result<(), String>> {
        self.call(limits, async |sandbox| {
            let made = sandbox.made();
            let checked = sandbox.loaded.guests.check(&mut sandbox.store, &made);
            Ok(Ok(checked.map_err(|error| crate::inspect::link_error(&error))))
        })
        .await
    }

    async fn call<T>(
        &mut self,
        limits: CallLimits,
        hook: impl AsyncFnOnce(&mut Sandbox) -> wasmtime::Result<Result<T, HookError>>,
    ) -> Called<T> {
        let started = Instant::now();
        let Some(mut sandbox) = self.sandbox.take() else {
            return Called::dead();
        };
        if let Err(error) = begin(&mut sandbox.store, limits) {
            return Called {
                result: Err(outcome::of_call(&error, sandbox.store.data())),
                ..Called::dead()
            };
        }
        let given = Box::pin(async {
            sandbox.make().await?;
            hook(&mut sandbox).await
        });
        let (result, is_sound) = match tokio::time::timeout(limits.wall, given).await {
            Ok(Ok(given)) => (given.map_err(outcome::of_guest), true),
            Ok(Err(error)) if sandbox.made.is_none() => {
                (Err(outcome::of_start(&error, Some(sandbox.store.data()))), false)
            }
            Ok(Err(error)) => (Err(outcome::of_call(&error, sandbox.store.data())), false),
            Err(_) => (Err(outcome::timeout(limits.wall)), false),
        };
        let fuel = sandbox.store.get_fuel().unwrap_or(0);
        let mut called = Called {
            result,
            fuel: limits.fuel.saturating_sub(fuel),
            elapsed: started.elapsed(),
            ..Called::dead()
        };
        let state = sandbox.store.data_mut();
        called.settle(state);
        if called.result.is_err() {
            state.writes.undo();
        }
        if is_sound {
            self.sandbox = Some(sandbox);
        }
        called
    }

    pub async fn validate_config(&mut self, limits: CallLimits, config: &str) -> Called<()> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, Lifecycle, lifecycle);
            guest.call_validate_config(&mut sandbox.store, config).await
        })
        .await
    }

    pub async fn migrate(&mut self, limits: CallLimits, from: &str) -> Called<()> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, Lifecycle, lifecycle);
            guest.call_migrate(&mut sandbox.store, from).await
        })
        .await
    }

    pub async fn before_prompt(
        &mut self,
        limits: CallLimits,
        turn: &Turn,
        history: &[Message],
    ) -> Called<Vec<hooks::before_prompt::Edit>> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, BeforePrompt, before_prompt);
            guest.call_before_prompt(&mut sandbox.store, turn, history).await
        })
        .await
    }

    pub async fn select(
        &mut self,
        limits: CallLimits,
        turn: &Turn,
        history: &[Message],
        candidates: &[hooks::world_info::Candidate],
    ) -> Called<hooks::world_info::Selection> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, WorldInfo, world_info);
            guest.call_select(&mut sandbox.store, turn, history, candidates).await
        })
        .await
    }

    pub async fn transform(
        &mut self,
        limits: CallLimits,
        turn: &Turn,
        prompt: &[Message],
    ) -> Called<Vec<hooks::prompt_transform::Op>> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, PromptTransform, prompt_transform);
            guest.call_transform(&mut sandbox.store, turn, prompt).await
        })
        .await
    }

    pub async fn expand(
        &mut self,
        limits: CallLimits,
        turn: &Turn,
        calls: &[hooks::macro_provider::Call],
    ) -> Called<Vec<Option<String>>> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, MacroProvider, macro_provider);
            guest.call_expand(&mut sandbox.store, turn, calls).await
        })
        .await
    }

    pub async fn tool(&mut self, limits: CallLimits, turn: &Turn, name: &str, arguments: &str) -> Called<String> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, Tool, tool);
            guest.call_call(&mut sandbox.store, turn, name, arguments).await
        })
        .await
    }

    pub async fn after_reply(
        &mut self,
        limits: CallLimits,
        turn: &Turn,
        history: &[Message],
        user: Option<&Message>,
        reply: &Message,
    ) -> Called<Vec<hooks::after_reply::Effect>> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, AfterReply, after_reply);
            guest.call_run(&mut sandbox.store, turn, history, user, reply).await
        })
        .await
    }

    /// Makes the filter of a reply; later calls are on it.
    pub async fn open_filter(&mut self, limits: CallLimits, turn: &Turn) -> Called<()> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, StreamFilter, stream_filter);
            let filter = guest.filter().call_constructor(&mut sandbox.store, turn).await?;
            sandbox.filter = Some(filter);
            Ok(Ok(()))
        })
        .await
    }

    pub async fn push(&mut self, limits: CallLimits, chunk: &str) -> Called<hooks::stream_filter::Verdict> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, StreamFilter, stream_filter);
            let filter = sandbox.filter.ok_or(Missing(Hook::StreamFilter))?;
            guest.filter().call_push(&mut sandbox.store, filter, chunk).await
        })
        .await
    }

    pub async fn finish(&mut self, limits: CallLimits, chunk: &str) -> Called<hooks::stream_filter::Verdict> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, StreamFilter, stream_filter);
            let filter = sandbox.filter.ok_or(Missing(Hook::StreamFilter))?;
            guest.filter().call_finish(&mut sandbox.store, filter, chunk).await
        })
        .await
    }

    pub async fn validate_listing(
        &mut self,
        limits: CallLimits,
        listing: &str,
    ) -> Called<Vec<hooks::listing_validate::Finding>> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, ListingValidate, listing_validate);
            guest.call_validate(&mut sandbox.store, listing).await
        })
        .await
    }

    pub async fn price(
        &mut self,
        limits: CallLimits,
        listing: &str,
        buyer: &[Pair],
        base: &hooks::listing_price::Quote,
    ) -> Called<hooks::listing_price::Quote> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, ListingPrice, listing_price);
            guest.call_price(&mut sandbox.store, listing, buyer, base).await
        })
        .await
    }

    pub async fn rank(
        &mut self,
        limits: CallLimits,
        query: &str,
        items: &[hooks::search_rank::Item],
    ) -> Called<Vec<hooks::search_rank::Change>> {
        self.call(limits, async |sandbox| {
            let guest = guest!(sandbox, SearchRank, search_rank);
            guest.call_rank(&mut sandbox.store, query, items).await
        })
        .await
    }

    /// What it has written since this was last asked: to be committed once its result is accepted, and to be
    /// dropped otherwise. What a call wrote that failed was undone with it.
    pub fn take_writes(&mut self) -> Vec<KvWrite> {
        let sandbox = self.sandbox.as_deref_mut();
        sandbox.map_or_else(Vec::new, |sandbox| sandbox.store.data_mut().writes.take())
    }
}

/// Code at hand, or in a moment. Compiling goes on without us.
async fn load(host: &Host, member: &Arc<Member>) -> Result<Arc<Loaded>, Failure> {
    let programs = &host.inner().programs;
    if let Some(loaded) = programs.at_hand(&member.program).await {
        return Ok(loaded);
    }
    let wait = Duration::from_millis(host.settings().load_wait_ms);
    let loading = tokio::time::timeout(wait, programs.load(host.inner(), &member.program)).await;
    match loading {
        Ok(Ok(loaded)) => Ok(loaded),
        Ok(Err(LoadError::Component(message))) => Err(Failure {
            outcome: Outcome::LoadFailed,
            message,
            retryable: false,
        }),
        Ok(Err(LoadError::House(_))) => Err(Failure {
            outcome: Outcome::HostError,
            message: "The server cannot make the extension ready at the moment.".into(),
            retryable: true,
        }),
        Err(_) => Err(Failure {
            outcome: Outcome::PoolBusy,
            message: "The extension is being compiled, and will run when that is done.".into(),
            retryable: true,
        }),
    }
}

/// What a call begins with.
fn begin(store: &mut Store<State>, limits: CallLimits) -> wasmtime::Result<()> {
    store.set_fuel(limits.fuel)?;
    store.set_epoch_deadline(1);
    let state = store.data_mut();
    state.call = Call::new(limits, state.limits().fuel_nanos);
    state.memory.refused = false;
    state.writes.keep();
    Ok(())
}

impl<T> Called<T> {
    /// A call of a guest that was stopped before.
    fn dead() -> Self {
        Self {
            result: Err(Failure {
                outcome: Outcome::HostError,
                message: "The sandbox was stopped before.".into(),
                retryable: false,
            }),
            fuel: 0,
            elapsed: Duration::ZERO,
            memory: 0,
            host_calls: 0,
            log: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Takes over what the call has left in the store.
    fn settle(&mut self, state: &mut State) {
        let printed = state.output.take();
        let limits = &state.host.settings().limits;
        state.call.log.printed(limits, &printed);
        let note = state.call.log.note();
        self.notes = std::mem::take(&mut state.call.notes);
        self.notes.extend(note);
        self.log = std::mem::take(&mut state.call.log.lines);
        self.host_calls = state.call.host_calls;
        self.memory = state.memory.bytes() as u64;
        let events = state.call.take_events();
        if state.facts.dry_run {
            return;
        }
        for event in events {
            state.host.inner().ports.emit(state.member.installation, event);
        }
    }
}

#[cfg(test)]
mod tests;
