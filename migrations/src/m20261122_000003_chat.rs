//! Chat sessions, where their messages stand, generations, and the idempotency keys of turns.
//!
//! Characters are referred to without foreign keys: a chat outlives the characters in it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, boolean, integer, pk_uuid, small_integer, string, string_null, text,
    text_null, uuid, uuid_null,
};

use crate::{cascade, drop_tables, run, set_null};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let chat_sessions = Table::create()
            .table("chat_sessions")
            .col(pk_uuid("id"))
            .col(uuid("owner_id"))
            .col(string("title"))
            .col(string("model"))
            .col(boolean("is_archived"))
            .col(integer("message_count"))
            .col(integer("next_sequence"))
            .col(big_integer("total_tokens"))
            .col(big_integer("created_at"))
            .col(big_integer("updated_at"))
            .col(big_integer_null("last_message_at"))
            .foreign_key(&mut cascade("owner_id", "users"))
            .to_owned();
        let session_characters = Table::create()
            .table("session_characters")
            .col(uuid("session_id"))
            .col(integer("position"))
            .col(uuid("character_id"))
            .primary_key(Index::create().col("session_id").col("position"))
            .foreign_key(&mut cascade("session_id", "chat_sessions"))
            .to_owned();
        let messages = Table::create()
            .table("messages")
            .col(pk_uuid("id"))
            .col(uuid("session_id"))
            .col(integer("sequence"))
            .col(small_integer("role"))
            .col(uuid_null("author_user_id"))
            .col(uuid_null("author_character_id"))
            .col(uuid_null("generation_id"))
            .col(boolean("is_hidden"))
            .col(big_integer("created_at"))
            .foreign_key(&mut cascade("session_id", "chat_sessions"))
            .to_owned();
        let generations = Table::create()
            .table("generations")
            .col(pk_uuid("id"))
            .col(uuid("session_id"))
            .col(uuid("user_id"))
            .col(uuid_null("message_id"))
            .col(uuid_null("character_id"))
            .col(small_integer("kind"))
            .col(small_integer("status"))
            .col(string("model"))
            .col(string_null("provider"))
            .col(text("options"))
            .col(text("attempts"))
            .col(text_null("usage"))
            .col(string_null("finish_reason"))
            .col(text_null("error"))
            .col(string_null("sha256"))
            .col(integer("length"))
            .col(integer("fence"))
            .col(big_integer("lease_until"))
            .col(boolean("cancel_requested"))
            .col(big_integer("created_at"))
            .col(big_integer_null("first_token_at"))
            .col(big_integer_null("ended_at"))
            .foreign_key(&mut cascade("session_id", "chat_sessions"))
            .foreign_key(&mut cascade("user_id", "users"))
            .foreign_key(&mut set_null("message_id", "messages"))
            .to_owned();
        let idempotency_keys = Table::create()
            .table("idempotency_keys")
            .col(uuid("user_id"))
            .col(string("key"))
            .col(binary("request_hash"))
            .col(uuid_null("message_id"))
            .col(uuid_null("generation_id"))
            .col(big_integer("expires_at"))
            .primary_key(Index::create().col("user_id").col("key"))
            .foreign_key(&mut cascade("user_id", "users"))
            .to_owned();
        for table in [
            chat_sessions,
            session_characters,
            messages,
            generations,
            idempotency_keys,
        ] {
            manager.create_table(table).await?;
        }
        // Statuses below 3 are those of a reply that is still being written; a session has at most one.
        run(
            manager,
            &[
                "CREATE INDEX chat_sessions_activity ON chat_sessions (owner_id, is_archived, updated_at, id)",
                "CREATE UNIQUE INDEX messages_sequence ON messages (session_id, sequence)",
                "CREATE UNIQUE INDEX generations_running ON generations (session_id) WHERE status < 3",
                "CREATE INDEX generations_running_user ON generations (user_id) WHERE status < 3",
                "CREATE INDEX generations_lease ON generations (lease_until) WHERE status < 3",
                "CREATE INDEX generations_session ON generations (session_id)",
                "CREATE INDEX generations_message ON generations (message_id)",
                "CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &[
                "idempotency_keys",
                "generations",
                "messages",
                "session_characters",
                "chat_sessions",
            ],
        )
        .await
    }
}
