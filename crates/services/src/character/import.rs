//! Characters made of cards. The file and the card's JSON are kept as they came, so that nothing of a
//! card is lost; the limits of a character written by hand hold for one of a card too.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tavern_domain::character::{Character, Visibility};
use tavern_domain::{Actor, CharacterId, Code, Error, Problems, Result};

use super::{CharacterPatch, Characters, check_patch};

/// Where an imported card comes from.
#[derive(Debug, Clone)]
pub enum CardSource {
    /// A file of any form that cards come in.
    File(Bytes),
    /// A card's JSON.
    Json(Value),
}

/// An imported character, and what was odd about its card.
#[derive(Debug, Clone)]
pub struct Imported {
    pub character: Character,
    pub warnings: Vec<String>,
}

/// What is kept of a card besides the character made of it.
#[derive(Debug, Serialize, Deserialize)]
struct CardRecord {
    /// The card's JSON as it came, byte for byte.
    payload: String,
    /// What the platform has no field for.
    extensions: Value,
}

impl Characters {
    /// Makes a private character of a card. The file and its JSON are kept as they came.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN, QUOTA_EXCEEDED; BAD_USER_INPUT on `source.file` or `source.json`
    /// that says what the file is instead, or which limit it breaks.
    pub async fn import(&self, actor: &Actor, source: CardSource) -> Result<Imported> {
        let creator = self.may_create(actor).await?;
        let limits = self.shared.limits.clone();
        let (field, bytes) = match source {
            CardSource::File(bytes) => ("source.file", bytes),
            CardSource::Json(json) => (
                "source.json",
                serde_json::to_vec(&json).map_err(Error::internal)?.into(),
            ),
        };
        if bytes.len() > limits.upload_bytes {
            return Err(Error::bad_input(
                field,
                format!(
                    "A card's file has at most {} bytes, not {}.",
                    limits.upload_bytes,
                    bytes.len()
                ),
            ));
        }
        let file = bytes.clone();
        let card = tokio::task::spawn_blocking(move || tavern_prompt::read_card(&file, &limits))
            .await
            .map_err(Error::internal)?;
        let card = card.map_err(|error| Error::bad_input(field, error.to_string()))?;
        let mut character = self.blank(creator, Visibility::Private);
        character.summary.name = card.name;
        character.summary.tags = card.tags;
        character.text = card.text;
        let mut warnings = card.warnings;
        if drop_nuls(&mut character) {
            warnings.push("The card has U+0000 in its texts; the character is without them.".into());
        }
        self.check_imported(field, &character)?;
        let mut face = card
            .picture
            .map(|picture| picture.bytes.map_or_else(|| bytes.clone(), Bytes::from));
        if let Some(picture) = face.clone()
            && let Err(error) = self.avatars.check(picture).await
        {
            if error.code() != Code::BadUserInput {
                return Err(error);
            }
            // The card itself is sound: it comes in without a face.
            warnings.push(error.message().to_owned());
            face = None;
        }
        character.summary.avatar = self.avatars.keep(character.summary.id, bytes, face).await?;
        // The house itself has no account that a book could belong to.
        if let Some(book) = card.extensions.pointer("/data/character_book")
            && creator.is_some()
        {
            let name = character.summary.name.clone();
            let imported = self.world_books.import_from_card(actor, book.clone(), field, &name);
            match imported.await {
                Ok(imported) => {
                    character.world_book = Some(imported.book.id);
                    warnings.extend(imported.warnings);
                }
                // The card itself is sound: it comes in without its lore.
                Err(error) if !error.fields().is_empty() => {
                    warnings.push(format!("The card's book was left out: {}", error.message()));
                }
                Err(error) => return Err(error),
            }
        }
        let record = CardRecord {
            payload: card.payload,
            extensions: card.extensions,
        };
        let record = serde_json::to_string(&record).map_err(Error::internal)?;
        self.shared
            .store
            .documents
            .put_card(character.summary.id, &record)
            .await?;
        self.shared.store.characters.insert(&character).await?;
        Ok(Imported { character, warnings })
    }

    /// The limits a hand-written character has hold for an imported one too, in words about the card.
    fn check_imported(&self, field: &str, character: &Character) -> Result<()> {
        let text = &character.text;
        let patch = CharacterPatch {
            name: Some(character.summary.name.clone()),
            description: Some(text.description.clone()),
            personality: Some(text.personality.clone()),
            scenario: Some(text.scenario.clone()),
            first_message: Some(text.first_message.clone()),
            alternate_greetings: Some(text.alternate_greetings.clone()),
            example_dialogue: Some(text.example_dialogue.clone()),
            system_prompt: Some(text.system_prompt.clone()),
            post_history_instructions: Some(text.post_history_instructions.clone()),
            creator_notes: Some(text.creator_notes.clone()),
            tags: Some(character.summary.tags.clone()),
            is_nsfw: None,
            world_book: None,
        };
        let mut problems = Problems::new();
        check_patch(&mut problems, &patch, &self.shared.limits);
        problems.finish().map_err(|error| {
            let mut told = Problems::new();
            for problem in error.fields() {
                told.add(
                    field,
                    format!("In the card's `{}`: {}", problem.path.join("."), problem.message),
                );
            }
            told.finish().err().unwrap_or(error)
        })
    }

    /// The card's JSON as it came; `None` for a character that was made here.
    pub(super) async fn card_payload(&self, id: CharacterId) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Payload {
            payload: String,
        }
        let Some(record) = self.shared.store.documents.card(id).await? else {
            return Ok(None);
        };
        let record: Payload = serde_json::from_str(&record).map_err(Error::internal)?;
        Ok(Some(record.payload))
    }

    /// What a character's card carries that the platform has no field for; `{}` without a card.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn card_extensions(&self, id: CharacterId) -> Result<Value> {
        let Some(record) = self.shared.store.documents.card(id).await? else {
            return Ok(Value::Object(serde_json::Map::new()));
        };
        let record: CardRecord = serde_json::from_str(&record).map_err(Error::internal)?;
        Ok(record.extensions)
    }
}

/// Takes U+0000 out of all texts of a character; the card itself keeps them. Whether there was any.
fn drop_nuls(character: &mut Character) -> bool {
    let text = &mut character.text;
    let texts = [
        &mut character.summary.name,
        &mut text.description,
        &mut text.personality,
        &mut text.scenario,
        &mut text.first_message,
        &mut text.example_dialogue,
        &mut text.system_prompt,
        &mut text.post_history_instructions,
        &mut text.creator_notes,
        &mut text.character_version,
    ];
    let lists = [
        &mut text.alternate_greetings,
        &mut text.group_only_greetings,
        &mut character.summary.tags,
    ];
    let languages = text
        .creator_notes_by_language
        .iter_mut()
        .flat_map(|(language, notes)| [language, notes]);
    let mut found = false;
    for text in texts
        .into_iter()
        .chain(lists.into_iter().flatten())
        .chain(&mut text.nickname)
        .chain(languages)
    {
        found |= text.contains('\0');
        text.retain(|letter| letter != '\0');
    }
    found
}
