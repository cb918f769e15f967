//! Which extensions were called in the making of a reply, and what became of it.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tavern_domain::extension::PluginTrace;
use tavern_domain::{GenerationId, Result, Timestamp};
use uuid::Uuid;

use super::ExtensionStore;
use crate::db::{DbResult, from_json, lists, only, to_json};
use crate::documents::first_of;
use crate::entity::{generation, plugin_trace};

impl ExtensionStore {
    /// Adds to the calls of a reply, in order. Those of a reply that is gone are dropped.
    pub async fn add_traces(&self, generation: GenerationId, traces: &[PluginTrace]) -> Result<()> {
        if traces.is_empty() {
            return Ok(());
        }
        let tx = self.db.begin().await?;
        let of = generation::Entity::find_by_id(generation.uuid()).lock(LockType::NoKeyUpdate);
        if only(of, &tx).await?.is_none() {
            return Ok(());
        }
        let last: Vec<Option<i32>> = plugin_trace::Entity::find()
            .select_only()
            .column_as(plugin_trace::Column::Seq.max(), "last")
            .filter(plugin_trace::Column::GenerationId.eq(generation.uuid()))
            .into_tuple()
            .all(&tx)
            .await
            .db()?;
        let next = last.first().copied().flatten().map_or(0, |last| last + 1);
        let mut rows = Vec::with_capacity(traces.len());
        for (seq, trace) in (next..).zip(traces) {
            rows.push(plugin_trace::ActiveModel {
                generation_id: Set(generation.uuid()),
                seq: Set(seq),
                body: Set(to_json(trace)?),
            });
        }
        plugin_trace::Entity::insert_many(rows)
            .exec_without_returning(&tx)
            .await
            .db()?;
        tx.commit().await.db()
    }

    /// The calls of replies, those of one reply together and in order.
    pub async fn traces(&self, generations: &[GenerationId]) -> Result<Vec<(GenerationId, PluginTrace)>> {
        let mut found = Vec::new();
        for list in lists(generations.iter().map(|id| id.uuid())) {
            let rows = plugin_trace::Entity::find()
                .filter(plugin_trace::Column::GenerationId.is_in(list))
                .order_by_asc(plugin_trace::Column::GenerationId)
                .order_by_asc(plugin_trace::Column::Seq)
                .all(&self.db.read)
                .await
                .db()?;
            for row in rows {
                found.push((GenerationId::from_uuid(row.generation_id), from_json(&row.body)?));
            }
        }
        Ok(found)
    }

    /// Forgets calls of replies made before `time`, at most `limit`; gives how many.
    pub async fn delete_traces_before(&self, time: Timestamp, limit: u32) -> Result<u64> {
        use plugin_trace::Column::GenerationId as Id;
        let ids: Vec<Uuid> = plugin_trace::Entity::find()
            .select_only()
            .column(Id)
            .filter(Id.lt(first_of(time)))
            .order_by_asc(Id)
            .limit(u64::from(limit))
            .into_tuple()
            .all(&self.db.read)
            .await
            .db()?;
        let mut deleted = 0;
        for list in lists(ids) {
            let gone = plugin_trace::Entity::delete_many()
                .filter(Id.is_in(list))
                .exec(&self.db.write)
                .await
                .db()?;
            deleted += gone.rows_affected;
        }
        Ok(deleted)
    }
}
