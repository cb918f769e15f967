//! The tables as SeaORM sees them, one a file. Nothing outside this crate knows them.

pub mod card_document;
pub mod character;
pub mod character_tag;
pub mod chat_file;
pub mod chat_session;
pub mod generation;
pub mod generation_prompt;
pub mod generation_text;
pub mod idempotency_key;
pub mod login;
pub mod message;
pub mod message_document;
pub mod persona;
pub mod preset;
pub mod refresh_token;
pub mod session_character;
pub mod user;
pub mod user_role;
pub mod user_variables;
pub mod world_book_document;
pub mod world_entry_document;
