//! Stands in for what the plugins crate is about to have.
use serde_json::Value;
use tavern_domain::InstallationId;
use tavern_domain::extension::Capability;
use tavern_plugins::Host;
use tavern_plugins::chain::Member;
use tavern_plugins::manifest::Manifest;
use tavern_plugins::package::{Check, Package};
use tavern_plugins::ports::KvWrite;
use tavern_plugins::settings::PluginSettings;

pub const API_VERSION: semver::Version = semver::Version::new(0, 1, 0);

pub fn widened(old: &[Capability], new: &Manifest) -> Vec<Capability> {
    let beyond = |asked: &&Capability| !old.iter().any(|had| had.covers(asked));
    new.permissions.keys().filter(beyond).cloned().collect()
}

pub trait ManifestShim {
    fn capabilities(&self) -> Vec<Capability>;
    fn effective(&self, grants: &[Capability], policy: &PluginSettings) -> Vec<Capability>;
}
impl ManifestShim for Manifest {
    fn capabilities(&self) -> Vec<Capability> {
        self.permissions.keys().cloned().collect()
    }
    fn effective(&self, grants: &[Capability], policy: &PluginSettings) -> Vec<Capability> {
        grants.iter().filter(|grant| policy.allows(grant)).cloned().collect()
    }
}
pub trait PackageShim {
    fn signer(&self) -> Option<String>;
}
impl PackageShim for Package {
    fn signer(&self) -> Option<String> {
        None
    }
}
pub fn verify(_package: &Package, _public_key: &str) -> Result<(), Check> {
    Ok(())
}
pub fn key_id(_public_key: &str) -> Option<String> {
    None
}
pub mod schema {
    use super::Value;
    pub fn secret_names(_schema: &Value) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
    pub fn check_config(_schema: &Value, _config: &Value) -> Vec<(String, String)> {
        Vec::new()
    }
    pub fn split_secrets(_schema: &Value, config: &Value) -> (Value, Vec<(String, String)>) {
        (config.clone(), Vec::new())
    }
}
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
