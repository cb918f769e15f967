//! Prompts as they were sent, as deflated JSON.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "generation_prompts")]
pub struct Model {
    /// The generation's.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub body: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
