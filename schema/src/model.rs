//! Models.

use async_graphql::SimpleObject;
use tavern_domain::model as domain;

use crate::scalar::BigInt;

/// A model that can be asked for by name.
#[derive(SimpleObject, Debug, Clone)]
pub struct Model {
    pub name: String,
    pub context_tokens: i32,
    pub max_output_tokens: i32,
    /// Whether it is configured and not known to be down.
    pub available: bool,
    /// Micro-credits per 1,000 tokens.
    pub prompt_price: BigInt,
    /// Micro-credits per 1,000 tokens.
    pub completion_price: BigInt,
}

impl From<domain::Model> for Model {
    fn from(model: domain::Model) -> Self {
        Self {
            name: model.name,
            context_tokens: model.context_tokens,
            max_output_tokens: model.max_output_tokens,
            available: model.available,
            prompt_price: BigInt(model.prompt_price),
            completion_price: BigInt(model.completion_price),
        }
    }
}
