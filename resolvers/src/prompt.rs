//! Prompts, before they are sent.

use async_graphql::{Context, Object, Result};
use tavern_domain::generation::GenerationKind;
use tavern_schema::error::operation_error;
use tavern_schema::id::parse_id;
use tavern_schema::prompt::{PromptPreview, PromptPreviewInput};
use tavern_services::prompt::PromptWish;

use crate::context::RequestContext;

#[derive(Default)]
pub struct PromptQuery;

#[Object]
impl PromptQuery {
    /// Builds the prompt a turn would send, without sending it: what goes in, what it costs and why.
    async fn prompt_preview(&self, ctx: &Context<'_>, input: PromptPreviewInput) -> Result<PromptPreview> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let previewed = async {
            let wish = PromptWish {
                session: parse_id("sessionId", &input.session_id)?,
                content: input.content,
                kind: input.kind.map_or(GenerationKind::Normal, Into::into),
                character: input.character_id.map(|id| parse_id("characterId", &id)).transpose()?,
                guidance: input.guidance,
                options: input.options.map(Into::into).unwrap_or_default(),
            };
            services.chats.preview(actor, wish).await
        };
        Box::pin(previewed)
            .await
            .map(Into::into)
            .map_err(|error| operation_error(&error))
    }
}
