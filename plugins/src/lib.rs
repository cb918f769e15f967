//! The host of extensions: it reads packages, compiles components away from everything else, and runs
//! hooks in sandboxes that cannot hurt.
//!
//! A [`Host`](host::Host) is shared by all. A [`Chain`](chain::Chain) is the extensions of an account in
//! the order they are called; [`TurnHooks`](turn::TurnHooks) calls them for one turn, and
//! [`Filters`](filters::Filters) for the reply while it comes in. What the host needs of the house it gets
//! through [`Ports`](ports::Ports).

pub mod bindings;
pub mod chain;
pub mod checks;
pub mod compile;
pub mod egress;
pub mod filters;
pub mod host;
mod instance;
pub mod manifest;
pub mod package;
pub mod ports;
pub mod program;
pub mod settings;
pub mod turn;

pub use host::{Host, HostError};
