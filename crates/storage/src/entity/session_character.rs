//! Who takes part in a session, in the order of `position`.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session_characters")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    pub character_id: Uuid,
    #[sea_orm(belongs_to, from = "session_id", to = "id")]
    pub session: HasOne<super::chat_session::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
