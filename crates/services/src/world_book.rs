//! World books: made, changed entry by entry, seen, and read for prompts.
//!
//! A book is seen by its owner, by moderators of characters, by everybody if it is public, and by
//! whoever sees a character of the owner's that has it. It is changed by owner and moderators.

mod entry;
mod file;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use moka::future::Cache;
use serde_json::Value;
use tavern_domain::lore::{LoreEntry, WorldBook, WorldBookText, WorldEntry};
use tavern_domain::page::{Page, PageArgs};
use tavern_domain::{Actor, Code, Error, Permission, Problems, Result, UserId, WorldBookId, WorldEntryId};
use tavern_storage::{EntryOutcome, Room};

pub use entry::LoreEntryPatch;
pub use file::{ExportedWorldBook, ImportedWorldBook, WorldBookSource};

use crate::Shared;
use crate::check::{self, set};

/// Bytes of entries kept for prompts, about.
const CACHE: u64 = 64 * 1024 * 1024;

/// Fields of a book as somebody writes them; `None` is the default, or leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct WorldBookPatch {
    pub name: Option<String>,
    pub description: Option<String>,
    pub tags: Option<Vec<String>>,
    pub is_public: Option<bool>,
    pub scan_depth: Option<Option<i32>>,
    pub token_budget: Option<Option<i32>>,
    pub recursive: Option<Option<bool>>,
    pub extensions: Option<Value>,
}

/// The use cases of world books.
#[derive(Clone)]
pub struct WorldBooks {
    shared: Arc<Shared>,
    /// Entries of a book of a version, without their sources.
    entries: Cache<(WorldBookId, i32), Arc<Vec<WorldEntry>>>,
}

impl WorldBooks {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let entries = Cache::builder()
            .max_capacity(CACHE)
            .weigher(|_, entries: &Arc<Vec<WorldEntry>>| {
                let bytes: usize = entries
                    .iter()
                    .map(|entry| size_of::<WorldEntry>() + entry.entry.bytes())
                    .sum();
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .build();
        Self { shared, entries }
    }

    fn may_change(actor: &Actor, book: &WorldBook) -> bool {
        actor.is(book.owner) || actor.may(Permission::CharacterModerate)
    }

    /// `None` if there is no such book, or none that the caller may see.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn get(&self, actor: &Actor, id: WorldBookId) -> Result<Option<WorldBook>> {
        Ok(self.by_ids(actor, &[id]).await?.pop())
    }

    /// Those of `ids` that the caller may see, in no order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn by_ids(&self, actor: &Actor, ids: &[WorldBookId]) -> Result<Vec<WorldBook>> {
        let store = &self.shared.store;
        let mut found = store.documents.world_books(ids).await?;
        let open = |book: &WorldBook| book.is_public || Self::may_change(actor, book);
        let closed: Vec<_> = found.iter().filter(|book| !open(book)).map(|book| book.id).collect();
        if closed.is_empty() {
            return Ok(found);
        }
        // Only the owner's own characters open a book: anybody could name it in one of theirs.
        let shown: HashSet<_> = store.characters.books_shown(&closed).await?.into_iter().collect();
        found.retain(|book| open(book) || shown.contains(&(book.id, book.owner)));
        Ok(found)
    }

    /// The caller's own books, the last changed first, each with its cursor.
    ///
    /// # Errors
    /// UNAUTHENTICATED; BAD_USER_INPUT for arguments over their limit and foreign cursors.
    pub async fn own(&self, actor: &Actor, page: PageArgs) -> Result<Page<(WorldBook, String)>> {
        let owner = actor.require_user()?.user;
        let Shared { store, limits, .. } = &*self.shared;
        let page = page.check(limits.default_page_size, limits.max_page_size)?;
        if page.limit == 0 {
            return Ok(Page::empty());
        }
        store.documents.world_book_page(owner, &page).await
    }

    /// How many books [`Self::own`] lists in all.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub async fn count_own(&self, actor: &Actor) -> Result<u32> {
        let owner = actor.require_user()?.user;
        self.shared.store.documents.count_world_books(owner).await
    }

    /// Entries, in their order, of a book that the caller was given.
    ///
    /// # Errors
    /// BAD_USER_INPUT for arguments over their limit and foreign cursors.
    pub async fn entries(&self, book: WorldBookId, page: PageArgs) -> Result<Page<(WorldEntry, String)>> {
        let Shared { store, limits, .. } = &*self.shared;
        let page = page.check(limits.default_page_size, limits.max_page_size)?;
        if page.limit == 0 {
            return Ok(Page::empty());
        }
        store.documents.world_entry_page(book, &page).await
    }

    /// Books with all their entries, without their sources, for whoever builds a prompt: access was
    /// decided when the books were chosen. In the order of `ids`; those that are gone are left out.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn for_prompt(&self, ids: &[WorldBookId]) -> Result<Vec<(WorldBook, Arc<Vec<WorldEntry>>)>> {
        let documents = &self.shared.store.documents;
        let mut books: HashMap<_, _> = documents
            .world_books(ids)
            .await?
            .into_iter()
            .map(|book| (book.id, book))
            .collect();
        let mut read = Vec::with_capacity(books.len());
        for book in ids.iter().filter_map(|id| books.remove(id)) {
            // A change between the two reads shows entries that are newer than the book: the next
            // turn asks for the newer book, and reads them again.
            let entries = self.entries.try_get_with((book.id, book.version), async {
                let mut entries = documents.world_entries(book.id).await?;
                for entry in &mut entries {
                    entry.entry.source = None;
                }
                Ok(Arc::new(entries))
            });
            let entries = entries
                .await
                .map_err(|error: Arc<Error>| Error::new(error.code(), error.message().to_owned()).with_source(error))?;
            read.push((book, entries));
        }
        Ok(read)
    }

    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN, BAD_USER_INPUT for every field over its limit, QUOTA_EXCEEDED.
    pub async fn create(&self, actor: &Actor, patch: WorldBookPatch) -> Result<WorldBook> {
        let owner = self.may_create(actor).await?;
        if patch.is_public == Some(true) {
            actor.require(Permission::CharacterPublish)?;
        }
        let mut problems = Problems::new();
        if patch.name.is_none() {
            problems.add("name", "A world book needs a name.");
        }
        let mut book = self.blank(owner);
        self.apply(&mut book, patch, &mut problems);
        problems.finish()?;
        self.shared.store.documents.insert_world_book(&book, &[]).await?;
        Ok(book)
    }

    async fn may_create(&self, actor: &Actor) -> Result<UserId> {
        actor.require(Permission::CharacterCreate)?;
        let owner = actor.require_user()?.user;
        let most = self.shared.limits.world_books_per_user;
        if self.shared.store.documents.count_world_books(owner).await? >= most {
            return Err(Error::of_field(
                Code::QuotaExceeded,
                "",
                format!("An account has at most {most} world books."),
            ));
        }
        Ok(owner)
    }

    fn blank(&self, owner: UserId) -> WorldBook {
        let now = self.shared.clock.now();
        WorldBook {
            id: WorldBookId::new(),
            owner,
            text: WorldBookText {
                extensions: Value::Object(serde_json::Map::new()),
                ..WorldBookText::default()
            },
            is_public: false,
            version: 1,
            entry_count: 0,
            bytes: 0,
            created_at: now,
            updated_at: now,
        }
    }

    fn apply(&self, book: &mut WorldBook, patch: WorldBookPatch, problems: &mut Problems) {
        let limits = &self.shared.limits;
        if let Some(name) = &patch.name {
            check::name(problems, "name", name, limits.title_chars);
        }
        if let Some(description) = &patch.description {
            check::text(problems, "description", description, limits.character_text_bytes);
        }
        if let Some(tags) = &patch.tags {
            check::tags(problems, "tags", tags, limits);
        }
        if let Some(extensions) = &patch.extensions {
            check::object(problems, "extensions", extensions, limits.world_entry_bytes);
        }
        let mut number = |field: &str, value: Option<Option<i32>>| {
            value.map(|value| value.map(|value| check::count(problems, field, value)))
        };
        let text = &mut book.text;
        set(&mut text.scan_depth, number("scanDepth", patch.scan_depth));
        set(&mut text.token_budget, number("tokenBudget", patch.token_budget));
        set(&mut text.name, patch.name.map(|name| name.trim().to_owned()));
        set(&mut text.description, patch.description);
        set(&mut text.tags, patch.tags.map(check::tidy_tags));
        set(&mut text.recursive, patch.recursive);
        set(&mut text.extensions, patch.extensions);
        set(&mut book.is_public, patch.is_public);
    }

    /// The book, if the caller may change it.
    ///
    /// # Errors
    /// UNAUTHENTICATED for anonymous callers; NOT_FOUND for what the caller may not see, FORBIDDEN for what it may not change.
    async fn for_change(&self, actor: &Actor, id: WorldBookId) -> Result<WorldBook> {
        actor.require(Permission::CharacterCreate)?;
        let book = self
            .get(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("world book"))?;
        if Self::may_change(actor, &book) {
            Ok(book)
        } else {
            Err(Error::forbidden("This world book belongs to somebody else."))
        }
    }

    /// Changes what a book says of itself, made of `expected_version`. A change of an entry raises it too.
    ///
    /// # Errors
    /// As access has it; FORBIDDEN to make public without `character:publish`; BAD_USER_INPUT for
    /// every field over its limit; CONFLICT on `expectedVersion` if the book has changed since.
    pub async fn update(
        &self,
        actor: &Actor,
        id: WorldBookId,
        expected_version: i32,
        patch: WorldBookPatch,
    ) -> Result<WorldBook> {
        let mut book = self.for_change(actor, id).await?;
        if patch.is_public == Some(true) && !book.is_public {
            actor.require(Permission::CharacterPublish)?;
        }
        let mut problems = Problems::new();
        self.apply(&mut book, patch, &mut problems);
        problems.finish()?;
        book.version = expected_version.saturating_add(1);
        book.updated_at = self.shared.clock.now();
        let documents = &self.shared.store.documents;
        if documents.update_world_book(&book, expected_version).await? {
            Ok(book)
        } else {
            Err(check::changed("world book"))
        }
    }

    /// Deletes a book with its entries. Chats, characters and personas go on without it.
    ///
    /// # Errors
    /// As access has it.
    pub async fn delete(&self, actor: &Actor, id: WorldBookId) -> Result<()> {
        self.for_change(actor, id).await?;
        if self.shared.store.documents.delete_world_book(id).await? {
            Ok(())
        } else {
            Err(Error::not_found("world book"))
        }
    }

    /// Adds an entry behind the others (`id` is `None`), or changes one made of `expected_version`.
    ///
    /// # Errors
    /// As access has it; NOT_FOUND for an entry that is not in the book; BAD_USER_INPUT for every
    /// field over its limit; CONFLICT on `expectedVersion` if the entry has changed since;
    /// QUOTA_EXCEEDED if the book is full.
    pub async fn save_entry(
        &self,
        actor: &Actor,
        book: WorldBookId,
        id: Option<WorldEntryId>,
        expected_version: Option<i32>,
        patch: LoreEntryPatch,
    ) -> Result<(WorldBook, WorldEntry)> {
        self.for_change(actor, book).await?;
        let Shared {
            store, limits, clock, ..
        } = &*self.shared;
        let mut problems = Problems::new();
        let stored = match id {
            Some(id) => {
                let stored = store.documents.world_entry(id).await?;
                let stored = stored
                    .filter(|entry| entry.book == book)
                    .ok_or_else(|| Error::not_found("entry in this world book"))?;
                Some((stored, check::expected_version(&mut problems, expected_version)))
            }
            None => None,
        };
        let mut entry = stored
            .as_ref()
            .map_or_else(LoreEntry::default, |(stored, _)| stored.entry.clone());
        patch.apply(&mut entry, &mut problems, limits);
        problems.finish()?;
        let room = Room {
            entries: limits.world_entries,
            bytes: limits.world_book_bytes,
        };
        let (entry, outcome) = if let Some((stored, expected)) = stored {
            let entry = WorldEntry {
                version: expected.saturating_add(1),
                entry,
                ..stored
            };
            let outcome = store
                .documents
                .update_world_entry(&entry, expected, room, clock.now())
                .await?;
            (entry, outcome)
        } else {
            let entry = WorldEntry {
                id: WorldEntryId::new(),
                book,
                version: 1,
                entry,
            };
            let outcome = store.documents.add_world_entry(&entry, room, clock.now()).await?;
            (entry, outcome)
        };
        match outcome {
            EntryOutcome::Done(book) => Ok((*book, entry)),
            EntryOutcome::Full => Err(Error::of_field(
                Code::QuotaExceeded,
                "",
                format!(
                    "A world book has at most {} entries and {} bytes of text.",
                    room.entries, room.bytes
                ),
            )),
            EntryOutcome::Stale if id.is_some() => Err(check::changed("entry")),
            EntryOutcome::Stale => Err(Error::not_found("world book")),
        }
    }

    /// Deletes those of `ids` that are entries of the book: the book as it is then, and what is gone.
    ///
    /// # Errors
    /// As access has it.
    pub async fn delete_entries(
        &self,
        actor: &Actor,
        book: WorldBookId,
        ids: &[WorldEntryId],
    ) -> Result<(WorldBook, Vec<WorldEntryId>)> {
        self.for_change(actor, book).await?;
        let Shared { store, clock, .. } = &*self.shared;
        store
            .documents
            .delete_world_entries(book, ids, clock.now())
            .await?
            .ok_or_else(|| Error::not_found("world book"))
    }
}
