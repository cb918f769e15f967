//! `graphql-transport-ws` over real sockets: each rule of the protocol, each close code, each limit on both sides.

#[path = "../support/mod.rs"]
mod support;

mod authentication;
mod client;
mod connection;
mod limits;
mod operations;
mod slow_readers;
mod upgrade;
