//! Passwords: argon2id in a bounded pool, and a check against passwords that everybody tries first.
//!
//! One hash takes about 20 ms and 19 MiB, which makes signing in the cheapest way to overload a
//! server: so few are computed at once, few may wait, and the rest is told to come back. A login
//! for an account that does not exist costs the same as any other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tavern_domain::{Code, Error, Limits, Result};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

/// How many may wait for a hasher before the next is sent away.
const WAITING: usize = 100;
/// Below this many guesses a password is among the first an attacker tries (zxcvbn's estimate).
const FEWEST_GUESSES: u64 = 10_000;

/// The bounded pool of hashers.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    hashers: Semaphore,
    waiting: AtomicUsize,
    longest: usize,
    /// Verified when there is no account, so that the answer takes as long.
    decoy: String,
}

impl Passwords {
    /// # Errors
    /// If the machine has no randomness.
    pub fn new(limits: &Limits) -> Result<Self> {
        let decoy = hash_now("no account has this password")?;
        Ok(Self(Arc::new(Inner {
            hashers: Semaphore::new(limits.password_hashers.max(1)),
            waiting: AtomicUsize::new(0),
            longest: limits.password_chars,
            decoy,
        })))
    }

    /// Checks a new password and brings it into the form that is hashed.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `password`: its length, or that it is among the first to be guessed.
    pub fn check(&self, password: &str, known: &[&str]) -> Result<String> {
        let refuse = |why: String| Err(Error::bad_input("password", why));
        let longest = self.0.longest;
        if password.len() > longest * 4 {
            return refuse(format!("A password has at most {longest} characters."));
        }
        let count = password.chars().count();
        if count < 8 {
            return refuse(format!("A password has at least 8 characters, not {count}."));
        }
        if count > longest {
            return refuse(format!("A password has at most {longest} characters, not {count}."));
        }
        // The estimate is quadratic in the length; what follows the first 64 characters only makes it stronger.
        let head: String = password.chars().take(64).collect();
        if zxcvbn::zxcvbn(&head, known).guesses() < FEWEST_GUESSES {
            return refuse(
                "This password is among the first to be guessed. Choose one that is longer or less usual.".into(),
            );
        }
        Ok(normalise(password))
    }

    /// # Errors
    /// OVERLOADED if too many are waiting.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move |_| hash_now(&password)).await
    }

    /// Whether `password` is the one behind `hash`; without a hash, no, after the same work.
    ///
    /// # Errors
    /// OVERLOADED if too many are waiting.
    pub async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool> {
        let longest = self.0.longest;
        let password = if password.len() <= longest * 4 {
            normalise(password)
        } else {
            String::new()
        };
        self.run(move |inner| {
            let parsed = PasswordHash::new(hash.as_deref().unwrap_or(&inner.decoy))
                .map_err(|error| Error::internal(error.to_string()))?;
            let holds = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
            Ok(holds && hash.is_some())
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> Result<T> + Send + 'static) -> Result<T> {
        let _place = Place::take(&self.0.waiting)?;
        let permit = self.0.hashers.acquire().await.map_err(Error::internal)?;
        let inner = Arc::clone(&self.0);
        let result = tokio::task::spawn_blocking(move || work(&inner))
            .await
            .map_err(Error::internal)?;
        drop(permit);
        result
    }
}

/// One place in the queue; given back when the caller goes.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            return Err(Error::new(
                Code::Overloaded,
                "Too many people are signing in at this moment. Try again in a few seconds.",
            ));
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One spelling for passwords that look the same on two keyboards.
fn normalise(password: &str) -> String {
    password.nfkc().collect()
}

fn hash_now(password: &str) -> Result<String> {
    Ok(Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| Error::internal(error.to_string()))?
        .to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(&Limits::default()).unwrap()
    }

    #[test]
    fn a_password_has_eight_to_256_characters() {
        let passwords = passwords();
        assert!(passwords.check("xK4!pq9", &[]).is_err());
        assert!(passwords.check("xK4!pq9z", &[]).is_ok());
        assert!(passwords.check(&"xK4!pq9z".repeat(32), &[]).is_ok());
        assert!(passwords.check(&format!("{}x", "xK4!pq9z".repeat(32)), &[]).is_err());
    }

    #[test]
    fn common_passwords_and_ones_own_name_are_refused() {
        let passwords = passwords();
        for common in [
            "password",
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "password1",
            "aaaaaaaa",
        ] {
            assert!(passwords.check(common, &[]).is_err(), "{common}");
        }
        assert!(passwords.check("marmaladetiger", &["marmaladetiger"]).is_err());
        assert!(passwords.check("correct horse battery staple", &[]).is_ok());
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_real_account_verifies() {
        let passwords = passwords();
        let hash = passwords
            .hash(passwords.check("tea-at-midnight", &[]).unwrap())
            .await
            .unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("tea-at-midnight", Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("tea-at-midday", Some(hash)).await.unwrap());
        assert!(!passwords.verify("no account has this password", None).await.unwrap());
    }

    #[tokio::test]
    async fn so_many_passwords_are_hashed_at_once_and_the_next_wait() {
        let limits = Limits {
            password_hashers: 2,
            ..Limits::default()
        };
        let passwords = Passwords::new(&limits).unwrap();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Whoever hashes waits for a second one; no third may come in between.
        let both = Arc::new(std::sync::Barrier::new(2));
        let work = || {
            let (running, most, both) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&both));
            passwords.run(move |_| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                both.wait();
                running.fetch_sub(1, Ordering::SeqCst);
                both.wait();
                Ok(())
            })
        };
        futures::future::try_join_all((0..6).map(|_| work())).await.unwrap();
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_full_queue_sends_the_next_away() {
        let passwords = passwords();
        let _places: Vec<_> = (0..WAITING)
            .map(|_| Place::take(&passwords.0.waiting).unwrap())
            .collect();
        let refused = passwords.verify("anything", None).await.unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
    }
}
