//! Chat sessions: started, listed, changed, ended.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use tavern_domain::character::Character;
use tavern_domain::chat::{
    Author, ChatRole, ChatSession, MessageBody, MessageRow, SessionSetup, SessionState, Swipe, Variables,
};
use tavern_domain::page::{Page, PageArgs};
use tavern_domain::{
    Actor, CharacterId, Error, MessageId, Permission, PersonaId, Problems, Result, SessionId, Timestamp, UserId,
};
use tavern_models::Router;
use tavern_prompt::estimate_tokens;
use tavern_prompt::macros::{CardScene, Macros, Scene};
use tavern_storage::SessionChange;
use tavern_storage::Subscription;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Shared;
use crate::account::Accounts;
use crate::character::Characters;
use crate::extension::Extensions;
use crate::fork::seed_of;
use crate::gather::Ready;
use crate::live::LiveReplies;
use crate::persona::Personas;
use crate::preset::Presets;
use crate::setup::SetupPatch;
use crate::world_book::WorldBooks;

/// A session as somebody asks for it.
#[derive(Debug, Clone, Default)]
pub struct NewSession {
    pub characters: Vec<CharacterId>,
    pub title: Option<String>,
    /// The default model if `None`.
    pub model: Option<String>,
    /// The account's default persona if it has none of its own.
    pub setup: SetupPatch,
    /// Which greeting is shown first: 0 is the first message, then the alternates.
    pub greeting: i32,
}

/// A change of a session; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct SessionPatch {
    pub title: Option<String>,
    pub model: Option<String>,
    pub is_archived: Option<bool>,
    pub setup: SetupPatch,
}

/// The use cases that chats make use of.
pub(crate) struct ChatParts {
    pub accounts: Accounts,
    pub characters: Characters,
    pub world_books: WorldBooks,
    pub presets: Presets,
    pub personas: Personas,
    pub extensions: Extensions,
    pub models: Router,
}

/// The use cases of chat: sessions here, messages in `message.rs`, turns in `turn.rs`, replies in `generation.rs`.
#[derive(Clone)]
pub struct Chats(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub shared: Arc<Shared>,
    pub accounts: Accounts,
    pub characters: Characters,
    pub world_books: WorldBooks,
    pub presets: Presets,
    pub personas: Personas,
    pub extensions: Extensions,
    pub models: Router,
    pub ready: Ready,
    pub live: LiveReplies,
    /// Replies being written by this server.
    pub writers: Arc<Semaphore>,
    /// Ends the background work and interrupts the writers.
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
}

impl Chats {
    /// Builds the use cases and starts the lease keeper, the reaper and housekeeping.
    pub(crate) fn start(shared: Arc<Shared>, parts: ChatParts) -> Self {
        let writers = Arc::new(Semaphore::new(shared.limits.generations));
        let chats = Self(Arc::new(Inner {
            shared,
            accounts: parts.accounts,
            characters: parts.characters,
            world_books: parts.world_books,
            presets: parts.presets,
            personas: parts.personas,
            extensions: parts.extensions,
            models: parts.models,
            ready: Ready::default(),
            live: LiveReplies::default(),
            writers,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }));
        crate::reaper::start(&chats);
        chats
    }

    /// Interrupts the replies under way, keeps what came of them, and ends the background work.
    pub(crate) async fn shut_down(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// The configured models.
    #[must_use]
    pub fn models(&self) -> Vec<tavern_domain::model::Model> {
        self.0.models.models()
    }

    /// The session, if the caller may see it: its owner, or a moderator of chats.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn session(&self, actor: &Actor, id: SessionId) -> Result<Option<ChatSession>> {
        if matches!(actor, Actor::Anonymous) {
            return Ok(None);
        }
        Ok(self
            .0
            .shared
            .store
            .chats
            .get(id)
            .await?
            .filter(|session| may_see(actor, session)))
    }

    /// Those of `ids` that the caller may see, in no order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn sessions(&self, actor: &Actor, ids: &[SessionId]) -> Result<Vec<ChatSession>> {
        let mut found = self.0.shared.store.chats.by_ids(ids).await?;
        found.retain(|session| may_see(actor, session));
        Ok(found)
    }

    /// The session, if the caller may write in it.
    ///
    /// # Errors
    /// UNAUTHENTICATED for anonymous callers; NOT_FOUND for what the caller may not see, FORBIDDEN for what it may only see.
    pub(crate) async fn own_session(&self, actor: &Actor, id: SessionId) -> Result<ChatSession> {
        actor.require(Permission::ChatUse)?;
        let session = self
            .session(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("chat session"))?;
        if actor.is(session.owner) {
            Ok(session)
        } else {
            Err(Error::forbidden("This chat belongs to somebody else."))
        }
    }

    /// The caller's own sessions, the most recently active first, each with its cursor.
    ///
    /// # Errors
    /// UNAUTHENTICATED; BAD_USER_INPUT for arguments over their limit and foreign cursors.
    pub async fn own_sessions(
        &self,
        actor: &Actor,
        archived: bool,
        page: PageArgs,
    ) -> Result<Page<(ChatSession, String)>> {
        let owner = actor.require_user()?.user;
        let Shared { store, limits, .. } = &*self.0.shared;
        let page = page.check(limits.default_page_size, limits.max_page_size)?;
        if page.limit == 0 {
            return Ok(Page::empty());
        }
        store.chats.page(owner, archived, &page).await
    }

    /// How many sessions [`Self::own_sessions`] lists in all.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub async fn count_own_sessions(&self, actor: &Actor, archived: bool) -> Result<u64> {
        self.0
            .shared
            .store
            .chats
            .count(actor.require_user()?.user, archived)
            .await
    }

    /// Starts a session: each character greets, with its alternates as swipes.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN; BAD_USER_INPUT for every argument that is wrong; QUOTA_EXCEEDED.
    pub async fn create(&self, actor: &Actor, new: NewSession) -> Result<ChatSession> {
        actor.require(Permission::ChatUse)?;
        let owner = actor.require_user()?.user;
        let Shared {
            store, limits, clock, ..
        } = &*self.0.shared;
        let mut problems = Problems::new();
        let model = self.check_model(&mut problems, new.model.as_deref());
        if let Some(title) = &new.title {
            self.check_title(&mut problems, title);
        }
        let cast = self.cast(actor, &new.characters, &mut problems).await?;
        let (mut setup, mut state) = (SessionSetup::default(), SessionState::default());
        let change = self.check_setup(actor, new.setup, None, &mut problems).await?;
        let group = cast.len() > 1;
        if let Some(first) = cast.first() {
            let count = i32::try_from(greetings(first, group).len()).unwrap_or(i32::MAX);
            if new.greeting < 0 || new.greeting >= count.max(1) {
                problems.add(
                    "greeting",
                    format!(
                        "{} has {count} greetings; `greeting` counts from 0, and {} is none of them.",
                        first.summary.name, new.greeting
                    ),
                );
            }
        }
        problems.finish()?;
        self.check_quota(owner).await?;
        let now = clock.now();
        setup.persona = store.personas.default_of(owner).await?.map(|persona| persona.id);
        change.apply(&mut setup, &mut state);
        let user_name = self.user_name(owner, setup.persona).await?;
        let session_id = SessionId::new();
        let mut rows = Vec::new();
        let mut bodies = Vec::new();
        for (index, character) in cast.iter().enumerate() {
            let greetings = greetings(character, group);
            if greetings.is_empty() {
                continue;
            }
            let active = if index == 0 {
                usize::try_from(new.greeting).unwrap_or(0)
            } else {
                0
            };
            let mut swipes = Vec::with_capacity(greetings.len());
            for (number, greeting) in greetings.iter().enumerate() {
                let (content, variables) = greet(character, greeting, &user_name, &state.variables, session_id, now);
                // What a greeting sets counts if it is the one that is shown.
                if number == active {
                    state.variables = variables;
                }
                swipes.push(Swipe {
                    tokens: tokens_of(&content),
                    content,
                    reasoning: None,
                    model: None,
                    created_at: now,
                    generation: None,
                    kept: 0,
                    annotations: serde_json::Map::new(),
                });
            }
            bodies.push(MessageBody {
                version: 1,
                swipes,
                active,
                is_edited: false,
                annotations: Value::Object(serde_json::Map::new()),
                updated_at: now,
                source: None,
            });
            rows.push(MessageRow {
                id: MessageId::new(),
                session: session_id,
                sequence: i32::try_from(rows.len()).unwrap_or(i32::MAX) + 1,
                role: ChatRole::Assistant,
                author: Some(Author::Character(character.summary.id)),
                generation: None,
                is_hidden: false,
                created_at: now,
            });
        }
        let names: Vec<_> = cast.iter().map(|character| character.summary.name.as_str()).collect();
        let title = new.title.map_or_else(
            || names.join(", ").chars().take(limits.title_chars).collect(),
            |title| title.trim().to_owned(),
        );
        let session = ChatSession {
            id: session_id,
            owner,
            title,
            characters: cast.iter().map(|character| character.summary.id).collect(),
            model,
            is_archived: false,
            message_count: i32::try_from(rows.len()).unwrap_or(i32::MAX),
            total_tokens: 0,
            created_at: now,
            updated_at: now,
            last_message_at: (!rows.is_empty()).then_some(now),
            forked_from: None,
            setup,
            state,
        };
        let documents: Vec<_> = rows
            .iter()
            .zip(&bodies)
            .map(|(row, body)| (row.id, session_id, body))
            .collect();
        store.documents.put_messages(&documents).await?;
        store.chats.create(&session, &rows).await?;
        Ok(session)
    }

    /// The characters of a new session, in the order they were named.
    pub(crate) async fn cast(
        &self,
        actor: &Actor,
        ids: &[CharacterId],
        problems: &mut Problems,
    ) -> Result<Vec<Character>> {
        let most = self.0.shared.limits.characters_per_session;
        if ids.is_empty() || ids.len() > most {
            problems.add(
                "characterIds",
                format!("A chat has 1 to {most} characters, not {}.", ids.len()),
            );
            return Ok(Vec::new());
        }
        let mut found: HashMap<_, _> = self
            .0
            .characters
            .by_ids(actor, ids)
            .await?
            .into_iter()
            .map(|character| (character.summary.id, character))
            .collect();
        let mut cast = Vec::with_capacity(ids.len());
        for (index, id) in ids.iter().enumerate() {
            match found.remove(id) {
                Some(character) => cast.push(character),
                None if ids[..index].contains(id) => {
                    problems.add(&format!("characterIds.{index}"), "This character is named twice.")
                }
                None => problems.add(&format!("characterIds.{index}"), "There is no such character."),
            }
        }
        Ok(cast)
    }

    /// The configured model called `name`, or the default one.
    pub(crate) fn check_model(&self, problems: &mut Problems, name: Option<&str>) -> String {
        match name {
            Some(name) if !self.0.models.has(name) => {
                // What was sent may be of any length; the answer is not.
                let shown: String = name.chars().take(60).collect();
                problems.add("model", format!("There is no model called {shown:?}."));
                name.to_owned()
            }
            Some(name) => name.to_owned(),
            None => self.0.models.default_model().to_owned(),
        }
    }

    pub(crate) fn check_title(&self, problems: &mut Problems, title: &str) {
        let (count, most) = (title.trim().chars().count(), self.0.shared.limits.title_chars);
        problems.refuse_nul("title", title);
        if count == 0 || count > most {
            problems.add("title", format!("A title has 1 to {most} characters, not {count}."));
        }
    }

    /// What the owner of a session is called in it: by its persona, or by the account's own name.
    pub(crate) async fn user_name(&self, user: UserId, persona: Option<PersonaId>) -> Result<String> {
        if let Some(id) = persona
            && let Some(persona) = self.0.shared.store.personas.by_ids(&[id]).await?.pop()
        {
            return Ok(persona.text.name);
        }
        let found = self.0.accounts.by_ids(&[user]).await?;
        Ok(found
            .into_iter()
            .next()
            .map_or_else(|| "User".to_owned(), |user| user.display_name))
    }

    /// # Errors
    /// As access has it; BAD_USER_INPUT for every field that is wrong.
    pub async fn update(&self, actor: &Actor, id: SessionId, patch: SessionPatch) -> Result<ChatSession> {
        let session = self.own_session(actor, id).await?;
        let mut problems = Problems::new();
        if patch.model.is_some() {
            self.check_model(&mut problems, patch.model.as_deref());
        }
        if let Some(title) = &patch.title {
            self.check_title(&mut problems, title);
        }
        let setup = self
            .check_setup(actor, patch.setup, Some(&session), &mut problems)
            .await?;
        problems.finish()?;
        let Shared { store, clock, .. } = &*self.0.shared;
        let change = SessionChange {
            title: patch.title.map(|title| title.trim().to_owned()),
            model: patch.model,
            is_archived: patch.is_archived,
            setup,
        };
        store
            .chats
            .update(id, change, clock.now())
            .await?
            .ok_or_else(|| Error::not_found("chat session"))
    }

    /// Deletes a session with all its messages. Replies under way are stopped.
    ///
    /// # Errors
    /// As access has it: the owner, or a moderator of chats.
    pub async fn delete(&self, actor: &Actor, id: SessionId) -> Result<()> {
        actor.require(Permission::ChatUse)?;
        self.session(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("chat session"))?;
        let store = &self.0.shared.store;
        for generation in store.generations.active(id).await? {
            self.cancel(generation.id).await?;
        }
        let deleted = store
            .chats
            .delete(id)
            .await?
            .ok_or_else(|| Error::not_found("chat session"))?;
        store.documents.delete_messages(&deleted.messages).await?;
        store.documents.delete_texts(&deleted.generations).await
    }

    /// What happens in a session from `after` on, or from now on.
    ///
    /// # Errors
    /// NOT_FOUND for what the caller may not see; BAD_USER_INPUT for what is no cursor.
    pub async fn events(&self, actor: &Actor, id: SessionId, after: Option<&str>) -> Result<Subscription> {
        self.session(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("chat session"))?;
        self.0.shared.store.events.subscribe(id, after)
    }
}

fn may_see(actor: &Actor, session: &ChatSession) -> bool {
    actor.is(session.owner) || actor.may(Permission::ChatModerate)
}

/// A greeting as it is said, and the chat's variables afterwards.
fn greet(
    character: &Character,
    greeting: &str,
    user: &str,
    variables: &Variables,
    session: SessionId,
    now: Timestamp,
) -> (String, Variables) {
    let text = &character.text;
    let scene = Scene {
        user: Cow::Borrowed(user),
        char: Cow::Borrowed(text.nickname.as_deref().unwrap_or(&character.summary.name)),
        card: CardScene {
            description: Cow::Borrowed(&text.description),
            personality: Cow::Borrowed(&text.personality),
            scenario: Cow::Borrowed(&text.scenario),
            version: Cow::Borrowed(&text.character_version),
            ..CardScene::default()
        },
        now: Some(now),
        generation_type: "normal",
        chat_seed: seed_of(session, &SessionState::default()),
        ..Scene::default()
    };
    let mut macros = Macros::new(scene, variables.clone(), Variables::new(), rand::random());
    let said = macros.expand(greeting);
    (said, macros.finish().local)
}

/// What a character may open with: its first message and the alternates, and in company those meant for it.
fn greetings(character: &Character, group: bool) -> Vec<&str> {
    let text = &character.text;
    let company = if group {
        text.group_only_greetings.as_slice()
    } else {
        &[]
    };
    company
        .iter()
        .map(String::as_str)
        .chain([text.first_message.as_str()])
        .chain(text.alternate_greetings.iter().map(String::as_str))
        .filter(|greeting| !greeting.trim().is_empty())
        .collect()
}

/// An estimate; what the provider counts is in a generation's usage.
pub(crate) fn tokens_of(text: &str) -> i32 {
    i32::try_from(estimate_tokens(text)).unwrap_or(i32::MAX)
}
