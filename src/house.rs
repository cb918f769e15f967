//! The house as the HTTP fronts see it.

use async_graphql::Request;
use tavern_domain::{Limits, Result, Timestamp};
use tavern_gateway::{Authenticated, Caller, House};
use tavern_resolvers::{RequestContext, Schema};
use tavern_services::Services;

/// The schema over the services.
pub struct Tavern {
    schema: Schema,
    services: Services,
}

impl Tavern {
    pub fn new(services: Services) -> Self {
        let schema = tavern_resolvers::schema()
            .limit_complexity(services.limits().complexity)
            .finish();
        Self { schema, services }
    }
}

impl House for Tavern {
    type Schema = Schema;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn authenticate(&self, token: &str) -> Result<Authenticated> {
        let (actor, expires_at) = self.services.accounts.authenticate(token)?;
        Ok(Authenticated { actor, expires_at })
    }

    fn with_context(&self, request: Request, caller: &Caller) -> Request {
        request.data(RequestContext::new(
            self.services.clone(),
            caller.actor.clone(),
            caller.address,
        ))
    }

    fn limits(&self) -> &Limits {
        self.services.limits()
    }

    /// A package is compiled and tried before it is published.
    fn mutation_time_ms(&self, root_field: &str) -> u64 {
        match root_field {
            "publishExtension" => self.limits().publish_timeout_ms,
            _ => self.limits().mutation_timeout_ms,
        }
    }

    fn now(&self) -> Timestamp {
        self.services.now()
    }
}
