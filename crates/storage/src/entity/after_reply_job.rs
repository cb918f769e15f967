//! Replies whose `after-reply` hooks are still to be called.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "after_reply_jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub generation_id: Uuid,
    pub session_id: Uuid,
    pub lease_until: i64,
    pub attempts: i32,
}

impl ActiveModelBehavior for ActiveModel {}
