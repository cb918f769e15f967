//! Chats as files.

use async_graphql::{ID, InputObject, OneofObject, Upload};

#[derive(InputObject)]
pub struct ImportChatInput {
    pub source: ChatSource,
    /// Who speaks in the chat besides its owner, known by name or nickname; what nobody of them is called
    /// is said by the first.
    pub character_ids: Vec<ID>,
    /// The characters' names if not given.
    pub title: Option<String>,
}

/// Where a chat comes from: exactly one of these.
#[derive(OneofObject)]
pub enum ChatSource {
    /// A file of SillyTavern, Agnai, RisuAI, CAI Tools, text-generation-webui, KoboldAI Lite or Chub, by
    /// the GraphQL multipart request specification.
    File(Upload),
    /// What would stand in the file.
    Text(String),
}
