//! Extensions. `words` is what is searched, folded; `hooks` has each name between spaces.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "extensions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub publisher: String,
    pub owner_id: Uuid,
    pub title: String,
    pub summary: String,
    pub words: String,
    pub hooks: String,
    pub installs: i32,
    pub killed: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
