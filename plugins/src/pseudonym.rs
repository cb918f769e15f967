//! Names for chats, accounts and turns that mean something in one installation alone: two extensions
//! cannot find out that they run for the same person, and none learns an id of the house.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tavern_domain::InstallationId;

/// What a pseudonym stands for; the same text gets another one as something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Turn,
    Chat,
    User,
}

/// Makes pseudonyms out of the host's key.
pub(crate) struct Pseudonyms(Hmac<Sha256>);

impl Pseudonyms {
    pub fn new(key: &[u8; 32]) -> Self {
        // The key has other uses; what is marked for one must not be valid for another.
        let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        let own = keyed(key).chain_update(b"tavern pseudonyms").finalize().into_bytes();
        Self(keyed(&own))
    }

    /// 32 hex digits, always the same ones for the same id in the same installation.
    pub fn of(&self, installation: InstallationId, named: Named, id: &str) -> String {
        let tag = match named {
            Named::Turn => b't',
            Named::Chat => b'c',
            Named::User => b'u',
        };
        let mut mac = self.0.clone();
        // All but the id have a fixed length, so that no two inputs look alike.
        mac.update(installation.uuid().as_bytes());
        mac.update(&[tag]);
        mac.update(id.as_bytes());
        let mark = mac.finalize().into_bytes();
        mark.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_stays_in_its_installation_and_means_nothing_elsewhere() {
        let names = Pseudonyms::new(&[7; 32]);
        let (one, other) = (InstallationId::new(), InstallationId::new());
        let name = names.of(one, Named::Chat, "ses_1");
        assert_eq!(name.len(), 32);
        assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(name, names.of(one, Named::Chat, "ses_1"));
        assert_ne!(name, names.of(other, Named::Chat, "ses_1"));
        assert_ne!(name, names.of(one, Named::User, "ses_1"));
        assert_ne!(name, names.of(one, Named::Chat, "ses_2"));
        assert_ne!(name, Pseudonyms::new(&[8; 32]).of(one, Named::Chat, "ses_1"));
    }
}
