//! Turns: what refuses them, in which order, and that a key makes one.

use futures::future::join_all;
use tavern_domain::generation::GenerationStatus;
use tavern_domain::{GenerationId, MessageId, SessionId, UserId};
use tavern_storage::{Idempotency, Store, TurnOutcome, TurnStart};

use crate::support::{account, generation, later, message, on_both, running, session, stored_session, turn};

fn key(user: UserId, key: &str) -> Option<Idempotency> {
    Some(Idempotency {
        user,
        key: key.into(),
        request_hash: [7; 32],
        expires_at: later(1_000),
    })
}

async fn begin(store: &Store, turn: TurnStart) -> TurnOutcome {
    store.chats.begin_turn(turn).await.expect("no error")
}

on_both! {
    async fn a_turn_makes_its_rows_real_at_once(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = stored_session(&store, owner).await;
        let (mut rows, mut reply) = (vec![message(&chat, 1), message(&chat, 2)], generation(&chat));
        rows[1].generation = Some(reply.id);
        reply.message = Some(rows[1].id);
        let start = TurnStart { messages: rows.clone(), generation: Some(reply.clone()), now: later(5), ..turn(&chat) };
        assert_eq!(begin(&store, start).await, TurnOutcome::Started);
        assert_eq!(store.chats.tail(chat.id, None, 9).await.expect("read"), rows);
        assert_eq!(store.generations.get(reply.id).await.expect("read"), Some(reply));
        let chat = store.chats.get(chat.id).await.expect("read").expect("there");
        assert_eq!((chat.message_count, chat.updated_at, chat.last_message_at), (2, later(5), Some(later(5))));
    }

    async fn fifty_turns_under_one_key_make_one(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = stored_session(&store, owner).await;
        let outcomes = join_all((1..=50).map(|sequence| {
            let start = TurnStart { messages: vec![message(&chat, sequence)], generation: Some(generation(&chat)), idempotency: key(owner, "k"), ..turn(&chat) };
            let store = store.clone();
            async move {
                let (message, generation) = (start.messages[0].id, start.generation.as_ref().map(|generation| generation.id));
                (message, generation, begin(&store, start).await)
            }
        })).await;
        let started: Vec<_> = outcomes.iter().filter(|outcome| outcome.2 == TurnOutcome::Started).collect();
        assert_eq!(started.len(), 1);
        let replayed = TurnOutcome::Replayed { request_hash: [7; 32], message: Some(started[0].0), generation: started[0].1 };
        assert_eq!(outcomes.iter().filter(|outcome| outcome.2 == replayed).count(), 49);
        assert_eq!(store.chats.get(chat.id).await.expect("read").expect("there").message_count, 1);
        assert_eq!(store.chats.replayed(owner, "k", later(0)).await.expect("read"), Some(replayed));
    }

    async fn a_refused_turn_changes_nothing_and_frees_its_key(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = stored_session(&store, owner).await;
        let busy = running(&store, &chat).await;
        let start = TurnStart { messages: vec![message(&chat, 1)], generation: Some(generation(&chat)), idempotency: key(owner, "k"), now: later(9), ..turn(&chat) };
        assert_eq!(begin(&store, start).await, TurnOutcome::Busy(busy.id));
        assert_eq!(store.chats.replayed(owner, "k", later(0)).await.expect("read"), None);
        let left = store.chats.get(chat.id).await.expect("read").expect("there");
        assert_eq!((left.message_count, left.updated_at), (0, later(0)));
    }

    async fn keys_are_apart_by_user_and_forgotten_in_time(store: Store) {
        let (alice, bob) = (account(&store, "alice").await.id, account(&store, "bob").await.id);
        let chat = stored_session(&store, alice).await;
        let start = |user, now| TurnStart { idempotency: key(user, "k"), now, ..turn(&chat) };
        assert_eq!(begin(&store, start(alice, later(0))).await, TurnOutcome::Started);
        assert_eq!(begin(&store, start(bob, later(0))).await, TurnOutcome::Started);
        assert!(matches!(begin(&store, start(alice, later(999))).await, TurnOutcome::Replayed { message: None, generation: None, .. }));
        assert_eq!(store.chats.replayed(alice, "k", later(1_000)).await.expect("read"), None);
        assert_eq!(begin(&store, start(alice, later(1_000))).await, TurnOutcome::Started);
        assert_eq!(store.chats.purge_idempotency(later(999)).await.expect("purged"), 0);
        assert_eq!(store.chats.purge_idempotency(later(1_000)).await.expect("purged"), 2);
    }

    async fn a_session_has_one_reply_at_a_time(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = stored_session(&store, owner).await;
        let outcomes = join_all((0..10).map(|_| begin(&store, TurnStart { generation: Some(generation(&chat)), ..turn(&chat) }))).await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == TurnOutcome::Started).count(), 1);
        let active = store.generations.active(chat.id).await.expect("read");
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == TurnOutcome::Busy(active[0].id)).count(), 9);
        let without_reply = TurnStart { messages: vec![message(&chat, 1)], ..turn(&chat) };
        assert_eq!(begin(&store, without_reply).await, TurnOutcome::Started);
    }

    async fn a_user_has_so_many_replies_and_no_more(store: Store) {
        let owner = account(&store, "alice").await.id;
        let mut chats = Vec::new();
        for _ in 0..6 {
            chats.push(stored_session(&store, owner).await);
        }
        let outcomes = join_all(chats.iter().map(|chat| begin(&store, TurnStart { generation: Some(generation(chat)), max_active: 4, ..turn(chat) }))).await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == TurnOutcome::Started).count(), 4);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == TurnOutcome::TooManyActive).count(), 2);
    }

    async fn a_session_is_full_at_its_limit(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = stored_session(&store, owner).await;
        let start = |sequences: &[i32]| TurnStart { messages: sequences.iter().map(|sequence| message(&chat, *sequence)).collect(), max_messages: 3, ..turn(&chat) };
        assert_eq!(begin(&store, start(&[1, 2])).await, TurnOutcome::Started);
        assert_eq!(begin(&store, start(&[3, 4])).await, TurnOutcome::SessionFull);
        assert_eq!(begin(&store, start(&[3])).await, TurnOutcome::Started);
        assert_eq!(begin(&store, start(&[4])).await, TurnOutcome::SessionFull);
        assert_eq!(begin(&store, start(&[])).await, TurnOutcome::Started);
    }

    async fn a_session_that_is_gone_has_no_turn(store: Store) {
        let owner = account(&store, "alice").await.id;
        let never = session(owner, &[]);
        let start = TurnStart { messages: vec![message(&never, 1)], generation: Some(generation(&never)), ..turn(&never) };
        assert_eq!(begin(&store, start).await, TurnOutcome::SessionGone);
    }

    async fn a_reply_goes_into_a_message_that_is_there(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = session(owner, &[]);
        let row = message(&chat, 1);
        store.chats.create(&chat, std::slice::from_ref(&row)).await.expect("a session");
        let mut reply = generation(&chat);
        reply.message = Some(row.id);
        let start = |into| TurnStart { generation: Some(reply.clone()), reply_into: Some(into), ..turn(&chat) };
        let missing = TurnStart { generation: Some(generation(&chat)), reply_into: Some(MessageId::new()), ..turn(&chat) };
        assert_eq!(begin(&store, missing).await, TurnOutcome::SessionGone);
        assert_eq!(begin(&store, start(row.id)).await, TurnOutcome::Started);
        assert_eq!(store.chats.message(row.id).await.expect("read").expect("there").generation, Some(reply.id));
    }

    async fn an_ended_reply_makes_room_for_the_next(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = stored_session(&store, owner).await;
        let mut ended = running(&store, &chat).await;
        ended.status = GenerationStatus::Cancelled;
        assert!(store.generations.finish(&ended, 0, None).await.expect("finished"));
        assert_ne!(running(&store, &chat).await.id, ended.id);
    }

    async fn a_key_never_used_has_no_outcome(store: Store) {
        assert_eq!(store.chats.replayed(UserId::new(), "k", later(0)).await.expect("read"), None);
        assert_eq!(store.generations.get(GenerationId::new()).await.expect("read"), None);
        assert_eq!(store.chats.tail(SessionId::new(), None, 5).await.expect("read"), []);
    }
}
