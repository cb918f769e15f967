//! Characters. Lists of strings are JSON text.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "characters")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub creator_id: Option<Uuid>,
    pub name: String,
    pub tags: String,
    pub visibility: i16,
    pub is_nsfw: bool,
    pub rating: f64,
    pub rating_count: i32,
    pub chat_count: i32,
    pub favorite_count: i32,
    pub trending: f64,
    pub avatar: Option<String>,
    pub version: i32,
    pub created_at: i64,
    pub updated_at: i64,
    pub character_version: String,
    pub spec_version: String,
    pub nickname: Option<String>,
    pub description: String,
    pub personality: String,
    pub scenario: String,
    pub first_message: String,
    pub alternate_greetings: String,
    pub group_only_greetings: String,
    pub example_dialogue: String,
    pub system_prompt: String,
    pub post_history_instructions: String,
    pub creator_notes: String,
    pub creator_notes_by_language: String,
    pub world_book_id: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}
