//! Functions of extensions that the model may call while it writes a reply.
//!
//! A reply is then a talk: the model calls, the functions answer, the model goes on. [`talk`] makes one
//! stream of it, which the writer reads as if the model had not paused: text of all rounds, one count of
//! attempts, one sum of usage, one end. Whatever ends the reading ends the talk, wherever it is.
//!
//! Everything is bounded: rounds, calls, what a function may say, the time. At a bound the model is told
//! that nothing more can be called, and answers with what it has. Whatever goes wrong with a call is told
//! to the model as well, never to the user. What was called stands among the annotations of the message
//! for front ends to show; it is no part of the history, so later replies do not see it.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tavern_domain::GenerationId;
use tavern_domain::chat::{ChatRole, MessageBody};
use tavern_domain::generation::GenerationKind;
use tavern_models::{CompletionRequest, ModelEvent, PromptMessage, ProviderUsage, Router, ToolCall, ToolSpec};
use tavern_plugins::turn::{OfferedTool, TurnHooks};
use tavern_prompt::assembly::PromptMode;
use tavern_prompt::turn::Turn as Material;
use tokio::time::Instant;

use crate::chat::tokens_of;

/// How often functions answer in a reply; the model speaks once more afterwards.
const MAX_ROUNDS: u32 = 4;
/// Calls of a reply.
const MAX_CALLS: usize = 8;
/// What one call may say.
const MAX_RESULT: usize = 32 * 1024;
/// Functions the format lets a request have.
const MAX_OFFERED: usize = 128;
/// After so long nothing more is called.
const TOTAL: Duration = Duration::from_secs(600);
/// The part of a model's context that is kept free for what functions say.
const ROOM: u32 = 8;
/// A careful guess: fewer in most texts, and not many more in any.
const BYTES_PER_TOKEN: usize = 3;
/// Calls that are noted of a message, the newest, and what is noted of the arguments and the result of each.
const MAX_NOTED: usize = 16;
const MAX_NOTE: usize = 1024;
/// Where they stand among the annotations.
const ANNOTATION: &str = "tools";
const CUT_OFF: &str = " [The rest was cut off.]";

/// Who runs functions.
#[async_trait]
pub(crate) trait Tools: Send {
    fn offered(&self) -> Vec<OfferedTool>;

    /// What the function says; an error is for the model to read.
    async fn call(&mut self, name: &str, arguments: &str) -> Result<String, String>;
}

#[async_trait]
impl Tools for TurnHooks {
    fn offered(&self) -> Vec<OfferedTool> {
        self.tools()
    }

    async fn call(&mut self, name: &str, arguments: &str) -> Result<String, String> {
        self.call_tool(name, arguments).await
    }
}

/// A call as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToolUse {
    /// The reply it was made for.
    pub generation: GenerationId,
    /// `publisher/name`; empty if there was no such function.
    pub extension: String,
    pub name: String,
    /// JSON, as far as it is kept.
    pub arguments: String,
    /// What the model was told, as far as it is kept.
    pub result: String,
    pub failed: bool,
}

/// What a reply's calls came to.
#[derive(Debug, Default)]
pub(crate) struct ToolLog {
    pub uses: Vec<ToolUse>,
    /// Counted by us: the prompts of all rounds but the first.
    pub prompt_tokens: i32,
}

/// Whom a reply is asked of.
pub(crate) struct Asking<'a> {
    pub models: &'a Router,
    /// In the order in which they are tried.
    pub names: &'a [String],
    pub generation: GenerationId,
    pub prompt_tokens: i32,
    /// What a reply may have in text, and likewise in reasoning.
    pub reply_bytes: usize,
}

/// The reply to `request` with all that its functions contribute.
pub(crate) fn talk<'a>(
    asking: Asking<'a>,
    mut request: CompletionRequest,
    tools: Option<&'a mut (dyn Tools + 'static)>,
    log: &'a mut ToolLog,
) -> BoxStream<'a, ModelEvent> {
    let Asking { models, names, .. } = asking;
    let can_call = request.text.is_none() && request.kind != GenerationKind::Impersonate;
    let Some(tools) = tools.filter(|_| can_call) else {
        return models.stream(names, request);
    };
    let mut offered = tools.offered();
    if offered.is_empty() {
        return models.stream(names, request);
    }
    offered.truncate(MAX_OFFERED);
    request.tools = offered.iter().map(spec).collect();
    let contexts = names.iter().filter_map(|name| Some(models.model(name)?.context_tokens));
    let context = contexts.min().and_then(|tokens| usize::try_from(tokens).ok());
    let talk = Talk {
        events: models.stream(names, request.clone()),
        room: context.unwrap_or(0) / ROOM as usize * BYTES_PER_TOKEN,
        asking,
        request,
        tools,
        offered,
        log,
        begun: Instant::now(),
        ready: VecDeque::new(),
        round: Round::default(),
        rounds: 0,
        calls: 0,
        attempts: 0,
        usage: Some(ProviderUsage::default()),
        text: 0,
        reasoning: 0,
        ends_in_word: false,
    };
    stream::unfold(talk, |mut talk| async move {
        let event = talk.next().await?;
        Some((event, talk))
    })
    .boxed()
}

/// Keeps room in a prompt for the functions themselves and for what they say.
pub(crate) fn make_room(material: &mut Material, tools: &dyn Tools) {
    if material.mode == PromptMode::Text || material.kind == GenerationKind::Impersonate {
        return;
    }
    let count = |tool: &OfferedTool| {
        let declared = &tool.declaration;
        let texts = [&tool.name, &declared.description, &declared.parameters.to_string()];
        texts
            .into_iter()
            .fold(0, |sum, text| material.counter.count(text).saturating_add(sum))
    };
    let offered = tools.offered();
    if !offered.is_empty() {
        let definitions = offered.iter().take(MAX_OFFERED).map(count).fold(0, u32::saturating_add);
        let context = &mut material.budget.context;
        *context = context.saturating_sub(*context / ROOM).saturating_sub(definitions);
    }
}

fn spec(tool: &OfferedTool) -> ToolSpec {
    ToolSpec {
        name: tool.name.clone(),
        description: tool.declaration.description.clone(),
        parameters: tool.declaration.parameters.clone(),
    }
}

/// A reply in which functions are called.
struct Talk<'a> {
    asking: Asking<'a>,
    /// Grows with each round.
    request: CompletionRequest,
    tools: &'a mut (dyn Tools + 'static),
    offered: Vec<OfferedTool>,
    log: &'a mut ToolLog,
    begun: Instant,
    events: BoxStream<'static, ModelEvent>,
    /// Comes before what the model says next.
    ready: VecDeque<ModelEvent>,
    round: Round,
    rounds: u32,
    /// Functions called so far.
    calls: usize,
    /// Bytes that functions may still say.
    room: usize,
    attempts: i32,
    /// Of the rounds so far; `None` once a provider has not told.
    usage: Option<ProviderUsage>,
    /// Bytes shown.
    text: usize,
    reasoning: usize,
    /// The text so far does not end in white space.
    ends_in_word: bool,
}

/// What the model has said since functions last answered.
#[derive(Default)]
struct Round {
    text: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    usage: Option<ProviderUsage>,
    /// Attempts of the rounds before.
    attempts: i32,
}

impl Talk<'_> {
    async fn next(&mut self) -> Option<ModelEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match self.events.next().await? {
                ModelEvent::Text(piece) => self.say(piece),
                ModelEvent::Reasoning(piece) => self.think(piece),
                // A model that calls although it was told not to is not listened to.
                ModelEvent::ToolCall(_) if self.request.tools_closed => {}
                ModelEvent::ToolCall(call) => self.round.calls.push(call),
                ModelEvent::Usage(usage) => self.round.usage = Some(usage),
                ModelEvent::AttemptStarted {
                    number,
                    provider,
                    model,
                } => {
                    self.attempts = self.round.attempts + number;
                    self.ready.push_back(ModelEvent::AttemptStarted {
                        number: self.attempts,
                        provider,
                        model,
                    });
                }
                ModelEvent::AttemptFailed { number, error } => {
                    let number = self.round.attempts + number;
                    self.ready.push_back(ModelEvent::AttemptFailed { number, error });
                }
                ModelEvent::Finished { .. } if !self.round.calls.is_empty() => self.answer().await,
                end @ (ModelEvent::Finished { .. } | ModelEvent::Failed(_)) => self.end(end),
            }
        }
    }

    fn say(&mut self, mut piece: String) {
        let goes_on = self.round.text.is_empty() && self.text > 0 && self.ends_in_word;
        self.round.text.push_str(&piece);
        if goes_on && !piece.starts_with(char::is_whitespace) {
            // What was said before the call and what is said after it are two paragraphs.
            piece.insert_str(0, "\n\n");
        }
        let is_cut = fit(&mut piece, self.asking.reply_bytes - self.text);
        self.text += piece.len();
        self.ends_in_word = !piece.ends_with(char::is_whitespace);
        if !piece.is_empty() {
            self.ready.push_back(ModelEvent::Text(piece));
        }
        self.end_if(is_cut);
    }

    fn think(&mut self, mut piece: String) {
        self.round.reasoning.push_str(&piece);
        let is_cut = fit(&mut piece, self.asking.reply_bytes - self.reasoning);
        self.reasoning += piece.len();
        if !piece.is_empty() {
            self.ready.push_back(ModelEvent::Reasoning(piece));
        }
        self.end_if(is_cut);
    }

    fn end_if(&mut self, is_cut: bool) {
        if is_cut {
            let reason = Some("length".to_owned());
            self.end(ModelEvent::Finished { reason });
        }
    }

    fn end(&mut self, end: ModelEvent) {
        self.add_usage();
        self.ready.extend(self.usage.map(ModelEvent::Usage));
        self.ready.push_back(end);
        self.events = stream::empty().boxed();
    }

    fn add_usage(&mut self) {
        let both = self.usage.zip(self.round.usage);
        self.usage = both.map(|(before, now)| ProviderUsage {
            prompt: before.prompt.saturating_add(now.prompt),
            completion: before.completion.saturating_add(now.completion),
            reasoning: before.reasoning.saturating_add(now.reasoning),
            cached: before.cached.saturating_add(now.cached),
        });
    }

    /// Runs what the model has called, and lets it go on.
    async fn answer(&mut self) {
        self.add_usage();
        let round = std::mem::take(&mut self.round);
        self.round.attempts = self.attempts;
        self.request.messages.push(PromptMessage {
            tool_calls: round.calls.clone(),
            reasoning: (!round.reasoning.is_empty()).then_some(round.reasoning),
            ..PromptMessage::new(ChatRole::Assistant, round.text)
        });
        for call in round.calls {
            let result = self.run(&call).await;
            self.request.messages.push(PromptMessage {
                name: Some(call.name),
                tool_call_id: Some(call.id),
                ..PromptMessage::new(ChatRole::Tool, result)
            });
        }
        self.rounds += 1;
        self.request.tools_closed =
            self.rounds == MAX_ROUNDS || self.calls == MAX_CALLS || self.begun.elapsed() >= TOTAL;
        let talked = self
            .request
            .messages
            .iter()
            .skip_while(|message| message.tool_calls.is_empty());
        let talked = talked.fold(0, |sum: i32, message| sum.saturating_add(tokens_of(&message.content)));
        let prompt = self.asking.prompt_tokens.saturating_add(talked);
        self.log.prompt_tokens = self.log.prompt_tokens.saturating_add(prompt);
        self.events = self.asking.models.stream(self.asking.names, self.request.clone());
    }

    /// What the model is told of its call.
    async fn run(&mut self, call: &ToolCall) -> String {
        let tool = self.offered.iter().find(|tool| tool.name == call.name);
        let said = match (&call.fault, tool) {
            (Some(fault), _) => Err(fault.clone()),
            (None, None) => Err(format!("There is no function `{}`.", call.name)),
            (None, Some(_)) if self.calls == MAX_CALLS => Err("No more functions can be called in this reply.".into()),
            (None, Some(_)) => {
                self.calls += 1;
                self.tools.call(&call.name, &call.arguments).await
            }
        };
        let failed = said.is_err();
        let said = said.unwrap_or_else(|error| format!("Error: {error}"));
        let result = cut(&said, MAX_RESULT.min(self.room));
        self.room = self.room.saturating_sub(result.len());
        self.log.uses.push(ToolUse {
            generation: self.asking.generation,
            extension: tool.map_or_else(String::new, |tool| tool.extension.clone()),
            name: call.name.clone(),
            arguments: cut(&call.arguments, MAX_NOTE),
            result: cut(&result, MAX_NOTE),
            failed,
        });
        result
    }
}

/// Notes in a message what was called for a reply of it. What was called for replies that are no longer
/// there is forgotten.
pub(crate) fn note(body: &mut MessageBody, generation: GenerationId, uses: &[ToolUse]) {
    let Value::Object(annotations) = &mut body.annotations else {
        return;
    };
    if uses.is_empty() && !annotations.contains_key(ANNOTATION) {
        return;
    }
    let kept = |value: Value| serde_json::from_value::<Vec<ToolUse>>(value).unwrap_or_default();
    let mut all = annotations.remove(ANNOTATION).map(kept).unwrap_or_default();
    all.retain(|one| {
        let is_there = body.swipes.iter().any(|swipe| swipe.generation == Some(one.generation));
        is_there && one.generation != generation
    });
    all.extend_from_slice(uses);
    all.drain(..all.len().saturating_sub(MAX_NOTED));
    if !all.is_empty() {
        let all = serde_json::to_value(all).expect("texts and ids are JSON");
        annotations.insert(ANNOTATION.into(), all);
    }
}

/// Cuts `text` to `room` bytes, at a character's end, and says whether it had to.
fn fit(text: &mut String, room: usize) -> bool {
    let is_cut = text.len() > room;
    text.truncate(text.floor_char_boundary(room));
    is_cut
}

/// At most `most` bytes of a text, or the word that it was cut.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub(CUT_OFF.len()));
    format!("{}{CUT_OFF}", &text[..end])
}

#[cfg(test)]
pub(crate) mod tests;
