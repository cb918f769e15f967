//! The one transaction that makes a turn real, and what a request that comes again is given.

use sha2::{Digest as _, Sha256};
use tavern_domain::chat::{ChatSession, MessageRow, TurnEffects};
use tavern_domain::event::SessionEventKind;
use tavern_domain::extension::PluginTrace;
use tavern_domain::generation::Generation;
use tavern_domain::{Actor, CharacterId, Code, Error, MessageId, Result};
use tavern_storage::{Idempotency, TurnOutcome, TurnStart};

use super::Sent;
use crate::Shared;
use crate::chat::Chats;
use crate::runtime::Turn;

/// A turn whose documents are written.
pub(super) struct Begun {
    pub session: ChatSession,
    pub rows: Vec<MessageRow>,
    pub reply_into: Option<MessageId>,
    pub generation: Option<Generation>,
    pub guidance: Option<String>,
    pub said: Option<TurnEffects>,
    /// Extensions that were called for what the user has typed.
    pub traces: Vec<PluginTrace>,
    pub next: Vec<CharacterId>,
}

impl Chats {
    /// Makes a turn real and starts its reply; gives back what an earlier request with the same key made.
    pub(super) async fn begin(
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

    pub(super) async fn replay(
        &self,
        actor: &Actor,
        key: Option<&str>,
        request_hash: [u8; 32],
    ) -> Result<Option<Sent>> {
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

/// What a request asks for, so that a key used for another one is noticed.
pub(super) fn hash_of(request: &impl serde::Serialize) -> Result<[u8; 32]> {
    Ok(Sha256::digest(serde_json::to_vec(request).map_err(Error::internal)?).into())
}
