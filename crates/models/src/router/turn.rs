//! One reply: the attempts to get it, and the watch over the one that speaks.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use tavern_domain::Code;
use tavern_domain::generation::GenerationError;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Deployment, Route};
use crate::backoff;
use crate::provider::{Chunk, ChunkStream, Fault, ProviderError};
use crate::request::{CompletionRequest, ModelEvent};
use crate::stops::StopCutter;

/// Attempts of one deployment.
const MAX_ATTEMPTS: u32 = 3;
/// A reply, all attempts and waits included.
const TOTAL: Duration = Duration::from_secs(600);
/// Keep-alives do not help a provider that says nothing for so long.
const QUIET: Duration = Duration::from_secs(300);
/// How long a finished reply waits for its usage.
const LINGER: Duration = Duration::from_secs(2);

/// One reply on its way.
pub(super) struct Turn {
    routes: Vec<Arc<Route>>,
    request: CompletionRequest,
    wished_tokens: Option<i32>,
    reply_bytes: usize,
    events: mpsc::Sender<ModelEvent>,
    deadline: Instant,
    attempts: i32,
}

enum Tried {
    /// The last event was sent.
    Ended,
    Resting,
    Failed(ProviderError),
}

/// A failed attempt, and whether some of its reply was shown.
struct Broken {
    error: ProviderError,
    had_content: bool,
}

impl Turn {
    pub fn new(
        routes: Vec<Arc<Route>>,
        request: CompletionRequest,
        reply_bytes: usize,
        events: mpsc::Sender<ModelEvent>,
    ) -> Self {
        Self {
            routes,
            wished_tokens: request.max_tokens,
            request,
            reply_bytes,
            events,
            deadline: Instant::now() + TOTAL,
            attempts: 0,
        }
    }

    /// Sends the events of the reply; the last one is its end.
    pub async fn run(mut self) {
        let mut last = None;
        for (index, route) in self.routes.clone().iter().enumerate() {
            let most = route.config.max_output_tokens;
            self.request.max_tokens = Some(self.wished_tokens.map_or(most, |wished| wished.clamp(1, most)));
            for (place, deployment) in route.deployments.iter().enumerate() {
                let has_next = place + 1 < route.deployments.len() || index + 1 < self.routes.len();
                match self.try_deployment(deployment, has_next).await {
                    Tried::Ended => return,
                    Tried::Resting => {}
                    Tried::Failed(error) => {
                        let fault = error.fault;
                        last = Some(error);
                        if fault == Fault::Refused {
                            break;
                        }
                    }
                }
            }
        }
        let error = match last {
            Some(error) => error.to_generation_error(),
            None => GenerationError {
                code: Code::Unavailable.as_str().to_owned(),
                message: "The model is out of order at the moment. Try again in a minute, or choose another one."
                    .to_owned(),
                retryable: true,
            },
        };
        self.send(ModelEvent::Failed(error)).await;
    }

    async fn try_deployment(&mut self, deployment: &Deployment, has_next: bool) -> Tried {
        let mut tried = Tried::Resting;
        let mut with_tools = deployment.tools;
        let mut attempt = 0;
        while attempt < MAX_ATTEMPTS {
            attempt += 1;
            let Some(permit) = deployment.breaker.enter() else {
                return tried;
            };
            self.attempts += 1;
            self.send(ModelEvent::AttemptStarted {
                number: self.attempts,
                provider: deployment.provider_name.clone(),
                model: deployment.model.clone(),
            })
            .await;
            let Broken { error, had_content } = match self.attempt(deployment, with_tools).await {
                Ok(reason) => {
                    permit.succeeded();
                    self.send(ModelEvent::Finished { reason }).await;
                    return Tried::Ended;
                }
                Err(broken) => broken,
            };
            let has_tools = with_tools && !self.request.tools.is_empty();
            if error.names_tools && has_tools && !had_content {
                // The answer was about the functions: the deployment is well, and asked once more.
                permit.succeeded();
                tracing::warn!(
                    provider = deployment.provider_name,
                    model = deployment.model,
                    "a deployment refuses functions and is asked without them; `tools = false` spares it the question"
                );
                self.send(ModelEvent::AttemptFailed {
                    number: self.attempts,
                    error: error.to_generation_error(),
                })
                .await;
                tried = Tried::Failed(error);
                with_tools = false;
                attempt -= 1;
                continue;
            }
            match error.fault {
                Fault::Transient => permit.failed(),
                Fault::Misconfigured => {
                    tracing::error!(
                        provider = deployment.provider_name,
                        model = deployment.model,
                        reason = error.message,
                        "a deployment needs its operator"
                    );
                    permit.failed_for_long();
                }
                // It answered: the deployment is well.
                Fault::Refused => permit.succeeded(),
            }
            self.send(ModelEvent::AttemptFailed {
                number: self.attempts,
                error: error.to_generation_error(),
            })
            .await;
            if had_content {
                self.send(ModelEvent::Failed(error.to_generation_error())).await;
                return Tried::Ended;
            }
            let retry_after = error.retry_after;
            let is_over = error.fault != Fault::Transient
                || attempt == MAX_ATTEMPTS
                // Somebody else answers sooner.
                || has_next && backoff::is_long(retry_after);
            tried = Tried::Failed(error);
            let wait = backoff::delay(attempt, retry_after);
            if is_over || Instant::now() + wait >= self.deadline {
                break;
            }
            sleep(wait).await;
        }
        tried
    }

    /// One call: gives the reason why the reply finished.
    async fn attempt(&mut self, deployment: &Deployment, with_tools: bool) -> Result<Option<String>, Broken> {
        let name = &deployment.provider_name;
        let until = (Instant::now() + deployment.timeouts.first_token()).min(self.deadline);
        let request = if with_tools || self.request.tools.is_empty() {
            Cow::Borrowed(&self.request)
        } else {
            Cow::Owned(self.request.without_tools())
        };
        let opened = timeout_at(until, deployment.provider.open(&deployment.model, &request)).await;
        let too_late = || ProviderError::timeout(format!("The provider `{name}` did not begin its reply in time."));
        let chunks = opened.unwrap_or_else(|_| Err(too_late()));
        let chunks = chunks.map_err(|error| Broken {
            error,
            had_content: false,
        })?;
        let cutter = StopCutter::new(&self.request.stop);
        let mut reply = Reply {
            turn: self,
            cutter,
            text: 0,
            reasoning: 0,
            calls: 0,
            finish: None,
        };
        let end = reply.follow(chunks, deployment, until).await;
        let held = reply.cutter.finish();
        match end {
            Ok(End::Cut(reason)) => Ok(Some(reason.to_owned())),
            Ok(End::Closed) if reply.finish.is_none() && !reply.had_content() && held.is_empty() => {
                let error = ProviderError::transient(format!("The provider `{name}` sent an empty reply."));
                Err(Broken {
                    error,
                    had_content: false,
                })
            }
            Ok(End::Closed) => {
                let cut = reply.show(held).await;
                Ok(cut.map(str::to_owned).or(reply.finish.take().flatten()))
            }
            Err(error) => {
                let had_content = reply.had_content();
                if had_content {
                    reply.show(held).await;
                }
                Err(Broken { error, had_content })
            }
        }
    }

    async fn send(&mut self, event: ModelEvent) {
        // The receiver lives as long as this future, in the same stream.
        let _ = self.events.send(event).await;
    }
}

/// What one attempt has said so far.
struct Reply<'a> {
    turn: &'a mut Turn,
    cutter: StopCutter,
    /// Bytes shown.
    text: usize,
    reasoning: usize,
    /// Calls of functions passed on.
    calls: usize,
    /// The provider's reason, once it gave one.
    finish: Option<Option<String>>,
}

enum End {
    /// We ended it, for this reason.
    Cut(&'static str),
    /// The provider ended it.
    Closed,
}

impl Reply<'_> {
    const fn had_content(&self) -> bool {
        self.text + self.reasoning + self.calls > 0
    }

    /// Passes on what the provider says, up to its end. `begin_by` bounds the wait for its first word.
    async fn follow(
        &mut self,
        mut chunks: ChunkStream,
        deployment: &Deployment,
        begin_by: Instant,
    ) -> Result<End, ProviderError> {
        let timeouts = &deployment.timeouts;
        let mut until = begin_by;
        let mut quiet_by = Instant::now() + QUIET;
        loop {
            let chunk = match timeout_at(until, chunks.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(None) => return Ok(End::Closed),
                // The reply was complete; what is missing is only the bill.
                Err(_) | Ok(Some(Err(_))) if self.finish.is_some() => return Ok(End::Closed),
                Ok(Some(Err(error))) => return Err(error),
                Err(_) => {
                    let when = if self.had_content() {
                        "stopped in the middle of its reply"
                    } else {
                        "did not begin its reply in time"
                    };
                    return Err(ProviderError::timeout(format!(
                        "The provider `{}` {when}.",
                        deployment.provider_name
                    )));
                }
            };
            let was_content = matches!(chunk, Chunk::Text(_) | Chunk::Reasoning(_));
            if let Some(reason) = self.take(chunk).await {
                return Ok(End::Cut(reason));
            }
            let now = Instant::now();
            if was_content {
                quiet_by = now + QUIET;
            }
            if self.finish.is_some() {
                until = until.min(now + LINGER);
            } else {
                let window = if self.had_content() {
                    timeouts.idle()
                } else {
                    timeouts.first_token()
                };
                until = (now + window).min(quiet_by).min(self.turn.deadline);
            }
        }
    }

    /// Gives a reason if the reply ends here.
    async fn take(&mut self, chunk: Chunk) -> Option<&'static str> {
        match chunk {
            Chunk::Text(piece) => {
                let (text, stopped) = self.cutter.push(piece);
                let cut = self.show(text).await;
                return cut.or(stopped.then_some("stop"));
            }
            Chunk::Reasoning(mut piece) => {
                let room = self.turn.reply_bytes - self.reasoning;
                let cut = fit(&mut piece, room);
                self.reasoning += piece.len();
                if !piece.is_empty() {
                    self.turn.send(ModelEvent::Reasoning(piece)).await;
                }
                return cut;
            }
            Chunk::ToolCall(call) => {
                self.calls += 1;
                self.turn.send(ModelEvent::ToolCall(call)).await;
            }
            Chunk::Usage(usage) => self.turn.send(ModelEvent::Usage(usage)).await,
            Chunk::Finished(reason) => {
                self.finish = Some(reason);
            }
            Chunk::Alive => {}
        }
        None
    }

    async fn show(&mut self, mut text: String) -> Option<&'static str> {
        let cut = fit(&mut text, self.turn.reply_bytes - self.text);
        self.text += text.len();
        if !text.is_empty() {
            self.turn.send(ModelEvent::Text(text)).await;
        }
        cut
    }
}

/// Cuts `text` to `room` bytes, at a character's end, and says whether it had to.
fn fit(text: &mut String, room: usize) -> Option<&'static str> {
    if text.len() <= room {
        return None;
    }
    text.truncate(text.floor_char_boundary(room));
    Some("length")
}
