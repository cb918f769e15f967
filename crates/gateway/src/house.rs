//! What the fronts need of the house behind them: a schema, a way to tell who calls, and the limits.

use std::net::IpAddr;
use std::sync::Arc;

use async_graphql::{Executor, Request};
use tavern_domain::{Actor, Limits, Result, Timestamp};

/// Who calls, as far as the transport knows.
#[derive(Debug, Clone)]
pub struct Caller {
    pub actor: Actor,
    /// When the access token ends; `None` for anonymous callers.
    pub expires_at: Option<Timestamp>,
    pub address: IpAddr,
    /// Of the HTTP request, or of the socket's upgrade; goes to logs and to `extensions.requestId` of internal errors.
    pub request_id: Arc<str>,
}

/// What an access token proves.
#[derive(Debug, Clone)]
pub struct Authenticated {
    pub actor: Actor,
    pub expires_at: Timestamp,
}

/// The house as the fronts see it. The product's is in the composition root; the tests of the fronts bring a small one.
pub trait House: Send + Sync + 'static {
    type Schema: Executor;

    fn schema(&self) -> &Self::Schema;

    /// Checks an access token, without I/O.
    ///
    /// # Errors
    /// UNAUTHENTICATED if it does not hold.
    fn authenticate(&self, token: &str) -> Result<Authenticated>;

    /// Adds what resolvers need (the actor among it) to a request.
    fn with_context(&self, request: Request, caller: &Caller) -> Request;

    fn limits(&self) -> &Limits;

    /// Milliseconds that a mutation with this root field may take; one with several has the time of the slowest.
    fn mutation_time_ms(&self, _root_field: &str) -> u64 {
        self.limits().mutation_timeout_ms
    }

    fn now(&self) -> Timestamp;
}
