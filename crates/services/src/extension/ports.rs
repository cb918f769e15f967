//! What the host of extensions gets of the house: values, secrets and events of installations, and the
//! model, out of each installation's own budget.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use tavern_domain::chat::ChatRole;
use tavern_domain::extension::ExtensionEvent;
use tavern_domain::generation::{GenerationKind, GenerationOptions};
use tavern_domain::model::PromptForm;
use tavern_domain::{InstallationId, Result, Timestamp};
use tavern_models::{Cast, CompletionRequest, ModelEvent, PromptMessage, Router};
use tavern_plugins::ports::{KvEntry, KvFault, KvKey, KvWrite, ModelFault, ModelReply, ModelRequest, Ports, Secret};
use tavern_plugins::settings::PluginLimits;
use tavern_prompt::tokens::Counter;
use tavern_storage::{StoredValue, ValueKey, ValueOutcome, ValueRoom, ValueWrite};

use super::events::Events;
use super::vault::Vault;
use crate::Shared;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Tokens that a message takes besides its text.
const PER_MESSAGE: u64 = 4;

/// The house, as the host sees it.
pub(super) struct HousePorts {
    pub shared: Arc<Shared>,
    pub vault: Arc<Vault>,
    pub models: Router,
    pub events: Events,
    pub room: ValueRoom,
}

/// What an installation may keep.
pub(super) fn room(limits: &PluginLimits) -> ValueRoom {
    ValueRoom {
        keys: limits.kv_keys as u64,
        bytes: limits.kv_bytes as u64,
    }
}

/// Which day of budgets it is.
pub(super) fn day(now: Timestamp) -> i32 {
    i32::try_from(now.0.div_euclid(DAY_MS)).unwrap_or(i32::MAX)
}

/// Writes as the store takes them.
pub(super) fn to_write(write: KvWrite) -> ValueWrite {
    ValueWrite {
        key: to_key(write.key),
        value: write.value,
        expires_at: write.expires_at,
        expected: write.expected.map(|version| i64::try_from(version).unwrap_or(i64::MAX)),
    }
}

fn to_key(key: KvKey) -> ValueKey {
    ValueKey {
        scope: key.scope,
        owner: key.owner,
        key: key.key,
    }
}

fn to_entry(stored: StoredValue) -> KvEntry {
    KvEntry {
        value: stored.value,
        version: u64::try_from(stored.version).unwrap_or(0),
        expires_at: stored.expires_at,
    }
}

/// The store's failure goes to the log: the guest only learns that there is one.
fn reached<T>(result: Result<T>) -> Result<T, KvFault> {
    result.map_err(|error| {
        tracing::error!(?error, "values of extensions cannot be reached");
        KvFault::Unavailable
    })
}

#[async_trait]
impl Ports for HousePorts {
    async fn kv_get(&self, keys: Vec<KvKey>) -> Result<Vec<Option<KvEntry>>, KvFault> {
        let Some(installation) = keys.first().map(|key| key.installation) else {
            return Ok(Vec::new());
        };
        let now = self.shared.clock.now();
        let keys: Vec<_> = keys.into_iter().map(to_key).collect();
        let found = reached(self.shared.store.extensions.values(installation, &keys, now).await)?;
        Ok(found.into_iter().map(|value| value.map(to_entry)).collect())
    }

    async fn kv_keys(&self, prefix: KvKey, after: Option<String>, limit: u32) -> Result<Vec<String>, KvFault> {
        let now = self.shared.clock.now();
        let (installation, prefix) = (prefix.installation, to_key(prefix));
        let extensions = &self.shared.store.extensions;
        let found = extensions.value_keys(installation, &prefix, after.as_deref(), limit, now);
        reached(found.await)
    }

    async fn kv_commit(
        &self,
        installation: InstallationId,
        version: &str,
        writes: Vec<KvWrite>,
    ) -> Result<(), KvFault> {
        if writes.is_empty() {
            return Ok(());
        }
        let now = self.shared.clock.now();
        let writes: Vec<_> = writes.into_iter().map(to_write).collect();
        let extensions = &self.shared.store.extensions;
        let written = extensions.write_values(installation, version, &writes, self.room, now);
        match reached(written.await)? {
            ValueOutcome::Written => Ok(()),
            ValueOutcome::Conflict => Err(KvFault::Conflict),
            ValueOutcome::OtherVersion => Err(KvFault::OtherVersion),
            ValueOutcome::Full => Err(KvFault::Quota),
            ValueOutcome::Gone => Err(KvFault::Unavailable),
        }
    }

    async fn secret_names(&self, installation: InstallationId) -> Vec<String> {
        match self.shared.store.extensions.secret_names(&[installation]).await {
            Ok(names) => names.into_iter().map(|(_, name)| name).collect(),
            Err(error) => {
                tracing::error!(%installation, ?error, "secrets cannot be read");
                Vec::new()
            }
        }
    }

    async fn secret(&self, installation: InstallationId, version: &str, name: &str) -> Option<Secret> {
        let found = self.shared.store.extensions.secret(installation, version, name).await;
        let opened = found.and_then(|sealed| sealed.map(|sealed| self.vault.unseal(&sealed)).transpose());
        opened.unwrap_or_else(|error| {
            tracing::error!(%installation, ?error, "a secret cannot be read");
            None
        })
    }

    async fn complete(&self, installation: InstallationId, request: ModelRequest) -> Result<ModelReply, ModelFault> {
        let model = self.models.model(&request.model);
        let model = model.ok_or_else(|| ModelFault::Unavailable("There is no such model.".into()))?;
        let named = model.tokenizer.as_deref().and_then(Counter::named);
        let counter = named.unwrap_or_else(|| Counter::for_model(&model.served_as));
        let texts = request.messages.iter();
        let prompt: u64 = texts
            .map(|(_, text)| u64::from(counter.count(text)) + PER_MESSAGE)
            .sum();
        let max_tokens = request
            .max_tokens
            .min(u32::try_from(model.max_output_tokens).unwrap_or(0));
        let reserved = prompt.saturating_add(u64::from(max_tokens));
        if reserved > u64::try_from(model.context_tokens).unwrap_or(0) {
            return Err(ModelFault::TooLarge);
        }
        let extensions = &self.shared.store.extensions;
        let day = day(self.shared.clock.now());
        // Before the call: one that is given up half-way has cost what was reserved.
        let left = extensions
            .reserve_tokens(installation, day, reserved, request.daily_tokens)
            .await
            .map_err(unavailable)?
            .ok_or(ModelFault::Budget)?;
        let asked = completion(&request, max_tokens, model.prompt);
        let answer = self.ask(&request.model, asked).await;
        let used = match &answer {
            Ok(answer) => answer.usage.unwrap_or((prompt, u64::from(counter.count(&answer.text)))),
            Err(_) => (0, 0),
        };
        let total = used.0.saturating_add(used.1);
        extensions
            .settle_tokens(installation, day, reserved, total)
            .await
            .map_err(unavailable)?;
        let answer = answer?;
        Ok(ModelReply {
            text: answer.text,
            prompt_tokens: u32::try_from(used.0).unwrap_or(u32::MAX),
            completion_tokens: u32::try_from(used.1).unwrap_or(u32::MAX),
            budget_left: left.saturating_add(reserved).saturating_sub(total),
        })
    }

    fn emit(&self, installation: InstallationId, event: ExtensionEvent) {
        self.events.emit(installation, event);
    }
}

fn unavailable(error: tavern_domain::Error) -> ModelFault {
    tracing::error!(?error, "the budget of an extension cannot be reached");
    ModelFault::Unavailable("The budget cannot be reached at the moment.".into())
}

fn completion(request: &ModelRequest, max_tokens: u32, form: PromptForm) -> CompletionRequest {
    let role = |role: &str| match role {
        "system" => ChatRole::System,
        "assistant" => ChatRole::Assistant,
        _ => ChatRole::User,
    };
    let (messages, text) = match form {
        PromptForm::Chat => {
            let message = |(speaker, content): &(String, String)| PromptMessage::new(role(speaker), content.clone());
            (request.messages.iter().map(message).collect(), None)
        }
        PromptForm::Text => {
            let lines: Vec<_> = request.messages.iter().map(|(_, text)| text.as_str()).collect();
            (Vec::new(), Some(lines.join("\n")))
        }
    };
    CompletionRequest {
        messages,
        text,
        options: GenerationOptions {
            temperature: request.temperature.map(f64::from),
            ..GenerationOptions::default()
        },
        stop: Vec::new(),
        max_tokens: i32::try_from(max_tokens).ok(),
        seed: None,
        cast: Cast::default(),
        kind: GenerationKind::Normal,
        tools: Vec::new(),
        tools_closed: false,
    }
}

/// What a model said, and what the provider counted of prompt and reply.
struct Answer {
    text: String,
    usage: Option<(u64, u64)>,
}

impl HousePorts {
    async fn ask(&self, model: &str, request: CompletionRequest) -> Result<Answer, ModelFault> {
        let mut stream = self.models.stream(&[model.to_owned()], request);
        let mut answer = Answer {
            text: String::new(),
            usage: None,
        };
        while let Some(event) = stream.next().await {
            match event {
                ModelEvent::Text(piece) => answer.text.push_str(&piece),
                ModelEvent::Usage(usage) => {
                    let count = |tokens: i32| u64::try_from(tokens).unwrap_or(0);
                    answer.usage = Some((count(usage.prompt), count(usage.completion)));
                }
                ModelEvent::Finished { .. } => return Ok(answer),
                ModelEvent::Failed(error) => return Err(ModelFault::Unavailable(error.message)),
                _ => {}
            }
        }
        Err(ModelFault::Unavailable("The model broke off.".into()))
    }
}
