//! Who acts, and what they may do. Services take an [`Actor`] first and decide access themselves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::id::{RefreshFamilyId, UserId};

/// A role of an account: a named set of permissions. Every account has [`Role::User`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    User,
    Moderator,
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::User, Self::Moderator, Self::Admin];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }

    /// What the role grants. Higher roles contain the lower ones.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission::{
            AccountManage, CharacterCreate, CharacterModerate, CharacterPublish, ChatModerate, ChatUse,
            ExtensionModerate, ExtensionPublish,
        };
        match self {
            Self::User => &[CharacterCreate, CharacterPublish, ChatUse, ExtensionPublish],
            Self::Moderator => &[
                CharacterCreate,
                CharacterPublish,
                ChatUse,
                ExtensionPublish,
                CharacterModerate,
                ExtensionModerate,
            ],
            Self::Admin => &[
                CharacterCreate,
                CharacterPublish,
                ChatUse,
                ExtensionPublish,
                CharacterModerate,
                ExtensionModerate,
                ChatModerate,
                AccountManage,
            ],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// One thing that may be done, written `resource:action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// Create and import characters and world books.
    CharacterCreate,
    /// Make own characters and world books public.
    CharacterPublish,
    /// See, hide and delete other people's characters and world books.
    CharacterModerate,
    /// Start chats and ask for replies.
    ChatUse,
    /// Publish extensions.
    ExtensionPublish,
    /// Yank other people's extensions, and stop them.
    ExtensionModerate,
    /// Read and delete other people's chats.
    ChatModerate,
    /// See e-mail addresses; give and take roles.
    AccountManage,
}

impl Permission {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CharacterCreate => "character:create",
            Self::CharacterPublish => "character:publish",
            Self::CharacterModerate => "character:moderate",
            Self::ChatUse => "chat:use",
            Self::ExtensionPublish => "extension:publish",
            Self::ExtensionModerate => "extension:moderate",
            Self::ChatModerate => "chat:moderate",
            Self::AccountManage => "account:manage",
        }
    }
}

/// An account that proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub user: UserId,
    /// The login this access token belongs to.
    pub login: RefreshFamilyId,
    pub roles: Vec<Role>,
}

/// Who asks. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// No token.
    Anonymous,
    User(Arc<SignedIn>),
    /// The house itself: start-up, reaper, command line.
    System,
}

impl Actor {
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user.user),
            Self::Anonymous | Self::System => None,
        }
    }

    #[must_use]
    pub fn is(&self, user: UserId) -> bool {
        self.user_id() == Some(user)
    }

    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        match self {
            Self::Anonymous => false,
            Self::User(user) => user.roles.iter().any(|role| role.permissions().contains(&permission)),
            Self::System => true,
        }
    }

    /// # Errors
    /// UNAUTHENTICATED for an anonymous caller, FORBIDDEN for the house itself, which has no account.
    #[track_caller]
    pub fn require_user(&self) -> Result<&SignedIn> {
        match self {
            Self::User(user) => Ok(user),
            Self::Anonymous => Err(Error::unauthenticated()),
            Self::System => Err(Error::forbidden("This needs an account.")),
        }
    }

    /// # Errors
    /// UNAUTHENTICATED for an anonymous caller, FORBIDDEN without the permission.
    #[track_caller]
    pub fn require(&self, permission: Permission) -> Result<()> {
        match self {
            Self::Anonymous => Err(Error::unauthenticated()),
            _ if self.may(permission) => Ok(()),
            _ => Err(Error::forbidden(format!(
                "This needs the permission {}.",
                permission.as_str()
            ))),
        }
    }
}
