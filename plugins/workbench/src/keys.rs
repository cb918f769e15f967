//! Keys of authors, and signatures with them, in the format of minisign: its own tools read both.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use tavern_plugins::package::{self, Files};
use tavern_plugins::settings::PluginLimits;

/// The password of a key, for where nobody can be asked.
const PASSWORD: &str = "TAVERN_KEY_PASSWORD";

/// What signs.
pub struct Key(SecretKey);

impl Key {
    /// Reads a secret key. If it has a password, that is taken from `TAVERN_KEY_PASSWORD`, or asked for.
    ///
    /// # Errors
    /// When it cannot be read, is no key, or has another password.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            let path = path.display();
            format!("the key {path} cannot be read: is it there? `tavern extension keygen {path}` makes one")
        })?;
        let parse = || SecretKeyBox::from_string(&text);
        let not_a_key = || format!("{} is no secret key", path.display());
        ensure!(text.starts_with("untrusted comment:"), not_a_key());
        if let Ok(key) = parse().with_context(not_a_key)?.into_unencrypted_secret_key() {
            return Ok(Self(key));
        }
        let key = parse()?.into_secret_key(password().with_context(|| format!("{} has a password", path.display()))?);
        Ok(Self(key.with_context(|| {
            format!("{} cannot be opened: is the password right?", path.display())
        })?))
    }

    /// A fresh one, for tests.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self(KeyPair::generate_unencrypted_keypair()?.sk))
    }

    /// The base64 line of the public key.
    ///
    /// # Errors
    /// When the secret key holds no public one.
    pub fn public(&self) -> Result<String> {
        Ok(PublicKey::from_secret_key(&self.0)?.to_base64())
    }

    /// The text of a signature that says that another public key is the publisher's, too.
    ///
    /// # Errors
    /// When it cannot sign.
    pub fn vouch(&self, publisher: &str, public_key: &str) -> Result<String> {
        let statement = statement(publisher, public_key);
        Ok(minisign::sign(None, &self.0, statement.as_bytes(), None, None)?.into_string())
    }

    /// The same files, signed: over their checksums, for their extension, version and component.
    ///
    /// # Errors
    /// When they are no package.
    pub fn sign(&self, mut files: Files) -> Result<Files> {
        files.remove("signature");
        let unsigned = package::write(&files).map_err(anyhow::Error::msg)?;
        let (package, _) = package::read(&unsigned, &PluginLimits::default()).map_err(refused)?;
        let comment = package::trusted_comment(&package.manifest, &package.component_sha256);
        let signature = minisign::sign(None, &self.0, &package.checksums[..], Some(&comment), None)?;
        files.insert("signature".into(), signature.into_string().into_bytes().into());
        Ok(files)
    }
}

/// What a key of a publisher signs to say that another one is the publisher's, too: its line of base64.
fn statement(publisher: &str, public_key: &str) -> String {
    format!("{publisher} {public_key}")
}

/// Writes a new pair: `path`, which only its owner may read, and `path` with `.pub`. Gives the public key's path.
///
/// # Errors
/// When one of them is there already, or cannot be written.
pub fn generate(path: &Path, with_password: bool) -> Result<PathBuf> {
    let public = PathBuf::from(format!("{}.pub", path.display()));
    for path in [path, &public] {
        if path.exists() {
            bail!("{} is there already, and is not written over", path.display());
        }
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let pair = if with_password {
        let password = password().context("the key is to have a password; `--no-password` makes one without")?;
        KeyPair::generate_encrypted_keypair(password)?
    } else {
        KeyPair::generate_unencrypted_keypair()?
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let comment = "secret key of an author of extensions";
    file.write_all(pair.sk.to_box(Some(comment))?.into_string().as_bytes())?;
    fs::write(&public, pair.pk.to_box()?.into_string())?;
    Ok(public)
}

/// The password of a key, where it is not to be asked for.
fn password() -> Result<Option<String>> {
    let password = std::env::var(PASSWORD).ok();
    #[cfg(unix)]
    if password.is_none() && fs::File::open("/dev/tty").is_err() {
        bail!("nobody can be asked for it here: give it in {PASSWORD}");
    }
    Ok(password)
}

/// The base64 line of a public key's file. A secret key is none, and leaves the machine by no mistake.
///
/// # Errors
/// When it cannot be read, or is no public key.
pub fn public(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let line = text.trim().lines().next_back().unwrap_or_default();
    PublicKey::from_base64(line).with_context(|| {
        format!(
            "{0} is no public key: `keygen {0}` has written that to {0}.pub",
            path.display()
        )
    })?;
    Ok(line.to_owned())
}

/// What is wrong with a package, check by check.
pub fn refused(report: package::Report) -> anyhow::Error {
    let failed = report.checks.iter().filter(|check| !check.passed);
    let lines: Vec<_> = failed
        .map(|check| format!("{}: {}", check.name, check.message))
        .collect();
    anyhow::anyhow!("the package does not hold:\n  {}", lines.join("\n  "))
}

#[cfg(test)]
mod tests;
