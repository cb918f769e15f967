use serde_json::{Value, json};
use tavern_domain::character::Visibility;
use tavern_domain::{Clock as _, Limits};

use super::*;
use crate::character::{CardSource, CharacterPatch};
use crate::testing::House;

async fn character(house: &House, creator: &Actor, visibility: Visibility) -> CharacterId {
    let patch = CharacterPatch {
        name: Some("Orla/Ø".into()),
        ..CharacterPatch::default()
    };
    let made = house.services.characters.create(creator, patch, visibility).await;
    made.expect("a character").summary.id
}

fn as_json(id: CharacterId) -> Export {
    Export::Character {
        id,
        format: CardFormat::Json,
        spec: None,
    }
}

async fn link(house: &House, actor: &Actor, export: Export) -> ExportLink {
    house.services.exports.link(actor, export).await.expect("a link")
}

fn token(link: &ExportLink) -> &str {
    let token = link.path.strip_prefix("/objects/exports/");
    token.and_then(|rest| rest.split('/').next()).expect("a token")
}

async fn code(house: &House, token: &str) -> Code {
    let refused = house.services.exports.fetch(token).await;
    refused.expect_err("refused").code()
}

#[tokio::test]
async fn a_link_holds_for_ten_minutes_and_no_longer() {
    let house = House::open(Limits::default()).await;
    let owner = house.user("owner").await;
    let id = character(&house, &owner, Visibility::Private).await;
    let link = link(&house, &owner, as_json(id)).await;
    let life = link.expires_at.since(house.clock.now());
    assert!(
        life <= LINK_LIFE && life > LINK_LIFE - Duration::from_secs(1),
        "{life:?}"
    );
    house.clock.advance(life - Duration::from_millis(1));
    assert!(house.services.exports.fetch(token(&link)).await.is_ok());
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(code(&house, token(&link)).await, Code::NotFound);
}

#[tokio::test]
async fn a_link_names_its_file_safely() {
    let house = House::open(Limits::default()).await;
    let owner = house.user("owner").await;
    let id = character(&house, &owner, Visibility::Private).await;
    let link = link(&house, &owner, as_json(id)).await;
    assert_eq!(link.file_name, "Orla_Ø.json");
    assert!(link.path.ends_with("/Orla_%C3%98.json"), "{}", link.path);
}

#[tokio::test]
async fn strangers_get_no_link_to_what_they_may_not_see() {
    let house = House::open(Limits::default()).await;
    let (owner, stranger) = (house.user("owner").await, house.user("stranger").await);
    let id = character(&house, &owner, Visibility::Private).await;
    for (actor, expected) in [(&stranger, Code::NotFound), (&Actor::Anonymous, Code::Unauthenticated)] {
        for export in [as_json(id), Export::OriginalCard { id }] {
            let refused = house.services.exports.link(actor, export).await;
            assert_eq!(refused.expect_err("refused").code(), expected, "{export:?}");
        }
    }
}

#[tokio::test]
async fn a_link_leads_nowhere_once_its_holder_may_not_see_the_thing() {
    let house = House::open(Limits::default()).await;
    let (owner, stranger) = (house.user("owner").await, house.user("stranger").await);
    let id = character(&house, &owner, Visibility::Public).await;
    let link = link(&house, &stranger, as_json(id)).await;
    assert!(house.services.exports.fetch(token(&link)).await.is_ok());
    let withdrawn = house
        .services
        .characters
        .set_visibility(&owner, id, Visibility::Private);
    withdrawn.await.expect("withdrawn");
    assert_eq!(code(&house, token(&link)).await, Code::NotFound);
}

#[tokio::test]
async fn a_login_takes_its_links_with_it() {
    let house = House::open(Limits::default()).await;
    let owner = house.user("owner").await;
    let id = character(&house, &owner, Visibility::Private).await;
    let link = link(&house, &owner, as_json(id)).await;
    let login = owner.require_user().expect("signed in").login;
    house.services.accounts.tokens().revoke(login);
    assert_eq!(code(&house, token(&link)).await, Code::NotFound);
}

#[tokio::test]
async fn only_our_own_links_are_links() {
    let (house, elsewhere) = (
        House::open(Limits::default()).await,
        House::open(Limits::default()).await,
    );
    let owner = house.user("owner").await;
    let id = character(&house, &owner, Visibility::Public).await;
    let good = link(&house, &owner, as_json(id)).await;
    assert!(
        house.services.accounts.authenticate(token(&good)).is_err(),
        "a link signs nobody in"
    );
    let caller = owner.require_user().expect("signed in");
    let tokens = house.services.accounts.tokens();
    let (access, _) = tokens
        .issue(caller.user, caller.login, &caller.roles, house.clock.now())
        .expect("a token");
    let other = elsewhere.user("owner").await;
    let theirs = character(&elsewhere, &other, Visibility::Public).await;
    let foreign = link(&elsewhere, &other, as_json(theirs)).await;
    let long = "a".repeat(10_000);
    for wrong in [access.as_str(), token(&foreign), "", "a.b.c", &long] {
        assert_eq!(code(&house, wrong).await, Code::NotFound, "{wrong}");
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_told_when_the_link_is_made() {
    let house = House::open(Limits::default()).await;
    let owner = house.user("owner").await;
    let id = character(&house, &owner, Visibility::Private).await;
    let refused = house.services.exports.link(&owner, Export::OriginalCard { id }).await;
    let refused = refused.expect_err("it was made here");
    assert_eq!(refused.fields()[0].path, ["original"]);
}

#[tokio::test]
async fn a_change_of_visibility_is_no_change_of_the_card() {
    let house = House::open(Limits::default()).await;
    let owner = house.user("owner").await;
    let card =
        json!({ "spec": "chara_card_v3", "spec_version": "3.0", "data": { "name": "Orla", "modification_date": 7 } });
    let imported = house.services.characters.import(&owner, CardSource::Json(card.clone()));
    let id = imported.await.expect("a card").character.summary.id;
    let published = house
        .services
        .characters
        .set_visibility(&owner, id, Visibility::Public)
        .await;
    published.expect("published");
    let link = link(&house, &owner, as_json(id)).await;
    let file = house.services.exports.fetch(token(&link)).await.expect("a file");
    assert_eq!(serde_json::from_slice::<Value>(&file.bytes).expect("JSON"), card);
}
