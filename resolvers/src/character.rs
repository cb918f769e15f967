//! Characters.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, ID, Json, Object, Result, SimpleObject};
use serde_json::Value;
use tavern_domain::character as domain;
use tavern_domain::page::PageArgs;
use tavern_domain::{CharacterId, UserId, WorldBookId};
use tavern_schema::character::{
    CharacterFilter, CharacterOrder, CharacterSource, CharacterSummaryFields, CharacterTextFields,
    CreateCharacterInput, DeleteCharacterInput, ImportCharacterInput, SetCharacterVisibilityInput, TEXT_FIELDS,
    UpdateCharacterInput,
};
use tavern_schema::connection::{Cursor, connection, page_args, page_cost};
use tavern_schema::error::{
    CreateCharacterError, DeleteCharacterError, ImportCharacterError, SetCharacterVisibilityError,
    UpdateCharacterError, nullable, operation_error, user_errors,
};
use tavern_schema::id::parse_id;
use tavern_schema::input::given_id;
use tavern_services::avatar::SIZES;
use tavern_services::character::{CardSource, CharacterListing, CharacterPatch, ListedCharacter, Listing};

use crate::account::{User, load_user};
use crate::context::RequestContext;
use crate::payload::payload;
use crate::world_book::{WorldBook, load_world_book};

/// Somebody to talk to.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct Character {
    pub id: ID,
    #[graphql(flatten)]
    summary: CharacterSummaryFields,
    #[graphql(flatten)]
    text: CharacterTextFields,
    #[graphql(skip)]
    more: More,
}

/// What the relations need.
#[derive(Debug, Clone)]
struct More {
    id: CharacterId,
    creator: Option<UserId>,
    /// The creator, where the list has read it along.
    loaded_creator: Option<User>,
    avatar: Option<String>,
    world_book: Option<WorldBookId>,
    notes: String,
    notes_by_language: Vec<(String, String)>,
}

impl Character {
    #[must_use]
    pub fn of(character: domain::Character) -> Self {
        Self::of_parts(character.summary, Some(character.text), character.world_book, None)
    }

    fn listed(listed: ListedCharacter) -> (Self, String) {
        let creator = listed.creator.map(User::listed);
        let character = Self::of_parts(listed.summary, listed.text, listed.world_book, creator);
        (character, listed.cursor)
    }

    fn of_parts(
        mut summary: domain::CharacterSummary,
        text: Option<domain::CharacterText>,
        world_book: Option<WorldBookId>,
        loaded_creator: Option<User>,
    ) -> Self {
        let mut text = text.unwrap_or_default();
        let more = More {
            id: summary.id,
            creator: summary.creator,
            loaded_creator,
            avatar: summary.avatar.take(),
            world_book,
            notes: std::mem::take(&mut text.creator_notes),
            notes_by_language: std::mem::take(&mut text.creator_notes_by_language),
        };
        Self {
            id: more.id.to_string().into(),
            summary: summary.into(),
            text: text.into(),
            more,
        }
    }
}

// The future of one field is as large as the largest of its type's, and there is one for every
// field of every item: what is rarely asked for, or reads a store, is boxed.
#[ComplexObject]
impl Character {
    /// Null once the creator's account is gone.
    async fn creator(&self, ctx: &Context<'_>) -> Option<User> {
        if let Some(creator) = &self.more.loaded_creator {
            return Some(creator.clone());
        }
        nullable(ctx, Box::pin(load_user(ctx, self.more.creator?)).await)
    }

    /// The creator's notes, in `language` (ISO 639-1) if the card has them in it.
    async fn creator_notes(&self, language: Option<String>) -> &str {
        let translated = language.and_then(|wanted| {
            self.more
                .notes_by_language
                .iter()
                .find(|(language, _)| language.eq_ignore_ascii_case(&wanted))
        });
        translated.map_or(&self.more.notes, |(_, notes)| notes)
    }

    /// The picture, its longest side at least `size` pixels where it is that large. Relative to this server.
    async fn avatar_url(&self, size: Option<i32>) -> Option<String> {
        let hash = self.more.avatar.as_ref()?;
        let wanted = size.and_then(|size| u32::try_from(size).ok()).unwrap_or(512);
        let size = SIZES
            .into_iter()
            .find(|size| *size >= wanted)
            .unwrap_or(SIZES[SIZES.len() - 1]);
        Some(format!("/objects/avatars/{}/{}-{size}", self.more.id, &hash[..16]))
    }

    /// The character's own lore. Null, too, where the caller may not see it.
    async fn world_book(&self, ctx: &Context<'_>) -> Option<WorldBook> {
        let found = load_world_book(ctx, self.more.world_book?);
        nullable(ctx, Box::pin(found).await)
    }

    /// Everything the card carries that the platform has no field for.
    async fn card_extensions(&self, ctx: &Context<'_>) -> Result<Json<Value>> {
        let extensions = RequestContext::of(ctx)
            .services
            .characters
            .card_extensions(self.more.id);
        Box::pin(extensions)
            .await
            .map(Json)
            .map_err(|error| operation_error(&error))
    }
}

/// Characters, page by page.
pub type CharacterConnection = Connection<Cursor, Character, CharacterTotal>;

/// What needs the whole list.
pub struct CharacterTotal(CharacterListing);

#[Object]
impl CharacterTotal {
    /// How many the whole list holds; counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Option<i32> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let count = services.characters.count(actor, self.0.clone()).await.map(Some);
        nullable(ctx, count).map(|count| i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// A list without a filter, the newest first.
pub(crate) async fn list_characters(
    ctx: &Context<'_>,
    listing: Listing,
    page: PageArgs,
) -> Result<CharacterConnection> {
    let filter = domain::CharacterFilter::default();
    let listing = CharacterListing {
        listing,
        filter,
        order: domain::CharacterOrder::Created,
        with_text: false,
        with_creator: false,
    };
    Box::pin(list(ctx, listing, page)).await
}

/// Reads a page, and with it what the selection needs: text and creators in the same statement.
async fn list(ctx: &Context<'_>, mut listing: CharacterListing, page: PageArgs) -> Result<CharacterConnection> {
    let RequestContext { services, actor, .. } = RequestContext::of(ctx);
    let selected = ctx.look_ahead();
    let nodes = [selected.field("nodes"), selected.field("edges").field("node")];
    let any = |field: &str| nodes.iter().any(|node| node.field(field).exists());
    listing.with_text = TEXT_FIELDS.iter().any(|field| any(field));
    listing.with_creator = any("creator");
    let page = services
        .characters
        .list(actor, listing.clone(), page)
        .await
        .map_err(|error| operation_error(&error))?;
    Ok(connection(page.map(Character::listed), CharacterTotal(listing)))
}

#[derive(Default)]
pub struct CharacterQuery;

#[Object]
impl CharacterQuery {
    /// Null for what does not exist and for what the caller may not see.
    async fn character(&self, ctx: &Context<'_>, id: ID) -> Option<Character> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let found = async { services.characters.get(actor, parse_id("id", &id)?).await };
        nullable(ctx, found.await).map(Character::of)
    }

    /// Public characters.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments, reason = "the contract's arguments")]
    async fn characters(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<CharacterFilter>,
        #[graphql(default_with = "Some(CharacterOrder::Popular)")] order_by: Option<CharacterOrder>,
    ) -> Result<CharacterConnection> {
        let filter = filter.map_or_else(
            || domain::CharacterFilter {
                nsfw: Some(false),
                ..Default::default()
            },
            Into::into,
        );
        let order = order_by.unwrap_or(CharacterOrder::Popular).into();
        let listing = CharacterListing {
            listing: Listing::Public,
            filter,
            order,
            with_text: false,
            with_creator: false,
        };
        list(ctx, listing, page_args(first, after, last, before)).await
    }
}

payload! { CreateCharacterPayload { character: Character }, CreateCharacterError }
payload! { UpdateCharacterPayload { character: Character }, UpdateCharacterError }
payload! { SetCharacterVisibilityPayload { character: Character }, SetCharacterVisibilityError }
payload! { DeleteCharacterPayload {
    /// What is gone.
    deleted_id: ID
}, DeleteCharacterError }

#[derive(SimpleObject, Default)]
pub struct ImportCharacterPayload {
    character: Option<Character>,
    /// What was odd about the card, and how it was read.
    warnings: Vec<String>,
    user_errors: Vec<ImportCharacterError>,
}

#[derive(Default)]
pub struct CharacterMutation;

#[Object]
impl CharacterMutation {
    async fn create_character(&self, ctx: &Context<'_>, input: CreateCharacterInput) -> Result<CreateCharacterPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let visibility = input.visibility.map_or(domain::Visibility::Private, Into::into);
        let created = async {
            let world_book = input
                .world_book_id
                .map(|id| parse_id("worldBookId", &id).map(Some))
                .transpose()?;
            let patch = CharacterPatch {
                name: Some(input.name),
                description: input.description,
                personality: input.personality,
                scenario: input.scenario,
                first_message: input.first_message,
                alternate_greetings: input.alternate_greetings,
                example_dialogue: input.example_dialogue,
                system_prompt: input.system_prompt,
                post_history_instructions: input.post_history_instructions,
                creator_notes: input.creator_notes,
                tags: input.tags,
                is_nsfw: input.is_nsfw,
                world_book,
            };
            services.characters.create(actor, patch, visibility).await
        };
        CreateCharacterPayload::of(created.await.map(Character::of))
    }

    /// Changes a character made of `expectedVersion`; if it has changed since, nothing happens and the error is CONFLICT.
    async fn update_character(&self, ctx: &Context<'_>, input: UpdateCharacterInput) -> Result<UpdateCharacterPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let updated = async {
            let patch = CharacterPatch {
                name: input.name,
                description: input.description,
                personality: input.personality,
                scenario: input.scenario,
                first_message: input.first_message,
                alternate_greetings: input.alternate_greetings,
                example_dialogue: input.example_dialogue,
                system_prompt: input.system_prompt,
                post_history_instructions: input.post_history_instructions,
                creator_notes: input.creator_notes,
                tags: input.tags,
                is_nsfw: input.is_nsfw,
                world_book: given_id("worldBookId", input.world_book_id)?,
            };
            services
                .characters
                .update(actor, parse_id("id", &input.id)?, input.expected_version, patch)
                .await
        };
        UpdateCharacterPayload::of(updated.await.map(Character::of))
    }

    /// Chats with the character stay.
    async fn delete_character(&self, ctx: &Context<'_>, input: DeleteCharacterInput) -> Result<DeleteCharacterPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let deleted = async { services.characters.delete(actor, parse_id("id", &input.id)?).await };
        DeleteCharacterPayload::of(deleted.await.map(|()| input.id))
    }

    async fn set_character_visibility(
        &self,
        ctx: &Context<'_>,
        input: SetCharacterVisibilityInput,
    ) -> Result<SetCharacterVisibilityPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let changed = async {
            services
                .characters
                .set_visibility(actor, parse_id("id", &input.id)?, input.visibility.into())
                .await
        };
        SetCharacterVisibilityPayload::of(changed.await.map(Character::of))
    }

    /// Makes a private character of a card. The file and its JSON are kept as they came.
    async fn import_character(&self, ctx: &Context<'_>, input: ImportCharacterInput) -> Result<ImportCharacterPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let source = match input.source {
            CharacterSource::File(upload) => CardSource::File(upload.value(ctx)?.content),
            CharacterSource::Json(Json(card)) => CardSource::Json(card),
        };
        match services.characters.import(actor, source).await {
            Ok(imported) => Ok(ImportCharacterPayload {
                character: Some(Character::of(imported.character)),
                warnings: imported.warnings,
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(ImportCharacterPayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            }),
        }
    }
}
