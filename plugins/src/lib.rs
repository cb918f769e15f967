//! The host of extensions: it reads packages, compiles components away from everything else, and runs
//! hooks in sandboxes that cannot hurt.
//!
//! A [`Host`](host::Host) is shared by all. A [`Chain`](chain::Chain) is the extensions of an account in
//! the order they are called; [`TurnHooks`](turn::TurnHooks) calls them for one turn, and
//! [`Filters`](filters::Filters) for the reply while it comes in. What the host needs of the house it gets
//! through [`Ports`](ports::Ports).

#[cfg(feature = "sandbox")]
pub mod bindings;
#[cfg(feature = "sandbox")]
pub mod breaker;
#[cfg(feature = "sandbox")]
mod cache;
#[cfg(feature = "sandbox")]
mod calls;
#[cfg(feature = "sandbox")]
pub mod chain;
pub mod checks;
#[cfg(feature = "sandbox")]
pub mod compile;
#[cfg(feature = "sandbox")]
mod edits;
#[cfg(feature = "sandbox")]
pub mod egress;
#[cfg(feature = "sandbox")]
mod engine;
#[cfg(feature = "sandbox")]
pub mod filters;
#[cfg(feature = "sandbox")]
pub mod host;
#[cfg(all(test, feature = "sandbox"))]
mod hostile;
#[cfg(feature = "sandbox")]
mod imports;
#[cfg(feature = "sandbox")]
pub mod inspect;
#[cfg(feature = "sandbox")]
mod instance;
pub mod manifest;
#[cfg(feature = "sandbox")]
mod order;
#[cfg(feature = "sandbox")]
pub mod outside;
pub mod package;
#[cfg(feature = "sandbox")]
mod places;
#[cfg(feature = "sandbox")]
pub mod ports;
#[cfg(feature = "sandbox")]
pub mod program;
#[cfg(feature = "sandbox")]
mod pseudonym;
#[cfg(feature = "sandbox")]
mod runner;
pub mod settings;
#[cfg(feature = "sandbox")]
mod stage;
#[cfg(feature = "sandbox")]
mod store;
#[cfg(all(test, feature = "sandbox"))]
mod testing;
#[cfg(feature = "sandbox")]
mod triggers;
#[cfg(feature = "sandbox")]
pub mod turn;
#[cfg(feature = "sandbox")]
mod wasi;

#[cfg(feature = "sandbox")]
pub use host::{Host, HostError};
#[cfg(feature = "sandbox")]
pub use instance::Failure;
