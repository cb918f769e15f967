//! Texts of generations, as JSON text.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "generation_texts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// How it ended is in the body: a checkpoint no longer replaces it.
    pub is_final: bool,
    pub body: String,
}

impl ActiveModelBehavior for ActiveModel {}
