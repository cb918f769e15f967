//! What happens to installations: told to those who watch, and kept for a while.
//!
//! Telling never waits: a watcher that is slow misses events, and lines that come faster than they
//! can be stored, or faster than an installation may write them, are dropped.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use tavern_domain::extension::{ExtensionEvent, ExtensionLog, Outcome};
use tavern_domain::{InstallationId, Result};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::Shared;

/// What is said of an installation's end; nothing follows.
pub(super) const REMOVED: &str = "removed";
/// Events waiting for a slow watcher.
const WAITING: usize = 256;
/// Lines waiting to be stored, all installations together.
const QUEUE: usize = 4_096;
/// Lines stored at once.
const BATCH: usize = 256;
/// Lines of the past that a watcher is told first.
const HISTORY: u32 = 100;
/// Lines of an installation that are kept, a second on average and at once.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("ten");
const BURST: NonZeroU32 = NonZeroU32::new(100).expect("a hundred");
/// Installations whose rate is remembered before those that have recovered are forgotten.
const MANY: usize = 10_000;

type Channel = broadcast::Sender<Arc<ExtensionLog>>;

enum Entry {
    Line(InstallationId, ExtensionLog),
    /// Everything before is to be stored, and then this to be answered.
    Flush(oneshot::Sender<()>),
}

/// Tells and keeps. Cheap to clone.
#[derive(Clone)]
pub(super) struct Events(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    watched: Mutex<HashMap<InstallationId, Channel>>,
    queue: mpsc::Sender<Entry>,
    rate: DefaultKeyedRateLimiter<InstallationId>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Events {
    /// Starts the task that stores lines.
    pub fn start(shared: Arc<Shared>, stop: CancellationToken, tasks: TaskTracker) -> Self {
        let (queue, lines) = mpsc::channel(QUEUE);
        tasks.spawn(store(Arc::clone(&shared), lines, stop.clone()));
        Self(Arc::new(Inner {
            shared,
            watched: Mutex::default(),
            queue,
            rate: RateLimiter::dashmap(Quota::per_second(PER_SECOND).allow_burst(BURST)),
            stop,
            tasks,
        }))
    }

    pub fn emit(&self, installation: InstallationId, event: ExtensionEvent) {
        let keeps = is_kept(&event);
        let line = ExtensionLog {
            id: Uuid::now_v7(),
            at: self.0.shared.clock.now(),
            event,
        };
        {
            let mut watched = self.0.watched.lock();
            if let Some(channel) = watched.get(&installation)
                && channel.send(Arc::new(line.clone())).is_err()
            {
                watched.remove(&installation);
            }
        }
        if !keeps {
            return;
        }
        if self.0.rate.len() > MANY {
            self.0.rate.retain_recent();
        }
        // What the house says of an installation is kept however much the extension says.
        let own = matches!(line.event, ExtensionEvent::Changed { .. });
        if (own || self.0.rate.check_key(&installation).is_ok())
            && self.0.queue.try_send(Entry::Line(installation, line)).is_err()
        {
            tracing::debug!(%installation, "a line of an extension's log was dropped");
        }
    }

    /// Says what became of an installation.
    pub fn changed(&self, installation: InstallationId, what: &str, version: &str) {
        let event = ExtensionEvent::Changed {
            what: what.to_owned(),
            version: version.to_owned(),
        };
        self.emit(installation, event);
    }

    /// Waits until all that was told before is stored.
    pub async fn flush(&self) {
        let (done, stored) = oneshot::channel();
        if self.0.queue.send(Entry::Flush(done)).await.is_ok() {
            // Without an answer the task has ended, and has stored what it had.
            let _ = stored.await;
        }
    }

    /// The newest lines, then what happens from now on, until the installation is gone.
    pub async fn watch(&self, installation: InstallationId) -> Result<impl Stream<Item = ExtensionEvent> + use<>> {
        let channel = {
            let mut watched = self.0.watched.lock();
            let channel = watched
                .entry(installation)
                .or_insert_with(|| broadcast::channel(WAITING).0);
            channel.subscribe()
        };
        let guard = Guard {
            events: self.clone(),
            installation,
        };
        self.flush().await;
        let history = self.0.shared.store.extensions.logs(installation, HISTORY).await?;
        let told: HashSet<Uuid> = history.iter().map(|line| line.id).collect();
        let watch = Watch {
            history: history.into_iter(),
            told,
            channel,
            stop: self.0.stop.clone(),
            _guard: guard,
            ended: false,
        };
        Ok(futures::stream::unfold(watch, async |mut watch| {
            let event = watch.next().await?;
            Some((event, watch))
        }))
    }

    /// Watchers at this moment.
    #[cfg(test)]
    pub fn watched(&self) -> usize {
        self.0.watched.lock().len()
    }

    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }
}

/// What is kept: not what happens in every turn.
fn is_kept(event: &ExtensionEvent) -> bool {
    match event {
        ExtensionEvent::Log { .. } | ExtensionEvent::Custom { .. } | ExtensionEvent::Changed { .. } => true,
        ExtensionEvent::Called { trace } => !matches!(trace.outcome, Outcome::Ok | Outcome::Skipped),
        ExtensionEvent::Metric { .. } => false,
    }
}

struct Watch {
    history: std::vec::IntoIter<ExtensionLog>,
    /// Ids of what is in the history, and may come a second time.
    told: HashSet<Uuid>,
    channel: broadcast::Receiver<Arc<ExtensionLog>>,
    stop: CancellationToken,
    ended: bool,
    /// Dropped after the channel, which it counts the listeners of.
    _guard: Guard,
}

impl Watch {
    async fn next(&mut self) -> Option<ExtensionEvent> {
        if let Some(line) = self.history.next() {
            return Some(line.event);
        }
        while !self.ended {
            let line = tokio::select! {
                line = self.channel.recv() => line,
                () = self.stop.cancelled() => return None,
            };
            match line {
                Ok(line) if self.told.contains(&line.id) => {}
                Ok(line) => {
                    self.ended = matches!(&line.event, ExtensionEvent::Changed { what, .. } if what == REMOVED);
                    return Some(line.event.clone());
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
        None
    }
}

/// Lets go of a channel that nobody listens to any more.
struct Guard {
    events: Events,
    installation: InstallationId,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut watched = self.events.0.watched.lock();
        if watched
            .get(&self.installation)
            .is_some_and(|channel| channel.receiver_count() == 0)
        {
            watched.remove(&self.installation);
        }
    }
}

async fn store(shared: Arc<Shared>, mut queue: mpsc::Receiver<Entry>, stop: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            count = queue.recv_many(&mut batch, BATCH) => if count == 0 {
                return;
            },
            () = stop.cancelled() => {
                queue.close();
                // What waits is still stored.
                if queue.recv_many(&mut batch, BATCH).await == 0 {
                    return;
                }
            }
        }
        let (mut lines, mut flushed) = (Vec::new(), Vec::new());
        for entry in batch.drain(..) {
            match entry {
                Entry::Line(installation, line) => lines.push((installation, line)),
                Entry::Flush(done) => flushed.push(done),
            }
        }
        let keep = shared.limits.extension_log_lines;
        if !lines.is_empty()
            && let Err(error) = shared.store.extensions.add_logs(&lines, keep).await
        {
            tracing::warn!(
                ?error,
                lines = lines.len(),
                "lines of extensions' logs could not be stored"
            );
        }
        for done in flushed {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
    }
}

/// How long lines are kept.
pub(super) const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
