//! Keys of publishers: the first comes with the first package, each further one is signed by one before.

use minisign_verify::{PublicKey, Signature};
use tavern_domain::extension::{Publisher, PublisherKey};
use tavern_domain::{Actor, Code, Error, Permission, Result};

use super::Extensions;
use tavern_plugins::package;

/// Bytes of a key or a signature as text; real ones have some hundred.
const TEXT: usize = 1_024;

/// The id of a public key, and its line of base64.
pub(super) fn parse(public_key: &str) -> Result<(String, String)> {
    let id = (public_key.len() <= TEXT)
        .then(|| package::key_id(public_key))
        .flatten();
    let id = id.ok_or_else(|| Error::bad_input("publicKey", "This is not one of minisign's public keys."))?;
    let line = public_key.trim().lines().last().unwrap_or_default();
    Ok((id, line.trim().to_owned()))
}

/// What the signature that brings a new key is over, byte for byte.
fn statement(publisher: &str, new_key: &str) -> String {
    format!("{publisher} {new_key}")
}

impl Extensions {
    /// Adds a key to a publisher's. `signature` is minisign's, with a key that holds, over the publisher's
    /// name, a space, and the new key's line of base64, with nothing behind it.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for a publisher that is not the caller's; BAD_USER_INPUT on `publicKey`
    /// and `signature`; CONFLICT on `publicKey` for one it has, or had; QUOTA_EXCEEDED.
    pub async fn rotate_publisher_key(
        &self,
        actor: &Actor,
        publisher: &str,
        new_key: &str,
        signature: &str,
    ) -> Result<Publisher> {
        let known = self.own_publisher(actor, publisher).await?;
        let (id, line) = parse(new_key)?;
        let refuse = || {
            Error::bad_input(
                "signature",
                "This is not a signature of the new key by a key that holds.",
            )
        };
        let signature = (signature.len() <= TEXT)
            .then(|| Signature::decode(signature).ok())
            .flatten();
        let signature = signature.ok_or_else(refuse)?;
        let statement = statement(publisher, &line);
        let signs = |key: &PublisherKey| {
            key.revoked_at.is_none()
                && PublicKey::from_base64(&key.public_key)
                    .is_ok_and(|key| key.verify(statement.as_bytes(), &signature, false).is_ok())
        };
        if !known.keys.iter().any(signs) {
            return Err(refuse());
        }
        let most = self.0.shared.limits.publisher_keys;
        if known.keys.len() >= most as usize {
            return Err(Error::of_field(
                Code::QuotaExceeded,
                "publicKey",
                format!("A publisher has at most {most} keys, revoked ones included."),
            ));
        }
        let key = PublisherKey {
            id,
            public_key: line,
            created_at: self.0.shared.clock.now(),
            revoked_at: None,
        };
        if self.0.shared.store.extensions.add_key(publisher, &key, most).await? {
            self.own_publisher(actor, publisher).await
        } else {
            Err(Error::conflict("publicKey", "The publisher has, or had, this key."))
        }
    }

    /// Revokes a key: what it signed stays, and it signs nothing more. The last one can be revoked too:
    /// nothing is published under the name from then on.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for a publisher that is not the caller's, who moderates apart, and for a
    /// key that does not hold.
    pub async fn revoke_publisher_key(&self, actor: &Actor, publisher: &str, key_id: &str) -> Result<Publisher> {
        let known = self.own_publisher(actor, publisher).await?;
        let now = self.0.shared.clock.now();
        let extensions = &self.0.shared.store.extensions;
        if !extensions.revoke_key(&known.name, key_id, now).await? {
            return Err(Error::not_found("key"));
        }
        self.own_publisher(actor, publisher).await
    }

    async fn own_publisher(&self, actor: &Actor, name: &str) -> Result<Publisher> {
        actor.require_user()?;
        let found = self.publisher(name).await?;
        found
            .filter(|publisher| actor.is(publisher.owner) || actor.may(Permission::ExtensionModerate))
            .ok_or_else(|| Error::not_found("publisher"))
    }
}
