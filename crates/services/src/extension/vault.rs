//! Secrets of installations at rest: AES-256-GCM, with the key's id beside each, bound to the row it
//! stands in, so that one cannot be moved to another installation or name.
//!
//! Keys are files of 32 bytes that only the server can read; the one that sorts last seals, all open.

use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use parking_lot::RwLock;
use tavern_domain::{Actor, Error, InstallationId, Result};
use tavern_plugins::ports::Secret;
use tavern_storage::SealedSecret;

use super::Extensions;
use crate::files;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// Rows of secrets in memory at once.
const BATCH: u32 = 100;

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Secrets that were sealed anew.
    pub secrets: u64,
    /// The key that seals from now on.
    pub key: String,
    /// Keys that no secret needs any more; backups made before may.
    pub unused: Vec<String>,
}

impl Extensions {
    /// Makes a new key for secrets, and seals all of them with it. Servers that run go on as they are, and find
    /// the new key by themselves.
    ///
    /// # Errors
    /// FORBIDDEN for all but the house itself; if a secret cannot be opened, in which case nothing has changed,
    /// or the key cannot be written.
    pub async fn rotate_vault_key(&self, actor: &Actor) -> Result<Rotated> {
        if *actor != Actor::System {
            return Err(Error::forbidden("Only whoever runs the server can do this."));
        }
        let (vault, extensions) = (&self.0.vault, &self.0.shared.store.extensions);
        let mut after: Option<SealedSecret> = None;
        loop {
            let place = after.as_ref().map(|last| (last.installation, last.name.as_str()));
            let mut secrets = extensions.all_secrets(place, BATCH).await?;
            for sealed in &secrets {
                vault.unseal(sealed)?;
            }
            after = secrets.pop();
            if after.is_none() {
                break;
            }
        }
        vault.rotate()?;
        let key = vault.current();
        let mut resealed = 0;
        loop {
            let others = extensions.secrets_of_other_keys(&key, BATCH).await?;
            if others.is_empty() {
                break;
            }
            for old in &others {
                let new = vault.seal(old.installation, &old.name, &vault.unseal(old)?)?;
                // One that was set anew meanwhile has the new key already.
                resealed += u64::from(extensions.reseal(old, &new).await?);
            }
        }
        let mut unused = vault.ids();
        unused.retain(|id| *id != key);
        Ok(Rotated {
            secrets: resealed,
            key,
            unused,
        })
    }
}

/// Seals and opens secrets.
pub(super) struct Vault {
    folder: PathBuf,
    /// By id, in order; never empty.
    keys: RwLock<Vec<(String, Aes256Gcm)>>,
}

impl Vault {
    /// Reads the keys in `folder`, or makes the first one.
    ///
    /// # Errors
    /// If the folder cannot be read or written, or holds a `.key` file of another length.
    pub fn open(folder: &Path) -> Result<Self> {
        files::create_private_folder(folder)?;
        let vault = Self {
            folder: folder.to_owned(),
            keys: RwLock::new(read(folder)?),
        };
        if vault.keys.read().is_empty() {
            vault.rotate()?;
        }
        Ok(vault)
    }

    /// Makes a new key, which seals from now on.
    pub fn rotate(&self) -> Result<()> {
        let number = 1 + read(&self.folder)?
            .last()
            .and_then(|(id, _)| id.strip_prefix("vault-")?.parse::<u32>().ok())
            .unwrap_or(0);
        let path = self.folder.join(format!("vault-{number:04}.key"));
        files::write_private_file(&path, &random::<KEY_BYTES>()?)?;
        *self.keys.write() = read(&self.folder)?;
        Ok(())
    }

    /// The id of the key that seals.
    pub fn current(&self) -> String {
        self.keys.read().last().map(|(id, _)| id.clone()).unwrap_or_default()
    }

    fn ids(&self) -> Vec<String> {
        self.keys.read().iter().map(|(id, _)| id.clone()).collect()
    }

    pub fn seal(&self, installation: InstallationId, name: &str, secret: &Secret) -> Result<SealedSecret> {
        // Another process may have made a key since, and none is sealed with an old one then.
        *self.keys.write() = read(&self.folder)?;
        let keys = self.keys.read();
        let (key_id, key) = keys.last().ok_or_else(|| Error::internal("the vault has no key"))?;
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: secret.0.as_bytes(),
            aad: &place(installation, name),
        };
        let ciphertext = key
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Error::internal("a secret could not be sealed"))?;
        Ok(SealedSecret {
            installation,
            name: name.to_owned(),
            key_id: key_id.clone(),
            nonce: nonce.to_vec(),
            ciphertext,
        })
    }

    /// # Errors
    /// INTERNAL_SERVER_ERROR if its key is gone, or it is not what was sealed for this place.
    pub fn unseal(&self, sealed: &SealedSecret) -> Result<Secret> {
        // Another server may have made a key since.
        if !self.keys.read().iter().any(|(id, _)| *id == sealed.key_id) {
            *self.keys.write() = read(&self.folder)?;
        }
        let keys = self.keys.read();
        let (_, key) = keys.iter().find(|(id, _)| *id == sealed.key_id).ok_or_else(|| {
            Error::internal(format!(
                "the secret `{}` of installation {} was sealed with {}, and there is no such key",
                sealed.name, sealed.installation, sealed.key_id
            ))
        })?;
        let nonce: [u8; NONCE_BYTES] = sealed
            .nonce
            .as_slice()
            .try_into()
            .map_err(|_| Error::internal("a secret's nonce has another length"))?;
        let payload = Payload {
            msg: &sealed.ciphertext,
            aad: &place(sealed.installation, &sealed.name),
        };
        let secret = key.decrypt(&Nonce::from(nonce), payload).map_err(|_| {
            Error::internal(format!(
                "the secret `{}` of installation {} does not open with {}: it was sealed with another key of that name, or for another place",
                sealed.name, sealed.installation, sealed.key_id
            ))
        })?;
        String::from_utf8(secret).map(Secret).map_err(Error::internal)
    }
}

/// What a secret is bound to.
fn place(installation: InstallationId, name: &str) -> Vec<u8> {
    format!("{installation}/{name}").into_bytes()
}

fn read(folder: &Path) -> Result<Vec<(String, Aes256Gcm)>> {
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::internal)? {
        let path = entry.map_err(Error::internal)?.path();
        let (Some("key"), Some(id)) = (
            path.extension().and_then(|extension| extension.to_str()),
            path.file_stem().and_then(|stem| stem.to_str()),
        ) else {
            continue;
        };
        let bytes = std::fs::read(&path).map_err(Error::internal)?;
        let key = Aes256Gcm::new_from_slice(&bytes)
            .map_err(|_| Error::internal(format!("{} does not have {KEY_BYTES} bytes", path.display())))?;
        keys.push((id.to_owned(), key));
    }
    keys.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(keys)
}

pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
