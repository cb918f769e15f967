//! How SQLite carries out the public list: along an index, without sorting, in every order.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tavern_domain::character::{CharacterFilter, CharacterOrder};
use tavern_domain::page::{Direction, PageRequest};

use super::{CharacterQuery, CharacterScope, Order};
use crate::character::CharacterStore;
use crate::db::Db;

/// The steps of the plan of one page.
async fn plan(store: &CharacterStore, query: &CharacterQuery) -> Vec<String> {
    let sql = store.page(query).expect("good cursors").expect("a statement");
    let explain = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        format!("EXPLAIN QUERY PLAN {}", sql.text),
        sql.values,
    );
    let rows = store.db.read.query_all_raw(explain).await.expect("a plan");
    rows.iter()
        .map(|row| row.try_get_by_index(3).expect("a step"))
        .collect()
}

async fn store() -> (CharacterStore, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite://{}", directory.path().join("plans.db").display());
    crate::migrate(&url).await.expect("migrated");
    (
        CharacterStore::new(Db::connect(&url, 1).await.expect("a database")),
        directory,
    )
}

fn query(order: CharacterOrder, direction: Direction, cursor: Option<String>) -> CharacterQuery {
    let page = match direction {
        Direction::Forward => PageRequest {
            limit: 20,
            direction,
            after: cursor,
            before: None,
        },
        Direction::Backward => PageRequest {
            limit: 20,
            direction,
            after: None,
            before: cursor,
        },
    };
    CharacterQuery {
        filter: CharacterFilter {
            nsfw: Some(false),
            ..CharacterFilter::default()
        },
        order,
        page,
        scope: CharacterScope::Public,
        with_text: true,
        with_creator: true,
    }
}

#[tokio::test]
async fn every_order_of_the_public_list_walks_its_index() {
    let (store, _directory) = store().await;
    for (order, index) in [
        (CharacterOrder::Popular, "characters_popular"),
        (CharacterOrder::Rating, "characters_rating"),
        (CharacterOrder::Created, "characters_created"),
        (CharacterOrder::Updated, "characters_updated"),
        (CharacterOrder::Trending, "characters_trending"),
        (CharacterOrder::Relevance, "characters_popular"),
    ] {
        for direction in [Direction::Forward, Direction::Backward] {
            let first = plan(&store, &query(order, direction, None)).await;
            assert!(
                first[0].starts_with(&format!("SCAN c USING INDEX {index}")),
                "{order:?}: {first:?}"
            );
            let cursor = Order::of(order, false).cursor(&summary(), 1.5);
            let next = plan(&store, &query(order, direction, Some(cursor))).await;
            assert!(
                next[0].starts_with(&format!("SEARCH c USING INDEX {index} (")),
                "{order:?}: {next:?}"
            );
            for plan in [first, next] {
                assert!(
                    plan.iter().all(|step| !step.contains("TEMP B-TREE")),
                    "{order:?} sorts: {plan:?}"
                );
                assert!(plan[1].starts_with("SEARCH u USING"), "{plan:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_persons_own_characters_are_found_by_index() {
    let (store, _directory) = store().await;
    let mut own = query(CharacterOrder::Updated, Direction::Forward, None);
    own.scope = CharacterScope::OwnedBy(tavern_domain::UserId::new());
    let plan = plan(&store, &own).await;
    assert!(
        plan[0].contains("INDEX characters_creator (creator_id=?)")
            && plan.iter().all(|step| !step.contains("TEMP B-TREE")),
        "{plan:?}"
    );
}

#[tokio::test]
async fn words_are_looked_up_once_and_not_row_by_row() {
    let (store, _directory) = store().await;
    let mut search = query(CharacterOrder::Relevance, Direction::Forward, None);
    search.filter.query = Some("dragon".into());
    let plan = plan(&store, &search).await;
    assert!(plan.iter().any(|step| step.contains("MATERIALIZE s")), "{plan:?}");
    assert!(
        plan.iter()
            .any(|step| step.contains("SEARCH c USING INTEGER PRIMARY KEY")),
        "{plan:?}"
    );
}

fn summary() -> super::CharacterSummary {
    super::CharacterSummary {
        id: tavern_domain::CharacterId::new(),
        creator: None,
        name: String::new(),
        tags: Vec::new(),
        visibility: super::Visibility::Public,
        is_nsfw: false,
        rating: 4.0,
        rating_count: 2,
        chat_count: 7,
        favorite_count: 0,
        avatar: None,
        version: 1,
        created_at: super::Timestamp(1),
        updated_at: super::Timestamp(2),
    }
}
