//! Generations: the authority over a reply. Only the writer with the row's fence may change it, and
//! it ends once.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use tavern_domain::chat::TurnEffects;
use tavern_domain::generation::{Generation, GenerationAttempt, GenerationKind, GenerationStatus};
use tavern_domain::{CharacterId, Error, GenerationId, MessageId, Result, SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::chat::{self, remember};
use crate::db::{Db, DbResult, lists, only};
use crate::entity::{chat_session, generation};
use crate::extension::add_job;

/// Statuses with smaller codes are those of a generation that has not ended; the partial indexes of
/// the table say the same.
pub(crate) const RUNNING_BELOW: i16 = GenerationStatus::Completed.code();

/// Generations. Cheap to clone.
#[derive(Clone)]
pub struct GenerationStore {
    pub(crate) db: Db,
}

impl GenerationStore {
    pub async fn get(&self, id: GenerationId) -> Result<Option<Generation>> {
        only(generation::Entity::find_by_id(id.uuid()), &self.db.read)
            .await?
            .map(to_generation)
            .transpose()
    }

    /// Those that exist, in no particular order.
    pub async fn by_ids(&self, ids: &[GenerationId]) -> Result<Vec<Generation>> {
        let mut found = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = generation::Entity::find()
                .filter(generation::Column::Id.is_in(list))
                .all(&self.db.read)
                .await
                .db()?;
            for row in rows {
                found.push(to_generation(row)?);
            }
        }
        Ok(found)
    }

    /// What has not ended in this session.
    pub async fn active(&self, session: SessionId) -> Result<Vec<Generation>> {
        let rows = generation::Entity::find()
            .filter(generation::Column::SessionId.eq(session.uuid()))
            .filter(running())
            .all(&self.db.read)
            .await
            .db()?;
        rows.into_iter().map(to_generation).collect()
    }

    /// Notes how far a writer is. False, and no change, if the generation ended or has another writer.
    pub async fn progress(
        &self,
        id: GenerationId,
        fence: i32,
        status: GenerationStatus,
        provider: Option<&str>,
        attempts: &[GenerationAttempt],
        first_token_at: Option<Timestamp>,
    ) -> Result<bool> {
        let change = generation::ActiveModel {
            status: Set(status.code()),
            provider: Set(provider.map(str::to_owned)),
            attempts: Set(to_json(attempts)),
            first_token_at: Set(first_token_at.map(|at| at.0)),
            ..Default::default()
        };
        let updated = generation::Entity::update_many()
            .set(change)
            .filter(written_by(id, fence))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(updated.rows_affected > 0)
    }

    /// Prolongs leases. Gives those that are still this writer's, and whether they are to be cancelled.
    pub async fn renew(&self, leases: &[(GenerationId, i32)], until: Timestamp) -> Result<Vec<(GenerationId, bool)>> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        // In one order on all nodes, so that two renewals do not wait for each other.
        let mut leases = leases.to_vec();
        leases.sort_unstable();
        let tx = self.db.begin().await?;
        let mut ours = Vec::with_capacity(leases.len());
        for (id, fence) in leases {
            let rows = generation::Entity::update_many()
                .col_expr(generation::Column::LeaseUntil, Expr::value(until.0))
                .filter(written_by(id, fence))
                .exec_with_returning(&tx)
                .await
                .db()?;
            ours.extend(rows.first().map(|row| (id, row.cancel_requested)));
        }
        tx.commit().await.db()?;
        Ok(ours)
    }

    /// Asks the writer to stop. False if the generation ended or is not there.
    pub async fn request_cancel(&self, id: GenerationId) -> Result<bool> {
        let asked = generation::Entity::update_many()
            .col_expr(generation::Column::CancelRequested, Expr::value(true))
            .filter(generation::Column::Id.eq(id.uuid()))
            .filter(running())
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(asked.rows_affected > 0)
    }

    /// Ends a generation, adds its tokens to the session, and remembers what the turn has done. False,
    /// and no change, if it ended before or has another writer.
    pub async fn finish(&self, ended: &Generation, session_tokens: i64, effects: Option<&TurnEffects>) -> Result<bool> {
        self.settle(ended, session_tokens, effects, None).await
    }

    /// The same, and stores that its `after-reply` hooks are still to be called: by the caller until
    /// `lease`, and then by whoever takes the job over.
    pub async fn finish_with_job(
        &self,
        ended: &Generation,
        session_tokens: i64,
        effects: Option<&TurnEffects>,
        lease: Timestamp,
    ) -> Result<bool> {
        self.settle(ended, session_tokens, effects, Some(lease)).await
    }

    async fn settle(
        &self,
        ended: &Generation,
        session_tokens: i64,
        effects: Option<&TurnEffects>,
        job: Option<Timestamp>,
    ) -> Result<bool> {
        let change = generation::ActiveModel {
            status: Set(ended.status.code()),
            provider: Set(ended.provider.clone()),
            attempts: Set(to_json(&ended.attempts)),
            usage: Set(ended.usage.as_ref().map(to_json)),
            finish_reason: Set(ended.finish_reason.clone()),
            error: Set(ended.error.as_ref().map(to_json)),
            sha256: Set(ended.sha256.clone()),
            length: Set(ended.length),
            first_token_at: Set(ended.first_token_at.map(|at| at.0)),
            ended_at: Set(ended.ended_at.map(|at| at.0)),
            ..Default::default()
        };
        let tx = self.db.begin().await?;
        let session = chat::lock(&tx, ended.session).await?;
        let settled = generation::Entity::update_many()
            .set(change)
            .filter(written_by(ended.id, ended.fence))
            .exec(&tx)
            .await
            .db()?;
        if settled.rows_affected == 0 {
            return Ok(false);
        }
        chat_session::Entity::update_many()
            .filter(chat_session::Column::Id.eq(ended.session.uuid()))
            .col_expr(
                chat_session::Column::TotalTokens,
                Expr::col(chat_session::Column::TotalTokens).add(session_tokens),
            )
            .exec(&tx)
            .await
            .db()?;
        if let Some((session, effects)) = session.zip(effects) {
            remember(&tx, session, ended.user, effects).await?;
        }
        if let Some(lease) = job {
            add_job(&tx, ended, lease).await?;
        }
        tx.commit().await.db()?;
        Ok(true)
    }

    /// Takes over generations whose writer let its lease run out, the longest overdue first: they get
    /// the next fence and a lease until `until`. Gives them as they are now stored.
    pub async fn take_over_expired(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<Generation>> {
        let overdue = Condition::all()
            .add(running())
            .add(generation::Column::LeaseUntil.lt(now.0));
        let tx = self.db.begin().await?;
        // What another node is just taking over is not waited for.
        let ids: Vec<Uuid> = generation::Entity::find()
            .select_only()
            .column(generation::Column::Id)
            .filter(overdue)
            .order_by_asc(generation::Column::LeaseUntil)
            .limit(u64::from(limit))
            .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
            .into_tuple()
            .all(&tx)
            .await
            .db()?;
        let mut taken = Vec::with_capacity(ids.len());
        for list in lists(ids) {
            let rows = generation::Entity::update_many()
                .col_expr(generation::Column::Fence, Expr::col(generation::Column::Fence).add(1))
                .col_expr(generation::Column::LeaseUntil, Expr::value(until.0))
                .filter(generation::Column::Id.is_in(list))
                .exec_with_returning(&tx)
                .await
                .db()?;
            for row in rows {
                taken.push(to_generation(row)?);
            }
        }
        tx.commit().await.db()?;
        Ok(taken)
    }
}

fn running() -> Expr {
    // Spelt out and not bound: the planner must see it to use the partial indexes.
    Expr::cust(format!("status < {RUNNING_BELOW}"))
}

fn written_by(id: GenerationId, fence: i32) -> Condition {
    Condition::all()
        .add(generation::Column::Id.eq(id.uuid()))
        .add(generation::Column::Fence.eq(fence))
        .add(running())
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("no map in it has keys that are not strings")
}

pub(crate) fn to_active(new: &Generation) -> generation::ActiveModel {
    generation::ActiveModel {
        id: Set(new.id.uuid()),
        session_id: Set(new.session.uuid()),
        user_id: Set(new.user.uuid()),
        message_id: Set(new.message.map(MessageId::uuid)),
        character_id: Set(new.character.map(CharacterId::uuid)),
        kind: Set(new.kind.code()),
        status: Set(new.status.code()),
        model: Set(new.model.clone()),
        provider: Set(new.provider.clone()),
        options: Set(to_json(&new.options)),
        attempts: Set(to_json(&new.attempts)),
        usage: Set(new.usage.as_ref().map(to_json)),
        finish_reason: Set(new.finish_reason.clone()),
        error: Set(new.error.as_ref().map(to_json)),
        sha256: Set(new.sha256.clone()),
        length: Set(new.length),
        fence: Set(new.fence),
        lease_until: Set(new.lease_until.0),
        cancel_requested: Set(new.cancel_requested),
        created_at: Set(new.created_at.0),
        first_token_at: Set(new.first_token_at.map(|at| at.0)),
        ended_at: Set(new.ended_at.map(|at| at.0)),
    }
}

fn to_generation(row: generation::Model) -> Result<Generation> {
    Ok(Generation {
        id: GenerationId::from_uuid(row.id),
        session: SessionId::from_uuid(row.session_id),
        user: UserId::from_uuid(row.user_id),
        message: row.message_id.map(MessageId::from_uuid),
        character: row.character_id.map(CharacterId::from_uuid),
        kind: GenerationKind::from_code(row.kind),
        status: GenerationStatus::from_code(row.status),
        model: row.model,
        provider: row.provider,
        options: serde_json::from_str(&row.options).map_err(Error::internal)?,
        attempts: serde_json::from_str(&row.attempts).map_err(Error::internal)?,
        usage: row
            .usage
            .as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(Error::internal)?,
        finish_reason: row.finish_reason,
        error: row
            .error
            .as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(Error::internal)?,
        sha256: row.sha256,
        length: row.length,
        fence: row.fence,
        lease_until: Timestamp(row.lease_until),
        cancel_requested: row.cancel_requested,
        created_at: Timestamp(row.created_at),
        first_token_at: row.first_token_at.map(Timestamp),
        ended_at: row.ended_at.map(Timestamp),
    })
}
