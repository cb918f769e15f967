//! Personas. At most one of an account is its default, which an index holds too.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockType};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use tavern_domain::persona::Persona;
use tavern_domain::{Error, PersonaId, Result, Timestamp, UserId};

use crate::db::{Db, DbResult, lists, only, to_json};
use crate::entity::{persona, user};

/// Personas. Cheap to clone.
#[derive(Clone)]
pub struct PersonaStore {
    pub(crate) db: Db,
}

impl PersonaStore {
    /// A new default takes the place of the former one.
    pub async fn insert(&self, new: &Persona) -> Result<()> {
        let row = persona::ActiveModel {
            id: Set(new.id.uuid()),
            owner_id: Set(new.owner.uuid()),
            is_default: Set(new.is_default),
            version: Set(new.version),
            created_at: Set(new.created_at.0),
            updated_at: Set(new.updated_at.0),
            body: Set(to_json(&new.text)?),
        };
        let tx = self.db.begin().await?;
        make_way(&tx, new).await?;
        persona::Entity::insert(row).exec_without_returning(&tx).await.db()?;
        tx.commit().await.db()
    }

    /// Those that exist, in no particular order.
    pub async fn by_ids(&self, ids: &[PersonaId]) -> Result<Vec<Persona>> {
        let mut found = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = persona::Entity::find()
                .filter(persona::Column::Id.is_in(list))
                .all(&self.db.read)
                .await
                .db()?;
            for row in rows {
                found.push(to_persona(row)?);
            }
        }
        Ok(found)
    }

    /// An account's personas, the oldest first.
    pub async fn owned_by(&self, owner: UserId) -> Result<Vec<Persona>> {
        let rows = persona::Entity::find()
            .filter(persona::Column::OwnerId.eq(owner.uuid()))
            .order_by_asc(persona::Column::Id)
            .all(&self.db.read)
            .await
            .db()?;
        rows.into_iter().map(to_persona).collect()
    }

    pub async fn default_of(&self, owner: UserId) -> Result<Option<Persona>> {
        let select = persona::Entity::find()
            .filter(persona::Column::OwnerId.eq(owner.uuid()))
            .filter(persona::Column::IsDefault.eq(true));
        only(select, &self.db.read).await?.map(to_persona).transpose()
    }

    pub async fn count_by_owner(&self, owner: UserId) -> Result<u32> {
        let count = persona::Entity::find()
            .filter(persona::Column::OwnerId.eq(owner.uuid()))
            .count(&self.db.read)
            .await
            .db()?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// A new default takes the place of the former one. False, and no change, if the stored version
    /// is no longer `expected_version` or the persona is gone.
    pub async fn update(&self, changed: &Persona, expected_version: i32) -> Result<bool> {
        use persona::Column;
        let tx = self.db.begin().await?;
        make_way(&tx, changed).await?;
        let updated = persona::Entity::update_many()
            .col_expr(Column::IsDefault, Expr::value(changed.is_default))
            .col_expr(Column::Version, Expr::value(changed.version))
            .col_expr(Column::UpdatedAt, Expr::value(changed.updated_at.0))
            .col_expr(Column::Body, Expr::value(to_json(&changed.text)?))
            .filter(Column::Id.eq(changed.id.uuid()))
            .filter(Column::Version.eq(expected_version))
            .exec(&tx)
            .await
            .db()?;
        if updated.rows_affected == 0 {
            return Ok(false);
        }
        tx.commit().await.db()?;
        Ok(true)
    }

    /// False if there is no such persona. Sessions with it stay.
    pub async fn delete(&self, id: PersonaId) -> Result<bool> {
        let deleted = persona::Entity::delete_by_id(id.uuid())
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(deleted.rows_affected > 0)
    }
}

/// Ends the reign of another default, if this persona is to be it.
async fn make_way(tx: &impl ConnectionTrait, persona: &Persona) -> Result<()> {
    use persona::Column;
    if !persona.is_default {
        return Ok(());
    }
    // One at a time: two who both saw no default would both become it.
    only(
        user::Entity::find_by_id(persona.owner.uuid()).lock(LockType::NoKeyUpdate),
        tx,
    )
    .await?;
    persona::Entity::update_many()
        .col_expr(Column::IsDefault, Expr::value(false))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(persona.updated_at.0))
        .filter(Column::OwnerId.eq(persona.owner.uuid()))
        .filter(Column::IsDefault.eq(true))
        .filter(Column::Id.ne(persona.id.uuid()))
        .exec(tx)
        .await
        .db()?;
    Ok(())
}

fn to_persona(row: persona::Model) -> Result<Persona> {
    Ok(Persona {
        text: serde_json::from_str(&row.body).map_err(Error::internal)?,
        id: PersonaId::from_uuid(row.id),
        owner: UserId::from_uuid(row.owner_id),
        is_default: row.is_default,
        version: row.version,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}
