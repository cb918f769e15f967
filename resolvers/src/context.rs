//! What a request brings along: the services, who asks, and from where.

use std::net::IpAddr;

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
    loaders: DataLoader<Loaders>,
}

impl RequestContext {
    #[must_use]
    pub fn new(services: Services, actor: Actor, address: IpAddr) -> Self {
        let loaders = loaders::new(services.clone(), actor.clone());
        Self {
            services,
            actor,
            address,
            loaders,
        }
    }

    pub(crate) fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked::<Self>()
    }

    pub(crate) fn loaders(&self) -> &DataLoader<Loaders> {
        &self.loaders
    }
}
