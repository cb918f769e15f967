//! Turns: a message sent, a reply asked for.
//!
//! The order of writes is that of the design: documents first, under ids chosen beforehand; then one
//! relational transaction makes the turn real; only then is a provider called. A document whose
//! transaction never came is swept.

mod begin;
mod wishes;

use tavern_domain::chat::{Author, ChatRole, ChatSession, Message, MessageBody, MessageRow, Swipe};
use tavern_domain::generation::{Generation, GenerationKind, GenerationOptions, GenerationStatus};
use tavern_domain::{Actor, CharacterId, Error, GenerationId, MessageId, Problems, Result, SessionId};

use crate::Shared;
use crate::chat::{Chats, tokens_of};
use crate::lease::LEASE;

use begin::{Begun, hash_of};
pub(crate) use wishes::{check_options, check_swipes};

/// A message as somebody sends it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub session: SessionId,
    pub content: String,
    /// Who is to answer; the first character if `None`.
    pub character: Option<CharacterId>,
    /// Advice for this reply only.
    pub guidance: Option<String>,
    pub idempotency_key: Option<String>,
    pub options: GenerationOptions,
    /// Whether a reply is wanted.
    pub generate: bool,
}

/// A reply as somebody asks for it.
#[derive(Debug, Clone)]
pub struct ReplyRequest {
    pub session: SessionId,
    pub kind: GenerationKind,
    pub character: Option<CharacterId>,
    /// The message to go on from, replace or find an alternative for; the last one if `None`.
    pub message: Option<MessageId>,
    pub guidance: Option<String>,
    pub idempotency_key: Option<String>,
    pub options: GenerationOptions,
}

/// A turn that is real.
#[derive(Debug, Clone)]
pub struct Sent {
    /// What the user wrote; `None` if only a reply was asked for.
    pub message: Option<Message>,
    pub generation: Option<Generation>,
}

impl Chats {
    /// Sends a message and, unless told otherwise, starts a reply, which goes on whether or not
    /// anybody watches. Returns at once.
    ///
    /// # Errors
    /// As access has it; BAD_USER_INPUT for every field that is wrong; CONFLICT while another reply
    /// is being written in the session, or if the key was used for something else; QUOTA_EXCEEDED, OVERLOADED.
    pub async fn send(&self, actor: &Actor, outgoing: Outgoing) -> Result<Sent> {
        let session = self.own_session(actor, outgoing.session).await?;
        let mut problems = Problems::new();
        problems.absorb(self.check_content(&outgoing.content))?;
        let character = self.check_reply(
            &mut problems,
            &session,
            outgoing.character,
            outgoing.guidance.as_deref(),
            outgoing.idempotency_key.as_deref(),
            &outgoing.options,
        );
        problems.finish()?;
        let request_hash = hash_of(&(
            session.id,
            &outgoing.content,
            outgoing.character,
            &outgoing.guidance,
            &outgoing.options,
            outgoing.generate,
        ))?;
        if let Some(sent) = self
            .replay(actor, outgoing.idempotency_key.as_deref(), request_hash)
            .await?
        {
            return Ok(sent);
        }
        let Shared { store, clock, .. } = &*self.0.shared;
        let mut speakers = match outgoing.character {
            Some(character) => vec![character],
            None => self.speakers(&session, Some(&outgoing.content)).await?,
        };
        let character = speakers.first().copied().or(character);
        let generate = outgoing.generate && !speakers.is_empty();
        let said = self.said(&session, character, outgoing.content, false).await?;
        let (content, effects) = (said.content, said.effects);
        self.check_content(&content)?;
        let now = clock.now();
        let sequence = store
            .chats
            .reserve_sequences(session.id, 2)
            .await?
            .ok_or_else(|| Error::not_found("chat session"))?;
        let row = |sequence, role, author, generation| MessageRow {
            id: MessageId::new(),
            session: session.id,
            sequence,
            role,
            author: Some(author),
            generation,
            is_hidden: false,
            created_at: now,
        };
        let user_row = row(sequence, ChatRole::User, Author::User(session.owner), None);
        let user_body = MessageBody::of(Swipe {
            tokens: tokens_of(&content),
            content,
            reasoning: None,
            model: None,
            created_at: now,
            generation: None,
            kept: 0,
            annotations: serde_json::Map::new(),
        });
        let mut rows = vec![user_row.clone()];
        let mut bodies = vec![user_body.clone()];
        let mut generation = None;
        if generate {
            let mut started = self.new_generation(&session, GenerationKind::Normal, character, outgoing.options);
            let reply = row(
                sequence + 1,
                ChatRole::Assistant,
                character.map_or(Author::User(session.owner), Author::Character),
                Some(started.id),
            );
            started.message = Some(reply.id);
            bodies.push(MessageBody::of(empty_swipe(&started)));
            rows.push(reply);
            generation = Some(started);
        }
        let documents: Vec<_> = rows
            .iter()
            .zip(&bodies)
            .map(|(row, body)| (row.id, session.id, body))
            .collect();
        store.documents.put_messages(&documents).await?;
        let session_id = session.id;
        let begun = Begun {
            session,
            rows,
            reply_into: None,
            generation: generation.clone(),
            guidance: outgoing.guidance,
            said: effects.clone(),
            traces: said.traces,
            next: speakers.split_off(speakers.len().min(1)),
        };
        if let Some(replayed) = self.begin(actor, begun, outgoing.idempotency_key, request_hash).await? {
            return Ok(replayed);
        }
        if let (None, Some(effects)) = (&generation, &effects) {
            store.chats.remember(session_id, effects).await?;
        }
        Ok(Sent {
            message: Some(Message {
                row: user_row,
                body: user_body,
            }),
            generation,
        })
    }

    /// Starts a reply without a new message of the user's.
    ///
    /// # Errors
    /// As for [`Self::send`]; BAD_USER_INPUT on `messageId` if there is no reply of that kind to be made of it.
    pub async fn reply(&self, actor: &Actor, request: ReplyRequest) -> Result<Sent> {
        let session = self.own_session(actor, request.session).await?;
        let mut problems = Problems::new();
        let character = self.check_reply(
            &mut problems,
            &session,
            request.character,
            request.guidance.as_deref(),
            request.idempotency_key.as_deref(),
            &request.options,
        );
        problems.finish()?;
        let request_hash = hash_of(&(
            session.id,
            request.kind,
            request.character,
            request.message,
            &request.guidance,
            &request.options,
        ))?;
        if let Some(sent) = self
            .replay(actor, request.idempotency_key.as_deref(), request_hash)
            .await?
        {
            return Ok(sent);
        }
        let mut next = Vec::new();
        let character = match (request.kind, request.character) {
            (GenerationKind::Normal, None) => {
                let mut speakers = self.speakers(&session, None).await?.into_iter();
                let first = speakers.next();
                next.extend(speakers);
                first.or(character)
            }
            _ => character,
        };
        let mut generation = self.new_generation(&session, request.kind, character, request.options);
        let mut rows = Vec::new();
        let mut reply_into = None;
        match request.kind {
            GenerationKind::Normal => {
                let row = self.reply_row(&session, &mut generation).await?;
                rows.push(row);
            }
            GenerationKind::Continue | GenerationKind::Regenerate | GenerationKind::Swipe => {
                let row = self.target(&session, request.message).await?;
                self.check_settled(&row).await?;
                if request.kind == GenerationKind::Swipe {
                    let body = self.0.shared.store.documents.messages(&[row.id]).await?.pop();
                    let most = self.0.shared.limits.swipes;
                    body.map_or(Ok(()), |(_, body)| check_swipes(&body, most))?;
                }
                if let Some(Author::Character(author)) = row.author {
                    generation.character = Some(author);
                }
                generation.message = Some(row.id);
                reply_into = Some(row.id);
            }
            GenerationKind::Impersonate | GenerationKind::Quiet => {}
        }
        let begun = Begun {
            session,
            rows,
            reply_into,
            generation: Some(generation.clone()),
            guidance: request.guidance,
            said: None,
            traces: Vec::new(),
            next,
        };
        if let Some(replayed) = self.begin(actor, begun, request.idempotency_key, request_hash).await? {
            return Ok(replayed);
        }
        Ok(Sent {
            message: None,
            generation: Some(generation),
        })
    }

    /// Starts a reply of a new message.
    pub(crate) async fn begin_reply(
        &self,
        actor: &Actor,
        session: ChatSession,
        speaker: CharacterId,
        options: GenerationOptions,
        next: Vec<CharacterId>,
    ) -> Result<()> {
        let mut generation = self.new_generation(&session, GenerationKind::Normal, Some(speaker), options);
        let row = self.reply_row(&session, &mut generation).await?;
        let begun = Begun {
            session,
            rows: vec![row],
            reply_into: None,
            generation: Some(generation),
            guidance: None,
            said: None,
            traces: Vec::new(),
            next,
        };
        self.begin(actor, begun, None, [0; 32]).await.map(drop)
    }

    /// A message for a reply to be written into; its document is written.
    async fn reply_row(&self, session: &ChatSession, generation: &mut Generation) -> Result<MessageRow> {
        let store = &self.0.shared.store;
        let sequence = store
            .chats
            .reserve_sequences(session.id, 1)
            .await?
            .ok_or_else(|| Error::not_found("chat session"))?;
        let author = generation
            .character
            .map_or(Author::User(session.owner), Author::Character);
        let row = MessageRow {
            id: MessageId::new(),
            session: session.id,
            sequence,
            role: ChatRole::Assistant,
            author: Some(author),
            generation: Some(generation.id),
            is_hidden: false,
            created_at: generation.created_at,
        };
        let body = MessageBody::of(empty_swipe(generation));
        store.documents.put_messages(&[(row.id, session.id, &body)]).await?;
        generation.message = Some(row.id);
        Ok(row)
    }

    /// The model of a reply: the one wished for, the session's, or the default where that is gone.
    pub(crate) fn model_of(&self, session: &ChatSession, options: &GenerationOptions) -> String {
        options.model.clone().unwrap_or_else(|| {
            if self.0.models.has(&session.model) {
                session.model.clone()
            } else {
                self.0.models.default_model().to_owned()
            }
        })
    }

    pub(crate) fn new_generation(
        &self,
        session: &ChatSession,
        kind: GenerationKind,
        character: Option<CharacterId>,
        options: GenerationOptions,
    ) -> Generation {
        let now = self.0.shared.clock.now();
        Generation {
            id: GenerationId::new(),
            session: session.id,
            user: session.owner,
            message: None,
            character,
            kind,
            status: GenerationStatus::Queued,
            model: self.model_of(session, &options),
            provider: None,
            options,
            attempts: Vec::new(),
            usage: None,
            finish_reason: None,
            error: None,
            sha256: None,
            length: 0,
            fence: 1,
            lease_until: now.plus(LEASE),
            cancel_requested: false,
            created_at: now,
            first_token_at: None,
            ended_at: None,
        }
    }
}

/// What a reply is written into.
pub(crate) fn empty_swipe(generation: &Generation) -> Swipe {
    Swipe {
        content: String::new(),
        reasoning: None,
        tokens: 0,
        model: Some(generation.model.clone()),
        created_at: generation.created_at,
        generation: Some(generation.id),
        kept: 0,
        annotations: serde_json::Map::new(),
    }
}

#[cfg(test)]
mod tests;
