//! The names of secrets, never their values.

use tavern_domain::extension::Capability;

use crate::bindings::tavern::extension::secrets::Host;
use crate::manifest::SecretDeclaration;
use crate::store::State;

impl State {
    /// A secret that the manifest declares and the owner has granted.
    pub(super) fn granted_secret(&self, name: &str) -> Option<&SecretDeclaration> {
        let declared = self.member.manifest.secrets.iter().find(|secret| secret.name == name);
        declared.filter(|_| self.member.may(&Capability::Secret(name.to_owned())))
    }
}

impl Host for State {
    async fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        self.admit(0)?;
        let mut names = self.host.inner().ports.secret_names(self.member.installation).await;
        names.retain(|name| self.granted_secret(name).is_some());
        Ok(names)
    }
}

#[cfg(test)]
mod tests;
