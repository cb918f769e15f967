//! How SQLite carries out the lists of books and entries: along an index, without sorting.

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, QueryTrait, Select, Statement};
use tavern_domain::page::{Direction, PageRequest};
use tavern_domain::{UserId, WorldBookId};

use super::{BOOKS, ENTRIES, book_page, entry_page};
use crate::cursor::Writer;
use crate::db::Db;

/// The steps of the plan of a statement.
async fn plan<E: EntityTrait>(db: &Db, select: Select<E>) -> Vec<String> {
    let statement = select.build(DbBackend::Sqlite);
    let explain = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        format!("EXPLAIN QUERY PLAN {}", statement.sql),
        statement.values.into_iter().flat_map(|values| values.0),
    );
    let rows = db.read.query_all_raw(explain).await.expect("a plan");
    rows.iter()
        .map(|row| row.try_get_by_index(3).expect("a step"))
        .collect()
}

/// The first page and one behind a cursor, in both directions.
fn pages(cursor: &str) -> [PageRequest; 4] {
    let page = |direction, after: Option<&str>, before: Option<&str>| PageRequest {
        limit: 20,
        direction,
        after: after.map(str::to_owned),
        before: before.map(str::to_owned),
    };
    [
        page(Direction::Forward, None, None),
        page(Direction::Backward, None, None),
        page(Direction::Forward, Some(cursor), None),
        page(Direction::Backward, None, Some(cursor)),
    ]
}

#[tokio::test]
async fn every_list_walks_its_index() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite://{}", directory.path().join("plans.db").display());
    crate::migrate(&url).await.expect("migrated");
    let db = Db::connect(&url, 1).await.expect("a database");
    let walks = |plan: Vec<String>, index: &str| {
        assert!(
            plan.len() == 1 && plan[0].contains(&format!("USING INDEX {index} (")),
            "{plan:?}"
        );
    };
    let cursor = Writer::new(BOOKS).i64(1).uuid(WorldBookId::new().uuid()).finish();
    for page in pages(&cursor) {
        let select = book_page(UserId::new(), &page).expect("a good cursor");
        walks(plan(&db, select).await, "world_book_documents_owner");
    }
    for page in pages(&Writer::new(ENTRIES).i64(1).finish()) {
        let select = entry_page(WorldBookId::new(), &page).expect("a good cursor");
        walks(plan(&db, select).await, "world_entry_documents_place");
    }
}
