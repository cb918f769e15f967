//! Messages.

use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use tavern_domain::chat as domain;
use tavern_domain::{Error, GenerationId, SessionId};
use tavern_schema::error::{
    DeleteMessagesError, EditMessageError, SelectSwipeError, SendMessageError, SetMessageHiddenError, nullable,
    operation_error, user_errors,
};
use tavern_schema::id::{parse_id, parse_ids};
use tavern_schema::message::{
    DeleteMessagesInput, EditMessageInput, MessageFields, SelectSwipeInput, SendMessageInput, SetMessageHiddenInput,
};
use tavern_services::turn::Outgoing;

use crate::account::load_user;
use crate::character::Character;
use crate::chat::{Author, ChatSession, load_session};
use crate::context::RequestContext;
use crate::generation::Generation;
use crate::loaders::shared;
use crate::payload::payload;

/// One message of a chat.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct Message {
    pub id: ID,
    #[graphql(flatten)]
    fields: MessageFields,
    #[graphql(skip)]
    session: SessionId,
    #[graphql(skip)]
    author: Option<domain::Author>,
    #[graphql(skip)]
    generation: Option<GenerationId>,
}

impl Message {
    #[must_use]
    pub fn of(message: domain::Message) -> Self {
        let row = &message.row;
        Self {
            id: row.id.to_string().into(),
            session: row.session,
            author: row.author,
            generation: row.generation,
            fields: message.into(),
        }
    }
}

#[ComplexObject]
impl Message {
    async fn session(&self, ctx: &Context<'_>) -> Result<ChatSession> {
        load_session(ctx, self.session).await
    }

    /// Null for system messages, and once the author is gone or no longer to be seen.
    async fn author(&self, ctx: &Context<'_>) -> Option<Author> {
        let author = async {
            Ok(match self.author {
                None => None,
                Some(domain::Author::User(id)) => load_user(ctx, id).await?.map(Author::User),
                Some(domain::Author::Character(id)) => {
                    let found = RequestContext::of(ctx).loaders().load_one(id).await.map_err(shared)?;
                    found.map(|character| Author::Character(Box::new(Character::of(character))))
                }
            })
        };
        nullable(ctx, Box::pin(author).await)
    }

    /// The newest generation that wrote into this message.
    async fn generation(&self, ctx: &Context<'_>) -> Option<Generation> {
        let found = RequestContext::of(ctx).loaders().load_one(self.generation?).await;
        nullable(ctx, found.map_err(shared)).map(Generation::of)
    }
}

#[derive(SimpleObject, Default)]
pub struct SendMessagePayload {
    message: Option<Message>,
    generation: Option<Generation>,
    user_errors: Vec<SendMessageError>,
}

payload! { EditMessagePayload { message: Message }, EditMessageError }
payload! { SetMessageHiddenPayload { message: Message }, SetMessageHiddenError }
payload! { SelectSwipePayload { message: Message }, SelectSwipeError }

#[derive(SimpleObject, Default)]
pub struct DeleteMessagesPayload {
    /// What is gone: those of the given ids that stood in the session.
    ids: Vec<ID>,
    chat_session: Option<ChatSession>,
    user_errors: Vec<DeleteMessagesError>,
}

#[derive(Default)]
pub struct MessageMutation;

#[Object]
impl MessageMutation {
    /// Sends a message and starts the reply. Returns at once; the reply goes on whether or not anybody watches.
    async fn send_message(&self, ctx: &Context<'_>, input: SendMessageInput) -> Result<SendMessagePayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let sent = async {
            let outgoing = Outgoing {
                session: parse_id("sessionId", &input.session_id)?,
                content: input.content,
                character: input.character_id.map(|id| parse_id("characterId", &id)).transpose()?,
                guidance: input.guidance,
                idempotency_key: input.idempotency_key,
                options: input.options.map(Into::into).unwrap_or_default(),
                generate: input.generate.unwrap_or(true),
            };
            services.chats.send(actor, outgoing).await
        };
        match Box::pin(sent).await {
            Ok(sent) => Ok(SendMessagePayload {
                message: sent.message.map(Message::of),
                generation: sent.generation.map(Generation::of),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(SendMessagePayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            }),
        }
    }

    /// Replaces the content of the active swipe.
    async fn edit_message(&self, ctx: &Context<'_>, input: EditMessageInput) -> Result<EditMessagePayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let edited = async {
            services
                .chats
                .edit(actor, parse_id("id", &input.id)?, input.content, input.expected_version)
                .await
        };
        EditMessagePayload::of(edited.await.map(Message::of))
    }

    async fn delete_messages(&self, ctx: &Context<'_>, input: DeleteMessagesInput) -> Result<DeleteMessagesPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let deleted = async {
            let session = parse_id("sessionId", &input.session_id)?;
            let ids = parse_ids("ids", &input.ids, services.limits().max_page_size)?;
            let deleted = services.chats.delete_messages(actor, session, &ids).await?;
            Ok::<_, Error>((deleted, services.chats.session(actor, session).await?))
        };
        match deleted.await {
            Ok((ids, session)) => Ok(DeleteMessagesPayload {
                ids: ids.into_iter().map(|id| id.to_string().into()).collect(),
                chat_session: session.map(ChatSession::of),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(DeleteMessagesPayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            }),
        }
    }

    /// Keeps a message out of the prompt, or takes it in again.
    async fn set_message_hidden(
        &self,
        ctx: &Context<'_>,
        input: SetMessageHiddenInput,
    ) -> Result<SetMessageHiddenPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let changed = async {
            services
                .chats
                .set_hidden(actor, parse_id("id", &input.id)?, input.is_hidden)
                .await
        };
        SetMessageHiddenPayload::of(changed.await.map(Message::of))
    }

    /// Shows another of a message's alternatives.
    async fn select_swipe(&self, ctx: &Context<'_>, input: SelectSwipeInput) -> Result<SelectSwipePayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let selected = async {
            services
                .chats
                .select_swipe(actor, parse_id("messageId", &input.message_id)?, input.index)
                .await
        };
        SelectSwipePayload::of(selected.await.map(Message::of))
    }
}

/// A message by id, for relations; an error is told where it is asked for.
pub(crate) async fn load_message(ctx: &Context<'_>, id: tavern_domain::MessageId) -> Result<Option<Message>, Error> {
    let found = RequestContext::of(ctx).loaders().load_one(id).await.map_err(shared)?;
    Ok(found.map(Message::of))
}

/// A message that an event is about; it may be gone by now.
pub(crate) async fn message_of_event(ctx: &Context<'_>, id: tavern_domain::MessageId) -> Result<Message> {
    let found = load_message(ctx, id).await.map_err(|error| operation_error(&error))?;
    found.ok_or_else(|| operation_error(&Error::not_found("message any more")))
}
