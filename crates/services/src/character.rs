//! Characters: made, changed, listed, seen; as files they come in by [`import`] and go out by [`export`].

use std::sync::Arc;

use tavern_domain::character::{
    Character, CharacterFilter, CharacterOrder, CharacterSummary, CharacterText, Visibility,
};
use tavern_domain::page::{Page, PageArgs};
use tavern_domain::{Actor, CharacterId, Code, Error, Limits, Permission, Problems, Result, UserId, WorldBookId};
use tavern_storage::{CharacterQuery, CharacterScope};
pub use tavern_storage::{ListedCharacter, ListedCreator};

use crate::Shared;
use crate::avatar::Avatars;
use crate::check::{self, set};
use crate::world_book::WorldBooks;

mod export;
mod import;

pub use import::{CardSource, Imported};

/// Fields of a character as somebody writes them; `None` is the default, or leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct CharacterPatch {
    pub name: Option<String>,
    pub description: Option<String>,
    pub personality: Option<String>,
    pub scenario: Option<String>,
    pub first_message: Option<String>,
    pub alternate_greetings: Option<Vec<String>>,
    pub example_dialogue: Option<String>,
    pub system_prompt: Option<String>,
    pub post_history_instructions: Option<String>,
    pub creator_notes: Option<String>,
    pub tags: Option<Vec<String>>,
    pub is_nsfw: Option<bool>,
    pub world_book: Option<Option<WorldBookId>>,
}

/// Whose characters a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Everybody's public ones.
    Public,
    /// Of one account: all if the caller may see them, otherwise the public ones.
    Of(UserId),
}

/// A list of characters as somebody asks for it.
#[derive(Debug, Clone)]
pub struct CharacterListing {
    pub listing: Listing,
    pub filter: CharacterFilter,
    pub order: CharacterOrder,
    /// Whether the items need their text.
    pub with_text: bool,
    /// Whether the items need their creator.
    pub with_creator: bool,
}

/// The use cases of characters.
#[derive(Clone)]
pub struct Characters {
    shared: Arc<Shared>,
    avatars: Avatars,
    world_books: WorldBooks,
}

impl Characters {
    pub(crate) fn new(shared: Arc<Shared>, world_books: WorldBooks) -> Self {
        let avatars = Avatars::new(shared.store.objects.clone(), &shared.limits);
        Self {
            shared,
            avatars,
            world_books,
        }
    }

    /// Pictures of characters. Their names cannot be guessed, so whoever has one may see the picture.
    #[must_use]
    pub fn avatars(&self) -> &Avatars {
        &self.avatars
    }

    /// Whether `actor` may see a character of this creator and visibility.
    fn may_see(actor: &Actor, character: &CharacterSummary) -> bool {
        character.visibility != Visibility::Private || Self::may_change(actor, character)
    }

    fn may_change(actor: &Actor, character: &CharacterSummary) -> bool {
        actor.may(Permission::CharacterModerate) || character.creator.is_some_and(|creator| actor.is(creator))
    }

    /// `None` if there is no such character, or none that the caller may see.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn get(&self, actor: &Actor, id: CharacterId) -> Result<Option<Character>> {
        Ok(self
            .shared
            .store
            .characters
            .get(id)
            .await?
            .filter(|character| Self::may_see(actor, &character.summary)))
    }

    /// Those of `ids` that the caller may see, in no order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn by_ids(&self, actor: &Actor, ids: &[CharacterId]) -> Result<Vec<Character>> {
        let mut found = self.shared.store.characters.by_ids(ids).await?;
        found.retain(|character| Self::may_see(actor, &character.summary));
        Ok(found)
    }

    /// One page of a list.
    ///
    /// # Errors
    /// BAD_USER_INPUT for every argument or part of the filter over its limit, and for foreign cursors.
    pub async fn list(
        &self,
        actor: &Actor,
        listing: CharacterListing,
        page: PageArgs,
    ) -> Result<Page<ListedCharacter>> {
        let limits = &self.shared.limits;
        check_filter(&listing.filter, limits)?;
        let page = page.check(limits.default_page_size, limits.max_page_size)?;
        if page.limit == 0 {
            return Ok(Page::empty());
        }
        self.shared.store.characters.list(&query(actor, listing, page)).await
    }

    /// How many characters a list holds.
    ///
    /// # Errors
    /// As for [`Self::list`].
    pub async fn count(&self, actor: &Actor, listing: CharacterListing) -> Result<u64> {
        let limits = &self.shared.limits;
        check_filter(&listing.filter, limits)?;
        let page = PageArgs::default().check(limits.default_page_size, limits.max_page_size)?;
        self.shared.store.characters.count(&query(actor, listing, page)).await
    }

    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN, BAD_USER_INPUT for every field over its limit, QUOTA_EXCEEDED.
    pub async fn create(&self, actor: &Actor, patch: CharacterPatch, visibility: Visibility) -> Result<Character> {
        let creator = self.may_create(actor).await?;
        if visibility != Visibility::Private {
            actor.require(Permission::CharacterPublish)?;
        }
        let mut problems = Problems::new();
        if patch.name.is_none() {
            problems.add("name", "A character needs a name.");
        }
        check_patch(&mut problems, &patch, &self.shared.limits);
        self.check_world_book(actor, &patch, &mut problems).await?;
        problems.finish()?;
        let mut character = self.blank(creator, visibility);
        "2.0".clone_into(&mut character.text.spec_version);
        apply(&mut character, patch);
        self.shared.store.characters.insert(&character).await?;
        Ok(character)
    }

    /// A character gets a book that its author may see; others see it only if both are the same person's.
    async fn check_world_book(&self, actor: &Actor, patch: &CharacterPatch, problems: &mut Problems) -> Result<()> {
        if let Some(Some(id)) = patch.world_book
            && self.world_books.get(actor, id).await?.is_none()
        {
            problems.add("worldBookId", "There is no such world book.");
        }
        Ok(())
    }

    async fn may_create(&self, actor: &Actor) -> Result<Option<UserId>> {
        actor.require(Permission::CharacterCreate)?;
        let creator = actor.user_id();
        if let Some(creator) = creator {
            let most = self.shared.limits.characters_per_user;
            if self.shared.store.characters.count_by_creator(creator).await? >= most {
                return Err(Error::of_field(
                    Code::QuotaExceeded,
                    "",
                    format!("An account has at most {most} characters."),
                ));
            }
        }
        Ok(creator)
    }

    fn blank(&self, creator: Option<UserId>, visibility: Visibility) -> Character {
        let now = self.shared.clock.now();
        Character {
            summary: CharacterSummary {
                id: CharacterId::new(),
                creator,
                name: String::new(),
                tags: Vec::new(),
                visibility,
                is_nsfw: false,
                rating: 0.0,
                rating_count: 0,
                chat_count: 0,
                favorite_count: 0,
                avatar: None,
                version: 1,
                created_at: now,
                updated_at: now,
            },
            text: CharacterText::default(),
            world_book: None,
        }
    }

    /// The character, if the caller may change it.
    ///
    /// # Errors
    /// UNAUTHENTICATED for anonymous callers; NOT_FOUND for what the caller may not see, FORBIDDEN for what it may not change.
    async fn for_change(&self, actor: &Actor, id: CharacterId) -> Result<Character> {
        actor.require(Permission::CharacterCreate)?;
        let character = self
            .get(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("character"))?;
        if Self::may_change(actor, &character.summary) {
            Ok(character)
        } else {
            Err(Error::forbidden("This character belongs to somebody else."))
        }
    }

    /// Changes a character made of `expected_version`.
    ///
    /// # Errors
    /// As access has it; BAD_USER_INPUT for every field over its limit; CONFLICT on
    /// `expectedVersion` if the character has changed since.
    pub async fn update(
        &self,
        actor: &Actor,
        id: CharacterId,
        expected_version: i32,
        patch: CharacterPatch,
    ) -> Result<Character> {
        let mut character = self.for_change(actor, id).await?;
        let mut problems = Problems::new();
        check_patch(&mut problems, &patch, &self.shared.limits);
        self.check_world_book(actor, &patch, &mut problems).await?;
        problems.finish()?;
        apply(&mut character, patch);
        self.store(character, expected_version).await
    }

    /// # Errors
    /// As access has it; FORBIDDEN without `character:publish`.
    pub async fn set_visibility(&self, actor: &Actor, id: CharacterId, visibility: Visibility) -> Result<Character> {
        let mut character = self.for_change(actor, id).await?;
        if visibility != Visibility::Private {
            actor.require(Permission::CharacterPublish)?;
        }
        if character.summary.visibility == visibility {
            return Ok(character);
        }
        character.summary.visibility = visibility;
        let version = character.summary.version;
        self.store(character, version).await
    }

    async fn store(&self, mut character: Character, expected_version: i32) -> Result<Character> {
        let changed = || {
            Error::conflict(
                "expectedVersion",
                "The character has changed since. Read it again and repeat the change.",
            )
        };
        if character.summary.version != expected_version {
            return Err(changed());
        }
        character.summary.version += 1;
        character.summary.updated_at = self.shared.clock.now();
        if self
            .shared
            .store
            .characters
            .update(&character, expected_version)
            .await?
        {
            Ok(character)
        } else {
            Err(changed())
        }
    }

    /// Deletes a character, its card and its pictures. Chats with it stay.
    ///
    /// # Errors
    /// As access has it.
    pub async fn delete(&self, actor: &Actor, id: CharacterId) -> Result<()> {
        let character = self.for_change(actor, id).await?;
        if !self.shared.store.characters.delete(id).await? {
            return Err(Error::not_found("character"));
        }
        self.shared.store.documents.delete_card(id).await?;
        self.avatars.delete(id, character.summary.avatar.as_deref()).await
    }
}

fn query(actor: &Actor, listing: CharacterListing, page: tavern_domain::page::PageRequest) -> CharacterQuery {
    let scope = match listing.listing {
        Listing::Public => CharacterScope::Public,
        Listing::Of(user) if actor.is(user) || actor.may(Permission::CharacterModerate) => {
            CharacterScope::OwnedBy(user)
        }
        Listing::Of(user) => CharacterScope::PublicOf(user),
    };
    CharacterQuery {
        filter: listing.filter,
        order: listing.order,
        page,
        scope,
        with_text: listing.with_text,
        with_creator: listing.with_creator,
    }
}

fn check_filter(filter: &CharacterFilter, limits: &Limits) -> Result<()> {
    let mut problems = Problems::new();
    if let Some(query) = &filter.query
        && query.len() > limits.search_query_bytes
    {
        problems.add(
            "filter.query",
            format!(
                "A search has at most {} bytes, not {}.",
                limits.search_query_bytes,
                query.len()
            ),
        );
    }
    for (name, tags) in [
        ("filter.tags", &filter.tags),
        ("filter.excludeTags", &filter.exclude_tags),
    ] {
        if tags.len() > limits.tags {
            problems.add(name, format!("At most {} tags, not {}.", limits.tags, tags.len()));
        } else if tags.iter().any(|tag| tag.chars().count() > limits.tag_chars) {
            problems.add(name, format!("A tag has at most {} characters.", limits.tag_chars));
        }
    }
    if filter.min_rating.is_some_and(|rating| !(0.0..=5.0).contains(&rating)) {
        problems.add("filter.minRating", "A rating is between 0 and 5.");
    }
    problems.finish()
}

fn check_patch(problems: &mut Problems, patch: &CharacterPatch, limits: &Limits) {
    if let Some(name) = &patch.name {
        check::name(problems, "name", name, limits.character_name_chars);
    }
    let texts = [
        ("description", &patch.description),
        ("personality", &patch.personality),
        ("scenario", &patch.scenario),
        ("firstMessage", &patch.first_message),
        ("exampleDialogue", &patch.example_dialogue),
        ("systemPrompt", &patch.system_prompt),
        ("postHistoryInstructions", &patch.post_history_instructions),
        ("creatorNotes", &patch.creator_notes),
    ];
    let mut check_text = |field: &str, text: &str| check::text(problems, field, text, limits.character_text_bytes);
    for (field, text) in texts {
        if let Some(text) = text {
            check_text(field, text);
        }
    }
    for (index, greeting) in patch
        .alternate_greetings
        .iter()
        .flatten()
        .enumerate()
        .take(limits.greetings)
    {
        check_text(&format!("alternateGreetings.{index}"), greeting);
    }
    if let Some(greetings) = &patch.alternate_greetings
        && greetings.len() > limits.greetings
    {
        problems.add(
            "alternateGreetings",
            format!(
                "At most {} alternate greetings, not {}.",
                limits.greetings,
                greetings.len()
            ),
        );
    }
    if let Some(tags) = &patch.tags {
        check::tags(problems, "tags", tags, limits);
    }
}

fn apply(character: &mut Character, patch: CharacterPatch) {
    let text = &mut character.text;
    set(
        &mut character.summary.name,
        patch.name.map(|name| name.trim().to_owned()),
    );
    set(&mut text.description, patch.description);
    set(&mut text.personality, patch.personality);
    set(&mut text.scenario, patch.scenario);
    set(&mut text.first_message, patch.first_message);
    set(&mut text.alternate_greetings, patch.alternate_greetings);
    set(&mut text.example_dialogue, patch.example_dialogue);
    set(&mut text.system_prompt, patch.system_prompt);
    set(&mut text.post_history_instructions, patch.post_history_instructions);
    set(&mut text.creator_notes, patch.creator_notes);
    set(&mut character.summary.tags, patch.tags.map(check::tidy_tags));
    set(&mut character.summary.is_nsfw, patch.is_nsfw);
    set(&mut character.world_book, patch.world_book);
}
