//! Characters: what is stored comes back, and changes are made from the version they name.

use std::collections::BTreeSet;

use tavern_domain::character::{Character, CharacterText, Visibility};
use tavern_domain::{CharacterId, WorldBookId};
use tavern_storage::Store;

use crate::support::{account, character, later, on_both, session, stored_character};

/// Every field has a value of its own.
fn full(creator: tavern_domain::UserId) -> Character {
    let mut full = character(creator, "Zoë");
    full.summary.tags = vec!["Fantasy".into(), "fantasy".into(), "海".into()];
    full.summary.visibility = Visibility::Unlisted;
    full.summary.is_nsfw = true;
    (
        full.summary.rating,
        full.summary.rating_count,
        full.summary.chat_count,
        full.summary.favorite_count,
    ) = (4.25, 8, 3, 5);
    full.summary.avatar = Some("ab".repeat(32));
    full.text = CharacterText {
        nickname: Some("Z".into()),
        description: "description".into(),
        personality: "personality".into(),
        scenario: "scenario".into(),
        first_message: "first".into(),
        alternate_greetings: vec!["a".into(), "\"b\"".into()],
        group_only_greetings: vec!["g".into()],
        example_dialogue: "<START>".into(),
        system_prompt: "system".into(),
        post_history_instructions: "post".into(),
        creator_notes: "notes".into(),
        creator_notes_by_language: vec![("ja".into(), "x".into()), ("de".into(), "y".into())],
        character_version: "1.2".into(),
        spec_version: "3.0".into(),
    };
    full.world_book = Some(WorldBookId::new());
    full
}

on_both! {
    async fn a_character_comes_back_as_it_was_stored(store: Store) {
        let user = account(&store, "alice").await.id;
        let (stored, other) = (full(user), character(user, "Other"));
        store.characters.insert(&stored).await.expect("stored");
        store.characters.insert(&other).await.expect("stored");
        assert_eq!(store.characters.get(stored.summary.id).await.expect("read").as_ref(), Some(&stored));
        let found = store.characters.by_ids(&[stored.summary.id, CharacterId::new(), other.summary.id]).await.expect("read");
        assert_eq!(found.len(), 2);
        assert!(found.contains(&stored) && found.contains(&other));
    }

    async fn a_long_list_of_ids_is_found_whole(store: Store) {
        let user = account(&store, "alice").await.id;
        let mut ids = BTreeSet::new();
        for number in 0..130 {
            ids.insert(stored_character(&store, user, &format!("n{number}")).await.summary.id);
        }
        let wanted: Vec<_> = ids.iter().copied().collect();
        let found = store.characters.by_ids(&wanted).await.expect("read");
        assert_eq!(found.len(), 130);
        assert_eq!(found.iter().map(|character| character.summary.id).collect::<BTreeSet<_>>(), ids);
    }

    async fn a_change_from_an_old_version_is_refused(store: Store) {
        let user = account(&store, "alice").await.id;
        let stored = stored_character(&store, user, "One").await;
        let mut changed = stored.clone();
        changed.summary.version = 2;
        changed.summary.name = "Two".into();
        assert!(!store.characters.update(&changed, 7).await.expect("no error"));
        assert_eq!(store.characters.get(stored.summary.id).await.expect("read"), Some(stored));
        assert!(store.characters.update(&changed, 1).await.expect("changed"));
        assert!(!store.characters.update(&changed, 1).await.expect("no error"));
        assert_eq!(store.characters.get(changed.summary.id).await.expect("read"), Some(changed));
    }

    async fn a_change_leaves_counters_and_creator_alone(store: Store) {
        let user = account(&store, "alice").await.id;
        let stored = full(user);
        store.characters.insert(&stored).await.expect("stored");
        let mut changed = stored.clone();
        changed.summary.version = 2;
        changed.summary.updated_at = later(1);
        (changed.summary.rating, changed.summary.rating_count, changed.summary.chat_count, changed.summary.favorite_count, changed.summary.creator) = (0.0, 0, 0, 0, None);
        assert!(store.characters.update(&changed, 1).await.expect("changed"));
        let found = store.characters.get(stored.summary.id).await.expect("read").expect("there").summary;
        assert_eq!((found.rating, found.rating_count, found.chat_count, found.favorite_count, found.creator), (4.25, 8, 3, 5, Some(user)));
        assert_eq!(found.updated_at, later(1));
    }

    async fn a_deleted_character_leaves_its_chats(store: Store) {
        let user = account(&store, "alice").await.id;
        let mut tagged = character(user, "Gone");
        tagged.summary.tags = vec!["tag".into()];
        store.characters.insert(&tagged).await.expect("stored");
        let chat = session(user, &[tagged.summary.id]);
        store.chats.create(&chat, &[]).await.expect("a chat");
        assert!(store.characters.delete(tagged.summary.id).await.expect("deleted"));
        assert!(!store.characters.delete(tagged.summary.id).await.expect("no error"));
        assert_eq!(store.characters.get(tagged.summary.id).await.expect("read"), None);
        assert_eq!(store.chats.get(chat.id).await.expect("read"), Some(chat));
    }

    async fn characters_are_counted_by_creator(store: Store) {
        let (alice, bob) = (account(&store, "alice").await.id, account(&store, "bob").await.id);
        stored_character(&store, alice, "One").await;
        let mut private = character(alice, "Two");
        private.summary.visibility = Visibility::Private;
        store.characters.insert(&private).await.expect("stored");
        stored_character(&store, bob, "Three").await;
        assert_eq!(store.characters.count_by_creator(alice).await.expect("counted"), 2);
    }

    async fn a_chat_counts_once_for_each_of_its_characters(store: Store) {
        let user = account(&store, "alice").await.id;
        let (one, two) = (stored_character(&store, user, "One").await, stored_character(&store, user, "Two").await);
        let gone = CharacterId::new();
        store.chats.create(&session(user, &[one.summary.id, two.summary.id, gone]), &[]).await.expect("a chat");
        store.chats.create(&session(user, &[two.summary.id]), &[]).await.expect("a chat");
        for (character, chats) in [(one, 1), (two, 2)] {
            assert_eq!(store.characters.get(character.summary.id).await.expect("read").expect("there").summary.chat_count, chats);
        }
    }
}
