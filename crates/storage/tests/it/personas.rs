//! Personas and presets: an account's own, changed from the version they name.

use serde_json::json;
use tavern_domain::chat::ChatRole;
use tavern_domain::persona::{Persona, PersonaPosition, PersonaRole, PersonaText};
use tavern_domain::preset::Preset;
use tavern_domain::{PersonaId, PresetId, UserId, WorldBookId};
use tavern_storage::Store;

use crate::support::{NOW, account, later, on_both};

fn persona(owner: UserId, name: &str) -> Persona {
    Persona {
        id: PersonaId::new(),
        owner,
        text: PersonaText {
            name: name.into(),
            ..PersonaText::default()
        },
        is_default: false,
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn preset(owner: UserId, name: &str) -> Preset {
    Preset {
        id: PresetId::new(),
        owner,
        name: name.into(),
        data: json!({ "chat": { "z": 1, "a": [0.7, null, "☃\u{0}"] } }),
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

on_both! {
    async fn a_persona_comes_back_as_it_was_stored_and_changes_from_the_version_named(store: Store) {
        let owner = account(&store, "alice").await.id;
        let mut full = persona(owner, "Zoë");
        full.text = PersonaText {
            title: "t".into(),
            description: "d\u{0}".into(),
            position: PersonaPosition::AtDepth,
            depth: 7,
            role: PersonaRole(ChatRole::Assistant),
            world_book: Some(WorldBookId::new()),
            ..full.text
        };
        full.is_default = true;
        store.personas.insert(&full).await.expect("stored");
        assert_eq!(store.personas.by_ids(&[PersonaId::new(), full.id]).await.expect("read"), [full.clone()]);
        assert_eq!(store.personas.default_of(owner).await.expect("read"), Some(full.clone()));
        full.version = 2;
        full.is_default = false;
        full.updated_at = later(1);
        assert!(!store.personas.update(&full, 2).await.expect("no error"));
        assert!(store.personas.update(&full, 1).await.expect("changed"));
        assert_eq!(store.personas.owned_by(owner).await.expect("read"), [full.clone()]);
        assert_eq!(store.personas.default_of(owner).await.expect("read"), None);
        assert!(store.personas.delete(full.id).await.expect("deleted"));
        assert!(!store.personas.delete(full.id).await.expect("no error"));
        assert_eq!(store.personas.count_by_owner(owner).await.expect("counted"), 0);
    }

    async fn a_new_default_takes_the_place_of_the_former_one(store: Store) {
        let (alice, bob) = (account(&store, "alice").await.id, account(&store, "bob").await.id);
        let (mut one, mut two, mut other) = (persona(alice, "One"), persona(alice, "Two"), persona(bob, "Bob"));
        one.is_default = true;
        other.is_default = true;
        for persona in [&one, &two, &other] {
            store.personas.insert(persona).await.expect("stored");
        }
        two.is_default = true;
        two.version = 2;
        assert!(store.personas.update(&two, 1).await.expect("changed"));
        let now = store.personas.owned_by(alice).await.expect("read");
        assert_eq!(now.iter().map(|persona| (persona.is_default, persona.version)).collect::<Vec<_>>(), [(false, 2), (true, 2)]);
        assert_eq!(store.personas.default_of(bob).await.expect("read"), Some(other));
        assert!(!store.personas.update(&Persona { version: 2, ..one }, 1).await.expect("no error"), "it was changed by the other");
        assert_eq!(store.personas.default_of(alice).await.expect("read"), Some(two), "a refused change changes nothing");
    }

    async fn many_who_become_the_default_at_once_leave_one(store: Store) {
        let owner = account(&store, "alice").await.id;
        let inserts = (0..8).map(|number| {
            let personas = store.personas.clone();
            let mut new = persona(owner, &format!("P{number}"));
            new.is_default = true;
            async move { personas.insert(&new).await }
        });
        for inserted in futures::future::join_all(inserts).await {
            inserted.expect("stored");
        }
        let defaults = store.personas.owned_by(owner).await.expect("read").into_iter().filter(|persona| persona.is_default).count();
        assert_eq!(defaults, 1);
    }

    async fn a_preset_comes_back_as_it_was_stored_and_changes_from_the_version_named(store: Store) {
        let owner = account(&store, "alice").await.id;
        let (mut one, two) = (preset(owner, "One"), preset(owner, "Two"));
        store.presets.insert(&one).await.expect("stored");
        store.presets.insert(&two).await.expect("stored");
        assert_eq!(store.presets.by_ids(&[one.id, PresetId::new()]).await.expect("read"), [one.clone()]);
        one.version = 2;
        one.name = "Other".into();
        one.data = json!({});
        assert!(!store.presets.update(&one, 2).await.expect("no error"));
        assert!(store.presets.update(&one, 1).await.expect("changed"));
        assert_eq!(store.presets.owned_by(owner, true).await.expect("read"), [one.clone(), two.clone()]);
        let bare = Preset { data: json!({}), ..two.clone() };
        assert_eq!(store.presets.owned_by(owner, false).await.expect("read"), [one.clone(), bare]);
        assert!(store.presets.delete(one.id).await.expect("deleted"));
        assert!(!store.presets.delete(one.id).await.expect("no error"));
        assert_eq!(store.presets.count_by_owner(owner).await.expect("counted"), 1);
    }
}
