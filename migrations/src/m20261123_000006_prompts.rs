//! What was really sent for a reply, variables of accounts, and where a chat was forked from.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{binary, pk_uuid, text, uuid, uuid_null};

use crate::{cascade, drop_tables};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let generation_prompts = Table::create()
            .table("generation_prompts")
            .col(pk_uuid("id"))
            .col(binary("body"))
            .to_owned();
        let user_variables = Table::create()
            .table("user_variables")
            .col(uuid("user_id").primary_key())
            .col(text("body"))
            .foreign_key(&mut cascade("user_id", "users"))
            .to_owned();
        for table in [generation_prompts, user_variables] {
            manager.create_table(table).await?;
        }
        let forked_from = Table::alter()
            .table("chat_sessions")
            .add_column(uuid_null("forked_from"))
            .to_owned();
        manager.alter_table(forked_from).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let forked_from = Table::alter()
            .table("chat_sessions")
            .drop_column("forked_from")
            .to_owned();
        manager.alter_table(forked_from).await?;
        drop_tables(manager, &["user_variables", "generation_prompts"]).await
    }
}
