//! Signatures of authors: minisign's, over the bytes of `checksums`. The trusted comment binds them to one
//! version of one extension, so that a signature cannot be moved to another.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{Error, PublicKey, Signature};

use super::{Check, Package};
use crate::manifest::Manifest;

/// Bytes of a key or a signature: algorithm, then the key's id.
const ALGORITHM: usize = 2;
const KEY_ID: usize = 8;

/// What the trusted comment of a signature has to say.
#[must_use]
pub fn trusted_comment(manifest: &Manifest, component_sha256: &str) -> String {
    let about = &manifest.extension;
    format!("{} {} {component_sha256}", about.id, about.version)
}

/// The id of a public key, in 16 hex digits, if it is one: the base64 line, or minisign's file of two.
#[must_use]
pub fn key_id(public_key: &str) -> Option<String> {
    parse(public_key).ok()?;
    id_of(public_key.trim().lines().last()?)
}

impl Package {
    /// The id of the key that it claims to be signed with.
    #[must_use]
    pub fn signer(&self) -> Option<String> {
        let signature = self.signature.as_ref()?;
        Signature::decode(signature).ok()?;
        id_of(signature.lines().nth(1)?)
    }
}

/// As minisign shows it: the bytes as a number, the last one first.
fn id_of(line: &str) -> Option<String> {
    let bytes = STANDARD.decode(line.trim()).ok()?;
    let id: [u8; KEY_ID] = bytes.get(ALGORITHM..ALGORITHM + KEY_ID)?.try_into().ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(id)))
}

fn parse(public_key: &str) -> Result<PublicKey, Error> {
    let text = public_key.trim();
    match text.lines().count() {
        1 => PublicKey::from_base64(text),
        _ => PublicKey::decode(text),
    }
}

/// Whether the package was signed with this key, as this version of this extension.
///
/// # Errors
/// The check that failed: `signature.missing`, `signature.key`, `signature.invalid` or `signature.comment`.
pub fn verify(package: &Package, public_key: &str) -> Result<(), Check> {
    let refuse = |name: &str, message: &str| {
        Err(Check {
            name: name.to_owned(),
            passed: false,
            message: message.to_owned(),
        })
    };
    let Ok(key) = parse(public_key) else {
        return refuse("signature.key", "The public key is not one of minisign's.");
    };
    let Some(text) = &package.signature else {
        return refuse("signature.missing", "The package is not signed.");
    };
    let Ok(signature) = Signature::decode(text) else {
        return refuse("signature.invalid", "The file `signature` is not one of minisign's.");
    };
    match key.verify(&package.checksums, &signature, false) {
        Ok(()) => {}
        Err(Error::UnexpectedKeyId) => {
            return refuse(
                "signature.key",
                "The package is signed with another key than the publisher's.",
            );
        }
        Err(_) => {
            return refuse(
                "signature.invalid",
                "The signature is not one of these files with this key.",
            );
        }
    }
    let expected = trusted_comment(&package.manifest, &package.component_sha256);
    if signature.trusted_comment() != expected {
        return refuse(
            "signature.comment",
            "The signature is one of another extension or version: its trusted comment has to be `id version \
             component-sha256`.",
        );
    }
    Ok(())
}
