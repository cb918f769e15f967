//! A component in a fresh store: one sandbox, one extension, one turn and phase.

use std::sync::Arc;
use std::time::Duration;

use tavern_domain::Timestamp;
use tavern_domain::extension::Outcome;

use crate::bindings::exports::tavern::extension as hooks;
use crate::bindings::tavern::extension::types::{Message, Pair, Turn};
use crate::chain::Member;
use crate::host::Host;
use crate::ports::KvWrite;

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
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

impl<T> Called<T> {
    fn missing() -> Self {
        Self {
            result: Err(Failure {
                outcome: Outcome::LoadFailed,
                message: "Sandboxes are not there yet.".into(),
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
    /// Tokens as the model counts them.
    pub count: Arc<dyn Fn(&str) -> u32 + Send + Sync>,
}

/// Which sandboxes it takes its place among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Calls,
    Filters,
}

/// A sandbox. After a failure other than an error the guest gave back it is not used again.
pub(crate) struct Instance {
    _member: Arc<Member>,
}

impl Instance {
    /// Waits for a place, loads the program, and makes a fresh store.
    pub async fn start(host: &Host, member: &Arc<Member>, facts: CallFacts, share: Share) -> Result<Self, Failure> {
        let _ = (host, facts, share);
        Ok(Self {
            _member: Arc::clone(member),
        })
    }

    /// Whether it may be called once more.
    pub fn is_sound(&self) -> bool {
        true
    }

    pub async fn validate_config(&mut self, limits: CallLimits, config: &str) -> Called<()> {
        Called::missing()
    }
    pub async fn migrate(&mut self, limits: CallLimits, from: &str) -> Called<()> {
        Called::missing()
    }
    pub async fn before_prompt(
        &mut self,
        limits: CallLimits,
        turn: &Turn,
        history: &[Message],
    ) -> Called<Vec<hooks::before_prompt::Edit>> {
        Called::missing()
    }
    pub async fn select(
        &mut self,
        limits: CallLimits,
        turn: &Turn,
        history: &[Message],
        candidates: &[hooks::world_info::Candidate],
    ) -> Called<hooks::world_info::Selection> {
        Called::missing()
    }
    pub async fn transform(
        &mut self,
        limits: CallLimits,
        turn: &Turn,
        prompt: &[Message],
    ) -> Called<Vec<hooks::prompt_transform::Op>> {
        Called::missing()
    }
    pub async fn expand(
        &mut self,
        limits: CallLimits,
        turn: &Turn,
        calls: &[hooks::macro_provider::Call],
    ) -> Called<Vec<Option<String>>> {
        Called::missing()
    }
    pub async fn tool(&mut self, limits: CallLimits, turn: &Turn, name: &str, arguments: &str) -> Called<String> {
        Called::missing()
    }
    pub async fn after_reply(
        &mut self,
        limits: CallLimits,
        turn: &Turn,
        history: &[Message],
        user: Option<&Message>,
        reply: &Message,
    ) -> Called<Vec<hooks::after_reply::Effect>> {
        Called::missing()
    }

    /// Makes the filter of a reply; later calls are on it.
    pub async fn open_filter(&mut self, limits: CallLimits, turn: &Turn) -> Called<()> {
        Called::missing()
    }
    pub async fn push(&mut self, limits: CallLimits, chunk: &str) -> Called<hooks::stream_filter::Verdict> {
        Called::missing()
    }
    pub async fn finish(&mut self, limits: CallLimits, chunk: &str) -> Called<hooks::stream_filter::Verdict> {
        Called::missing()
    }

    pub async fn validate_listing(
        &mut self,
        limits: CallLimits,
        listing: &str,
    ) -> Called<Vec<hooks::listing_validate::Finding>> {
        Called::missing()
    }
    pub async fn price(
        &mut self,
        limits: CallLimits,
        listing: &str,
        buyer: &[Pair],
        base: &hooks::listing_price::Quote,
    ) -> Called<hooks::listing_price::Quote> {
        Called::missing()
    }
    pub async fn rank(
        &mut self,
        limits: CallLimits,
        query: &str,
        items: &[hooks::search_rank::Item],
    ) -> Called<Vec<hooks::search_rank::Change>> {
        Called::missing()
    }

    /// What it has written since this was last asked: to be committed once its result is accepted, and to be
    /// dropped otherwise.
    pub fn take_writes(&mut self) -> Vec<KvWrite> {
        Vec::new()
    }
}
