//! Extensions in accounts. Grants, configuration and former versions are JSON text; name and version
//! are those of the extension, which never change.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "installations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub extension_id: Uuid,
    pub name: String,
    pub version_id: Uuid,
    pub version: String,
    pub version_req: String,
    pub grants: String,
    pub config: String,
    pub enabled: bool,
    pub priority: Option<i32>,
    pub pending_id: Option<Uuid>,
    pub previous: String,
    pub disabled_reason: Option<String>,
    pub revision: i32,
    /// How often its values were written.
    pub values_revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
