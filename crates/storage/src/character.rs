//! Characters: rows with their tags and their place in the full-text index, always changed together.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tavern_domain::character::{Character, CharacterSummary, CharacterText, Visibility, tag_key};
use tavern_domain::{CharacterId, Result, Timestamp, UserId, WorldBookId};
use uuid::Uuid;

use crate::db::{Db, DbResult, lists, only};
use crate::entity::{character, character_tag};
use crate::search::{self, SearchIndex};

/// Characters. Cheap to clone.
#[derive(Clone)]
pub struct CharacterStore {
    pub(crate) db: Db,
    pub(crate) search: &'static dyn SearchIndex,
}

impl CharacterStore {
    pub(crate) fn new(db: Db) -> Self {
        let search = search::index(db.backend());
        Self { db, search }
    }

    pub async fn insert(&self, new: &Character) -> Result<()> {
        let summary = &new.summary;
        let row = character::ActiveModel {
            creator_id: Set(summary.creator.map(UserId::uuid)),
            rating: Set(summary.rating),
            rating_count: Set(summary.rating_count),
            chat_count: Set(summary.chat_count),
            favorite_count: Set(summary.favorite_count),
            trending: Set(trending(summary.chat_count, summary.created_at)),
            created_at: Set(summary.created_at.0),
            ..changeable(new)
        };
        let tx = self.db.begin().await?;
        character::Entity::insert(row).exec_without_returning(&tx).await.db()?;
        insert_tags(&tx, summary).await?;
        tx.execute_raw(self.search.put(new)).await.db()?;
        tx.commit().await.db()
    }

    pub async fn get(&self, id: CharacterId) -> Result<Option<Character>> {
        Ok(only(character::Entity::find_by_id(id.uuid()), &self.db.read)
            .await?
            .map(to_character))
    }

    /// Those that exist, in no particular order.
    pub async fn by_ids(&self, ids: &[CharacterId]) -> Result<Vec<Character>> {
        let mut found = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = character::Entity::find()
                .filter(character::Column::Id.is_in(list))
                .all(&self.db.read)
                .await
                .db()?;
            found.extend(rows.into_iter().map(to_character));
        }
        Ok(found)
    }

    /// The ids of those that exist, in no particular order.
    pub async fn existing(&self, ids: &[CharacterId]) -> Result<Vec<CharacterId>> {
        let mut found = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows: Vec<Uuid> = character::Entity::find()
                .select_only()
                .column(character::Column::Id)
                .filter(character::Column::Id.is_in(list))
                .into_tuple()
                .all(&self.db.read)
                .await
                .db()?;
            found.extend(rows.into_iter().map(CharacterId::from_uuid));
        }
        Ok(found)
    }

    /// Stores what can be edited; creator, counters and time of making stay as they are. False, and
    /// no change, if the stored version is no longer `expected_version` or the character is gone.
    pub async fn update(&self, changed: &Character, expected_version: i32) -> Result<bool> {
        let id = changed.summary.id.uuid();
        let row = character::ActiveModel {
            id: NotSet,
            ..changeable(changed)
        };
        let tx = self.db.begin().await?;
        let updated = character::Entity::update_many()
            .set(row)
            .filter(character::Column::Id.eq(id))
            .filter(character::Column::Version.eq(expected_version))
            .exec(&tx)
            .await
            .db()?;
        if updated.rows_affected == 0 {
            return Ok(false);
        }
        character_tag::Entity::delete_many()
            .filter(character_tag::Column::CharacterId.eq(id))
            .exec(&tx)
            .await
            .db()?;
        insert_tags(&tx, &changed.summary).await?;
        tx.execute_raw(self.search.put(changed)).await.db()?;
        tx.commit().await.db()?;
        Ok(true)
    }

    /// False if there is no such character. Sessions with it stay.
    pub async fn delete(&self, id: CharacterId) -> Result<bool> {
        let tx = self.db.begin().await?;
        tx.execute_raw(self.search.remove(id.uuid())).await.db()?;
        let deleted = character::Entity::delete_by_id(id.uuid()).exec(&tx).await.db()?;
        tx.commit().await.db()?;
        Ok(deleted.rows_affected > 0)
    }

    /// Which of these books are those of characters that are not private, each with the character's creator.
    pub async fn books_shown(&self, books: &[WorldBookId]) -> Result<Vec<(WorldBookId, UserId)>> {
        use character::Column::{CreatorId, Visibility as Seen, WorldBookId as Book};
        let mut shown = Vec::new();
        for list in lists(books.iter().map(|id| id.uuid())) {
            let rows: Vec<(Uuid, Uuid)> = character::Entity::find()
                .select_only()
                .column(Book)
                .column(CreatorId)
                .distinct()
                .filter(Book.is_in(list))
                .filter(CreatorId.is_not_null())
                .filter(Seen.ne(Visibility::Private.code()))
                .into_tuple()
                .all(&self.db.read)
                .await
                .db()?;
            shown.extend(
                rows.into_iter()
                    .map(|(book, creator)| (WorldBookId::from_uuid(book), UserId::from_uuid(creator))),
            );
        }
        Ok(shown)
    }

    pub async fn count_by_creator(&self, creator: UserId) -> Result<u32> {
        let count = character::Entity::find()
            .filter(character::Column::CreatorId.eq(creator.uuid()))
            .count(&self.db.read)
            .await
            .db()?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// Adds one to the chats of these characters, which moves them up the trend.
pub(crate) async fn count_chat(db: &impl ConnectionTrait, ids: &[CharacterId]) -> Result<()> {
    // In one order everywhere, so that two transactions do not wait for each other.
    let mut ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    ids.sort_unstable();
    for id in ids {
        let Some(row) = character::Entity::update_many()
            .filter(character::Column::Id.eq(id))
            .col_expr(
                character::Column::ChatCount,
                Expr::col(character::Column::ChatCount).add(1),
            )
            .exec_with_returning(db)
            .await
            .db()?
            .pop()
        else {
            continue;
        };
        let score = trending(row.chat_count, Timestamp(row.created_at));
        character::Entity::update_many()
            .filter(character::Column::Id.eq(id))
            .col_expr(character::Column::Trending, Expr::value(score))
            .exec(db)
            .await
            .db()?;
    }
    Ok(())
}

/// Ten times the chats weigh as much as twelve and a half hours of youth. The score changes only
/// when a chat starts, so it can be stored and indexed.
fn trending(chats: i32, created_at: Timestamp) -> f64 {
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds of any date in reach fit into 53 bits"
    )]
    let age = created_at.0 as f64 / 45_000_000.0;
    f64::from(chats).ln_1p() / std::f64::consts::LN_10 + age
}

async fn insert_tags(db: &impl ConnectionTrait, summary: &CharacterSummary) -> Result<()> {
    let mut tags: Vec<(String, &String)> = summary.tags.iter().map(|tag| (tag_key(tag), tag)).collect();
    tags.sort_by(|a, b| a.0.cmp(&b.0));
    tags.dedup_by(|a, b| a.0 == b.0);
    let rows = tags.into_iter().map(|(key, tag)| character_tag::ActiveModel {
        character_id: Set(summary.id.uuid()),
        tag_key: Set(key),
        tag: Set(tag.clone()),
    });
    character_tag::Entity::insert_many(rows)
        .exec_without_returning(db)
        .await
        .db()?;
    Ok(())
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and pairs of them are JSON")
}

/// What [`to_json`] wrote.
pub(crate) fn from_json<T: DeserializeOwned + Default>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_default()
}

/// The columns that [`CharacterStore::update`] writes.
fn changeable(character: &Character) -> character::ActiveModel {
    let Character {
        summary,
        text,
        world_book,
    } = character;
    character::ActiveModel {
        id: Set(summary.id.uuid()),
        creator_id: NotSet,
        name: Set(summary.name.clone()),
        tags: Set(to_json(&summary.tags)),
        visibility: Set(summary.visibility.code()),
        is_nsfw: Set(summary.is_nsfw),
        rating: NotSet,
        rating_count: NotSet,
        chat_count: NotSet,
        favorite_count: NotSet,
        trending: NotSet,
        avatar: Set(summary.avatar.clone()),
        version: Set(summary.version),
        created_at: NotSet,
        updated_at: Set(summary.updated_at.0),
        character_version: Set(text.character_version.clone()),
        spec_version: Set(text.spec_version.clone()),
        nickname: Set(text.nickname.clone()),
        description: Set(text.description.clone()),
        personality: Set(text.personality.clone()),
        scenario: Set(text.scenario.clone()),
        first_message: Set(text.first_message.clone()),
        alternate_greetings: Set(to_json(&text.alternate_greetings)),
        group_only_greetings: Set(to_json(&text.group_only_greetings)),
        example_dialogue: Set(text.example_dialogue.clone()),
        system_prompt: Set(text.system_prompt.clone()),
        post_history_instructions: Set(text.post_history_instructions.clone()),
        creator_notes: Set(text.creator_notes.clone()),
        creator_notes_by_language: Set(to_json(&text.creator_notes_by_language)),
        world_book_id: Set(world_book.map(WorldBookId::uuid)),
    }
}

fn to_character(row: character::Model) -> Character {
    Character {
        summary: CharacterSummary {
            id: CharacterId::from_uuid(row.id),
            creator: row.creator_id.map(UserId::from_uuid),
            name: row.name,
            tags: from_json(&row.tags),
            visibility: Visibility::from_code(row.visibility),
            is_nsfw: row.is_nsfw,
            rating: row.rating,
            rating_count: row.rating_count,
            chat_count: row.chat_count,
            favorite_count: row.favorite_count,
            avatar: row.avatar,
            version: row.version,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
        },
        text: CharacterText {
            nickname: row.nickname,
            description: row.description,
            personality: row.personality,
            scenario: row.scenario,
            first_message: row.first_message,
            alternate_greetings: from_json(&row.alternate_greetings),
            group_only_greetings: from_json(&row.group_only_greetings),
            example_dialogue: row.example_dialogue,
            system_prompt: row.system_prompt,
            post_history_instructions: row.post_history_instructions,
            creator_notes: row.creator_notes,
            creator_notes_by_language: from_json(&row.creator_notes_by_language),
            character_version: row.character_version,
            spec_version: row.spec_version,
        },
        world_book: row.world_book_id.map(WorldBookId::from_uuid),
    }
}
