//! Replies being written at this moment, and those who watch them.
//!
//! A reply's text only grows, so it is its own log: a watcher at byte *n* needs `text[n..]`, however
//! late it comes and however slowly it reads. Nothing is queued for anybody, what a slow reader
//! misses is merged into its next delta, and no watcher can hold up the writer. The writer decides
//! what is visible (it coalesces); watchers sleep on a version number.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tavern_domain::chat::Swipe;
use tavern_domain::generation::{Generation, GenerationAttempt, GenerationStatus, GenerationText, StreamPosition};
use tavern_domain::{GenerationId, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a watcher is told next.
#[derive(Debug, Clone)]
pub enum ReplyEvent {
    /// The whole text so far.
    Snapshot {
        position: StreamPosition,
        text: String,
        reasoning: Option<String>,
        status: GenerationStatus,
    },
    /// What came since the position before.
    Delta {
        position: StreamPosition,
        text: String,
        reasoning: Option<String>,
    },
    /// The end, as persisted.
    Ended {
        position: StreamPosition,
        generation: Arc<Generation>,
    },
}

/// The replies this server writes, by generation.
#[derive(Default)]
pub struct LiveReplies(Mutex<HashMap<GenerationId, Arc<LiveReply>>>);

impl LiveReplies {
    #[must_use]
    pub fn get(&self, id: GenerationId) -> Option<Arc<LiveReply>> {
        self.0.lock().get(&id).map(Arc::clone)
    }

    pub(crate) fn insert(&self, id: GenerationId, fence: i32) -> Arc<LiveReply> {
        let reply = Arc::new(LiveReply::new(id, fence));
        self.0.lock().insert(id, Arc::clone(&reply));
        reply
    }

    pub(crate) fn remove(&self, id: GenerationId) {
        self.0.lock().remove(&id);
    }

    pub(crate) fn all(&self) -> Vec<Arc<LiveReply>> {
        self.0.lock().values().map(Arc::clone).collect()
    }
}

/// One reply being written.
pub struct LiveReply {
    pub(crate) id: GenerationId,
    /// The writer's fence; also the epoch of positions, since another writer may have lost the tail.
    pub(crate) fence: i32,
    state: Mutex<State>,
    /// Grows with each visible change.
    version: watch::Sender<u64>,
    /// Somebody wants the reply to stop.
    pub(crate) cancel: CancellationToken,
    /// Another writer has taken over: what is written here counts no more.
    pub(crate) fenced_out: CancellationToken,
}

/// How far a reply has come, besides its text.
#[derive(Debug, Clone)]
pub struct Progress {
    pub status: GenerationStatus,
    pub provider: Option<String>,
    pub attempts: Vec<GenerationAttempt>,
    pub first_token_at: Option<Timestamp>,
}

struct State {
    progress: Progress,
    text: String,
    reasoning: String,
    /// How much of `text` watchers may see.
    visible: usize,
    /// How much of `reasoning` watchers may see.
    visible_reasoning: usize,
    ended: Option<Arc<Generation>>,
    /// Something changed since the last checkpoint.
    dirty: bool,
}

impl LiveReply {
    fn new(id: GenerationId, fence: i32) -> Self {
        let progress = Progress {
            status: GenerationStatus::Queued,
            provider: None,
            attempts: Vec::new(),
            first_token_at: None,
        };
        let state = State {
            progress,
            text: String::new(),
            reasoning: String::new(),
            visible: 0,
            visible_reasoning: 0,
            ended: None,
            dirty: false,
        };
        Self {
            id,
            fence,
            state: Mutex::new(state),
            version: watch::Sender::new(0),
            cancel: CancellationToken::new(),
            fenced_out: CancellationToken::new(),
        }
    }

    /// Notes how far the writer has come.
    pub(crate) fn advance(&self, change: impl FnOnce(&mut Progress)) {
        let mut state = self.state.lock();
        change(&mut state.progress);
        state.dirty = true;
    }

    #[must_use]
    pub fn progress(&self) -> Progress {
        self.state.lock().progress.clone()
    }

    /// Adds to the reply without showing it yet; returns how many bytes are not shown.
    pub(crate) fn append(&self, text: &str, reasoning: &str) -> usize {
        let mut state = self.state.lock();
        state.text.push_str(text);
        state.reasoning.push_str(reasoning);
        state.dirty = true;
        state.text.len() - state.visible + state.reasoning.len() - state.visible_reasoning
    }

    /// Shows all that was added.
    pub(crate) fn flush(&self) {
        {
            let mut state = self.state.lock();
            if state.visible == state.text.len() && state.visible_reasoning == state.reasoning.len() {
                return;
            }
            state.visible = state.text.len();
            state.visible_reasoning = state.reasoning.len();
        }
        self.version.send_modify(|version| *version += 1);
    }

    /// What is to be checkpointed, if anything came since the last time.
    pub(crate) fn checkpoint(&self) -> Option<(GenerationText, Progress)> {
        let mut state = self.state.lock();
        if !std::mem::take(&mut state.dirty) || state.ended.is_some() {
            return None;
        }
        Some((
            GenerationText {
                text: state.text.clone(),
                reasoning: state.reasoning.clone(),
            },
            state.progress.clone(),
        ))
    }

    /// Everything written so far, shown or not.
    pub(crate) fn written(&self) -> GenerationText {
        let state = self.state.lock();
        GenerationText {
            text: state.text.clone(),
            reasoning: state.reasoning.clone(),
        }
    }

    /// Tells the watchers the end. Only after it was persisted.
    pub(crate) fn end(&self, generation: Arc<Generation>) {
        {
            let mut state = self.state.lock();
            state.progress.status = generation.status;
            state.visible = state.text.len();
            state.visible_reasoning = state.reasoning.len();
            state.ended = Some(generation);
        }
        self.version.send_modify(|version| *version += 1);
    }

    /// Puts what has come so far into the swipe it is written into.
    pub(crate) fn overlay(&self, swipe: &mut Swipe) {
        let state = self.state.lock();
        if state.ended.is_none() {
            swipe.write(&state.text[..state.visible]);
            if state.visible_reasoning > 0 {
                swipe.reasoning = Some(state.reasoning[..state.visible_reasoning].to_owned());
            }
        }
    }

    /// The text as far as it may be seen.
    #[must_use]
    pub fn so_far(&self) -> String {
        let state = self.state.lock();
        state.text[..state.visible].to_owned()
    }

    /// Watches from `after` on; without a position that fits, from a snapshot on.
    #[must_use]
    pub fn watch(self: Arc<Self>, after: Option<StreamPosition>) -> Watcher {
        let version = self.version.subscribe();
        Watcher {
            reply: self,
            version,
            at: after,
            done: false,
        }
    }

    /// What a watcher at `at` is to be told now, if anything.
    fn next(&self, at: Option<StreamPosition>) -> Option<ReplyEvent> {
        let state = self.state.lock();
        let epoch = u32::try_from(self.fence).unwrap_or(0);
        let to = |ended| StreamPosition {
            generation: self.id,
            epoch,
            text: offset(state.visible),
            reasoning: offset(state.visible_reasoning),
            ended,
        };
        let fits = at.filter(|at| {
            at.generation == self.id
                && at.epoch == epoch
                && state.text.is_char_boundary(at.text as usize)
                && state.reasoning.is_char_boundary(at.reasoning as usize)
                && at.text as usize <= state.visible
                && at.reasoning as usize <= state.visible_reasoning
        });
        let Some(at) = fits else {
            let reasoning =
                (state.visible_reasoning > 0).then(|| state.reasoning[..state.visible_reasoning].to_owned());
            return Some(ReplyEvent::Snapshot {
                position: to(false),
                text: state.text[..state.visible].to_owned(),
                reasoning,
                status: state.progress.status,
            });
        };
        let text = &state.text[at.text as usize..state.visible];
        let reasoning = &state.reasoning[at.reasoning as usize..state.visible_reasoning];
        if !text.is_empty() || !reasoning.is_empty() {
            return Some(ReplyEvent::Delta {
                position: to(false),
                text: text.to_owned(),
                reasoning: (!reasoning.is_empty()).then(|| reasoning.to_owned()),
            });
        }
        state.ended.as_ref().map(|generation| ReplyEvent::Ended {
            position: to(true),
            generation: Arc::clone(generation),
        })
    }
}

/// Replies are limited to far less than four gigabytes.
fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Somebody who watches a reply.
pub struct Watcher {
    reply: Arc<LiveReply>,
    version: watch::Receiver<u64>,
    at: Option<StreamPosition>,
    done: bool,
}

impl Watcher {
    /// The next event, as soon as there is one; `None` after the end, and if the reply was taken
    /// over by another writer, when it has to be looked for again.
    pub async fn next(&mut self) -> Option<ReplyEvent> {
        if self.done {
            return None;
        }
        loop {
            // Seen before it is read: a change in between wakes at once.
            self.version.borrow_and_update();
            if let Some(event) = self.reply.next(self.at) {
                match &event {
                    ReplyEvent::Snapshot { position, .. } | ReplyEvent::Delta { position, .. } => {
                        self.at = Some(*position)
                    }
                    ReplyEvent::Ended { .. } => self.done = true,
                }
                return Some(event);
            }
            tokio::select! {
                changed = self.version.changed() => if changed.is_err() { return None },
                () = self.reply.fenced_out.cancelled() => return None,
            }
        }
    }

    /// Where the watcher is.
    #[must_use]
    pub fn position(&self) -> Option<StreamPosition> {
        self.at
    }

    /// Whether the terminal event was given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }
}
