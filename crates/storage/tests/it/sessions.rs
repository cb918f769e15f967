//! Sessions and their messages.

use std::collections::BTreeSet;

use futures::future::join_all;
use tavern_domain::chat::{Author, AuthorsNote, ChatRole, SessionSetup, SessionState, Variables};
use tavern_domain::page::{Direction, PageRequest};
use tavern_domain::{CharacterId, Code, GenerationId, MessageId, PersonaId, PresetId, SessionId, UserId, WorldBookId};
use tavern_storage::{SessionChange, SetupChange, Store, TurnStart};

use crate::support::{
    account, first, generation, last, later, message, on_both, running, session, stored_session, turn,
};

on_both! {
    async fn a_session_comes_back_with_its_characters_in_order(store: Store) {
        let owner = account(&store, "alice").await.id;
        let mut ids = [CharacterId::new(), CharacterId::new(), CharacterId::new()];
        ids.reverse();
        let mut stored = session(owner, &ids);
        (stored.message_count, stored.last_message_at) = (2, Some(later(3)));
        let mut greetings = [message(&stored, 1), message(&stored, 2)];
        greetings[0].author = Some(Author::Character(ids[0]));
        (greetings[1].author, greetings[1].role, greetings[1].is_hidden, greetings[1].generation) = (None, ChatRole::System, true, Some(GenerationId::new()));
        store.chats.create(&stored, &greetings).await.expect("a session");
        let other = stored_session(&store, owner).await;
        assert_eq!(store.chats.get(stored.id).await.expect("read").as_ref(), Some(&stored));
        assert_eq!(store.chats.tail(stored.id, None, 9).await.expect("read"), greetings);
        assert_eq!(store.chats.reserve_sequences(stored.id, 1).await.expect("reserved"), Some(3));
        let found = store.chats.by_ids(&[other.id, SessionId::new(), stored.id]).await.expect("read");
        assert_eq!(found.len(), 2);
        assert!(found.contains(&stored) && found.contains(&other));
    }

    async fn sequences_are_given_out_once(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = stored_session(&store, owner).await;
        let firsts = join_all((0..20).map(|_| store.chats.reserve_sequences(chat.id, 2))).await;
        let firsts: BTreeSet<i32> = firsts.into_iter().map(|first| first.expect("no error").expect("there")).collect();
        assert_eq!(firsts, (0..20).map(|number| 1 + 2 * number).collect());
        assert_eq!(store.chats.reserve_sequences(SessionId::new(), 2).await.expect("no error"), None);
    }

    async fn sessions_are_paged_by_activity_both_ways(store: Store) {
        let (owner, stranger) = (account(&store, "alice").await.id, account(&store, "bob").await.id);
        stored_session(&store, stranger).await;
        for number in 0..7_i64 {
            let mut chat = session(owner, &[]);
            (chat.title, chat.updated_at) = (number.to_string(), later(number / 2));
            store.chats.create(&chat, &[]).await.expect("a session");
        }
        let (mut forward, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.chats.page(owner, false, &first(2, cursor.as_deref())).await.expect("a page");
            cursor = page.items.last().map(|item| item.1.clone());
            forward.extend(page.items.into_iter().map(|item| item.0.title));
            if !page.has_next { break; }
        }
        assert_eq!(forward, ["6", "5", "4", "3", "2", "1", "0"]);
        let page = store.chats.page(owner, false, &last(3, cursor.as_deref())).await.expect("a page");
        assert_eq!(page.items.iter().map(|item| item.0.title.as_str()).collect::<Vec<_>>(), ["3", "2", "1"]);
        assert!(page.has_previous && page.has_next);
        assert_eq!(store.chats.count(owner, false).await.expect("counted"), 7);
    }

    async fn cursors_of_other_lists_are_refused(store: Store) {
        let owner = account(&store, "alice").await.id;
        let mut chat = session(owner, &[]);
        chat.message_count = 1;
        store.chats.create(&chat, &[message(&chat, 1)]).await.expect("a session");
        let of_session = store.chats.page(owner, false, &first(1, None)).await.expect("a page").items.remove(0).1;
        let of_message = store.chats.message_page(chat.id, &first(1, None)).await.expect("a page").items.remove(0).1;
        for bad in ["", "???", of_message.as_str()] {
            let error = store.chats.page(owner, false, &last(1, Some(bad))).await.expect_err("refused");
            assert_eq!((error.code(), error.fields()[0].path[0].as_str()), (Code::BadUserInput, "before"));
        }
        for bad in ["", "???", of_session.as_str()] {
            let error = store.chats.message_page(chat.id, &first(1, Some(bad))).await.expect_err("refused");
            assert_eq!((error.code(), error.fields()[0].path[0].as_str()), (Code::BadUserInput, "after"));
        }
    }

    async fn an_archived_session_stands_in_the_other_list(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (kept, put_away) = (stored_session(&store, owner).await, stored_session(&store, owner).await);
        let change = SessionChange { is_archived: Some(true), title: Some("Old".into()), ..SessionChange::default() };
        let changed = store.chats.update(put_away.id, change, later(9)).await.expect("no error").expect("there");
        assert_eq!((changed.is_archived, changed.title.as_str(), changed.model.as_str(), changed.updated_at), (true, "Old", "demo", later(9)));
        let chats = &store.chats;
        let list = |archived| async move { chats.page(owner, archived, &first(9, None)).await.expect("a page").items.remove(0).0.id };
        assert_eq!((list(false).await, list(true).await), (kept.id, put_away.id));
        assert_eq!((store.chats.count(owner, true).await.expect("counted"), store.chats.count_by_owner(owner).await.expect("counted")), (1, 2));
        assert_eq!(store.chats.update(SessionId::new(), SessionChange::default(), later(9)).await.expect("no error"), None);
    }

    async fn what_is_not_to_change_of_a_setup_stays(store: Store) {
        let owner = account(&store, "alice").await.id;
        let mut chat = session(owner, &[]);
        chat.setup = SessionSetup {
            preset: Some(PresetId::new()),
            persona: Some(PersonaId::new()),
            world_books: vec![WorldBookId::new(), WorldBookId::new()],
            authors_note: Some(AuthorsNote { content: "note\u{0}".into(), ..AuthorsNote::default() }),
            ..SessionSetup::default()
        };
        chat.state = SessionState {
            variables: Variables::from([("hp".into(), "7".into())]),
            other: serde_json::json!({ "timed": { "sticky": [1] } }).as_object().expect("an object").clone(),
        };
        store.chats.create(&chat, &[]).await.expect("stored");
        assert_eq!(store.chats.get(chat.id).await.expect("read").as_ref(), Some(&chat));
        let setup = SetupChange {
            persona: Some(None),
            world_books: Some(vec![]),
            variables: Some(Variables::from([("mp".into(), "3".into())])),
            ..SetupChange::default()
        };
        let change = SessionChange { setup, ..SessionChange::default() };
        let changed = store.chats.update(chat.id, change, later(1)).await.expect("no error").expect("there");
        assert_eq!(changed.setup, SessionSetup { persona: None, world_books: vec![], ..chat.setup });
        assert_eq!((changed.state.variables["mp"].as_str(), &changed.state.other), ("3", &chat.state.other));
        assert_eq!(store.chats.get(chat.id).await.expect("read"), Some(changed));
    }

    async fn changes_of_the_state_at_once_are_all_kept(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = stored_session(&store, owner).await;
        let changes = (0..8).map(|number| {
            let chats = store.chats.clone();
            async move { chats.change_state(chat.id, move |state| { state.variables.insert(format!("v{number}"), "x".into()); }).await }
        });
        for changed in join_all(changes).await {
            assert!(changed.expect("no error"));
        }
        assert_eq!(store.chats.get(chat.id).await.expect("read").expect("there").state.variables.len(), 8);
        assert!(!store.chats.change_state(SessionId::new(), |_| ()).await.expect("no error"));
    }

    async fn a_touched_session_moves_up(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (old, new) = (stored_session(&store, owner).await, stored_session(&store, owner).await);
        let top = || async { store.chats.page(owner, false, &first(1, None)).await.expect("a page").items.remove(0).0.id };
        assert_eq!(top().await, new.id);
        store.chats.touch(old.id, later(1)).await.expect("touched");
        assert_eq!(top().await, old.id);
    }

    async fn a_deleted_session_takes_everything_along_and_says_what(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = stored_session(&store, owner).await;
        let (row, reply) = (message(&chat, 1), generation(&chat));
        let started = TurnStart { messages: vec![row.clone()], generation: Some(reply.clone()), ..turn(&chat) };
        store.chats.begin_turn(started).await.expect("a turn");
        let deleted = store.chats.delete(chat.id).await.expect("no error").expect("there");
        assert_eq!((deleted.messages, deleted.generations), (vec![row.id], vec![reply.id]));
        assert_eq!(store.chats.get(chat.id).await.expect("read"), None);
        assert_eq!(store.chats.message(row.id).await.expect("read"), None);
        assert_eq!(store.generations.get(reply.id).await.expect("read"), None);
        assert_eq!(store.chats.delete(chat.id).await.expect("no error"), None);
    }

    async fn messages_are_paged_by_sequence_both_ways(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = session(owner, &[]);
        let rows: Vec<_> = [1, 2, 5, 6, 9].map(|sequence| message(&chat, sequence)).into();
        store.chats.create(&chat, &rows).await.expect("a session");
        let one = store.chats.message_page(chat.id, &first(2, None)).await.expect("a page");
        assert_eq!((one.items[1].0.sequence, one.has_next, one.has_previous), (2, true, false));
        let two = store.chats.message_page(chat.id, &first(9, Some(&one.items[1].1))).await.expect("a page");
        assert_eq!(two.items.iter().map(|item| item.0.clone()).collect::<Vec<_>>(), rows[2..]);
        assert!(!two.has_next && two.has_previous);
        let back = store.chats.message_page(chat.id, &last(2, Some(&two.items[2].1))).await.expect("a page");
        assert_eq!(back.items.iter().map(|item| item.0.sequence).collect::<Vec<_>>(), [5, 6]);
        let between = PageRequest { limit: 9, direction: Direction::Forward, after: Some(one.items[0].1.clone()), before: Some(two.items[1].1.clone()) };
        let between = store.chats.message_page(chat.id, &between).await.expect("a page");
        assert_eq!(between.items.iter().map(|item| item.0.sequence).collect::<Vec<_>>(), [2, 5]);
    }

    async fn the_tail_ends_before_a_sequence(store: Store) {
        let owner = account(&store, "alice").await.id;
        let chat = session(owner, &[]);
        let rows: Vec<_> = (1..=5).map(|sequence| message(&chat, sequence)).collect();
        store.chats.create(&chat, &rows).await.expect("a session");
        assert_eq!(store.chats.tail(chat.id, None, 2).await.expect("read"), rows[3..]);
        assert_eq!(store.chats.tail(chat.id, Some(4), 2).await.expect("read"), rows[1..3]);
        assert_eq!(store.chats.tail(chat.id, Some(1), 2).await.expect("read"), []);
    }

    async fn a_message_is_hidden_only_through_its_own_session(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (chat, other) = (session(owner, &[]), stored_session(&store, owner).await);
        let row = message(&chat, 1);
        store.chats.create(&chat, std::slice::from_ref(&row)).await.expect("a session");
        assert_eq!(store.chats.set_hidden(other.id, row.id, true).await.expect("no error"), None);
        assert!(store.chats.set_hidden(chat.id, row.id, true).await.expect("no error").expect("there").is_hidden);
        assert!(store.chats.messages(&[row.id, MessageId::new()]).await.expect("read")[0].is_hidden);
    }

    async fn deleted_messages_are_counted_off_and_their_generations_stay(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (chat, other) = (stored_session(&store, owner).await, stored_session(&store, owner).await);
        let rows = vec![message(&chat, 1), message(&chat, 2)];
        let mut reply = generation(&chat);
        reply.message = Some(rows[1].id);
        store.chats.begin_turn(TurnStart { messages: rows.clone(), generation: Some(reply.clone()), ..turn(&chat) }).await.expect("a turn");
        let foreign = message(&other, 1);
        store.chats.begin_turn(TurnStart { messages: vec![foreign.clone()], ..turn(&other) }).await.expect("a turn");
        let deleted = store.chats.delete_messages(chat.id, &[rows[1].id, foreign.id, MessageId::new()], later(5)).await.expect("deleted");
        assert_eq!(deleted, [rows[1].id]);
        let left = store.chats.get(chat.id).await.expect("read").expect("there");
        assert_eq!((left.message_count, left.updated_at), (1, later(5)));
        assert_eq!(store.generations.get(reply.id).await.expect("read").expect("kept").message, None);
        assert!(store.chats.message(foreign.id).await.expect("read").is_some());
        assert_eq!(store.chats.delete_messages(chat.id, &[rows[1].id], later(6)).await.expect("no error"), []);
    }

    async fn a_running_reply_goes_with_its_session_while_it_is_finished(store: Store) {
        let owner = account(&store, "alice").await.id;
        for _ in 0..10 {
            let chat = stored_session(&store, owner).await;
            let mut reply = running(&store, &chat).await;
            reply.status = tavern_domain::generation::GenerationStatus::Completed;
            let (deleted, _finished) = tokio::join!(store.chats.delete(chat.id), store.generations.finish(&reply, 1));
            assert_eq!(deleted.expect("no deadlock").expect("there").generations, [reply.id]);
        }
    }

    async fn a_session_of_nobody_is_refused(store: Store) {
        let error = store.chats.create(&session(UserId::new(), &[]), &[]).await.expect_err("no such owner");
        assert_eq!(error.code(), Code::Internal);
    }
}
