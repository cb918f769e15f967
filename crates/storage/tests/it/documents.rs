//! Documents: written once, changed from the version they name, found by id.

use serde_json::json;
use tavern_domain::generation::GenerationText;
use tavern_domain::prompt::PromptPreview;
use tavern_domain::{CharacterId, GenerationId, MessageId, SessionId, Timestamp};
use tavern_storage::{GenerationRecord, Store};
use uuid::Uuid;

use crate::support::{body, on_both};

/// A message id of this millisecond.
fn id_at(millis: u64, number: u128) -> MessageId {
    MessageId::from_uuid(Uuid::from_u128(
        u128::from(millis) << 80 | 0x7 << 76 | 0b10 << 62 | number,
    ))
}

on_both! {
    async fn a_body_that_is_there_is_left_as_it_is(store: Store) {
        let (one, two, session) = (MessageId::new(), MessageId::new(), SessionId::new());
        store.documents.put_messages(&[]).await.expect("nothing to do");
        store.documents.put_messages(&[(one, session, &body("first"))]).await.expect("stored");
        store.documents.put_messages(&[(one, session, &body("again")), (two, session, &body("new"))]).await.expect("stored");
        store.documents.put_messages(&[(one, session, &body("again"))]).await.expect("no error");
        let mut found = store.documents.messages(&[two, one, MessageId::new()]).await.expect("read");
        found.sort_by_key(|found| found.0);
        assert_eq!(found, [(one, body("first")), (two, body("new"))]);
    }

    async fn a_body_changes_from_the_version_named(store: Store) {
        let id = MessageId::new();
        store.documents.put_messages(&[(id, SessionId::new(), &body("one"))]).await.expect("stored");
        let mut changed = body("two \u{0} ☃");
        changed.version = 2;
        assert!(!store.documents.update_message(id, 2, &changed).await.expect("no error"));
        assert!(store.documents.update_message(id, 1, &changed).await.expect("changed"));
        assert!(!store.documents.update_message(id, 1, &changed).await.expect("no error"));
        assert_eq!(store.documents.messages(&[id]).await.expect("read"), [(id, changed)]);
    }

    async fn deleted_bodies_are_gone(store: Store) {
        let ids: Vec<_> = (0..3).map(|_| MessageId::new()).collect();
        for id in &ids {
            store.documents.put_messages(&[(*id, SessionId::new(), &body("x"))]).await.expect("stored");
        }
        store.documents.delete_messages(&ids[..2]).await.expect("deleted");
        assert_eq!(store.documents.messages(&ids).await.expect("read").len(), 1);
    }

    async fn bodies_are_swept_by_the_time_in_their_ids(store: Store) {
        let ids = [id_at(999, 5), id_at(1_000, 1), id_at(1_000, 2), id_at(1_500, 1), id_at(2_000, 0)];
        for id in ids {
            store.documents.put_messages(&[(id, SessionId::new(), &body("x"))]).await.expect("stored");
        }
        let between = |after, limit| store.documents.message_ids_between(Timestamp(1_000), Timestamp(2_000), after, limit);
        assert_eq!(between(None, 2).await.expect("read"), ids[1..3]);
        assert_eq!(between(Some(ids[2]), 2).await.expect("read"), ids[3..4]);
        assert_eq!(between(Some(ids[3]), 2).await.expect("read"), []);
    }

    async fn a_card_comes_back_byte_for_byte(store: Store) {
        let id = CharacterId::new();
        let text = "{ \"b\":1,  \"a\" : [\n1.50, \"\\u0000\u{fffd}\"] }";
        assert_eq!(store.documents.card(id).await.expect("read"), None);
        store.documents.put_card(id, "{}").await.expect("stored");
        store.documents.put_card(id, text).await.expect("replaced");
        assert_eq!(store.documents.card(id).await.expect("read").as_deref(), Some(text));
        store.documents.delete_card(id).await.expect("deleted");
        assert_eq!(store.documents.card(id).await.expect("read"), None);
    }

    async fn the_text_of_a_generation_is_the_last_one_put(store: Store) {
        let (id, other) = (GenerationId::new(), GenerationId::new());
        let mut record = GenerationRecord { text: GenerationText { text: "Once".into(), reasoning: "hm".into() }, ended: None };
        store.documents.put_text(id, &record).await.expect("stored");
        record.text.text.push_str(" upon");
        record.ended = Some(json!({"status": "COMPLETED", "length": 9}));
        store.documents.put_text(id, &record).await.expect("replaced");
        store.documents.put_text(other, &GenerationRecord::default()).await.expect("stored");
        assert_eq!(store.documents.text(id).await.expect("read"), Some(record));
        assert_eq!(store.documents.texts(&[id, other, GenerationId::new()]).await.expect("read").len(), 2);
        store.documents.delete_texts(&[id]).await.expect("deleted");
        assert_eq!(store.documents.text(id).await.expect("read"), None);
    }

    async fn a_prompt_is_kept_with_its_generation_until_it_is_old(store: Store) {
        let (old, new) = (GenerationId::from_uuid(id_at(1_000, 1).uuid()), GenerationId::from_uuid(id_at(2_000, 1).uuid()));
        let prompt = PromptPreview { model: "story".into(), warnings: vec!["☃".repeat(5_000)], seed: u64::MAX, ..PromptPreview::default() };
        for id in [old, new] {
            store.documents.put_prompt(id, &PromptPreview::default()).await.expect("stored");
            store.documents.put_prompt(id, &prompt).await.expect("replaced");
            assert_eq!(store.documents.prompt(id).await.expect("read"), Some(prompt.clone()));
        }
        assert_eq!(store.documents.delete_prompts_before(Timestamp(2_000), 10).await.expect("deleted"), 1);
        assert_eq!(store.documents.prompt(old).await.expect("read"), None);
        store.documents.delete_texts(&[new]).await.expect("deleted");
        assert_eq!(store.documents.prompt(new).await.expect("read"), None);
    }
}
