//! EXTENSION_TITLE.

use serde::Deserialize;
use tavern_extension::*;

/// Its fields are the owner's settings, as `config.schema.json` describes them.
#[derive(Extension, Deserialize)]
#[hooks(EXTENSION_HOOKS)]
pub struct Starter {
    pub text: Option<String>,
}
