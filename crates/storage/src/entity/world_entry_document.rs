//! Entries of world books, each with its place in the book. The body is JSON text.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "world_entry_documents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub book_id: Uuid,
    pub place: i32,
    pub version: i32,
    pub bytes: i64,
    pub body: String,
}

impl ActiveModelBehavior for ActiveModel {}
