//! Models and limits.

use async_graphql::{Context, Object};
use tavern_schema::limits::{ExtensionLimits, ServiceLimits, int};
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
        let services = &RequestContext::of(ctx).services;
        let limits = &services.extensions.host().settings().limits;
        let extensions = ExtensionLimits {
            installations: int(limits.installations),
            package_bytes: int(limits.package_bytes),
            package_files: int(limits.package_files),
            component_bytes: int(limits.component_bytes),
            large_component_bytes: int(limits.large_component_bytes),
            memory_bytes: int(limits.memory_bytes),
            table_elements: int(limits.table_elements),
            fuel_prompt: int(limits.fuel_prompt),
            fuel_flush: int(limits.fuel_flush),
            fuel_stream: int(limits.fuel_stream),
            fuel_after_reply: int(limits.fuel_after_reply),
            fuel_tool: int(limits.fuel_tool),
            fuel_validate: int(limits.fuel_validate),
            fuel_price: int(limits.fuel_price),
            fuel_rank: int(limits.fuel_rank),
            large_runtime_factor: int(limits.large_runtime_factor),
            wall_ms: int(limits.wall_ms),
            wall_http_ms: int(limits.wall_http_ms),
            wall_flush_ms: int(limits.wall_flush_ms),
            wall_after_reply_ms: int(limits.wall_after_reply_ms),
            wall_chain_ms: int(limits.wall_chain_ms),
            transfer_bytes: int(limits.transfer_bytes),
            host_calls: int(limits.host_calls),
            edits: int(limits.edits),
            text_bytes: int(limits.text_bytes),
            result_bytes: int(limits.result_bytes),
            log_lines: int(limits.log_lines),
            log_line_bytes: int(limits.log_line_bytes),
            log_bytes: int(limits.log_bytes),
            kv_keys: int(limits.kv_keys),
            kv_bytes: int(limits.kv_bytes),
            kv_key_bytes: int(limits.kv_key_bytes),
            kv_value_bytes: int(limits.kv_value_bytes),
            kv_operations: int(limits.kv_operations),
            http_requests: int(limits.http_requests),
            http_requests_per_minute: int(limits.http_requests_per_minute),
            http_request_bytes: int(limits.http_request_bytes),
            http_response_bytes: int(limits.http_response_bytes),
            http_ms: int(limits.http_ms),
            hold_bytes: int(limits.hold_bytes),
            hold_ms: int(limits.hold_ms),
            lore_candidates: int(limits.lore_candidates),
        };
        ServiceLimits::new(services.limits(), extensions)
    }
}
