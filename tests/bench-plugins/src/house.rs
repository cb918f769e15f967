//! A host as the server has it, and chains of guests.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tavern_domain::extension::Hook;
use tavern_domain::{InstallationId, SystemClock, Timestamp};
use tavern_plugins::Host;
use tavern_plugins::chain::{Chain, Member};
use tavern_plugins::manifest::Manifest;
use tavern_plugins::ports::MemoryPorts;
use tavern_plugins::program::{Bytewise, Program};
use tavern_plugins::settings::{CompileSettings, PluginSettings};
use tavern_plugins::turn::{Message, Role, TurnFacts, TurnHooks};
use tempfile::TempDir;

/// A guest that was built: its component and its manifest.
#[derive(Clone)]
pub struct Guest {
    pub name: &'static str,
    pub component: Bytes,
    pub manifest: Arc<Manifest>,
}

impl Guest {
    pub fn read(name: &'static str, component: Vec<u8>, manifest: &str) -> Result<Self> {
        Ok(Self {
            name,
            component: component.into(),
            manifest: Arc::new(toml::from_str(manifest).with_context(|| format!("the manifest of {name}"))?),
        })
    }

    /// The only extension of an account, or several of its kind.
    pub fn chain(&self, copies: usize) -> Arc<Chain> {
        let program = Arc::new(Program {
            sha256: hex(&Sha256::digest(&self.component)),
            source: Arc::new(Bytewise(self.component.clone())),
            large_runtime: self.manifest.extension.large_runtime,
        });
        let members = (0..copies).map(|copy| Member {
            installation: InstallationId::new(),
            owner: None,
            name: format!("{}-{copy}", self.manifest.extension.id),
            version: self.manifest.extension.version.clone(),
            manifest: Arc::clone(&self.manifest),
            program: Arc::clone(&program),
            granted: Arc::new(self.manifest.permissions.keys().cloned().collect()),
            config: Arc::new(serde_json::json!({})),
            priority: None,
            fail_closed: false,
        });
        Arc::new(Chain::new(members.collect()))
    }

    pub fn has(&self, hook: Hook) -> bool {
        self.manifest.hooks.contains_key(&hook)
    }
}

/// A host with all limits on. This program compiles for it, run anew.
pub fn host(cache: &TempDir) -> Result<Host> {
    let settings = PluginSettings::default();
    let compile = CompileSettings {
        cache: cache.path().to_owned(),
        worker: std::env::current_exe()?,
        worker_arguments: vec![crate::COMPILE.into()],
        patience: Duration::from_secs(2 * settings.limits.compile_seconds),
    };
    Ok(Host::new(
        settings,
        compile,
        [7; 32],
        Arc::new(MemoryPorts::default()),
        Arc::new(SystemClock),
    )?)
}

/// Waits until the chain's code is at hand.
pub async fn prepare(host: &Host, chain: &Chain) -> Result<()> {
    for member in chain.members() {
        host.prepare(&member.program)
            .await
            .map_err(|error| anyhow!("{error}"))?;
    }
    Ok(())
}

/// The hooks of a turn that is like the others.
pub fn turn(host: &Host, chain: &Arc<Chain>) -> TurnHooks {
    let facts = TurnFacts {
        turn: "gen_1".into(),
        chat: "ses_1".into(),
        user: "usr_1".into(),
        user_name: "Mira".into(),
        persona: "A lamplighter.".into(),
        character: None,
        kind: "normal".into(),
        locale: String::new(),
        model: "story".into(),
        context_tokens: 8_192,
        reply_tokens: 512,
        variables: Vec::new(),
        seed: 7,
        now: Timestamp(1_790_000_000_000),
        dry_run: false,
        count: Arc::new(|text| u32::try_from(text.len() / 4).unwrap_or(u32::MAX)),
    };
    host.turn(Arc::clone(chain), facts)
}

/// Messages of 120 bytes.
pub fn history(messages: usize) -> Vec<Message> {
    let text = "The lantern over the harbour swings in the wind, and somebody walks up the stairs. ".repeat(2);
    let message = |number: usize| Message {
        id: format!("msg_{number}"),
        role: if number.is_multiple_of(2) {
            Role::User
        } else {
            Role::Assistant
        },
        name: None,
        text: text[..120].to_owned(),
    };
    (0..messages).map(message).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
