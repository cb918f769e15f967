//! What a key was used for: the turn it started.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub request_hash: Vec<u8>,
    pub message_id: Option<Uuid>,
    pub generation_id: Option<Uuid>,
    pub expires_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
