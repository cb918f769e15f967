//! Generations and their streams.

use async_graphql::{ComplexObject, Context, ID, Interface, Object, Result, SimpleObject, Subscription};
use futures::Stream;
use tavern_domain::generation as domain;
use tavern_domain::{CharacterId, GenerationId, MessageId};
use tavern_schema::error::{GenerateReplyError, StopGenerationError, nullable, operation_error, user_errors};
use tavern_schema::generation::{
    GenerateReplyInput, GenerationDelta, GenerationError, GenerationFields, GenerationReset, GenerationSnapshot,
    GenerationStatus, StopGenerationInput, Usage,
};
use tavern_schema::id::parse_id;
use tavern_schema::prompt::{PluginTrace, PromptPreview};
use tavern_services::live::ReplyEvent;
use tavern_services::turn::ReplyRequest;

use crate::character::Character;
use crate::chat::{ChatSession, load_session};
use crate::context::RequestContext;
use crate::loaders::{CallsOf, shared};
use crate::message::{Message, load_message};
use crate::payload::payload;

/// One attempt to produce a reply: it outlives the client that asked for it, and ends exactly once.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct Generation {
    pub id: ID,
    #[graphql(flatten)]
    fields: GenerationFields,
    #[graphql(skip)]
    more: Box<domain::Generation>,
}

impl Generation {
    #[must_use]
    pub fn of(generation: domain::Generation) -> Self {
        Self {
            id: generation.id.to_string().into(),
            fields: (&generation).into(),
            more: Box::new(generation),
        }
    }
}

#[ComplexObject]
impl Generation {
    async fn session(&self, ctx: &Context<'_>) -> Result<ChatSession> {
        load_session(ctx, self.more.session).await
    }

    /// The message it writes into; null for kinds that make none, and once it is deleted.
    async fn message(&self, ctx: &Context<'_>) -> Option<Message> {
        nullable(ctx, load_message(ctx, self.more.message?).await)
    }

    /// Who speaks.
    async fn character(&self, ctx: &Context<'_>) -> Option<Character> {
        let id: CharacterId = self.more.character?;
        let found = RequestContext::of(ctx).loaders().load_one(id).await;
        nullable(ctx, found.map_err(shared)).map(Character::of)
    }

    /// What was really sent for it; null before that, and once it is no longer kept.
    async fn prompt(&self, ctx: &Context<'_>) -> Option<PromptPreview> {
        let services = &RequestContext::of(ctx).services;
        nullable(ctx, services.chats.sent_prompt(self.more.id).await).map(Into::into)
    }

    /// Every call of an extension for it, in order, those after the reply included; nothing once they are no
    /// longer kept.
    async fn plugins(&self, ctx: &Context<'_>) -> Result<Vec<PluginTrace>> {
        let calls = RequestContext::of(ctx).loaders().load_one(CallsOf(self.more.id));
        let calls = Box::pin(calls).await.map_err(|error| operation_error(&shared(error)))?;
        Ok(calls.unwrap_or_default().into_iter().map(Into::into).collect())
    }

    /// What it has written, so far or in all.
    async fn text(&self, ctx: &Context<'_>) -> Result<String> {
        RequestContext::of(ctx)
            .services
            .chats
            .generation_text(&self.more)
            .await
            .map_err(|error| operation_error(&error))
    }
}

#[derive(Default)]
pub struct GenerationQuery;

#[Object]
impl GenerationQuery {
    /// Null for what does not exist and for what the caller may not see.
    async fn generation(&self, ctx: &Context<'_>, id: ID) -> Option<Generation> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let found = async { services.chats.generation(actor, parse_id("id", &id)?).await };
        nullable(ctx, found.await).map(Generation::of)
    }
}

#[derive(SimpleObject, Default)]
pub struct GenerateReplyPayload {
    generation: Option<Generation>,
    user_errors: Vec<GenerateReplyError>,
}

payload! { StopGenerationPayload { generation: Generation }, StopGenerationError }

#[derive(Default)]
pub struct GenerationMutation;

#[Object]
impl GenerationMutation {
    /// Starts a reply without a new message of the user's: another one, a continuation, an alternative.
    async fn generate_reply(&self, ctx: &Context<'_>, input: GenerateReplyInput) -> Result<GenerateReplyPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let started = async {
            let request = ReplyRequest {
                session: parse_id("sessionId", &input.session_id)?,
                kind: input.kind.into(),
                character: input.character_id.map(|id| parse_id("characterId", &id)).transpose()?,
                message: input.message_id.map(|id| parse_id("messageId", &id)).transpose()?,
                guidance: input.guidance,
                idempotency_key: input.idempotency_key,
                options: input.options.map(Into::into).unwrap_or_default(),
            };
            services.chats.reply(actor, request).await
        };
        match Box::pin(started).await {
            Ok(sent) => Ok(GenerateReplyPayload {
                generation: sent.generation.map(Generation::of),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(GenerateReplyPayload {
                generation: None,
                user_errors: user_errors(error)?,
            }),
        }
    }

    /// Stops a reply; what came of it is kept. Stopping what has ended changes nothing.
    async fn stop_generation(&self, ctx: &Context<'_>, input: StopGenerationInput) -> Result<StopGenerationPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let stopped = async {
            services
                .chats
                .stop(actor, parse_id("generationId", &input.generation_id)?)
                .await
        };
        StopGenerationPayload::of(stopped.await.map(Generation::of))
    }
}

/// A step of a reply's stream. `cursor` resumes after this event; `length` is the UTF-8 byte length
/// of the text once the event is applied.
#[derive(Interface)]
#[graphql(
    field(name = "cursor", ty = "&String"),
    field(name = "generation_id", ty = "&ID"),
    field(name = "length", ty = "&i32")
)]
pub enum GenerationEvent {
    Snapshot(GenerationSnapshot),
    Delta(GenerationDelta),
    Reset(GenerationReset),
    Ended(GenerationEnded),
}

/// The one terminal event: COMPLETED, INTERRUPTED, CANCELLED or FAILED, with the hash of the whole text as persisted.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct GenerationEnded {
    pub cursor: String,
    pub generation_id: ID,
    pub length: i32,
    pub status: GenerationStatus,
    /// Of the whole text's UTF-8, in lower-case hexadecimal.
    pub sha256: String,
    pub finish_reason: Option<String>,
    pub usage: Option<Usage>,
    pub error: Option<GenerationError>,
    #[graphql(skip)]
    written: Option<MessageId>,
}

#[ComplexObject]
impl GenerationEnded {
    /// The message it wrote into.
    async fn message(&self, ctx: &Context<'_>) -> Option<Message> {
        nullable(ctx, load_message(ctx, self.written?).await)
    }
}

impl From<ReplyEvent> for GenerationEvent {
    fn from(event: ReplyEvent) -> Self {
        let (ReplyEvent::Snapshot { position, .. }
        | ReplyEvent::Delta { position, .. }
        | ReplyEvent::Ended { position, .. }) = &event;
        let cursor = position.to_string();
        let generation_id: ID = position.generation.to_string().into();
        let length = i32::try_from(position.text).unwrap_or(i32::MAX);
        match event {
            ReplyEvent::Snapshot {
                text,
                reasoning,
                status,
                ..
            } => Self::Snapshot(GenerationSnapshot {
                cursor,
                generation_id,
                length,
                text,
                reasoning,
                status: status.into(),
            }),
            ReplyEvent::Delta { text, reasoning, .. } => Self::Delta(GenerationDelta {
                cursor,
                generation_id,
                length,
                text,
                reasoning,
            }),
            ReplyEvent::Ended { generation, .. } => Self::Ended(GenerationEnded {
                cursor,
                generation_id,
                length: generation.length,
                status: generation.status.into(),
                sha256: generation.sha256.clone().unwrap_or_default(),
                finish_reason: generation.finish_reason.clone(),
                usage: generation.usage.as_ref().map(Into::into),
                error: generation.error.as_ref().map(Into::into),
                written: generation.message,
            }),
        }
    }
}

#[derive(Default)]
pub struct GenerationSubscription;

#[Subscription]
impl GenerationSubscription {
    /// Total: works before, during and after the reply, after a reconnect, on any node. Ends after exactly one terminal event.
    async fn generation_stream(
        &self,
        ctx: &Context<'_>,
        generation_id: ID,
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<GenerationEvent>> + use<>> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let watched = async {
            let id: GenerationId = parse_id("generationId", &generation_id)?;
            services.chats.watch(actor, id, after.as_deref()).await
        };
        let reply = watched.await.map_err(|error| operation_error(&error))?;
        Ok(futures::stream::try_unfold(reply, async |mut reply| {
            let event = reply.next().await.map_err(|error| operation_error(&error))?;
            Ok(event.map(|event| (event.into(), reply)))
        }))
    }
}

/// A generation that an event is about.
pub(crate) async fn generation_of_event(ctx: &Context<'_>, id: GenerationId) -> Result<Generation> {
    let found = RequestContext::of(ctx)
        .loaders()
        .load_one(id)
        .await
        .map_err(|error| operation_error(&error))?;
    found
        .map(Generation::of)
        .ok_or_else(|| operation_error(&tavern_domain::Error::not_found("generation any more")))
}
