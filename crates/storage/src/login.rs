//! Logins: families of refresh tokens. A token is exchanged once for the next one; a token that
//! comes back later was stolen or its successor was, and ends the whole family.

use std::time::Duration;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tavern_domain::{RefreshFamilyId, Result, Timestamp, UserId};
use uuid::Uuid;

use crate::account::AccountStore;
use crate::db::{DbResult, only};
use crate::entity::{login, refresh_token};

/// What became of a refresh token that was to be exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    Rotated {
        user: UserId,
        family: RefreshFamilyId,
    },
    /// It was exchanged before, longer ago than the grace: the whole family is now revoked.
    Reused {
        user: UserId,
        family: RefreshFamilyId,
    },
    Expired,
    /// Its family was revoked before.
    Revoked,
    Unknown,
}

impl AccountStore {
    /// Starts a family with its first token.
    pub async fn create_login(
        &self,
        family: RefreshFamilyId,
        user: UserId,
        token_hash: [u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<()> {
        let tx = self.db.begin().await?;
        login::ActiveModel {
            id: Set(family.uuid()),
            user_id: Set(user.uuid()),
            created_at: Set(now.0),
            expires_at: Set(expires_at.0),
            revoked_at: Set(None),
        }
        .insert(&tx)
        .await
        .db()?;
        insert_token(&tx, family.uuid(), token_hash, now, expires_at).await?;
        tx.commit().await.db()
    }

    /// Exchanges a token for a new one that lives until `expires_at`. One that was exchanged no
    /// longer than `grace` ago gets a sibling: its first answer was lost, or two tabs were at it.
    pub async fn rotate(
        &self,
        token_hash: [u8; 32],
        new_hash: [u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
        grace: Duration,
    ) -> Result<Rotation> {
        let tx = self.db.begin().await?;
        let Some(token) = only(refresh_token::Entity::find_by_id(token_hash.to_vec()), &tx).await? else {
            return Ok(Rotation::Unknown);
        };
        // The family's lock orders the exchanges of its tokens, so the token is read again below it.
        let Some(family) = only(login::Entity::find_by_id(token.login_id).lock(LockType::Update), &tx).await? else {
            return Ok(Rotation::Unknown);
        };
        let Some(token) = only(refresh_token::Entity::find_by_id(token_hash.to_vec()), &tx).await? else {
            return Ok(Rotation::Unknown);
        };
        let (user, id) = (UserId::from_uuid(family.user_id), RefreshFamilyId::from_uuid(family.id));
        if family.revoked_at.is_some() {
            return Ok(Rotation::Revoked);
        }
        let outcome = match token.used_at {
            Some(used_at) if now.since(Timestamp(used_at)) > grace => {
                revoke(&tx, family.id, now).await?;
                Rotation::Reused { user, family: id }
            }
            _ if token.expires_at <= now.0 => return Ok(Rotation::Expired),
            used_at => {
                if used_at.is_none() {
                    refresh_token::Entity::update_many()
                        .filter(refresh_token::Column::Hash.eq(token.hash))
                        .col_expr(refresh_token::Column::UsedAt, Expr::value(now.0))
                        .exec(&tx)
                        .await
                        .db()?;
                }
                insert_token(&tx, family.id, new_hash, now, expires_at).await?;
                let newest = expires_at.0.max(family.expires_at);
                login::Entity::update_many()
                    .filter(login::Column::Id.eq(family.id))
                    .col_expr(login::Column::ExpiresAt, Expr::value(newest))
                    .exec(&tx)
                    .await
                    .db()?;
                Rotation::Rotated { user, family: id }
            }
        };
        tx.commit().await.db()?;
        Ok(outcome)
    }

    /// False if there is no such login, or it was revoked before.
    pub async fn revoke_login(&self, family: RefreshFamilyId, now: Timestamp) -> Result<bool> {
        revoke(&self.db.write, family.uuid(), now).await
    }

    /// Revokes the login of a token, used or not. `None` if there is none, or it was revoked before.
    pub async fn revoke_by_token(&self, token_hash: [u8; 32], now: Timestamp) -> Result<Option<RefreshFamilyId>> {
        let Some(token) = only(refresh_token::Entity::find_by_id(token_hash.to_vec()), &self.db.write).await? else {
            return Ok(None);
        };
        let revoked = revoke(&self.db.write, token.login_id, now).await?;
        Ok(revoked.then(|| RefreshFamilyId::from_uuid(token.login_id)))
    }

    /// The logins revoked at `since` or later, oldest first.
    pub async fn revoked_since(&self, since: Timestamp) -> Result<Vec<RefreshFamilyId>> {
        let ids: Vec<Uuid> = login::Entity::find()
            .select_only()
            .column(login::Column::Id)
            .filter(login::Column::RevokedAt.gte(since.0))
            .order_by_asc(login::Column::RevokedAt)
            .into_tuple()
            .all(&self.db.read)
            .await
            .db()?;
        Ok(ids.into_iter().map(RefreshFamilyId::from_uuid).collect())
    }

    /// Forgets tokens and logins that have expired. How many of both.
    pub async fn purge_expired(&self, now: Timestamp) -> Result<u64> {
        let tx = self.db.begin().await?;
        let tokens = refresh_token::Entity::delete_many()
            .filter(refresh_token::Column::ExpiresAt.lte(now.0))
            .exec(&tx)
            .await
            .db()?;
        let logins = login::Entity::delete_many()
            .filter(login::Column::ExpiresAt.lte(now.0))
            .exec(&tx)
            .await
            .db()?;
        tx.commit().await.db()?;
        Ok(tokens.rows_affected + logins.rows_affected)
    }
}

async fn insert_token(
    db: &impl ConnectionTrait,
    family: Uuid,
    hash: [u8; 32],
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    let row = refresh_token::ActiveModel {
        hash: Set(hash.to_vec()),
        login_id: Set(family),
        created_at: Set(now.0),
        expires_at: Set(expires_at.0),
        used_at: Set(None),
    };
    refresh_token::Entity::insert(row)
        .exec_without_returning(db)
        .await
        .db()?;
    Ok(())
}

async fn revoke(db: &impl ConnectionTrait, family: Uuid, now: Timestamp) -> Result<bool> {
    let revoked = login::Entity::update_many()
        .filter(login::Column::Id.eq(family))
        .filter(login::Column::RevokedAt.is_null())
        .col_expr(login::Column::RevokedAt, Expr::value(now.0))
        .exec(db)
        .await
        .db()?;
    Ok(revoked.rows_affected > 0)
}
