//! Replies: seen, watched, stopped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tavern_domain::event::SessionEventKind;
use tavern_domain::generation::{Generation, GenerationText, StreamPosition};
use tavern_domain::page::bad_cursor;
use tavern_domain::{Actor, Error, GenerationId, Result, SessionId};

use crate::chat::Chats;
use crate::live::{ReplyEvent, Watcher};

/// How long a stop waits for the reply to be settled.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// How often a reply that nobody here writes is looked for.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Chats {
    /// The generation, if the caller may see its session.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn generation(&self, actor: &Actor, id: GenerationId) -> Result<Option<Generation>> {
        Ok(self.generations(actor, &[id]).await?.pop())
    }

    /// Those of `ids` that the caller may see, in no order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn generations(&self, actor: &Actor, ids: &[GenerationId]) -> Result<Vec<Generation>> {
        if matches!(actor, Actor::Anonymous) {
            return Ok(Vec::new());
        }
        let found = self.0.shared.store.generations.by_ids(ids).await?;
        let mut sessions: Vec<_> = found.iter().map(|generation| generation.session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        let visible: Vec<_> = self
            .sessions(actor, &sessions)
            .await?
            .into_iter()
            .map(|session| session.id)
            .collect();
        Ok(found
            .into_iter()
            .filter(|generation| visible.contains(&generation.session))
            .map(|generation| self.as_of_now(generation))
            .collect())
    }

    /// The replies being written in a session the caller may see.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn active_generations(&self, actor: &Actor, session: SessionId) -> Result<Vec<Generation>> {
        if self.session(actor, session).await?.is_none() {
            return Ok(Vec::new());
        }
        let active = self.0.shared.store.generations.active(session).await?;
        Ok(active
            .into_iter()
            .map(|generation| self.as_of_now(generation))
            .collect())
    }

    /// A stored generation, brought up to what its writer knows.
    fn as_of_now(&self, mut generation: Generation) -> Generation {
        if !generation.status.is_terminal()
            && let Some(live) = self.0.live.get(generation.id)
        {
            let progress = live.progress();
            // The end is told by the store.
            if !progress.status.is_terminal() {
                generation.status = progress.status;
                generation.provider = progress.provider;
                generation.attempts = progress.attempts;
                generation.first_token_at = progress.first_token_at;
            }
        }
        generation
    }

    /// What a generation has written, so far or in all.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn generation_text(&self, generation: &Generation) -> Result<String> {
        if !generation.status.is_terminal()
            && let Some(live) = self.0.live.get(generation.id)
        {
            return Ok(live.so_far());
        }
        Ok(self
            .0
            .shared
            .store
            .documents
            .text(generation.id)
            .await?
            .map(|record| record.text.text)
            .unwrap_or_default())
    }

    /// Watches a reply: before, while and after it is written, from `after` on or from the start.
    ///
    /// # Errors
    /// NOT_FOUND for what the caller may not see; BAD_USER_INPUT for what is no cursor of this reply.
    pub async fn watch(&self, actor: &Actor, id: GenerationId, after: Option<&str>) -> Result<ReplyStream> {
        let at = match after {
            None => None,
            Some(text) => Some(
                StreamPosition::parse(text)
                    .filter(|at| at.generation == id)
                    .ok_or_else(|| bad_cursor("after"))?,
            ),
        };
        self.generation(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("generation"))?;
        let phase = if at.is_some_and(|at| at.ended) {
            Phase::Done
        } else {
            Phase::Look
        };
        Ok(ReplyStream {
            chats: self.clone(),
            id,
            at,
            phase,
        })
    }

    /// Stops a reply; what came of it is kept. Stopping what has ended changes nothing.
    ///
    /// # Errors
    /// As access has it.
    pub async fn stop(&self, actor: &Actor, id: GenerationId) -> Result<Generation> {
        actor.require_user()?;
        let generation = self
            .generation(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("generation"))?;
        self.own_session(actor, generation.session).await?;
        if generation.status.is_terminal() {
            return Ok(generation);
        }
        self.cancel(id).await?;
        self.generation(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("generation"))
    }

    /// Asks the writer to stop, and waits until it has, but not for ever.
    pub(crate) async fn cancel(&self, id: GenerationId) -> Result<()> {
        let Some(live) = self.0.live.get(id) else {
            // Whoever writes it learns of this when it renews its lease.
            self.0.shared.store.generations.request_cancel(id).await?;
            return Ok(());
        };
        live.cancel.cancel();
        let mut watcher = live.watch(None);
        let ended = async {
            while let Some(event) = watcher.next().await {
                if matches!(event, ReplyEvent::Ended { .. }) {
                    break;
                }
            }
        };
        if tokio::time::timeout(STOP_WAIT, ended).await.is_err() {
            tracing::warn!(generation = %id, "a reply was told to stop and has not yet");
        }
        Ok(())
    }

    /// Tells everybody that a generation has ended.
    pub(crate) fn tell_end(&self, generation: &Generation) {
        if let Some(message) = generation.message {
            self.tell(generation.session, SessionEventKind::MessageUpdated(message));
        }
        self.tell(generation.session, SessionEventKind::GenerationFinished(generation.id));
    }
}

/// The events of a reply: exactly one end, and before it every byte exactly once.
pub struct ReplyStream {
    chats: Chats,
    id: GenerationId,
    at: Option<StreamPosition>,
    phase: Phase,
}

enum Phase {
    /// Where is it being written?
    Look,
    Here(Box<Watcher>),
    /// It has ended; these are left to be told.
    Persisted(VecDeque<ReplyEvent>),
    Done,
}

impl ReplyStream {
    /// The next event; `None` after the end, or when the session was deleted.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn next(&mut self) -> Result<Option<ReplyEvent>> {
        loop {
            match &mut self.phase {
                Phase::Done => return Ok(None),
                Phase::Here(watcher) => match watcher.next().await {
                    Some(event) => return Ok(Some(event)),
                    None if watcher.is_done() => self.phase = Phase::Done,
                    None => {
                        self.at = watcher.position();
                        self.phase = Phase::Look;
                    }
                },
                Phase::Persisted(left) => match left.pop_front() {
                    Some(event) => return Ok(Some(event)),
                    None => self.phase = Phase::Done,
                },
                Phase::Look => self.look().await?,
            }
        }
    }

    async fn look(&mut self) -> Result<()> {
        let inner = &self.chats.0;
        if let Some(live) = inner.live.get(self.id).filter(|live| !live.fenced_out.is_cancelled()) {
            self.phase = Phase::Here(Box::new(live.watch(self.at)));
            return Ok(());
        }
        match inner.shared.store.generations.get(self.id).await? {
            None => self.phase = Phase::Done,
            Some(generation) if generation.status.is_terminal() => {
                let record = inner.shared.store.documents.text(self.id).await?.unwrap_or_default();
                self.phase = Phase::Persisted(rest(generation, record.text, self.at));
            }
            // Another server writes it, or none does and the reaper will end it.
            Some(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
        Ok(())
    }
}

/// What is left to be told, from `at` on, of a reply that has ended.
fn rest(generation: Generation, all: GenerationText, at: Option<StreamPosition>) -> VecDeque<ReplyEvent> {
    let epoch = u32::try_from(generation.fence).unwrap_or(0);
    let offset = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let position = StreamPosition {
        generation: generation.id,
        epoch,
        text: offset(all.text.len()),
        reasoning: offset(all.reasoning.len()),
        ended: false,
    };
    let mut events = VecDeque::with_capacity(2);
    let left = at.filter(|at| at.epoch == epoch).and_then(|at| {
        Some((
            all.text.get(at.text as usize..)?,
            all.reasoning.get(at.reasoning as usize..)?,
        ))
    });
    let some = |reasoning: &str| (!reasoning.is_empty()).then(|| reasoning.to_owned());
    match left {
        Some(("", "")) => {}
        Some((text, reasoning)) => events.push_back(ReplyEvent::Delta {
            position,
            text: text.to_owned(),
            reasoning: some(reasoning),
        }),
        None => events.push_back(ReplyEvent::Snapshot {
            position,
            reasoning: some(&all.reasoning),
            text: all.text,
            status: generation.status,
        }),
    }
    events.push_back(ReplyEvent::Ended {
        position: StreamPosition {
            ended: true,
            ..position
        },
        generation: Arc::new(generation),
    });
    events
}
