//! Lists of characters: the hottest read of the house, one hand-written statement a page.
//!
//! The statement's text depends on the shape of the query alone, never on its values, so that few of
//! them have to be prepared. Rows are decoded by position.

#[cfg(test)]
mod plans;

use std::fmt::Write;

use sea_orm::{QueryResult, TryGetable, Value};
use tavern_domain::account::Username;
use tavern_domain::character::{CharacterFilter, CharacterOrder, CharacterSummary, CharacterText, Visibility, tag_key};
use tavern_domain::page::{Direction, Page, PageRequest, bad_cursor};
use tavern_domain::{CharacterId, Result, Timestamp, UserId, WorldBookId};
use uuid::Uuid;

use crate::character::{CharacterStore, from_json};
use crate::cursor::{Reader, Writer};
use crate::db::DbResult;

/// Whose characters a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CharacterScope {
    /// The public ones.
    Public,
    /// Every character of this user, whatever its visibility.
    OwnedBy(UserId),
    /// The public ones of this user.
    PublicOf(UserId),
    All,
}

/// Which characters, in which order, and how much of each.
#[derive(Debug, Clone)]
pub struct CharacterQuery {
    pub filter: CharacterFilter,
    pub order: CharacterOrder,
    pub page: PageRequest,
    pub scope: CharacterScope,
    pub with_text: bool,
    pub with_creator: bool,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedCharacter {
    pub summary: CharacterSummary,
    /// If it was asked for.
    pub text: Option<CharacterText>,
    /// If the text was asked for.
    pub world_book: Option<WorldBookId>,
    /// If it was asked for, and the account is not gone.
    pub creator: Option<ListedCreator>,
    pub cursor: String,
}

/// The public face of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCreator {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub bio: String,
    pub created_at: Timestamp,
}

const SUMMARY: &str = "c.id, c.creator_id, c.name, c.tags, c.visibility, c.is_nsfw, c.rating, c.rating_count, c.chat_count, c.favorite_count, c.avatar, c.version, c.created_at, c.updated_at";
const CREATOR: &str = ", u.username, u.display_name, u.bio, u.created_at";
const TEXT: &str = ", c.character_version, c.spec_version, c.nickname, c.description, c.personality, c.scenario, c.first_message, c.alternate_greetings, c.group_only_greetings, \
                    c.example_dialogue, c.system_prompt, c.post_history_instructions, c.creator_notes, c.creator_notes_by_language, c.world_book_id";

impl CharacterStore {
    /// One page. Creator and text come with it if asked for.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `after` or `before` for what is not a cursor of this order.
    pub async fn list(&self, query: &CharacterQuery) -> Result<Page<ListedCharacter>> {
        let Some(sql) = self.page(query)? else {
            return Ok(Page::empty());
        };
        let rows = self.db.rows(sql.text, sql.values).await?;
        let rows = rows
            .iter()
            .map(|row| decode(row, sql.order, query.with_creator, query.with_text))
            .collect::<Result<_>>()?;
        Ok(Page::from_rows(rows, &query.page))
    }

    /// How many characters the list has, on all its pages.
    pub async fn count(&self, query: &CharacterQuery) -> Result<u64> {
        let mut sql = Sql::new(Order::Popular);
        sql.text.push_str("SELECT COUNT(*) FROM characters c");
        if !self.restrict(&mut sql, query, false) {
            return Ok(0);
        }
        let rows = self.db.rows(sql.text, sql.values).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get_by_index(0)).db()?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The statement of one page; `None` if nothing can be found.
    fn page(&self, query: &CharacterQuery) -> Result<Option<Sql>> {
        let Some(mut sql) = self.select(query)? else {
            return Ok(None);
        };
        let key = sql.order.columns();
        for (argument, cursor, sign) in [("after", &query.page.after, '<'), ("before", &query.page.before, '>')] {
            let Some(cursor) = cursor else { continue };
            let values = sql.order.read_cursor(cursor).ok_or_else(|| bad_cursor(argument))?;
            let places: Vec<String> = values.into_iter().map(|value| sql.bind(value)).collect();
            sql.and(&format!("({key}, c.id) {sign} ({})", places.join(", ")));
        }
        let way = match query.page.direction {
            Direction::Forward => "DESC",
            Direction::Backward => "ASC",
        };
        // Spelt out: SQLite plans a statement anew whenever a bound limit is bound.
        let limit = u64::from(query.page.limit) + 1;
        let order: String = key.split(", ").map(|column| format!("{column} {way}, ")).collect();
        let _ = write!(sql.text, " ORDER BY {order}c.id {way} LIMIT {limit}");
        Ok(Some(sql))
    }

    /// Everything up to the bounds of the page; `None` if nothing can be found.
    fn select(&self, query: &CharacterQuery) -> Result<Option<Sql>> {
        let search = searched(&query.filter);
        let order = Order::of(query.order, search.is_some());
        let mut sql = Sql::new(order);
        if let (Order::Relevance, Some(words)) = (order, search) {
            let Some(expression) = self.search.expression(words) else {
                return Ok(None);
            };
            sql.bind(expression);
            // Ranked once and apart, or SQLite ranks anew in every place the rank is named.
            let _ = write!(sql.text, "WITH s AS MATERIALIZED ({}) ", self.search.hits(1));
        }
        let _ = write!(sql.text, "SELECT {SUMMARY}{}", order.extra_column());
        if query.with_creator {
            sql.text.push_str(CREATOR);
        }
        if query.with_text {
            sql.text.push_str(TEXT);
        }
        sql.text.push_str(" FROM ");
        if order == Order::Relevance {
            let _ = write!(sql.text, "s JOIN characters c ON c.{} = s.key", self.search.key());
        } else {
            sql.text.push_str("characters c");
        }
        if query.with_creator {
            sql.text.push_str(" LEFT JOIN users u ON u.id = c.creator_id");
        }
        Ok(self.restrict(&mut sql, query, order == Order::Relevance).then_some(sql))
    }

    /// The conditions of scope and filter; false if nothing can meet them. `searched_already`: the
    /// words were dealt with in FROM.
    fn restrict(&self, sql: &mut Sql, query: &CharacterQuery, searched_already: bool) -> bool {
        let CharacterFilter {
            tags,
            exclude_tags,
            creator,
            nsfw,
            min_rating,
            ..
        } = &query.filter;
        // Public and safe are spelt out and not bound: the planner must see them to use the partial indexes.
        if matches!(query.scope, CharacterScope::Public | CharacterScope::PublicOf(_)) {
            sql.and("c.visibility = 2");
        }
        if let CharacterScope::OwnedBy(user) | CharacterScope::PublicOf(user) = query.scope {
            let user = sql.bind(user.uuid());
            sql.and(&format!("c.creator_id = {user}"));
        }
        if let Some(nsfw) = nsfw {
            sql.and(if *nsfw { "c.is_nsfw" } else { "NOT c.is_nsfw" });
        }
        if let Some(rating) = min_rating {
            let rating = sql.bind(*rating);
            sql.and(&format!("c.rating >= {rating}"));
        }
        if let Some(name) = creator {
            let name = sql.bind(Username::key_of(name));
            sql.and(&format!(
                "c.creator_id = (SELECT id FROM users WHERE username_key = {name})"
            ));
        }
        for tag in tags {
            let tag = sql.bind(tag_key(tag));
            sql.and(&format!(
                "c.id IN (SELECT character_id FROM character_tags WHERE tag_key = {tag})"
            ));
        }
        for tag in exclude_tags {
            let tag = sql.bind(tag_key(tag));
            sql.and(&format!(
                "NOT EXISTS (SELECT 1 FROM character_tags t WHERE t.character_id = c.id AND t.tag_key = {tag})"
            ));
        }
        if let (Some(words), false) = (searched(&query.filter), searched_already) {
            let Some(expression) = self.search.expression(words) else {
                return false;
            };
            sql.bind(expression);
            let condition = format!(
                "c.{} IN (SELECT key FROM ({}) s)",
                self.search.key(),
                self.search.hits(sql.values.len())
            );
            sql.and(&condition);
        }
        true
    }
}

/// The query's words, if it has any but spaces.
fn searched(filter: &CharacterFilter) -> Option<&str> {
    filter.query.as_deref().filter(|words| !words.trim().is_empty())
}

/// A statement in the making.
struct Sql {
    order: Order,
    text: String,
    values: Vec<Value>,
    conditions: u32,
}

impl Sql {
    fn new(order: Order) -> Self {
        Self {
            order,
            text: String::with_capacity(768),
            values: Vec::with_capacity(8),
            conditions: 0,
        }
    }
    /// Binds a value and gives its placeholder.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }
    fn and(&mut self, condition: &str) {
        self.text
            .push_str(if self.conditions == 0 { " WHERE " } else { " AND " });
        self.text.push_str(condition);
        self.conditions += 1;
    }
}

/// An order as it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Popular,
    Rating,
    Created,
    Updated,
    Relevance,
    Trending,
}

impl Order {
    const fn of(order: CharacterOrder, searches: bool) -> Self {
        match order {
            CharacterOrder::Popular => Self::Popular,
            CharacterOrder::Rating => Self::Rating,
            CharacterOrder::Created => Self::Created,
            CharacterOrder::Updated => Self::Updated,
            CharacterOrder::Relevance if searches => Self::Relevance,
            CharacterOrder::Relevance => Self::Popular,
            CharacterOrder::Trending => Self::Trending,
        }
    }

    /// What the list is sorted by, before the id.
    const fn columns(self) -> &'static str {
        match self {
            Self::Popular => "c.chat_count",
            Self::Rating => "c.rating, c.rating_count",
            Self::Created => "c.created_at",
            Self::Updated => "c.updated_at",
            Self::Relevance => "s.rank",
            Self::Trending => "c.trending",
        }
    }

    /// The sort key, where it is no part of the summary.
    const fn extra_column(self) -> &'static str {
        match self {
            Self::Relevance => ", s.rank",
            Self::Trending => ", c.trending",
            _ => "",
        }
    }

    fn cursor(self, summary: &CharacterSummary, extra: f64) -> String {
        let writer = Writer::new(self as u8);
        match self {
            Self::Popular => writer.i64(summary.chat_count.into()),
            Self::Rating => writer.f64(summary.rating).i64(summary.rating_count.into()),
            Self::Created => writer.i64(summary.created_at.0),
            Self::Updated => writer.i64(summary.updated_at.0),
            Self::Relevance | Self::Trending => writer.f64(extra),
        }
        .uuid(summary.id.uuid())
        .finish()
    }

    /// The values of the sort key and the id.
    fn read_cursor(self, text: &str) -> Option<Vec<Value>> {
        let mut reader = Reader::new(text, self as u8)?;
        let mut values: Vec<Value> = match self {
            Self::Popular | Self::Created | Self::Updated => vec![reader.i64()?.into()],
            Self::Rating => vec![reader.f64()?.into(), reader.i64()?.into()],
            Self::Relevance | Self::Trending => vec![reader.f64()?.into()],
        };
        values.push(reader.uuid()?.into());
        reader.finish()?;
        Some(values)
    }
}

/// Reads a row from left to right.
struct Columns<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl Columns<'_> {
    fn take<T: TryGetable>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        self.row.try_get_by_index(index).db()
    }
}

fn decode(row: &QueryResult, order: Order, with_creator: bool, with_text: bool) -> Result<ListedCharacter> {
    let mut columns = Columns { row, next: 0 };
    let summary = CharacterSummary {
        id: CharacterId::from_uuid(columns.take()?),
        creator: columns.take::<Option<Uuid>>()?.map(UserId::from_uuid),
        name: columns.take()?,
        tags: from_json(&columns.take::<String>()?),
        visibility: Visibility::from_code(columns.take()?),
        is_nsfw: columns.take()?,
        rating: columns.take()?,
        rating_count: columns.take()?,
        chat_count: columns.take()?,
        favorite_count: columns.take()?,
        avatar: columns.take()?,
        version: columns.take()?,
        created_at: Timestamp(columns.take()?),
        updated_at: Timestamp(columns.take()?),
    };
    let extra = if order.extra_column().is_empty() {
        0.0
    } else {
        columns.take()?
    };
    let creator = if with_creator {
        decode_creator(&mut columns, summary.creator)?
    } else {
        None
    };
    let (text, world_book) = if with_text {
        let text = decode_text(&mut columns)?;
        (Some(text), columns.take::<Option<Uuid>>()?.map(WorldBookId::from_uuid))
    } else {
        (None, None)
    };
    let cursor = order.cursor(&summary, extra);
    Ok(ListedCharacter {
        summary,
        text,
        world_book,
        creator,
        cursor,
    })
}

fn decode_creator(columns: &mut Columns<'_>, id: Option<UserId>) -> Result<Option<ListedCreator>> {
    let Some(id) = id else {
        columns.next += 4;
        return Ok(None);
    };
    Ok(Some(ListedCreator {
        id,
        username: columns.take()?,
        display_name: columns.take()?,
        bio: columns.take()?,
        created_at: Timestamp(columns.take()?),
    }))
}

fn decode_text(columns: &mut Columns<'_>) -> Result<CharacterText> {
    Ok(CharacterText {
        character_version: columns.take()?,
        spec_version: columns.take()?,
        nickname: columns.take()?,
        description: columns.take()?,
        personality: columns.take()?,
        scenario: columns.take()?,
        first_message: columns.take()?,
        alternate_greetings: from_json(&columns.take::<String>()?),
        group_only_greetings: from_json(&columns.take::<String>()?),
        example_dialogue: columns.take()?,
        system_prompt: columns.take()?,
        post_history_instructions: columns.take()?,
        creator_notes: columns.take()?,
        creator_notes_by_language: from_json(&columns.take::<String>()?),
    })
}
