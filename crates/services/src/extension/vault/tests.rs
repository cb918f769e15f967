#![allow(clippy::unwrap_used, reason = "a test may fail")]

use super::*;

fn vault() -> (tempfile::TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(&folder.path().join("vault")).unwrap();
    (folder, vault)
}

fn secret() -> Secret {
    Secret("swordfish".into())
}

#[test]
fn a_secret_opens_where_it_was_sealed_and_nowhere_else() {
    let (_folder, vault) = vault();
    let sealed = vault.seal(InstallationId::new(), "key", &secret()).unwrap();
    assert_eq!(vault.unseal(&sealed).unwrap(), secret());
    let moved = SealedSecret {
        installation: InstallationId::new(),
        ..sealed.clone()
    };
    assert!(vault.unseal(&moved).is_err());
    let renamed = SealedSecret {
        name: "other".into(),
        ..sealed.clone()
    };
    assert!(vault.unseal(&renamed).is_err());
    let mut changed = sealed;
    changed.ciphertext[0] ^= 1;
    assert!(vault.unseal(&changed).is_err());
}

#[test]
fn the_text_is_not_in_what_is_stored_and_no_two_seals_are_alike() {
    let (_folder, vault) = vault();
    let id = InstallationId::new();
    let (one, other) = (
        vault.seal(id, "key", &secret()).unwrap(),
        vault.seal(id, "key", &secret()).unwrap(),
    );
    assert!(!one.ciphertext.windows(5).any(|window| window == b"sword"));
    assert_ne!(one.nonce, other.nonce);
    assert_ne!(one.ciphertext, other.ciphertext);
}

#[test]
fn a_new_key_seals_and_the_old_one_still_opens_also_after_a_restart() {
    let (folder, vault) = vault();
    let old = vault.seal(InstallationId::new(), "key", &secret()).unwrap();
    vault.rotate().unwrap();
    let new = vault.seal(InstallationId::new(), "key", &secret()).unwrap();
    assert_ne!(old.key_id, new.key_id);
    assert_eq!(vault.current(), new.key_id);
    for vault in [vault, Vault::open(&folder.path().join("vault")).unwrap()] {
        assert_eq!(vault.unseal(&old).unwrap(), secret());
        assert_eq!(vault.unseal(&new).unwrap(), secret());
    }
}

#[test]
fn a_key_that_another_server_made_is_found() {
    let (folder, ours) = vault();
    let theirs = Vault::open(&folder.path().join("vault")).unwrap();
    theirs.rotate().unwrap();
    let sealed = theirs.seal(InstallationId::new(), "key", &secret()).unwrap();
    assert_eq!(ours.unseal(&sealed).unwrap(), secret());
    // And from now on it is the one that seals.
    theirs.rotate().unwrap();
    let sealed = ours.seal(InstallationId::new(), "key", &secret()).unwrap();
    assert_eq!(sealed.key_id, theirs.current());
}

#[test]
fn what_cannot_be_opened_is_named() {
    let (folder, vault) = vault();
    let (id, folder) = (InstallationId::new(), folder.path().join("vault"));
    let sealed = vault.seal(id, "key", &secret()).unwrap();
    let told = |vault: &Vault| format!("{:?}", vault.unseal(&sealed).unwrap_err());
    std::fs::write(folder.join("vault-0001.key"), [1; 32]).unwrap();
    let other = told(&Vault::open(&folder).unwrap());
    assert!(
        other.contains(&id.to_string()) && other.contains("does not open with vault-0001"),
        "{other}"
    );
    std::fs::remove_file(folder.join("vault-0001.key")).unwrap();
    std::fs::write(folder.join("vault-0002.key"), [1; 32]).unwrap();
    let none = told(&Vault::open(&folder).unwrap());
    assert!(
        none.contains("sealed with vault-0001, and there is no such key"),
        "{none}"
    );
}

#[cfg(unix)]
#[test]
fn keys_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, _vault) = vault();
    let folder = folder.path().join("vault");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("vault-0001.key")), 0o600);
}

#[test]
fn a_key_of_another_length_is_refused() {
    let (folder, _vault) = vault();
    let folder = folder.path().join("vault");
    std::fs::write(folder.join("vault-0002.key"), [0; 31]).unwrap();
    assert!(Vault::open(&folder).is_err());
}
