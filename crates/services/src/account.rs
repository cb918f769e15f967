//! Accounts: registration, sign-in, tokens, profiles.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use tavern_domain::account::{Email, User, Username};
use tavern_domain::{
    Actor, Code, Error, Limits, Permission, Problems, RefreshFamilyId, Result, Role, Timestamp, UserId,
};
use tavern_storage::{NewAccount, ProfileChange, Rotation};

use crate::Shared;
use crate::password::Passwords;
use crate::token::{self, ACCESS_LIFE, AccessTokens, REFRESH_GRACE, REFRESH_LIFE};

/// What a person gets who has proved who they are.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub user: User,
    pub access_token: String,
    pub refresh_token: String,
    /// When the access token ends.
    pub expires_at: Timestamp,
}

/// A change of one's own profile; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ProfilePatch {
    pub display_name: Option<String>,
    pub bio: Option<String>,
}

/// The use cases of accounts.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    passwords: Passwords,
    tokens: AccessTokens,
}

impl Accounts {
    pub(crate) async fn open(shared: Arc<Shared>, keys: &Path) -> Result<Self> {
        let passwords = Passwords::new(&shared.limits)?;
        let tokens = AccessTokens::open(keys)?;
        // Access tokens outlive a restart; so does the end of their login.
        for login in shared
            .store
            .accounts
            .revoked_since(shared.clock.now().minus(ACCESS_LIFE))
            .await?
        {
            tokens.revoke(login);
        }
        Ok(Self(Arc::new(Inner {
            shared,
            passwords,
            tokens,
        })))
    }

    /// Who an access token speaks for, and until when. No I/O.
    ///
    /// # Errors
    /// UNAUTHENTICATED if it does not hold.
    pub fn authenticate(&self, token: &str) -> Result<(Actor, Timestamp)> {
        self.0.tokens.check(token, self.0.shared.clock.now())
    }

    pub(crate) fn tokens(&self) -> &AccessTokens {
        &self.0.tokens
    }

    /// The public keys of access tokens (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> &serde_json::Value {
        self.0.tokens.jwks()
    }

    /// Makes an account and signs it in.
    ///
    /// # Errors
    /// BAD_USER_INPUT for every field that breaks a rule, CONFLICT for every one that is taken,
    /// RATE_LIMITED, OVERLOADED.
    pub async fn register(&self, address: IpAddr, username: &str, email: &str, password: &str) -> Result<SignIn> {
        let Inner { shared, passwords, .. } = &*self.0;
        let mut problems = Problems::new();
        let name = problems.absorb(Username::parse(username))?;
        let mail = problems.absorb(Email::parse(email))?;
        let password = problems.absorb(passwords.check(password, &[username, email]))?;
        problems.finish()?;
        let (Some(username), Some(email), Some(password)) = (name, mail, password) else {
            return Err(Error::internal("a field without a problem has a value"));
        };
        shared.throttle.registration(address)?;
        let password_hash = passwords.hash(password).await?;
        let account = NewAccount {
            id: UserId::new(),
            username: &username,
            email: &email,
            password_hash: &password_hash,
            roles: &[Role::User],
            now: shared.clock.now(),
        };
        let user = shared.store.accounts.create(account).await?;
        self.sign_in(user).await
    }

    /// Signs in by username or e-mail address.
    ///
    /// # Errors
    /// UNAUTHENTICATED, in the same words and after the same work whether or not the account exists;
    /// RATE_LIMITED, OVERLOADED.
    pub async fn login(&self, address: IpAddr, login: &str, password: &str) -> Result<SignIn> {
        let Inner { shared, passwords, .. } = &*self.0;
        // No account has a longer name; the text becomes a key of the throttle.
        let login: String = login.chars().take(Email::MAX).collect();
        let key = Username::key_of(&login);
        shared.throttle.login(address, &key)?;
        let credentials = shared.store.accounts.credentials(&key, &Email::key_of(&login)).await?;
        let (user, hash) = credentials.map(|found| (found.user, found.password_hash)).unzip();
        let holds = passwords.verify(password, hash).await?;
        match user {
            Some(user) if holds => self.sign_in(user).await,
            _ => Err(Error::of_field(
                Code::Unauthenticated,
                "",
                "The name or the password is wrong.",
            )),
        }
    }

    async fn sign_in(&self, user: User) -> Result<SignIn> {
        let Inner { shared, tokens, .. } = &*self.0;
        let now = shared.clock.now();
        let login = RefreshFamilyId::new();
        let (refresh_token, hash) = token::new_refresh_token()?;
        shared
            .store
            .accounts
            .create_login(login, user.id, hash, now, now.plus(REFRESH_LIFE))
            .await?;
        let (access_token, expires_at) = tokens.issue(user.id, login, &user.roles, now)?;
        Ok(SignIn {
            user,
            access_token,
            refresh_token,
            expires_at,
        })
    }

    /// Trades a refresh token for a new pair. A token that was used before, but for a short grace,
    /// is taken as stolen: the whole login ends.
    ///
    /// # Errors
    /// UNAUTHENTICATED if the token is unknown, used, ended or expired.
    pub async fn refresh(&self, refresh_token: &str) -> Result<SignIn> {
        let Inner { shared, tokens, .. } = &*self.0;
        let now = shared.clock.now();
        let (successor, hash) = token::new_refresh_token()?;
        let refused = |why: &str| Err(Error::of_field(Code::Unauthenticated, "refreshToken", why));
        let old = token::refresh_token_hash(refresh_token);
        let (user, family) = match shared
            .store
            .accounts
            .rotate(old, hash, now, now.plus(REFRESH_LIFE), REFRESH_GRACE)
            .await?
        {
            Rotation::Rotated { user, family } => (user, family),
            Rotation::Reused { user, family } => {
                tokens.revoke(family);
                tracing::warn!(%user, login = %family, "a used refresh token came back; the login was ended");
                return refused("This refresh token was used before. The login has been ended; sign in again.");
            }
            Rotation::Expired => return refused("This refresh token has expired. Sign in again."),
            Rotation::Revoked => return refused("This login has ended. Sign in again."),
            Rotation::Unknown => return refused("This is not a refresh token."),
        };
        let Some(user) = shared.store.accounts.by_id(user).await? else {
            return refused("This account is gone.");
        };
        let (access_token, expires_at) = tokens.issue(user.id, family, &user.roles, now)?;
        Ok(SignIn {
            user,
            access_token,
            refresh_token: successor,
            expires_at,
        })
    }

    /// Ends a login: the one of `refresh_token`, or else the caller's own. Ending what has ended is fine.
    ///
    /// # Errors
    /// UNAUTHENTICATED if neither a token nor a signed-in caller says which.
    pub async fn logout(&self, actor: &Actor, refresh_token: Option<&str>) -> Result<()> {
        let Inner { shared, tokens, .. } = &*self.0;
        let now = shared.clock.now();
        let login = match refresh_token {
            Some(text) => {
                shared
                    .store
                    .accounts
                    .revoke_by_token(token::refresh_token_hash(text), now)
                    .await?
            }
            None => {
                let login = actor.require_user()?.login;
                shared.store.accounts.revoke_login(login, now).await?;
                Some(login)
            }
        };
        if let Some(login) = login {
            tokens.revoke(login);
        }
        Ok(())
    }

    /// The caller's own account.
    ///
    /// # Errors
    /// UNAUTHENTICATED if the account behind the token is gone.
    pub async fn viewer(&self, actor: &Actor) -> Result<Option<User>> {
        let Some(id) = actor.user_id() else { return Ok(None) };
        match self.0.shared.store.accounts.by_id(id).await? {
            Some(user) => Ok(Some(user)),
            None => Err(Error::unauthenticated()),
        }
    }

    /// Accounts by id, in no order; unknown ids are left out. What of them is public is the caller's to know.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn by_ids(&self, ids: &[UserId]) -> Result<Vec<User>> {
        self.0.shared.store.accounts.by_ids(ids).await
    }

    /// # Errors
    /// If the store fails.
    pub async fn by_username(&self, username: &str) -> Result<Option<User>> {
        // Longer than any name: no need to ask.
        if username.len() > Username::MAX * 16 {
            return Ok(None);
        }
        self.0
            .shared
            .store
            .accounts
            .by_username(&Username::key_of(username))
            .await
    }

    /// # Errors
    /// UNAUTHENTICATED; BAD_USER_INPUT for every field over its limit.
    pub async fn update_profile(&self, actor: &Actor, patch: ProfilePatch) -> Result<User> {
        let user = actor.require_user()?.user;
        let Shared {
            store, limits, clock, ..
        } = &*self.0.shared;
        let mut problems = Problems::new();
        let display_name = patch.display_name.map(|name| name.trim().to_owned());
        if let Some(name) = &display_name {
            check_display_name(&mut problems, name, limits);
        }
        if let Some(bio) = &patch.bio {
            problems.refuse_nul("bio", bio);
        }
        if let Some(bio) = &patch.bio
            && bio.len() > limits.bio_bytes
        {
            problems.add(
                "bio",
                format!("A biography has at most {} bytes, not {}.", limits.bio_bytes, bio.len()),
            );
        }
        problems.finish()?;
        store
            .accounts
            .update_profile(
                user,
                ProfileChange {
                    display_name,
                    bio: patch.bio,
                },
                clock.now(),
            )
            .await?
            .ok_or_else(Error::unauthenticated)
    }

    /// Gives an account exactly these roles (and that of every user). Tokens that are out keep the old ones until they end.
    ///
    /// # Errors
    /// FORBIDDEN without `account:manage`; NOT_FOUND.
    pub async fn set_roles(&self, actor: &Actor, username: &str, roles: &[Role]) -> Result<User> {
        actor.require(Permission::AccountManage)?;
        let user = self
            .by_username(username)
            .await?
            .ok_or_else(|| Error::not_found("account"))?;
        let mut roles = roles.to_vec();
        roles.push(Role::User);
        roles.sort_unstable();
        roles.dedup();
        let store = &self.0.shared.store;
        store
            .accounts
            .set_roles(user.id, &roles, self.0.shared.clock.now())
            .await?;
        store
            .accounts
            .by_id(user.id)
            .await?
            .ok_or_else(|| Error::not_found("account"))
    }

    /// Forgets what has expired.
    pub(crate) async fn clean_up(&self) -> Result<u64> {
        let Shared { store, clock, .. } = &*self.0.shared;
        store.accounts.purge_expired(clock.now()).await
    }
}

fn check_display_name(problems: &mut Problems, name: &str, limits: &Limits) {
    let count = name.chars().count();
    if count == 0 || count > limits.display_name_chars {
        problems.add(
            "displayName",
            format!(
                "A display name has 1 to {} characters, not {count}.",
                limits.display_name_chars
            ),
        );
    }
    if name.chars().any(char::is_control) {
        problems.add("displayName", "A display name has no control characters.");
    }
}
