//! What the file of an imported chat says of the chat as a whole.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, uuid};

use crate::{cascade, drop_tables, run};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let chat_files = Table::create()
            .table("chat_files")
            .col(uuid("session_id").primary_key())
            .col(text("body"))
            .foreign_key(&mut cascade("session_id", "chat_sessions"))
            .to_owned();
        manager.create_table(chat_files).await?;
        // Forks of an account's chats: few, and asked for together.
        run(
            manager,
            &["CREATE INDEX chat_sessions_forks ON chat_sessions (owner_id) WHERE forked_from IS NOT NULL"],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["DROP INDEX chat_sessions_forks"]).await?;
        drop_tables(manager, &["chat_files"]).await
    }
}
