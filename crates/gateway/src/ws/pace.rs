//! How fast a client may send messages: a token bucket, kept as one instant.

use std::time::Duration;

use tokio::time::Instant;

/// Seconds' worth of messages that may come at once.
const BURST_SECONDS: u32 = 10;

pub(super) struct Pace {
    /// What one message uses up.
    each: Duration,
    /// When all that came is used up; the bucket is full if that is past.
    clear: Instant,
}

impl Pace {
    pub(super) fn new(messages_per_second: u32, now: Instant) -> Self {
        Self {
            each: Duration::from_secs(1) / messages_per_second.max(1),
            clear: now,
        }
    }

    /// Whether one more message is within the pace.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        let clear = self.clear.max(now) + self.each;
        let within = clear <= now + Duration::from_secs(BURST_SECONDS.into());
        if within {
            self.clear = clear;
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_worth_may_come_at_once_and_not_one_more() {
        let now = Instant::now();
        let mut pace = Pace::new(50, now);
        assert!((0..500).all(|_| pace.admit(now)));
        assert!(!pace.admit(now));
    }

    #[test]
    fn a_steady_sender_at_the_rate_is_never_stopped_and_a_faster_one_is() {
        let start = Instant::now();
        let mut steady = Pace::new(50, start);
        assert!((0..5_000).all(|n| steady.admit(start + Duration::from_millis(20 * n))));
        let mut faster = Pace::new(50, start);
        assert!(!(0..5_000).all(|n| faster.admit(start + Duration::from_millis(15 * n))));
    }
}
