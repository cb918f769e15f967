//! Extensions: what people publish, install and grant, and what became of each call.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{ExtensionId, ExtensionVersionId, GenerationId, InstallationId, SessionId, Timestamp, UserId};

/// A place where the host calls extensions. Its text is the name of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    Lifecycle,
    BeforePrompt,
    WorldInfo,
    PromptTransform,
    StreamFilter,
    AfterReply,
    MacroProvider,
    Tool,
    ListingValidate,
    ListingPrice,
    SearchRank,
}

impl Hook {
    pub const ALL: [Self; 11] = [
        Self::Lifecycle,
        Self::BeforePrompt,
        Self::WorldInfo,
        Self::PromptTransform,
        Self::StreamFilter,
        Self::AfterReply,
        Self::MacroProvider,
        Self::Tool,
        Self::ListingValidate,
        Self::ListingPrice,
        Self::SearchRank,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lifecycle => "lifecycle",
            Self::BeforePrompt => "before-prompt",
            Self::WorldInfo => "world-info",
            Self::PromptTransform => "prompt-transform",
            Self::StreamFilter => "stream-filter",
            Self::AfterReply => "after-reply",
            Self::MacroProvider => "macro-provider",
            Self::Tool => "tool",
            Self::ListingValidate => "listing-validate",
            Self::ListingPrice => "listing-price",
            Self::SearchRank => "search-rank",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Hook {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|hook| hook.as_str() == text).ok_or(())
    }
}

/// Whose values of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvScope {
    Installation,
    User,
    Chat,
}

impl KvScope {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::User => "user",
            Self::Chat => "chat",
        }
    }
}

/// Something an extension may do or see. What it may in the end is what its manifest asks for, its
/// installation grants, and the operator's policy allows.
///
/// As text: `persona`, `prompt.insert`, `history:20`, `kv:chat`, `http:api.example.org`, `secret:api-key`,
/// `model:10000`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    /// See so many messages of the chat.
    History(u32),
    /// See the user's name and persona.
    Persona,
    /// See the card of the character.
    Character,
    /// See and set the chat's variables.
    Variables,
    /// Put text into the prompt.
    Insert,
    /// Change and remove messages of the prompt.
    Replace,
    /// Do so as, or to, `system` messages.
    System,
    /// Set sampling and stop strings.
    Sampling,
    /// Stop a turn before it begins.
    Abort,
    /// See entries of lore.
    LoreRead,
    /// Activate, silence and add entries.
    LoreEdit,
    /// See the reply while it comes in.
    StreamObserve,
    /// Change it.
    StreamModify,
    /// Write annotations of replies.
    Annotate,
    /// Suggest what to say next.
    Suggest,
    /// Send events to those who watch the installation.
    Events,
    /// Keep values.
    Kv(KvScope),
    /// Send requests to a host: a name, or `*.` and a name.
    Http(String),
    /// Have a secret put into requests.
    Secret(String),
    /// Call the model, for so many tokens a day.
    Model(u64),
    /// Offer functions to the model.
    Tools,
    /// Offer macros.
    Macros,
    /// See listings and what is searched on the marketplace.
    Marketplace,
}

/// Capabilities without a detail, by their text.
const PLAIN: [(&str, Capability); 17] = [
    ("persona", Capability::Persona),
    ("character", Capability::Character),
    ("variables", Capability::Variables),
    ("prompt.insert", Capability::Insert),
    ("prompt.replace", Capability::Replace),
    ("prompt.system", Capability::System),
    ("sampling", Capability::Sampling),
    ("abort", Capability::Abort),
    ("lore.read", Capability::LoreRead),
    ("lore.edit", Capability::LoreEdit),
    ("stream.observe", Capability::StreamObserve),
    ("stream.modify", Capability::StreamModify),
    ("annotate", Capability::Annotate),
    ("suggest", Capability::Suggest),
    ("events", Capability::Events),
    ("tools", Capability::Tools),
    ("macros", Capability::Macros),
];

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::History(messages) => write!(f, "history:{messages}"),
            Self::Kv(scope) => write!(f, "kv:{}", scope.as_str()),
            Self::Http(host) => write!(f, "http:{host}"),
            Self::Secret(name) => write!(f, "secret:{name}"),
            Self::Model(tokens) => write!(f, "model:{tokens}"),
            Self::Marketplace => f.write_str("marketplace"),
            plain => {
                let text = PLAIN.iter().find(|(_, capability)| capability == plain);
                f.write_str(text.map_or("", |(text, _)| text))
            }
        }
    }
}

impl FromStr for Capability {
    type Err = String;

    /// # Errors
    /// What is wrong, for people.
    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || {
            format!(
                "There is no capability `{}`.",
                text.chars().take(100).collect::<String>()
            )
        };
        if text == "marketplace" {
            return Ok(Self::Marketplace);
        }
        if let Some((_, capability)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(capability.clone());
        }
        let (kind, detail) = text.split_once(':').ok_or_else(unknown)?;
        match kind {
            "history" => detail.parse().map(Self::History).map_err(|_| unknown()),
            "model" => detail.parse().map(Self::Model).map_err(|_| unknown()),
            "kv" => match detail {
                "installation" => Ok(Self::Kv(KvScope::Installation)),
                "user" => Ok(Self::Kv(KvScope::User)),
                "chat" => Ok(Self::Kv(KvScope::Chat)),
                _ => Err(unknown()),
            },
            "http" if !detail.is_empty() => Ok(Self::Http(detail.to_owned())),
            "secret" if !detail.is_empty() => Ok(Self::Secret(detail.to_owned())),
            _ => Err(unknown()),
        }
    }
}

impl Serialize for Capability {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Capability {
    /// Whether who has this may do `wanted` too: the same, or less of it.
    #[must_use]
    pub fn covers(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::History(has), Self::History(wants)) => has >= wants,
            (Self::Model(has), Self::Model(wants)) => has >= wants,
            (Self::StreamModify, Self::StreamObserve) => true,
            (Self::Http(has), Self::Http(wants)) => {
                let below = |name| {
                    wants
                        .strip_suffix(name)
                        .is_some_and(|labels: &str| labels.ends_with('.'))
                };
                has == wants || has.strip_prefix("*.").is_some_and(below)
            }
            (has, wants) => has == wants,
        }
    }
}

/// Why a call of an extension ended as it did. As text in traces, logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its result was taken, all of it or what of it was permitted.
    Ok,
    /// It had nothing to do.
    Skipped,
    GuestError,
    InvalidConfig,
    /// It stopped itself: `unreachable`, out of bounds, stack overflow, a panic.
    Trap,
    OutOfFuel,
    /// It ran too long on the processor.
    Interrupted,
    /// It took too long in all, waiting included.
    WallTimeout,
    OutOfMemory,
    /// What it gave back is not what it may give back.
    OutputInvalid,
    /// It moved too much data across the boundary, or called the host too often.
    HostcallLimit,
    Denied,
    /// No place to run it was free in time.
    PoolBusy,
    /// It failed too often lately.
    BreakerOpen,
    /// An operator has stopped it.
    Killed,
    /// It could not be loaded.
    LoadFailed,
    HostError,
}

impl Outcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::GuestError => "guest_error",
            Self::InvalidConfig => "invalid_config",
            Self::Trap => "trap",
            Self::OutOfFuel => "out_of_fuel",
            Self::Interrupted => "interrupted",
            Self::WallTimeout => "wall_timeout",
            Self::OutOfMemory => "out_of_memory",
            Self::OutputInvalid => "output_invalid",
            Self::HostcallLimit => "hostcall_limit",
            Self::Denied => "denied",
            Self::PoolBusy => "pool_busy",
            Self::BreakerOpen => "breaker_open",
            Self::Killed => "killed",
            Self::LoadFailed => "load_failed",
            Self::HostError => "host_error",
        }
    }

    /// Whether the extension is at fault, as circuit breakers see it.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        !matches!(
            self,
            Self::Ok | Self::Skipped | Self::PoolBusy | Self::BreakerOpen | Self::Killed | Self::HostError
        )
    }
}

/// One call of one extension at one hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginTrace {
    /// `publisher/name`.
    pub extension: String,
    pub version: String,
    pub hook: Hook,
    pub outcome: Outcome,
    /// Edits that were taken.
    pub edits: u32,
    /// Edits that were not, and why; what the failure was. At most 16 lines.
    pub notes: Vec<String>,
    pub fuel: u64,
    pub micros: u64,
    /// Bytes of linear memory at the most.
    pub memory: u64,
    /// Calls of the host.
    pub host_calls: u32,
    /// What it logged, at most 64 lines.
    pub log: Vec<String>,
}

/// A key an author signs packages with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherKey {
    /// 16 hex digits.
    pub id: String,
    /// The base64 line of a minisign public key.
    pub public_key: String,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// A name under which an account publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publisher {
    pub name: String,
    pub owner: UserId,
    pub keys: Vec<PublisherKey>,
}

/// What somebody published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    pub id: ExtensionId,
    /// `publisher/name`; never changes.
    pub name: String,
    pub owner: UserId,
    /// For people, from the newest version's manifest.
    pub title: String,
    pub summary: String,
    /// Accounts that have it.
    pub installs: i32,
    /// Why an operator has stopped all versions.
    pub killed: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Which extensions a list holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtensionFilter {
    /// Found in name, title, summary or keywords; each word on its own.
    pub query: Option<String>,
    pub publisher: Option<String>,
    pub hook: Option<Hook>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExtensionOrder {
    /// The most installed first.
    #[default]
    Popular,
    /// The youngest first.
    New,
    /// Who has the youngest version first.
    Updated,
    Name,
}

/// A version: immutable but for its being yanked or killed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtensionVersion {
    pub id: ExtensionVersionId,
    pub extension: ExtensionId,
    /// Semantic version.
    pub version: String,
    /// SHA-256 of the package, in hex; also its key among the objects.
    pub package_sha256: String,
    /// SHA-256 of the component, in hex.
    pub component_sha256: String,
    pub package_bytes: i64,
    /// The manifest, as JSON.
    pub manifest: Value,
    /// The JSON schema of the configuration, if there is one.
    pub config_schema: Option<Value>,
    pub readme: String,
    /// What the checks said, as JSON.
    pub report: Value,
    /// Which key signed it.
    pub key_id: String,
    /// This server's signature over name, version and hash, in base64.
    pub countersignature: String,
    /// Why it should no longer be installed.
    pub yanked: Option<String>,
    /// Why an operator has stopped it.
    pub killed: Option<String>,
    pub created_at: Timestamp,
}

/// An extension in an account, on its chats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Installation {
    pub id: InstallationId,
    pub owner: UserId,
    pub extension: ExtensionId,
    /// `publisher/name`.
    pub name: String,
    pub version_id: ExtensionVersionId,
    pub version: String,
    /// Which versions an upgrade may choose.
    pub version_req: String,
    pub grants: Vec<Capability>,
    /// Checked against the schema; secrets are not in it.
    pub config: Value,
    pub enabled: bool,
    /// In place of the manifest's; -1000 to 1000.
    pub priority: Option<i32>,
    /// Waits for consent to what it may do more.
    pub pending: Option<ExtensionVersionId>,
    /// Versions before this one, newest first, at most 3: what a rollback goes to.
    pub previous: Vec<PreviousVersion>,
    /// Why it does not run, if it was stopped for its failures.
    pub disabled_reason: Option<String>,
    /// Changes with every change; guards against lost updates.
    pub revision: i32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a rollback restores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviousVersion {
    pub version_id: ExtensionVersionId,
    pub version: String,
    pub grants: Vec<Capability>,
    pub config: Value,
}

/// A line of what happened to an installation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtensionLog {
    /// Later ones have greater ids.
    pub id: Uuid,
    pub at: Timestamp,
    pub event: ExtensionEvent,
}

/// A reply whose `after-reply` hooks are still to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfterReplyJob {
    pub generation: GenerationId,
    pub session: SessionId,
    /// How often it was begun, this time included.
    pub attempts: u32,
}

/// Something that happened to an installation, for those who watch it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum ExtensionEvent {
    /// A line of the extension's log.
    Log {
        level: String,
        message: String,
        fields: Vec<(String, String)>,
    },
    /// A call ended.
    Called { trace: Box<PluginTrace> },
    /// The extension's own event.
    Custom { name: String, payload: Value },
    /// Counters of a call.
    Metric { name: String, delta: u32 },
    /// Installed, upgraded, rolled back, configured, stopped, removed.
    Changed { what: String, version: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_read_as_it_is_written() {
        for text in [
            "history:20",
            "persona",
            "character",
            "variables",
            "prompt.insert",
            "prompt.replace",
            "prompt.system",
            "sampling",
            "abort",
            "lore.read",
            "lore.edit",
            "stream.observe",
            "stream.modify",
            "annotate",
            "suggest",
            "events",
            "kv:installation",
            "kv:user",
            "kv:chat",
            "http:*.example.org",
            "secret:api-key",
            "model:10000",
            "tools",
            "macros",
            "marketplace",
        ] {
            assert_eq!(
                text.parse::<Capability>().map(|capability| capability.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "history",
            "history:-1",
            "kv:all",
            "http:",
            "everything",
            "persona:1",
        ] {
            assert!(text.parse::<Capability>().is_err(), "{text}");
        }
    }

    #[test]
    fn more_covers_less() {
        assert!(Capability::History(20).covers(&Capability::History(5)));
        assert!(!Capability::History(5).covers(&Capability::History(20)));
        assert!(Capability::StreamModify.covers(&Capability::StreamObserve));
        assert!(!Capability::StreamObserve.covers(&Capability::StreamModify));
        let http = |host: &str| Capability::Http(host.into());
        assert!(http("*.example.org").covers(&http("api.example.org")));
        assert!(http("*.example.org").covers(&http("*.api.example.org")));
        assert!(!http("*.example.org").covers(&http("example.org")));
        assert!(!http("*.example.org").covers(&http("evilexample.org")));
        assert!(!http("api.example.org").covers(&http("*.example.org")));
    }
}
