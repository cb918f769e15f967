use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tavern_domain::{Actor, CharacterId, Limits};

use super::{CHECKPOINT_EVERY, REAP_EVERY};
use crate::avatar::{Avatars, SWEEP_GRACE};
use crate::character::CardSource;
use crate::generation::LOOK_AGAIN;
use crate::lease::{LEASE, RENEW_EVERY};
use crate::testing::House;

const A_MOMENT: Duration = Duration::from_secs(60);

async fn tidy(house: &House) {
    house.services.chats.tidy().await.expect("tidied");
}

/// Imports the same card each time; the id of the character.
async fn import(house: &House) -> CharacterId {
    let card = CardSource::Json(json!({ "name": "Orla", "description": "d", "first_mes": "hi" }));
    let imported = house.services.characters.import(&Actor::System, card).await;
    imported.expect("a card").character.summary.id
}

/// What an import leaves that ends before its character is stored.
async fn import_that_crashes(house: &House) -> CharacterId {
    let id = CharacterId::new();
    let file = Bytes::from_static(b"a card");
    house
        .store
        .objects
        .put(&Avatars::source_key(id), file)
        .await
        .expect("kept");
    house.store.documents.put_card(id, "{}").await.expect("kept");
    id
}

/// Whether the file and the card of a character are there.
async fn kept(house: &House, id: CharacterId) -> (bool, bool) {
    let file = house
        .store
        .objects
        .exists(&Avatars::source_key(id))
        .await
        .expect("asked");
    (file, house.store.documents.card(id).await.expect("asked").is_some())
}

#[tokio::test]
async fn files_of_an_import_that_crashed_are_swept_after_a_grace() {
    let house = House::open(Limits::default()).await;
    let orphan = import_that_crashes(&house).await;
    house.clock.advance(SWEEP_GRACE - A_MOMENT);
    tidy(&house).await;
    assert_eq!(kept(&house, orphan).await, (true, true), "its import may be under way");
    house.clock.advance(2 * A_MOMENT);
    tidy(&house).await;
    assert_eq!(kept(&house, orphan).await, (false, false));
}

#[tokio::test]
async fn files_of_a_character_are_kept_however_old_and_whoever_has_the_same() {
    let house = House::open(Limits::default()).await;
    let (one, twin) = (import(&house).await, import(&house).await);
    house
        .services
        .characters
        .delete(&Actor::System, twin)
        .await
        .expect("deleted");
    house.clock.advance(2 * SWEEP_GRACE);
    tidy(&house).await;
    assert_eq!(kept(&house, one).await, (true, true));
}

#[tokio::test]
async fn what_is_no_file_of_a_character_is_left_alone() {
    let house = House::open(Limits::default()).await;
    let keys = [
        "characters/readme",
        "characters/chr_x/original",
        "characters/x/y/z",
        "elsewhere/file",
    ];
    for key in keys {
        house
            .store
            .objects
            .put(key, Bytes::from_static(b"x"))
            .await
            .expect("kept");
    }
    house.clock.advance(2 * SWEEP_GRACE);
    tidy(&house).await;
    for key in keys {
        assert!(house.store.objects.exists(key).await.expect("asked"), "{key}");
    }
}

#[test]
fn a_lost_writers_reply_ends_within_twenty_seconds() {
    let latest = LEASE + REAP_EVERY + LOOK_AGAIN;
    assert!(latest < Duration::from_secs(20), "{latest:?}");
}

#[test]
fn a_writer_may_lose_one_renewal_and_keep_its_lease() {
    assert!(2 * RENEW_EVERY < LEASE);
}

#[test]
fn at_most_two_seconds_of_a_reply_are_lost_with_its_writer() {
    assert!(CHECKPOINT_EVERY <= Duration::from_secs(2));
}
