//! What happens in chat sessions, to those who listen: in order, once each, and again from a cursor.
//!
//! A session has a log as long as somebody listens, and for a while after the last one left, so that
//! it can reconnect; without one, publishing costs a look-up. A log is a ring of the newest events
//! with an epoch, random for each log, and offsets that count up. A listener keeps nothing but its
//! place in the log: one that falls behind the ring, or comes with a place of another log, is told
//! to read the session again ([`SessionEventKind::Resync`]) and goes on from there.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;
use tavern_domain::event::{SessionEvent, SessionEventKind};
use tavern_domain::page::bad_cursor;
use tavern_domain::{Clock, Result, SessionId, SystemClock, Timestamp};
use tokio::sync::Notify;
use uuid::Uuid;

/// How long a log is kept for listeners that reconnect.
const LINGER: Duration = Duration::from_secs(600);
/// Logs kept so at once.
const LINGERING_LOGS: u64 = 8_192;
/// Locks over the logs; more only reduce contention.
const SHARDS: usize = 16;

/// The logs of all sessions on this node. Cheap to clone.
#[derive(Clone)]
pub struct EventBus(Arc<Bus>);

struct Bus {
    shards: [Mutex<HashMap<SessionId, Weak<Log>>>; SHARDS],
    /// What keeps the logs alive that have events but no listener.
    lingering: Cache<SessionId, Arc<Log>>,
    /// Events of one log.
    capacity: usize,
    closed: AtomicBool,
}

struct Log {
    session: SessionId,
    epoch: u64,
    ring: Mutex<Ring>,
    news: Notify,
    bus: Weak<Bus>,
}

/// The newest events of a log. The first ever has offset 1.
#[derive(Default)]
struct Ring {
    events: VecDeque<(Timestamp, SessionEventKind)>,
    /// Offset of the newest event.
    last: u64,
}

/// One listener of one session.
pub struct Subscription {
    log: Arc<Log>,
    /// Offset of the last event it has; `None` if it comes from a place this log does not know.
    seen: Option<u64>,
}

impl EventBus {
    /// `capacity`: events kept of each session.
    pub(crate) fn new(capacity: usize) -> Self {
        let lingering = Cache::builder()
            .max_capacity(LINGERING_LOGS)
            .time_to_live(LINGER)
            .build();
        Self(Arc::new(Bus {
            shards: Default::default(),
            lingering,
            capacity: capacity.max(1),
            closed: AtomicBool::new(false),
        }))
    }

    /// Tells all listeners of the session, those to come back included.
    pub fn publish(&self, session: SessionId, kind: SessionEventKind, now: Timestamp) {
        let Some(log) = self.0.shard(session).lock().get(&session).and_then(Weak::upgrade) else {
            return;
        };
        {
            let mut ring = log.ring.lock();
            if ring.events.len() == self.0.capacity {
                ring.events.pop_front();
            }
            ring.events.push_back((now, kind));
            ring.last += 1;
        }
        log.news.notify_waiters();
    }

    /// Listens to a session: after the event with this cursor, or to what happens from now on.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `after` for a text that is no cursor.
    pub fn subscribe(&self, session: SessionId, after: Option<&str>) -> Result<Subscription> {
        let after = after
            .map(|text| parse(text).ok_or_else(|| bad_cursor("after")))
            .transpose()?;
        let log = self.0.log(session);
        let last = log.ring.lock().last;
        let seen = match after {
            None => Some(last),
            Some((epoch, offset)) => (epoch == log.epoch && offset <= last).then_some(offset),
        };
        Ok(Subscription { log, seen })
    }

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        for shard in &self.0.shards {
            let logs: Vec<_> = shard.lock().values().filter_map(Weak::upgrade).collect();
            logs.iter().for_each(|log| log.news.notify_waiters());
        }
    }
}

impl Bus {
    fn shard(&self, session: SessionId) -> &Mutex<HashMap<SessionId, Weak<Log>>> {
        // The last byte of a UUIDv7 is random.
        &self.shards[usize::from(session.uuid().as_bytes()[15]) % SHARDS]
    }

    /// The session's log, made if there is none. A log is never dropped under the lock of its shard:
    /// its end takes that lock.
    fn log(self: &Arc<Self>, session: SessionId) -> Arc<Log> {
        let mut logs = self.shard(session).lock();
        if let Some(log) = logs.get(&session).and_then(Weak::upgrade) {
            return log;
        }
        let (epoch, _) = Uuid::new_v4().as_u64_pair();
        let log = Arc::new(Log {
            session,
            epoch,
            ring: Mutex::default(),
            news: Notify::new(),
            bus: Arc::downgrade(self),
        });
        logs.insert(session, Arc::downgrade(&log));
        log
    }
}

impl Log {
    fn cursor(&self, offset: u64) -> String {
        format!("{:016x}.{offset:x}", self.epoch)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let Some(bus) = self.bus.upgrade() else { return };
        let mut logs = bus.shard(self.session).lock();
        // A new log may stand there already.
        if logs.get(&self.session).is_some_and(|log| log.strong_count() == 0) {
            logs.remove(&self.session);
        }
    }
}

pub(crate) fn parse(cursor: &str) -> Option<(u64, u64)> {
    let (epoch, offset) = cursor.split_once('.')?;
    let hex = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then(|| u64::from_str_radix(text, 16).ok())?
    };
    (epoch.len() == 16).then_some((hex(epoch)?, hex(offset)?))
}

impl Subscription {
    /// The next event; waits for it. `None` once the store is closed. Nothing is lost if the wait is
    /// given up.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        let log = self.log.clone();
        loop {
            // Counts from here on, so that nothing slips in between the look and the wait.
            let news = log.news.notified();
            if log.bus.upgrade().is_none_or(|bus| bus.closed.load(Ordering::SeqCst)) {
                return None;
            }
            if let Some(event) = self.take() {
                return Some(event);
            }
            news.await;
        }
    }

    fn take(&mut self) -> Option<SessionEvent> {
        let ring = self.log.ring.lock();
        let first = ring.last + 1 - ring.events.len() as u64;
        let Some(wanted) = self.seen.map(|seen| seen + 1).filter(|wanted| *wanted >= first) else {
            self.seen = Some(ring.last);
            let at = ring.events.back().map_or_else(|| SystemClock.now(), |(at, _)| *at);
            return Some(SessionEvent {
                cursor: self.log.cursor(ring.last),
                at,
                kind: SessionEventKind::Resync,
            });
        };
        let (at, kind) = ring.events.get(usize::try_from(wanted - first).ok()?)?.clone();
        self.seen = Some(wanted);
        Some(SessionEvent {
            cursor: self.log.cursor(wanted),
            at,
            kind,
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.log.ring.lock().events.is_empty() {
            return;
        }
        if let Some(bus) = self.log.bus.upgrade() {
            bus.lingering.insert(self.log.session, self.log.clone());
        }
    }
}
