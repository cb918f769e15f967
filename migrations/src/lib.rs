//! The versions of the relational schema, for SQLite and PostgreSQL alike.
//!
//! One migration a domain, forward only in production; `down` drops what `up` made, so that a
//! version can be tried out. Foreign keys stand inside `create_table`: SQLite cannot add them later.
//! Times are milliseconds since 1970 in BIGINT, ids are UUIDv7, enumerations are the small
//! integers that the domain's `code()` gives.

use sea_orm_migration::prelude::*;

mod m20261122_000001_accounts;
mod m20261122_000002_characters;
mod m20261122_000003_chat;
mod m20261122_000004_documents;
mod m20261123_000005_lore;
mod m20261123_000006_prompts;
mod m20261123_000007_chat_files;
mod m20261123_000008_extensions;
mod m20261123_000009_extension_upkeep;

/// All versions, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_accounts::Migration),
            Box::new(m20261122_000002_characters::Migration),
            Box::new(m20261122_000003_chat::Migration),
            Box::new(m20261122_000004_documents::Migration),
            Box::new(m20261123_000005_lore::Migration),
            Box::new(m20261123_000006_prompts::Migration),
            Box::new(m20261123_000007_chat_files::Migration),
            Box::new(m20261123_000008_extensions::Migration),
            Box::new(m20261123_000009_extension_upkeep::Migration),
        ]
    }
}

/// A foreign key whose rows go with the row they point at.
fn cascade(column: &'static str, table: &'static str) -> ForeignKeyCreateStatement {
    reference(column, table, ForeignKeyAction::Cascade)
}

/// A foreign key that is cleared when the row it points at goes.
fn set_null(column: &'static str, table: &'static str) -> ForeignKeyCreateStatement {
    reference(column, table, ForeignKeyAction::SetNull)
}

fn reference(column: &'static str, table: &'static str, on_delete: ForeignKeyAction) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from_col(column)
        .to(table, "id")
        .on_delete(on_delete)
        .to_owned()
}

/// Statements that both dialects read alike; sea-query has no partial indexes of its own.
async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}

async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&'static str]) -> Result<(), DbErr> {
    for table in tables {
        manager.drop_table(Table::drop().table(*table).to_owned()).await?;
    }
    Ok(())
}
