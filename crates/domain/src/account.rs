//! Accounts: what a username, an e-mail address and a person's profile are.

use unicode_normalization::UnicodeNormalization;
use unicode_security::{MixedScript, RestrictionLevel, RestrictionLevelDetection};

use crate::actor::Role;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::UserId;

/// A name people are known by: 3 to 30 letters, digits, `_`, `-` or `.`, of one script, after NFKC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username {
    shown: String,
    key: String,
    skeleton: String,
}

impl Username {
    pub const MIN: usize = 3;
    pub const MAX: usize = 30;

    /// # Errors
    /// BAD_USER_INPUT on `username`, saying which rule the name breaks.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: String| Err(Error::bad_input("username", why));
        // Bound the work before normalising: NFKC can grow a text eighteenfold.
        if text.len() > Self::MAX * 16 {
            return refuse(format!("A username has at most {} characters.", Self::MAX));
        }
        let shown: String = text.trim().nfkc().collect();
        let count = shown.chars().count();
        if !(Self::MIN..=Self::MAX).contains(&count) {
            return refuse(format!(
                "A username has {} to {} characters, not {count}.",
                Self::MIN,
                Self::MAX
            ));
        }
        if let Some(wrong) = shown
            .chars()
            .find(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
        {
            return refuse(format!(
                "A username has letters, digits, `_`, `-` and `.`; {wrong:?} is none of them."
            ));
        }
        if !shown.chars().any(char::is_alphanumeric) {
            return refuse("A username needs a letter or a digit.".into());
        }
        if !shown.as_str().is_single_script() || !shown.as_str().check_restriction_level(RestrictionLevel::SingleScript)
        {
            return refuse("A username keeps to one script: letters of several that look alike are refused.".into());
        }
        let key = Self::key_of(&shown);
        let skeleton = unicode_security::skeleton(&shown)
            .flat_map(char::to_lowercase)
            .collect();
        Ok(Self { shown, key, skeleton })
    }

    /// The form in which a name is looked up: case and width do not matter.
    #[must_use]
    pub fn key_of(text: &str) -> String {
        text.trim().nfkc().flat_map(char::to_lowercase).collect()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shown
    }
    /// Unique among all accounts.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
    /// Equal for names that a reader could confuse (Unicode TR 39); unique among all accounts.
    #[must_use]
    pub fn skeleton(&self) -> &str {
        &self.skeleton
    }
}

/// An e-mail address: one `@`, a domain with a dot or `localhost`, at most 254 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    shown: String,
    key: String,
}

impl Email {
    /// RFC 5321's path limit, less the angle brackets.
    pub const MAX: usize = 254;

    /// # Errors
    /// BAD_USER_INPUT on `email`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let refuse = |why: &str| Err(Error::bad_input("email", why));
        if text.len() > Self::MAX {
            return refuse("An e-mail address has at most 254 bytes.");
        }
        let Some((local, domain)) = text.rsplit_once('@') else {
            return refuse("An e-mail address has an `@`.");
        };
        let local_ok = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local
                .chars()
                .all(|c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c));
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let domain_ok =
            (domain.contains('.') || domain.eq_ignore_ascii_case("localhost")) && domain.split('.').all(label_ok);
        if !local_ok || !domain_ok {
            return refuse("This is not an e-mail address.");
        }
        Ok(Self {
            shown: text.to_owned(),
            key: Self::key_of(text),
        })
    }

    #[must_use]
    pub fn key_of(text: &str) -> String {
        text.trim().nfkc().flat_map(char::to_lowercase).collect()
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shown
    }
    /// Unique among all accounts.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// An account as the house keeps it. The password's hash stays in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub email: String,
    pub bio: String,
    pub is_verified: bool,
    /// Ascending, without repeats.
    pub roles: Vec<Role>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_has_three_to_thirty_characters() {
        assert!(Username::parse("ab").is_err());
        assert!(Username::parse("abc").is_ok());
        assert!(Username::parse(&"a".repeat(30)).is_ok());
        assert!(Username::parse(&"a".repeat(31)).is_err());
        assert!(Username::parse(&"\u{fdfa}".repeat(40)).is_err());
    }

    #[test]
    fn names_that_look_alike_share_a_skeleton_and_case_shares_a_key() {
        let name = |text: &str| Username::parse(text).expect("a good name");
        assert_eq!(name("Paypal").skeleton(), name("paypaI").skeleton());
        assert_eq!(name("ｆｕｌｌｗｉｄｔｈ").key(), name("FullWidth").key());
        assert_ne!(name("Ian").skeleton(), name("ivan").skeleton());
        assert_eq!(name("Ian").key(), name("ian").key());
    }

    #[test]
    fn scripts_are_not_mixed() {
        assert!(Username::parse("pаypal").is_err(), "Cyrillic а among Latin letters");
        assert!(Username::parse("Марфа").is_ok());
        assert!(Username::parse("さくら").is_ok());
        assert!(Username::parse("bad name").is_err());
        assert!(Username::parse("a\u{200b}bc").is_err());
        assert!(Username::parse("...").is_err());
    }

    #[test]
    fn an_email_has_its_form() {
        for good in ["a@b.co", "A.b+c@sub.example.org", "x@localhost"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a b@c.de",
            "a..b@c.de",
            "a@-b.de",
            "a@b..de",
            "a@b.de\n.x",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
        assert!(Email::parse(&format!("{}@{}.de", "a".repeat(64), "b".repeat(63))).is_ok());
        assert!(Email::parse(&format!("{}@b.de", "a".repeat(65))).is_err());
    }
}
