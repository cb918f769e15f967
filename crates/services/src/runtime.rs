//! The writer of a reply: one task a generation, from the prompt to the settled end.
//!
//! The loop that reads the provider never waits for a store. Text becomes visible at once if nothing
//! was shown for a while, and otherwise in steps of [`COALESCE`] or [`COALESCE_BYTES`]; it is
//! checkpointed from outside (`reaper.rs`). The end is written in an order that can be repeated at any
//! point of it: the text and how it ended, then the message, then the relational settlement, and only
//! then is anybody told.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tavern_domain::CharacterId;
use tavern_domain::chat::{ChatSession, MessageBody, TurnEffects};
use tavern_domain::extension::{Hook, PluginTrace};
use tavern_domain::generation::{
    Generation, GenerationAttempt, GenerationError, GenerationKind, GenerationStatus, GenerationText, Usage,
    UsageSource,
};
use tavern_domain::{Code, Result, Timestamp};
use tavern_models::{CompletionRequest, ModelEvent, ProviderUsage};
use tavern_storage::GenerationRecord;
use tokio::time::Instant;

use crate::chat::{Chats, tokens_of};
use crate::lease::LEASE;
use crate::live::LiveReply;
use crate::prompt::{Asked, Reply};
use crate::tool::{self, Asking, ToolLog, ToolUse, Tools};
use crate::turn::empty_swipe;

/// Text that follows closely on shown text waits this long for more.
const COALESCE: Duration = Duration::from_millis(40);
/// No more than this waits.
const COALESCE_BYTES: usize = 256;
/// How often the end is tried to be written, and how long between: less than a lease in all.
const SETTLE_TRIES: u32 = 6;
const SETTLE_PAUSE: Duration = Duration::from_millis(150);

/// A turn that is real and waits for its reply.
pub(crate) struct Turn {
    pub session: ChatSession,
    pub generation: Generation,
    pub guidance: Option<String>,
    /// What the user's own message has done to variables.
    pub said: Option<TurnEffects>,
    /// Extensions that were called for what the user has typed.
    pub traces: Vec<PluginTrace>,
    /// Who answers afterwards.
    pub next: Vec<CharacterId>,
    pub live: Arc<LiveReply>,
}

/// How a generation ended; stored with its text before it is settled, so that a crash in between loses nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub status: GenerationStatus,
    pub finish_reason: Option<String>,
    pub error: Option<GenerationError>,
    pub usage: Option<Usage>,
    pub provider: Option<String>,
    pub attempts: Vec<GenerationAttempt>,
    pub first_token_at: Option<Timestamp>,
    pub ended_at: Timestamp,
    /// The reply as the message has it, if regex scripts have changed it.
    #[serde(default)]
    pub content: Option<String>,
    /// What the turn does to the memory of its chat.
    #[serde(default)]
    pub effects: Option<TurnEffects>,
    /// Extensions are to be called once it is stored.
    #[serde(default)]
    pub after_reply: bool,
    /// What the model has called.
    #[serde(default)]
    pub tools: Vec<ToolUse>,
}

/// Why the reading of the provider ended.
enum Outcome {
    Finished(Option<String>),
    Failed(GenerationError),
    Cancelled,
    ShuttingDown,
    /// Another writer has the generation now.
    FencedOut,
}

/// Takes the reply out of the live ones however its writer ends; the lease then runs out and the reaper does the rest.
struct Present<'a>(&'a Chats, &'a LiveReply);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.0.live.remove(self.1.id);
        self.1.fenced_out.cancel();
    }
}

impl Chats {
    /// Writes a reply from the prompt to the settled end.
    pub(crate) async fn write(&self, turn: Turn) {
        let present = Present(self, &turn.live);
        let mut counted = Counted::default();
        let mut reply = None;
        let outcome = self.read_provider(&turn, &mut counted, &mut reply).await;
        if matches!(outcome, Outcome::FencedOut) {
            return;
        }
        let text = turn.live.written();
        let mut ending = self.ending(&turn, outcome, &text, &counted);
        if let Some(mut reply) = reply {
            if let Some(hooks) = &mut reply.hooks {
                let traces = hooks.take_traces();
                if let Err(error) = self
                    .0
                    .shared
                    .store
                    .extensions
                    .add_traces(turn.generation.id, &traces)
                    .await
                {
                    tracing::error!(generation = %turn.generation.id, ?error, "what extensions did could not be kept");
                }
                ending.after_reply = ending.status == GenerationStatus::Completed && hooks.has(Hook::AfterReply);
            }
            if !text.text.is_empty() {
                ending.content = reply.stored(&text.text).await;
                ending.effects = Some(reply.effects);
            }
        }
        let after_reply = ending.after_reply;
        for attempt in 0..SETTLE_TRIES {
            match self.settle(turn.generation.clone(), text.clone(), ending.clone()).await {
                Ok(Some(generation)) => {
                    self.tell_end(&generation);
                    let is_complete = generation.status == GenerationStatus::Completed;
                    turn.live.end(Arc::new(generation));
                    if is_complete {
                        drop(present);
                        if after_reply {
                            self.begin_job(turn.generation.id);
                        }
                        self.follow(turn.session, turn.generation.options, turn.next).await;
                    }
                    return;
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(generation = %turn.generation.id, ?error, "the end of a reply could not be written");
                    tokio::time::sleep(SETTLE_PAUSE * 2_u32.pow(attempt)).await;
                }
            }
        }
    }

    async fn read_provider(&self, turn: &Turn, counted: &mut Counted, reply: &mut Option<Reply>) -> Outcome {
        let live = &turn.live;
        let asked = match self.ask(turn).await {
            Ok(Some(asked)) => asked,
            Ok(None) => return Outcome::Cancelled,
            Err(error) => {
                tracing::info!(generation = %turn.generation.id, ?error, "no prompt could be made");
                return Outcome::Failed(failure(&error));
            }
        };
        counted.prompt = asked.prompt_tokens;
        let Asked {
            models,
            request,
            reply: new,
            ..
        } = asked;
        let outcome = {
            let reply = reply.insert(new);
            // The model calls functions while filters read what it says.
            let mut hooks = reply.hooks.take();
            let tools = hooks.as_mut().map(|hooks| hooks as &mut dyn Tools);
            let outcome = self.stream(turn, counted, reply, &models, request, tools).await;
            reply.hooks = hooks;
            outcome
        };
        if !matches!(outcome, Outcome::FencedOut)
            && let Some(reply) = reply
        {
            // What was held back, because it might have been the start of something else.
            let (text, reasoning) = reply.finish().await;
            live.append(&text, &reasoning);
            if let Some(error) = reply.take_failure() {
                return Outcome::Failed(failure(&error));
            }
        }
        outcome
    }

    async fn stream(
        &self,
        turn: &Turn,
        counted: &mut Counted,
        reply: &mut Reply,
        models: &[String],
        request: CompletionRequest,
        tools: Option<&mut (dyn Tools + 'static)>,
    ) -> Outcome {
        let live = &turn.live;
        live.advance(|progress| progress.status = GenerationStatus::Connecting);
        let asking = Asking {
            models: &self.0.models,
            names: models,
            generation: turn.generation.id,
            prompt_tokens: counted.prompt,
            reply_bytes: self.0.shared.limits.reply_bytes,
        };
        let mut events = tool::talk(asking, request, tools, &mut counted.tools);
        let mut last_flush: Option<Instant> = None;
        let mut pending = false;
        loop {
            let flush_at = last_flush.map_or_else(Instant::now, |last| last + COALESCE);
            let filter_at = reply.deadline();
            let event = tokio::select! {
                biased;
                () = live.fenced_out.cancelled() => return Outcome::FencedOut,
                () = live.cancel.cancelled() => return Outcome::Cancelled,
                () = self.0.stop.cancelled() => return Outcome::ShuttingDown,
                () = tokio::time::sleep_until(flush_at), if pending => {
                    live.flush();
                    (pending, last_flush) = (false, Some(Instant::now()));
                    continue;
                }
                () = tokio::time::sleep_until(filter_at.unwrap_or(flush_at)), if filter_at.is_some() => {
                    let text = reply.flush().await;
                    pending |= live.append(&text, "") > 0;
                    if reply.is_over() {
                        return Outcome::Finished(Some("stop".into()));
                    }
                    continue;
                }
                event = events.next() => event,
            };
            let waiting = match event {
                None => {
                    return Outcome::Failed(GenerationError {
                        code: Code::UpstreamError.as_str().into(),
                        message: "The model's answer ended without an end.".into(),
                        retryable: true,
                    });
                }
                Some(ModelEvent::Finished { reason }) => return Outcome::Finished(reason),
                Some(ModelEvent::Failed(error)) => return Outcome::Failed(error),
                Some(ModelEvent::Usage(usage)) => {
                    counted.provider = Some(usage);
                    continue;
                }
                // Nothing was offered to a model that still calls.
                Some(ModelEvent::ToolCall(_)) => continue,
                Some(ModelEvent::AttemptStarted {
                    number,
                    provider,
                    model,
                }) => {
                    let started_at = self.0.shared.clock.now();
                    live.advance(|progress| {
                        // After functions have answered the model is asked anew.
                        if let Some(before) = progress.attempts.last_mut().filter(|before| before.ended_at.is_none()) {
                            (before.outcome, before.ended_at) = ("completed".into(), Some(started_at));
                        }
                        progress.provider = Some(provider.clone());
                        progress.attempts.push(GenerationAttempt {
                            number,
                            provider,
                            model,
                            outcome: "running".into(),
                            started_at,
                            first_token_at: None,
                            ended_at: None,
                            error: None,
                        });
                    });
                    continue;
                }
                Some(ModelEvent::AttemptFailed { number, error }) => {
                    let ended_at = self.0.shared.clock.now();
                    live.advance(|progress| {
                        if let Some(attempt) = progress.attempts.iter_mut().find(|attempt| attempt.number == number) {
                            (attempt.outcome, attempt.ended_at, attempt.error) =
                                ("failed".into(), Some(ended_at), Some(error));
                        }
                    });
                    continue;
                }
                Some(ModelEvent::Text(text)) => {
                    self.note_first_token(live);
                    let (text, reasoning) = reply.push(&text).await;
                    let waiting = live.append(&text, &reasoning);
                    if reply.is_over() {
                        return Outcome::Finished(Some("stop".into()));
                    }
                    if waiting == 0 {
                        continue;
                    }
                    waiting
                }
                Some(ModelEvent::Reasoning(reasoning)) => {
                    self.note_first_token(live);
                    live.append("", &reasoning)
                }
            };
            pending = true;
            let rested = last_flush.is_none_or(|last| last.elapsed() >= COALESCE);
            if rested || waiting >= COALESCE_BYTES {
                live.flush();
                (pending, last_flush) = (false, Some(Instant::now()));
            }
        }
    }

    fn note_first_token(&self, live: &LiveReply) {
        let now = self.0.shared.clock.now();
        live.advance(|progress| {
            if progress.first_token_at.is_none() {
                progress.status = GenerationStatus::Streaming;
                progress.first_token_at = Some(now);
            }
            if let Some(attempt) = progress.attempts.last_mut() {
                attempt.first_token_at.get_or_insert(now);
            }
        });
    }

    fn ending(&self, turn: &Turn, outcome: Outcome, text: &GenerationText, counted: &Counted) -> Ending {
        let came = !text.text.is_empty();
        let after_text = |ended| if came { ended } else { GenerationStatus::Failed };
        let (status, finish_reason, error) = match outcome {
            Outcome::Finished(reason) => (GenerationStatus::Completed, reason, None),
            Outcome::Failed(error) => (after_text(GenerationStatus::Interrupted), None, Some(error)),
            Outcome::Cancelled => (GenerationStatus::Cancelled, Some("cancelled".into()), None),
            Outcome::ShuttingDown | Outcome::FencedOut => {
                let error = GenerationError {
                    code: Code::Unavailable.as_str().into(),
                    message: "The server was stopped while it wrote this reply.".into(),
                    retryable: true,
                };
                (after_text(GenerationStatus::Interrupted), None, Some(error))
            }
        };
        let ended_at = self.0.shared.clock.now();
        let mut progress = turn.live.progress();
        if let Some(attempt) = progress.attempts.last_mut()
            && attempt.ended_at.is_none()
        {
            let outcome = match status {
                GenerationStatus::Completed => "completed",
                GenerationStatus::Cancelled => "cancelled",
                GenerationStatus::Interrupted => "interrupted",
                _ => "failed",
            };
            (attempt.outcome, attempt.ended_at, attempt.error) = (outcome.into(), Some(ended_at), error.clone());
        }
        let usage = (came || counted.provider.is_some()).then(|| self.usage(turn, text, counted));
        Ending {
            status,
            finish_reason,
            error,
            usage,
            provider: progress.provider,
            attempts: progress.attempts,
            first_token_at: progress.first_token_at,
            ended_at,
            content: None,
            effects: None,
            after_reply: false,
            tools: counted.tools.uses.clone(),
        }
    }

    fn usage(&self, turn: &Turn, text: &GenerationText, counted: &Counted) -> Usage {
        let (tokens, source) = match counted.provider {
            Some(tokens) => (tokens, UsageSource::Provider),
            None => {
                let reasoning = tokens_of(&text.reasoning);
                (
                    ProviderUsage {
                        prompt: counted.prompt.saturating_add(counted.tools.prompt_tokens),
                        completion: tokens_of(&text.text).saturating_add(reasoning),
                        reasoning,
                        cached: 0,
                    },
                    UsageSource::Counted,
                )
            }
        };
        let price = self.0.models.price(&turn.generation.model);
        let cost = price.map_or(0, |price| {
            i128::from(tokens.prompt) * i128::from(price.prompt)
                + i128::from(tokens.completion) * i128::from(price.completion)
        });
        // Prices are for 1,000 tokens; a fraction of a micro-credit is rounded up, once.
        let cost_micro_credits = i64::try_from((cost + 999) / 1000).unwrap_or(i64::MAX);
        Usage {
            prompt_tokens: tokens.prompt,
            completion_tokens: tokens.completion,
            reasoning_tokens: tokens.reasoning,
            cached_tokens: tokens.cached,
            source,
            cost_micro_credits,
        }
    }

    /// Writes the end of a generation; every step may be repeated. `None` if another writer has it,
    /// or it had ended already.
    pub(crate) async fn settle(
        &self,
        mut generation: Generation,
        text: GenerationText,
        ending: Ending,
    ) -> Result<Option<Generation>> {
        let store = &self.0.shared.store;
        let record = GenerationRecord {
            ended: Some(serde_json::to_value(&ending).map_err(tavern_domain::Error::internal)?),
            text,
        };
        store.documents.put_text(generation.id, &record).await?;
        let GenerationText { text, reasoning } = record.text;
        if let Some(message) = generation.message {
            let written = self
                .change_body(message, |body| {
                    let index = place(body, &generation);
                    let swipe = &mut body.swipes[index];
                    swipe.write(ending.content.as_deref().unwrap_or(&text));
                    swipe.tokens = tokens_of(&swipe.content);
                    if !reasoning.is_empty() {
                        swipe.reasoning = Some(reasoning.clone());
                    }
                    body.updated_at = ending.ended_at;
                    if text.is_empty() && generation.kind == GenerationKind::Swipe && body.swipes.len() > 1 {
                        // Nothing came: no empty alternative stays behind.
                        body.swipes.remove(index);
                        body.active = body.active.min(body.swipes.len() - 1);
                    }
                    tool::note(body, generation.id, &ending.tools);
                    Ok(())
                })
                .await;
            match written {
                Ok(_) => {}
                // The message was deleted meanwhile; the generation still ends.
                Err(error) if error.code() == Code::NotFound => generation.message = None,
                Err(error) => return Err(error),
            }
        }
        generation.status = ending.status;
        generation.finish_reason = ending.finish_reason;
        generation.error = ending.error;
        generation.usage = ending.usage;
        generation.provider = ending.provider;
        generation.attempts = ending.attempts;
        generation.first_token_at = ending.first_token_at;
        generation.ended_at = Some(ending.ended_at);
        generation.length = i32::try_from(text.len()).unwrap_or(i32::MAX);
        generation.sha256 = Some(sha256_hex(text.as_bytes()));
        let tokens = generation.usage.as_ref().map_or(0, |usage| {
            i64::from(usage.prompt_tokens) + i64::from(usage.completion_tokens)
        });
        let effects = ending.effects.as_ref();
        let settled = if ending.after_reply {
            let lease = self.0.shared.clock.now().plus(LEASE);
            let generations = &store.generations;
            generations.finish_with_job(&generation, tokens, effects, lease).await?
        } else {
            store.generations.finish(&generation, tokens, effects).await?
        };
        Ok(settled.then_some(generation))
    }
}

/// The swipe that a generation writes into, made if it is not there yet.
pub(crate) fn place(body: &mut MessageBody, generation: &Generation) -> usize {
    if let Some(index) = body.swipe_of(generation.id) {
        return index;
    }
    match generation.kind {
        GenerationKind::Swipe => {
            body.swipes.push(empty_swipe(generation));
            body.active = body.swipes.len() - 1;
        }
        kind => {
            let active = body.active.min(body.swipes.len() - 1);
            body.active = active;
            let swipe = &mut body.swipes[active];
            swipe.annotations.clear();
            swipe.kept = if kind == GenerationKind::Continue {
                swipe.content.len()
            } else {
                0
            };
            swipe.generation = Some(generation.id);
            swipe.model = Some(generation.model.clone());
        }
    }
    body.active
}

/// What is told of a generation that could not go on.
fn failure(error: &tavern_domain::Error) -> GenerationError {
    GenerationError {
        code: error.code().as_str().into(),
        message: error.message().into(),
        retryable: matches!(error.code(), Code::Unavailable | Code::Overloaded),
    }
}

/// What is known of a reply's tokens.
#[derive(Default)]
struct Counted {
    prompt: i32,
    provider: Option<ProviderUsage>,
    tools: ToolLog,
}

fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests;
