//! Messages of a session: read, edited, deleted, hidden, swiped.

use std::collections::HashMap;

use tavern_domain::chat::{Message, MessageBody, MessageRow};
use tavern_domain::event::SessionEventKind;
use tavern_domain::page::{Page, PageArgs};
use tavern_domain::{Actor, Error, MessageId, Result, SessionId};

use crate::Shared;
use crate::chat::{Chats, tokens_of};

/// How often a change is tried again when the message changes under it.
const TRIES: usize = 8;

impl Chats {
    /// One page of a session's messages in their order, each with its cursor.
    ///
    /// # Errors
    /// NOT_FOUND for a session the caller may not see; BAD_USER_INPUT for arguments over their limit and foreign cursors.
    pub async fn messages(&self, actor: &Actor, session: SessionId, page: PageArgs) -> Result<Page<(Message, String)>> {
        self.session(actor, session)
            .await?
            .ok_or_else(|| Error::not_found("chat session"))?;
        let Shared { store, limits, .. } = &*self.0.shared;
        let page = page.check(limits.default_page_size, limits.max_page_size)?;
        if page.limit == 0 {
            return Ok(Page::empty());
        }
        let Page {
            items,
            has_next,
            has_previous,
        } = store.chats.message_page(session, &page).await?;
        let (rows, mut cursors): (Vec<_>, HashMap<_, _>) = items
            .into_iter()
            .map(|(row, cursor)| (row.clone(), (row.id, cursor)))
            .unzip();
        let messages = self.with_bodies(rows).await?;
        let items = messages
            .into_iter()
            .filter_map(|message| cursors.remove(&message.row.id).map(|cursor| (message, cursor)))
            .collect();
        Ok(Page {
            items,
            has_next,
            has_previous,
        })
    }

    /// The message, if the caller may see its session.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn message(&self, actor: &Actor, id: MessageId) -> Result<Option<Message>> {
        Ok(self.messages_by_id(actor, &[id]).await?.pop())
    }

    /// Those of `ids` that the caller may see, in no order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn messages_by_id(&self, actor: &Actor, ids: &[MessageId]) -> Result<Vec<Message>> {
        if matches!(actor, Actor::Anonymous) {
            return Ok(Vec::new());
        }
        let mut rows = self.0.shared.store.chats.messages(ids).await?;
        let mut sessions: Vec<_> = rows.iter().map(|row| row.session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        let visible: Vec<_> = self
            .sessions(actor, &sessions)
            .await?
            .into_iter()
            .map(|session| session.id)
            .collect();
        rows.retain(|row| visible.contains(&row.session));
        self.with_bodies(rows).await
    }

    /// Joins rows with their documents, in the order of the rows. What is being written at this
    /// moment is shown as far as it has come.
    pub(crate) async fn with_bodies(&self, rows: Vec<MessageRow>) -> Result<Vec<Message>> {
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let mut bodies: HashMap<_, _> = self
            .0
            .shared
            .store
            .documents
            .messages(&ids)
            .await?
            .into_iter()
            .collect();
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(mut body) = bodies.remove(&row.id) else {
                // Rows are written after their documents and deleted before them.
                tracing::error!(message = %row.id, "a message has no document");
                continue;
            };
            if let Some(generation) = row.generation
                && let Some(reply) = self.0.live.get(generation)
                && let Some(index) = body.swipe_of(generation)
            {
                reply.overlay(&mut body.swipes[index]);
            }
            messages.push(Message { row, body });
        }
        Ok(messages)
    }

    /// A message of a session the caller may write in.
    pub(crate) async fn own_message(&self, actor: &Actor, id: MessageId) -> Result<MessageRow> {
        let row = match self.0.shared.store.chats.message(id).await? {
            Some(row) if !matches!(actor, Actor::Anonymous) => row,
            _ => {
                actor.require_user()?;
                return Err(Error::not_found("message"));
            }
        };
        self.own_session(actor, row.session).await.map_err(|error| {
            if error.code() == tavern_domain::Code::NotFound {
                Error::not_found("message")
            } else {
                error
            }
        })?;
        Ok(row)
    }

    /// Replaces the content of a message's active swipe.
    ///
    /// # Errors
    /// As access has it; BAD_USER_INPUT on `content`; CONFLICT on `expectedVersion` if the message
    /// has changed since, and on `id` while a reply is being written into it.
    pub async fn edit(
        &self,
        actor: &Actor,
        id: MessageId,
        content: String,
        expected_version: Option<i32>,
    ) -> Result<Message> {
        let row = self.own_message(actor, id).await?;
        self.check_content(&content)?;
        self.check_settled(&row).await?;
        let now = self.0.shared.clock.now();
        let body = self
            .change_body(id, |body| {
                if expected_version.is_some_and(|expected| expected != body.version) {
                    return Err(Error::conflict(
                        "expectedVersion",
                        "The message has changed since. Read it again and repeat the change.",
                    ));
                }
                let active = body.active.min(body.swipes.len() - 1);
                let swipe = &mut body.swipes[active];
                swipe.tokens = tokens_of(&content);
                swipe.content.clone_from(&content);
                body.is_edited = true;
                body.updated_at = now;
                Ok(())
            })
            .await?;
        self.tell(row.session, SessionEventKind::MessageUpdated(id));
        Ok(Message { row, body })
    }

    pub(crate) fn check_content(&self, content: &str) -> Result<()> {
        let most = self.0.shared.limits.message_bytes;
        if content.trim().is_empty() {
            return Err(Error::bad_input("content", "A message is not empty."));
        }
        if content.len() > most {
            return Err(Error::bad_input(
                "content",
                format!("A message has at most {most} bytes, not {}.", content.len()),
            ));
        }
        Ok(())
    }

    /// Shows another swipe of a message.
    ///
    /// # Errors
    /// As access has it; BAD_USER_INPUT on `index`; CONFLICT while a reply is being written into it.
    pub async fn select_swipe(&self, actor: &Actor, id: MessageId, index: i32) -> Result<Message> {
        let row = self.own_message(actor, id).await?;
        self.check_settled(&row).await?;
        let now = self.0.shared.clock.now();
        let body = self
            .change_body(id, |body| {
                let count = body.swipes.len();
                match usize::try_from(index) {
                    Ok(index) if index < count => body.active = index,
                    _ => {
                        return Err(Error::bad_input(
                            "index",
                            format!(
                                "This message has {count} swipes; `index` counts from 0, and {index} is none of them."
                            ),
                        ));
                    }
                }
                body.updated_at = now;
                Ok(())
            })
            .await?;
        self.tell(row.session, SessionEventKind::MessageUpdated(id));
        Ok(Message { row, body })
    }

    /// Keeps a message out of the prompt, or takes it in again.
    ///
    /// # Errors
    /// As access has it.
    pub async fn set_hidden(&self, actor: &Actor, id: MessageId, hidden: bool) -> Result<Message> {
        let row = self.own_message(actor, id).await?;
        let row = self
            .0
            .shared
            .store
            .chats
            .set_hidden(row.session, id, hidden)
            .await?
            .ok_or_else(|| Error::not_found("message"))?;
        self.tell(row.session, SessionEventKind::MessageUpdated(id));
        self.with_bodies(vec![row])
            .await?
            .pop()
            .ok_or_else(|| Error::not_found("message"))
    }

    /// Deletes messages of one session; those that are none of its are left out of the answer.
    ///
    /// # Errors
    /// As access has it; BAD_USER_INPUT on `ids`; CONFLICT while a reply is being written into one of them.
    pub async fn delete_messages(
        &self,
        actor: &Actor,
        session: SessionId,
        ids: &[MessageId],
    ) -> Result<Vec<MessageId>> {
        self.own_session(actor, session).await?;
        let Shared {
            store, limits, clock, ..
        } = &*self.0.shared;
        let most = limits.max_page_size as usize;
        if ids.is_empty() || ids.len() > most {
            return Err(Error::bad_input(
                "ids",
                format!("1 to {most} messages are deleted at once, not {}.", ids.len()),
            ));
        }
        let rows = store.chats.messages(ids).await?;
        for row in rows.iter().filter(|row| row.session == session) {
            self.check_settled(row).await?;
        }
        let deleted = store.chats.delete_messages(session, ids, clock.now()).await?;
        if !deleted.is_empty() {
            store.documents.delete_messages(&deleted).await?;
            self.tell(session, SessionEventKind::MessagesDeleted(deleted.clone()));
        }
        Ok(deleted)
    }

    /// # Errors
    /// CONFLICT while a reply is being written into the message.
    pub(crate) async fn check_settled(&self, row: &MessageRow) -> Result<()> {
        if let Some(generation) = row.generation
            && self
                .0
                .shared
                .store
                .generations
                .get(generation)
                .await?
                .is_some_and(|generation| !generation.status.is_terminal())
        {
            return Err(Error::conflict(
                "id",
                "A reply is being written into this message. Stop it first.",
            ));
        }
        Ok(())
    }

    /// Changes a message's document, again if somebody else was faster.
    pub(crate) async fn change_body(
        &self,
        id: MessageId,
        mut change: impl FnMut(&mut MessageBody) -> Result<()>,
    ) -> Result<MessageBody> {
        let documents = &self.0.shared.store.documents;
        for _ in 0..TRIES {
            let (_, mut body) = documents
                .messages(&[id])
                .await?
                .pop()
                .ok_or_else(|| Error::not_found("message"))?;
            let version = body.version;
            change(&mut body)?;
            body.version = version + 1;
            if documents.update_message(id, version, &body).await? {
                return Ok(body);
            }
        }
        Err(Error::conflict(
            "",
            "This message is being changed from elsewhere. Try again.",
        ))
    }

    pub(crate) fn tell(&self, session: SessionId, event: SessionEventKind) {
        self.0
            .shared
            .store
            .events
            .publish(session, event, self.0.shared.clock.now());
    }
}
