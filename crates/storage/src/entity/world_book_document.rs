//! World books without their entries. The body is JSON text.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "world_book_documents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub is_public: bool,
    pub version: i32,
    pub entry_count: i32,
    pub next_place: i32,
    pub bytes: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub body: String,
}

impl ActiveModelBehavior for ActiveModel {}
