//! Accounts: names that are taken once.

use futures::future::join_all;
use tavern_domain::account::{Email, Username};
use tavern_domain::{Code, Role, UserId};
use tavern_storage::{NewAccount, ProfileChange, Store};

use crate::support::{NOW, account, later, on_both};

async fn create(store: &Store, username: &str, email: &str) -> tavern_domain::Result<tavern_domain::account::User> {
    let (username, email) = (
        Username::parse(username).expect("a username"),
        Email::parse(email).expect("an address"),
    );
    store
        .accounts
        .create(NewAccount {
            id: UserId::new(),
            username: &username,
            email: &email,
            password_hash: "hash",
            roles: &[Role::User],
            now: NOW,
        })
        .await
}

fn conflicts(error: &tavern_domain::Error) -> Vec<&str> {
    assert_eq!(error.code(), Code::Conflict);
    error.fields().iter().map(|field| field.path[0].as_str()).collect()
}

on_both! {
    async fn every_taken_field_is_named_at_once(store: Store) {
        create(&store, "Alice", "alice@example.org").await.expect("an account");
        let both = create(&store, "ALICE", "Alice@Example.org").await.expect_err("both are taken");
        assert_eq!(conflicts(&both), ["username", "email"]);
        let email = create(&store, "bob", "alice@example.org").await.expect_err("the address is taken");
        assert_eq!(conflicts(&email), ["email"]);
    }

    async fn a_name_that_looks_like_another_is_taken(store: Store) {
        create(&store, "Paypal", "a@example.org").await.expect("an account");
        let lookalike = create(&store, "PaypaI", "b@example.org").await.expect_err("it looks the same");
        assert_eq!(conflicts(&lookalike), ["username"]);
    }

    async fn of_many_who_want_a_name_at_once_one_gets_it(store: Store) {
        let outcomes = join_all((0..20).map(|_| create(&store, "wanted", "wanted@example.org"))).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|error| conflicts(error) == ["username", "email"]));
    }

    async fn an_account_is_found_by_every_key_it_has(store: Store) {
        let user = account(&store, "Alice").await;
        let other = account(&store, "bob").await;
        assert_eq!(store.accounts.by_id(user.id).await.expect("read").as_ref(), Some(&user));
        assert_eq!(store.accounts.by_username("alice").await.expect("read").as_ref(), Some(&user));
        for (name, email) in [("alice", "-"), ("-", "alice@example.org")] {
            let found = store.accounts.credentials(name, email).await.expect("read").expect("found");
            assert_eq!((found.user, found.password_hash.as_str()), (user.clone(), "hash"));
        }
        let mut found = store.accounts.by_ids(&[user.id, UserId::new(), other.id]).await.expect("read");
        found.sort_by_key(|user| user.id);
        assert_eq!(found, [user, other]);
    }

    async fn who_is_not_there_is_not_found(store: Store) {
        let nobody = UserId::new();
        assert_eq!(store.accounts.by_id(nobody).await.expect("read"), None);
        assert_eq!(store.accounts.by_ids(&[]).await.expect("read"), []);
        assert_eq!(store.accounts.update_profile(nobody, ProfileChange::default(), NOW).await.expect("no error"), None);
        assert!(!store.accounts.set_roles(nobody, &[Role::Admin], NOW).await.expect("no error"));
        assert!(store.accounts.credentials("nobody", "nobody").await.expect("read").is_none());
    }

    async fn a_profile_changes_where_it_is_told_to(store: Store) {
        let user = account(&store, "alice").await;
        let change = ProfileChange { bio: Some("Tells tales.".into()), display_name: None };
        let changed = store.accounts.update_profile(user.id, change, later(5)).await.expect("no error").expect("there");
        assert_eq!((changed.bio.as_str(), changed.display_name.as_str(), changed.updated_at), ("Tells tales.", "alice", later(5)));
        assert_eq!(store.accounts.by_id(user.id).await.expect("read"), Some(changed));
    }

    async fn roles_are_replaced_as_a_whole(store: Store) {
        let user = account(&store, "alice").await;
        assert!(store.accounts.set_roles(user.id, &[Role::Admin, Role::User, Role::Admin], NOW).await.expect("set"));
        assert_eq!(store.accounts.by_id(user.id).await.expect("read").expect("there").roles, [Role::User, Role::Admin]);
        assert!(store.accounts.set_roles(user.id, &[Role::Moderator], NOW).await.expect("set"));
        assert_eq!(store.accounts.by_ids(&[user.id]).await.expect("read")[0].roles, [Role::Moderator]);
        assert!(store.accounts.set_roles(user.id, &[], NOW).await.expect("set"));
        assert_eq!(store.accounts.by_id(user.id).await.expect("read").expect("there").roles, []);
    }

    async fn a_new_password_replaces_the_old_one(store: Store) {
        let user = account(&store, "alice").await;
        store.accounts.set_password_hash(user.id, "another").await.expect("set");
        assert_eq!(store.accounts.credentials("alice", "").await.expect("read").expect("there").password_hash, "another");
    }
}
