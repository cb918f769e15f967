//! Personas. The body is JSON text.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "personas")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub is_default: bool,
    pub version: i32,
    pub created_at: i64,
    pub updated_at: i64,
    pub body: String,
}

impl ActiveModelBehavior for ActiveModel {}
