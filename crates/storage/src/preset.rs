//! Presets.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use tavern_domain::preset::Preset;
use tavern_domain::{Error, PresetId, Result, Timestamp, UserId};

use crate::db::{Db, DbResult, lists, to_json};
use crate::entity::preset;

/// Presets. Cheap to clone.
#[derive(Clone)]
pub struct PresetStore {
    pub(crate) db: Db,
}

impl PresetStore {
    pub async fn insert(&self, new: &Preset) -> Result<()> {
        let row = preset::ActiveModel {
            id: Set(new.id.uuid()),
            owner_id: Set(new.owner.uuid()),
            name: Set(new.name.clone()),
            version: Set(new.version),
            created_at: Set(new.created_at.0),
            updated_at: Set(new.updated_at.0),
            body: Set(to_json(&new.data)?),
        };
        preset::Entity::insert(row)
            .exec_without_returning(&self.db.write)
            .await
            .db()?;
        Ok(())
    }

    /// Those that exist, in no particular order.
    pub async fn by_ids(&self, ids: &[PresetId]) -> Result<Vec<Preset>> {
        let mut found = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = preset::Entity::find()
                .filter(preset::Column::Id.is_in(list))
                .all(&self.db.read)
                .await
                .db()?;
            for row in rows {
                found.push(to_preset(row)?);
            }
        }
        Ok(found)
    }

    /// An account's presets, the oldest first; without their data, which is long, unless asked for.
    pub async fn owned_by(&self, owner: UserId, with_data: bool) -> Result<Vec<Preset>> {
        use preset::Column::{Body, CreatedAt, Id, Name, OwnerId, UpdatedAt, Version};
        let mut select = preset::Entity::find().filter(OwnerId.eq(owner.uuid())).order_by_asc(Id);
        if !with_data {
            select = select
                .select_only()
                .columns([Id, OwnerId, Name, Version, CreatedAt, UpdatedAt])
                .column_as(Expr::cust("'{}'"), Body);
        }
        let rows = select.all(&self.db.read).await.db()?;
        rows.into_iter().map(to_preset).collect()
    }

    pub async fn count_by_owner(&self, owner: UserId) -> Result<u32> {
        let count = preset::Entity::find()
            .filter(preset::Column::OwnerId.eq(owner.uuid()))
            .count(&self.db.read)
            .await
            .db()?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// False, and no change, if the stored version is no longer `expected_version` or the preset is gone.
    pub async fn update(&self, changed: &Preset, expected_version: i32) -> Result<bool> {
        use preset::Column;
        let updated = preset::Entity::update_many()
            .col_expr(Column::Name, Expr::value(changed.name.clone()))
            .col_expr(Column::Version, Expr::value(changed.version))
            .col_expr(Column::UpdatedAt, Expr::value(changed.updated_at.0))
            .col_expr(Column::Body, Expr::value(to_json(&changed.data)?))
            .filter(Column::Id.eq(changed.id.uuid()))
            .filter(Column::Version.eq(expected_version))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(updated.rows_affected > 0)
    }

    /// False if there is no such preset. Sessions with it stay.
    pub async fn delete(&self, id: PresetId) -> Result<bool> {
        let deleted = preset::Entity::delete_by_id(id.uuid())
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(deleted.rows_affected > 0)
    }
}

fn to_preset(row: preset::Model) -> Result<Preset> {
    Ok(Preset {
        data: serde_json::from_str(&row.body).map_err(Error::internal)?,
        id: PresetId::from_uuid(row.id),
        owner: UserId::from_uuid(row.owner_id),
        name: row.name,
        version: row.version,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}
