//! Extensions: what is published, who has it, and what happens to it.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, ID, Json, Object, Result, SimpleObject, Subscription};
use futures::{Stream, StreamExt as _};
use serde_json::Value;
use tavern_domain::extension as domain;
use tavern_domain::{Error, ExtensionId, InstallationId, UserId};
use tavern_schema::connection::{Cursor, connection, page_args, page_cost};
use tavern_schema::error::{
    ConfigureInstallationError, InstallExtensionError, PublishExtensionError, RevokePublisherKeyError,
    RollbackInstallationError, RotatePublisherKeyError, StopExtensionError, UninstallExtensionError,
    UpgradeInstallationError, YankExtensionError, nullable, operation_error, user_errors,
};
use tavern_schema::extension::{
    CheckReport, ConfigureInstallationInput, ExtensionCheck, ExtensionFields, ExtensionFilter, ExtensionLog,
    ExtensionOrder, ExtensionPermission, ExtensionVersion, InstallExtensionInput, InstallationFields,
    InstallationSecret, PublishExtensionInput, Publisher, PublisherKey, RevokePublisherKeyInput,
    RollbackInstallationInput, RotatePublisherKeyInput, SecretInput, StopExtensionInput, UninstallExtensionInput,
    UpgradeInstallationInput, YankExtensionInput, event, hooks, keywords, permissions,
};
use tavern_schema::id::parse_id;
use tavern_schema::input::given;
use tavern_services::extension::{InstallationPatch, NewInstallation, SecretPatch, Upgrade};

use crate::account::{User, load_user};
use crate::context::RequestContext;
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

/// An extension in the caller's account, on all its chats. Only its owner sees it.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct Installation {
    pub id: ID,
    #[graphql(flatten)]
    fields: InstallationFields,
    #[graphql(skip)]
    more: Box<domain::Installation>,
}

impl Installation {
    #[must_use]
    pub fn of(installation: domain::Installation) -> Self {
        Self {
            id: installation.id.to_string().into(),
            more: Box::new(installation.clone()),
            fields: installation.into(),
        }
    }
}

#[ComplexObject]
impl Installation {
    async fn extension(&self, ctx: &Context<'_>) -> Option<Extension> {
        nullable(ctx, load_extension(ctx, self.more.extension).await)
    }

    /// What runs.
    async fn installed_version(&self, ctx: &Context<'_>) -> Option<ExtensionVersion> {
        let found = RequestContext::of(ctx).loaders().load_one(self.more.version_id);
        nullable(ctx, Box::pin(found).await.map_err(shared)).map(Into::into)
    }

    /// What waits for consent, because it asks for more; null if nothing does.
    async fn pending_version(&self, ctx: &Context<'_>) -> Option<ExtensionVersion> {
        let found = RequestContext::of(ctx).loaders().load_one(self.more.pending?);
        nullable(ctx, Box::pin(found).await.map_err(shared)).map(Into::into)
    }

    /// What the version that waits would be permitted beyond what is asked for and granted now.
    async fn pending_permissions(&self, ctx: &Context<'_>) -> Result<Vec<ExtensionPermission>> {
        let pending = RequestContext::of(ctx)
            .services
            .extensions
            .pending_permissions(&self.more);
        let pending = Box::pin(pending).await.map_err(|error| operation_error(&error))?;
        let permission = |(capability, reason): (domain::Capability, String)| ExtensionPermission {
            capability: capability.to_string(),
            reason,
        };
        Ok(pending.into_iter().map(permission).collect())
    }

    /// Those it can have, and whether they are set.
    async fn secrets(&self, ctx: &Context<'_>) -> Result<Vec<InstallationSecret>> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let secrets = Box::pin(services.extensions.secrets(actor, self.more.id)).await;
        let secrets = secrets.map_err(|error| operation_error(&error))?;
        let secret = |(name, is_set)| InstallationSecret { name, is_set };
        Ok(secrets.into_iter().map(secret).collect())
    }

    /// The last lines of what happened to it, the newest at the end; they are kept for a week.
    #[graphql(complexity = "page_cost(first, None, child_complexity)")]
    async fn logs(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Some(20)")] first: Option<i32>,
    ) -> Result<Vec<ExtensionLog>> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let logs = async {
            let limits = services.limits();
            let size = page_args(first, None, None, None).check(limits.default_page_size, limits.max_page_size)?;
            services.extensions.logs(actor, self.more.id, size.limit).await
        };
        let logs = Box::pin(logs).await.map_err(|error| operation_error(&error))?;
        Ok(logs.into_iter().map(Into::into).collect())
    }
}

/// An extension by id, for relations.
pub(crate) async fn load_extension(ctx: &Context<'_>, id: ExtensionId) -> Result<Option<Extension>, Error> {
    let found = RequestContext::of(ctx).loaders().load_one(id);
    Ok(Box::pin(found).await.map_err(shared)?.map(Extension::of))
}

/// An installation by id; `None` if it is not the caller's.
pub(crate) async fn load_installation(ctx: &Context<'_>, id: InstallationId) -> Result<Option<Installation>, Error> {
    let found = RequestContext::of(ctx).loaders().load_one(id);
    Ok(Box::pin(found).await.map_err(shared)?.map(Installation::of))
}

/// The caller's installations.
pub(crate) async fn own_installations(ctx: &Context<'_>) -> Result<Vec<Installation>> {
    let RequestContext { services, actor, .. } = RequestContext::of(ctx);
    let own = services.extensions.installed(actor).await;
    let own = own.map_err(|error| operation_error(&error))?;
    Ok(own.into_iter().map(Installation::of).collect())
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
payload! { InstallExtensionPayload { installation: Installation }, InstallExtensionError }
payload! { ConfigureInstallationPayload { installation: Installation }, ConfigureInstallationError }
payload! { UpgradeInstallationPayload {
    /// Unchanged but for `pendingVersion` if that asks for more and there is no consent.
    installation: Installation
}, UpgradeInstallationError }
payload! { RollbackInstallationPayload { installation: Installation }, RollbackInstallationError }
payload! { UninstallExtensionPayload {
    /// What is gone.
    deleted_id: ID
}, UninstallExtensionError }

fn secrets(inputs: Vec<SecretInput>) -> Vec<SecretPatch> {
    let patch = |SecretInput { name, value }| SecretPatch { name, value };
    inputs.into_iter().map(patch).collect()
}

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

    /// Takes the newest version within `versionReq` into all chats of the account.
    async fn install_extension(
        &self,
        ctx: &Context<'_>,
        input: InstallExtensionInput,
    ) -> Result<InstallExtensionPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let new = NewInstallation {
            name: input.name,
            version_req: input.version_req,
            grants: input.grants,
            config: input.config.map(|Json(config)| config),
            secrets: secrets(input.secrets),
        };
        let installed = Box::pin(services.extensions.install(actor, new)).await;
        InstallExtensionPayload::of(installed.map(Installation::of))
    }

    /// Turns under way go on as they began.
    async fn configure_installation(
        &self,
        ctx: &Context<'_>,
        input: ConfigureInstallationInput,
    ) -> Result<ConfigureInstallationPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let configured = async {
            let patch = InstallationPatch {
                expected_revision: input.expected_revision,
                version_req: input.version_req,
                grants: input.grants,
                config: input.config.map(|Json(config)| config),
                secrets: secrets(input.secrets.unwrap_or_default()),
                enabled: input.enabled,
                priority: given(input.priority),
            };
            services
                .extensions
                .configure(actor, parse_id("id", &input.id)?, patch)
                .await
        };
        ConfigureInstallationPayload::of(Box::pin(configured).await.map(Installation::of))
    }

    /// Goes to a newer version. One that asks for more waits until there is consent.
    async fn upgrade_installation(
        &self,
        ctx: &Context<'_>,
        input: UpgradeInstallationInput,
    ) -> Result<UpgradeInstallationPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let upgraded = async {
            let upgrade = Upgrade {
                expected_revision: input.expected_revision,
                version: input.version,
                consent: input.consent,
                config: input.config.map(|Json(config)| config),
            };
            services
                .extensions
                .upgrade(actor, parse_id("id", &input.id)?, upgrade)
                .await
        };
        let upgraded = Box::pin(upgraded).await;
        UpgradeInstallationPayload::of(upgraded.map(|upgraded| Installation::of(upgraded.installation)))
    }

    /// Goes back to the version before, with its grants, configuration and values as they were.
    async fn rollback_installation(
        &self,
        ctx: &Context<'_>,
        input: RollbackInstallationInput,
    ) -> Result<RollbackInstallationPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let back = async {
            let id = parse_id("id", &input.id)?;
            services.extensions.rollback(actor, id, input.expected_revision).await
        };
        RollbackInstallationPayload::of(Box::pin(back).await.map(Installation::of))
    }

    /// With its values, secrets and logs.
    async fn uninstall_extension(
        &self,
        ctx: &Context<'_>,
        input: UninstallExtensionInput,
    ) -> Result<UninstallExtensionPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let gone = async { services.extensions.uninstall(actor, parse_id("id", &input.id)?).await };
        UninstallExtensionPayload::of(gone.await.map(|()| input.id))
    }
}

#[derive(Default)]
pub struct ExtensionSubscription;

#[Subscription]
impl ExtensionSubscription {
    /// What happens to an installation: first the last lines that are kept, then all that comes, until it is
    /// uninstalled. Each has a `kind`: `log`, `called`, `custom`, `metric` or `changed`.
    async fn extension_events(
        &self,
        ctx: &Context<'_>,
        installation_id: ID,
    ) -> Result<impl Stream<Item = Json<Value>> + use<>> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let watched = async {
            let id = parse_id("installationId", &installation_id)?;
            services.extensions.events(actor, id).await
        };
        let events = watched.await.map_err(|error| operation_error(&error))?;
        Ok(events.map(|told| event(&told)))
    }
}
