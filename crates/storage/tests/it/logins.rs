//! Refresh tokens: exchanged once, and what happens when one comes back.

use std::time::Duration;

use futures::future::join_all;
use tavern_domain::{RefreshFamilyId, Timestamp, UserId};
use tavern_storage::{Rotation, Store};

use crate::support::{NOW, account, later, on_both};

const GRACE: Duration = Duration::from_secs(10);
const LIFE: i64 = 1_000_000;

/// A login whose first token is `[1; 32]`.
async fn login(store: &Store) -> (UserId, RefreshFamilyId) {
    let user = account(store, "alice").await.id;
    let family = RefreshFamilyId::new();
    store
        .accounts
        .create_login(family, user, [1; 32], NOW, later(LIFE))
        .await
        .expect("a login");
    (user, family)
}

async fn rotate(store: &Store, token: u8, new: u8, now: Timestamp) -> Rotation {
    store
        .accounts
        .rotate([token; 32], [new; 32], now, Timestamp(now.0 + LIFE), GRACE)
        .await
        .expect("no error")
}

on_both! {
    async fn a_token_is_exchanged_for_the_next_one(store: Store) {
        let (user, family) = login(&store).await;
        assert_eq!(rotate(&store, 1, 2, later(1)).await, Rotation::Rotated { user, family });
        assert_eq!(rotate(&store, 2, 3, later(2)).await, Rotation::Rotated { user, family });
        assert_eq!(rotate(&store, 9, 4, later(3)).await, Rotation::Unknown);
    }

    async fn within_the_grace_a_used_token_gets_a_sibling(store: Store) {
        let (user, family) = login(&store).await;
        rotate(&store, 1, 2, NOW).await;
        assert_eq!(rotate(&store, 1, 3, later(10_000)).await, Rotation::Rotated { user, family });
        assert_eq!(rotate(&store, 2, 4, later(10_001)).await, Rotation::Rotated { user, family });
        assert_eq!(rotate(&store, 3, 5, later(10_001)).await, Rotation::Rotated { user, family });
    }

    async fn beyond_the_grace_a_used_token_ends_its_family(store: Store) {
        let (user, family) = login(&store).await;
        rotate(&store, 1, 2, NOW).await;
        assert_eq!(rotate(&store, 1, 3, later(10_001)).await, Rotation::Reused { user, family });
        assert_eq!(rotate(&store, 2, 4, later(10_002)).await, Rotation::Revoked);
        assert_eq!(rotate(&store, 3, 4, later(10_002)).await, Rotation::Unknown);
        assert_eq!(store.accounts.revoked_since(NOW).await.expect("read"), [family]);
    }

    async fn a_token_at_the_end_of_its_life_is_expired(store: Store) {
        login(&store).await;
        assert_eq!(rotate(&store, 1, 2, later(LIFE)).await, Rotation::Expired);
        assert!(matches!(rotate(&store, 1, 2, later(LIFE - 1)).await, Rotation::Rotated { .. }));
    }

    async fn many_exchanges_at_once_are_all_within_the_grace(store: Store) {
        let (user, family) = login(&store).await;
        let outcomes = join_all((2..12).map(|new| rotate(&store, 1, new, NOW))).await;
        assert_eq!(outcomes, vec![Rotation::Rotated { user, family }; 10]);
    }

    async fn a_login_is_revoked_once(store: Store) {
        let (_, family) = login(&store).await;
        assert_eq!(store.accounts.revoked_since(NOW).await.expect("read"), []);
        assert!(store.accounts.revoke_login(family, later(7)).await.expect("revoked"));
        assert!(!store.accounts.revoke_login(family, later(8)).await.expect("no error"));
        assert_eq!(store.accounts.revoked_since(later(7)).await.expect("read"), [family]);
        assert_eq!(store.accounts.revoked_since(later(8)).await.expect("read"), []);
    }

    async fn a_token_revokes_its_login(store: Store) {
        let (_, family) = login(&store).await;
        assert_eq!(store.accounts.revoke_by_token([9; 32], NOW).await.expect("no error"), None);
        assert_eq!(store.accounts.revoke_by_token([1; 32], NOW).await.expect("revoked"), Some(family));
        assert_eq!(store.accounts.revoke_by_token([1; 32], NOW).await.expect("no error"), None);
    }

    async fn only_what_has_expired_is_purged(store: Store) {
        let (user, family) = login(&store).await;
        rotate(&store, 1, 2, later(LIFE - 1)).await;
        assert_eq!(store.accounts.purge_expired(later(LIFE - 1)).await.expect("purged"), 0);
        assert_eq!(store.accounts.purge_expired(later(LIFE)).await.expect("purged"), 1, "the first token");
        assert_eq!(rotate(&store, 2, 3, later(LIFE)).await, Rotation::Rotated { user, family });
        assert_eq!(store.accounts.purge_expired(later(3 * LIFE)).await.expect("purged"), 3, "two tokens and the login");
    }
}
