//! Accounts.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use tavern_domain::account::User as Account;
use tavern_domain::{Error, Role, UserId, ViewerId};
use tavern_schema::account::{
    LoginInput, LogoutInput, RefreshTokensInput, RegisterInput, TokenPair, UpdateProfileInput, UserFields,
};
use tavern_schema::connection::{Cursor, connection, page_args, page_cost};
use tavern_schema::error::{
    LoginError, LogoutError, RefreshTokensError, RegisterError, UpdateProfileError, nullable, operation_error,
    user_errors,
};
use tavern_schema::preset::Preset;
use tavern_services::account::{ProfilePatch, SignIn};
use tavern_services::character::{ListedCreator, Listing};

use crate::character::{CharacterConnection, list_characters};
use crate::chat::{ChatSession, SessionTotal};
use crate::context::RequestContext;
use crate::installation::{Installation, own_installations};
use crate::persona::{Persona, own_personas};
use crate::preset::own_presets;
use crate::world_book::{WorldBookConnection, own_world_books};

/// Somebody with an account, as everybody sees them.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct User {
    pub id: ID,
    #[graphql(flatten)]
    fields: UserFields,
    #[graphql(skip)]
    user: UserId,
}

impl User {
    #[must_use]
    pub fn of(account: &Account) -> Self {
        Self {
            id: account.id.to_string().into(),
            fields: UserFields::of(account),
            user: account.id,
        }
    }

    /// The creator that a list of characters has read along.
    pub(crate) fn listed(creator: ListedCreator) -> Self {
        let fields = UserFields {
            username: creator.username,
            display_name: creator.display_name,
            avatar_url: None,
            bio: Some(creator.bio).filter(|bio| !bio.is_empty()),
            created_at: creator.created_at.into(),
        };
        Self {
            id: creator.id.to_string().into(),
            fields,
            user: creator.id,
        }
    }
}

#[ComplexObject]
impl User {
    /// Those the caller may see, the newest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn characters(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<CharacterConnection> {
        list_characters(ctx, Listing::Of(self.user), page_args(first, after, last, before)).await
    }
}

/// The caller's own account.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct Viewer {
    pub id: ID,
    user: User,
    email: String,
    is_verified: bool,
    roles: Vec<String>,
    /// `resource:action`, of all roles together.
    permissions: Vec<String>,
    #[graphql(skip)]
    account: UserId,
}

impl Viewer {
    #[must_use]
    pub fn of(account: &Account) -> Self {
        let mut permissions: Vec<_> = account
            .roles
            .iter()
            .flat_map(|role| role.permissions())
            .map(|permission| permission.as_str().to_owned())
            .collect();
        permissions.sort_unstable();
        permissions.dedup();
        Self {
            id: ViewerId::from_uuid(account.id.uuid()).to_string().into(),
            user: User::of(account),
            email: account.email.clone(),
            is_verified: account.is_verified,
            roles: account.roles.iter().map(Role::to_string).collect(),
            permissions,
            account: account.id,
        }
    }
}

#[ComplexObject]
impl Viewer {
    /// One's own characters of any visibility, the newest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn characters(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<CharacterConnection> {
        list_characters(ctx, Listing::Of(self.account), page_args(first, after, last, before)).await
    }

    /// One's own chats, the most recently active first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn chat_sessions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default_with = "Some(false)")] archived: Option<bool>,
    ) -> Result<Connection<Cursor, ChatSession, SessionTotal>> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let archived = archived.unwrap_or(false);
        let page = services
            .chats
            .own_sessions(actor, archived, page_args(first, after, last, before))
            .await
            .map_err(|error| operation_error(&error))?;
        Ok(connection(
            page.map(|(session, cursor)| (ChatSession::of(session), cursor)),
            SessionTotal { archived },
        ))
    }

    /// One's own world books, the last changed first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn world_books(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<WorldBookConnection> {
        own_world_books(ctx, page_args(first, after, last, before)).await
    }

    /// One's own personas, the oldest first.
    #[graphql(complexity = "page_cost(Some(100), None, child_complexity)")]
    async fn personas(&self, ctx: &Context<'_>) -> Result<Vec<Persona>> {
        own_personas(ctx).await
    }

    /// One's own presets, the oldest first.
    #[graphql(complexity = "page_cost(Some(100), None, child_complexity)")]
    async fn presets(&self, ctx: &Context<'_>) -> Result<Vec<Preset>> {
        own_presets(ctx).await
    }

    /// What one has installed, the oldest first.
    #[graphql(complexity = "page_cost(Some(100), None, child_complexity)")]
    async fn installed_extensions(&self, ctx: &Context<'_>) -> Result<Vec<Installation>> {
        own_installations(ctx).await
    }
}

#[derive(Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// Null when the caller is anonymous.
    async fn viewer(&self, ctx: &Context<'_>) -> Option<Viewer> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        nullable(ctx, services.accounts.viewer(actor).await)
            .as_ref()
            .map(Viewer::of)
    }

    async fn user(&self, ctx: &Context<'_>, username: String) -> Option<User> {
        let found = RequestContext::of(ctx).services.accounts.by_username(&username).await;
        nullable(ctx, found).as_ref().map(User::of)
    }
}

/// The payload of whatever signs somebody in.
macro_rules! sign_in_payload {
    ($name:ident, $error:ty) => {
        #[derive(SimpleObject, Default)]
        pub struct $name {
            viewer: Option<Viewer>,
            tokens: Option<TokenPair>,
            user_errors: Vec<$error>,
        }

        impl $name {
            fn of(outcome: Result<SignIn, Error>) -> Result<Self> {
                match outcome {
                    Ok(signed_in) => Ok(Self {
                        viewer: Some(Viewer::of(&signed_in.user)),
                        tokens: Some(tokens(signed_in)),
                        user_errors: Vec::new(),
                    }),
                    Err(error) => Ok(Self {
                        user_errors: user_errors(error)?,
                        ..Self::default()
                    }),
                }
            }
        }
    };
}

sign_in_payload!(RegisterPayload, RegisterError);
sign_in_payload!(LoginPayload, LoginError);
sign_in_payload!(RefreshTokensPayload, RefreshTokensError);

#[derive(SimpleObject, Default)]
pub struct LogoutPayload {
    user_errors: Vec<LogoutError>,
}

#[derive(SimpleObject, Default)]
pub struct UpdateProfilePayload {
    viewer: Option<Viewer>,
    user: Option<User>,
    user_errors: Vec<UpdateProfileError>,
}

fn tokens(signed_in: SignIn) -> TokenPair {
    TokenPair {
        access_token: signed_in.access_token,
        refresh_token: signed_in.refresh_token,
        expires_at: signed_in.expires_at.into(),
    }
}

#[derive(Default)]
pub struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Makes an account and signs it in. A taken name or address is CONFLICT.
    async fn register(&self, ctx: &Context<'_>, input: RegisterInput) -> Result<RegisterPayload> {
        let RequestContext { services, address, .. } = RequestContext::of(ctx);
        let accounts = &services.accounts;
        let made = accounts.register(*address, &input.username, &input.email, &input.password);
        RegisterPayload::of(made.await)
    }

    /// Signs in by username or e-mail address.
    async fn login(&self, ctx: &Context<'_>, input: LoginInput) -> Result<LoginPayload> {
        let RequestContext { services, address, .. } = RequestContext::of(ctx);
        LoginPayload::of(services.accounts.login(*address, &input.login, &input.password).await)
    }

    /// Trades a refresh token for a new pair. One that was used before ends the whole login.
    async fn refresh_tokens(&self, ctx: &Context<'_>, input: RefreshTokensInput) -> Result<RefreshTokensPayload> {
        let accounts = &RequestContext::of(ctx).services.accounts;
        RefreshTokensPayload::of(accounts.refresh(&input.refresh_token).await)
    }

    /// Ends a login: its tokens hold no more.
    async fn logout(&self, ctx: &Context<'_>, input: LogoutInput) -> Result<LogoutPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        match services.accounts.logout(actor, input.refresh_token.as_deref()).await {
            Ok(()) => Ok(LogoutPayload::default()),
            Err(error) => Ok(LogoutPayload {
                user_errors: user_errors(error)?,
            }),
        }
    }

    async fn update_profile(&self, ctx: &Context<'_>, input: UpdateProfileInput) -> Result<UpdateProfilePayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        match services
            .accounts
            .update_profile(
                actor,
                ProfilePatch {
                    display_name: input.display_name,
                    bio: input.bio,
                },
            )
            .await
        {
            Ok(account) => Ok(UpdateProfilePayload {
                viewer: Some(Viewer::of(&account)),
                user: Some(User::of(&account)),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(UpdateProfilePayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            }),
        }
    }
}

/// An account by id, for relations.
pub(crate) async fn load_user(ctx: &Context<'_>, id: UserId) -> Result<Option<User>, Error> {
    let found = RequestContext::of(ctx)
        .loaders()
        .load_one(id)
        .await
        .map_err(crate::loaders::shared)?;
    Ok(found.as_ref().map(User::of))
}
