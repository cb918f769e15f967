//! A host that fails every time is left alone for a while, by the installation that it fails.

use std::time::Duration;

use tokio::time::Instant;

const FAILURES: u32 = 5;
pub(super) const PAUSE: Duration = Duration::from_secs(30);

/// Of one installation and one host.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// In a row.
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether a request may be tried. After the pause one is, and the others wait for how it ends; if that
    /// is never heard, for another pause.
    pub fn admits(&mut self, now: Instant) -> bool {
        match self.open_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.open_until = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub fn failed(&mut self, now: Instant) {
        self.failures += 1;
        if self.failures >= FAILURES {
            self.open_until = Some(now + PAUSE);
        }
    }
}
