//! Links to files.

use async_graphql::{Context, Object, Result, SimpleObject};
use tavern_schema::error::{ExportCharacterError, ExportChatError, user_errors};
use tavern_schema::export::{CardFormat, CardSpec, ExportCharacterInput, ExportChatInput};
use tavern_schema::id::parse_id;
use tavern_schema::scalar::DateTime;
use tavern_services::export::{self, Export, ExportLink};

use crate::context::RequestContext;

/// A payload of a link, whose fields are null if there are errors.
macro_rules! link_payload {
    ($name:ident { $($(#[$doc:meta])* $more:ident: $type:ty)? }, $error:ty) => {
        #[derive(SimpleObject, Default)]
        pub struct $name {
            /// Relative to this server. Whoever has it may fetch the file, without a token, until it expires.
            url: Option<String>,
            file_name: Option<String>,
            content_type: Option<String>,
            expires_at: Option<DateTime>,
            $($(#[$doc])* $more: $type,)?
            user_errors: Vec<$error>,
        }

        impl $name {
            fn of(outcome: tavern_domain::Result<ExportLink>) -> Result<Self> {
                Ok(match outcome {
                    Ok(link) => Self {
                        url: Some(link.path),
                        file_name: Some(link.file_name),
                        content_type: Some(link.content_type.to_owned()),
                        expires_at: Some(DateTime(link.expires_at)),
                        $($more: link.$more,)?
                        user_errors: Vec::new(),
                    },
                    Err(error) => Self {
                        user_errors: user_errors(error)?,
                        ..Self::default()
                    },
                })
            }
        }
    };
}

link_payload! { ExportCharacterPayload {
    /// What the form cannot hold.
    warnings: Vec<String>
}, ExportCharacterError }
link_payload! { ExportChatPayload {}, ExportChatError }

#[derive(Default)]
pub struct ExportMutation;

#[Object]
impl ExportMutation {
    /// A link to a character as a card: as it is now, with all that its card brought along, or the file
    /// it came in.
    async fn export_character(&self, ctx: &Context<'_>, input: ExportCharacterInput) -> Result<ExportCharacterPayload> {
        let export = parse_id("id", &input.id).map(|id| match input.original {
            Some(true) => Export::OriginalCard { id },
            _ => Export::Character {
                id,
                format: format(input.format),
                spec: input.spec.map(spec),
            },
        });
        ExportCharacterPayload::of(link(ctx, export).await)
    }

    /// A link to a chat as a file of SillyTavern's, or to an archive of it and its branches.
    async fn export_chat(&self, ctx: &Context<'_>, input: ExportChatInput) -> Result<ExportChatPayload> {
        let branches = input.branches.unwrap_or(false);
        let export = parse_id("sessionId", &input.session_id).map(|id| Export::Chat { id, branches });
        ExportChatPayload::of(link(ctx, export).await)
    }
}

async fn link(ctx: &Context<'_>, export: tavern_domain::Result<Export>) -> tavern_domain::Result<ExportLink> {
    let RequestContext { services, actor, .. } = RequestContext::of(ctx);
    Box::pin(services.exports.link(actor, export?)).await
}

const fn format(format: CardFormat) -> export::CardFormat {
    match format {
        CardFormat::Png => export::CardFormat::Png,
        CardFormat::Json => export::CardFormat::Json,
        CardFormat::Charx => export::CardFormat::Charx,
    }
}

const fn spec(spec: CardSpec) -> export::CardSpec {
    match spec {
        CardSpec::V2 => export::CardSpec::V2,
        CardSpec::V3 => export::CardSpec::V3,
    }
}
