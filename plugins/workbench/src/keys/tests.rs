use super::{Key, generate, public};

#[test]
fn a_key_is_written_for_its_owner_alone_and_never_over_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys/author.key");
    let public = generate(&path, false).expect("a pair");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("a file").permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    let key = Key::read(&path).expect("the key");
    let text = std::fs::read_to_string(public).expect("the public key");
    assert_eq!(
        text.lines().last(),
        Some(key.public().expect("its public key").as_str())
    );
    let before = std::fs::read(&path).expect("the key");
    assert!(generate(&path, false).is_err());
    assert_eq!(std::fs::read(&path).expect("the key"), before);
}

#[test]
fn what_is_no_key_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("author.key");
    std::fs::write(&path, "something else").expect("a file");
    let told = format!("{:#}", Key::read(&path).err().expect("no key"));
    assert!(told.contains("author.key is no secret key"), "{told}");
}

#[test]
fn a_secret_key_is_never_taken_for_a_public_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("author.key");
    let of_everybody = generate(&path, false).expect("a pair");
    let key = Key::read(&path).expect("the key").public().expect("its public key");
    assert_eq!(public(&of_everybody).expect("a public key"), key);
    let told = format!("{:#}", public(&path).expect_err("a secret one"));
    assert!(
        told.contains("author.key is no public key") && told.contains("author.key.pub"),
        "{told}"
    );
}
