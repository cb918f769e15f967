//! The database itself: migrations, files, and what happens when it is away.

use std::os::unix::fs::PermissionsExt;

use futures::future::join_all;
use tavern_domain::{Code, Limits};
use tavern_storage::{Store, StoreConfig, migrate, migrations};

use crate::support::{Postgres, account, on_both, sqlite, sqlite_config};

#[tokio::test]
async fn the_database_is_its_owners_alone() {
    let (store, directory) = sqlite().await;
    account(&store, "alice").await;
    let mode = |path: &str| {
        std::fs::metadata(directory.path().join(path))
            .expect("there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        [
            mode("data"),
            mode("data/tavern.db"),
            mode("data/tavern.db-wal"),
            mode("objects")
        ],
        [0o700, 0o600, 0o600, 0o700]
    );
}

#[tokio::test]
async fn what_was_stored_is_there_after_opening_again() {
    let (store, directory) = sqlite().await;
    let user = account(&store, "alice").await;
    store.close().await;
    let store = Store::open(&sqlite_config(&directory), &Limits::default())
        .await
        .expect("opened again");
    assert_eq!(store.accounts.by_id(user.id).await.expect("read"), Some(user));
}

#[tokio::test]
async fn migrations_are_shown_and_applied() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = sqlite_config(&directory).database_url;
    assert!(migrations(&url).await.expect("read").iter().all(|state| !state.applied));
    migrate(&url).await.expect("migrated");
    migrate(&url).await.expect("migrated again");
    let states = migrations(&url).await.expect("read");
    assert!(!states.is_empty() && states.iter().all(|state| state.applied));
}

#[tokio::test]
async fn several_nodes_may_migrate_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let (config, limits) = (sqlite_config(&directory), Limits::default());
    for opened in join_all((0..4).map(|_| Store::open(&config, &limits))).await {
        opened.expect("opened");
    }
    if let Some(postgres) = Postgres::start().await {
        for migrated in join_all((0..4).map(|_| migrate(&postgres.url))).await {
            migrated.expect("migrated");
        }
        postgres.remove().await;
    }
}

#[tokio::test]
async fn a_url_of_something_else_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    for url in [
        "",
        "mysql://localhost/x",
        "tavern.db",
        "sqlite::memory:",
        "sqlite://x?mode=memory",
        "postgres://[",
        "sqlite:///x.db?what=1",
    ] {
        let config = StoreConfig {
            database_url: url.into(),
            ..sqlite_config(&directory)
        };
        let error = Store::open(&config, &Limits::default()).await.err().expect("refused");
        assert_eq!(
            (error.code(), error.fields()[0].path.join(".")),
            (Code::BadUserInput, "database.url".to_owned()),
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = StoreConfig {
        database_url: "postgres://nobody@127.0.0.1:1/none".into(),
        ..sqlite_config(&directory)
    };
    assert_eq!(
        Store::open(&config, &Limits::default())
            .await
            .err()
            .expect("refused")
            .code(),
        Code::Unavailable
    );
}

on_both! {
    async fn a_closed_store_is_unavailable(store: Store) {
        store.ping().await.expect("alive");
        store.close().await;
        assert_eq!(store.ping().await.expect_err("closed").code(), Code::Unavailable);
        assert_eq!(store.accounts.by_username("alice").await.expect_err("closed").code(), Code::Unavailable);
    }
}
