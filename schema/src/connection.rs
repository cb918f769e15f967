//! Relay connections over keyset pages.

use async_graphql::connection::{Connection, CursorType, Edge};
use async_graphql::{ObjectType, OutputType};
use tavern_domain::page::{Page, PageArgs};

/// A cursor as the store made it: opaque to everybody else.
#[derive(Debug, Clone)]
pub struct Cursor(pub String);

impl CursorType for Cursor {
    type Error = std::convert::Infallible;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        Ok(Self(text.to_owned()))
    }

    fn encode_cursor(&self) -> String {
        self.0.clone()
    }
}

/// The arguments of a connection.
#[must_use]
pub fn page_args(first: Option<i32>, after: Option<String>, last: Option<i32>, before: Option<String>) -> PageArgs {
    PageArgs {
        first,
        after,
        last,
        before,
    }
}

/// A connection over one page; `additional` answers what needs the whole list.
pub fn connection<N: OutputType, A: ObjectType>(page: Page<(N, String)>, additional: A) -> Connection<Cursor, N, A> {
    let mut connection = Connection::with_additional_fields(page.has_previous, page.has_next, additional);
    connection.edges.extend(
        page.items
            .into_iter()
            .map(|(node, cursor)| Edge::new(Cursor(cursor), node)),
    );
    connection
}

/// What a connection costs: its page times what is selected of an item.
///
/// `default` is the page when no size is given; a size that is refused later costs one page.
#[must_use]
pub fn page_cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let size = first
        .or(last)
        .and_then(|size| usize::try_from(size).ok())
        .unwrap_or(20)
        .min(100);
    size.max(1).saturating_mul(child).saturating_add(1)
}
