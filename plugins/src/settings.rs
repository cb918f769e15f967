//! What an operator may set about extensions.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tavern_domain::extension::Capability;

use crate::manifest::{HostPattern, rules};

/// The `[extensions]` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginSettings {
    /// Extensions run at all.
    pub enabled: bool,
    /// Sandboxes at once; others wait, at most as long as [`Self::queue_wait_ms`], and no more than
    /// [`Self::queue`] of them.
    pub sandboxes: u32,
    /// Sandboxes that filter replies, apart from the others.
    pub filter_sandboxes: u32,
    pub queue: u32,
    pub queue_wait_ms: u64,
    /// Of the sandboxes of each kind, those of one account at once. A turn takes one for each of its
    /// extensions, so fewer than [`PluginLimits::installations`] leave some of them out.
    pub account_sandboxes: u32,
    /// Of those who wait, the calls of one account.
    pub account_queue: u32,
    /// How long a call waits for code that must be compiled first. Compiling goes on without it.
    pub load_wait_ms: u64,
    /// Capabilities nobody gets, whatever a manifest asks for: as text, without its detail (`http`, `model`).
    pub denied: Vec<String>,
    /// Hosts nobody may send requests to, and all below them.
    pub denied_hosts: Vec<String>,
    /// Names of extensions whose failure stops the turn or the reply.
    pub fail_closed: Vec<String>,
    /// Names of extensions that do not run, `publisher/name` or `publisher/name@version`.
    pub killed: Vec<String>,
    /// The program that compiles components (called with `compile-extension`); this one if empty.
    pub worker: PathBuf,
    /// Requests may go to 127.0.0.1, in the clear and to any port. For tests alone.
    pub allow_loopback: bool,
    pub limits: PluginLimits,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            sandboxes: 64,
            filter_sandboxes: 64,
            queue: 256,
            queue_wait_ms: 500,
            account_sandboxes: 32,
            account_queue: 64,
            load_wait_ms: 2_000,
            denied: Vec::new(),
            denied_hosts: Vec::new(),
            fail_closed: Vec::new(),
            killed: Vec::new(),
            worker: PathBuf::new(),
            allow_loopback: false,
            limits: PluginLimits::default(),
        }
    }
}

/// Kinds of capabilities that have a detail; the others are capabilities as they stand.
const KINDS: [&str; 5] = ["history", "kv", "http", "secret", "model"];

impl PluginSettings {
    /// What is wrong beyond the types: fields, and what of them. What would deny, stop or demand nothing because it
    /// names nothing is a mistake, not a way to allow it.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        for (field, count) in [
            ("sandboxes", self.sandboxes),
            ("filter_sandboxes", self.filter_sandboxes),
            ("account_sandboxes", self.account_sandboxes),
        ] {
            if count == 0 {
                let what = "is 0: no extension could run; `extensions.enabled = false` is for that";
                wrong.push((field, what.to_owned()));
            }
        }
        for capability in &self.denied {
            if !KINDS.contains(&capability.as_str()) && capability.parse::<Capability>().is_err() {
                wrong.push(("denied", format!("there is no capability `{capability}`")));
            }
        }
        for host in &self.denied_hosts {
            let is_name = host
                .parse::<HostPattern>()
                .is_ok_and(|known| known.to_string() == *host);
            if !is_name || host.starts_with("*.") {
                let what = format!("`{host}` is no host: its name in lower case, which stands for all below it too");
                wrong.push(("denied_hosts", what));
            }
        }
        for name in &self.fail_closed {
            if !rules::is_id(name) {
                wrong.push(("fail_closed", format!("`{name}` is not `publisher/name`")));
            }
        }
        for killed in &self.killed {
            let (name, version) = killed.split_once('@').unwrap_or((killed, "0.0.0"));
            if !rules::is_id(name) || semver::Version::parse(version).is_err() {
                let what = format!("`{killed}` is neither `publisher/name` nor `publisher/name@1.2.3`");
                wrong.push(("killed", what));
            }
        }
        wrong
    }

    /// Whether the operator lets anybody have this.
    #[must_use]
    pub fn allows(&self, capability: &Capability) -> bool {
        let text = capability.to_string();
        let kind = text.split(':').next().unwrap_or_default();
        if self.denied.iter().any(|denied| denied == kind || *denied == text) {
            return false;
        }
        match capability {
            Capability::Http(host) => !self.denied_hosts.iter().any(|denied| {
                host == denied
                    || host
                        .strip_suffix(denied.as_str())
                        .is_some_and(|rest| rest.ends_with('.'))
            }),
            _ => true,
        }
    }
}

/// What one sandbox, one call and one package may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginLimits {
    /// Bytes of linear memory of a sandbox, all memories together.
    pub memory_bytes: usize,
    /// The same for guests with an interpreter.
    pub large_memory_bytes: usize,
    /// Elements of all tables of a sandbox together.
    pub table_elements: usize,
    /// Fuel of a call: about an instruction each.
    pub fuel_prompt: u64,
    pub fuel_flush: u64,
    /// Of a whole reply.
    pub fuel_stream: u64,
    pub fuel_after_reply: u64,
    pub fuel_validate: u64,
    pub fuel_price: u64,
    pub fuel_rank: u64,
    pub fuel_tool: u64,
    /// Nanoseconds on the processor that a unit of fuel may take. What is slow without burning fuel, such as
    /// filling memory, ends by this.
    pub fuel_nanos: u64,
    /// Fuel that guests with an interpreter get more, times.
    pub large_runtime_factor: u64,
    /// And wall-clock time, times: an interpreter is some milliseconds slower to begin.
    pub large_runtime_wall_factor: u32,
    /// Milliseconds of a call, waiting included.
    pub wall_ms: u64,
    /// The same for a hook that may send requests or call the model.
    pub wall_http_ms: u64,
    pub wall_flush_ms: u64,
    pub wall_after_reply_ms: u64,
    /// Of all calls before a prompt is sent, together.
    pub wall_chain_ms: u64,
    /// Bytes that go from a guest to the host in a call.
    pub transfer_bytes: usize,
    /// Calls of the host in a call.
    pub host_calls: u32,
    /// Edits of a result.
    pub edits: usize,
    /// Bytes of one text of a result.
    pub text_bytes: usize,
    /// Bytes of all texts of a result.
    pub result_bytes: usize,
    pub log_lines: usize,
    pub log_line_bytes: usize,
    pub log_bytes: usize,
    pub random_bytes: usize,
    pub kv_keys: usize,
    pub kv_bytes: usize,
    pub kv_key_bytes: usize,
    pub kv_value_bytes: usize,
    /// Operations on values in a call.
    pub kv_operations: u32,
    /// Requests in a call, and of an installation in a minute.
    pub http_requests: u32,
    pub http_requests_per_minute: u32,
    pub http_request_bytes: usize,
    /// Of a response, unpacked.
    pub http_response_bytes: usize,
    pub http_ms: u64,
    pub http_parallel: usize,
    /// Bytes a stream filter may hold back, and for how long.
    pub hold_bytes: usize,
    pub hold_ms: u64,
    /// Candidates of lore that a hook is shown.
    pub lore_candidates: usize,
    /// Extensions of an account that are on.
    pub installations: usize,
    pub package_bytes: usize,
    pub component_bytes: usize,
    pub large_component_bytes: usize,
    pub package_files: usize,
    /// Seconds of processor time, and bytes of memory, to compile a component.
    pub compile_seconds: u64,
    pub compile_bytes: u64,
    /// Bytes of compiled components kept in memory.
    pub programs_bytes: u64,
    /// The same on the disk.
    pub code_bytes: u64,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            large_memory_bytes: 128 << 20,
            table_elements: 50_000,
            fuel_prompt: 50_000_000,
            fuel_flush: 2_000_000,
            fuel_stream: 200_000_000,
            fuel_after_reply: 200_000_000,
            fuel_validate: 50_000_000,
            fuel_price: 5_000_000,
            fuel_rank: 20_000_000,
            fuel_tool: 50_000_000,
            fuel_nanos: 2,
            large_runtime_factor: 10,
            large_runtime_wall_factor: 4,
            wall_ms: 250,
            wall_http_ms: 1_500,
            wall_flush_ms: 20,
            wall_after_reply_ms: 10_000,
            wall_chain_ms: 2_000,
            transfer_bytes: 1 << 20,
            host_calls: 2_000,
            edits: 64,
            text_bytes: 32 << 10,
            result_bytes: 256 << 10,
            log_lines: 64,
            log_line_bytes: 1 << 10,
            log_bytes: 8 << 10,
            random_bytes: 4 << 10,
            kv_keys: 1_000,
            kv_bytes: 1 << 20,
            kv_key_bytes: 128,
            kv_value_bytes: 64 << 10,
            kv_operations: 50,
            http_requests: 4,
            http_requests_per_minute: 60,
            http_request_bytes: 64 << 10,
            http_response_bytes: 256 << 10,
            http_ms: 1_500,
            http_parallel: 4,
            hold_bytes: 2 << 10,
            hold_ms: 300,
            lore_candidates: 1_000,
            installations: 32,
            package_bytes: 8 << 20,
            component_bytes: 24 << 20,
            large_component_bytes: 48 << 20,
            package_files: 64,
            compile_seconds: 60,
            compile_bytes: 2 << 30,
            programs_bytes: 512 << 20,
            code_bytes: 8 << 30,
        }
    }
}

/// Where and how components are compiled.
#[derive(Debug, Clone)]
pub struct CompileSettings {
    /// A private directory for compiled components.
    pub cache: PathBuf,
    /// The program that compiles, and its arguments: the component on its standard input, code on its
    /// standard output. See [`crate::compile::worker`].
    pub worker: PathBuf,
    pub worker_arguments: Vec<String>,
    /// Wall clock of the worker.
    pub patience: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_name_nothing_are_mistakes() {
        let settings = PluginSettings {
            sandboxes: 0,
            denied: ["http", "kv:chat", "prompt.insert", "htp"].map(Into::into).into(),
            denied_hosts: ["example.org", "*.example.org", "Example.org", "https://example.org", ""]
                .map(Into::into)
                .into(),
            fail_closed: ["acme/lantern", "lantern", "acme/lantern@1.0.0"].map(Into::into).into(),
            killed: ["acme/lantern", "acme/lantern@1.0.0", "acme/lantern@1", "Acme/lantern"]
                .map(Into::into)
                .into(),
            ..PluginSettings::default()
        };
        let fields: Vec<_> = settings.check().into_iter().map(|(field, _)| field).collect();
        let expected = [
            &["sandboxes", "denied"][..],
            &["denied_hosts"; 4],
            &["fail_closed"; 2],
            &["killed"; 2],
        ];
        assert_eq!(fields, expected.concat());
        assert_eq!(PluginSettings::default().check(), []);
    }
}
