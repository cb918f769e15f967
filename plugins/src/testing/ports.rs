//! Ports that take a moment: whoever asks is polled at least twice, so that it can be cut off between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tavern_domain::InstallationId;
use tavern_domain::extension::ExtensionEvent;

use crate::ports::{
    KvEntry, KvFault, KvKey, KvWrite, MemoryPorts, ModelFault, ModelReply, ModelRequest, Ports, Secret,
};

/// What is behind them is in memory; the model costs as many tokens as it may give.
pub(crate) struct SlowPorts {
    pub memory: Arc<MemoryPorts>,
    pub used_tokens: AtomicU64,
}

#[async_trait]
impl Ports for SlowPorts {
    async fn kv_get(&self, keys: Vec<KvKey>) -> Result<Vec<Option<KvEntry>>, KvFault> {
        tokio::task::yield_now().await;
        self.memory.kv_get(keys).await
    }

    async fn kv_keys(&self, prefix: KvKey, after: Option<String>, limit: u32) -> Result<Vec<String>, KvFault> {
        tokio::task::yield_now().await;
        self.memory.kv_keys(prefix, after, limit).await
    }

    async fn kv_commit(
        &self,
        installation: InstallationId,
        version: &str,
        writes: Vec<KvWrite>,
    ) -> Result<(), KvFault> {
        tokio::task::yield_now().await;
        self.memory.kv_commit(installation, version, writes).await
    }

    async fn secret_names(&self, installation: InstallationId) -> Vec<String> {
        tokio::task::yield_now().await;
        self.memory.secret_names(installation).await
    }

    async fn secret(&self, installation: InstallationId, version: &str, name: &str) -> Option<Secret> {
        tokio::task::yield_now().await;
        self.memory.secret(installation, version, name).await
    }

    async fn complete(&self, installation: InstallationId, request: ModelRequest) -> Result<ModelReply, ModelFault> {
        tokio::task::yield_now().await;
        let budget = request.daily_tokens;
        let left = budget.saturating_sub(self.used_tokens.load(Ordering::SeqCst));
        let wanted = u64::from(request.max_tokens);
        if wanted > left {
            return Err(ModelFault::Budget);
        }
        let reply = self.memory.complete(installation, request).await?;
        self.used_tokens.fetch_add(wanted, Ordering::SeqCst);
        Ok(ModelReply {
            budget_left: left - wanted,
            ..reply
        })
    }

    fn emit(&self, installation: InstallationId, event: ExtensionEvent) {
        self.memory.emit(installation, event);
    }
}
