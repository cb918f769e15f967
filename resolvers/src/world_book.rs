//! World books.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, ID, Json, Object, Result, SimpleObject};
use serde_json::Value;
use tavern_domain::lore::{self as domain, LoreCharacterFilter};
use tavern_domain::{Error, UserId, WorldBookId, WorldEntryId};
use tavern_schema::connection::{Cursor, connection, page_args, page_cost};
use tavern_schema::error::{
    CreateWorldBookError, DeleteWorldBookError, DeleteWorldEntriesError, ExportWorldBookError, ImportWorldBookError,
    SaveWorldEntryError, UpdateWorldBookError, nullable, operation_error, user_errors,
};
use tavern_schema::id::{parse_id, parse_ids};
use tavern_schema::input::given;
use tavern_schema::world_book::{
    CreateWorldBookInput, DeleteWorldBookInput, DeleteWorldEntriesInput, ExportWorldBookInput, ImportWorldBookInput,
    SaveWorldEntryInput, UpdateWorldBookInput, WorldBookFields, WorldBookSource, WorldEntry,
};
use tavern_services::world_book::{LoreEntryPatch, WorldBookPatch, WorldBookSource as Source};

use crate::account::{User, load_user};
use crate::context::RequestContext;
use crate::loaders::shared;

/// Lore: what is added to prompts when its keys come up.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct WorldBook {
    pub id: ID,
    #[graphql(flatten)]
    fields: WorldBookFields,
    #[graphql(skip)]
    book: WorldBookId,
    #[graphql(skip)]
    owner: UserId,
    #[graphql(skip)]
    entry_total: i32,
}

impl WorldBook {
    #[must_use]
    pub fn of(book: domain::WorldBook) -> Self {
        Self {
            id: book.id.to_string().into(),
            book: book.id,
            owner: book.owner,
            entry_total: book.entry_count,
            fields: book.into(),
        }
    }
}

#[ComplexObject]
impl WorldBook {
    async fn owner(&self, ctx: &Context<'_>) -> Option<User> {
        nullable(ctx, load_user(ctx, self.owner).await)
    }

    /// In the order they were added.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn entries(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Cursor, WorldEntry, EntryTotal>> {
        let page = page_args(first, after, last, before);
        let page = RequestContext::of(ctx).services.world_books.entries(self.book, page);
        let page = Box::pin(page).await.map_err(|error| operation_error(&error))?;
        Ok(connection(
            page.map(|(entry, cursor)| (entry.into(), cursor)),
            EntryTotal(self.entry_total),
        ))
    }
}

/// What needs the whole list of entries.
pub struct EntryTotal(i32);

#[Object]
impl EntryTotal {
    async fn total_count(&self) -> Option<i32> {
        Some(self.0)
    }
}

/// World books, page by page.
pub type WorldBookConnection = Connection<Cursor, WorldBook, WorldBookTotal>;

/// What needs the whole list of books.
pub struct WorldBookTotal;

#[Object]
impl WorldBookTotal {
    /// How many the whole list holds; counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Option<i32> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let count = services.world_books.count_own(actor).await.map(Some);
        nullable(ctx, count).map(|count| i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// The caller's own books.
pub(crate) async fn own_world_books(
    ctx: &Context<'_>,
    page: tavern_domain::page::PageArgs,
) -> Result<WorldBookConnection> {
    let RequestContext { services, actor, .. } = RequestContext::of(ctx);
    let page = services.world_books.own(actor, page);
    let page = page.await.map_err(|error| operation_error(&error))?;
    Ok(connection(
        page.map(|(book, cursor)| (WorldBook::of(book), cursor)),
        WorldBookTotal,
    ))
}

/// A book by id, for relations; `None` if the caller may not see it.
pub(crate) async fn load_world_book(ctx: &Context<'_>, id: WorldBookId) -> Result<Option<WorldBook>, Error> {
    let found = RequestContext::of(ctx).loaders().load_one(id).await.map_err(shared)?;
    Ok(found.map(WorldBook::of))
}

#[derive(Default)]
pub struct WorldBookQuery;

#[Object]
impl WorldBookQuery {
    /// Null for what does not exist and for what the caller may not see.
    async fn world_book(&self, ctx: &Context<'_>, id: ID) -> Option<WorldBook> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let found = async { services.world_books.get(actor, parse_id("id", &id)?).await };
        nullable(ctx, found.await).map(WorldBook::of)
    }
}

macro_rules! payload {
    ($name:ident, $error:ident) => {
        #[derive(SimpleObject, Default)]
        pub struct $name {
            world_book: Option<WorldBook>,
            user_errors: Vec<$error>,
        }

        impl $name {
            fn of(result: Result<domain::WorldBook, Error>) -> Result<Self> {
                match result {
                    Ok(book) => Ok(Self {
                        world_book: Some(WorldBook::of(book)),
                        user_errors: Vec::new(),
                    }),
                    Err(error) => Ok(Self {
                        world_book: None,
                        user_errors: user_errors(error)?,
                    }),
                }
            }
        }
    };
}

payload!(CreateWorldBookPayload, CreateWorldBookError);
payload!(UpdateWorldBookPayload, UpdateWorldBookError);

#[derive(SimpleObject, Default)]
pub struct DeleteWorldBookPayload {
    /// What is gone.
    deleted_id: Option<ID>,
    user_errors: Vec<DeleteWorldBookError>,
}

#[derive(SimpleObject, Default)]
pub struct SaveWorldEntryPayload {
    world_entry: Option<WorldEntry>,
    /// The book with its new version.
    world_book: Option<WorldBook>,
    user_errors: Vec<SaveWorldEntryError>,
}

#[derive(SimpleObject, Default)]
pub struct DeleteWorldEntriesPayload {
    /// What is gone: those of the input that were entries of the book.
    ids: Vec<ID>,
    /// The book with its new version.
    world_book: Option<WorldBook>,
    user_errors: Vec<DeleteWorldEntriesError>,
}

#[derive(SimpleObject, Default)]
pub struct ImportWorldBookPayload {
    world_book: Option<WorldBook>,
    /// What was odd about the file, and how it was read.
    warnings: Vec<String>,
    user_errors: Vec<ImportWorldBookError>,
}

#[derive(SimpleObject, Default)]
pub struct ExportWorldBookPayload {
    /// What stands in the file.
    json: Option<Json<Value>>,
    file_name: Option<String>,
    user_errors: Vec<ExportWorldBookError>,
}

#[derive(Default)]
pub struct WorldBookMutation;

#[Object]
impl WorldBookMutation {
    async fn create_world_book(
        &self,
        ctx: &Context<'_>,
        input: CreateWorldBookInput,
    ) -> Result<CreateWorldBookPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let patch = WorldBookPatch {
            name: Some(input.name),
            description: input.description,
            tags: input.tags,
            is_public: input.is_public,
            scan_depth: Some(input.scan_depth),
            token_budget: Some(input.token_budget),
            recursive: Some(input.recursive),
            extensions: input.extensions.map(|extensions| extensions.0),
        };
        CreateWorldBookPayload::of(services.world_books.create(actor, patch).await)
    }

    /// Changes a book made of `expectedVersion`; if it or an entry has changed since, nothing happens and the error is CONFLICT.
    async fn update_world_book(
        &self,
        ctx: &Context<'_>,
        input: UpdateWorldBookInput,
    ) -> Result<UpdateWorldBookPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let patch = WorldBookPatch {
            name: input.name,
            description: input.description,
            tags: input.tags,
            is_public: input.is_public,
            scan_depth: given(input.scan_depth),
            token_budget: given(input.token_budget),
            recursive: given(input.recursive),
            extensions: input.extensions.map(|extensions| extensions.0),
        };
        let updated = async {
            let id = parse_id("id", &input.id)?;
            services
                .world_books
                .update(actor, id, input.expected_version, patch)
                .await
        };
        UpdateWorldBookPayload::of(updated.await)
    }

    /// Deletes a book with its entries. Chats, characters and personas go on without it.
    async fn delete_world_book(
        &self,
        ctx: &Context<'_>,
        input: DeleteWorldBookInput,
    ) -> Result<DeleteWorldBookPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let deleted = async { services.world_books.delete(actor, parse_id("id", &input.id)?).await };
        match deleted.await {
            Ok(()) => Ok(DeleteWorldBookPayload {
                deleted_id: Some(input.id),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(DeleteWorldBookPayload {
                deleted_id: None,
                user_errors: user_errors(error)?,
            }),
        }
    }

    /// Adds an entry, or changes one. Two people who change different entries do not meet; if the entry has changed
    /// since `expectedVersion`, nothing happens and the error is CONFLICT.
    async fn save_world_entry(&self, ctx: &Context<'_>, input: SaveWorldEntryInput) -> Result<SaveWorldEntryPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let saved = async {
            let book = parse_id("worldBookId", &input.world_book_id)?;
            let id = input
                .id
                .as_ref()
                .map(|id| parse_id::<WorldEntryId>("id", id))
                .transpose()?;
            let expected = input.expected_version;
            let save = services
                .world_books
                .save_entry(actor, book, id, expected, entry_patch(input));
            Box::pin(save).await
        };
        match saved.await {
            Ok((book, entry)) => Ok(SaveWorldEntryPayload {
                world_entry: Some(entry.into()),
                world_book: Some(WorldBook::of(book)),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(SaveWorldEntryPayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            }),
        }
    }

    async fn delete_world_entries(
        &self,
        ctx: &Context<'_>,
        input: DeleteWorldEntriesInput,
    ) -> Result<DeleteWorldEntriesPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let deleted = async {
            let book = parse_id("worldBookId", &input.world_book_id)?;
            let ids = parse_ids("ids", &input.ids, services.limits().max_page_size)?;
            services.world_books.delete_entries(actor, book, &ids).await
        };
        match deleted.await {
            Ok((book, ids)) => Ok(DeleteWorldEntriesPayload {
                ids: ids.into_iter().map(|id| id.to_string().into()).collect(),
                world_book: Some(WorldBook::of(book)),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(DeleteWorldEntriesPayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            }),
        }
    }

    /// Makes a private book of a file of SillyTavern, a card's book (V2, V3), RisuAI, Agnai or NovelAI.
    async fn import_world_book(
        &self,
        ctx: &Context<'_>,
        input: ImportWorldBookInput,
    ) -> Result<ImportWorldBookPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let source = match input.source {
            WorldBookSource::File(upload) => {
                let file = upload.value(ctx)?;
                Source::File(file.content, file.filename)
            }
            WorldBookSource::Json(Json(book)) => Source::Json(book),
        };
        let imported = services.world_books.import(actor, source, input.name);
        match Box::pin(imported).await {
            Ok(imported) => Ok(ImportWorldBookPayload {
                world_book: Some(WorldBook::of(imported.book)),
                warnings: imported.warnings,
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(ImportWorldBookPayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            }),
        }
    }

    /// A book as a file; what was imported in the same format and not changed since is as it was.
    async fn export_world_book(
        &self,
        ctx: &Context<'_>,
        input: ExportWorldBookInput,
    ) -> Result<ExportWorldBookPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let exported = async {
            let id = parse_id("id", &input.id)?;
            let format = input.format.map(Into::into);
            services.world_books.export(actor, id, format).await
        };
        match Box::pin(exported).await {
            Ok(exported) => Ok(ExportWorldBookPayload {
                json: Some(Json(exported.json)),
                file_name: Some(exported.file_name),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(ExportWorldBookPayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            }),
        }
    }
}

fn entry_patch(input: SaveWorldEntryInput) -> LoreEntryPatch {
    LoreEntryPatch {
        comment: input.comment,
        keys: input.keys,
        secondary_keys: input.secondary_keys,
        content: input.content,
        enabled: input.enabled,
        constant: input.constant,
        selective: input.selective,
        logic: input.selective_logic.map(Into::into),
        order: input.order,
        priority: given(input.priority),
        position: input.position.map(Into::into),
        depth: input.depth,
        role: input.role.map(Into::into),
        outlet: input.outlet_name,
        probability: input.probability,
        use_probability: input.use_probability,
        ignore_budget: input.ignore_budget,
        exclude_recursion: input.exclude_recursion,
        prevent_recursion: input.prevent_recursion,
        delay_until_recursion: input.delay_until_recursion,
        scan_depth: given(input.scan_depth),
        case_sensitive: given(input.case_sensitive),
        match_whole_words: given(input.match_whole_words),
        use_group_scoring: given(input.use_group_scoring),
        group: input.group,
        group_override: input.group_override,
        group_weight: input.group_weight,
        sticky: given(input.sticky),
        cooldown: given(input.cooldown),
        delay: given(input.delay),
        automation_id: input.automation_id,
        vectorized: input.vectorized,
        match_persona_description: input.match_persona_description,
        match_character_description: input.match_character_description,
        match_character_personality: input.match_character_personality,
        match_character_depth_prompt: input.match_character_depth_prompt,
        match_scenario: input.match_scenario,
        match_creator_notes: input.match_creator_notes,
        character_filter: input.character_filter.map(|filter| LoreCharacterFilter {
            exclude: filter.is_exclude,
            names: filter.names,
            tags: filter.tags,
        }),
        triggers: input.triggers,
        use_regex: input.use_regex,
        extensions: input.extensions.map(|extensions| extensions.0),
    }
}
