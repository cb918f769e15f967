//! Presets. The body is the JSON text of their sections.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "presets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub name: String,
    pub version: i32,
    pub created_at: i64,
    pub updated_at: i64,
    pub body: String,
}

impl ActiveModelBehavior for ActiveModel {}
