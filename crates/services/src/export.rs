//! Files to take elsewhere, behind links that anybody may follow for a short while.
//!
//! A link is a signed token that says what to write and for whom; nothing is stored. The file is
//! written when the link is made, so that what cannot be written is told at once, and again when it is
//! followed: then access is decided anew, and the file is as the thing is by then.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use tavern_domain::actor::SignedIn;
use tavern_domain::{Actor, CharacterId, Code, Error, RefreshFamilyId, Result, Role, SessionId, Timestamp, UserId};
pub use tavern_prompt::card::{CardFormat, CardSpec};

use crate::Shared;
use crate::account::Accounts;
use crate::character::Characters;
use crate::chat::Chats;
use crate::token::ISSUER;

/// How long a link holds.
pub const LINK_LIFE: Duration = Duration::from_secs(10 * 60);

/// Keeps access tokens from passing as links, and links as access tokens.
const TOKEN_TYPE: &str = "export+jwt";
const AUDIENCE: &str = "tavern-exports";

/// What stands for itself both in paths (RFC 3986) and in parameters of headers (RFC 8187).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Export {
    /// A character as it is now; in the specification it came in if `spec` is `None`.
    Character {
        id: CharacterId,
        format: CardFormat,
        spec: Option<CardSpec>,
    },
    /// The file that a character came in.
    OriginalCard { id: CharacterId },
    /// A chat; with `branches` an archive of it, the chats it goes on from and those that go on from it.
    Chat { id: SessionId, branches: bool },
}

/// A file as written.
#[derive(Debug, Clone)]
pub struct ExportFile {
    pub bytes: Bytes,
    /// Safe on every file system.
    pub file_name: String,
    pub content_type: &'static str,
    /// What the form cannot hold; whole sentences.
    pub warnings: Vec<String>,
}

impl ExportFile {
    /// The file's name as paths and headers want it, in ASCII.
    #[must_use]
    pub fn encoded_name(&self) -> String {
        utf8_percent_encode(&self.file_name, ENCODED).to_string()
    }
}

/// Where a file can be fetched, and until when.
#[derive(Debug, Clone)]
pub struct ExportLink {
    /// Relative to this server.
    pub path: String,
    pub file_name: String,
    pub content_type: &'static str,
    pub expires_at: Timestamp,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: RefreshFamilyId,
    roles: Vec<String>,
    exp: i64,
    what: Export,
}

/// Writes files and makes links to them.
#[derive(Clone)]
pub struct Exports {
    shared: Arc<Shared>,
    accounts: Accounts,
    characters: Characters,
    chats: Chats,
}

impl Exports {
    pub(crate) fn new(shared: Arc<Shared>, accounts: Accounts, characters: Characters, chats: Chats) -> Self {
        Self {
            shared,
            accounts,
            characters,
            chats,
        }
    }

    /// A link to what the caller may see.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what the caller may not see; BAD_USER_INPUT if it cannot be
    /// written so; OVERLOADED.
    pub async fn link(&self, actor: &Actor, export: Export) -> Result<ExportLink> {
        let caller = actor.require_user()?;
        let file = self.write(actor, export).await?;
        let expires_at = Timestamp(self.shared.clock.now().plus(LINK_LIFE).seconds() * 1000);
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: caller.user,
            sid: caller.login,
            roles: caller.roles.iter().map(Role::to_string).collect(),
            exp: expires_at.seconds(),
            what: export,
        };
        let token = self.accounts.tokens().sign(TOKEN_TYPE, &claims)?;
        Ok(ExportLink {
            path: format!("/objects/exports/{token}/{}", file.encoded_name()),
            file_name: file.file_name,
            content_type: file.content_type,
            expires_at,
            warnings: file.warnings,
        })
    }

    /// The file behind a link.
    ///
    /// # Errors
    /// NOT_FOUND, and no more, if the token is not ours, has ended or its login has, or its holder may no
    /// longer have the file; OVERLOADED.
    pub async fn fetch(&self, token: &str) -> Result<ExportFile> {
        let missing = || Error::not_found("file");
        let tokens = self.accounts.tokens();
        let claims: Claims = tokens.claims(TOKEN_TYPE, AUDIENCE, token).ok_or_else(missing)?;
        if claims.exp <= self.shared.clock.now().seconds() || tokens.is_revoked(claims.sid) {
            return Err(missing());
        }
        let actor = Actor::User(Arc::new(SignedIn {
            user: claims.sub,
            login: claims.sid,
            roles: claims.roles.iter().filter_map(|role| role.parse().ok()).collect(),
        }));
        self.write(&actor, claims.what)
            .await
            .map_err(|error| match error.code() {
                Code::NotFound | Code::Forbidden | Code::BadUserInput => missing().with_source(error),
                _ => error,
            })
    }

    async fn write(&self, actor: &Actor, export: Export) -> Result<ExportFile> {
        let _place = self.shared.large_file().await?;
        match export {
            Export::Character { id, format, spec } => self.characters.export(actor, id, format, spec).await,
            Export::OriginalCard { id } => self.characters.export_original(actor, id).await,
            Export::Chat { id, branches } => self.chats.export(actor, id, branches).await,
        }
    }
}

#[cfg(test)]
mod tests;
