//! Chats as files: in here, out in [`crate::export`].

use async_graphql::{Context, Object, Result, SimpleObject};
use tavern_schema::chat_file::{ChatSource, ImportChatInput};
use tavern_schema::error::{ImportChatError, user_errors};
use tavern_schema::id::parse_ids;
use tavern_services::chat_file as services;

use crate::chat::ChatSession;
use crate::context::RequestContext;

#[derive(SimpleObject, Default)]
pub struct ImportChatPayload {
    chat_session: Option<ChatSession>,
    /// What was odd about the file, and how it was read.
    warnings: Vec<String>,
    user_errors: Vec<ImportChatError>,
}

#[derive(Default)]
pub struct ChatFileMutation;

#[Object]
impl ChatFileMutation {
    /// Makes a chat of what another program wrote: every message with all its swipes. What the platform
    /// has no field for is kept for the export. Of a file with several chats the first is read.
    async fn import_chat(&self, ctx: &Context<'_>, input: ImportChatInput) -> Result<ImportChatPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let source = match input.source {
            ChatSource::File(upload) => services::ChatSource::File(upload.value(ctx)?.content),
            ChatSource::Text(text) => services::ChatSource::Text(text),
        };
        let imported = async {
            let import = services::ChatImport {
                source,
                characters: parse_ids("characterIds", &input.character_ids, services.limits().max_page_size)?,
                title: input.title,
            };
            services.chats.import(actor, import).await
        };
        Ok(match Box::pin(imported).await {
            Ok(imported) => ImportChatPayload {
                chat_session: Some(ChatSession::of(imported.session)),
                warnings: imported.warnings,
                user_errors: Vec::new(),
            },
            Err(error) => ImportChatPayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            },
        })
    }
}
