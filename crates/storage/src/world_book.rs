//! World books and their entries, as documents.
//!
//! An entry is a row of its own, so that two people who change different entries never meet. Every
//! change of an entry takes its book's row first and raises the book's version in the same
//! transaction: whoever knows a book's version knows all of its entries.

#[cfg(test)]
mod plans;

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use serde::de::DeserializeOwned;
use tavern_domain::lore::{WorldBook, WorldEntry};
use tavern_domain::page::{Direction, Page, PageRequest, bad_cursor};
use tavern_domain::{Error, Result, Timestamp, UserId, WorldBookId, WorldEntryId};

use crate::cursor::{Reader, Writer};
use crate::db::{DbResult, lists, only};
use crate::documents::{SqlDocuments, to_json};
use crate::entity::{world_book_document as book_row, world_entry_document as entry_row};

/// The tags of cursors in a list of books and in one of entries.
const BOOKS: u8 = 48;
const ENTRIES: u8 = 49;
/// Rows of one INSERT: SQLite binds 32,766 values at the most.
const ROWS: usize = 500;

/// What a book may hold.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub entries: usize,
    /// Of the texts of all entries.
    pub bytes: usize,
}

/// What came of adding or changing an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryOutcome {
    /// The book as it is now.
    Done(Box<WorldBook>),
    /// The book has no room for it.
    Full,
    /// The entry is no longer of the version named, or the book is gone.
    Stale,
}

/// Where world books are kept.
#[async_trait]
pub trait WorldBookStore: Send + Sync {
    /// A new book with its entries, in their order.
    async fn insert_world_book(&self, book: &WorldBook, entries: &[WorldEntry]) -> Result<()>;
    /// Those that exist, in no particular order.
    async fn world_books(&self, ids: &[WorldBookId]) -> Result<Vec<WorldBook>>;
    /// An account's books with their cursors, the last changed first.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `after` or `before` for what is not a cursor of this list.
    async fn world_book_page(&self, owner: UserId, page: &PageRequest) -> Result<Page<(WorldBook, String)>>;
    async fn count_world_books(&self, owner: UserId) -> Result<u32>;
    /// Stores what a book says of itself and whether it is public. False, and no change, if the
    /// stored version is no longer `expected_version` or the book is gone.
    async fn update_world_book(&self, changed: &WorldBook, expected_version: i32) -> Result<bool>;
    /// With all its entries. False if there is no such book.
    async fn delete_world_book(&self, id: WorldBookId) -> Result<bool>;
    /// A book's entries with their cursors, in their order.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `after` or `before` for what is not a cursor of this list.
    async fn world_entry_page(&self, book: WorldBookId, page: &PageRequest) -> Result<Page<(WorldEntry, String)>>;
    /// All entries of a book, in their order.
    async fn world_entries(&self, book: WorldBookId) -> Result<Vec<WorldEntry>>;
    async fn world_entry(&self, id: WorldEntryId) -> Result<Option<WorldEntry>>;
    /// A new entry behind all others.
    async fn add_world_entry(&self, entry: &WorldEntry, room: Room, now: Timestamp) -> Result<EntryOutcome>;
    /// Stores an entry whose stored version is still `expected_version`.
    async fn update_world_entry(
        &self,
        changed: &WorldEntry,
        expected_version: i32,
        room: Room,
        now: Timestamp,
    ) -> Result<EntryOutcome>;
    /// The book as it is now and the entries that went; `None` if there is no such book. Entries of
    /// other books stay.
    async fn delete_world_entries(
        &self,
        book: WorldBookId,
        ids: &[WorldEntryId],
        now: Timestamp,
    ) -> Result<Option<(WorldBook, Vec<WorldEntryId>)>>;
}

#[async_trait]
impl WorldBookStore for SqlDocuments {
    async fn insert_world_book(&self, book: &WorldBook, entries: &[WorldEntry]) -> Result<()> {
        let mut rows = Vec::with_capacity(entries.len());
        for (place, entry) in (0..).zip(entries) {
            rows.push(to_entry_row(entry, place)?);
        }
        let row = book_row::ActiveModel {
            id: Set(book.id.uuid()),
            owner_id: Set(book.owner.uuid()),
            is_public: Set(book.is_public),
            version: Set(book.version),
            entry_count: Set(book.entry_count),
            next_place: Set(i32::try_from(rows.len()).map_err(Error::internal)?),
            bytes: Set(book.bytes),
            created_at: Set(book.created_at.0),
            updated_at: Set(book.updated_at.0),
            body: Set(to_json(&book.text)?),
        };
        let tx = self.db.begin().await?;
        book_row::Entity::insert(row).exec_without_returning(&tx).await.db()?;
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(ROWS));
            entry_row::Entity::insert_many(rows)
                .exec_without_returning(&tx)
                .await
                .db()?;
            rows = rest;
        }
        tx.commit().await.db()
    }

    async fn world_books(&self, ids: &[WorldBookId]) -> Result<Vec<WorldBook>> {
        let mut found = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = book_row::Entity::find()
                .filter(book_row::Column::Id.is_in(list))
                .all(&self.db.read)
                .await
                .db()?;
            for row in rows {
                found.push(to_book(row)?);
            }
        }
        Ok(found)
    }

    async fn world_book_page(&self, owner: UserId, page: &PageRequest) -> Result<Page<(WorldBook, String)>> {
        let rows = book_page(owner, page)?.all(&self.db.read).await.db()?;
        let books = rows.into_iter().map(to_book).collect::<Result<_>>()?;
        Ok(Page::from_rows(books, page).map(|book: WorldBook| {
            let cursor = Writer::new(BOOKS).i64(book.updated_at.0).uuid(book.id.uuid()).finish();
            (book, cursor)
        }))
    }

    async fn count_world_books(&self, owner: UserId) -> Result<u32> {
        let count = book_row::Entity::find()
            .filter(book_row::Column::OwnerId.eq(owner.uuid()))
            .count(&self.db.read)
            .await
            .db()?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn update_world_book(&self, changed: &WorldBook, expected_version: i32) -> Result<bool> {
        use book_row::Column;
        let updated = book_row::Entity::update_many()
            .col_expr(Column::IsPublic, Expr::value(changed.is_public))
            .col_expr(Column::Version, Expr::value(changed.version))
            .col_expr(Column::UpdatedAt, Expr::value(changed.updated_at.0))
            .col_expr(Column::Body, Expr::value(to_json(&changed.text)?))
            .filter(Column::Id.eq(changed.id.uuid()))
            .filter(Column::Version.eq(expected_version))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(updated.rows_affected > 0)
    }

    async fn delete_world_book(&self, id: WorldBookId) -> Result<bool> {
        let deleted = book_row::Entity::delete_by_id(id.uuid())
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(deleted.rows_affected > 0)
    }

    async fn world_entry_page(&self, book: WorldBookId, page: &PageRequest) -> Result<Page<(WorldEntry, String)>> {
        let rows = entry_page(book, page)?.all(&self.db.read).await.db()?;
        let entries = rows
            .into_iter()
            .map(|row| {
                let cursor = Writer::new(ENTRIES).i64(row.place.into()).finish();
                Ok((to_entry(row)?, cursor))
            })
            .collect::<Result<_>>()?;
        Ok(Page::from_rows(entries, page))
    }

    async fn world_entries(&self, book: WorldBookId) -> Result<Vec<WorldEntry>> {
        let rows = entry_row::Entity::find()
            .filter(entry_row::Column::BookId.eq(book.uuid()))
            .order_by_asc(entry_row::Column::Place)
            .all(&self.db.read)
            .await
            .db()?;
        rows.into_iter().map(to_entry).collect()
    }

    async fn world_entry(&self, id: WorldEntryId) -> Result<Option<WorldEntry>> {
        only(entry_row::Entity::find_by_id(id.uuid()), &self.db.read)
            .await?
            .map(to_entry)
            .transpose()
    }

    async fn add_world_entry(&self, entry: &WorldEntry, room: Room, now: Timestamp) -> Result<EntryOutcome> {
        let tx = self.db.begin().await?;
        let Some(mut book) = lock(&tx, entry.book).await? else {
            return Ok(EntryOutcome::Stale);
        };
        let place = book.next_place;
        book.next_place += 1;
        book.entry_count += 1;
        book.bytes += bytes_of(entry);
        if exceeds(&book, room) {
            return Ok(EntryOutcome::Full);
        }
        entry_row::Entity::insert(to_entry_row(entry, place)?)
            .exec_without_returning(&tx)
            .await
            .db()?;
        let book = raise(&tx, book, now).await?;
        tx.commit().await.db()?;
        Ok(EntryOutcome::Done(Box::new(to_book(book)?)))
    }

    async fn update_world_entry(
        &self,
        changed: &WorldEntry,
        expected_version: i32,
        room: Room,
        now: Timestamp,
    ) -> Result<EntryOutcome> {
        use entry_row::Column;
        let tx = self.db.begin().await?;
        let Some(mut book) = lock(&tx, changed.book).await? else {
            return Ok(EntryOutcome::Stale);
        };
        let stored = entry_row::Entity::find_by_id(changed.id.uuid())
            .filter(Column::BookId.eq(changed.book.uuid()))
            .filter(Column::Version.eq(expected_version));
        let Some(stored) = only(stored, &tx).await? else {
            return Ok(EntryOutcome::Stale);
        };
        let grown = bytes_of(changed) - stored.bytes;
        book.bytes += grown;
        // What is too large already may still shrink.
        if grown > 0 && exceeds(&book, room) {
            return Ok(EntryOutcome::Full);
        }
        entry_row::Entity::update_many()
            .col_expr(Column::Version, Expr::value(changed.version))
            .col_expr(Column::Bytes, Expr::value(bytes_of(changed)))
            .col_expr(Column::Body, Expr::value(to_json(&changed.entry)?))
            .filter(Column::Id.eq(changed.id.uuid()))
            .exec(&tx)
            .await
            .db()?;
        let book = raise(&tx, book, now).await?;
        tx.commit().await.db()?;
        Ok(EntryOutcome::Done(Box::new(to_book(book)?)))
    }

    async fn delete_world_entries(
        &self,
        book: WorldBookId,
        ids: &[WorldEntryId],
        now: Timestamp,
    ) -> Result<Option<(WorldBook, Vec<WorldEntryId>)>> {
        let tx = self.db.begin().await?;
        let Some(mut book) = lock(&tx, book).await? else {
            return Ok(None);
        };
        let mut deleted = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = entry_row::Entity::delete_many()
                .filter(entry_row::Column::BookId.eq(book.id))
                .filter(entry_row::Column::Id.is_in(list))
                .exec_with_returning(&tx)
                .await
                .db()?;
            for row in rows {
                book.entry_count -= 1;
                book.bytes -= row.bytes;
                deleted.push(WorldEntryId::from_uuid(row.id));
            }
        }
        if !deleted.is_empty() {
            book = raise(&tx, book, now).await?;
            tx.commit().await.db()?;
        }
        Ok(Some((to_book(book)?, deleted)))
    }
}

/// Reads a book under its lock. All that changes a book's entries takes it first.
async fn lock(tx: &impl ConnectionTrait, id: WorldBookId) -> Result<Option<book_row::Model>> {
    only(book_row::Entity::find_by_id(id.uuid()).lock(LockType::NoKeyUpdate), tx).await
}

/// Stores a locked book's counters under its next version.
async fn raise(tx: &impl ConnectionTrait, mut book: book_row::Model, now: Timestamp) -> Result<book_row::Model> {
    use book_row::Column;
    book.version += 1;
    book.updated_at = now.0;
    book_row::Entity::update_many()
        .col_expr(Column::Version, Expr::value(book.version))
        .col_expr(Column::EntryCount, Expr::value(book.entry_count))
        .col_expr(Column::NextPlace, Expr::value(book.next_place))
        .col_expr(Column::Bytes, Expr::value(book.bytes))
        .col_expr(Column::UpdatedAt, Expr::value(book.updated_at))
        .filter(Column::Id.eq(book.id))
        .exec(tx)
        .await
        .db()?;
    Ok(book)
}

fn exceeds(book: &book_row::Model, room: Room) -> bool {
    usize::try_from(book.entry_count).is_ok_and(|entries| entries > room.entries)
        || usize::try_from(book.bytes).is_ok_and(|bytes| bytes > room.bytes)
}

fn bytes_of(entry: &WorldEntry) -> i64 {
    i64::try_from(entry.entry.bytes()).unwrap_or(i64::MAX)
}

fn book_page(owner: UserId, page: &PageRequest) -> Result<Select<book_row::Entity>> {
    use book_row::Column::{Id, OwnerId, UpdatedAt};
    let bound = |argument: &str, cursor: &str| {
        let mut reader = Reader::new(cursor, BOOKS).ok_or_else(|| bad_cursor(argument))?;
        let place = reader.i64().zip(reader.uuid()).ok_or_else(|| bad_cursor(argument))?;
        reader.finish().ok_or_else(|| bad_cursor(argument))?;
        Ok((
            Expr::tuple([Expr::col(UpdatedAt), Expr::col(Id)]),
            Expr::tuple([Expr::value(place.0), Expr::value(place.1)]),
        ))
    };
    let mut select = book_row::Entity::find().filter(OwnerId.eq(owner.uuid()));
    if let Some(after) = &page.after {
        let (key, place) = bound("after", after)?;
        select = select.filter(key.lt(place));
    }
    if let Some(before) = &page.before {
        let (key, place) = bound("before", before)?;
        select = select.filter(key.gt(place));
    }
    let order = match page.direction {
        Direction::Forward => Order::Desc,
        Direction::Backward => Order::Asc,
    };
    Ok(select
        .order_by(UpdatedAt, order.clone())
        .order_by(Id, order)
        .limit(u64::from(page.limit) + 1))
}

fn entry_page(book: WorldBookId, page: &PageRequest) -> Result<Select<entry_row::Entity>> {
    use entry_row::Column::{BookId, Place};
    let bound = |argument: &str, cursor: &str| {
        let mut reader = Reader::new(cursor, ENTRIES).ok_or_else(|| bad_cursor(argument))?;
        let place = reader.i64().ok_or_else(|| bad_cursor(argument))?;
        reader.finish().ok_or_else(|| bad_cursor(argument))?;
        i32::try_from(place).map_err(|_| bad_cursor(argument))
    };
    let mut select = entry_row::Entity::find().filter(BookId.eq(book.uuid()));
    if let Some(after) = &page.after {
        select = select.filter(Place.gt(bound("after", after)?));
    }
    if let Some(before) = &page.before {
        select = select.filter(Place.lt(bound("before", before)?));
    }
    let order = match page.direction {
        Direction::Forward => Order::Asc,
        Direction::Backward => Order::Desc,
    };
    Ok(select.order_by(Place, order).limit(u64::from(page.limit) + 1))
}

fn parse<T: DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(Error::internal)
}

fn to_book(row: book_row::Model) -> Result<WorldBook> {
    Ok(WorldBook {
        text: parse(&row.body)?,
        id: WorldBookId::from_uuid(row.id),
        owner: UserId::from_uuid(row.owner_id),
        is_public: row.is_public,
        version: row.version,
        entry_count: row.entry_count,
        bytes: row.bytes,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}

fn to_entry(row: entry_row::Model) -> Result<WorldEntry> {
    Ok(WorldEntry {
        entry: parse(&row.body)?,
        id: WorldEntryId::from_uuid(row.id),
        book: WorldBookId::from_uuid(row.book_id),
        version: row.version,
    })
}

fn to_entry_row(entry: &WorldEntry, place: i32) -> Result<entry_row::ActiveModel> {
    Ok(entry_row::ActiveModel {
        id: Set(entry.id.uuid()),
        book_id: Set(entry.book.uuid()),
        place: Set(place),
        version: Set(entry.version),
        bytes: Set(bytes_of(entry)),
        body: Set(to_json(&entry.entry)?),
    })
}
