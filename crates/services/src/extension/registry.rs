//! This server's word for what it has accepted: a signature over name, version and hash of each
//! package, looked at whenever a version is loaded. And the key that the host marks its own files with.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use tavern_domain::{Error, Result};

use super::vault::random;
use crate::files;

/// Signs what is accepted.
pub(super) struct Registry(SigningKey);

impl Registry {
    /// Reads the key in `folder`, or makes it.
    ///
    /// # Errors
    /// If the folder cannot be read or written, or the file is not an Ed25519 key.
    pub fn open(folder: &Path) -> Result<Self> {
        files::create_private_folder(folder)?;
        let path = folder.join("registry.pk8");
        if !path.exists() {
            let der = SigningKey::from_bytes(&random()?)
                .to_pkcs8_der()
                .map_err(|error| Error::internal(error.to_string()))?;
            files::write_private_file(&path, der.as_bytes())?;
        }
        let der = std::fs::read(&path).map_err(Error::internal)?;
        let key = SigningKey::from_pkcs8_der(&der)
            .map_err(|error| Error::internal(format!("{} is not an Ed25519 key: {error}", path.display())))?;
        Ok(Self(key))
    }

    /// In base64.
    pub fn sign(&self, name: &str, version: &str, sha256: &str) -> String {
        STANDARD.encode(self.0.sign(&message(name, version, sha256)).to_bytes())
    }

    pub fn verify(&self, name: &str, version: &str, sha256: &str, signature: &str) -> bool {
        let key: &VerifyingKey = &self.0.verifying_key();
        let signature = STANDARD.decode(signature).ok();
        signature
            .and_then(|bytes| Signature::from_slice(&bytes).ok())
            .is_some_and(|signature| key.verify_strict(&message(name, version, sha256), &signature).is_ok())
    }
}

fn message(name: &str, version: &str, sha256: &str) -> Vec<u8> {
    format!("{name} {version} {sha256}").into_bytes()
}

/// The host's own key, made when it is first asked for.
pub(super) fn host_key(folder: &Path) -> Result<[u8; 32]> {
    let path = folder.join("host.secret");
    if !path.exists() {
        files::write_private_file(&path, &random::<32>()?)?;
    }
    let bytes = std::fs::read(&path).map_err(Error::internal)?;
    bytes
        .try_into()
        .map_err(|_| Error::internal(format!("{} does not have 32 bytes", path.display())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_accepted_is_signed_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let signature = Registry::open(folder.path()).unwrap().sign("a/b", "1.0.0", "ab");
        let registry = Registry::open(folder.path()).unwrap();
        assert!(registry.verify("a/b", "1.0.0", "ab", &signature));
        for (name, version, sha256) in [("a/c", "1.0.0", "ab"), ("a/b", "1.0.1", "ab"), ("a/b", "1.0.0", "ac")] {
            assert!(!registry.verify(name, version, sha256, &signature));
        }
        assert!(!registry.verify("a/b", "1.0.0", "ab", ""));
        let other = tempfile::tempdir().unwrap();
        assert!(
            !Registry::open(other.path())
                .unwrap()
                .verify("a/b", "1.0.0", "ab", &signature)
        );
    }

    #[test]
    fn the_hosts_key_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(host_key(folder.path()).unwrap(), host_key(folder.path()).unwrap());
    }
}
