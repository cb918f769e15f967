//! Replies whose `after-reply` hooks are still to be called: a job is stored with the end of its
//! reply, is held by a lease while somebody works on it, and goes when it is done.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tavern_domain::extension::AfterReplyJob;
use tavern_domain::generation::Generation;
use tavern_domain::{GenerationId, Result, SessionId, Timestamp};
use uuid::Uuid;

use super::ExtensionStore;
use crate::db::{DbResult, lists};
use crate::entity::after_reply_job;

/// Stores a job of which the caller holds the lease.
pub(crate) async fn add_job(tx: &impl ConnectionTrait, ended: &Generation, lease_until: Timestamp) -> Result<()> {
    let row = after_reply_job::ActiveModel {
        generation_id: Set(ended.id.uuid()),
        session_id: Set(ended.session.uuid()),
        lease_until: Set(lease_until.0),
        attempts: Set(1),
    };
    after_reply_job::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(tx)
        .await
        .db()?;
    Ok(())
}

impl ExtensionStore {
    /// Takes jobs that nobody works on, the longest overdue first, with a lease until `until`. Those
    /// that were begun `most` times are given up.
    pub async fn due_jobs(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
        most: u32,
    ) -> Result<Vec<AfterReplyJob>> {
        use after_reply_job::Column::{Attempts, GenerationId as Id, LeaseUntil};
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let tx = self.db.begin().await?;
        after_reply_job::Entity::delete_many()
            .filter(LeaseUntil.lt(now.0))
            .filter(Attempts.gte(most))
            .exec(&tx)
            .await
            .db()?;
        // What another node is just taking is not waited for.
        let ids: Vec<Uuid> = after_reply_job::Entity::find()
            .select_only()
            .column(Id)
            .filter(LeaseUntil.lt(now.0))
            .order_by_asc(LeaseUntil)
            .limit(u64::from(limit))
            .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
            .into_tuple()
            .all(&tx)
            .await
            .db()?;
        let mut taken = Vec::with_capacity(ids.len());
        for list in lists(ids) {
            let rows = after_reply_job::Entity::update_many()
                .col_expr(LeaseUntil, Expr::value(until.0))
                .col_expr(Attempts, Expr::col(Attempts).add(1))
                .filter(Id.is_in(list))
                .exec_with_returning(&tx)
                .await
                .db()?;
            taken.extend(rows.into_iter().map(|row| AfterReplyJob {
                generation: GenerationId::from_uuid(row.generation_id),
                session: SessionId::from_uuid(row.session_id),
                attempts: u32::try_from(row.attempts).unwrap_or(0),
            }));
        }
        tx.commit().await.db()?;
        Ok(taken)
    }

    /// Holds a job until `until`. False if it is no longer the caller's: it was begun again since, or is
    /// gone. `attempts` is which beginning was the caller's.
    pub async fn renew_job(&self, generation: GenerationId, attempts: u32, until: Timestamp) -> Result<bool> {
        use after_reply_job::Column::{Attempts, GenerationId as Id, LeaseUntil};
        let renewed = after_reply_job::Entity::update_many()
            .col_expr(LeaseUntil, Expr::value(until.0))
            .filter(Id.eq(generation.uuid()))
            .filter(Attempts.eq(i32::try_from(attempts).unwrap_or(i32::MAX)))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(renewed.rows_affected > 0)
    }

    /// Nothing is left to do after this reply. A job that was begun again since stays with who did.
    pub async fn job_done(&self, generation: GenerationId, attempts: u32) -> Result<()> {
        use after_reply_job::Column::{Attempts, GenerationId as Id};
        after_reply_job::Entity::delete_many()
            .filter(Id.eq(generation.uuid()))
            .filter(Attempts.eq(i32::try_from(attempts).unwrap_or(i32::MAX)))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(())
    }
}
