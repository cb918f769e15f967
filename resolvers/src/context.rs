//! What a request brings along: the services, who asks, and from where.

use std::net::IpAddr;
use std::sync::OnceLock;

use async_graphql::Context;
use async_graphql::dataloader::DataLoader;
use tavern_domain::Actor;
use tavern_services::Services;

use crate::loaders::{self, Loaders};

/// The one piece of data of a request.
pub struct RequestContext {
    pub services: Services,
    pub actor: Actor,
    pub address: IpAddr,
    /// Made when the first relation is read: most operations read none.
    loaders: OnceLock<DataLoader<Loaders>>,
}

impl RequestContext {
    #[must_use]
    pub fn new(services: Services, actor: Actor, address: IpAddr) -> Self {
        Self {
            services,
            actor,
            address,
            loaders: OnceLock::new(),
        }
    }

    pub(crate) fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked::<Self>()
    }

    pub(crate) fn loaders(&self) -> &DataLoader<Loaders> {
        self.loaders
            .get_or_init(|| loaders::new(self.services.clone(), self.actor.clone()))
    }
}
