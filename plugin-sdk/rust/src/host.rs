//! The host's functions: imports of the component, or those of a [`testing::Host`](crate::testing::Host).

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::tavern::extension::{config, http, key_value, log, metrics, model, secrets, text};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::functions::{config, http, key_value, log, metrics, model, secrets, text};
