//! Turns: the one transaction that makes messages and a generation real, once for each idempotency key.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockType, OnConflict, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use tavern_domain::chat::MessageRow;
use tavern_domain::generation::Generation;
use tavern_domain::{Error, GenerationId, MessageId, Result, SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::chat::{ChatStore, lock, message};
use crate::db::{DbResult, only};
use crate::entity::{chat_session, generation, idempotency_key, message as message_row, user};
use crate::generation::{RUNNING_BELOW, to_active};

/// What a turn is to make real.
#[derive(Debug, Clone)]
pub struct TurnStart {
    pub session: SessionId,
    /// New messages, at most two: the user's and the reply's.
    pub messages: Vec<MessageRow>,
    pub generation: Option<Generation>,
    /// A message there is, which now belongs to the generation.
    pub reply_into: Option<MessageId>,
    pub idempotency: Option<Idempotency>,
    pub now: Timestamp,
    /// Messages the session may have.
    pub max_messages: u32,
    /// Generations the user may have running.
    pub max_active: u32,
}

/// A key under which a turn happens at most once until it expires.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub user: UserId,
    pub key: String,
    /// Tells a repetition from another request under the same key.
    pub request_hash: [u8; 32],
    pub expires_at: Timestamp,
}

/// What became of a turn; all but `Started` changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnOutcome {
    Started,
    /// The key was used before, for this.
    Replayed {
        request_hash: [u8; 32],
        /// The first new message.
        message: Option<MessageId>,
        generation: Option<GenerationId>,
    },
    /// A reply is being written in this session.
    Busy(GenerationId),
    SessionFull,
    TooManyActive,
    /// The session, or the message to reply into, is not there.
    SessionGone,
}

impl ChatStore {
    /// Looks at the key, the session, what runs in it, what runs for the user, and the room left, in
    /// this order; then makes the turn real.
    pub async fn begin_turn(&self, turn: TurnStart) -> Result<TurnOutcome> {
        let tx = self.db.begin().await?;
        // The row of the key is also its lock: whoever comes second waits here for the first.
        if let Some(idempotency) = &turn.idempotency
            && !claim(&tx, idempotency, &turn).await?
        {
            let used = used(&tx, idempotency.user, &idempotency.key).await?;
            return used.ok_or_else(|| Error::internal("an idempotency key vanished while it was looked at"));
        }
        if let Some(refused) = refusal(&tx, &turn).await? {
            return Ok(refused);
        }
        message::insert(&tx, &turn.messages).await?;
        if let Some(generation) = &turn.generation {
            generation::Entity::insert(to_active(generation))
                .exec_without_returning(&tx)
                .await
                .db()?;
        }
        if let Some(reply) = turn.reply_into {
            let generation = turn.generation.as_ref().map(|generation| generation.id.uuid());
            let owned = message_row::Entity::update_many()
                .filter(message_row::Column::Id.eq(reply.uuid()))
                .filter(message_row::Column::SessionId.eq(turn.session.uuid()))
                .col_expr(message_row::Column::GenerationId, Expr::value(generation))
                .exec(&tx)
                .await
                .db()?;
            if owned.rows_affected == 0 {
                return Ok(TurnOutcome::SessionGone);
            }
        }
        bump(&tx, &turn).await?;
        tx.commit().await.db()?;
        Ok(TurnOutcome::Started)
    }

    /// What a key was used for, while it is remembered.
    pub async fn replayed(&self, user: UserId, key: &str, now: Timestamp) -> Result<Option<TurnOutcome>> {
        let live = idempotency_key::Entity::find_by_id((user.uuid(), key.to_owned()))
            .filter(idempotency_key::Column::ExpiresAt.gt(now.0));
        only(live, &self.db.read).await?.map(to_replayed).transpose()
    }

    /// Forgets keys that have expired. How many.
    pub async fn purge_idempotency(&self, now: Timestamp) -> Result<u64> {
        let purged = idempotency_key::Entity::delete_many()
            .filter(idempotency_key::Column::ExpiresAt.lte(now.0))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(purged.rows_affected)
    }
}

/// Takes the key for this turn, from a turn whose time is over if need be; false if it is in use.
async fn claim(tx: &impl ConnectionTrait, idempotency: &Idempotency, turn: &TurnStart) -> Result<bool> {
    use idempotency_key::Column::{ExpiresAt, GenerationId, Key, MessageId, RequestHash, UserId};
    let over = Expr::col((idempotency_key::Entity, ExpiresAt)).lte(turn.now.0);
    let row = idempotency_key::ActiveModel {
        user_id: Set(idempotency.user.uuid()),
        key: Set(idempotency.key.clone()),
        request_hash: Set(idempotency.request_hash.to_vec()),
        message_id: Set(turn.messages.first().map(|row| row.id.uuid())),
        generation_id: Set(turn.generation.as_ref().map(|generation| generation.id.uuid())),
        expires_at: Set(idempotency.expires_at.0),
    };
    let taken = idempotency_key::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([UserId, Key])
                .update_columns([RequestHash, MessageId, GenerationId, ExpiresAt])
                .action_and_where(over)
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await
        .db()?;
    Ok(taken > 0)
}

async fn used(tx: &impl ConnectionTrait, user: UserId, key: &str) -> Result<Option<TurnOutcome>> {
    let of_key = idempotency_key::Entity::find_by_id((user.uuid(), key.to_owned()));
    only(of_key, tx).await?.map(to_replayed).transpose()
}

fn to_replayed(row: idempotency_key::Model) -> Result<TurnOutcome> {
    let request_hash = row
        .request_hash
        .try_into()
        .map_err(|_| Error::internal("a stored request hash does not have 32 bytes"))?;
    Ok(TurnOutcome::Replayed {
        request_hash,
        message: row.message_id.map(MessageId::from_uuid),
        generation: row.generation_id.map(GenerationId::from_uuid),
    })
}

/// Why the turn cannot be, if it cannot. Leaves the session locked.
async fn refusal(tx: &impl ConnectionTrait, turn: &TurnStart) -> Result<Option<TurnOutcome>> {
    if let Some(generation) = &turn.generation {
        // Orders the turns of a user, so that their number is right. Before the session, as everywhere.
        let payer = user::Entity::find_by_id(generation.user.uuid()).lock(LockType::NoKeyUpdate);
        only(payer, tx).await?;
    }
    let Some(session) = lock(tx, turn.session).await? else {
        return Ok(Some(TurnOutcome::SessionGone));
    };
    if let Some(generation) = &turn.generation {
        let running = generation::Entity::find().filter(generation::Column::Status.lt(RUNNING_BELOW));
        let busy: Vec<Uuid> = running
            .clone()
            .filter(generation::Column::SessionId.eq(turn.session.uuid()))
            .select_only()
            .column(generation::Column::Id)
            .into_tuple()
            .all(tx)
            .await
            .db()?;
        if let Some(busy) = busy.first() {
            return Ok(Some(TurnOutcome::Busy(GenerationId::from_uuid(*busy))));
        }
        let active = running
            .filter(generation::Column::UserId.eq(generation.user.uuid()))
            .count(tx)
            .await
            .db()?;
        if active >= u64::from(turn.max_active) {
            return Ok(Some(TurnOutcome::TooManyActive));
        }
    }
    let full = i64::from(session.message_count) + turn.messages.len() as i64 > i64::from(turn.max_messages);
    Ok((full && !turn.messages.is_empty()).then_some(TurnOutcome::SessionFull))
}

async fn bump(tx: &impl ConnectionTrait, turn: &TurnStart) -> Result<()> {
    use chat_session::Column::{Id, LastMessageAt, MessageCount, UpdatedAt};
    let added = i32::try_from(turn.messages.len()).unwrap_or(i32::MAX);
    let mut update = Query::update()
        .table(chat_session::Entity)
        .value(UpdatedAt, turn.now.0)
        .value(MessageCount, Expr::col(MessageCount).add(added))
        .and_where(Id.eq(turn.session.uuid()))
        .to_owned();
    if added > 0 {
        update.value(LastMessageAt, turn.now.0);
    }
    tx.execute(&update).await.db()?;
    Ok(())
}
