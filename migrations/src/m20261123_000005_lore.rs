//! World books as documents (one row a book, one row an entry, so that entries change apart), presets,
//! personas, and what of them a character and a chat refer to.
//!
//! What is referred to may be gone, or be a document that lives elsewhere: no foreign keys.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, boolean, integer, pk_uuid, string, text, uuid, uuid_null};

use crate::{cascade, drop_tables, run};

/// JSON objects: what a session's prompts are made with, and what its turns leave behind.
const SESSION_COLUMNS: [&str; 2] = ["setup", "state"];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let world_book_documents = Table::create()
            .table("world_book_documents")
            .col(pk_uuid("id"))
            .col(uuid("owner_id"))
            .col(boolean("is_public"))
            .col(integer("version"))
            .col(integer("entry_count"))
            .col(integer("next_place"))
            .col(big_integer("bytes"))
            .col(big_integer("created_at"))
            .col(big_integer("updated_at"))
            .col(text("body"))
            .to_owned();
        let world_entry_documents = Table::create()
            .table("world_entry_documents")
            .col(pk_uuid("id"))
            .col(uuid("book_id"))
            .col(integer("place"))
            .col(integer("version"))
            .col(big_integer("bytes"))
            .col(text("body"))
            .foreign_key(&mut cascade("book_id", "world_book_documents"))
            .to_owned();
        let presets = Table::create()
            .table("presets")
            .col(pk_uuid("id"))
            .col(uuid("owner_id"))
            .col(string("name"))
            .col(integer("version"))
            .col(big_integer("created_at"))
            .col(big_integer("updated_at"))
            .col(text("body"))
            .foreign_key(&mut cascade("owner_id", "users"))
            .to_owned();
        let personas = Table::create()
            .table("personas")
            .col(pk_uuid("id"))
            .col(uuid("owner_id"))
            .col(boolean("is_default"))
            .col(integer("version"))
            .col(big_integer("created_at"))
            .col(big_integer("updated_at"))
            .col(text("body"))
            .foreign_key(&mut cascade("owner_id", "users"))
            .to_owned();
        for table in [world_book_documents, world_entry_documents, presets, personas] {
            manager.create_table(table).await?;
        }
        let world_book = Table::alter()
            .table("characters")
            .add_column(uuid_null("world_book_id"))
            .to_owned();
        manager.alter_table(world_book).await?;
        for column in SESSION_COLUMNS {
            let column = Table::alter()
                .table("chat_sessions")
                .add_column(text(column).default("{}"))
                .to_owned();
            manager.alter_table(column).await?;
        }
        run(
            manager,
            &[
                "CREATE INDEX world_book_documents_owner ON world_book_documents (owner_id, updated_at, id)",
                "CREATE UNIQUE INDEX world_entry_documents_place ON world_entry_documents (book_id, place)",
                "CREATE INDEX presets_owner ON presets (owner_id, id)",
                "CREATE INDEX personas_owner ON personas (owner_id, id)",
                "CREATE UNIQUE INDEX personas_default ON personas (owner_id) WHERE is_default",
                "CREATE INDEX characters_world_book ON characters (world_book_id) WHERE world_book_id IS NOT NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &[
                "DROP INDEX characters_world_book",
                "ALTER TABLE characters DROP COLUMN world_book_id",
                "ALTER TABLE chat_sessions DROP COLUMN setup",
                "ALTER TABLE chat_sessions DROP COLUMN state",
            ],
        )
        .await?;
        drop_tables(
            manager,
            &["personas", "presets", "world_entry_documents", "world_book_documents"],
        )
        .await
    }
}
