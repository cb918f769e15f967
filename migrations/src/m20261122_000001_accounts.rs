//! Accounts, their roles, and the logins that refresh tokens belong to.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, pk_uuid, string, string_uniq, text, uuid};

use crate::{cascade, drop_tables, run};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let users = Table::create()
            .table("users")
            .col(pk_uuid("id"))
            .col(string("username"))
            .col(string_uniq("username_key"))
            .col(string_uniq("username_skeleton"))
            .col(string("display_name"))
            .col(string("email"))
            .col(string_uniq("email_key"))
            .col(text("bio"))
            .col(boolean("is_verified"))
            .col(string("password_hash"))
            .col(big_integer("created_at"))
            .col(big_integer("updated_at"))
            .to_owned();
        let user_roles = Table::create()
            .table("user_roles")
            .col(uuid("user_id"))
            .col(string("role"))
            .primary_key(Index::create().col("user_id").col("role"))
            .foreign_key(&mut cascade("user_id", "users"))
            .to_owned();
        let logins = Table::create()
            .table("logins")
            .col(pk_uuid("id"))
            .col(uuid("user_id"))
            .col(big_integer("created_at"))
            .col(big_integer("expires_at"))
            .col(big_integer_null("revoked_at"))
            .foreign_key(&mut cascade("user_id", "users"))
            .to_owned();
        let refresh_tokens = Table::create()
            .table("refresh_tokens")
            .col(ColumnDef::new("hash").binary().not_null().primary_key())
            .col(uuid("login_id"))
            .col(big_integer("created_at"))
            .col(big_integer("expires_at"))
            .col(big_integer_null("used_at"))
            .foreign_key(&mut cascade("login_id", "logins"))
            .to_owned();
        for table in [users, user_roles, logins, refresh_tokens] {
            manager.create_table(table).await?;
        }
        run(
            manager,
            &[
                "CREATE INDEX logins_user ON logins (user_id)",
                "CREATE INDEX logins_expiry ON logins (expires_at)",
                "CREATE INDEX logins_revoked ON logins (revoked_at) WHERE revoked_at IS NOT NULL",
                "CREATE INDEX refresh_tokens_login ON refresh_tokens (login_id)",
                "CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["refresh_tokens", "logins", "user_roles", "users"]).await
    }
}
