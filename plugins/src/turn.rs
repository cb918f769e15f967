//! The hooks of one turn, called along the chain.

use std::sync::Arc;

use tavern_domain::extension::{Hook, PluginTrace};
use tavern_domain::{InstallationId, Timestamp};

pub use crate::bindings::exports::tavern::extension::before_prompt::Note;
pub use crate::bindings::exports::tavern::extension::world_info::{Addition, Candidate};
pub use crate::bindings::tavern::extension::types::{Character, Message, Role};
use crate::chain::{Chain, Member};
use crate::filters::Filters;
use crate::host::Host;
use crate::manifest::ToolDeclaration;

/// What is known of a turn. Each extension is shown what it may see of it.
#[derive(Clone)]
pub struct TurnFacts {
    /// Ids as the house knows them; extensions are given pseudonyms.
    pub turn: String,
    pub chat: String,
    pub user: String,
    pub user_name: String,
    pub persona: String,
    pub character: Option<Character>,
    pub kind: String,
    pub locale: String,
    pub model: String,
    pub context_tokens: u32,
    pub reply_tokens: u32,
    pub variables: Vec<(String, String)>,
    pub seed: u64,
    pub now: Timestamp,
    pub dry_run: bool,
    /// Tokens as the model counts them.
    pub count: Arc<dyn Fn(&str) -> u32 + Send + Sync>,
}

/// What `before-prompt` hooks have done, all of them together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BeforePrompt {
    /// With the name of the extension each is from; higher priority first, then in the order of the chain.
    pub notes: Vec<(String, Note)>,
    pub variables: Vec<(String, String)>,
    /// A later extension's value stands for an earlier one's.
    pub sampling: Vec<(String, String)>,
    /// What the user is told in place of a reply.
    pub abort: Option<Abort>,
}

/// An extension has stopped the turn, or failed and must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    pub extension: String,
    pub message: String,
    /// It failed, and the operator wants it to work or nothing.
    pub is_failure: bool,
}

/// What `world-info` hooks have decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// Candidates that are to be in the prompt, or are not to be, each once.
    pub activate: Vec<String>,
    pub silence: Vec<String>,
    /// With the name of the extension each is from.
    pub additions: Vec<(String, Addition)>,
    pub abort: Option<Abort>,
}

/// A prompt that `prompt-transform` hooks have changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transformed {
    pub messages: Vec<TransformedMessage>,
    pub stops: Vec<String>,
    /// Whether anything was changed.
    pub changed: bool,
    pub abort: Option<Abort>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TransformedMessage {
    pub message: Message,
    /// Who put it there.
    pub inserted_by: Option<String>,
    /// Who wrote it anew, last.
    pub replaced_by: Option<String>,
}

/// A macro that an extension has to expand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MacroCall {
    /// In lower case.
    pub name: String,
    pub arguments: Vec<String>,
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferedTool {
    pub extension: String,
    /// As the model sees it; unique in the turn.
    pub name: String,
    pub declaration: ToolDeclaration,
}

/// What `after-reply` hooks have made of a reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AfterReply {
    /// Key and JSON, each under its extension's name.
    pub annotations: Vec<(String, String, serde_json::Value)>,
    pub suggestions: Vec<(String, String)>,
    pub variables: Vec<(String, String)>,
}

/// The hooks of one turn. It keeps one sandbox an extension for the phase of the prompt; dropping it, or
/// [`Self::end_prompt`], lets them go.
pub struct TurnHooks {
    host: Host,
    chain: Arc<Chain>,
    facts: TurnFacts,
    traces: Vec<PluginTrace>,
}

impl TurnHooks {
    pub(crate) fn new(host: Host, chain: Arc<Chain>, facts: TurnFacts) -> Self {
        Self {
            host,
            chain,
            facts,
            traces: Vec::new(),
        }
    }

    #[must_use]
    pub fn has(&self, hook: Hook) -> bool {
        self.chain.has(hook)
    }

    /// `history` is all that the prompt may draw on, oldest first; each extension gets its share of it.
    pub async fn before_prompt(&mut self, _history: &[Message]) -> BeforePrompt {
        BeforePrompt::default()
    }

    /// All get the same candidates; their decisions are merged.
    pub async fn select(&mut self, _history: &[Message], _candidates: &[Candidate]) -> Selection {
        Selection::default()
    }

    /// Whether some extension expands a macro of this name (in lower case).
    #[must_use]
    pub fn has_macro(&self, name: &str) -> bool {
        let declares = |member: &Arc<Member>| member.manifest.macros.iter().any(|declared| declared.name == name);
        self.chain.at(Hook::MacroProvider).any(declares)
    }

    /// One value for each call, in order.
    pub async fn expand(&mut self, calls: &[MacroCall]) -> Vec<Option<String>> {
        vec![None; calls.len()]
    }

    /// Each sees the prompt after those before it. `budget` is what it may have in tokens.
    pub async fn transform(&mut self, prompt: Vec<Message>, _budget: u32) -> Transformed {
        let untouched = |message| TransformedMessage {
            message,
            inserted_by: None,
            replaced_by: None,
        };
        Transformed {
            messages: prompt.into_iter().map(untouched).collect(),
            ..Transformed::default()
        }
    }

    /// Lets the sandboxes of the prompt go.
    pub fn end_prompt(&mut self) {}

    /// The filters of the reply, if there are any.
    pub fn filters(&self) -> Option<Filters> {
        None
    }

    #[must_use]
    pub fn tools(&self) -> Vec<OfferedTool> {
        Vec::new()
    }

    /// What a function says; an error is for the model to read.
    ///
    /// # Errors
    /// If there is none of the name, it may not, or it failed.
    pub async fn call_tool(&mut self, name: &str, _arguments: &str) -> Result<String, String> {
        Err(format!("There is no function `{name}`."))
    }

    /// One extension after the other; what one does no other can undo.
    pub async fn after_reply(&mut self, _history: &[Message], _user: Option<&Message>, _reply: &Message) -> AfterReply {
        AfterReply::default()
    }

    /// What was called so far, in order.
    #[must_use]
    pub fn traces(&self) -> &[PluginTrace] {
        &self.traces
    }

    pub fn take_traces(&mut self) -> Vec<PluginTrace> {
        std::mem::take(&mut self.traces)
    }

    /// Of others who have called on the turn's behalf, such as its filters.
    pub fn add_traces(&mut self, traces: Vec<PluginTrace>) {
        self.traces.extend(traces);
    }

    #[must_use]
    pub fn facts(&self) -> &TurnFacts {
        &self.facts
    }

    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }
}

/// What hooks outside of turns are about.
#[derive(Debug, Clone, Copy)]
pub struct Outside {
    pub installation: InstallationId,
    pub now: Timestamp,
}
