//! What happened to installations: the newest lines of each.

use std::collections::BTreeSet;

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement};
use tavern_domain::extension::ExtensionLog;
use tavern_domain::{InstallationId, Result, Timestamp};
use uuid::Uuid;

use super::ExtensionStore;
use crate::db::{DbResult, from_json, lists, to_json};
use crate::entity::{extension_log, installation};

/// Rows of one statement: each binds four values.
const ROWS: usize = 128;

impl ExtensionStore {
    /// Adds lines, and lets go of all but the newest `keep` of each installation. Lines of
    /// installations that are gone are dropped.
    pub async fn add_logs(&self, lines: &[(InstallationId, ExtensionLog)], keep: u32) -> Result<()> {
        let about: BTreeSet<Uuid> = lines.iter().map(|(installation, ..)| installation.uuid()).collect();
        let tx = self.db.begin().await?;
        let mut there = BTreeSet::new();
        for list in lists(about) {
            let ids: Vec<Uuid> = installation::Entity::find()
                .select_only()
                .column(installation::Column::Id)
                .filter(installation::Column::Id.is_in(list))
                // In one order, so that two who do this do not wait for each other.
                .order_by_asc(installation::Column::Id)
                .lock_shared()
                .into_tuple()
                .all(&tx)
                .await
                .db()?;
            there.extend(ids);
        }
        let mut rows = Vec::with_capacity(lines.len());
        for (installation, line) in lines {
            if there.contains(&installation.uuid()) {
                rows.push(extension_log::ActiveModel {
                    id: Set(line.id),
                    installation_id: Set(installation.uuid()),
                    at: Set(line.at.0),
                    body: Set(to_json(&line.event)?),
                });
            }
        }
        for chunk in rows.chunks(ROWS) {
            extension_log::Entity::insert_many(chunk.to_vec())
                .exec_without_returning(&tx)
                .await
                .db()?;
        }
        for installation in there {
            let surplus = Statement::from_sql_and_values(
                self.db.backend(),
                "DELETE FROM extension_logs WHERE installation_id = $1 AND id <= (SELECT id FROM extension_logs WHERE installation_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
                [installation.into(), i64::from(keep).into()],
            );
            tx.execute_raw(surplus).await.db()?;
        }
        tx.commit().await.db()
    }

    /// The newest `limit` lines of an installation, oldest first.
    pub async fn logs(&self, installation: InstallationId, limit: u32) -> Result<Vec<ExtensionLog>> {
        let rows = extension_log::Entity::find()
            .filter(extension_log::Column::InstallationId.eq(installation.uuid()))
            .order_by_desc(extension_log::Column::Id)
            .limit(u64::from(limit))
            .all(&self.db.read)
            .await
            .db()?;
        let line = |row: extension_log::Model| {
            Ok(ExtensionLog {
                id: row.id,
                at: Timestamp(row.at),
                event: from_json(&row.body)?,
            })
        };
        rows.into_iter().rev().map(line).collect()
    }

    /// Forgets lines from before `time`.
    pub async fn delete_logs_before(&self, time: Timestamp) -> Result<u64> {
        let deleted = extension_log::Entity::delete_many()
            .filter(extension_log::Column::At.lt(time.0))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(deleted.rows_affected)
    }
}
