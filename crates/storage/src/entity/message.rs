//! Where messages stand.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub session_id: Uuid,
    pub sequence: i32,
    pub role: i16,
    pub author_user_id: Option<Uuid>,
    pub author_character_id: Option<Uuid>,
    pub generation_id: Option<Uuid>,
    pub is_hidden: bool,
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
