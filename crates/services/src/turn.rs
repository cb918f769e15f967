//! Turns: a message sent, a reply asked for.
//!
//! The order of writes is that of the design: documents first, under ids chosen beforehand; then one
//! relational transaction makes the turn real; only then is a provider called. A document whose
//! transaction never came is swept.

use sha2::{Digest as _, Sha256};
use tavern_domain::chat::{Author, ChatRole, ChatSession, Message, MessageBody, MessageRow, Swipe, TurnEffects};
use tavern_domain::event::SessionEventKind;
use tavern_domain::extension::PluginTrace;
use tavern_domain::generation::{Generation, GenerationKind, GenerationOptions, GenerationStatus};
use tavern_domain::{Actor, CharacterId, Code, Error, GenerationId, Limits, MessageId, Problems, Result, SessionId};
use tavern_storage::{Idempotency, TurnOutcome, TurnStart};

use crate::Shared;
use crate::chat::{Chats, tokens_of};
use crate::runtime::{LEASE, Turn};

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

    /// The reply that is to be continued, replaced or varied.
    pub(crate) async fn target(&self, session: &ChatSession, message: Option<MessageId>) -> Result<MessageRow> {
        let store = &self.0.shared.store;
        let row = match message {
            Some(id) => store
                .chats
                .message(id)
                .await?
                .filter(|row| row.session == session.id)
                .ok_or_else(|| Error::bad_input("messageId", "There is no such message in this chat."))?,
            None => store
                .chats
                .tail(session.id, None, 1)
                .await?
                .pop()
                .ok_or_else(|| Error::bad_input("messageId", "This chat has no message yet."))?,
        };
        if row.role == ChatRole::Assistant {
            Ok(row)
        } else {
            Err(Error::bad_input(
                "messageId",
                "Only a character's message can be continued, replaced or varied.",
            ))
        }
    }

    pub(crate) fn check_reply(
        &self,
        problems: &mut Problems,
        session: &ChatSession,
        character: Option<CharacterId>,
        guidance: Option<&str>,
        key: Option<&str>,
        options: &GenerationOptions,
    ) -> Option<CharacterId> {
        let limits = &self.0.shared.limits;
        if let Some(guidance) = guidance
            && guidance.len() > limits.guidance_bytes
        {
            problems.add(
                "guidance",
                format!(
                    "Guidance has at most {} bytes, not {}.",
                    limits.guidance_bytes,
                    guidance.len()
                ),
            );
        }
        if let Some(key) = key {
            problems.refuse_nul("idempotencyKey", key);
            let count = key.chars().count();
            if count == 0 || count > limits.idempotency_key_chars {
                problems.add(
                    "idempotencyKey",
                    format!(
                        "An idempotency key has 1 to {} characters, not {count}.",
                        limits.idempotency_key_chars
                    ),
                );
            }
        }
        if let Some(character) = character
            && !session.characters.contains(&character)
        {
            problems.add("characterId", "This character is not part of the chat.");
        }
        for (index, model) in options
            .model
            .iter()
            .map(|model| ("options.model".to_owned(), model))
            .chain(
                options
                    .fallback_models
                    .iter()
                    .enumerate()
                    .map(|(index, model)| (format!("options.fallbackModels.{index}"), model)),
            )
            .enumerate()
            .take(9)
            .map(|(_, pair)| pair)
        {
            if !self.0.models.has(model) {
                problems.add(
                    &index,
                    format!(
                        "There is no model called {:?}.",
                        model.chars().take(60).collect::<String>()
                    ),
                );
            }
        }
        check_options(problems, options, limits);
        character.or_else(|| session.characters.first().copied())
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

    /// Makes a turn real and starts its reply; gives back what an earlier request with the same key made.
    async fn begin(
        &self,
        actor: &Actor,
        begun: Begun,
        key: Option<String>,
        request_hash: [u8; 32],
    ) -> Result<Option<Sent>> {
        let Shared {
            store, limits, clock, ..
        } = &*self.0.shared;
        let now = clock.now();
        let new_documents: Vec<_> = begun.rows.iter().map(|row| row.id).collect();
        // A place to write is taken, and the reply can be watched, before anybody can learn of it.
        let place = match &begun.generation {
            None => None,
            Some(generation) => match std::sync::Arc::clone(&self.0.writers).try_acquire_owned() {
                Ok(permit) => Some((permit, self.0.live.insert(generation.id, generation.fence))),
                Err(_) => {
                    store.documents.delete_messages(&new_documents).await?;
                    return Err(Error::new(
                        Code::Overloaded,
                        "Too many replies are being written at this moment. Try again in a few seconds.",
                    ));
                }
            },
        };
        let turn = TurnStart {
            session: begun.session.id,
            messages: begun.rows.clone(),
            generation: begun.generation.clone(),
            reply_into: begun.reply_into,
            idempotency: key.map(|key| Idempotency {
                user: begun.session.owner,
                key,
                request_hash,
                expires_at: now.plus(std::time::Duration::from_secs(limits.idempotency_hours * 3600)),
            }),
            now,
            max_messages: limits.messages_per_session,
            max_active: u32::try_from(limits.generations_per_user).unwrap_or(u32::MAX),
        };
        let outcome = store.chats.begin_turn(turn).await;
        if !matches!(outcome, Ok(TurnOutcome::Started)) {
            if let Some(generation) = &begun.generation {
                self.0.live.remove(generation.id);
            }
            if outcome.is_ok() {
                store.documents.delete_messages(&new_documents).await?;
            }
        }
        match outcome? {
            TurnOutcome::Started => {}
            replayed @ TurnOutcome::Replayed { .. } => {
                return self.replayed(actor, replayed, request_hash).await.map(Some);
            }
            TurnOutcome::Busy(_) => {
                return Err(Error::conflict(
                    "sessionId",
                    "A reply is being written in this chat. Wait for it, or stop it.",
                ));
            }
            TurnOutcome::TooManyActive => {
                return Err(Error::of_field(
                    Code::QuotaExceeded,
                    "sessionId",
                    format!(
                        "At most {} replies are written for one account at once.",
                        limits.generations_per_user
                    ),
                ));
            }
            TurnOutcome::SessionFull => {
                return Err(Error::of_field(
                    Code::QuotaExceeded,
                    "sessionId",
                    format!("A chat has at most {} messages.", limits.messages_per_session),
                ));
            }
            TurnOutcome::SessionGone => return Err(Error::not_found("chat session")),
        }
        for row in &begun.rows {
            self.tell(begun.session.id, SessionEventKind::MessageCreated(row.id));
        }
        if let (Some(generation), Some((permit, live))) = (begun.generation, place) {
            self.tell(begun.session.id, SessionEventKind::GenerationStarted(generation.id));
            let turn = Turn {
                session: begun.session,
                generation,
                guidance: begun.guidance,
                said: begun.said,
                traces: begun.traces,
                next: begun.next,
                live,
            };
            let chats = self.clone();
            self.0.tasks.spawn(async move {
                chats.write(turn).await;
                drop(permit);
            });
        }
        Ok(None)
    }

    async fn replay(&self, actor: &Actor, key: Option<&str>, request_hash: [u8; 32]) -> Result<Option<Sent>> {
        let Some(key) = key else { return Ok(None) };
        let user = actor.require_user()?.user;
        match self
            .0
            .shared
            .store
            .chats
            .replayed(user, key, self.0.shared.clock.now())
            .await?
        {
            Some(outcome) => self.replayed(actor, outcome, request_hash).await.map(Some),
            None => Ok(None),
        }
    }

    /// What an earlier request with the same key made.
    async fn replayed(&self, actor: &Actor, outcome: TurnOutcome, request_hash: [u8; 32]) -> Result<Sent> {
        let TurnOutcome::Replayed {
            request_hash: first,
            message,
            generation,
        } = outcome
        else {
            return Err(Error::internal("only a replay is replayed"));
        };
        if first != request_hash {
            return Err(Error::conflict(
                "idempotencyKey",
                "This idempotency key was used for another request.",
            ));
        }
        let message = match message {
            Some(id) => self.message(actor, id).await?,
            None => None,
        };
        let generation = match generation {
            Some(id) => self.generation(actor, id).await?,
            None => None,
        };
        Ok(Sent { message, generation })
    }
}

/// A turn whose documents are written.
struct Begun {
    session: ChatSession,
    rows: Vec<MessageRow>,
    reply_into: Option<MessageId>,
    generation: Option<Generation>,
    guidance: Option<String>,
    said: Option<TurnEffects>,
    traces: Vec<PluginTrace>,
    next: Vec<CharacterId>,
}

/// Whether a message has room for another swipe.
pub(crate) fn check_swipes(body: &MessageBody, most: usize) -> Result<()> {
    if body.swipes.len() < most {
        return Ok(());
    }
    Err(Error::bad_input(
        "messageId",
        format!("A message has at most {most} swipes."),
    ))
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

/// What a request asks for, so that a key used for another one is noticed.
fn hash_of(request: &impl serde::Serialize) -> Result<[u8; 32]> {
    Ok(Sha256::digest(serde_json::to_vec(request).map_err(Error::internal)?).into())
}

pub(crate) fn check_options(problems: &mut Problems, options: &GenerationOptions, limits: &Limits) {
    let mut range = |field: &str, value: Option<f64>, low: f64, high: f64| {
        if let Some(value) = value
            && !(low..=high).contains(&value)
        {
            problems.add(
                &format!("options.{field}"),
                format!("`{field}` is between {low} and {high}, not {value}."),
            );
        }
    };
    range("temperature", options.temperature, 0.0, 5.0);
    range("topP", options.top_p, 0.0, 1.0);
    range("minP", options.min_p, 0.0, 1.0);
    range("frequencyPenalty", options.frequency_penalty, -2.0, 2.0);
    range("presencePenalty", options.presence_penalty, -2.0, 2.0);
    range("repetitionPenalty", options.repetition_penalty, 0.0, 5.0);
    range("topK", options.top_k.map(f64::from), 0.0, 1_000_000.0);
    range("maxTokens", options.max_tokens.map(f64::from), 1.0, 1_000_000.0);
    if options.fallback_models.len() > 8 {
        problems.add(
            "options.fallbackModels",
            format!("At most 8 fallback models, not {}.", options.fallback_models.len()),
        );
    }
    if options.stop.len() > limits.stop_strings {
        problems.add(
            "options.stop",
            format!(
                "At most {} stop strings, not {}.",
                limits.stop_strings,
                options.stop.len()
            ),
        );
    }
    if options.stop.iter().any(|stop| stop.is_empty() || stop.len() > 256) {
        problems.add("options.stop", "A stop string has 1 to 256 bytes.");
    }
    if let Some(extra) = &options.extra {
        if !extra.is_object() {
            problems.add("options.extra", "`extra` is an object.");
        } else if serde_json::to_vec(extra).map_or(usize::MAX, |bytes| bytes.len()) > limits.guidance_bytes {
            problems.add(
                "options.extra",
                format!("`extra` has at most {} bytes.", limits.guidance_bytes),
            );
        }
    }
}

#[cfg(test)]
mod tests;
