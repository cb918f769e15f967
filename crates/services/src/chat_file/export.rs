//! Chats out: a session as a file of SillyTavern's, alone or with its branches.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use tavern_domain::chat::{Author, ChatRole, ChatSession, Message};
use tavern_domain::{Actor, CharacterId, Error, Result, SessionId};
use tavern_prompt::chat_file::{
    ChatHeader, ImportedMessage, ImportedSwipe, write_archive, write_header, write_message,
};
use tavern_prompt::safe_file_name;

use super::{BATCH, Head, Settings};
use crate::Shared;
use crate::chat::Chats;
use crate::export::ExportFile;

/// What a file made of a chat without a usable title is called.
const NAMELESS: &str = "chat";

impl Chats {
    /// A chat as a file; with `branches` an archive of it, the chats it goes on from, and those that go on
    /// from it, as far as the caller may see them.
    ///
    /// # Errors
    /// NOT_FOUND for what the caller may not see; BAD_USER_INPUT if it is more than
    /// `Limits::chat_export_bytes`.
    pub(crate) async fn export(&self, actor: &Actor, id: SessionId, branches: bool) -> Result<ExportFile> {
        let session = self
            .session(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("chat session"))?;
        let mut room = self.0.shared.limits.chat_export_bytes;
        let name = safe_file_name(&session.title, NAMELESS);
        if !branches {
            return Ok(ExportFile {
                bytes: self.write_file(actor, &session, &mut room).await?.into(),
                file_name: format!("{name}.jsonl"),
                content_type: "application/jsonl",
                warnings: Vec::new(),
            });
        }
        let family = self.family(&session).await?;
        let mut sessions = self.sessions(actor, &family).await?;
        // In the order they were begun.
        sessions.sort_unstable_by_key(|session| session.id);
        let mut files = Vec::with_capacity(sessions.len());
        for session in sessions {
            let text = self.write_file(actor, &session, &mut room).await?;
            files.push((session.title, text));
        }
        let pack = move || {
            let files: Vec<_> = files
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str()))
                .collect();
            write_archive(&files).map_err(Error::internal)
        };
        let bytes = tokio::task::spawn_blocking(pack).await.map_err(Error::internal)??;
        Ok(ExportFile {
            bytes: bytes.into(),
            file_name: format!("{name}.zip"),
            content_type: "application/zip",
            warnings: Vec::new(),
        })
    }

    /// The chats that a session goes on from, itself, and all that go on from it.
    async fn family(&self, session: &ChatSession) -> Result<Vec<SessionId>> {
        let forks = self.0.shared.store.chats.forks(session.owner).await?;
        let source: HashMap<_, _> = forks.iter().copied().collect();
        let mut branches: HashMap<_, Vec<_>> = HashMap::new();
        for (fork, source) in forks {
            branches.entry(source).or_default().push(fork);
        }
        let mut family = BTreeSet::from([session.id]);
        let mut last = session.id;
        while let Some(next) = source.get(&last).filter(|next| family.insert(**next)) {
            last = *next;
        }
        let mut open = vec![session.id];
        while let Some(next) = open.pop() {
            for branch in branches.get(&next).into_iter().flatten() {
                if family.insert(*branch) {
                    open.push(*branch);
                }
            }
        }
        Ok(family.into_iter().collect())
    }

    /// A session's lines; what they take is taken from `room`.
    async fn write_file(&self, actor: &Actor, session: &ChatSession, room: &mut usize) -> Result<String> {
        let store = &self.0.shared.store;
        let mut take = |text: &str| match room.checked_sub(text.len()) {
            Some(left) => {
                *room = left;
                Ok(())
            }
            None => Err(Error::bad_input(
                "sessionId",
                format!(
                    "A chat is exported up to {} bytes, all its branches together.",
                    self.0.shared.limits.chat_export_bytes
                ),
            )),
        };
        let names = self.speaker_names(actor, session).await?;
        let head = self.head(session, &names).await?;
        take(&head)?;
        let mut batches = Vec::new();
        let mut before = None;
        loop {
            let limit = u32::try_from(BATCH).unwrap_or(u32::MAX);
            let rows = store.chats.tail(session.id, before, limit).await?;
            let Some(first) = rows.first() else { break };
            before = Some(first.sequence);
            let messages = self.with_bodies(rows).await?;
            let names = names.clone();
            let write = move || -> String {
                let lines = messages.into_iter().map(|message| line(message, &names));
                lines.flat_map(|line| ["\n".to_owned(), line]).collect()
            };
            let lines = tokio::task::spawn_blocking(write).await.map_err(Error::internal)?;
            take(&lines)?;
            batches.push(lines);
        }
        batches.push(head);
        batches.reverse();
        Ok(batches.concat())
    }

    async fn head(&self, session: &ChatSession, names: &SpeakerNames) -> Result<String> {
        let Shared { store, limits, .. } = &*self.0.shared;
        let (mut header, mut metadata) = match store.chats.file(session.id).await? {
            Some(file) => Head::read(&file)?,
            None => (ChatHeader::default(), Value::Null),
        };
        if header.raw.is_null() {
            header = ChatHeader {
                user_name: Some(names.user.clone()),
                character_name: session
                    .characters
                    .first()
                    .and_then(|id| names.characters.get(id).cloned()),
                created_at: Some(session.created_at),
                raw: Value::Null,
            };
        }
        let variables = session.state.variables.clone();
        let settings = Settings {
            authors_note: session.setup.authors_note.clone(),
            variables,
            scenario: session.setup.scenario.clone(),
        };
        settings.put(&mut metadata, limits);
        Ok(write_header(&header, &metadata))
    }

    async fn speaker_names(&self, actor: &Actor, session: &ChatSession) -> Result<SpeakerNames> {
        let characters = self.0.characters.by_ids(actor, &session.characters).await?;
        Ok(SpeakerNames {
            user: self.user_name(session.owner, session.setup.persona).await?,
            characters: characters
                .into_iter()
                .map(|character| (character.summary.id, character.summary.name))
                .collect(),
        })
    }
}

#[derive(Debug, Clone)]
struct SpeakerNames {
    user: String,
    /// Without those that are gone.
    characters: HashMap<CharacterId, String>,
}

impl SpeakerNames {
    fn of(&self, author: Option<Author>, role: ChatRole) -> String {
        let name = match (author, role) {
            (Some(Author::Character(id)), _) => self.characters.get(&id).map_or("Character", String::as_str),
            (Some(Author::User(_)), _) | (None, ChatRole::User) => &self.user,
            (None, ChatRole::System) => "System",
            (None, ChatRole::Assistant | ChatRole::Tool) => "Character",
        };
        name.to_owned()
    }
}

/// A message as a line: the one it was imported from with what differs from it, or a new one.
fn line(message: Message, names: &SpeakerNames) -> String {
    let source = message.body.source.as_deref();
    let was = source
        .and_then(|source| serde_json::from_str(source).ok())
        .and_then(ImportedMessage::of);
    let Message { row, body } = message;
    let (name, sent_at, raw, swipes_before, active_before) = match was {
        Some(was) => (was.name, was.sent_at, was.raw, was.swipes, Some(was.active)),
        None => (names.of(row.author, row.role), None, Value::Null, Vec::new(), None),
    };
    let mut before = swipes_before.into_iter();
    let mut is_shown_new = active_before != Some(body.active);
    let mut swipes = Vec::with_capacity(body.swipes.len());
    for (index, now) in body.swipes.into_iter().enumerate() {
        let is_rewritten = now.generation.is_some() && now.kept == 0;
        let was = before.next().filter(|_| !is_rewritten);
        is_shown_new |= index == body.active && was.is_none();
        let (sent_at, raw) = match was {
            Some(was) => (was.sent_at, was.raw),
            None => (Some(now.created_at), Value::Null),
        };
        swipes.push(ImportedSwipe {
            text: now.content,
            reasoning: now.reasoning,
            model: now.model,
            sent_at,
            raw,
        });
    }
    let shown_at = swipes.get(body.active).and_then(|swipe| swipe.sent_at);
    write_message(&ImportedMessage {
        name,
        role: row.role,
        is_hidden: row.is_hidden,
        active: body.active,
        // The time of a message is that of the swipe it shows.
        sent_at: if is_shown_new { shown_at.or(sent_at) } else { sent_at },
        swipes,
        raw,
    })
}
