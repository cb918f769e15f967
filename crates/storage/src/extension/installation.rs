//! Extensions in accounts, with their secrets; what changes several rows of one is a transaction.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockType, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use tavern_domain::extension::Installation;
use tavern_domain::{ExtensionId, ExtensionVersionId, InstallationId, Result, Timestamp, UserId};
use uuid::Uuid;

use super::values::{self, ValueRoom, ValueWrite};
use super::{ExtensionStore, ValueOutcome};
use crate::db::{DbResult, from_json, lists, only, to_json};
use crate::entity::{extension, installation, installation_secret, user};

/// What became of an installation; all but `Installed` changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallOutcome {
    Installed,
    /// The account has the extension already.
    Exists,
    /// The account has as many as it may.
    Full,
}

/// Changes whenever the installation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstallationStamp {
    pub id: InstallationId,
    pub revision: i32,
}

/// A secret at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    pub installation: InstallationId,
    pub name: String,
    /// Which key of the vault it was sealed with.
    pub key_id: String,
    pub nonce: Vec<u8>,
    pub ciphertext: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretChange {
    Set(SealedSecret),
    Clear(String),
}

/// What happens to an installation's values when it gets another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch {
    /// They are kept as they are for `keep`, the version until now; then `writes` are made. What was kept
    /// for versions other than `keep` and those in `previous` goes. `seen` is the
    /// [revision](ExtensionStore::values_revision) of the values that `writes` were made from.
    Upgrade {
        keep: ExtensionVersionId,
        seen: i64,
        writes: Vec<ValueWrite>,
        room: ValueRoom,
        now: Timestamp,
    },
    /// They are again what was kept for this version.
    Rollback(ExtensionVersionId),
}

/// What became of a change of versions; all but `Switched` changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchOutcome {
    Switched,
    /// The installation has changed since, or is gone.
    Changed,
    /// The values have.
    ValuesChanged,
    /// The writes cannot be made.
    Refused(ValueOutcome),
}

impl ExtensionStore {
    /// `most`: installations of an account.
    pub async fn install(&self, new: &Installation, secrets: &[SealedSecret], most: u32) -> Result<InstallOutcome> {
        let tx = self.db.begin().await?;
        // Orders the installations of an account, so that their number is right.
        only(
            user::Entity::find_by_id(new.owner.uuid()).lock(LockType::NoKeyUpdate),
            &tx,
        )
        .await?;
        let of_account = installation::Entity::find().filter(installation::Column::OwnerId.eq(new.owner.uuid()));
        let same = of_account
            .clone()
            .filter(installation::Column::ExtensionId.eq(new.extension.uuid()));
        if same.count(&tx).await.db()? > 0 {
            return Ok(InstallOutcome::Exists);
        }
        if of_account.count(&tx).await.db()? >= u64::from(most) {
            return Ok(InstallOutcome::Full);
        }
        let row = installation::ActiveModel {
            id: Set(new.id.uuid()),
            owner_id: Set(new.owner.uuid()),
            extension_id: Set(new.extension.uuid()),
            name: Set(new.name.clone()),
            created_at: Set(new.created_at.0),
            ..changeable(new)?
        };
        installation::Entity::insert(row)
            .exec_without_returning(&tx)
            .await
            .db()?;
        count(&tx, new.extension, 1).await?;
        for secret in secrets {
            put_secret(&tx, secret).await?;
        }
        tx.commit().await.db()?;
        Ok(InstallOutcome::Installed)
    }

    /// Those that exist, in no particular order.
    pub async fn installations(&self, ids: &[InstallationId]) -> Result<Vec<Installation>> {
        let mut found = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = installation::Entity::find()
                .filter(installation::Column::Id.is_in(list))
                .all(&self.db.read)
                .await
                .db()?;
            for row in rows {
                found.push(to_installation(row)?);
            }
        }
        Ok(found)
    }

    /// An account's installations, the oldest first.
    pub async fn installed_by(&self, owner: UserId) -> Result<Vec<Installation>> {
        let rows = installation::Entity::find()
            .filter(installation::Column::OwnerId.eq(owner.uuid()))
            .order_by_asc(installation::Column::Id)
            .all(&self.db.read)
            .await
            .db()?;
        rows.into_iter().map(to_installation).collect()
    }

    /// Those of an account that run: switched on, and stopped by nobody. In the order of their ids.
    pub async fn running(&self, owner: UserId) -> Result<Vec<InstallationStamp>> {
        let sql = "SELECT i.id, i.revision FROM installations i JOIN extensions e ON e.id = i.extension_id JOIN extension_versions v ON v.id = i.version_id WHERE i.owner_id = $1 AND i.enabled AND e.killed IS NULL AND v.killed IS NULL ORDER BY i.id";
        let rows = self.db.rows(sql.to_owned(), vec![owner.uuid().into()]).await?;
        let stamp = |row: &sea_orm::QueryResult| {
            let id: Uuid = row.try_get_by_index(0).db()?;
            Ok(InstallationStamp {
                id: InstallationId::from_uuid(id),
                revision: row.try_get_by_index(1).db()?,
            })
        };
        rows.iter().map(stamp).collect()
    }

    /// Versions that run in some account, with the names of their extensions, at most `limit`: those first whose
    /// owners have chatted last.
    pub async fn recently_run(&self, limit: u32) -> Result<Vec<(ExtensionVersionId, String)>> {
        let sql = "SELECT version_id, name FROM (SELECT i.version_id, e.name, COALESCE((SELECT MAX(s.updated_at) FROM chat_sessions s WHERE s.owner_id = i.owner_id AND s.is_archived = FALSE), 0) AS used FROM installations i JOIN extensions e ON e.id = i.extension_id JOIN extension_versions v ON v.id = i.version_id WHERE i.enabled AND e.killed IS NULL AND v.killed IS NULL) AS run GROUP BY version_id, name ORDER BY MAX(used) DESC, version_id LIMIT $1";
        let rows = self.db.rows(sql.to_owned(), vec![i64::from(limit).into()]).await?;
        let version = |row: &sea_orm::QueryResult| {
            let id: Uuid = row.try_get_by_index(0).db()?;
            Ok((ExtensionVersionId::from_uuid(id), row.try_get_by_index(1).db()?))
        };
        rows.iter().map(version).collect()
    }

    /// False, and no change, if the stored revision is no longer `expected_revision` or the installation
    /// is gone.
    pub async fn change_installation(
        &self,
        changed: &Installation,
        expected_revision: i32,
        secrets: &[SecretChange],
    ) -> Result<bool> {
        let tx = self.db.begin().await?;
        if !update(&tx, changed, expected_revision).await? {
            return Ok(false);
        }
        change_secrets(&tx, changed.id, secrets).await?;
        tx.commit().await.db()?;
        Ok(true)
    }

    /// Changes the version with all that goes with it.
    pub async fn switch(
        &self,
        changed: &Installation,
        expected_revision: i32,
        secrets: &[SecretChange],
        switch: &Switch,
    ) -> Result<SwitchOutcome> {
        let tx = self.db.begin().await?;
        if !update(&tx, changed, expected_revision).await? {
            return Ok(SwitchOutcome::Changed);
        }
        change_secrets(&tx, changed.id, secrets).await?;
        match switch {
            Switch::Upgrade {
                keep,
                seen,
                writes,
                room,
                now,
            } => {
                let stored = only(installation::Entity::find_by_id(changed.id.uuid()), &tx).await?;
                if stored.is_none_or(|row| row.values_revision != *seen) {
                    return Ok(SwitchOutcome::ValuesChanged);
                }
                let kept: Vec<_> = changed.previous.iter().map(|previous| previous.version_id).collect();
                values::keep(&tx, changed.id, *keep, &kept).await?;
                let written = values::write(&tx, changed.id, &changed.version, writes, *room, *now).await?;
                if written != ValueOutcome::Written {
                    return Ok(SwitchOutcome::Refused(written));
                }
            }
            Switch::Rollback(version) => values::restore(&tx, changed.id, *version).await?,
        }
        tx.commit().await.db()?;
        Ok(SwitchOutcome::Switched)
    }

    /// Switches off, with the reason. `None` if it was off already, or is gone.
    pub async fn disable(&self, id: InstallationId, reason: &str, now: Timestamp) -> Result<Option<Installation>> {
        use installation::Column::{DisabledReason, Enabled, Id, Revision, UpdatedAt};
        let rows = installation::Entity::update_many()
            .col_expr(Enabled, Expr::value(false))
            .col_expr(DisabledReason, Expr::value(Some(reason.to_owned())))
            .col_expr(Revision, Expr::col(Revision).add(1))
            .col_expr(UpdatedAt, Expr::value(now.0))
            .filter(Id.eq(id.uuid()))
            .filter(Enabled.eq(true))
            .exec_with_returning(&self.db.write)
            .await
            .db()?;
        rows.into_iter().next().map(to_installation).transpose()
    }

    /// Takes it away with its values, secrets and logs. False if there is no such installation.
    pub async fn uninstall(&self, id: InstallationId) -> Result<bool> {
        let tx = self.db.begin().await?;
        let find = installation::Entity::find_by_id(id.uuid()).lock(LockType::Update);
        let Some(row) = only(find, &tx).await? else {
            return Ok(false);
        };
        installation::Entity::delete_by_id(row.id).exec(&tx).await.db()?;
        count(&tx, ExtensionId::from_uuid(row.extension_id), -1).await?;
        tx.commit().await.db()?;
        Ok(true)
    }

    /// The names of the secrets of these installations that are set, in order.
    pub async fn secret_names(&self, ids: &[InstallationId]) -> Result<Vec<(InstallationId, String)>> {
        use installation_secret::Column::{InstallationId as Id, Name};
        let mut found = Vec::new();
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows: Vec<(Uuid, String)> = installation_secret::Entity::find()
                .select_only()
                .columns([Id, Name])
                .filter(Id.is_in(list))
                .order_by_asc(Id)
                .order_by_asc(Name)
                .into_tuple()
                .all(&self.db.read)
                .await
                .db()?;
            found.extend(rows.into_iter().map(|(id, name)| (InstallationId::from_uuid(id), name)));
        }
        Ok(found)
    }

    pub async fn secrets(&self, installation: InstallationId) -> Result<Vec<SealedSecret>> {
        let rows = installation_secret::Entity::find()
            .filter(installation_secret::Column::InstallationId.eq(installation.uuid()))
            .all(&self.db.read)
            .await
            .db()?;
        Ok(rows.into_iter().map(to_secret).collect())
    }

    /// A secret, for the version that is installed: what was set for it is not for the one before.
    pub async fn secret(
        &self,
        installation: InstallationId,
        version: &str,
        name: &str,
    ) -> Result<Option<SealedSecret>> {
        let installed = installation::Entity::find_by_id(installation.uuid())
            .select_only()
            .column(installation::Column::Id)
            .filter(installation::Column::Version.eq(version));
        let find = installation_secret::Entity::find_by_id((installation.uuid(), name.to_owned()))
            .filter(installation_secret::Column::InstallationId.in_subquery(installed.into_query()));
        Ok(only(find, &self.db.read).await?.map(to_secret))
    }

    /// Secrets that were sealed with another key than this one, at most `limit`.
    pub async fn secrets_of_other_keys(&self, key_id: &str, limit: u32) -> Result<Vec<SealedSecret>> {
        let rows = installation_secret::Entity::find()
            .filter(installation_secret::Column::KeyId.ne(key_id))
            .limit(u64::from(limit))
            .all(&self.db.read)
            .await
            .db()?;
        Ok(rows.into_iter().map(to_secret).collect())
    }

    /// Secrets of all installations in the order of installation and name, those after `after`.
    pub async fn all_secrets(&self, after: Option<(InstallationId, &str)>, limit: u32) -> Result<Vec<SealedSecret>> {
        use installation_secret::Column::{InstallationId, Name};
        let mut secrets = installation_secret::Entity::find();
        if let Some((installation, name)) = after {
            let further = InstallationId.eq(installation.uuid()).and(Name.gt(name));
            secrets = secrets.filter(InstallationId.gt(installation.uuid()).or(further));
        }
        let rows = secrets
            .order_by_asc(InstallationId)
            .order_by_asc(Name)
            .limit(u64::from(limit))
            .all(&self.db.read)
            .await
            .db()?;
        Ok(rows.into_iter().map(to_secret).collect())
    }

    /// Puts `new` in the place of `old`. False, and no change, if that is no longer what is stored.
    pub async fn reseal(&self, old: &SealedSecret, new: &SealedSecret) -> Result<bool> {
        use installation_secret::Column::{Ciphertext, InstallationId, KeyId, Name, Nonce};
        let resealed = installation_secret::Entity::update_many()
            .col_expr(KeyId, Expr::value(new.key_id.clone()))
            .col_expr(Nonce, Expr::value(new.nonce.clone()))
            .col_expr(Ciphertext, Expr::value(new.ciphertext.clone()))
            .filter(InstallationId.eq(old.installation.uuid()))
            .filter(Name.eq(&old.name))
            .filter(Nonce.eq(old.nonce.clone()))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(resealed.rows_affected > 0)
    }
}

async fn update(tx: &DatabaseTransaction, changed: &Installation, expected_revision: i32) -> Result<bool> {
    let updated = installation::Entity::update_many()
        .set(changeable(changed)?)
        .filter(installation::Column::Id.eq(changed.id.uuid()))
        .filter(installation::Column::Revision.eq(expected_revision))
        .exec(tx)
        .await
        .db()?;
    Ok(updated.rows_affected > 0)
}

async fn count(tx: &impl ConnectionTrait, extension: ExtensionId, by: i32) -> Result<()> {
    use extension::Column::{Id, Installs};
    extension::Entity::update_many()
        .col_expr(Installs, Expr::col(Installs).add(by))
        .filter(Id.eq(extension.uuid()))
        .exec(tx)
        .await
        .db()?;
    Ok(())
}

async fn change_secrets(tx: &impl ConnectionTrait, of: InstallationId, changes: &[SecretChange]) -> Result<()> {
    for change in changes {
        match change {
            SecretChange::Set(secret) => put_secret(tx, secret).await?,
            SecretChange::Clear(name) => {
                installation_secret::Entity::delete_by_id((of.uuid(), name.clone()))
                    .exec(tx)
                    .await
                    .db()?;
            }
        }
    }
    Ok(())
}

async fn put_secret(tx: &impl ConnectionTrait, secret: &SealedSecret) -> Result<()> {
    use installation_secret::Column::{Ciphertext, InstallationId, KeyId, Name, Nonce};
    let row = installation_secret::ActiveModel {
        installation_id: Set(secret.installation.uuid()),
        name: Set(secret.name.clone()),
        key_id: Set(secret.key_id.clone()),
        nonce: Set(secret.nonce.clone()),
        ciphertext: Set(secret.ciphertext.clone()),
    };
    installation_secret::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([InstallationId, Name])
                .update_columns([KeyId, Nonce, Ciphertext])
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await
        .db()?;
    Ok(())
}

/// Everything but what an installation is and whose.
fn changeable(of: &Installation) -> Result<installation::ActiveModel> {
    Ok(installation::ActiveModel {
        version_id: Set(of.version_id.uuid()),
        version: Set(of.version.clone()),
        version_req: Set(of.version_req.clone()),
        grants: Set(to_json(&of.grants)?),
        config: Set(to_json(&of.config)?),
        enabled: Set(of.enabled),
        priority: Set(of.priority),
        pending_id: Set(of.pending.map(ExtensionVersionId::uuid)),
        previous: Set(to_json(&of.previous)?),
        disabled_reason: Set(of.disabled_reason.clone()),
        revision: Set(of.revision),
        updated_at: Set(of.updated_at.0),
        ..Default::default()
    })
}

fn to_installation(row: installation::Model) -> Result<Installation> {
    Ok(Installation {
        id: InstallationId::from_uuid(row.id),
        owner: UserId::from_uuid(row.owner_id),
        extension: ExtensionId::from_uuid(row.extension_id),
        name: row.name,
        version_id: ExtensionVersionId::from_uuid(row.version_id),
        version: row.version,
        version_req: row.version_req,
        grants: from_json(&row.grants)?,
        config: from_json(&row.config)?,
        enabled: row.enabled,
        priority: row.priority,
        pending: row.pending_id.map(ExtensionVersionId::from_uuid),
        previous: from_json(&row.previous)?,
        disabled_reason: row.disabled_reason,
        revision: row.revision,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}

fn to_secret(row: installation_secret::Model) -> SealedSecret {
    SealedSecret {
        installation: InstallationId::from_uuid(row.installation_id),
        name: row.name,
        key_id: row.key_id,
        nonce: row.nonce,
        ciphertext: row.ciphertext,
    }
}
