//! The host of extensions: it reads packages, compiles components away from everything else, and runs
//! hooks in sandboxes that cannot hurt.
//!
//! A [`Host`](host::Host) is shared by all. A [`Chain`](chain::Chain) is the extensions of an account in
//! the order they are called; [`TurnHooks`](turn::TurnHooks) calls them for one turn, and
//! [`Filters`](filters::Filters) for the reply while it comes in. What the host needs of the house it gets
//! through [`Ports`](ports::Ports).

pub mod bindings;
mod cache;
pub mod chain;
pub mod compile;
pub mod egress;
mod engine;
pub mod filters;
pub mod host;
#[cfg(test)]
mod hostile;
mod imports;
pub mod inspect;
mod instance;
pub mod manifest;
pub mod outside;
pub mod package;
pub mod ports;
pub mod program;
pub mod settings;
mod store;
#[cfg(test)]
mod testing;
pub mod turn;
mod wasi;

pub use host::{Host, HostError};
pub use instance::Failure;
