//! Values that extensions keep. What has expired is as good as gone, and is swept now and then.

use std::collections::BTreeSet;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Statement,
};
use tavern_domain::chat::ChatSession;
use tavern_domain::extension::KvScope;
use tavern_domain::{ExtensionVersionId, InstallationId, Result, SessionId, Timestamp};

use super::ExtensionStore;
use crate::db::{DbResult, only};
use crate::entity::{chat_session, extension_value, installation};

/// The columns of a value, apart from the version it is kept for.
const COLUMNS: &str = "installation_id, scope, owner, key, value, version, expires_at";

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueKey {
    pub scope: KvScope,
    /// The account's or the chat's; empty for the installation's own.
    pub owner: String,
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredValue {
    pub value: Vec<u8>,
    /// 1 for the first.
    pub version: i64,
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueWrite {
    pub key: ValueKey,
    /// `None` removes it.
    pub value: Option<Vec<u8>>,
    pub expires_at: Option<Timestamp>,
    /// The version that must stand there, 0 for none; `None` if that does not matter.
    pub expected: Option<i64>,
}

/// What an installation may keep: values, and bytes of keys and values together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueRoom {
    pub keys: u64,
    pub bytes: u64,
}

/// What became of writes; all but `Written` changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueOutcome {
    Written,
    /// A value has another version than was expected.
    Conflict,
    /// Another version of the extension is installed than the one that wrote.
    OtherVersion,
    /// There is no room for so much.
    Full,
    /// The installation is gone, or the chat that a value belongs to.
    Gone,
}

impl ExtensionStore {
    /// The values of these keys, in order.
    pub async fn values(
        &self,
        installation: InstallationId,
        keys: &[ValueKey],
        now: Timestamp,
    ) -> Result<Vec<Option<StoredValue>>> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let stored = only(find(installation, key), &self.db.read).await?;
            found.push(stored.filter(|row| stands(row, now)).map(to_value));
        }
        Ok(found)
    }

    /// Keys that begin as `prefix` does, in the order of their bytes, behind `after`.
    pub async fn value_keys(
        &self,
        installation: InstallationId,
        prefix: &ValueKey,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<String>> {
        use extension_value::Column::{ExpiresAt, InstallationId as Id, Key, Owner, Scope};
        let begin = prefix.key.as_bytes().to_vec();
        let mut select = extension_value::Entity::find()
            .select_only()
            .column(Key)
            .filter(Id.eq(installation.uuid()))
            .filter(Scope.eq(code(prefix.scope)))
            .filter(Owner.eq(&prefix.owner))
            .filter(Condition::any().add(ExpiresAt.is_null()).add(ExpiresAt.gt(now.0)));
        if let Some(end) = end_of(&begin) {
            select = select.filter(Key.lt(end));
        }
        select = match after {
            Some(after) if after.as_bytes() >= begin.as_slice() => select.filter(Key.gt(after.as_bytes().to_vec())),
            _ => select.filter(Key.gte(begin)),
        };
        let keys: Vec<Vec<u8>> = select
            .order_by_asc(Key)
            .limit(u64::from(limit))
            .into_tuple()
            .all(&self.db.read)
            .await
            .db()?;
        Ok(keys
            .into_iter()
            .map(|key| String::from_utf8_lossy(&key).into_owned())
            .collect())
    }

    /// How often the values were written: what is read between two looks that agree belongs together. 0 if
    /// there is no such installation.
    pub async fn values_revision(&self, installation: InstallationId) -> Result<i64> {
        let find = installation::Entity::find_by_id(installation.uuid());
        Ok(only(find, &self.db.read).await?.map_or(0, |row| row.values_revision))
    }

    /// All writes, or none. They are those of `version` of the extension, which must be the one installed.
    pub async fn write_values(
        &self,
        installation: InstallationId,
        version: &str,
        writes: &[ValueWrite],
        room: ValueRoom,
        now: Timestamp,
    ) -> Result<ValueOutcome> {
        let tx = self.db.begin().await?;
        let outcome = write(&tx, installation, version, writes, room, now).await?;
        if outcome == ValueOutcome::Written {
            tx.commit().await.db()?;
        }
        Ok(outcome)
    }

    /// Deletes what has expired. How many.
    pub async fn sweep_values(&self, now: Timestamp) -> Result<u64> {
        let swept = extension_value::Entity::delete_many()
            .filter(extension_value::Column::ExpiresAt.lte(now.0))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(swept.rows_affected)
    }
}

/// Makes the writes in the caller's transaction, which is not to be committed unless they were made.
pub(super) async fn write(
    tx: &DatabaseTransaction,
    installation: InstallationId,
    version: &str,
    writes: &[ValueWrite],
    room: ValueRoom,
    now: Timestamp,
) -> Result<ValueOutcome> {
    use installation::Column::{Id, ValuesRevision};
    // One at a time: versions and room are looked at before the writes.
    let counted = installation::Entity::update_many()
        .col_expr(ValuesRevision, Expr::col(ValuesRevision).add(1))
        .filter(Id.eq(installation.uuid()))
        .exec_with_returning(tx)
        .await
        .db()?;
    match counted.first() {
        None => return Ok(ValueOutcome::Gone),
        Some(row) if row.version != version => return Ok(ValueOutcome::OtherVersion),
        Some(_) => {}
    }
    if !chats_stand(tx, writes).await? {
        return Ok(ValueOutcome::Gone);
    }
    for write in writes {
        let there = only(find(installation, &write.key), tx).await?;
        let version = there
            .as_ref()
            .filter(|row| stands(row, now))
            .map_or(0, |row| row.version);
        if write.expected.is_some_and(|expected| expected != version) {
            return Ok(ValueOutcome::Conflict);
        }
        let key = primary_key(installation, &write.key);
        match &write.value {
            None => {
                extension_value::Entity::delete_by_id(key).exec(tx).await.db()?;
            }
            Some(value) => {
                let (installation_id, scope, owner, key) = key;
                let row = extension_value::ActiveModel {
                    installation_id: Set(installation_id),
                    scope: Set(scope),
                    owner: Set(owner),
                    key: Set(key),
                    value: Set(value.clone()),
                    version: Set(version.saturating_add(1)),
                    expires_at: Set(write.expires_at.map(|at| at.0)),
                };
                if there.is_some() {
                    extension_value::Entity::update(row).exec(tx).await.db()?;
                } else {
                    extension_value::Entity::insert(row)
                        .exec_without_returning(tx)
                        .await
                        .db()?;
                }
            }
        }
    }
    if writes.iter().all(|write| write.value.is_none()) {
        return Ok(ValueOutcome::Written);
    }
    let (keys, bytes) = used(tx, installation, now).await?;
    Ok(if keys > room.keys || bytes > room.bytes {
        ValueOutcome::Full
    } else {
        ValueOutcome::Written
    })
}

/// Whether the chats that values are written for exist. They stay until the end of the transaction: what is
/// deleted takes its values along, and nothing is written behind it.
async fn chats_stand(tx: &DatabaseTransaction, writes: &[ValueWrite]) -> Result<bool> {
    let of_chat = |write: &&ValueWrite| write.key.scope == KvScope::Chat && write.value.is_some();
    let chats: BTreeSet<&str> = writes
        .iter()
        .filter(of_chat)
        .map(|write| write.key.owner.as_str())
        .collect();
    for chat in chats {
        let Ok(chat) = chat.parse::<SessionId>() else {
            return Ok(false);
        };
        let find = chat_session::Entity::find_by_id(chat.uuid()).lock(LockType::KeyShare);
        if only(find, tx).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Until the end of the transaction, nobody else writes values of the extensions that the chat's owner has installed.
pub(crate) async fn lock_installations(tx: &DatabaseTransaction, chat: SessionId) -> Result<()> {
    let owner = chat_session::Entity::find_by_id(chat.uuid())
        .select_only()
        .column(chat_session::Column::OwnerId);
    let _: Vec<uuid::Uuid> = installation::Entity::find()
        .select_only()
        .column(installation::Column::Id)
        .filter(installation::Column::OwnerId.in_subquery(owner.into_query()))
        .order_by_asc(installation::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(tx)
        .await
        .db()?;
    Ok(())
}

/// Deletes what extensions of the chat's owner keep for it, also for the versions that can be gone back to.
pub(crate) async fn forget_chat(tx: &DatabaseTransaction, owner: uuid::Uuid, chat: SessionId) -> Result<()> {
    for table in ["extension_values", "extension_kept_values"] {
        let delete = Statement::from_sql_and_values(
            tx.get_database_backend(),
            format!(
                "DELETE FROM {table} WHERE installation_id IN (SELECT id FROM installations WHERE owner_id = $1) AND scope = $2 AND owner = $3"
            ),
            [owner.into(), code(KvScope::Chat).into(), chat.to_string().into()],
        );
        tx.execute_raw(delete).await.db()?;
    }
    Ok(())
}

/// Copies what extensions keep for the chat `from` to its fork, which begins with it. Whose room does not hold both
/// begins there with nothing.
pub(crate) async fn copy_chat(
    tx: &DatabaseTransaction,
    fork: &ChatSession,
    from: SessionId,
    room: ValueRoom,
) -> Result<()> {
    use extension_value::Column::{Owner, Scope};
    use installation::Column::{Id, OwnerId, ValuesRevision};
    let (scope, to) = (code(KvScope::Chat), fork.id.to_string());
    let keeping = extension_value::Entity::find()
        .select_only()
        .column(extension_value::Column::InstallationId)
        .filter(Scope.eq(scope))
        .filter(Owner.eq(from.to_string()));
    // One at a time, as with writes.
    let counted = installation::Entity::update_many()
        .col_expr(ValuesRevision, Expr::col(ValuesRevision).add(1))
        .filter(OwnerId.eq(fork.owner.uuid()))
        .filter(Id.in_subquery(keeping.into_query()))
        .exec_with_returning(tx)
        .await
        .db()?;
    for row in counted {
        let copy = format!(
            "INSERT INTO extension_values ({COLUMNS}) SELECT installation_id, scope, $4, key, value, 1, expires_at FROM extension_values WHERE installation_id = $1 AND scope = $2 AND owner = $3"
        );
        let values = [row.id.into(), scope.into(), from.to_string().into(), to.clone().into()];
        tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), copy, values))
            .await
            .db()?;
        let (keys, bytes) = used(tx, InstallationId::from_uuid(row.id), fork.created_at).await?;
        if keys > room.keys || bytes > room.bytes {
            extension_value::Entity::delete_many()
                .filter(extension_value::Column::InstallationId.eq(row.id))
                .filter(Scope.eq(scope))
                .filter(Owner.eq(&to))
                .exec(tx)
                .await
                .db()?;
        }
    }
    Ok(())
}

/// Values, and bytes of keys and values, that have not expired.
async fn used(tx: &DatabaseTransaction, installation: InstallationId, now: Timestamp) -> Result<(u64, u64)> {
    let sum = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "SELECT COUNT(*), CAST(COALESCE(SUM(octet_length(key) + octet_length(value)), 0) AS BIGINT) FROM extension_values WHERE installation_id = $1 AND (expires_at IS NULL OR expires_at > $2)",
        [installation.uuid().into(), now.0.into()],
    );
    let row = tx.query_one_raw(sum).await.db()?;
    let Some(row) = row else { return Ok((0, 0)) };
    let (keys, bytes): (i64, i64) = (row.try_get_by_index(0).db()?, row.try_get_by_index(1).db()?);
    Ok((u64::try_from(keys).unwrap_or(0), u64::try_from(bytes).unwrap_or(0)))
}

/// Keeps the values as they are for `version`, and nothing for versions but `others`.
pub(super) async fn keep(
    tx: &DatabaseTransaction,
    installation: InstallationId,
    version: ExtensionVersionId,
    others: &[ExtensionVersionId],
) -> Result<()> {
    forget(tx, installation, |kept| kept != version && others.contains(&kept)).await?;
    let copy = format!(
        "INSERT INTO extension_kept_values (version_id, {COLUMNS}) SELECT $2, {COLUMNS} FROM extension_values WHERE installation_id = $1"
    );
    run(tx, &copy, installation, version).await
}

/// Makes the values again what was kept for `version`, and forgets what was.
pub(super) async fn restore(
    tx: &DatabaseTransaction,
    installation: InstallationId,
    version: ExtensionVersionId,
) -> Result<()> {
    extension_value::Entity::delete_many()
        .filter(extension_value::Column::InstallationId.eq(installation.uuid()))
        .exec(tx)
        .await
        .db()?;
    let copy = format!(
        "INSERT INTO extension_values ({COLUMNS}) SELECT {COLUMNS} FROM extension_kept_values WHERE installation_id = $1 AND version_id = $2"
    );
    run(tx, &copy, installation, version).await?;
    forget(tx, installation, |kept| kept != version).await
}

/// Deletes what is kept for versions that `stay` does not want.
async fn forget(
    tx: &DatabaseTransaction,
    installation: InstallationId,
    stay: impl Fn(ExtensionVersionId) -> bool,
) -> Result<()> {
    let kept = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "SELECT DISTINCT version_id FROM extension_kept_values WHERE installation_id = $1",
        [installation.uuid().into()],
    );
    for row in tx.query_all_raw(kept).await.db()? {
        let version = ExtensionVersionId::from_uuid(row.try_get_by_index(0).db()?);
        if !stay(version) {
            let delete = "DELETE FROM extension_kept_values WHERE installation_id = $1 AND version_id = $2";
            run(tx, delete, installation, version).await?;
        }
    }
    Ok(())
}

async fn run(
    tx: &DatabaseTransaction,
    sql: &str,
    installation: InstallationId,
    version: ExtensionVersionId,
) -> Result<()> {
    let values = [installation.uuid().into(), version.uuid().into()];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await
        .db()?;
    Ok(())
}

type PrimaryKey = (uuid::Uuid, i16, String, Vec<u8>);

fn primary_key(installation: InstallationId, key: &ValueKey) -> PrimaryKey {
    (
        installation.uuid(),
        code(key.scope),
        key.owner.clone(),
        key.key.as_bytes().to_vec(),
    )
}

fn find(installation: InstallationId, key: &ValueKey) -> sea_orm::Select<extension_value::Entity> {
    extension_value::Entity::find_by_id(primary_key(installation, key))
}

fn stands(row: &extension_value::Model, now: Timestamp) -> bool {
    row.expires_at.is_none_or(|at| at > now.0)
}

/// As stored; never to be changed.
const fn code(scope: KvScope) -> i16 {
    match scope {
        KvScope::Installation => 0,
        KvScope::User => 1,
        KvScope::Chat => 2,
    }
}

/// The first key behind all that begin so; `None` if there can be none.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn to_value(row: extension_value::Model) -> StoredValue {
    StoredValue {
        value: row.value,
        version: row.version,
        expires_at: row.expires_at.map(Timestamp),
    }
}
