//! What tests of this crate share: guests out of text, and a host to run them.

pub(crate) mod guest;
pub(crate) mod ports;
pub(crate) mod scripted;
pub(crate) mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde_json::json;
use tavern_domain::extension::{Capability, Hook};
use tavern_domain::{InstallationId, SystemClock, Timestamp};
use tempfile::TempDir;

use crate::bindings::tavern::extension::types::Turn;
use crate::chain::Member;
use crate::host::Host;
use crate::instance::{CallFacts, CallLimits, Called, Failure, Instance, Share};
use crate::manifest::{HookSettings, Manifest};
use crate::ports::{MemoryPorts, Ports};
use crate::program::Program;
use crate::settings::{CompileSettings, PluginSettings};
use crate::store::State;
use ports::SlowPorts;

/// A host with a cache of its own, and nobody to compile for it: guests are compiled by the test.
pub(crate) struct House {
    pub host: Host,
    pub ports: Arc<MemoryPorts>,
    _folder: TempDir,
}

impl House {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut PluginSettings)) -> Self {
        let slow = |memory| SlowPorts {
            memory,
            used_tokens: AtomicU64::new(0),
        };
        Self::with_ports(change, |memory| Arc::new(slow(memory)))
    }

    /// The host's ports are what is made of those of the house.
    pub fn with_ports(
        change: impl FnOnce(&mut PluginSettings),
        ports_of: impl FnOnce(Arc<MemoryPorts>) -> Arc<dyn Ports>,
    ) -> Self {
        let mut settings = PluginSettings {
            sandboxes: 4,
            filter_sandboxes: 2,
            ..PluginSettings::default()
        };
        // A busy machine must not look like a slow guest.
        settings.limits.wall_ms = 10_000;
        change(&mut settings);
        let folder = TempDir::new().expect("a directory");
        let ports = Arc::new(MemoryPorts::default());
        let compile = CompileSettings {
            cache: folder.path().join("code"),
            worker: "/nonexistent".into(),
            worker_arguments: Vec::new(),
            patience: Duration::from_secs(1),
        };
        let host = Host::new(
            settings,
            compile,
            [7; 32],
            ports_of(ports.clone()),
            Arc::new(SystemClock),
        );
        Self {
            host: host.expect("a host"),
            ports,
            _folder: folder,
        }
    }

    /// An installation of a guest that is called at `hook` and may do all of `granted`.
    pub fn member(&self, hook: Hook, component: &[u8], granted: &[&str]) -> Arc<Member> {
        Arc::new(self.plain_member(hook, component, granted))
    }

    pub fn plain_member(&self, hook: Hook, component: &[u8], granted: &[&str]) -> Member {
        let program = Program::of(component.to_vec().into(), false);
        self.compile(component, &program.sha256);
        Member {
            program: Arc::new(program),
            ..codeless_member(hook, HookSettings::default(), granted)
        }
    }

    fn compile(&self, component: &[u8], sha256: &str) {
        let inner = self.host.inner();
        let code = inner.engine.precompile_component(component).expect("a component");
        inner.programs.disk().save(sha256, &code).expect("the cache");
    }

    pub async fn start(&self, member: &Arc<Member>) -> Result<Instance, Failure> {
        Instance::start(&self.host, member, facts(), Share::Calls).await
    }

    /// What host functions work on, of an installation that may do all of `granted`.
    pub async fn state(&self, granted: &[&str]) -> State {
        let guest = guest::Guest::before_prompt("(call $ok)").build();
        self.state_of(self.member(Hook::BeforePrompt, &guest, granted)).await
    }

    pub async fn state_of(&self, member: Arc<Member>) -> State {
        let place = self.host.place(None, Share::Calls).await.expect("a place");
        State::new(self.host.clone(), member, facts(), place)
    }

    /// What the function of a fresh guest gives.
    pub async fn says(&self, member: &Arc<Member>) -> Called<String> {
        let mut instance = self.start(member).await.expect("an instance");
        instance.tool(limits(), &turn(), "ask", "{}").await
    }

    /// Permits and pool are as they were before anything ran.
    pub fn assert_all_free(&self) {
        let settings = self.host.settings();
        let all = (settings.sandboxes as usize, settings.filter_sandboxes as usize);
        assert_eq!(self.host.free_sandboxes(), all);
    }
}

/// An installation that is not to be run.
pub(crate) fn codeless_member(hook: Hook, settings: HookSettings, granted: &[&str]) -> Member {
    let mut manifest: Manifest = toml::from_str(
        "[extension]\nid = 'test/guest'\nversion = '1.0.0'\ntitle = 'Guest'\nsummary = 'A guest'\n\
         api = '^0.1'\nlicense = 'MIT'\n",
    )
    .expect("a manifest");
    manifest.hooks = BTreeMap::from([(hook, settings)]);
    manifest.metrics = vec!["rolls".into()];
    let granted: Vec<Capability> = granted.iter().map(|text| text.parse().expect("a capability")).collect();
    Member {
        installation: InstallationId::new(),
        owner: None,
        name: "test/guest".into(),
        version: "1.0.0".into(),
        manifest: Arc::new(manifest),
        program: Arc::new(Program::of(bytes::Bytes::new(), false)),
        granted: Arc::new(granted),
        config: Arc::new(json!({"sides": 6})),
        priority: None,
        fail_closed: false,
    }
}

pub(crate) fn facts() -> CallFacts {
    CallFacts {
        user: Some("user".into()),
        chat: Some("chat".into()),
        model: "story".into(),
        seed: 7,
        now: Timestamp(1_795_384_722_000),
        dry_run: false,
        count: Arc::new(|text| u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX)),
    }
}

pub(crate) fn limits() -> CallLimits {
    CallLimits {
        fuel: 50_000_000,
        wall: Duration::from_secs(10),
    }
}

pub(crate) fn turn() -> Turn {
    Turn {
        id: "turn".into(),
        chat: "chat".into(),
        user: "user".into(),
        user_name: String::new(),
        persona: String::new(),
        character: None,
        kind: "normal".into(),
        locale: String::new(),
        model: "story".into(),
        context_tokens: 4096,
        reply_tokens: 512,
        variables: Vec::new(),
        seed: 7,
        now_ms: 1_795_384_722_000,
        dry_run: false,
        extra: Vec::new(),
    }
}
