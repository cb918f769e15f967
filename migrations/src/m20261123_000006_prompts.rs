//! What was really sent for a reply, what chats are set up with and remember, and variables of accounts.

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
        // One column a statement: SQLite adds no more at once.
        for column in [
            uuid_null("forked_from"),
            text("setup").default("{}").to_owned(),
            text("state").default("{}").to_owned(),
        ] {
            let add = Table::alter().table("chat_sessions").add_column(column).to_owned();
            manager.alter_table(add).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["state", "setup", "forked_from"] {
            let drop = Table::alter().table("chat_sessions").drop_column(column).to_owned();
            manager.alter_table(drop).await?;
        }
        drop_tables(manager, &["user_variables", "generation_prompts"]).await
    }
}
