//! Generations: fences, leases, and one end.

use futures::future::join_all;
use tavern_domain::chat::{SessionState, TurnEffects, Variables};
use tavern_domain::generation::{Generation, GenerationAttempt, GenerationError, GenerationStatus, Usage, UsageSource};
use tavern_domain::{GenerationId, UserId};
use tavern_storage::Store;

use crate::support::{account, later, on_both, running, stored_session};

async fn one(store: &Store) -> Generation {
    let owner = account(store, "alice").await.id;
    let chat = stored_session(store, owner).await;
    running(store, &chat).await
}

fn attempt(outcome: &str) -> GenerationAttempt {
    let error = GenerationError {
        code: "UPSTREAM_ERROR".into(),
        message: "It broke.".into(),
        retryable: true,
    };
    GenerationAttempt {
        number: 1,
        provider: "home".into(),
        model: "m".into(),
        outcome: outcome.into(),
        started_at: later(1),
        first_token_at: Some(later(2)),
        ended_at: None,
        error: Some(error),
    }
}

/// The generation with everything an end sets.
fn ended(running: &Generation) -> Generation {
    let usage = Usage {
        prompt_tokens: 10,
        completion_tokens: 5,
        reasoning_tokens: 1,
        cached_tokens: 2,
        source: UsageSource::Provider,
        cost_micro_credits: 42,
    };
    Generation {
        status: GenerationStatus::Interrupted,
        provider: Some("home".into()),
        attempts: vec![attempt("interrupted")],
        usage: Some(usage),
        finish_reason: Some("length".into()),
        error: attempt("").error,
        sha256: Some("ab".repeat(32)),
        length: 77,
        first_token_at: Some(later(2)),
        ended_at: Some(later(9)),
        ..running.clone()
    }
}

on_both! {
    async fn an_end_is_stored_whole_and_its_tokens_settled(store: Store) {
        let running = one(&store).await;
        let end = ended(&running);
        assert!(store.generations.finish(&end, 15, None).await.expect("finished"));
        assert_eq!(store.generations.get(end.id).await.expect("read").as_ref(), Some(&end));
        assert_eq!(store.generations.by_ids(&[GenerationId::new(), end.id]).await.expect("read"), std::slice::from_ref(&end));
        assert_eq!(store.generations.active(end.session).await.expect("read"), []);
        assert_eq!(store.chats.get(end.session).await.expect("read").expect("there").total_tokens, 15);
    }

    async fn of_many_ends_one_counts(store: Store) {
        let end = ended(&one(&store).await);
        let ends = join_all((0..10).map(|_| store.generations.finish(&end, 15, None))).await;
        assert_eq!(ends.into_iter().filter(|end| *end.as_ref().expect("no error")).count(), 1);
        assert_eq!(store.chats.get(end.session).await.expect("read").expect("there").total_tokens, 15);
    }

    async fn a_writer_whose_fence_has_passed_cannot_end_or_change_it(store: Store) {
        let old = one(&store).await;
        let new = store.generations.take_over_expired(later(60_000), later(75_000), 10).await.expect("taken").remove(0);
        assert_eq!((new.id, new.fence, new.lease_until), (old.id, old.fence + 1, later(75_000)));
        assert!(!store.generations.finish(&ended(&old), 15, None).await.expect("no error"));
        assert!(!store.generations.progress(old.id, old.fence, GenerationStatus::Streaming, None, &[], None).await.expect("no error"));
        assert_eq!(store.generations.renew(&[(old.id, old.fence)], later(99_000)).await.expect("no error"), []);
        assert_eq!(store.generations.get(old.id).await.expect("read").as_ref(), Some(&new));
        assert!(store.generations.finish(&ended(&new), 15, None).await.expect("finished"));
    }

    async fn progress_is_noted_until_the_end(store: Store) {
        let running = one(&store).await;
        let noted = store.generations.progress(running.id, 1, GenerationStatus::Streaming, Some("home"), &[attempt("running")], Some(later(2))).await;
        assert!(noted.expect("noted"));
        let found = store.generations.active(running.session).await.expect("read").remove(0);
        assert_eq!(found, Generation { status: GenerationStatus::Streaming, provider: Some("home".into()), attempts: vec![attempt("running")], first_token_at: Some(later(2)), ..running.clone() });
        assert!(store.generations.finish(&ended(&running), 0, None).await.expect("finished"));
        assert!(!store.generations.progress(running.id, 1, GenerationStatus::Streaming, None, &[], None).await.expect("no error"));
    }

    async fn a_renewal_tells_of_a_wish_to_cancel(store: Store) {
        let running = one(&store).await;
        let leases = [(running.id, 1), (GenerationId::new(), 1)];
        assert_eq!(store.generations.renew(&leases, later(20_000)).await.expect("renewed"), [(running.id, false)]);
        assert!(store.generations.request_cancel(running.id).await.expect("asked"));
        assert_eq!(store.generations.renew(&leases, later(30_000)).await.expect("renewed"), [(running.id, true)]);
        assert_eq!(store.generations.get(running.id).await.expect("read").expect("there").lease_until, later(30_000));
        assert_eq!(store.generations.renew(&[], later(30_000)).await.expect("no error"), []);
    }

    async fn what_has_ended_cannot_be_cancelled(store: Store) {
        let running = one(&store).await;
        store.generations.finish(&ended(&running), 0, None).await.expect("finished");
        assert!(!store.generations.request_cancel(running.id).await.expect("no error"));
        assert!(!store.generations.request_cancel(GenerationId::new()).await.expect("no error"));
    }

    async fn only_leases_that_ran_out_are_taken_over(store: Store) {
        let running = one(&store).await;
        assert_eq!(store.generations.take_over_expired(running.lease_until, later(99_000), 10).await.expect("no error"), []);
        assert_eq!(store.generations.take_over_expired(later(15_001), later(99_000), 0).await.expect("no error"), []);
        assert_eq!(store.generations.take_over_expired(later(15_001), later(99_000), 10).await.expect("taken").len(), 1);
        assert_eq!(store.generations.take_over_expired(later(15_001), later(99_000), 10).await.expect("no error"), []);
        store.generations.finish(&ended(&Generation { fence: 2, ..running }), 0, None).await.expect("finished");
        assert_eq!(store.generations.take_over_expired(later(200_000), later(300_000), 10).await.expect("no error"), []);
    }

    async fn two_reapers_never_take_the_same_generation(store: Store) {
        let owner = account(&store, "alice").await.id;
        for _ in 0..8 {
            let chat = stored_session(&store, owner).await;
            running(&store, &chat).await;
        }
        let taken = join_all((0..4).map(|_| store.generations.take_over_expired(later(60_000), later(75_000), 3))).await;
        let mut taken: Vec<_> = taken.into_iter().flat_map(|taken| taken.expect("no error")).map(|taken| (taken.id, taken.fence)).collect();
        let count = taken.len();
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), count);
        assert!(taken.iter().all(|(_, fence)| *fence == 2));
    }

    async fn what_a_turn_has_done_is_remembered_with_its_end_and_only_with_it(store: Store) {
        let running = one(&store).await;
        let effects = |value: &str| TurnEffects {
            variables: [("mood".to_owned(), Some(value.to_owned()))].into(),
            account_variables: [("visits".to_owned(), Some(value.to_owned()))].into(),
            lore: serde_json::json!({ "sticky": {} }),
            message: running.message,
            ..TurnEffects::default()
        };
        let state = async || store.chats.get(running.session).await.expect("read").expect("a session").state;
        let old = Generation { fence: 0, ..ended(&running) };
        assert!(!store.generations.finish(&old, 0, Some(&effects("lost"))).await.expect("no error"));
        assert_eq!(state().await, SessionState::default());
        assert!(store.generations.finish(&ended(&running), 0, Some(&effects("good"))).await.expect("finished"));
        assert_eq!(state().await.variables["mood"], "good");
        assert_eq!(store.chats.account_variables(running.user).await.expect("read")["visits"], "good");
        store.chats.remember(running.session, &effects("better")).await.expect("remembered");
        assert_eq!(store.chats.account_variables(running.user).await.expect("read")["visits"], "better");
        assert_eq!(store.chats.account_variables(UserId::new()).await.expect("read"), Variables::new());
    }
}
