//! What the owner of the installation has set, already checked against the extension's schema. Settings
//! marked `x-secret` are not among them.
//!
//! Most extensions need none of this: the fields of an extension are its configuration.

use serde::de::DeserializeOwned;

use crate::{HookError, Result, host};

/// Reads a configuration.
///
/// # Errors
/// [`HookError::InvalidConfig`], with the place.
pub fn parse<T: DeserializeOwned>(config: &str) -> Result<T> {
    serde_json::from_str(config).map_err(|error| HookError::InvalidConfig(error.to_string()))
}

/// All settings.
///
/// # Errors
/// As [`parse`].
pub fn all<T: DeserializeOwned>() -> Result<T> {
    parse(&host::config::all())
}

/// One setting, if it is set.
///
/// # Errors
/// As [`parse`].
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    host::config::get(key)
        .map(|value| {
            serde_json::from_str(&value).map_err(|error| HookError::InvalidConfig(format!("`{key}`: {error}")))
        })
        .transpose()
}
