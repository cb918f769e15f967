//! HTTP: GraphQL over HTTP, WebSocket and SSE, with the limits that keep the house standing.

mod cache;
mod document;
mod error;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
pub mod health;
pub mod house;
mod http;
pub mod layers;
pub mod objects;
mod origins;
mod outcome;
mod page_sizes;
pub mod playground;
mod request_id;
mod routes;
pub mod server;
mod uploads;
pub mod ws;

pub use self::http::encode;
pub use cache::PersistedQuery;
pub use error::{ErrorCode, RequestError};
pub use front::{Front, Operation, OperationKind, Prepared};
pub use house::{Authenticated, Caller, House};
pub use origins::{NotAnOrigin, Origins};
pub use outcome::is_request_error;
pub use request_id::RequestId;
pub use routes::graphql_routes;
