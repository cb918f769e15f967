//! What an author of extensions works with.
