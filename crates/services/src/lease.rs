//! Work that one server does at a time, for as long as it holds the lease.

use std::time::Duration;

/// How long a server may be silent before another one takes over what it holds: a reply, or the hooks after one.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// A third of a lease: one renewal may be lost.
pub(crate) const RENEW_EVERY: Duration = Duration::from_secs(5);

/// Does `work`, and renews its lease meanwhile. `None`, with the work broken off, once `renew` says that the
/// lease is another's.
pub(crate) async fn while_held<T, R: Future<Output = bool>>(
    every: Duration,
    mut renew: impl FnMut() -> R,
    work: impl Future<Output = T>,
) -> Option<T> {
    let lost = async {
        loop {
            tokio::time::sleep(every).await;
            if !renew().await {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        worked = work => Some(worked),
        () = lost => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::sync::watch;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_lease_is_renewed_for_as_long_as_the_work_takes() {
        let (renewals, mut seen) = watch::channel(0);
        let renew = || {
            renewals.send_modify(|count| *count += 1);
            ready(true)
        };
        let work = async { seen.wait_for(|count| *count == 5).await.map(|count| *count) };
        let worked = while_held(SOON, renew, work).await;
        assert_eq!(worked.expect("it is held").expect("it is renewed"), 5);
    }

    #[tokio::test]
    async fn work_whose_lease_is_lost_is_broken_off() {
        let mut left = 3;
        let renew = || {
            left -= 1;
            ready(left > 0)
        };
        assert_eq!(while_held(SOON, renew, pending::<()>()).await, None);
        assert_eq!(left, 0);
    }
}
