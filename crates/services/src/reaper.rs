//! What runs in the background: leases are renewed, texts checkpointed, orphans ended, leftovers swept.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::BoxFuture;
use tavern_domain::generation::{Generation, GenerationError, GenerationStatus};
use tavern_domain::{Code, Result, Timestamp};

use crate::Shared;
use crate::chat::Chats;
use crate::lease::{LEASE, RENEW_EVERY};
use crate::runtime::Ending;

const CHECKPOINT_EVERY: Duration = Duration::from_secs(2);
const REAP_EVERY: Duration = Duration::from_secs(2);
/// Each is begun at once; this is for those whose server died.
const JOBS_EVERY: Duration = Duration::from_secs(5);
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// Orphans taken over at once.
const REAP_BATCH: u32 = 100;
/// Documents of turns that never became real are left alone this long, in case the turn is about to.
const SWEEP_AFTER: Duration = Duration::from_secs(600);
/// How far back the sweeper looks: longer than any server was down between two of its runs would be
/// better, but what it misses costs only space.
const SWEEP_BACK: Duration = Duration::from_secs(24 * 3600);
const SWEEP_BATCH: u32 = 500;
/// How long it can be seen what was sent for a reply.
const PROMPTS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Starts the background work; it ends with the token of `chats`.
pub(crate) fn start(chats: &Chats) {
    every(chats, "checkpoint", CHECKPOINT_EVERY, |chats| {
        Box::pin(async move { chats.checkpoint().await })
    });
    every(chats, "renew leases", RENEW_EVERY, |chats| {
        Box::pin(async move { chats.renew().await })
    });
    every(chats, "reap", REAP_EVERY, |chats| {
        Box::pin(async move { chats.reap().await })
    });
    every(chats, "jobs after replies", JOBS_EVERY, |chats| {
        Box::pin(async move { chats.do_jobs().await })
    });
    every(chats, "tidy up", TIDY_EVERY, |chats| {
        Box::pin(async move { chats.tidy().await })
    });
}

fn every(chats: &Chats, what: &'static str, period: Duration, work: fn(Chats) -> BoxFuture<'static, Result<()>>) {
    let chats = chats.clone();
    let tasks = chats.0.tasks.clone();
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = chats.0.stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = work(chats.clone()).await {
                tracing::error!(what, ?error, "background work failed; it is tried again");
            }
        }
    });
}

impl Chats {
    /// Stores what has come of the replies under way since the last time, all in one transaction.
    async fn checkpoint(&self) -> Result<()> {
        let store = &self.0.shared.store;
        let mut texts = Vec::new();
        let mut progresses = Vec::new();
        for reply in self.0.live.all() {
            if let Some((text, progress)) = reply.checkpoint() {
                texts.push((reply.id, text));
                progresses.push((reply.id, reply.fence, progress));
            }
        }
        if texts.is_empty() {
            return Ok(());
        }
        store.documents.checkpoint(&texts).await?;
        for (id, fence, progress) in progresses {
            store
                .generations
                .progress(
                    id,
                    fence,
                    progress.status,
                    progress.provider.as_deref(),
                    &progress.attempts,
                    progress.first_token_at,
                )
                .await?;
        }
        Ok(())
    }

    /// Renews the leases of this server's writers, and hears who is to stop.
    async fn renew(&self) -> Result<()> {
        let replies = self.0.live.all();
        if replies.is_empty() {
            return Ok(());
        }
        let leases: Vec<_> = replies.iter().map(|reply| (reply.id, reply.fence)).collect();
        let now = self.0.shared.clock.now();
        let held: HashMap<_, _> = self
            .0
            .shared
            .store
            .generations
            .renew(&leases, now.plus(LEASE))
            .await?
            .into_iter()
            .collect();
        for reply in replies {
            match held.get(&reply.id) {
                Some(false) => {}
                Some(true) => reply.cancel.cancel(),
                // Ended a moment ago, not begun yet, or taken over: the last is what the store says of it.
                None => {
                    let taken = self
                        .0
                        .shared
                        .store
                        .generations
                        .get(reply.id)
                        .await?
                        .is_some_and(|generation| generation.fence != reply.fence);
                    if taken {
                        reply.fenced_out.cancel();
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the generations whose writer is gone.
    async fn reap(&self) -> Result<()> {
        let Shared { store, clock, .. } = &*self.0.shared;
        let now = clock.now();
        for generation in store
            .generations
            .take_over_expired(now, now.plus(LEASE), REAP_BATCH)
            .await?
        {
            let id = generation.id;
            match self.end_orphan(generation).await {
                Ok(Some(generation)) => self.tell_end(&generation),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(generation = %id, ?error, "an orphaned reply could not be ended; it is tried again")
                }
            }
        }
        Ok(())
    }

    async fn end_orphan(&self, generation: Generation) -> Result<Option<Generation>> {
        let record = self
            .0
            .shared
            .store
            .documents
            .text(generation.id)
            .await?
            .unwrap_or_default();
        // Its writer may have got as far as writing how it ended.
        if let Some(ending) = record
            .ended
            .and_then(|ended| serde_json::from_value::<Ending>(ended).ok())
        {
            return self.settle(generation, record.text, ending).await;
        }
        tracing::warn!(generation = %generation.id, "the writer of a reply is gone; what came of it is kept");
        let status = match (generation.cancel_requested, record.text.text.is_empty()) {
            (true, _) => GenerationStatus::Cancelled,
            (false, true) => GenerationStatus::Failed,
            (false, false) => GenerationStatus::Interrupted,
        };
        let error = GenerationError {
            code: Code::Unavailable.as_str().into(),
            message: "The server that wrote this reply is gone.".into(),
            retryable: true,
        };
        let ending = Ending {
            status,
            finish_reason: None,
            error: (status != GenerationStatus::Cancelled).then_some(error),
            usage: None,
            provider: generation.provider.clone(),
            attempts: generation.attempts.clone(),
            first_token_at: generation.first_token_at,
            ended_at: self.0.shared.clock.now(),
            content: None,
            effects: None,
            after_reply: false,
            tools: Vec::new(),
        };
        self.settle(generation, record.text, ending).await
    }

    /// Forgets what has expired, files without a character, and documents whose turn never became real.
    async fn tidy(&self) -> Result<()> {
        let Shared { store, clock, .. } = &*self.0.shared;
        let now = clock.now();
        self.0.accounts.clean_up().await?;
        store.chats.purge_idempotency(now).await?;
        self.0.characters.avatars().sweep(store, now).await?;
        while store
            .documents
            .delete_prompts_before(now.minus(PROMPTS_KEPT), SWEEP_BATCH)
            .await?
            > 0
        {}
        self.sweep_messages(now).await
    }

    async fn sweep_messages(&self, now: Timestamp) -> Result<()> {
        let store = &self.0.shared.store;
        let (from, to) = (now.minus(SWEEP_BACK), now.minus(SWEEP_AFTER));
        let mut after = None;
        loop {
            let documents = store
                .documents
                .message_ids_between(from, to, after, SWEEP_BATCH)
                .await?;
            let Some(last) = documents.last() else { return Ok(()) };
            after = Some(*last);
            let real: std::collections::HashSet<_> = store
                .chats
                .messages(&documents)
                .await?
                .into_iter()
                .map(|row| row.id)
                .collect();
            let orphans: Vec<_> = documents.into_iter().filter(|id| !real.contains(id)).collect();
            if !orphans.is_empty() {
                tracing::info!(count = orphans.len(), "swept documents of turns that never became real");
                store.documents.delete_messages(&orphans).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests;
