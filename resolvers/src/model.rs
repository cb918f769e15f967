//! Models and limits.

use async_graphql::{Context, Object};
use tavern_schema::limits::ServiceLimits;
use tavern_schema::model::Model;

use crate::context::RequestContext;

#[derive(Default)]
pub struct ModelQuery;

#[Object]
impl ModelQuery {
    /// The models that can be asked for, the default first.
    async fn models(&self, ctx: &Context<'_>) -> Vec<Model> {
        RequestContext::of(ctx)
            .services
            .chats
            .models()
            .into_iter()
            .map(Into::into)
            .collect()
    }

    /// What this server accepts.
    async fn service_limits(&self, ctx: &Context<'_>) -> ServiceLimits {
        RequestContext::of(ctx).services.limits().into()
    }
}
