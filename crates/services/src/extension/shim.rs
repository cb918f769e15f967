//! Stands in for what the plugins crate is about to have.
use tavern_domain::InstallationId;
use tavern_plugins::Host;
use tavern_plugins::chain::Member;
use tavern_plugins::ports::KvWrite;

#[allow(async_fn_in_trait)]
pub trait HostShim {
    async fn validate_config(&self, member: &std::sync::Arc<Member>) -> Result<(), String>;
    async fn migrate(&self, member: &std::sync::Arc<Member>, from: &str) -> Result<Vec<KvWrite>, String>;
    fn take_condemned(&self) -> Vec<(InstallationId, String)>;
}
impl HostShim for Host {
    async fn validate_config(&self, _member: &std::sync::Arc<Member>) -> Result<(), String> {
        Ok(())
    }
    async fn migrate(&self, _member: &std::sync::Arc<Member>, _from: &str) -> Result<Vec<KvWrite>, String> {
        Ok(Vec::new())
    }
    fn take_condemned(&self) -> Vec<(InstallationId, String)> {
        Vec::new()
    }
}
