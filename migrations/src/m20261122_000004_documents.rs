//! Documents, where they are kept in the relational database: JSON text, found by id.
//!
//! No foreign keys: a document is written before the row that makes it real, and may live elsewhere.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{boolean, integer, pk_uuid, text, uuid};

use crate::drop_tables;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let message_documents = Table::create()
            .table("message_documents")
            .col(pk_uuid("id"))
            .col(uuid("session_id"))
            .col(integer("version"))
            .col(text("body"))
            .to_owned();
        let card_documents = Table::create()
            .table("card_documents")
            .col(pk_uuid("id"))
            .col(text("body"))
            .to_owned();
        let generation_texts = Table::create()
            .table("generation_texts")
            .col(pk_uuid("id"))
            .col(boolean("is_final"))
            .col(text("body"))
            .to_owned();
        for table in [message_documents, card_documents, generation_texts] {
            manager.create_table(table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["generation_texts", "card_documents", "message_documents"]).await
    }
}
