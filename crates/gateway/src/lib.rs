//! HTTP: GraphQL over HTTP, WebSocket and SSE, with the limits that keep the house standing.

mod cache;
mod document;
mod error;
mod front;
mod guard;
pub mod house;
mod outcome;
mod request_id;

pub use cache::PersistedQuery;
pub use error::{ErrorCode, RequestError};
pub use front::{Front, Operation, OperationKind, Prepared};
pub use house::{Authenticated, Caller, House};
pub use outcome::is_request_error;
pub use request_id::RequestId;
