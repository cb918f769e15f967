//! A component that can be run: loaded when it is first needed, and let go when it was long unused.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

/// Where a component's bytes come from, such as a package among the objects.
#[async_trait]
pub trait ComponentSource: Send + Sync + 'static {
    /// # Errors
    /// Why it cannot be had, for logs.
    async fn component(&self) -> Result<Bytes, String>;
}

/// A component by its hash.
pub struct Program {
    /// SHA-256, in hex; checked whenever it is loaded.
    pub sha256: String,
    pub source: Arc<dyn ComponentSource>,
    /// Gets the larger limits.
    pub large_runtime: bool,
}

/// A component at hand.
pub struct Bytewise(pub Bytes);

#[async_trait]
impl ComponentSource for Bytewise {
    async fn component(&self) -> Result<Bytes, String> {
        Ok(self.0.clone())
    }
}
