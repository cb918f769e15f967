//! Chats in: a session made of a file.

use bytes::Bytes;
use tavern_domain::character::Character;
use tavern_domain::chat::{Author, ChatRole, ChatSession, MessageBody, MessageRow, SessionSetup, SessionState, Swipe};
use tavern_domain::{
    Actor, CharacterId, Error, Limits, MessageId, Permission, Problems, Result, SessionId, Timestamp, UserId,
};
use tavern_prompt::chat_file::{ImportedChat, ImportedMessage, read_chat};

use super::{BATCH, Head, Settings};
use crate::Shared;
use crate::chat::{Chats, tokens_of};

/// Where an imported chat comes from.
#[derive(Debug, Clone)]
pub enum ChatSource {
    File(Bytes),
    /// What would stand in the file.
    Text(String),
}

/// A chat to be imported.
#[derive(Debug, Clone)]
pub struct ChatImport {
    pub source: ChatSource,
    /// Who speaks in it besides its owner, the first of them for all whose name no other has.
    pub characters: Vec<CharacterId>,
    /// The characters' names if `None`.
    pub title: Option<String>,
}

/// An imported chat, and what was odd about its file.
#[derive(Debug, Clone)]
pub struct Imported {
    pub session: ChatSession,
    /// Whole sentences, of bounded number.
    pub warnings: Vec<String>,
}

/// Names told in a warning.
const NAMES_TOLD: usize = 5;

impl Chats {
    /// Makes a session of a chat as other programs write it: every message with all its swipes. The
    /// first chat, if the file holds several.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN; BAD_USER_INPUT for every argument that is wrong, on `source.file` or
    /// `source.text` saying what the file is instead or which limit it breaks; QUOTA_EXCEEDED, OVERLOADED.
    pub async fn import(&self, actor: &Actor, import: ChatImport) -> Result<Imported> {
        actor.require(Permission::ChatUse)?;
        let owner = actor.require_user()?.user;
        let Shared {
            store, limits, clock, ..
        } = &*self.0.shared;
        let mut problems = Problems::new();
        let model = self.check_model(&mut problems, None);
        if let Some(title) = &import.title {
            self.check_title(&mut problems, title);
        }
        let cast = self.cast(actor, &import.characters, &mut problems).await?;
        problems.finish()?;
        self.check_quota(owner).await?;
        let (field, file) = match import.source {
            ChatSource::File(bytes) => ("source.file", bytes),
            ChatSource::Text(text) => ("source.text", text.into()),
        };
        let _place = self.0.shared.large_file().await?;
        let (id, now) = (SessionId::new(), clock.now());
        let names: Vec<_> = cast.iter().map(|character| character.summary.name.as_str()).collect();
        let title = import.title.map_or_else(
            || names.join(", ").chars().take(limits.title_chars).collect(),
            |title| title.trim().to_owned(),
        );
        let characters = cast.iter().map(|character| character.summary.id).collect();
        let read = {
            let limits = limits.clone();
            move || {
                let chat = read_chat(&file, &limits).map_err(|error| Error::bad_input(field, error.to_string()))?;
                Draft::of(chat, &Scene { id, owner, cast, now }, &limits)
            }
        };
        let draft = tokio::task::spawn_blocking(read).await.map_err(Error::internal)??;
        for messages in draft.messages.chunks(BATCH) {
            let documents: Vec<_> = messages.iter().map(|(row, body)| (row.id, id, body)).collect();
            store.documents.put_messages(&documents).await?;
        }
        let rows: Vec<_> = draft.messages.into_iter().map(|(row, _)| row).collect();
        let session = ChatSession {
            id,
            owner,
            title,
            characters,
            model,
            is_archived: false,
            message_count: i32::try_from(rows.len()).unwrap_or(i32::MAX),
            total_tokens: 0,
            created_at: now,
            updated_at: now,
            last_message_at: rows.last().map(|row| row.created_at),
            forked_from: None,
            setup: draft.setup,
            state: draft.state,
        };
        store
            .chats
            .create_from_file(&session, &rows, draft.head.as_deref())
            .await?;
        Ok(Imported {
            session,
            warnings: draft.warnings,
        })
    }
}

/// What the messages of a file are read into.
struct Scene {
    id: SessionId,
    owner: UserId,
    cast: Vec<Character>,
    now: Timestamp,
}

impl Scene {
    fn speaker(&self, name: &str) -> Option<CharacterId> {
        let is_called = |character: &&Character| {
            let nickname = character.text.nickname.as_deref();
            let mut names = [Some(character.summary.name.as_str()), nickname].into_iter().flatten();
            names.any(|known| known.trim().to_lowercase() == name.trim().to_lowercase())
        };
        self.cast.iter().find(is_called).map(|character| character.summary.id)
    }
}

/// A session that is still to be stored.
struct Draft {
    messages: Vec<(MessageRow, MessageBody)>,
    setup: SessionSetup,
    state: SessionState,
    head: Option<String>,
    warnings: Vec<String>,
}

impl Draft {
    fn of(chat: ImportedChat, scene: &Scene, limits: &Limits) -> Result<Self> {
        let mut warnings = chat.warnings;
        let settings = Settings::of(&chat.metadata, limits);
        let mut time = chat.header.created_at.unwrap_or(scene.now);
        let mut strangers = Vec::new();
        let mut messages = Vec::with_capacity(chat.messages.len());
        for message in chat.messages {
            // What has no time of its own was said right after what stands before it.
            time = message.sent_at.unwrap_or(time);
            let author = match message.role {
                ChatRole::User => Some(Author::User(scene.owner)),
                ChatRole::System => None,
                ChatRole::Assistant | ChatRole::Tool => {
                    let speaker = scene.speaker(&message.name);
                    let is_new = speaker.is_none() && !message.name.is_empty() && !strangers.contains(&message.name);
                    if is_new && strangers.len() < NAMES_TOLD {
                        strangers.push(message.name.clone());
                    }
                    speaker
                        .or(scene.cast.first().map(|first| first.summary.id))
                        .map(Author::Character)
                }
            };
            let sequence = i32::try_from(messages.len()).unwrap_or(i32::MAX).saturating_add(1);
            let row = MessageRow {
                id: MessageId::new(),
                session: scene.id,
                sequence,
                role: message.role,
                author,
                generation: None,
                is_hidden: message.is_hidden,
                created_at: time,
            };
            messages.push((row, body(message, time)));
        }
        if let (false, Some(first)) = (strangers.is_empty(), scene.cast.first()) {
            let names: Vec<_> = strangers
                .iter()
                .map(|name| format!("{:?}", name.chars().take(80).collect::<String>()))
                .collect();
            warnings.push(format!(
                "No character of the chat is called {}; what they say was given to {}.",
                names.join(", "),
                first.summary.name
            ));
        }
        let head = Head {
            header: chat.header.raw,
            metadata: chat.metadata,
        };
        let head = serde_json::to_string(&head).map_err(Error::internal)?;
        // A line of SillyTavern's is within the limit, and may be written a little longer.
        let is_kept = head.len() <= limits.chat_line_bytes.saturating_mul(2);
        if !is_kept {
            warnings.push(format!(
                "What the file says of the chat as a whole has {} bytes; it was left out.",
                head.len()
            ));
        }
        Ok(Self {
            messages,
            setup: SessionSetup {
                authors_note: settings.authors_note,
                scenario: settings.scenario,
                ..SessionSetup::default()
            },
            state: SessionState {
                variables: settings.variables,
                ..SessionState::default()
            },
            head: is_kept.then_some(head),
            warnings,
        })
    }
}

fn body(message: ImportedMessage, time: Timestamp) -> MessageBody {
    let swipe = |swipe: tavern_prompt::chat_file::ImportedSwipe| Swipe {
        tokens: tokens_of(&swipe.text),
        content: swipe.text,
        reasoning: swipe.reasoning,
        model: swipe.model,
        created_at: swipe.sent_at.unwrap_or(time),
        generation: None,
        kept: 0,
        annotations: serde_json::Map::new(),
    };
    MessageBody {
        version: 1,
        swipes: message.swipes.into_iter().map(swipe).collect(),
        active: message.active,
        is_edited: false,
        annotations: serde_json::json!({}),
        updated_at: time,
        source: Some(message.raw.to_string()),
    }
}
