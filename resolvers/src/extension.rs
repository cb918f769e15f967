//! Extensions as they are published: by whom, in which versions, and under which keys.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use tavern_domain::extension as domain;
use tavern_domain::{Error, ExtensionId, UserId};
use tavern_schema::connection::{Cursor, connection, page_args, page_cost};
use tavern_schema::error::{
    PublishExtensionError, RevokePublisherKeyError, RotatePublisherKeyError, StopExtensionError, YankExtensionError,
    nullable, operation_error, user_errors,
};
use tavern_schema::extension::{
    CheckReport, ExtensionCheck, ExtensionFields, ExtensionFilter, ExtensionOrder, ExtensionPermission,
    ExtensionVersion, PublishExtensionInput, Publisher, PublisherKey, RevokePublisherKeyInput, RotatePublisherKeyInput,
    StopExtensionInput, YankExtensionInput, hooks, keywords, permissions,
};

use crate::account::{User, load_user};
use crate::context::RequestContext;
use crate::installation::Installation;
use crate::loaders::{Installed, Newest, shared};
use crate::payload::payload;

/// What somebody published: code that takes part in turns.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct Extension {
    pub id: ID,
    #[graphql(flatten)]
    fields: ExtensionFields,
    #[graphql(skip)]
    extension: ExtensionId,
    #[graphql(skip)]
    owner: UserId,
}

impl Extension {
    #[must_use]
    pub fn of(extension: domain::Extension) -> Self {
        Self {
            id: extension.id.to_string().into(),
            extension: extension.id,
            owner: extension.owner,
            fields: extension.into(),
        }
    }

    async fn newest(&self, ctx: &Context<'_>) -> Result<Option<domain::ExtensionVersion>, Error> {
        let newest = RequestContext::of(ctx).loaders().load_one(Newest(self.extension));
        Box::pin(newest).await.map_err(shared)
    }

    /// What the newest version says.
    async fn told<T: Default>(&self, ctx: &Context<'_>, read: impl FnOnce(domain::ExtensionVersion) -> T) -> Result<T> {
        let newest = self.newest(ctx).await.map_err(|error| operation_error(&error))?;
        Ok(newest.map(read).unwrap_or_default())
    }
}

#[ComplexObject]
impl Extension {
    /// Null once the account is gone.
    async fn owner(&self, ctx: &Context<'_>) -> Option<User> {
        nullable(ctx, Box::pin(load_user(ctx, self.owner)).await)
    }

    /// The keys that its packages are signed with, the oldest first.
    async fn publisher_keys(&self, ctx: &Context<'_>) -> Result<Vec<PublisherKey>> {
        let publisher = RequestContext::of(ctx)
            .services
            .extensions
            .publisher(&self.fields.publisher);
        let publisher = Box::pin(publisher).await.map_err(|error| operation_error(&error))?;
        Ok(publisher
            .map(|publisher| Publisher::from(publisher).keys)
            .unwrap_or_default())
    }

    /// The readme of the newest version, as Markdown.
    async fn description(&self, ctx: &Context<'_>) -> Result<String> {
        self.told(ctx, |version| version.readme).await
    }

    /// What the newest version asks for, and why.
    async fn permissions(&self, ctx: &Context<'_>) -> Result<Vec<ExtensionPermission>> {
        self.told(ctx, |version| permissions(&version.manifest)).await
    }

    /// Where the newest version is called: `before-prompt`, `tool`, …
    async fn hooks(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        self.told(ctx, |version| hooks(&version.manifest)).await
    }

    /// Keywords of the newest version.
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        self.told(ctx, |version| keywords(&version.manifest)).await
    }

    /// The newest version that can be installed; of one that has none, the newest.
    async fn latest_version(&self, ctx: &Context<'_>) -> Option<ExtensionVersion> {
        nullable(ctx, self.newest(ctx).await).map(Into::into)
    }

    /// The newest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn versions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Cursor, ExtensionVersion, VersionTotal>> {
        let args = page_args(first, after, last, before);
        let listed = RequestContext::of(ctx)
            .services
            .extensions
            .versions_of(self.extension, args);
        let (page, total) = Box::pin(listed).await.map_err(|error| operation_error(&error))?;
        let page = page.map(|version| {
            let cursor = version.id.to_string();
            (version.into(), cursor)
        });
        Ok(connection(page, VersionTotal(total)))
    }

    /// The caller's; null without one.
    async fn viewer_installation(&self, ctx: &Context<'_>) -> Option<Installation> {
        let installed = RequestContext::of(ctx).loaders().load_one(Installed(self.extension));
        nullable(ctx, Box::pin(installed).await.map_err(shared)).map(Installation::of)
    }
}

/// What needs the whole list of versions.
pub struct VersionTotal(usize);

#[Object]
impl VersionTotal {
    async fn total_count(&self) -> Option<i32> {
        i32::try_from(self.0).ok()
    }
}

/// Extensions, page by page.
pub type ExtensionConnection = Connection<Cursor, Extension, ExtensionTotal>;

/// What needs the whole list.
pub struct ExtensionTotal(domain::ExtensionFilter);

#[Object]
impl ExtensionTotal {
    /// How many the whole list holds; counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Option<i32> {
        let count = RequestContext::of(ctx).services.extensions.count(self.0.clone());
        nullable(ctx, count.await.map(Some)).map(|count| i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// An extension by id, for relations.
pub(crate) async fn load_extension(ctx: &Context<'_>, id: ExtensionId) -> Result<Option<Extension>, Error> {
    let found = RequestContext::of(ctx).loaders().load_one(id);
    Ok(Box::pin(found).await.map_err(shared)?.map(Extension::of))
}

#[derive(Default)]
pub struct ExtensionQuery;

#[Object]
impl ExtensionQuery {
    /// By `publisher/name`; null for what does not exist.
    async fn extension(&self, ctx: &Context<'_>, name: String) -> Option<Extension> {
        let found = RequestContext::of(ctx).services.extensions.by_name(&name).await;
        nullable(ctx, found).map(Extension::of)
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments, reason = "the contract's arguments")]
    async fn extensions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<ExtensionFilter>,
        #[graphql(default_with = "Some(ExtensionOrder::Popular)")] order_by: Option<ExtensionOrder>,
    ) -> Result<ExtensionConnection> {
        let extensions = &RequestContext::of(ctx).services.extensions;
        let listed = async {
            let filter = filter.unwrap_or_default().parse()?;
            let order = order_by.unwrap_or(ExtensionOrder::Popular).into();
            let page = page_args(first, after, last, before);
            Ok((extensions.list(filter.clone(), order, page).await?, filter))
        };
        let (page, filter) = listed.await.map_err(|error: Error| operation_error(&error))?;
        let page = page.map(|listed| (Extension::of(listed.extension), listed.cursor));
        Ok(connection(page, ExtensionTotal(filter)))
    }
}

/// Of a package that was refused there is the report, and nothing else.
#[derive(SimpleObject, Default)]
pub struct PublishExtensionPayload {
    extension: Option<Extension>,
    version: Option<ExtensionVersion>,
    /// Every check that was made, whether it passed or not.
    report: Option<CheckReport>,
    user_errors: Vec<PublishExtensionError>,
}

payload! { YankExtensionPayload { version: ExtensionVersion }, YankExtensionError }
payload! { StopExtensionPayload { extension: Extension }, StopExtensionError }
payload! { RotatePublisherKeyPayload { publisher: Publisher }, RotatePublisherKeyError }
payload! { RevokePublisherKeyPayload { publisher: Publisher }, RevokePublisherKeyError }
#[derive(Default)]
pub struct ExtensionMutation;

#[Object]
impl ExtensionMutation {
    /// Publishes a version of an extension, once every check of its package has passed. It can never be changed.
    async fn publish_extension(
        &self,
        ctx: &Context<'_>,
        input: PublishExtensionInput,
    ) -> Result<PublishExtensionPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let package = input.package.value(ctx)?.content;
        let published = services.extensions.publish(actor, package, input.public_key.as_deref());
        let published = match Box::pin(published).await {
            Ok(published) => published,
            Err(error) => {
                return Ok(PublishExtensionPayload {
                    user_errors: user_errors(error)?,
                    ..Default::default()
                });
            }
        };
        let checks = published.report.checks.into_iter().map(|check| ExtensionCheck {
            name: check.name,
            passed: check.passed,
            message: check.message,
        });
        let checks: Vec<_> = checks.collect();
        let report = Some(CheckReport {
            passed: published.outcome.is_ok(),
            checks,
            warnings: published.report.warnings,
        });
        Ok(match published.outcome {
            Ok(published) => PublishExtensionPayload {
                extension: Some(Extension::of(published.extension)),
                version: Some(published.version.into()),
                report,
                user_errors: Vec::new(),
            },
            Err(error) => PublishExtensionPayload {
                report,
                user_errors: user_errors(error)?,
                ..Default::default()
            },
        })
    }

    /// Takes a version back: it is installed no more, and runs on where it is.
    async fn yank_extension(&self, ctx: &Context<'_>, input: YankExtensionInput) -> Result<YankExtensionPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let yanked = services
            .extensions
            .yank(actor, &input.name, &input.version, &input.reason);
        YankExtensionPayload::of(yanked.await.map(Into::into))
    }

    /// For moderators of extensions: stops a version, or all, wherever it is installed; or lets it run again.
    async fn stop_extension(&self, ctx: &Context<'_>, input: StopExtensionInput) -> Result<StopExtensionPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let (version, reason) = (input.version.as_deref(), input.reason.as_deref());
        let stopped = services.extensions.kill(actor, &input.name, version, reason);
        StopExtensionPayload::of(stopped.await.map(Extension::of))
    }

    /// Adds a key to a publisher's, on the word of one that holds.
    async fn rotate_publisher_key(
        &self,
        ctx: &Context<'_>,
        input: RotatePublisherKeyInput,
    ) -> Result<RotatePublisherKeyPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let RotatePublisherKeyInput {
            publisher,
            public_key,
            signature,
        } = &input;
        let rotated = services
            .extensions
            .rotate_publisher_key(actor, publisher, public_key, signature);
        RotatePublisherKeyPayload::of(rotated.await.map(Into::into))
    }

    /// What the key has signed stays; it signs nothing more.
    async fn revoke_publisher_key(
        &self,
        ctx: &Context<'_>,
        input: RevokePublisherKeyInput,
    ) -> Result<RevokePublisherKeyPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let revoked = services
            .extensions
            .revoke_publisher_key(actor, &input.publisher, &input.key_id);
        RevokePublisherKeyPayload::of(revoked.await.map(Into::into))
    }
}
