//! What an author of extensions works with.

pub mod build;
