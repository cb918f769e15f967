//! Data to measure on: the same for every store and every run, written through the server's own migrations and storage.

use std::path::Path;

use anyhow::Result;
use tavern_domain::account::{Email, Username};
use tavern_domain::actor::Role;
use tavern_domain::character::{Character, CharacterSummary, CharacterText, Visibility};
use tavern_domain::clock::Timestamp;
use tavern_domain::id::{CharacterId, UserId};
use tavern_domain::limits::Limits;
use tavern_storage::{NewAccount, ObjectsConfig, Store, StoreConfig};

/// When the first of them was made: 2026-01-01T00:00:00Z.
const EPOCH: i64 = 1_767_225_600_000;

/// Fills an empty database with `users` accounts and `characters` public characters of theirs.
///
/// # Errors
/// When the database refuses.
pub async fn fill(database_url: &str, objects: &Path, users: u32, characters: u32) -> Result<()> {
    let config = StoreConfig {
        database_url: database_url.to_owned(),
        objects: ObjectsConfig::Files(objects.to_owned()),
        readers: 2,
    };
    let store = Store::open(&config, &Limits::default()).await?;
    let mut creators = Vec::new();
    for number in 0..users {
        let id = UserId::new();
        let (username, email) = (
            Username::parse(&format!("creator-{number:05}"))?,
            Email::parse(&format!("creator-{number:05}@example.org"))?,
        );
        let now = Timestamp(EPOCH + i64::from(number));
        store
            .accounts
            .create(NewAccount {
                id,
                username: &username,
                email: &email,
                password_hash: "not to be signed in with",
                roles: &[Role::User],
                now,
            })
            .await?;
        creators.push(id);
    }
    for number in 0..characters {
        let creator = creators[number as usize % creators.len()];
        store.characters.insert(&character(number, creator)).await?;
    }
    store.close().await;
    Ok(())
}

fn character(number: u32, creator: UserId) -> Character {
    const TAGS: [&str; 8] = [
        "fantasy",
        "romance",
        "mystery",
        "science fiction",
        "comedy",
        "adventure",
        "slice of life",
        "historical",
    ];
    let tag = |offset: u32| TAGS[(number.wrapping_mul(7) + offset) as usize % TAGS.len()].to_owned();
    let count = |factor: u32, below: u32| i32::try_from(number.wrapping_mul(factor) % below).expect("below i32::MAX");
    let at = Timestamp(EPOCH + i64::from(number) * 60_000);
    // Two kilobytes of text: what a card of ordinary length has.
    let paragraph = format!(
        "Character {number} keeps the lighthouse at the edge of the salt marsh and counts the ships that never land. "
    )
    .repeat(9);
    Character {
        summary: CharacterSummary {
            id: CharacterId::new(),
            creator: Some(creator),
            name: format!("Keeper {number}"),
            tags: vec![tag(0), tag(1), tag(2)],
            visibility: Visibility::Public,
            is_nsfw: false,
            rating: f64::from(count(13, 50)) / 10.0,
            rating_count: count(31, 500),
            chat_count: count(7919, 100_000),
            favorite_count: count(101, 2_000),
            avatar: None,
            version: 1,
            created_at: at,
            updated_at: at,
        },
        text: CharacterText {
            description: paragraph.clone(),
            personality: "patient, curious, dry humour".into(),
            scenario: "{{user}} has come in out of the rain.".into(),
            first_message: paragraph,
            spec_version: "2.0".into(),
            ..CharacterText::default()
        },
        world_book: None,
    }
}
