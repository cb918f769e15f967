//! Chat sessions.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "chat_sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub title: String,
    pub model: String,
    pub is_archived: bool,
    pub message_count: i32,
    pub next_sequence: i32,
    pub total_tokens: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub last_message_at: Option<i64>,
    pub forked_from: Option<Uuid>,
    /// JSON.
    pub setup: String,
    /// JSON.
    pub state: String,
    #[sea_orm(has_many)]
    pub characters: HasMany<super::session_character::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
