//! Accounts.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub username: String,
    pub username_key: String,
    pub username_skeleton: String,
    pub display_name: String,
    pub email: String,
    pub email_key: String,
    pub bio: String,
    pub is_verified: bool,
    pub password_hash: String,
    pub created_at: i64,
    pub updated_at: i64,
    #[sea_orm(has_many)]
    pub roles: HasMany<super::user_role::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
