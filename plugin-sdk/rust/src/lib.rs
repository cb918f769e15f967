//! What extensions of TavernAI Plus are written with.
//!
//! An extension is a struct. Its fields are its configuration, a trait for each of its hooks has one method,
//! and the derive exports the hooks that are named:
//!
//! ```
//! use tavern_extension::*;
//!
//! #[derive(Extension)]
//! #[hooks(MacroProvider)]
//! struct Greeter;
//!
//! impl MacroProvider for Greeter {
//!     fn expand(&self, turn: &Turn, name: &str, arguments: &[String]) -> Option<String> {
//!         (name == "greet").then(|| format!("Hail, {}!", arguments.first().unwrap_or(&turn.user_name)))
//!     }
//! }
//! ```
//!
//! The host's functions are in [`config`], [`kv`], [`http`], [`log`], [`metrics`], [`model`], [`secrets`] and
//! [`text`]. There is no clock but [`Turn::now_ms`], no randomness but [`Turn::rng`], and there are no files.
//! On other targets than WebAssembly the functions go to a [`testing::Host`], so that `cargo test` works.

#[doc(hidden)]
#[allow(missing_docs, clippy::all)]
pub mod bindings;
pub mod config;
mod edits;
mod error;
#[doc(hidden)]
#[allow(clippy::all)]
pub mod exports;
pub mod hooks;
mod host;
pub mod http;
mod instance;
pub mod kv;
pub mod log;
pub mod model;
mod random;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use serde_json::{Value, from_value, json};
pub use tavern_extension_derive::Extension;

pub use bindings::tavern::extension::types::{Character, HookError, Message, Pair, Role, Turn};
pub use error::Result;
pub use exports::after_reply::Effect;
pub use exports::before_prompt::{Edit, Note};
pub use exports::listing_price::Quote;
pub use exports::listing_validate::Finding;
pub use exports::prompt_transform::{Op, Placed, Replacement};
pub use exports::search_rank::{Change, Item};
pub use exports::stream_filter::Verdict;
pub use exports::world_info::{Activation, Addition, Candidate, Selection};
pub use hooks::{
    AfterReply, BeforePrompt, Lifecycle, ListingPrice, ListingValidate, MacroProvider, PromptTransform, ReplyFilter,
    SearchRank, StreamFilter, Tool, WorldInfo,
};
#[doc(hidden)]
pub use instance::Instance;
pub use random::Rng;

/// An extension; derived. The derive has to know the hooks, each once:
///
/// ```compile_fail
/// #[derive(tavern_extension::Extension)]
/// struct Nothing;
/// ```
/// ```compile_fail
/// #[derive(tavern_extension::Extension)]
/// #[hooks(BeforeBreakfast)]
/// struct Unknown;
/// ```
pub trait Extension: Sized + 'static {
    /// Reads it from a configuration, a JSON object.
    ///
    /// # Errors
    /// [`HookError::InvalidConfig`], which names the field.
    fn from_config(config: &str) -> Result<Self>;

    /// The one of this instance of the component, made of the installation's configuration at its first use.
    ///
    /// # Errors
    /// As [`Self::from_config`].
    fn instance() -> Result<&'static Self>;
}

/// Names of the secrets that the owner has set and permitted. Their values are never told:
/// [`http::Request::auth`] names them.
pub mod secrets {
    pub use crate::host::secrets::names;
}

/// Text as the turn's model counts it.
pub mod text {
    pub use crate::host::text::{count_tokens, truncate_tokens};
}

/// Counters of the extension. Their names stand in its manifest.
pub mod metrics {
    pub use crate::host::metrics::count;
}
