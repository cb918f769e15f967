//! Upkeep of extensions: what an account's extensions used of the models, which installing anew does not
//! make undone; how often an installation's values were written, so that a move to another version loses
//! none of it; and what housekeeping looks things up by.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, uuid};

use crate::{cascade, drop_tables, run};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let budgets = Table::create()
            .table("extension_budgets")
            .col(uuid("owner_id"))
            .col(uuid("extension_id"))
            .col(integer("day"))
            .col(big_integer("tokens"))
            .primary_key(Index::create().col("owner_id").col("extension_id").col("day"))
            .foreign_key(&mut cascade("owner_id", "users"))
            .foreign_key(&mut cascade("extension_id", "extensions"))
            .to_owned();
        manager.create_table(budgets).await?;
        run(
            manager,
            &[
                "INSERT INTO extension_budgets (owner_id, extension_id, day, tokens) SELECT i.owner_id, i.extension_id, b.day, b.tokens FROM model_budgets b JOIN installations i ON i.id = b.installation_id",
                "DROP TABLE model_budgets",
                "CREATE INDEX extension_budgets_day ON extension_budgets (day)",
                "ALTER TABLE installations ADD COLUMN values_revision BIGINT NOT NULL DEFAULT 0",
                "CREATE INDEX extension_versions_package ON extension_versions (package_sha256)",
                "CREATE INDEX extension_versions_killed ON extension_versions (id) WHERE killed IS NOT NULL",
                "CREATE INDEX extensions_killed ON extensions (id) WHERE killed IS NOT NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &[
                "DROP INDEX extensions_killed",
                "DROP INDEX extension_versions_killed",
                "DROP INDEX extension_versions_package",
                "ALTER TABLE installations DROP COLUMN values_revision",
            ],
        )
        .await?;
        let budgets = Table::create()
            .table("model_budgets")
            .col(uuid("installation_id"))
            .col(integer("day"))
            .col(big_integer("tokens"))
            .primary_key(Index::create().col("installation_id").col("day"))
            .foreign_key(&mut cascade("installation_id", "installations"))
            .to_owned();
        manager.create_table(budgets).await?;
        run(
            manager,
            &["INSERT INTO model_budgets (installation_id, day, tokens) SELECT i.id, b.day, b.tokens FROM extension_budgets b JOIN installations i ON i.owner_id = b.owner_id AND i.extension_id = b.extension_id"],
        )
        .await?;
        drop_tables(manager, &["extension_budgets"]).await
    }
}
