//! Characters, their tags, and their full-text index.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, boolean, double, integer, pk_auto, pk_uuid, small_integer, string, string_null, text, text_null, uuid,
    uuid_null, uuid_uniq,
};
use sea_orm_migration::sea_orm::DbBackend;

use crate::{cascade, drop_tables, run, set_null};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let mut characters = Table::create().table("characters").to_owned();
        if sqlite {
            // The full-text index refers to rows by number, and only a declared one survives VACUUM.
            characters.col(pk_auto("number")).col(uuid_uniq("id"));
        } else {
            characters.col(pk_uuid("id"));
        }
        // Lists read the short columns; the long ones come last, so that a row's overflow pages
        // are touched only by those who want its text.
        characters
            .col(uuid_null("creator_id"))
            .col(string("name"))
            .col(text("tags"))
            .col(small_integer("visibility"))
            .col(boolean("is_nsfw"))
            .col(double("rating"))
            .col(integer("rating_count"))
            .col(integer("chat_count"))
            .col(integer("favorite_count"))
            .col(double("trending"))
            .col(string_null("avatar"))
            .col(integer("version"))
            .col(big_integer("created_at"))
            .col(big_integer("updated_at"))
            .col(string("character_version"))
            .col(string("spec_version"))
            .col(text_null("nickname"))
            .col(text("description"))
            .col(text("personality"))
            .col(text("scenario"))
            .col(text("first_message"))
            .col(text("alternate_greetings"))
            .col(text("group_only_greetings"))
            .col(text("example_dialogue"))
            .col(text("system_prompt"))
            .col(text("post_history_instructions"))
            .col(text("creator_notes"))
            .col(text("creator_notes_by_language"))
            .foreign_key(&mut set_null("creator_id", "users"));
        let character_tags = Table::create()
            .table("character_tags")
            .col(uuid("character_id"))
            .col(string("tag_key"))
            .col(string("tag"))
            .primary_key(Index::create().col("character_id").col("tag_key"))
            .foreign_key(&mut cascade("character_id", "characters"))
            .to_owned();
        manager.create_table(characters).await?;
        manager.create_table(character_tags).await?;
        // An order of the public list is a walk along one index. `is_nsfw` comes last in each, so
        // that the usual filter is decided on the index alone.
        run(
            manager,
            &[
                "CREATE INDEX characters_creator ON characters (creator_id, updated_at, id)",
                "CREATE INDEX characters_popular ON characters (chat_count, id, is_nsfw) WHERE visibility = 2",
                "CREATE INDEX characters_rating ON characters (rating, rating_count, id, is_nsfw) WHERE visibility = 2",
                "CREATE INDEX characters_created ON characters (created_at, id, is_nsfw) WHERE visibility = 2",
                "CREATE INDEX characters_updated ON characters (updated_at, id, is_nsfw) WHERE visibility = 2",
                "CREATE INDEX characters_trending ON characters (trending, id, is_nsfw) WHERE visibility = 2",
                "CREATE INDEX character_tags_key ON character_tags (tag_key, character_id)",
            ],
        )
        .await?;
        if sqlite {
            // Contentless: the text stands in `characters` already. Words arrive folded.
            run(
                manager,
                &[
                    "CREATE VIRTUAL TABLE character_search USING fts5(name, tags, description, creator_notes, \
                   content='', contentless_delete=1, prefix='3', tokenize='unicode61 remove_diacritics 0')",
                ],
            )
            .await
        } else {
            // Apart from `characters`, so that a counter's change does not touch the GIN index.
            let character_search = Table::create()
                .table("character_search")
                .col(pk_uuid("character_id"))
                .col(ColumnDef::new("words").custom("tsvector").not_null())
                .foreign_key(&mut cascade("character_id", "characters"))
                .to_owned();
            manager.create_table(character_search).await?;
            run(
                manager,
                &["CREATE INDEX character_search_words ON character_search USING gin (words)"],
            )
            .await
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["character_search", "character_tags", "characters"]).await
    }
}
