//! Refresh tokens, by the SHA-256 of their secret.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: Vec<u8>,
    pub login_id: Uuid,
    pub created_at: i64,
    pub expires_at: i64,
    /// When it was first exchanged for the next one.
    pub used_at: Option<i64>,
    #[sea_orm(belongs_to, from = "login_id", to = "id")]
    pub login: HasOne<super::login::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
