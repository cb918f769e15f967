//! Generations. Options, attempts, usage and error are JSON text.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "generations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub session_id: Uuid,
    pub user_id: Uuid,
    pub message_id: Option<Uuid>,
    pub character_id: Option<Uuid>,
    pub kind: i16,
    pub status: i16,
    pub model: String,
    pub provider: Option<String>,
    pub options: String,
    pub attempts: String,
    pub usage: Option<String>,
    pub finish_reason: Option<String>,
    pub error: Option<String>,
    pub sha256: Option<String>,
    pub length: i32,
    pub fence: i32,
    pub lease_until: i64,
    pub cancel_requested: bool,
    pub created_at: i64,
    pub first_token_at: Option<i64>,
    pub ended_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
