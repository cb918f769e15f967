//! Extensions: who publishes, what was published, who has it, and what it keeps.
//!
//! Publishers and extensions refer to their owner without a foreign key: a name outlives the account
//! and is never used again. Keys of values are bytes, so that both databases sort them alike.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, boolean, integer, integer_null, pk_uuid, small_integer, string, text,
    text_null, uuid, uuid_null,
};

use crate::{cascade, drop_tables, run};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// What a value of an extension is, whether it stands or is kept for a rollback.
fn values(table: &'static str) -> TableCreateStatement {
    Table::create()
        .table(table)
        .col(uuid("installation_id"))
        .col(small_integer("scope"))
        .col(string("owner"))
        .col(binary("key"))
        .col(binary("value"))
        .col(big_integer("version"))
        .col(big_integer_null("expires_at"))
        .foreign_key(&mut cascade("installation_id", "installations"))
        .to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let publishers = Table::create()
            .table("publishers")
            .col(string("name").primary_key())
            .col(uuid("owner_id"))
            .col(big_integer("created_at"))
            .to_owned();
        let publisher_keys = Table::create()
            .table("publisher_keys")
            .col(string("publisher"))
            .col(string("key_id"))
            .col(text("public_key"))
            .col(big_integer("created_at"))
            .col(big_integer_null("revoked_at"))
            .primary_key(Index::create().col("publisher").col("key_id"))
            .foreign_key(
                ForeignKey::create()
                    .from_col("publisher")
                    .to("publishers", "name")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        let extensions = Table::create()
            .table("extensions")
            .col(pk_uuid("id"))
            .col(string("name").unique_key())
            .col(string("publisher"))
            .col(uuid("owner_id"))
            .col(text("title"))
            .col(text("summary"))
            .col(text("words"))
            .col(text("hooks"))
            .col(integer("installs"))
            .col(text_null("killed"))
            .col(big_integer("created_at"))
            .col(big_integer("updated_at"))
            .to_owned();
        let extension_versions = Table::create()
            .table("extension_versions")
            .col(pk_uuid("id"))
            .col(uuid("extension_id"))
            .col(string("version"))
            .col(string("api"))
            .col(string("package_sha256"))
            .col(string("component_sha256"))
            .col(big_integer("package_bytes"))
            .col(text("manifest"))
            .col(text_null("config_schema"))
            .col(text("readme"))
            .col(text("report"))
            .col(string("key_id"))
            .col(text("countersignature"))
            .col(text_null("yanked"))
            .col(text_null("killed"))
            .col(big_integer("created_at"))
            .foreign_key(&mut cascade("extension_id", "extensions"))
            .to_owned();
        let installations = Table::create()
            .table("installations")
            .col(pk_uuid("id"))
            .col(uuid("owner_id"))
            .col(uuid("extension_id"))
            .col(string("name"))
            .col(uuid("version_id"))
            .col(string("version"))
            .col(string("version_req"))
            .col(text("grants"))
            .col(text("config"))
            .col(boolean("enabled"))
            .col(integer_null("priority"))
            .col(uuid_null("pending_id"))
            .col(text("previous"))
            .col(text_null("disabled_reason"))
            .col(integer("revision"))
            .col(big_integer("created_at"))
            .col(big_integer("updated_at"))
            .foreign_key(&mut cascade("owner_id", "users"))
            .foreign_key(&mut cascade("extension_id", "extensions"))
            .to_owned();
        let installation_secrets = Table::create()
            .table("installation_secrets")
            .col(uuid("installation_id"))
            .col(string("name"))
            .col(string("key_id"))
            .col(binary("nonce"))
            .col(binary("ciphertext"))
            .primary_key(Index::create().col("installation_id").col("name"))
            .foreign_key(&mut cascade("installation_id", "installations"))
            .to_owned();
        let extension_values = values("extension_values")
            .primary_key(
                Index::create()
                    .col("installation_id")
                    .col("scope")
                    .col("owner")
                    .col("key"),
            )
            .to_owned();
        let kept_values = values("extension_kept_values")
            .col(uuid("version_id"))
            .primary_key(
                Index::create()
                    .col("installation_id")
                    .col("version_id")
                    .col("scope")
                    .col("owner")
                    .col("key"),
            )
            .to_owned();
        let extension_logs = Table::create()
            .table("extension_logs")
            .col(pk_uuid("id"))
            .col(uuid("installation_id"))
            .col(big_integer("at"))
            .col(text("body"))
            .foreign_key(&mut cascade("installation_id", "installations"))
            .to_owned();
        let model_budgets = Table::create()
            .table("model_budgets")
            .col(uuid("installation_id"))
            .col(integer("day"))
            .col(big_integer("tokens"))
            .primary_key(Index::create().col("installation_id").col("day"))
            .foreign_key(&mut cascade("installation_id", "installations"))
            .to_owned();
        let plugin_traces = Table::create()
            .table("plugin_traces")
            .col(uuid("generation_id"))
            .col(integer("seq"))
            .col(text("body"))
            .primary_key(Index::create().col("generation_id").col("seq"))
            .foreign_key(&mut cascade("generation_id", "generations"))
            .to_owned();
        let after_reply_jobs = Table::create()
            .table("after_reply_jobs")
            .col(uuid("generation_id").primary_key())
            .col(uuid("session_id"))
            .col(big_integer("lease_until"))
            .col(integer("attempts"))
            .foreign_key(&mut cascade("generation_id", "generations"))
            .to_owned();
        for table in [
            publishers,
            publisher_keys,
            extensions,
            extension_versions,
            installations,
            installation_secrets,
            extension_values,
            kept_values,
            extension_logs,
            model_budgets,
            plugin_traces,
            after_reply_jobs,
        ] {
            manager.create_table(table).await?;
        }
        run(
            manager,
            &[
                "CREATE INDEX publishers_owner ON publishers (owner_id)",
                "CREATE INDEX extensions_popular ON extensions (installs, id)",
                "CREATE INDEX extensions_created ON extensions (created_at, id)",
                "CREATE INDEX extensions_updated ON extensions (updated_at, id)",
                "CREATE UNIQUE INDEX extension_versions_version ON extension_versions (extension_id, version)",
                "CREATE UNIQUE INDEX installations_extension ON installations (owner_id, extension_id)",
                "CREATE INDEX installations_of ON installations (extension_id)",
                "CREATE INDEX extension_values_expiry ON extension_values (expires_at) WHERE expires_at IS NOT NULL",
                "CREATE INDEX extension_logs_of ON extension_logs (installation_id, id)",
                "CREATE INDEX after_reply_jobs_due ON after_reply_jobs (lease_until)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &[
                "after_reply_jobs",
                "plugin_traces",
                "model_budgets",
                "extension_logs",
                "extension_kept_values",
                "extension_values",
                "installation_secrets",
                "installations",
                "extension_versions",
                "extensions",
                "publisher_keys",
                "publishers",
            ],
        )
        .await
    }
}
