//! Inputs in which "not given" and "null" differ.

use async_graphql::{ID, MaybeUndefined};
use tavern_domain::Result;
use tavern_domain::id::IdError;

use crate::id::parse_id;

/// `None` for what is not given, `Some(None)` for null.
#[must_use]
pub fn given<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

/// As [`given`], of an id.
///
/// # Errors
/// BAD_USER_INPUT on `field` for a malformed id, or one of another type.
pub fn given_id<T: std::str::FromStr<Err = IdError>>(field: &str, id: MaybeUndefined<ID>) -> Result<Option<Option<T>>> {
    given(id)
        .map(|id| id.map(|id| parse_id(field, &id)).transpose())
        .transpose()
}
