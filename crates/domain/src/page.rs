//! Keyset pages in both directions, after the Relay cursor specification.

use crate::error::{Error, Problems, Result};

/// The four arguments of a connection as they came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageArgs {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
}

/// Which way a page grows from its cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// A checked request for a page: how many, which way, between which cursors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    pub limit: u32,
    pub direction: Direction,
    pub after: Option<String>,
    pub before: Option<String>,
}

impl PageArgs {
    /// # Errors
    /// BAD_USER_INPUT that names the argument: both `first` and `last`, or a size outside 0..=`max`.
    pub fn check(self, default: u32, max: u32) -> Result<PageRequest> {
        let mut problems = Problems::new();
        if self.first.is_some() && self.last.is_some() {
            problems.add("last", "`first` and `last` cannot be given together.");
        }
        for (name, size) in [("first", self.first), ("last", self.last)] {
            if let Some(size) = size
                && !u32::try_from(size).is_ok_and(|size| size <= max)
            {
                problems.add(name, format!("`{name}` must be between 0 and {max}, not {size}."));
            }
        }
        problems.finish()?;
        let direction = if self.last.is_some() {
            Direction::Backward
        } else {
            Direction::Forward
        };
        let limit = self
            .first
            .or(self.last)
            .and_then(|size| u32::try_from(size).ok())
            .unwrap_or(default);
        Ok(PageRequest {
            limit,
            direction,
            after: self.after,
            before: self.before,
        })
    }
}

/// One page. Items are in the list's order whichever way the page grew.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub has_next: bool,
    pub has_previous: bool,
}

impl<T> Page<T> {
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            items: Vec::new(),
            has_next: false,
            has_previous: false,
        }
    }

    /// Makes a page of up to `limit + 1` rows that were read in the direction of the request.
    #[must_use]
    pub fn from_rows(mut rows: Vec<T>, request: &PageRequest) -> Self {
        let limit = request.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        match request.direction {
            Direction::Forward => Self {
                items: rows,
                has_next: more,
                has_previous: request.after.is_some(),
            },
            Direction::Backward => {
                rows.reverse();
                Self {
                    items: rows,
                    has_next: request.before.is_some(),
                    has_previous: more,
                }
            }
        }
    }

    #[must_use]
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            has_next: self.has_next,
            has_previous: self.has_previous,
        }
    }
}

/// The error for a cursor that is not one of ours, or is one of another order.
#[track_caller]
#[must_use]
pub fn bad_cursor(argument: &str) -> Error {
    Error::bad_input(
        argument,
        format!("`{argument}` is not a cursor of this list in this order."),
    )
}
