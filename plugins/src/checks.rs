//! All automatic checks.
pub mod schema;
pub use schema::{check_config, split_secrets};
