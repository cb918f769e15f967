//! Chat sessions.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject, Union};
use tavern_domain::chat as domain;
use tavern_domain::{CharacterId, Error, MessageId, PersonaId, PresetId, Problems, SessionId, UserId, WorldBookId};
use tavern_schema::chat::{
    AuthorsNoteInput, ChatSessionFields, CreateChatSessionInput, DeleteChatSessionInput, ForkChatSessionInput,
    GroupSettingsInput, UpdateChatSessionInput,
};
use tavern_schema::connection::{Cursor, connection, page_args, page_cost};
use tavern_schema::error::{
    CreateChatSessionError, DeleteChatSessionError, ForkChatSessionError, UpdateChatSessionError, nullable,
    operation_error,
};
use tavern_schema::id::{parse_id, parse_ids};
use tavern_schema::input::{given, given_id};
use tavern_schema::preset::Preset;
use tavern_services::chat::{NewSession, SessionPatch};
use tavern_services::setup::{AuthorsNotePatch, GroupPatch, SetupPatch};

use crate::account::{User, load_user};
use crate::character::Character;
use crate::context::RequestContext;
use crate::generation::Generation;
use crate::message::{Message, load_message};
use crate::payload::payload;
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
    fork: Option<MessageId>,
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
            fork: session.forked_from,
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

    /// The message of another chat that this one goes on from; null once that is gone.
    async fn forked_from(&self, ctx: &Context<'_>) -> Option<Message> {
        nullable(ctx, load_message(ctx, self.fork?).await)
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

payload! { CreateChatSessionPayload { chat_session: ChatSession }, CreateChatSessionError }
payload! { UpdateChatSessionPayload { chat_session: ChatSession }, UpdateChatSessionError }
payload! { ForkChatSessionPayload { chat_session: ChatSession }, ForkChatSessionError }
payload! { DeleteChatSessionPayload {
    /// What is gone.
    deleted_id: ID
}, DeleteChatSessionError }

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
                ..SetupPatch::default()
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
        CreateChatSessionPayload::of(created.await.map(ChatSession::of))
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
                group: match input.group {
                    Some(group) => problems.absorb(group_patch(group, services.limits().max_page_size))?,
                    None => None,
                },
                scenario: given(input.scenario),
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
        UpdateChatSessionPayload::of(updated.await.map(ChatSession::of))
    }

    /// Starts a chat that begins as another one did, up to a message; the messages are copied.
    async fn fork_chat_session(
        &self,
        ctx: &Context<'_>,
        input: ForkChatSessionInput,
    ) -> Result<ForkChatSessionPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let forked = async {
            let message = parse_id("messageId", &input.message_id)?;
            services.chats.fork(actor, message, input.title).await
        };
        ForkChatSessionPayload::of(Box::pin(forked).await.map(ChatSession::of))
    }

    /// Deletes a chat with all its messages. A reply being written is stopped.
    async fn delete_chat_session(
        &self,
        ctx: &Context<'_>,
        input: DeleteChatSessionInput,
    ) -> Result<DeleteChatSessionPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let deleted = async { services.chats.delete(actor, parse_id("id", &input.id)?).await };
        DeleteChatSessionPayload::of(deleted.await.map(|()| input.id))
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

fn group_patch(group: GroupSettingsInput, most: u32) -> tavern_domain::Result<GroupPatch> {
    let muted = group.muted_character_ids;
    Ok(GroupPatch {
        strategy: group.strategy.map(Into::into),
        mode: group.mode.map(Into::into),
        muted: muted
            .map(|ids| parse_ids("group.mutedCharacterIds", &ids, most))
            .transpose()?,
        self_responses: group.self_responses,
        join_prefix: group.join_prefix,
        join_suffix: group.join_suffix,
    })
}
