//! Full-text search: the same words are found over both databases.

use tavern_domain::UserId;
use tavern_domain::character::{Character, CharacterFilter, CharacterOrder};
use tavern_storage::{CharacterQuery, CharacterScope, Store};

use crate::support::{account, character, first, on_both};

async fn put(store: &Store, creator: UserId, name: &str, description: &str) -> Character {
    let mut new = character(creator, name);
    new.text.description = description.into();
    store.characters.insert(&new).await.expect("stored");
    new
}

/// The names found, by relevance; every other order finds the same ones.
async fn found(store: &Store, words: &str) -> Vec<String> {
    let query = |order| CharacterQuery {
        filter: CharacterFilter {
            query: Some(words.into()),
            ..CharacterFilter::default()
        },
        order,
        page: first(100, None),
        scope: CharacterScope::Public,
        with_text: false,
        with_creator: true,
    };
    let mut lists = Vec::new();
    for order in [CharacterOrder::Created, CharacterOrder::Relevance] {
        let page = store.characters.list(&query(order)).await.expect("a page");
        assert_eq!(
            store.characters.count(&query(order)).await.expect("a count"),
            page.items.len() as u64
        );
        lists.push(page.items.into_iter().map(|item| item.summary.name).collect::<Vec<_>>());
    }
    let relevant = lists.pop().expect("two lists");
    let (mut a, mut b) = (relevant.clone(), lists.remove(0));
    a.sort();
    b.sort();
    assert_eq!(a, b, "{words}");
    relevant
}

on_both! {
    async fn operators_in_a_query_are_words_or_nothing(store: Store) {
        let creator = account(&store, "alice").await.id;
        put(&store, creator, "Rock and Roll", "loud").await;
        put(&store, creator, "Stone", "not loud").await;
        for (words, names) in [
            ("rock AND roll", vec!["Rock and Roll"]),
            ("rock AND stone", vec![]),
            ("rock OR stone", vec![]),
            ("NOT", vec!["Stone"]),
            ("\"roll and\"", vec!["Rock and Roll"]),
            ("roll* -stone", vec![]),
            ("name:rock", vec![]),
            ("rock'); DROP TABLE users; --", vec![]),
            ("(((", vec![]),
            ("& | ! <-> :*", vec![]),
            ("\\", vec![]),
        ] {
            assert_eq!(found(&store, words).await, names, "{words}");
        }
    }

    async fn blank_words_filter_nothing(store: Store) {
        let creator = account(&store, "alice").await.id;
        put(&store, creator, "One", "").await;
        assert_eq!(found(&store, "  ").await, ["One"]);
    }

    async fn all_words_must_be_there_wherever_they_are(store: Store) {
        let creator = account(&store, "alice").await.id;
        let mut new = character(creator, "Captain Nemo");
        new.summary.tags = vec!["Sea".into()];
        new.text.description = "Commands the Nautilus".into();
        new.text.creator_notes = "Best with jazz".into();
        new.text.personality = "secretive".into();
        store.characters.insert(&new).await.expect("stored");
        assert_eq!(found(&store, "nemo SEA nautilus jazz").await, ["Captain Nemo"]);
        assert!(found(&store, "nemo secretive").await.is_empty(), "personality is not searched");
    }

    async fn a_hit_in_the_name_outranks_one_in_the_description(store: Store) {
        let creator = account(&store, "alice").await.id;
        put(&store, creator, "Knight", "rides a dragon").await;
        put(&store, creator, "Dragon", "breathes fire").await;
        put(&store, creator, "Cook", "burns soup").await;
        assert_eq!(found(&store, "dragon").await, ["Dragon", "Knight"]);
    }

    async fn accents_prefixes_and_scripts_without_spaces(store: Store) {
        let creator = account(&store, "alice").await.id;
        put(&store, creator, "Zoë Müller", "").await;
        put(&store, creator, "月夜の桜", "").await;
        assert_eq!(found(&store, "zoe mull").await, ["Zoë Müller"]);
        assert_eq!(found(&store, "夜の").await, ["月夜の桜"]);
        assert!(found(&store, "桜夜").await.is_empty());
    }

    async fn an_edit_and_a_deletion_reach_the_index(store: Store) {
        let creator = account(&store, "alice").await.id;
        let mut edited = put(&store, creator, "Walrus", "").await;
        edited.summary.name = "Carpenter".into();
        edited.summary.version = 2;
        assert!(store.characters.update(&edited, 1).await.expect("changed"));
        assert!(found(&store, "walrus").await.is_empty());
        assert_eq!(found(&store, "carpenter").await, ["Carpenter"]);
        store.characters.delete(edited.summary.id).await.expect("deleted");
        assert!(found(&store, "carpenter").await.is_empty());
    }

    async fn the_longest_text_can_be_indexed(store: Store) {
        let creator = account(&store, "alice").await.id;
        let words: String = (0..40_000).map(|number| format!("w{number} ")).collect();
        let mut new = character(creator, "Encyclopaedia");
        (new.text.description, new.text.creator_notes) = (words.clone(), words);
        store.characters.insert(&new).await.expect("stored");
        assert_eq!(found(&store, "w17").await, ["Encyclopaedia"]);
    }
}
