//! Chat sessions.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject, Union};
use tavern_domain::chat as domain;
use tavern_domain::{CharacterId, Error, PersonaId, PresetId, Problems, SessionId, UserId, WorldBookId};
use tavern_schema::chat::{
    AuthorsNoteInput, ChatSessionFields, CreateChatSessionInput, DeleteChatSessionInput, UpdateChatSessionInput,
};
use tavern_schema::connection::{Cursor, connection, page_args, page_cost};
use tavern_schema::error::{
    CreateChatSessionError, DeleteChatSessionError, UpdateChatSessionError, nullable, operation_error, user_errors,
};
use tavern_schema::id::{parse_id, parse_ids};
use tavern_schema::input::{given, given_id};
use tavern_schema::preset::Preset;
use tavern_services::chat::{NewSession, SessionPatch};
use tavern_services::setup::{AuthorsNotePatch, SetupPatch};

use crate::account::{User, load_user};
use crate::character::Character;
use crate::context::RequestContext;
use crate::generation::Generation;
use crate::message::Message;
use crate::persona::{Persona, load_persona};
use crate::preset::load_preset;
use crate::world_book::WorldBook;

/// A conversation with one or more characters.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct ChatSession {
    pub id: ID,
    #[graphql(flatten)]
    fields: ChatSessionFields,
    #[graphql(skip)]
    session: SessionId,
    #[graphql(skip)]
    owner: UserId,
    #[graphql(skip)]
    cast: Vec<CharacterId>,
    #[graphql(skip)]
    message_total: i32,
    #[graphql(skip)]
    preset: Option<PresetId>,
    #[graphql(skip)]
    persona: Option<PersonaId>,
    #[graphql(skip)]
    world_books: Vec<WorldBookId>,
}

impl ChatSession {
    #[must_use]
    pub fn of(session: domain::ChatSession) -> Self {
        Self {
            id: session.id.to_string().into(),
            fields: (&session).into(),
            session: session.id,
            owner: session.owner,
            message_total: session.message_count,
            cast: session.characters,
            preset: session.setup.preset,
            persona: session.setup.persona,
            world_books: session.setup.world_books,
        }
    }
}

/// Who takes part in a chat, besides its characters.
#[derive(SimpleObject, Debug, Clone)]
pub struct Participant {
    user: User,
    /// `owner`.
    role: String,
}

/// Who wrote a message.
#[derive(Union)]
pub enum Author {
    User(User),
    Character(Box<Character>),
}

#[ComplexObject]
impl ChatSession {
    async fn owner(&self, ctx: &Context<'_>) -> Result<User> {
        owner(ctx, self.owner).await
    }

    async fn participants(&self, ctx: &Context<'_>) -> Result<Vec<Participant>> {
        Ok(vec![Participant {
            user: owner(ctx, self.owner).await?,
            role: "owner".into(),
        }])
    }

    /// In the order they were added; those that the caller may no longer see are left out.
    async fn characters(&self, ctx: &Context<'_>) -> Result<Vec<Character>> {
        let found = RequestContext::of(ctx)
            .loaders()
            .load_many(self.cast.iter().copied())
            .await;
        let mut found = found.map_err(|error| operation_error(&error))?;
        Ok(self
            .cast
            .iter()
            .filter_map(|id| found.remove(id))
            .map(Character::of)
            .collect())
    }

    /// Null, too, for whoever it does not belong to.
    async fn preset(&self, ctx: &Context<'_>) -> Option<Preset> {
        nullable(ctx, Box::pin(load_preset(ctx, self.preset?)).await)
    }

    /// Who the owner is in this chat. Null, too, for whoever it does not belong to.
    async fn persona(&self, ctx: &Context<'_>) -> Option<Persona> {
        nullable(ctx, Box::pin(load_persona(ctx, self.persona?)).await)
    }

    /// Those of the chat itself; those that the caller may no longer see are left out.
    #[graphql(complexity = "page_cost(None, None, child_complexity)")]
    async fn world_books(&self, ctx: &Context<'_>) -> Result<Vec<WorldBook>> {
        let loaders = RequestContext::of(ctx).loaders();
        let found = Box::pin(loaders.load_many(self.world_books.iter().copied())).await;
        let mut found = found.map_err(|error| operation_error(&error))?;
        Ok(self
            .world_books
            .iter()
            .filter_map(|id| found.remove(id))
            .map(WorldBook::of)
            .collect())
    }

    /// In their order; the newest page with `last`.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Cursor, Message, MessageTotal>> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let page = services
            .chats
            .messages(actor, self.session, page_args(first, after, last, before));
        let page = Box::pin(page).await.map_err(|error| operation_error(&error))?;
        Ok(connection(
            page.map(|(message, cursor)| (Message::of(message), cursor)),
            MessageTotal(self.message_total),
        ))
    }

    /// The replies being written at this moment.
    async fn active_generations(&self, ctx: &Context<'_>) -> Result<Vec<Generation>> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let active = services
            .chats
            .active_generations(actor, self.session)
            .await
            .map_err(|error| operation_error(&error))?;
        Ok(active.into_iter().map(Generation::of).collect())
    }
}

async fn owner(ctx: &Context<'_>, owner: UserId) -> Result<User> {
    let found = load_user(ctx, owner).await.map_err(|error| operation_error(&error))?;
    found.ok_or_else(|| operation_error(&Error::internal("a session belongs to no account")))
}

/// What needs the whole list of messages.
pub struct MessageTotal(i32);

#[Object]
impl MessageTotal {
    async fn total_count(&self) -> Option<i32> {
        Some(self.0)
    }
}

/// What needs the whole list of sessions.
pub struct SessionTotal {
    pub archived: bool,
}

#[Object]
impl SessionTotal {
    /// How many the whole list holds; counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Option<i32> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let count = services.chats.count_own_sessions(actor, self.archived).await.map(Some);
        nullable(ctx, count).map(|count| i32::try_from(count).unwrap_or(i32::MAX))
    }
}

#[derive(Default)]
pub struct ChatQuery;

#[Object]
impl ChatQuery {
    /// Null for what does not exist and for what the caller may not see.
    async fn chat_session(&self, ctx: &Context<'_>, id: ID) -> Option<ChatSession> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let found = async { services.chats.session(actor, parse_id("id", &id)?).await };
        nullable(ctx, found.await).map(ChatSession::of)
    }
}

#[derive(SimpleObject, Default)]
pub struct CreateChatSessionPayload {
    chat_session: Option<ChatSession>,
    user_errors: Vec<CreateChatSessionError>,
}

#[derive(SimpleObject, Default)]
pub struct UpdateChatSessionPayload {
    chat_session: Option<ChatSession>,
    user_errors: Vec<UpdateChatSessionError>,
}

#[derive(SimpleObject, Default)]
pub struct DeleteChatSessionPayload {
    /// What is gone.
    deleted_id: Option<ID>,
    user_errors: Vec<DeleteChatSessionError>,
}

#[derive(Default)]
pub struct ChatMutation;

#[Object]
impl ChatMutation {
    /// Starts a chat: the characters greet, with their alternate greetings as swipes.
    async fn create_chat_session(
        &self,
        ctx: &Context<'_>,
        input: CreateChatSessionInput,
    ) -> Result<CreateChatSessionPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let created = async {
            let most = services.limits().max_page_size;
            let mut problems = Problems::new();
            let characters = problems.absorb(parse_ids("characterIds", &input.character_ids, most))?;
            let preset = input
                .preset_id
                .map(|id| parse_id("presetId", &id).map(Some))
                .transpose();
            let setup = SetupPatch {
                preset: problems.absorb(preset)?.flatten(),
                persona: problems.absorb(given_id("personaId", input.persona_id))?.flatten(),
                world_books: world_books(input.world_book_ids, most, &mut problems)?,
                authors_note: input.authors_note.map(|note| Some(authors_note(note))),
                variables: input.variables.map(|variables| variables.0),
            };
            problems.finish()?;
            services
                .chats
                .create(
                    actor,
                    NewSession {
                        characters: characters.unwrap_or_default(),
                        title: input.title,
                        model: input.model,
                        setup,
                        greeting: input.greeting.unwrap_or(0),
                    },
                )
                .await
        };
        match created.await {
            Ok(session) => Ok(CreateChatSessionPayload {
                chat_session: Some(ChatSession::of(session)),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(CreateChatSessionPayload {
                chat_session: None,
                user_errors: user_errors(error)?,
            }),
        }
    }

    async fn update_chat_session(
        &self,
        ctx: &Context<'_>,
        input: UpdateChatSessionInput,
    ) -> Result<UpdateChatSessionPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let updated = async {
            let id = parse_id("id", &input.id)?;
            let mut problems = Problems::new();
            let setup = SetupPatch {
                preset: problems.absorb(given_id("presetId", input.preset_id))?.flatten(),
                persona: problems.absorb(given_id("personaId", input.persona_id))?.flatten(),
                world_books: world_books(input.world_book_ids, services.limits().max_page_size, &mut problems)?,
                authors_note: given(input.authors_note).map(|note| note.map(authors_note)),
                variables: input.variables.map(|variables| variables.0),
            };
            problems.finish()?;
            let patch = SessionPatch {
                title: input.title,
                model: input.model,
                is_archived: input.is_archived,
                setup,
            };
            Box::pin(services.chats.update(actor, id, patch)).await
        };
        match updated.await {
            Ok(session) => Ok(UpdateChatSessionPayload {
                chat_session: Some(ChatSession::of(session)),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(UpdateChatSessionPayload {
                chat_session: None,
                user_errors: user_errors(error)?,
            }),
        }
    }

    /// Deletes a chat with all its messages. A reply being written is stopped.
    async fn delete_chat_session(
        &self,
        ctx: &Context<'_>,
        input: DeleteChatSessionInput,
    ) -> Result<DeleteChatSessionPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let deleted = async { services.chats.delete(actor, parse_id("id", &input.id)?).await };
        match deleted.await {
            Ok(()) => Ok(DeleteChatSessionPayload {
                deleted_id: Some(input.id),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(DeleteChatSessionPayload {
                deleted_id: None,
                user_errors: user_errors(error)?,
            }),
        }
    }
}

fn world_books(ids: Option<Vec<ID>>, most: u32, problems: &mut Problems) -> Result<Option<Vec<WorldBookId>>, Error> {
    let Some(ids) = ids else { return Ok(None) };
    problems.absorb(parse_ids("worldBookIds", &ids, most))
}

fn authors_note(input: AuthorsNoteInput) -> AuthorsNotePatch {
    AuthorsNotePatch {
        content: input.content,
        position: input.position.map(Into::into),
        depth: input.depth,
        role: input.role.map(Into::into),
        interval: input.interval,
    }
}

/// A session by id, for relations of what lies in it.
pub(crate) async fn load_session(ctx: &Context<'_>, id: SessionId) -> Result<ChatSession> {
    let found = RequestContext::of(ctx)
        .loaders()
        .load_one(id)
        .await
        .map_err(|error| operation_error(&error))?;
    found
        .map(ChatSession::of)
        .ok_or_else(|| operation_error(&Error::not_found("chat session")))
}
