//! Lists of extensions, a keyset page at a time.

use sea_orm::{QueryResult, Value};
use tavern_domain::extension::{Extension, ExtensionFilter, ExtensionOrder};
use tavern_domain::page::{Direction, Page, PageRequest, bad_cursor};
use tavern_domain::{ExtensionId, Result, Timestamp, UserId};
use uuid::Uuid;

use super::ExtensionStore;
use crate::cursor::{Reader, Writer};
use crate::db::DbResult;

/// Words of a query that count.
const WORDS: usize = 8;

/// Which extensions, and in which order.
#[derive(Debug, Clone)]
pub struct ExtensionQuery {
    pub filter: ExtensionFilter,
    pub order: ExtensionOrder,
    pub page: PageRequest,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedExtension {
    pub extension: Extension,
    pub cursor: String,
}

impl ExtensionStore {
    /// One page. The query's words are looked for as they are given: they are folded by whoever asks.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `after` or `before` for what is not a cursor of this order.
    pub async fn list(&self, query: &ExtensionQuery) -> Result<Page<ListedExtension>> {
        let (key, ascends) = sort_key(query.order);
        let mut sql = Sql::of(&query.filter);
        for (argument, cursor, forward) in [
            ("after", &query.page.after, true),
            ("before", &query.page.before, false),
        ] {
            let Some(cursor) = cursor else { continue };
            let values = read_cursor(query.order, cursor).ok_or_else(|| bad_cursor(argument))?;
            let sign = if forward == ascends { '>' } else { '<' };
            let places: Vec<_> = values.into_iter().map(|value| sql.bind(value)).collect();
            sql.conditions.push(match places.as_slice() {
                // The name is not in the cursor: it may be long, and never changes.
                [id] => format!("e.name {sign} (SELECT name FROM extensions WHERE id = {id})"),
                places => format!("({key}, e.id) {sign} ({})", places.join(", ")),
            });
        }
        let forward = query.page.direction == Direction::Forward;
        let way = if forward == ascends { "ASC" } else { "DESC" };
        let text = format!(
            "SELECT e.id, e.name, e.owner_id, e.title, e.summary, e.killed, e.created_at, e.updated_at, e.installs FROM extensions e{} ORDER BY {key} {way}, e.id {way} LIMIT {}",
            sql.restriction(),
            u64::from(query.page.limit) + 1
        );
        let rows = self.db.rows(text, sql.values).await?;
        let rows = rows.iter().map(|row| decode(row, query.order)).collect::<Result<_>>()?;
        Ok(Page::from_rows(rows, &query.page))
    }

    /// The names of extensions with at least so many installations, the most installed first.
    pub async fn names_with_installs(&self, at_least: i32, limit: u32) -> Result<Vec<String>> {
        let sql = "SELECT e.name FROM extensions e WHERE e.installs >= $1 ORDER BY e.installs DESC, e.id LIMIT $2";
        let values = vec![at_least.into(), i64::from(limit).into()];
        let rows = self.db.rows(sql.to_owned(), values).await?;
        rows.iter().map(|row| row.try_get_by_index(0).db()).collect()
    }

    /// How many extensions the list has, on all its pages.
    pub async fn count(&self, filter: &ExtensionFilter) -> Result<u64> {
        let sql = Sql::of(filter);
        let text = format!("SELECT COUNT(*) FROM extensions e{}", sql.restriction());
        let rows = self.db.rows(text, sql.values).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get_by_index(0)).db()?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

#[derive(Default)]
struct Sql {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Sql {
    fn of(filter: &ExtensionFilter) -> Self {
        let mut sql = Self::default();
        for word in filter
            .query
            .iter()
            .flat_map(|query| query.split_whitespace())
            .take(WORDS)
        {
            let word = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let word = sql.bind(format!("%{word}%"));
            sql.conditions.push(format!("e.words LIKE {word} ESCAPE '\\'"));
        }
        if let Some(publisher) = &filter.publisher {
            let publisher = sql.bind(publisher.clone());
            sql.conditions.push(format!("e.publisher = {publisher}"));
        }
        if let Some(hook) = filter.hook {
            let hook = sql.bind(format!("% {hook} %"));
            sql.conditions.push(format!("e.hooks LIKE {hook}"));
        }
        sql
    }

    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn restriction(&self) -> String {
        if self.conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.conditions.join(" AND "))
        }
    }
}

/// What a list is sorted by before the id, and whether the small comes first.
const fn sort_key(order: ExtensionOrder) -> (&'static str, bool) {
    match order {
        ExtensionOrder::Popular => ("e.installs", false),
        ExtensionOrder::New => ("e.created_at", false),
        ExtensionOrder::Updated => ("e.updated_at", false),
        ExtensionOrder::Name => ("e.name", true),
    }
}

fn write_cursor(order: ExtensionOrder, extension: &Extension) -> String {
    let writer = Writer::new(order as u8);
    match order {
        ExtensionOrder::Popular => writer.i64(extension.installs.into()),
        ExtensionOrder::New => writer.i64(extension.created_at.0),
        ExtensionOrder::Updated => writer.i64(extension.updated_at.0),
        ExtensionOrder::Name => writer,
    }
    .uuid(extension.id.uuid())
    .finish()
}

fn read_cursor(order: ExtensionOrder, text: &str) -> Option<Vec<Value>> {
    let mut reader = Reader::new(text, order as u8)?;
    let mut values: Vec<Value> = Vec::with_capacity(2);
    if order != ExtensionOrder::Name {
        values.push(reader.i64()?.into());
    }
    values.push(reader.uuid()?.into());
    reader.finish()?;
    Some(values)
}

fn decode(row: &QueryResult, order: ExtensionOrder) -> Result<ListedExtension> {
    let (id, owner): (Uuid, Uuid) = (row.try_get_by_index(0).db()?, row.try_get_by_index(2).db()?);
    let extension = Extension {
        id: ExtensionId::from_uuid(id),
        name: row.try_get_by_index(1).db()?,
        owner: UserId::from_uuid(owner),
        title: row.try_get_by_index(3).db()?,
        summary: row.try_get_by_index(4).db()?,
        installs: row.try_get_by_index(8).db()?,
        killed: row.try_get_by_index(5).db()?,
        created_at: Timestamp(row.try_get_by_index(6).db()?),
        updated_at: Timestamp(row.try_get_by_index(7).db()?),
    };
    Ok(ListedExtension {
        cursor: write_cursor(order, &extension),
        extension,
    })
}
