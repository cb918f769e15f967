//! Accounts.

use async_graphql::{InputObject, SimpleObject};
use tavern_domain::account::User;

use crate::scalar::DateTime;

/// The plain fields of `User`: what everybody may see of an account.
#[derive(SimpleObject, Debug, Clone)]
pub struct UserFields {
    pub username: String,
    pub display_name: String,
    pub avatar_url: Option<String>,
    /// Null while nothing is written.
    pub bio: Option<String>,
    pub created_at: DateTime,
}

impl UserFields {
    #[must_use]
    pub fn of(user: &User) -> Self {
        Self {
            username: user.username.clone(),
            display_name: user.display_name.clone(),
            avatar_url: None,
            bio: Some(user.bio.clone()).filter(|bio| !bio.is_empty()),
            created_at: user.created_at.into(),
        }
    }
}

#[derive(SimpleObject, Debug, Clone)]
pub struct TokenPair {
    /// A JWT for `Authorization: Bearer`; holds for 15 minutes.
    pub access_token: String,
    /// Opaque; holds for 7 days and for one use.
    pub refresh_token: String,
    /// When the access token ends.
    pub expires_at: DateTime,
}

#[derive(InputObject)]
pub struct RegisterInput {
    /// 3 to 30 letters, digits, `_`, `-` or `.` of one script.
    pub username: String,
    pub email: String,
    /// At least 8 characters, and not among the first to be guessed.
    #[graphql(secret)]
    pub password: String,
}

#[derive(InputObject)]
pub struct LoginInput {
    /// Username or e-mail address.
    pub login: String,
    #[graphql(secret)]
    pub password: String,
}

#[derive(InputObject)]
pub struct RefreshTokensInput {
    #[graphql(secret)]
    pub refresh_token: String,
}

#[derive(InputObject)]
pub struct LogoutInput {
    /// The login to end; the caller's own if not given.
    #[graphql(secret)]
    pub refresh_token: Option<String>,
}

#[derive(InputObject)]
pub struct UpdateProfileInput {
    pub display_name: Option<String>,
    pub bio: Option<String>,
}
