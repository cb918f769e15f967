//! Extensions in the caller's account: installed, set, upgraded, watched.

use async_graphql::{ComplexObject, Context, ID, Json, Object, Result, SimpleObject, Subscription};
use futures::{Stream, StreamExt as _};
use serde_json::Value;
use tavern_domain::extension as domain;
use tavern_domain::{Error, InstallationId};
use tavern_schema::connection::{page_args, page_cost};
use tavern_schema::error::{
    ConfigureInstallationError, InstallExtensionError, RollbackInstallationError, UninstallExtensionError,
    UpgradeInstallationError, nullable, operation_error,
};
use tavern_schema::extension::{
    ConfigureInstallationInput, ExtensionLog, ExtensionPermission, ExtensionVersion, InstallExtensionInput,
    InstallationFields, InstallationSecret, RollbackInstallationInput, SecretInput, UninstallExtensionInput,
    UpgradeInstallationInput, event,
};
use tavern_schema::id::parse_id;
use tavern_schema::input::given;
use tavern_services::extension::{InstallationPatch, NewInstallation, SecretPatch, Upgrade};

use crate::context::RequestContext;
use crate::extension::{Extension, load_extension};
use crate::loaders::shared;
use crate::payload::payload;

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

    /// What the version that waits would be permitted beyond what is asked for and granted now; and secrets that are
    /// granted and would go elsewhere, or in another form.
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
pub struct InstallationMutation;

#[Object]
impl InstallationMutation {
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

    /// Goes back to the version before, with its grants, configuration and values as they were. What had been switched
    /// off for its failures is on again; secrets that would go elsewhere than now are to be granted anew.
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
pub struct InstallationSubscription;

#[Subscription]
impl InstallationSubscription {
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
