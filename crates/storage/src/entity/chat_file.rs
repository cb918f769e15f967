//! What the files of imported chats say of each chat as a whole.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "chat_files")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: Uuid,
    /// JSON; may be large.
    pub body: String,
}

impl ActiveModelBehavior for ActiveModel {}
