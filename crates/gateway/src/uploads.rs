//! How values refer to uploaded files.
//!
//! The executor's `Upload` scalar is a string that holds an index, and it trusts that string blindly.
//! So documents may hold none, and variables only those that are part of the request.

use async_graphql::Value;

const PREFIX: &str = "#__graphql_file__:";

/// The value that stands for the upload at `index`.
pub fn reference(index: usize) -> Value {
    Value::String(format!("{PREFIX}{index}"))
}

/// Whether all references in `value` are to one of the first `uploads`.
pub fn exist(value: &Value, uploads: usize) -> bool {
    match value {
        Value::String(text) => text
            .strip_prefix(PREFIX)
            .is_none_or(|index| index.parse().is_ok_and(|index: usize| index < uploads)),
        Value::List(items) => items.iter().all(|item| exist(item, uploads)),
        Value::Object(members) => members.values().all(|member| exist(member, uploads)),
        _ => true,
    }
}
