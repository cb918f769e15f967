//! HTTP: GraphQL over HTTP, WebSocket and SSE, with the limits that keep the house standing.

pub mod house;

pub use house::{Authenticated, Caller, House};
