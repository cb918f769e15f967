//! Ids in and out.

use async_graphql::ID;
use tavern_domain::id::IdError;
use tavern_domain::{Error, Result};

/// An id of a known type.
///
/// # Errors
/// BAD_USER_INPUT on `field` for a malformed id, or one of another type.
pub fn parse_id<T: std::str::FromStr<Err = IdError>>(field: &str, id: &ID) -> Result<T> {
    id.parse()
        .map_err(|error: IdError| Error::bad_input(field, format!("{error}.")))
}

/// Ids of a known type.
///
/// # Errors
/// BAD_USER_INPUT naming every one that is malformed or of another type, or the limit of the list.
pub fn parse_ids<T: std::str::FromStr<Err = IdError>>(field: &str, ids: &[ID], most: u32) -> Result<Vec<T>> {
    if ids.len() > most as usize {
        return Err(Error::bad_input(
            field,
            format!("At most {most} ids, not {}.", ids.len()),
        ));
    }
    let mut problems = tavern_domain::Problems::new();
    let mut parsed = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        parsed.extend(problems.absorb(parse_id(&format!("{field}.{index}"), id))?);
    }
    problems.finish()?;
    Ok(parsed)
}
