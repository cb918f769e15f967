//! Chat sessions and who takes part in them. Their messages and turns are in the modules below.

mod message;
mod turn;

use std::collections::HashMap;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockType, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, Order, PaginatorTrait,
    QueryFilter, QueryOrder, QueryResult, QuerySelect,
};
use tavern_domain::chat::{
    AuthorsNote, ChatSession, GroupSettings, MessageRow, SessionSetup, SessionState, TurnEffects, Variables, merge,
};
use tavern_domain::page::{Direction, Page, PageRequest, bad_cursor};
use tavern_domain::{
    CharacterId, Error, GenerationId, MessageId, PersonaId, PresetId, Result, SessionId, Timestamp, UserId, WorldBookId,
};
use uuid::Uuid;

pub use turn::{Idempotency, TurnOutcome, TurnStart};

use crate::character::count_chat;
use crate::cursor::{Reader, Writer};
use crate::db::{Db, DbResult, from_json, lists, only, to_json};
use crate::entity::{chat_file, chat_session, generation, message as message_row, session_character, user_variables};
use crate::extension::{ValueRoom, copy_chat, forget_chat, lock_installations};

/// The tag of a cursor in a list of sessions.
const SESSIONS: u8 = 32;

/// What of a session is to change; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct SessionChange {
    pub title: Option<String>,
    pub model: Option<String>,
    pub is_archived: Option<bool>,
    pub setup: SetupChange,
}

/// What of a session's setup and state is to change; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct SetupChange {
    pub preset: Option<Option<PresetId>>,
    pub persona: Option<Option<PersonaId>>,
    pub world_books: Option<Vec<WorldBookId>>,
    pub authors_note: Option<Option<AuthorsNote>>,
    pub group: Option<GroupSettings>,
    pub scenario: Option<Option<String>>,
    pub variables: Option<Variables>,
}

impl SetupChange {
    pub fn apply(self, setup: &mut SessionSetup, state: &mut SessionState) {
        fn set<T>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        set(&mut setup.preset, self.preset);
        set(&mut setup.persona, self.persona);
        set(&mut setup.world_books, self.world_books);
        set(&mut setup.authors_note, self.authors_note);
        set(&mut setup.group, self.group);
        set(&mut setup.scenario, self.scenario);
        set(&mut state.variables, self.variables);
    }
}

/// What a deleted session held, so that its documents can go too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeletedSession {
    pub messages: Vec<MessageId>,
    pub generations: Vec<GenerationId>,
}

/// Sessions, messages and turns. Cheap to clone.
#[derive(Clone)]
pub struct ChatStore {
    pub(crate) db: Db,
}

impl ChatStore {
    /// A session with its first messages; each of its characters has one chat more, unless it is a fork.
    pub async fn create(&self, session: &ChatSession, messages: &[MessageRow]) -> Result<()> {
        self.create_from_file(session, messages, None).await
    }

    /// As [`Self::create`], with what a file said of the chat besides its messages.
    pub async fn create_from_file(
        &self,
        session: &ChatSession,
        messages: &[MessageRow],
        file: Option<&str>,
    ) -> Result<()> {
        let tx = self.db.begin().await?;
        insert(&tx, session, messages, file).await?;
        tx.commit().await.db()
    }

    /// As [`Self::create_from_file`], with what extensions of the owner keep for the chat `from`. An extension that
    /// has no `room` for it begins with nothing there.
    pub async fn fork(
        &self,
        session: &ChatSession,
        messages: &[MessageRow],
        file: Option<&str>,
        from: SessionId,
        room: ValueRoom,
    ) -> Result<()> {
        let tx = self.db.begin().await?;
        insert(&tx, session, messages, file).await?;
        copy_chat(&tx, session, from, room).await?;
        tx.commit().await.db()
    }

    pub async fn get(&self, id: SessionId) -> Result<Option<ChatSession>> {
        Ok(self.by_ids(&[id]).await?.pop())
    }

    /// Those that exist, in no particular order.
    pub async fn by_ids(&self, ids: &[SessionId]) -> Result<Vec<ChatSession>> {
        let mut sessions = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = chat_session::Entity::find()
                .filter(chat_session::Column::Id.is_in(list))
                .all(&self.db.read)
                .await
                .db()?;
            sessions.extend(with_characters(&self.db.read, rows).await?);
        }
        Ok(sessions)
    }

    /// A user's sessions with their cursors, the one with the newest activity first.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `after` or `before` for what is not a cursor of this list.
    pub async fn page(&self, owner: UserId, archived: bool, page: &PageRequest) -> Result<Page<(ChatSession, String)>> {
        use chat_session::Column::{Id, UpdatedAt};
        let bound = |argument: &str, cursor: &str| {
            let mut reader = Reader::new(cursor, SESSIONS).ok_or_else(|| bad_cursor(argument))?;
            let place = reader.i64().zip(reader.uuid()).ok_or_else(|| bad_cursor(argument))?;
            reader.finish().ok_or_else(|| bad_cursor(argument))?;
            Ok((
                Expr::tuple([Expr::col(UpdatedAt), Expr::col(Id)]),
                Expr::tuple([Expr::value(place.0), Expr::value(place.1)]),
            ))
        };
        let mut select = chat_session::Entity::find().filter(owned(owner, archived));
        if let Some(after) = &page.after {
            let (key, place) = bound("after", after)?;
            select = select.filter(key.lt(place));
        }
        if let Some(before) = &page.before {
            let (key, place) = bound("before", before)?;
            select = select.filter(key.gt(place));
        }
        let order = match page.direction {
            Direction::Forward => Order::Desc,
            Direction::Backward => Order::Asc,
        };
        let rows = select
            .order_by(UpdatedAt, order.clone())
            .order_by(Id, order)
            .limit(u64::from(page.limit) + 1)
            .all(&self.db.read)
            .await
            .db()?;
        let sessions = with_characters(&self.db.read, rows).await?;
        Ok(Page::from_rows(sessions, page).map(|session| {
            let cursor = Writer::new(SESSIONS)
                .i64(session.updated_at.0)
                .uuid(session.id.uuid())
                .finish();
            (session, cursor)
        }))
    }

    pub async fn count(&self, owner: UserId, archived: bool) -> Result<u64> {
        chat_session::Entity::find()
            .filter(owned(owner, archived))
            .count(&self.db.read)
            .await
            .db()
    }

    /// Archived ones included.
    pub async fn count_by_owner(&self, owner: UserId) -> Result<u32> {
        let count = chat_session::Entity::find()
            .filter(chat_session::Column::OwnerId.eq(owner.uuid()))
            .count(&self.db.read)
            .await
            .db()?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// `None` if there is no such session.
    pub async fn update(&self, id: SessionId, change: SessionChange, now: Timestamp) -> Result<Option<ChatSession>> {
        use chat_session::Column;
        let tx = self.db.begin().await?;
        let Some(row) = lock(&tx, id).await? else {
            return Ok(None);
        };
        let (mut setup, mut state) = (from_json(&row.setup)?, from_json(&row.state)?);
        change.setup.apply(&mut setup, &mut state);
        let mut update = chat_session::Entity::update_many()
            .filter(Column::Id.eq(id.uuid()))
            .col_expr(Column::Setup, Expr::value(to_json(&setup)?))
            .col_expr(Column::State, Expr::value(to_json(&state)?))
            .col_expr(Column::UpdatedAt, Expr::value(now.0));
        if let Some(title) = change.title {
            update = update.col_expr(Column::Title, Expr::value(title));
        }
        if let Some(model) = change.model {
            update = update.col_expr(Column::Model, Expr::value(model));
        }
        if let Some(is_archived) = change.is_archived {
            update = update.col_expr(Column::IsArchived, Expr::value(is_archived));
        }
        let rows = update.exec_with_returning(&tx).await.db()?;
        let changed = with_characters(&tx, rows).await?.pop();
        tx.commit().await.db()?;
        Ok(changed)
    }

    /// The session, its messages, its generations and what extensions keep for it are gone at once. `None` if there is no such session.
    pub async fn delete(&self, id: SessionId) -> Result<Option<DeletedSession>> {
        let tx = self.db.begin().await?;
        // Before the session, as those who keep values do: nobody moves values of it to another version meanwhile.
        lock_installations(&tx, id).await?;
        let Some(session) = lock(&tx, id).await? else {
            return Ok(None);
        };
        let messages: Vec<Uuid> = message_row::Entity::find()
            .select_only()
            .column(message_row::Column::Id)
            .filter(message_row::Column::SessionId.eq(id.uuid()))
            .into_tuple()
            .all(&tx)
            .await
            .db()?;
        let generations: Vec<Uuid> = generation::Entity::find()
            .select_only()
            .column(generation::Column::Id)
            .filter(generation::Column::SessionId.eq(id.uuid()))
            .into_tuple()
            .all(&tx)
            .await
            .db()?;
        chat_session::Entity::delete_by_id(id.uuid()).exec(&tx).await.db()?;
        // After the session: whoever was just writing some of it has done so, and nobody begins to.
        forget_chat(&tx, session.owner_id, id).await?;
        tx.commit().await.db()?;
        Ok(Some(DeletedSession {
            messages: messages.into_iter().map(MessageId::from_uuid).collect(),
            generations: generations.into_iter().map(GenerationId::from_uuid).collect(),
        }))
    }

    /// Sets `count` consecutive sequence numbers aside and gives the first; `None` if there is no such session.
    pub async fn reserve_sequences(&self, id: SessionId, count: i32) -> Result<Option<i32>> {
        let rows = chat_session::Entity::update_many()
            .filter(chat_session::Column::Id.eq(id.uuid()))
            .col_expr(
                chat_session::Column::NextSequence,
                Expr::col(chat_session::Column::NextSequence).add(count),
            )
            .exec_with_returning(&self.db.write)
            .await
            .db()?;
        Ok(rows.first().map(|row| row.next_sequence - count))
    }

    /// What the file of an imported chat says of it; `None` for a chat that began here.
    pub async fn file(&self, id: SessionId) -> Result<Option<String>> {
        let row = only(chat_file::Entity::find_by_id(id.uuid()), &self.db.read).await?;
        Ok(row.map(|row| row.body))
    }

    /// Every fork among an account's chats, with the chat it goes on from, where that is still there.
    pub async fn forks(&self, owner: UserId) -> Result<Vec<(SessionId, SessionId)>> {
        let sql = "SELECT fork.id, message.session_id FROM chat_sessions AS fork \
                   JOIN messages AS message ON message.id = fork.forked_from \
                   WHERE fork.owner_id = $1 AND fork.forked_from IS NOT NULL ORDER BY fork.id";
        let rows = self.db.rows(sql.to_owned(), vec![owner.uuid().into()]).await?;
        let pair = |row: &QueryResult| {
            let (fork, source): (Uuid, Uuid) = (row.try_get_by_index(0).db()?, row.try_get_by_index(1).db()?);
            Ok((SessionId::from_uuid(fork), SessionId::from_uuid(source)))
        };
        rows.iter().map(pair).collect()
    }

    /// Variables that macros keep for an account.
    pub async fn account_variables(&self, user: UserId) -> Result<Variables> {
        let row = only(user_variables::Entity::find_by_id(user.uuid()), &self.db.read).await?;
        row.map_or_else(|| Ok(Variables::new()), |row| from_json(&row.body))
    }

    /// Remembers what a turn without a reply has done.
    pub async fn remember(&self, id: SessionId, effects: &TurnEffects) -> Result<()> {
        let tx = self.db.begin().await?;
        if let Some(session) = lock(&tx, id).await? {
            let owner = UserId::from_uuid(session.owner_id);
            remember(&tx, session, owner, effects).await?;
        }
        tx.commit().await.db()
    }

    /// Changes variables of a session apart from its turns; `set` gets them as they are now. Nothing happens to
    /// a session that is gone.
    pub async fn change_variables(&self, id: SessionId, set: impl FnOnce(&mut Variables) + Send) -> Result<()> {
        let tx = self.db.begin().await?;
        if let Some(session) = lock(&tx, id).await? {
            let mut state: SessionState = from_json(&session.state)?;
            set(&mut state.variables);
            chat_session::Entity::update_many()
                .filter(chat_session::Column::Id.eq(session.id))
                .col_expr(chat_session::Column::State, Expr::value(to_json(&state)?))
                .exec(&tx)
                .await
                .db()?;
        }
        tx.commit().await.db()
    }

    /// Moves the session up in its owner's list.
    pub async fn touch(&self, id: SessionId, now: Timestamp) -> Result<()> {
        chat_session::Entity::update_many()
            .filter(chat_session::Column::Id.eq(id.uuid()))
            .col_expr(chat_session::Column::UpdatedAt, Expr::value(now.0))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(())
    }
}

/// A session's row, and what belongs to it.
async fn insert(
    tx: &DatabaseTransaction,
    session: &ChatSession,
    messages: &[MessageRow],
    file: Option<&str>,
) -> Result<()> {
    let id = session.id.uuid();
    let row = chat_session::ActiveModel {
        id: Set(id),
        owner_id: Set(session.owner.uuid()),
        title: Set(session.title.clone()),
        model: Set(session.model.clone()),
        is_archived: Set(session.is_archived),
        message_count: Set(session.message_count),
        next_sequence: Set(messages.iter().map(|message| message.sequence + 1).max().unwrap_or(1)),
        total_tokens: Set(session.total_tokens),
        created_at: Set(session.created_at.0),
        updated_at: Set(session.updated_at.0),
        last_message_at: Set(session.last_message_at.map(|at| at.0)),
        forked_from: Set(session.forked_from.map(MessageId::uuid)),
        setup: Set(to_json(&session.setup)?),
        state: Set(to_json(&session.state)?),
    };
    row.insert(tx).await.db()?;
    let participants = (0..)
        .zip(&session.characters)
        .map(|(position, character)| session_character::ActiveModel {
            session_id: Set(id),
            position: Set(position),
            character_id: Set(character.uuid()),
        });
    session_character::Entity::insert_many(participants)
        .exec_without_returning(tx)
        .await
        .db()?;
    message::insert(tx, messages).await?;
    if let Some(file) = file {
        let row = chat_file::ActiveModel {
            session_id: Set(id),
            body: Set(file.to_owned()),
        };
        chat_file::Entity::insert(row).exec_without_returning(tx).await.db()?;
    }
    if session.forked_from.is_none() {
        count_chat(tx, &session.characters).await?;
    }
    Ok(())
}

fn owned(owner: UserId, archived: bool) -> Condition {
    Condition::all()
        .add(chat_session::Column::OwnerId.eq(owner.uuid()))
        .add(chat_session::Column::IsArchived.eq(archived))
}

/// Reads a session under its lock. All that changes a session's messages or generations takes it
/// first, in this order, so that no two of them wait for each other.
pub(crate) async fn lock(tx: &impl ConnectionTrait, id: SessionId) -> Result<Option<chat_session::Model>> {
    only(
        chat_session::Entity::find_by_id(id.uuid()).lock(LockType::NoKeyUpdate),
        tx,
    )
    .await
}

/// Applies what a turn has done to the memory of its session, read under its lock, and of its account.
pub(crate) async fn remember(
    tx: &impl ConnectionTrait,
    session: chat_session::Model,
    user: UserId,
    effects: &TurnEffects,
) -> Result<()> {
    let mut state: SessionState = from_json(&session.state)?;
    state.accept(effects);
    chat_session::Entity::update_many()
        .filter(chat_session::Column::Id.eq(session.id))
        .col_expr(chat_session::Column::State, Expr::value(to_json(&state)?))
        .exec(tx)
        .await
        .db()?;
    if effects.account_variables.is_empty() {
        return Ok(());
    }
    // The insert takes the row's lock where there was none.
    let empty = user_variables::ActiveModel {
        user_id: Set(user.uuid()),
        body: Set("{}".to_owned()),
    };
    user_variables::Entity::insert(empty)
        .on_conflict(
            OnConflict::column(user_variables::Column::UserId)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await
        .db()?;
    let find = user_variables::Entity::find_by_id(user.uuid()).lock(LockType::NoKeyUpdate);
    let row = only(find, tx)
        .await?
        .ok_or_else(|| Error::internal("a row vanished behind its lock"))?;
    let mut variables = from_json(&row.body)?;
    merge(&mut variables, &effects.account_variables);
    user_variables::Entity::update_many()
        .filter(user_variables::Column::UserId.eq(user.uuid()))
        .col_expr(user_variables::Column::Body, Expr::value(to_json(&variables)?))
        .exec(tx)
        .await
        .db()?;
    Ok(())
}

/// Adds the characters, in the order of the rows.
async fn with_characters(db: &impl ConnectionTrait, rows: Vec<chat_session::Model>) -> Result<Vec<ChatSession>> {
    let mut characters: HashMap<Uuid, Vec<CharacterId>> = HashMap::with_capacity(rows.len());
    for list in lists(rows.iter().map(|row| row.id)) {
        let found = session_character::Entity::find()
            .filter(session_character::Column::SessionId.is_in(list))
            .order_by_asc(session_character::Column::Position)
            .all(db)
            .await
            .db()?;
        for row in found {
            characters
                .entry(row.session_id)
                .or_default()
                .push(CharacterId::from_uuid(row.character_id));
        }
    }
    let mut sessions = Vec::with_capacity(rows.len());
    for row in rows {
        sessions.push(ChatSession {
            characters: characters.remove(&row.id).unwrap_or_default(),
            id: SessionId::from_uuid(row.id),
            owner: UserId::from_uuid(row.owner_id),
            title: row.title,
            model: row.model,
            is_archived: row.is_archived,
            message_count: row.message_count,
            total_tokens: row.total_tokens,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
            last_message_at: row.last_message_at.map(Timestamp),
            forked_from: row.forked_from.map(MessageId::from_uuid),
            setup: from_json(&row.setup)?,
            state: from_json(&row.state)?,
        });
    }
    Ok(sessions)
}
