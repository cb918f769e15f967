//! The host of extensions: it reads packages, compiles components away from everything else, and runs
//! hooks in sandboxes that cannot hurt.
//!
//! A [`Host`](host::Host) is shared by all. A [`Chain`](chain::Chain) is the extensions of an account in
//! the order they are called; [`TurnHooks`](turn::TurnHooks) calls them for one turn, and
//! [`Filters`](filters::Filters) for the reply while it comes in. What the host needs of the house it gets
//! through [`Ports`](ports::Ports).

pub mod bindings;
pub mod breaker;
mod cache;
mod calls;
pub mod chain;
pub mod checks;
pub mod compile;
mod edits;
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
mod order;
pub mod outside;
pub mod package;
mod places;
pub mod ports;
pub mod program;
mod pseudonym;
mod runner;
pub mod settings;
mod stage;
mod store;
#[cfg(test)]
mod testing;
mod triggers;
pub mod turn;
mod wasi;

pub use host::{Host, HostError};
pub use instance::Failure;
