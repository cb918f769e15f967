//! Fresh stores, and things to put into them.

use std::sync::atomic::{AtomicI64, Ordering};

use tavern_domain::account::{Email, User, Username};
use tavern_domain::character::{Character, CharacterSummary, CharacterText, Visibility};
use tavern_domain::chat::{Author, ChatRole, ChatSession, MessageBody, MessageRow, SessionSetup, SessionState, Swipe};
use tavern_domain::generation::{Generation, GenerationKind, GenerationOptions, GenerationStatus};
use tavern_domain::page::{Direction, PageRequest};
use tavern_domain::{CharacterId, GenerationId, Limits, MessageId, Role, SessionId, Timestamp, UserId};
use tavern_storage::{NewAccount, ObjectsConfig, Store, StoreConfig, TurnStart};
use tempfile::TempDir;

pub const NOW: Timestamp = Timestamp(1_795_000_000_000);

/// Runs a test over both databases, each time with a store of its own.
macro_rules! on_both {
    ($(async fn $name:ident($store:ident: $Store:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of its module")]
            use super::*;
            async fn check($store: $Store) $body
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let (store, _directory) = $crate::support::sqlite().await;
                check(store).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(store) = $crate::support::Postgres::start().await {
                    check(store.store.clone()).await;
                    store.remove().await;
                }
            }
        }
    )+};
}
pub(crate) use on_both;

fn config(database_url: String, directory: &TempDir) -> StoreConfig {
    StoreConfig {
        database_url,
        objects: ObjectsConfig::Files(directory.path().join("objects")),
        readers: 3,
    }
}

pub fn sqlite_config(directory: &TempDir) -> StoreConfig {
    config(
        format!("sqlite://{}", directory.path().join("data/tavern.db").display()),
        directory,
    )
}

/// Gives the directory too: it is removed when dropped.
pub async fn sqlite() -> (Store, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(&sqlite_config(&directory), &Limits::default())
        .await
        .expect("a store");
    (store, directory)
}

/// A store in a schema of its own.
pub struct Postgres {
    pub store: Store,
    pub url: String,
    admin: sea_orm::DatabaseConnection,
    schema: String,
    _directory: TempDir,
}

impl Postgres {
    /// `None` without a database to test with.
    pub async fn start() -> Option<Self> {
        let base = std::env::var("TAVERN_TEST_POSTGRES_URL").ok()?;
        let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
        let admin = sea_orm::Database::connect(&base).await.expect("PostgreSQL");
        sea_orm::ConnectionTrait::execute_unprepared(&admin, &format!("CREATE SCHEMA {schema}"))
            .await
            .expect("a schema");
        let url = format!(
            "{base}{}options[search_path]={schema}",
            if base.contains('?') { '&' } else { '?' }
        );
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&config(url.clone(), &directory), &Limits::default())
            .await
            .expect("a store");
        Some(Self {
            store,
            url,
            admin,
            schema,
            _directory: directory,
        })
    }

    pub async fn remove(self) {
        self.store.close().await;
        sea_orm::ConnectionTrait::execute_unprepared(&self.admin, &format!("DROP SCHEMA {} CASCADE", self.schema))
            .await
            .expect("dropped");
        self.admin.close().await.expect("closed");
    }
}

pub async fn account(store: &Store, name: &str) -> User {
    let username = Username::parse(name).expect("a username");
    let email = Email::parse(&format!("{name}@example.org")).expect("an e-mail address");
    store
        .accounts
        .create(NewAccount {
            id: UserId::new(),
            username: &username,
            email: &email,
            password_hash: "hash",
            roles: &[Role::User],
            now: NOW,
        })
        .await
        .expect("an account")
}

/// A public character; each is a millisecond younger than the one before.
pub fn character(creator: UserId, name: &str) -> Character {
    static AGE: AtomicI64 = AtomicI64::new(0);
    let at = Timestamp(NOW.0 + AGE.fetch_add(1, Ordering::Relaxed));
    Character {
        summary: CharacterSummary {
            id: CharacterId::new(),
            creator: Some(creator),
            name: name.into(),
            tags: Vec::new(),
            visibility: Visibility::Public,
            is_nsfw: false,
            rating: 0.0,
            rating_count: 0,
            chat_count: 0,
            favorite_count: 0,
            avatar: None,
            version: 1,
            created_at: at,
            updated_at: at,
        },
        text: CharacterText {
            spec_version: "2.0".into(),
            ..CharacterText::default()
        },
        world_book: None,
    }
}

pub async fn stored_character(store: &Store, creator: UserId, name: &str) -> Character {
    let character = character(creator, name);
    store.characters.insert(&character).await.expect("stored");
    character
}

pub fn session(owner: UserId, characters: &[CharacterId]) -> ChatSession {
    ChatSession {
        id: SessionId::new(),
        owner,
        title: "A chat".into(),
        characters: characters.to_vec(),
        model: "demo".into(),
        is_archived: false,
        message_count: 0,
        total_tokens: 0,
        created_at: NOW,
        updated_at: NOW,
        last_message_at: None,
        forked_from: None,
        setup: SessionSetup::default(),
        state: SessionState::default(),
    }
}

pub async fn stored_session(store: &Store, owner: UserId) -> ChatSession {
    let session = session(owner, &[]);
    store.chats.create(&session, &[]).await.expect("stored");
    session
}

pub fn message(session: &ChatSession, sequence: i32) -> MessageRow {
    MessageRow {
        id: MessageId::new(),
        session: session.id,
        sequence,
        role: ChatRole::User,
        author: Some(Author::User(session.owner)),
        generation: None,
        is_hidden: false,
        created_at: NOW,
    }
}

pub fn body(content: &str) -> MessageBody {
    MessageBody::of(Swipe {
        content: content.into(),
        reasoning: None,
        tokens: 1,
        model: None,
        created_at: NOW,
        generation: None,
        kept: 0,
        annotations: serde_json::Map::new(),
    })
}

pub fn generation(session: &ChatSession) -> Generation {
    Generation {
        id: GenerationId::new(),
        session: session.id,
        user: session.owner,
        message: None,
        character: Some(CharacterId::new()),
        kind: GenerationKind::Normal,
        status: GenerationStatus::Queued,
        model: "demo".into(),
        provider: None,
        options: GenerationOptions {
            temperature: Some(0.7),
            stop: vec!["\n".into()],
            ..GenerationOptions::default()
        },
        attempts: Vec::new(),
        usage: None,
        finish_reason: None,
        error: None,
        sha256: None,
        length: 0,
        fence: 1,
        lease_until: Timestamp(NOW.0 + 15_000),
        cancel_requested: false,
        created_at: NOW,
        first_token_at: None,
        ended_at: None,
    }
}

/// A turn of nothing, to be filled.
pub fn turn(session: &ChatSession) -> TurnStart {
    TurnStart {
        session: session.id,
        messages: Vec::new(),
        generation: None,
        reply_into: None,
        idempotency: None,
        now: NOW,
        max_messages: 100,
        max_active: 8,
    }
}

/// A generation that runs.
pub async fn running(store: &Store, session: &ChatSession) -> Generation {
    let generation = generation(session);
    let outcome = store
        .chats
        .begin_turn(TurnStart {
            generation: Some(generation.clone()),
            ..turn(session)
        })
        .await;
    assert_eq!(outcome.expect("no error"), tavern_storage::TurnOutcome::Started);
    generation
}

pub fn first(limit: u32, after: Option<&str>) -> PageRequest {
    PageRequest {
        limit,
        direction: Direction::Forward,
        after: after.map(str::to_owned),
        before: None,
    }
}

pub fn last(limit: u32, before: Option<&str>) -> PageRequest {
    PageRequest {
        limit,
        direction: Direction::Backward,
        after: None,
        before: before.map(str::to_owned),
    }
}

pub fn later(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}
