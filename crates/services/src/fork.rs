//! Forks: a chat that begins as another one did, up to a message.
//!
//! The messages are copied, swipes and all, so that either chat can be changed or deleted without
//! the other.

use tavern_domain::chat::{ChatSession, MessageRow, SessionState};
use tavern_domain::{Actor, Code, Error, MessageId, Problems, Result, SessionId};

use crate::Shared;
use crate::chat::Chats;

/// Messages copied at once.
const BATCH: u32 = 200;

impl Chats {
    /// Starts a chat with a copy of everything up to and with `message`.
    ///
    /// # Errors
    /// As access has it: only the owner of a chat forks it. BAD_USER_INPUT on `title`; QUOTA_EXCEEDED.
    pub async fn fork(&self, actor: &Actor, message: MessageId, title: Option<String>) -> Result<ChatSession> {
        let last = self.own_message(actor, message).await?;
        let source = self.own_session(actor, last.session).await?;
        let mut problems = Problems::new();
        if let Some(title) = &title {
            self.check_title(&mut problems, title);
        }
        problems.finish()?;
        self.check_quota(source.owner).await?;
        let Shared { store, clock, .. } = &*self.0.shared;
        let now = clock.now();
        let id = SessionId::new();
        let rows = self.copy_messages(source.id, id, last.sequence).await?;
        let fork = ChatSession {
            id,
            title: title.map_or_else(|| source.title.clone(), |title| title.trim().to_owned()),
            is_archived: false,
            message_count: i32::try_from(rows.len()).unwrap_or(i32::MAX),
            total_tokens: 0,
            forked_from: Some(message),
            created_at: now,
            updated_at: now,
            last_message_at: rows.last().map(|row| row.created_at),
            owner: source.owner,
            characters: source.characters.clone(),
            model: source.model.clone(),
            state: SessionState {
                seed: Some(seed_of(source.id, &source.state)),
                before: None,
                ..source.state
            },
            setup: source.setup,
        };
        let file = store.chats.file(source.id).await?;
        let room = self.0.extensions.value_room();
        let (rows, file) = (&rows[..], file.as_deref());
        store.chats.fork(&fork, rows, file, source.id, room).await?;
        Ok(fork)
    }

    /// Copies the documents of a session's messages up to `last`; gives the rows that will make them real.
    async fn copy_messages(&self, from: SessionId, to: SessionId, last: i32) -> Result<Vec<MessageRow>> {
        let store = &self.0.shared.store;
        let mut copied = Vec::new();
        let mut before = last.checked_add(1);
        loop {
            let rows = store.chats.tail(from, before, BATCH).await?;
            let Some(first) = rows.first() else { break };
            before = Some(first.sequence);
            let messages: Vec<_> = self
                .with_bodies(rows)
                .await?
                .into_iter()
                .map(|mut message| {
                    for swipe in &mut message.body.swipes {
                        swipe.generation = None;
                    }
                    let row = MessageRow {
                        id: MessageId::new(),
                        session: to,
                        generation: None,
                        ..message.row
                    };
                    (row, message.body)
                })
                .collect();
            let documents: Vec<_> = messages.iter().map(|(row, body)| (row.id, to, body)).collect();
            store.documents.put_messages(&documents).await?;
            copied.extend(messages.into_iter().rev().map(|(row, _)| row));
        }
        copied.reverse();
        Ok(copied)
    }

    /// # Errors
    /// QUOTA_EXCEEDED if the account has all the chats it may have.
    pub(crate) async fn check_quota(&self, owner: tavern_domain::UserId) -> Result<()> {
        let Shared { store, limits, .. } = &*self.0.shared;
        if store.chats.count_by_owner(owner).await? < limits.sessions_per_user {
            return Ok(());
        }
        Err(Error::of_field(
            Code::QuotaExceeded,
            "",
            format!("An account has at most {} chats.", limits.sessions_per_user),
        ))
    }
}

/// What stable picks of a chat are drawn from.
pub(crate) fn seed_of(session: SessionId, state: &SessionState) -> u64 {
    // The low half of an id is random; truncation is meant.
    state.seed.unwrap_or(session.uuid().as_u128() as u64)
}
