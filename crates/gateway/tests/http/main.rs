//! GraphQL over HTTP: what each rule of the front promises, on both sides of each limit.

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod client;
mod documents;
mod errors;
mod execution;
mod get;
mod negotiation;
mod persisted;
mod post;
mod sse;
mod uploads;
