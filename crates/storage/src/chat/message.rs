//! Where messages stand: the rows that make their documents real.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryResult, QuerySelect};
use tavern_domain::chat::{Author, ChatRole, MessageRow};
use tavern_domain::page::{Direction, Page, PageRequest, bad_cursor};
use tavern_domain::{CharacterId, GenerationId, MessageId, Result, SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::chat::{ChatStore, lock};
use crate::cursor::{Reader, Writer};
use crate::db::{DbResult, lists, only};
use crate::entity::{chat_session, message};

/// The tag of a cursor in a list of messages.
const MESSAGES: u8 = 33;

/// Rows of one statement; the databases take some ten thousand values each.
const INSERT_ROWS: usize = 500;

const COLUMNS: &str =
    "id, session_id, sequence, role, author_user_id, author_character_id, generation_id, is_hidden, created_at";

impl ChatStore {
    pub async fn message(&self, id: MessageId) -> Result<Option<MessageRow>> {
        Ok(only(message::Entity::find_by_id(id.uuid()), &self.db.read)
            .await?
            .map(to_row))
    }

    /// Those that exist, in no particular order.
    pub async fn messages(&self, ids: &[MessageId]) -> Result<Vec<MessageRow>> {
        let mut found = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = message::Entity::find()
                .filter(message::Column::Id.is_in(list))
                .all(&self.db.read)
                .await
                .db()?;
            found.extend(rows.into_iter().map(to_row));
        }
        Ok(found)
    }

    /// A session's messages with their cursors, oldest first.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `after` or `before` for what is not a cursor of this list.
    pub async fn message_page(&self, session: SessionId, page: &PageRequest) -> Result<Page<(MessageRow, String)>> {
        let bound = |argument: &str, cursor: Option<&String>, open: i64| {
            let Some(cursor) = cursor else { return Ok(open) };
            let mut reader = Reader::new(cursor, MESSAGES).ok_or_else(|| bad_cursor(argument))?;
            let sequence = reader.i64().ok_or_else(|| bad_cursor(argument))?;
            reader.finish().map(|()| sequence).ok_or_else(|| bad_cursor(argument))
        };
        let (after, before) = (
            bound("after", page.after.as_ref(), i64::MIN)?,
            bound("before", page.before.as_ref(), i64::MAX)?,
        );
        let rows = self
            .between(session, after, before, page.direction, u64::from(page.limit) + 1)
            .await?;
        Ok(Page::from_rows(rows, page).map(|row| {
            let cursor = Writer::new(MESSAGES).i64(row.sequence.into()).finish();
            (row, cursor)
        }))
    }

    /// The last `limit` messages before a sequence number, or of all; oldest first.
    pub async fn tail(&self, session: SessionId, before_sequence: Option<i32>, limit: u32) -> Result<Vec<MessageRow>> {
        let before = before_sequence.map_or(i64::MAX, i64::from);
        let mut rows = self
            .between(session, i64::MIN, before, Direction::Backward, limit.into())
            .await?;
        rows.reverse();
        Ok(rows)
    }

    /// The hot read. The limit is spelt out: SQLite plans a statement anew whenever a bound one is bound.
    async fn between(
        &self,
        session: SessionId,
        after: i64,
        before: i64,
        direction: Direction,
        limit: u64,
    ) -> Result<Vec<MessageRow>> {
        let way = match direction {
            Direction::Forward => "ASC",
            Direction::Backward => "DESC",
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE session_id = $1 AND sequence > $2 AND sequence < $3 ORDER BY sequence {way} LIMIT {limit}"
        );
        let rows = self
            .db
            .rows(sql, vec![session.uuid().into(), after.into(), before.into()])
            .await?;
        rows.iter().map(decode).collect()
    }

    /// What the user has said in a session, hidden messages left out.
    pub async fn count_user_messages(&self, session: SessionId) -> Result<u32> {
        let count = message::Entity::find()
            .filter(message::Column::SessionId.eq(session.uuid()))
            .filter(message::Column::Role.eq(ChatRole::User.code()))
            .filter(message::Column::IsHidden.eq(false))
            .count(&self.db.read)
            .await
            .db()?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// `None` if the session has no such message.
    pub async fn set_hidden(&self, session: SessionId, id: MessageId, is_hidden: bool) -> Result<Option<MessageRow>> {
        let rows = message::Entity::update_many()
            .filter(message::Column::Id.eq(id.uuid()))
            .filter(message::Column::SessionId.eq(session.uuid()))
            .col_expr(message::Column::IsHidden, Expr::value(is_hidden))
            .exec_with_returning(&self.db.write)
            .await
            .db()?;
        Ok(rows.into_iter().next().map(to_row))
    }

    /// Deletes messages of a session and gives those that it had. Generations that wrote into them stay.
    pub async fn delete_messages(
        &self,
        session: SessionId,
        ids: &[MessageId],
        now: Timestamp,
    ) -> Result<Vec<MessageId>> {
        let tx = self.db.begin().await?;
        if lock(&tx, session).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut deleted = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let here = message::Column::Id
                .is_in(list)
                .and(message::Column::SessionId.eq(session.uuid()));
            let found: Vec<Uuid> = message::Entity::find()
                .select_only()
                .column(message::Column::Id)
                .filter(here.clone())
                .into_tuple()
                .all(&tx)
                .await
                .db()?;
            message::Entity::delete_many().filter(here).exec(&tx).await.db()?;
            deleted.extend(found.into_iter().map(MessageId::from_uuid));
        }
        if deleted.is_empty() {
            return Ok(deleted);
        }
        let gone = i32::try_from(deleted.len()).unwrap_or(i32::MAX);
        chat_session::Entity::update_many()
            .filter(chat_session::Column::Id.eq(session.uuid()))
            .col_expr(
                chat_session::Column::MessageCount,
                Expr::col(chat_session::Column::MessageCount).sub(gone),
            )
            .col_expr(chat_session::Column::UpdatedAt, Expr::value(now.0))
            .exec(&tx)
            .await
            .db()?;
        tx.commit().await.db()?;
        Ok(deleted)
    }
}

pub(super) async fn insert(db: &impl ConnectionTrait, rows: &[MessageRow]) -> Result<()> {
    let rows = rows.iter().map(|row| {
        let (user, character) = match row.author {
            Some(Author::User(id)) => (Some(id.uuid()), None),
            Some(Author::Character(id)) => (None, Some(id.uuid())),
            None => (None, None),
        };
        message::ActiveModel {
            id: Set(row.id.uuid()),
            session_id: Set(row.session.uuid()),
            sequence: Set(row.sequence),
            role: Set(row.role.code()),
            author_user_id: Set(user),
            author_character_id: Set(character),
            generation_id: Set(row.generation.map(GenerationId::uuid)),
            is_hidden: Set(row.is_hidden),
            created_at: Set(row.created_at.0),
        }
    });
    let rows: Vec<_> = rows.collect();
    // A statement has room for so many values only.
    for rows in rows.chunks(INSERT_ROWS) {
        message::Entity::insert_many(rows.to_vec())
            .exec_without_returning(db)
            .await
            .db()?;
    }
    Ok(())
}

fn decode(row: &QueryResult) -> Result<MessageRow> {
    let model = message::Model {
        id: row.try_get_by_index(0).db()?,
        session_id: row.try_get_by_index(1).db()?,
        sequence: row.try_get_by_index(2).db()?,
        role: row.try_get_by_index(3).db()?,
        author_user_id: row.try_get_by_index(4).db()?,
        author_character_id: row.try_get_by_index(5).db()?,
        generation_id: row.try_get_by_index(6).db()?,
        is_hidden: row.try_get_by_index(7).db()?,
        created_at: row.try_get_by_index(8).db()?,
    };
    Ok(to_row(model))
}

fn to_row(row: message::Model) -> MessageRow {
    let user = row.author_user_id.map(|id| Author::User(UserId::from_uuid(id)));
    let character = row
        .author_character_id
        .map(|id| Author::Character(CharacterId::from_uuid(id)));
    MessageRow {
        id: MessageId::from_uuid(row.id),
        session: SessionId::from_uuid(row.session_id),
        sequence: row.sequence,
        role: ChatRole::from_code(row.role),
        author: user.or(character),
        generation: row.generation_id.map(GenerationId::from_uuid),
        is_hidden: row.is_hidden,
        created_at: Timestamp(row.created_at),
    }
}
