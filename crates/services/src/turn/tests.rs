use std::time::Duration;

use tavern_domain::{Actor, Limits, MessageId, SessionId};

use super::Outgoing;
use crate::character::CharacterPatch;
use crate::chat::NewSession;
use crate::testing::House;

async fn session(house: &House, actor: &Actor) -> SessionId {
    let patch = CharacterPatch {
        name: Some("Orla".into()),
        ..CharacterPatch::default()
    };
    let private = tavern_domain::character::Visibility::Private;
    let character = house
        .services
        .characters
        .create(actor, patch, private)
        .await
        .expect("a character");
    let new = NewSession {
        characters: vec![character.summary.id],
        title: None,
        model: None,
        greeting: 0,
        setup: crate::setup::SetupPatch::default(),
    };
    house.services.chats.create(actor, new).await.expect("a session").id
}

/// Sends a message under the key `k`; its id.
async fn send(house: &House, actor: &Actor, session: SessionId) -> MessageId {
    let outgoing = Outgoing {
        session,
        content: "Once.".into(),
        character: None,
        guidance: None,
        idempotency_key: Some("k".into()),
        options: tavern_domain::generation::GenerationOptions::default(),
        generate: false,
    };
    let sent = house.services.chats.send(actor, outgoing).await.expect("it is sent");
    sent.message.expect("a message").row.id
}

#[tokio::test]
async fn a_key_is_remembered_for_its_hours_and_may_be_used_again_afterwards() {
    let limits = Limits {
        idempotency_hours: 2,
        ..Limits::default()
    };
    let house = House::open(limits).await;
    let actor = house.user("sender").await;
    let session = session(&house, &actor).await;
    let first = send(&house, &actor, session).await;
    house.clock.advance(Duration::from_secs(2 * 3600 - 1));
    assert_eq!(send(&house, &actor, session).await, first, "a repetition");
    house.clock.advance(Duration::from_secs(1));
    assert_ne!(send(&house, &actor, session).await, first, "a message of its own");
}
