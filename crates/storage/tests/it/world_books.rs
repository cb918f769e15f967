//! World books: stored whole, changed entry by entry, counted and bounded.

use serde_json::json;
use tavern_domain::lore::{LoreEntry, LoreFormat, LorePosition, LoreSource, WorldBook, WorldBookText, WorldEntry};
use tavern_domain::{UserId, WorldBookId, WorldEntryId};
use tavern_storage::{EntryOutcome, Room, Store};

use crate::support::{NOW, account, character, first, last, later, on_both};

const ROOM: Room = Room {
    entries: 1_000,
    bytes: 1 << 20,
};

fn book(owner: UserId, name: &str) -> WorldBook {
    WorldBook {
        id: WorldBookId::new(),
        owner,
        text: WorldBookText {
            name: name.into(),
            extensions: json!({}),
            ..WorldBookText::default()
        },
        is_public: false,
        version: 1,
        entry_count: 0,
        bytes: 0,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn entry(book: &WorldBook, content: &str) -> WorldEntry {
    WorldEntry {
        id: WorldEntryId::new(),
        book: book.id,
        version: 1,
        entry: LoreEntry {
            content: content.into(),
            ..LoreEntry::default()
        },
    }
}

/// Stores a book with entries of these contents.
async fn stored(store: &Store, owner: UserId, contents: &[&str]) -> (WorldBook, Vec<WorldEntry>) {
    let mut book = book(owner, "Book");
    let entries: Vec<_> = contents.iter().map(|content| entry(&book, content)).collect();
    book.entry_count = i32::try_from(entries.len()).expect("few");
    book.bytes = contents
        .iter()
        .map(|content| i64::try_from(content.len()).expect("short"))
        .sum();
    store
        .documents
        .insert_world_book(&book, &entries)
        .await
        .expect("stored");
    (book, entries)
}

async fn contents(store: &Store, book: WorldBookId) -> Vec<String> {
    let entries = store.documents.world_entries(book).await.expect("read");
    entries.into_iter().map(|entry| entry.entry.content).collect()
}

fn done(outcome: EntryOutcome) -> WorldBook {
    match outcome {
        EntryOutcome::Done(book) => *book,
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn a_book_and_its_entries_come_back_as_they_were_stored(store: Store) {
        let owner = account(&store, "alice").await.id;
        let mut full = book(owner, "Eldoria \u{0} ☃");
        full.text = WorldBookText {
            description: "d".into(),
            tags: vec!["a".into(), "b".into()],
            scan_depth: Some(3),
            token_budget: Some(400),
            recursive: Some(false),
            extensions: json!({ "z": 1, "a": [null] }),
            source: Some(LoreSource { format: LoreFormat::CardV3, json: json!({ "name": "E" }), key: None }),
            ..full.text
        };
        full.is_public = true;
        full.entry_count = 1;
        let mut one = entry(&full, "content");
        one.entry.position = LorePosition::AtDepth;
        one.entry.sticky = Some(2);
        one.entry.extensions = json!({ "k": "v" });
        one.entry.source = Some(LoreSource { format: LoreFormat::SillyTavern, json: json!({ "uid": 7 }), key: Some("k".into()) });
        full.bytes = i64::try_from(one.entry.bytes()).expect("short");
        store.documents.insert_world_book(&full, std::slice::from_ref(&one)).await.expect("stored");
        assert_eq!(store.documents.world_books(&[WorldBookId::new(), full.id]).await.expect("read"), [full.clone()]);
        assert_eq!(store.documents.world_entries(full.id).await.expect("read"), [one.clone()]);
        assert_eq!(store.documents.world_entry(one.id).await.expect("read"), Some(one));
    }

    async fn a_book_of_thousands_of_entries_keeps_their_order(store: Store) {
        let owner = account(&store, "alice").await.id;
        let names: Vec<String> = (0..2_345).map(|number| format!("entry {number}")).collect();
        let given: Vec<&str> = names.iter().map(String::as_str).collect();
        let (book, _) = stored(&store, owner, &given).await;
        assert_eq!(contents(&store, book.id).await, names);
    }

    async fn an_added_entry_comes_last_and_raises_the_book(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (book, _) = stored(&store, owner, &["one"]).await;
        let now = done(store.documents.add_world_entry(&entry(&book, "two!"), ROOM, later(5)).await.expect("added"));
        assert_eq!((now.version, now.entry_count, now.bytes, now.updated_at), (2, 2, 7, later(5)));
        assert_eq!(store.documents.world_books(&[book.id]).await.expect("read"), [now]);
        assert_eq!(contents(&store, book.id).await, ["one", "two!"]);
    }

    async fn an_entry_changes_from_the_version_named(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (book, entries) = stored(&store, owner, &["one"]).await;
        let mut changed = entries[0].clone();
        changed.version = 2;
        changed.entry.content = "longer".into();
        let now = done(store.documents.update_world_entry(&changed, 1, ROOM, later(1)).await.expect("changed"));
        assert_eq!((now.version, now.bytes), (2, 6));
        let again = store.documents.update_world_entry(&changed, 1, ROOM, later(2)).await.expect("no error");
        assert_eq!(again, EntryOutcome::Stale);
        assert_eq!(store.documents.world_books(&[book.id]).await.expect("read")[0].version, 2, "nothing has changed");
        assert_eq!(store.documents.world_entry(changed.id).await.expect("read"), Some(changed));
    }

    async fn changes_of_different_entries_at_once_are_all_kept(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (book, entries) = stored(&store, owner, &["0"; 12]).await;
        let changes = entries.iter().map(|entry| {
            let mut changed = entry.clone();
            changed.version = 2;
            changed.entry.content = "changed".into();
            let documents = store.documents.clone();
            async move { documents.update_world_entry(&changed, 1, ROOM, NOW).await }
        });
        for outcome in futures::future::join_all(changes).await {
            done(outcome.expect("no error"));
        }
        assert_eq!(contents(&store, book.id).await, ["changed"; 12]);
        let now = &store.documents.world_books(&[book.id]).await.expect("read")[0];
        assert_eq!((now.version, now.bytes), (13, 12 * 7));
    }

    async fn of_two_changes_of_one_entry_one_is_stale(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (_, entries) = stored(&store, owner, &["0"]).await;
        let mut changed = entries[0].clone();
        changed.version = 2;
        let (one, two) = tokio::join!(
            store.documents.update_world_entry(&changed, 1, ROOM, NOW),
            store.documents.update_world_entry(&changed, 1, ROOM, NOW),
        );
        let stale = [one, two].into_iter().filter(|outcome| matches!(outcome, Ok(EntryOutcome::Stale))).count();
        assert_eq!(stale, 1);
    }

    async fn a_full_book_takes_nothing_more_but_may_shrink(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (book, entries) = stored(&store, owner, &["1234", "5678"]).await;
        let documents = &store.documents;
        let two = Room { entries: 2, bytes: 1_000 };
        assert_eq!(documents.add_world_entry(&entry(&book, "x"), two, NOW).await.expect("no error"), EntryOutcome::Full);
        let eight = Room { entries: 9, bytes: 8 };
        assert_eq!(documents.add_world_entry(&entry(&book, "x"), eight, NOW).await.expect("no error"), EntryOutcome::Full);
        let mut changed = entries[0].clone();
        changed.version = 2;
        changed.entry.content = "12345".into();
        assert_eq!(documents.update_world_entry(&changed, 1, eight, NOW).await.expect("no error"), EntryOutcome::Full);
        changed.entry.content = "12".into();
        let four = Room { entries: 1, bytes: 4 };
        assert_eq!(done(documents.update_world_entry(&changed, 1, four, NOW).await.expect("no error")).bytes, 6);
        let three = Room { entries: 3, bytes: 8 };
        assert_eq!(done(documents.add_world_entry(&entry(&book, "xy"), three, NOW).await.expect("no error")).bytes, 8);
    }

    async fn deleted_entries_are_counted_off_and_foreign_ones_stay(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (book, entries) = stored(&store, owner, &["one", "two", "three"]).await;
        let (other, foreign) = stored(&store, owner, &["other"]).await;
        let ids = [entries[0].id, foreign[0].id, WorldEntryId::new(), entries[2].id, entries[2].id];
        let (now, mut deleted) = store.documents.delete_world_entries(book.id, &ids, later(3)).await.expect("deleted").expect("a book");
        deleted.sort();
        let mut expected = vec![entries[0].id, entries[2].id];
        expected.sort();
        assert_eq!(deleted, expected);
        assert_eq!((now.version, now.entry_count, now.bytes, now.updated_at), (2, 1, 3, later(3)));
        assert_eq!(contents(&store, book.id).await, ["two"]);
        assert_eq!(contents(&store, other.id).await, ["other"]);
        let (same, none) = store.documents.delete_world_entries(book.id, &ids, later(4)).await.expect("no error").expect("a book");
        assert_eq!((same, none), (now, vec![]));
        assert_eq!(store.documents.delete_world_entries(WorldBookId::new(), &ids, NOW).await.expect("no error"), None);
        done(store.documents.add_world_entry(&entry(&book, "four"), ROOM, NOW).await.expect("added"));
        assert_eq!(contents(&store, book.id).await, ["two", "four"], "a freed place is not taken again");
    }

    async fn a_book_changes_from_the_version_named(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (mut book, _) = stored(&store, owner, &["one"]).await;
        book.text.name = "Other".into();
        book.is_public = true;
        book.version = 2;
        assert!(!store.documents.update_world_book(&book, 2).await.expect("no error"));
        assert!(store.documents.update_world_book(&book, 1).await.expect("changed"));
        assert!(!store.documents.update_world_book(&book, 1).await.expect("no error"));
        assert_eq!(store.documents.world_books(&[book.id]).await.expect("read"), [book]);
    }

    async fn a_deleted_book_takes_its_entries_along(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (book, entries) = stored(&store, owner, &["one"]).await;
        assert!(store.documents.delete_world_book(book.id).await.expect("deleted"));
        assert!(!store.documents.delete_world_book(book.id).await.expect("no error"));
        assert_eq!(store.documents.world_entry(entries[0].id).await.expect("read"), None);
        assert_eq!(store.documents.add_world_entry(&entry(&book, "x"), ROOM, NOW).await.expect("no error"), EntryOutcome::Stale);
    }

    async fn an_owners_books_come_the_last_changed_first_in_pages(store: Store) {
        let owner = account(&store, "alice").await.id;
        let other = account(&store, "bob").await.id;
        let mut ids = Vec::new();
        for age in [1, 2, 2, 3, 5] {
            let mut book = book(owner, "B");
            book.updated_at = later(age);
            store.documents.insert_world_book(&book, &[]).await.expect("stored");
            ids.push(book.id);
        }
        store.documents.insert_world_book(&book(other, "Not mine"), &[]).await.expect("stored");
        ids.reverse();
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        let (mut after, mut before) = (None, None);
        loop {
            let page = store.documents.world_book_page(owner, &first(2, after.as_deref())).await.expect("a page");
            forward.extend(page.items.iter().map(|item| item.0.id));
            if !page.has_next { break }
            after = page.items.last().map(|item| item.1.clone());
        }
        loop {
            let page = store.documents.world_book_page(owner, &last(2, before.as_deref())).await.expect("a page");
            backward.splice(0..0, page.items.iter().map(|item| item.0.id));
            if !page.has_previous { break }
            before = page.items.first().map(|item| item.1.clone());
        }
        assert_eq!((forward, backward), (ids.clone(), ids));
        assert_eq!(store.documents.count_world_books(owner).await.expect("counted"), 5);
    }

    async fn entries_come_in_their_order_in_pages(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (book, entries) = stored(&store, owner, &["a", "b", "c", "d", "e"]).await;
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        let one = store.documents.world_entry_page(book.id, &first(2, None)).await.expect("a page");
        assert_eq!(one.items.iter().map(|item| item.0.id).collect::<Vec<_>>(), ids[..2]);
        let two = store.documents.world_entry_page(book.id, &first(9, Some(&one.items[1].1))).await.expect("a page");
        assert_eq!(two.items.iter().map(|item| item.0.id).collect::<Vec<_>>(), ids[2..]);
        assert!(!two.has_next && two.has_previous);
        let back = store.documents.world_entry_page(book.id, &last(2, Some(&two.items[2].1))).await.expect("a page");
        assert_eq!(back.items.iter().map(|item| item.0.id).collect::<Vec<_>>(), ids[2..4]);
        let foreign = store.documents.world_book_page(owner, &first(1, None)).await.expect("a page").items[0].1.clone();
        store.documents.world_entry_page(book.id, &first(1, Some(&foreign))).await.expect_err("a cursor of another list");
    }

    async fn the_books_of_characters_that_are_not_private_are_known_with_their_creators(store: Store) {
        let (alice, bob) = (account(&store, "alice").await.id, account(&store, "bob").await.id);
        let books: Vec<_> = (0..3).map(|_| WorldBookId::new()).collect();
        for (creator, book, visibility) in [
            (alice, 0, tavern_domain::character::Visibility::Public),
            (alice, 0, tavern_domain::character::Visibility::Unlisted),
            (bob, 1, tavern_domain::character::Visibility::Unlisted),
            (alice, 2, tavern_domain::character::Visibility::Private),
        ] {
            let mut with_book = character(creator, "C");
            with_book.summary.visibility = visibility;
            with_book.world_book = Some(books[book]);
            store.characters.insert(&with_book).await.expect("stored");
        }
        let mut shown = store.characters.books_shown(&books).await.expect("read");
        shown.sort();
        let mut expected = vec![(books[0], alice), (books[1], bob)];
        expected.sort();
        assert_eq!(shown, expected);
    }
}
