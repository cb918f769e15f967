//! Lists of characters: scope, filter, order, pages.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tavern_domain::Code;
use tavern_domain::character::{Character, CharacterFilter, CharacterOrder, Visibility};
use tavern_domain::page::{Direction, PageRequest};
use tavern_storage::{CharacterQuery, CharacterScope, ListedCreator, Store};

use crate::support::{account, character, first, last, on_both, session, stored_character};

const ORDERS: [CharacterOrder; 6] = [
    CharacterOrder::Popular,
    CharacterOrder::Rating,
    CharacterOrder::Created,
    CharacterOrder::Updated,
    CharacterOrder::Relevance,
    CharacterOrder::Trending,
];

fn query(order: CharacterOrder, page: PageRequest) -> CharacterQuery {
    CharacterQuery {
        filter: CharacterFilter::default(),
        order,
        page,
        scope: CharacterScope::Public,
        with_text: false,
        with_creator: false,
    }
}

fn filtered(filter: CharacterFilter) -> CharacterQuery {
    CharacterQuery {
        filter,
        ..query(CharacterOrder::Created, first(100, None))
    }
}

/// The names on the page, and that `count` agrees.
async fn names(store: &Store, query: &CharacterQuery) -> Vec<String> {
    let page = store.characters.list(query).await.expect("a page");
    assert_eq!(
        store.characters.count(query).await.expect("a count"),
        page.items.len() as u64
    );
    page.items.into_iter().map(|item| item.summary.name).collect()
}

async fn put(store: &Store, mut character: Character, change: impl FnOnce(&mut Character)) {
    change(&mut character);
    store.characters.insert(&character).await.expect("stored");
}

/// Walks all pages in one direction and gives the names in the list's order.
async fn walk(store: &Store, base: &CharacterQuery, direction: Direction, size: u32) -> Vec<String> {
    let (mut names, mut cursor): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let forward = direction == Direction::Forward;
        let page = if forward {
            first(size, cursor.as_deref())
        } else {
            last(size, cursor.as_deref())
        };
        let page = store
            .characters
            .list(&CharacterQuery { page, ..base.clone() })
            .await
            .expect("a page");
        assert_eq!(
            if forward { page.has_previous } else { page.has_next },
            cursor.is_some()
        );
        let end = if forward { page.items.last() } else { page.items.first() };
        cursor = end.map(|item| item.cursor.clone());
        let part = page.items.iter().map(|item| item.summary.name.clone());
        if forward {
            names.extend(part);
        } else {
            names.splice(0..0, part);
        }
        if !(if forward { page.has_next } else { page.has_previous }) {
            return names;
        }
    }
}

/// Characters whose sort keys tie often.
fn rows() -> impl Strategy<Value = Vec<(i32, u8, i32, i64, bool)>> {
    prop::collection::vec((0..3, 0..3_u8, 0..2, 0..3_i64, prop::bool::weighted(0.2)), 0..25)
}

on_both! {
    async fn pages_of_any_order_give_every_row_once_both_ways(store: Store) {
        let creator = account(&store, "alice").await.id;
        let mut runner = TestRunner::new(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() });
        let cases: Vec<_> = (0..12).map(|_| (rows(), 1..7_u32).new_tree(&mut runner).expect("a case").current()).collect();
        for (number, (rows, size)) in cases.into_iter().enumerate() {
            let tag = format!("case {number}");
            let mut expected = 0;
            for (row, (chats, rating, raters, at, nsfw)) in rows.into_iter().enumerate() {
                expected += usize::from(!nsfw);
                put(&store, character(creator, &format!("tale {row}")), |c| {
                    c.summary.tags = vec![tag.clone()];
                    (c.summary.chat_count, c.summary.rating, c.summary.rating_count, c.summary.is_nsfw) = (chats, f64::from(rating) / 3.0, raters, nsfw);
                    (c.summary.created_at.0, c.summary.updated_at.0) = (1_000 + at, 2_000 + at / 2);
                }).await;
            }
            for order in ORDERS {
                let mut base = query(order, first(0, None));
                base.filter = CharacterFilter { tags: vec![tag.clone()], nsfw: Some(false), ..CharacterFilter::default() };
                if order == CharacterOrder::Relevance {
                    base.filter.query = Some("tale".into());
                }
                let forward = walk(&store, &base, Direction::Forward, size).await;
                let mut unique = forward.clone();
                unique.sort();
                unique.dedup();
                assert_eq!((forward.len(), unique.len()), (expected, expected), "{order:?} by {size}");
                assert_eq!(walk(&store, &base, Direction::Backward, size).await, forward, "{order:?} by {size}");
            }
        }
    }

    async fn each_order_has_its_key_first(store: Store) {
        let creator = account(&store, "alice").await.id;
        put(&store, character(creator, "chats"), |c| c.summary.chat_count = 50).await;
        put(&store, character(creator, "rated"), |c| (c.summary.rating, c.summary.rating_count) = (4.0, 9)).await;
        put(&store, character(creator, "rated by fewer"), |c| (c.summary.rating, c.summary.rating_count) = (4.0, 2)).await;
        put(&store, character(creator, "edited"), |c| c.summary.updated_at.0 += 1_000_000).await;
        put(&store, character(creator, "new"), |c| (c.summary.created_at.0, c.summary.updated_at.0) = (c.summary.created_at.0 + 10, 0)).await;
        for (order, name) in [(CharacterOrder::Popular, "chats"), (CharacterOrder::Relevance, "chats"), (CharacterOrder::Trending, "chats"), (CharacterOrder::Updated, "edited"), (CharacterOrder::Created, "new")] {
            assert_eq!(names(&store, &query(order, first(100, None))).await[0], name, "{order:?}");
        }
        assert_eq!(names(&store, &query(CharacterOrder::Rating, first(100, None))).await[..2], ["rated", "rated by fewer"]);
    }

    async fn a_chat_moves_a_character_up_the_trend(store: Store) {
        let creator = account(&store, "alice").await.id;
        let old = stored_character(&store, creator, "old").await;
        stored_character(&store, creator, "new").await;
        let trend = query(CharacterOrder::Trending, first(100, None));
        assert_eq!(names(&store, &trend).await, ["new", "old"]);
        store.chats.create(&session(creator, &[old.summary.id]), &[]).await.expect("a chat");
        assert_eq!(names(&store, &trend).await, ["old", "new"]);
    }

    async fn a_scope_shows_what_it_may(store: Store) {
        let (alice, bob) = (account(&store, "alice").await.id, account(&store, "bob").await.id);
        for (creator, name) in [(alice, "a"), (bob, "b")] {
            for visibility in Visibility::ALL {
                put(&store, character(creator, &format!("{name}{}", visibility.code())), |c| c.summary.visibility = visibility).await;
            }
        }
        let expected: [(CharacterScope, &[&str]); 4] = [
            (CharacterScope::Public, &["b2", "a2"]),
            (CharacterScope::OwnedBy(alice), &["a2", "a1", "a0"]),
            (CharacterScope::PublicOf(alice), &["a2"]),
            (CharacterScope::All, &["b2", "b1", "b0", "a2", "a1", "a0"]),
        ];
        for (scope, shown) in expected {
            assert_eq!(names(&store, &CharacterQuery { scope, ..filtered(CharacterFilter::default()) }).await, shown, "{scope:?}");
        }
    }

    async fn filters_keep_what_meets_all_of_them(store: Store) {
        let (alice, bob) = (account(&store, "Alice").await.id, account(&store, "bob").await.id);
        put(&store, character(alice, "elf"), |c| (c.summary.tags, c.summary.rating) = (vec!["Fantasy".into(), "Elf".into()], 4.5)).await;
        put(&store, character(alice, "orc"), |c| (c.summary.tags, c.summary.is_nsfw) = (vec!["fantasy".into()], true)).await;
        put(&store, character(bob, "bot"), |c| (c.summary.tags, c.summary.rating) = (vec!["SciFi".into()], 3.0)).await;
        let text = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        let expected: [(CharacterFilter, &[&str]); 9] = [
            (CharacterFilter { tags: text(&["FANTASY"]), ..Default::default() }, &["orc", "elf"]),
            (CharacterFilter { tags: text(&["fantasy", "elf"]), ..Default::default() }, &["elf"]),
            (CharacterFilter { exclude_tags: text(&["Elf", "scifi"]), ..Default::default() }, &["orc"]),
            (CharacterFilter { creator: Some("ALICE".into()), ..Default::default() }, &["orc", "elf"]),
            (CharacterFilter { creator: Some("nobody".into()), ..Default::default() }, &[]),
            (CharacterFilter { nsfw: Some(false), ..Default::default() }, &["bot", "elf"]),
            (CharacterFilter { nsfw: Some(true), ..Default::default() }, &["orc"]),
            (CharacterFilter { min_rating: Some(3.0), ..Default::default() }, &["bot", "elf"]),
            (CharacterFilter { tags: text(&["fantasy"]), creator: Some("alice".into()), nsfw: Some(false), min_rating: Some(4.0), ..Default::default() }, &["elf"]),
        ];
        for (filter, shown) in expected {
            assert_eq!(names(&store, &filtered(filter.clone())).await, shown, "{filter:?}");
        }
    }

    async fn text_and_creator_come_with_the_page_when_asked_for(store: Store) {
        let user = account(&store, "alice").await;
        let mut stored = character(user.id, "One");
        stored.summary.tags = vec!["x".into()];
        (stored.text.description, stored.text.alternate_greetings, stored.text.character_version) = ("A tale.".into(), vec!["hi".into()], "7".into());
        store.characters.insert(&stored).await.expect("stored");
        put(&store, character(user.id, "Nobody's"), |c| c.summary.creator = None).await;
        let creator = ListedCreator { id: user.id, username: "alice".into(), display_name: "alice".into(), bio: String::new(), created_at: user.created_at };
        for (with_text, with_creator) in [(false, false), (true, false), (false, true), (true, true)] {
            for order in ORDERS {
                let asked = CharacterQuery { with_text, with_creator, ..query(order, first(9, None)) };
                let page = store.characters.list(&asked).await.expect("a page");
                let (nobodys, one): (Vec<_>, Vec<_>) = page.items.into_iter().partition(|item| item.summary.creator.is_none());
                assert_eq!(one[0].summary, stored.summary);
                assert_eq!(one[0].text, with_text.then(|| stored.text.clone()));
                assert_eq!(one[0].creator, with_creator.then(|| creator.clone()));
                assert_eq!(nobodys[0].creator, None);
            }
        }
    }

    async fn a_page_between_two_cursors_holds_what_is_between(store: Store) {
        let creator = account(&store, "alice").await.id;
        for name in ["a", "b", "c", "d", "e"] {
            stored_character(&store, creator, name).await;
        }
        let all = store.characters.list(&query(CharacterOrder::Created, first(5, None))).await.expect("a page").items;
        let page = PageRequest { limit: 9, direction: Direction::Forward, after: Some(all[0].cursor.clone()), before: Some(all[4].cursor.clone()) };
        assert_eq!(names_only(&store, page).await, ["d", "c", "b"]);
        let page = PageRequest { limit: 2, direction: Direction::Backward, after: Some(all[0].cursor.clone()), before: Some(all[4].cursor.clone()) };
        assert_eq!(names_only(&store, page).await, ["c", "b"]);
    }

    async fn a_page_of_none_tells_whether_there_are_any(store: Store) {
        let creator = account(&store, "alice").await.id;
        let none = query(CharacterOrder::Popular, first(0, None));
        assert!(!store.characters.list(&none).await.expect("a page").has_next);
        stored_character(&store, creator, "One").await;
        let page = store.characters.list(&none).await.expect("a page");
        assert!(page.items.is_empty() && page.has_next);
    }

    async fn what_is_no_cursor_of_the_order_is_refused(store: Store) {
        let creator = account(&store, "alice").await.id;
        stored_character(&store, creator, "One").await;
        let popular = store.characters.list(&query(CharacterOrder::Popular, first(1, None))).await.expect("a page").items[0].cursor.clone();
        let longer = format!("{popular}AAAA");
        for bad in ["", "x", "%%%", &popular, &longer, &"A".repeat(10_000)] {
            for (argument, page) in [("after", first(1, Some(bad))), ("before", last(1, Some(bad)))] {
                let error = store.characters.list(&query(CharacterOrder::Created, page)).await.expect_err("refused");
                assert_eq!((error.code(), error.fields()[0].path[0].as_str()), (Code::BadUserInput, argument), "{bad:.20}");
            }
        }
    }
}

async fn names_only(store: &Store, page: PageRequest) -> Vec<String> {
    let page = store
        .characters
        .list(&query(CharacterOrder::Created, page))
        .await
        .expect("a page");
    page.items.into_iter().map(|item| item.summary.name).collect()
}
