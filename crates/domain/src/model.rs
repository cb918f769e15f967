//! Models as clients see them: a configured name, behind which deployments are tried in order.

/// A model that a client can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub name: String,
    pub context_tokens: i32,
    pub max_output_tokens: i32,
    /// Whether at least one deployment is configured and not known to be down.
    pub available: bool,
    /// Micro-credits per 1,000 tokens.
    pub prompt_price: i64,
    /// Micro-credits per 1,000 tokens.
    pub completion_price: i64,
}
