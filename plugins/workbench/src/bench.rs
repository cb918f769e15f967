//! Runs hooks in the real host, with values in memory, and a model and hosts that say what the case has them say.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tavern_domain::extension::{Capability, ExtensionEvent, Hook, Outcome, PluginTrace};
use tavern_domain::{InstallationId, ManualClock, Timestamp};
use tavern_plugins::Host;
use tavern_plugins::chain::Member;
use tavern_plugins::ports::{KvEntry, KvKey, MemoryPorts, Secret};
use tavern_plugins::program::{Bytewise, Program};
use tavern_plugins::settings::{CompileSettings, PluginSettings};
use tavern_plugins::turn::TurnFacts;

use crate::case::{Case, Values};
use crate::project::Project;
use crate::recording::Recording;

mod hooks;
mod outside;

/// How long compiling may take. Interpreters are large.
const PATIENCE: Duration = Duration::from_secs(300);
/// The installation that cases run in. Always the same, so that its pseudonyms are.
const INSTALLATION: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0001;

/// What compiles components: a program, and its arguments.
#[derive(Debug, Clone)]
pub struct Worker {
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

impl Worker {
    /// This program, called with `compile-extension`.
    ///
    /// # Errors
    /// When it does not know where it is.
    pub fn this() -> Result<Self> {
        Ok(Self {
            program: std::env::current_exe().context("this program does not know where it is")?,
            arguments: vec!["compile-extension".into()],
        })
    }
}

/// A component, ready to be called.
pub struct Bench {
    project: Project,
    schema: Option<Value>,
    program: Arc<Program>,
    compile: CompileSettings,
    pub settings: PluginSettings,
    /// Requests that a case has no answer for are sent.
    pub sends: bool,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub outcome: Outcome,
    /// What was taken of what the hook gave back.
    pub edits: Vec<Value>,
    /// What hooks give back that give no edits; null otherwise.
    pub result: Value,
    /// All values that are there afterwards.
    pub kv: Values,
    /// What was refused or cut, and how it failed.
    pub notes: Vec<String>,
    /// Where its requests were not those that the case has answers for.
    pub requests: Vec<String>,
    /// What the host has measured. There is none of hooks outside of turns, and of those that were not called.
    pub trace: Option<PluginTrace>,
}

impl Run {
    /// For people and programs: what came out, and what the host has to say about it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "outcome": self.outcome,
            "edits": self.edits,
            "result": self.result,
            "kv": self.kv,
            "notes": self.notes,
            "requests": self.requests,
            "trace": self.trace,
        })
    }
}

impl Bench {
    /// # Errors
    /// When the project's schema cannot be read.
    pub fn new(project: Project, component: Vec<u8>, worker: Worker, cache: PathBuf) -> Result<Self> {
        let sha256 = Sha256::digest(&component)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let program = Program {
            sha256,
            source: Arc::new(Bytewise(Bytes::from(component))),
            large_runtime: project.manifest.extension.large_runtime,
        };
        Ok(Self {
            schema: project.config_schema()?,
            project,
            program: Arc::new(program),
            compile: CompileSettings {
                cache,
                worker: worker.program,
                worker_arguments: worker.arguments,
                patience: PATIENCE,
            },
            settings: PluginSettings {
                sandboxes: 4,
                filter_sandboxes: 4,
                ..PluginSettings::default()
            },
            sends: false,
        })
    }

    /// Calls the hook of a case, once, in a host of its own.
    ///
    /// # Errors
    /// When the case asks for what cannot be: a hook the extension does not have, a configuration that does not
    /// fit the schema, a grant it does not ask for, an answer that can be none.
    pub async fn run(&self, case: &Case) -> Result<Run> {
        let manifest = &self.project.manifest;
        if !manifest.hooks.contains_key(&case.hook) {
            bail!("the extension has no hook {}", case.hook);
        }
        self.check_config(case)?;
        let recording = Arc::new(Recording::new(&case.http, self.sends)?);
        let ports = Arc::new(MemoryPorts {
            recorded: Some(Arc::clone(&recording) as _),
            ..MemoryPorts::default()
        });
        self.fill(&ports, case);
        let now = Timestamp(case.turn.now_ms);
        let clock = Arc::new(ManualClock::at(now));
        let host = Host::new(
            self.settings.clone(),
            self.compile.clone(),
            [0; 32],
            Arc::clone(&ports) as _,
            clock,
        )?;
        let member = self.member(case)?;
        // A turn would not wait for it to be compiled; an author does.
        let prepared = host.prepare(&member.program).await;
        prepared.map_err(|why| anyhow::anyhow!("the component cannot be loaded: {why}"))?;
        let mut run = Box::pin(hooks::call(&host, &*ports, member, case, facts(case))).await?;
        if case.hook == Hook::AfterReply {
            let events = ports.events.lock();
            run.edits.extend(events.iter().filter_map(|(_, event)| match event {
                ExtensionEvent::Custom { name, payload } => {
                    Some(json!({ "emit-event": { "name": name, "payload": payload } }))
                }
                _ => None,
            }));
        }
        run.kv = values(&ports);
        run.requests = recording.faults();
        Ok(run)
    }

    fn check_config(&self, case: &Case) -> Result<()> {
        let Some(schema) = &self.schema else {
            if !case.config.is_empty() {
                bail!("the case has a configuration, and the extension has no config.schema.json");
            }
            return Ok(());
        };
        let mistakes = tavern_plugins::checks::check_config(schema, &Value::Object(case.config.clone()));
        if !mistakes.is_empty() {
            let lines: Vec<_> = mistakes
                .iter()
                .map(|(path, message)| format!("{path}: {message}"))
                .collect();
            bail!(
                "the configuration does not fit config.schema.json:\n  {}",
                lines.join("\n  ")
            );
        }
        Ok(())
    }

    fn member(&self, case: &Case) -> Result<Member> {
        let manifest = &self.project.manifest;
        let asked: Vec<Capability> = manifest.capabilities();
        let granted = match &case.grants {
            None => asked,
            Some(grants) => {
                if let Some(beyond) = grants
                    .iter()
                    .find(|grant| !asked.iter().any(|asked| asked.covers(grant)))
                {
                    bail!("the case grants {beyond}, which extension.toml does not ask for");
                }
                manifest.effective(grants, &self.settings)
            }
        };
        Ok(Member {
            installation: installation(),
            owner: None,
            name: manifest.extension.id.clone(),
            version: manifest.extension.version.clone(),
            manifest: Arc::new(manifest.clone()),
            program: Arc::clone(&self.program),
            granted: Arc::new(granted),
            config: Arc::new(Value::Object(case.config.clone())),
            priority: None,
            fail_closed: false,
        })
    }

    fn fill(&self, ports: &MemoryPorts, case: &Case) {
        use tavern_domain::extension::KvScope;
        let mut values = ports.values.lock();
        for (scope, entries) in &case.kv {
            let owner = match scope {
                KvScope::Installation => "",
                KvScope::User => &case.turn.user,
                KvScope::Chat => &case.turn.chat,
            };
            for (key, value) in entries {
                let key = KvKey {
                    installation: installation(),
                    scope: *scope,
                    owner: owner.to_owned(),
                    key: key.clone(),
                };
                let entry = KvEntry {
                    value: value.to_string().into_bytes(),
                    version: 1,
                    expires_at: None,
                };
                values.insert(key, entry);
            }
        }
        let secrets = case
            .secrets
            .iter()
            .map(|(name, value)| (name.clone(), Secret(value.clone())));
        ports.secrets.lock().extend(secrets);
        ports.completion.lock().clone_from(&case.model);
    }
}

fn installation() -> InstallationId {
    InstallationId::from_uuid(uuid::Uuid::from_u128(INSTALLATION))
}

/// Everything the host needs to know of a turn; a model counts four bytes as a token.
fn facts(case: &Case) -> TurnFacts {
    let turn = case.turn.clone();
    TurnFacts {
        turn: turn.id,
        chat: turn.chat,
        user: turn.user,
        user_name: turn.user_name,
        persona: turn.persona,
        character: turn.character.map(Into::into),
        kind: turn.kind,
        locale: turn.locale,
        model: turn.model,
        context_tokens: turn.context_tokens,
        reply_tokens: turn.reply_tokens,
        variables: turn.variables.into_iter().collect(),
        seed: turn.seed,
        now: Timestamp(turn.now_ms),
        dry_run: turn.dry_run,
        count: Arc::new(|text| u32::try_from(text.len().div_ceil(4)).unwrap_or(u32::MAX)),
    }
}

/// What is in the store, as JSON where it is some, and as text otherwise.
fn values(ports: &MemoryPorts) -> Values {
    let mut found = Values::new();
    for (key, entry) in ports.values.lock().iter() {
        let value = serde_json::from_slice(&entry.value)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&entry.value).into_owned()));
        found.entry(key.scope).or_default().insert(key.key.clone(), value);
    }
    found
}
