//! How many connections there are, in total and by address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The count, shared with every [`Permit`].
#[derive(Clone)]
pub(super) struct Admission(Arc<Shared>);

struct Shared {
    most: usize,
    most_per_address: usize,
    now: Mutex<Now>,
    emptied: Notify,
}

#[derive(Default)]
struct Now {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to be connected. It lives in the connection, so that it follows an upgrade.
pub(super) struct Permit {
    admission: Admission,
    address: IpAddr,
}

impl Admission {
    pub(super) fn new(most: usize, most_per_address: usize) -> Self {
        Self(Arc::new(Shared {
            most,
            most_per_address,
            now: Mutex::default(),
            emptied: Notify::new(),
        }))
    }

    pub(super) fn admit(&self, address: IpAddr) -> Option<Permit> {
        let address = household(address);
        let mut now = self.0.now.lock();
        if now.total >= self.0.most {
            return None;
        }
        let of_address = now.by_address.entry(address).or_default();
        if *of_address >= self.0.most_per_address {
            if *of_address == 0 {
                now.by_address.remove(&address);
            }
            return None;
        }
        *of_address += 1;
        now.total += 1;
        Some(Permit {
            admission: self.clone(),
            address,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.0.now.lock().total
    }

    /// Returns once no permit is held.
    pub(super) async fn emptied(&self) {
        let mut emptied = std::pin::pin!(self.0.emptied.notified());
        loop {
            // Registered before the count is read, so that the last drop in between is not missed.
            emptied.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            emptied.as_mut().await;
            emptied.set(self.0.emptied.notified());
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut now = self.admission.0.now.lock();
        now.total -= 1;
        if let Some(of_address) = now.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                now.by_address.remove(&self.address);
            }
        }
        if now.total == 0 {
            self.admission.0.emptied.notify_waiters();
        }
    }
}

/// Whom an address stands for: with IPv6 one customer has a /64 to pick addresses from.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_more_than_the_total_is_refused_until_one_leaves() {
        let admission = Admission::new(2, 2);
        let first = admission.admit(ip("10.0.0.1")).expect("below the limit");
        let _second = admission.admit(ip("10.0.0.2")).expect("at the limit");
        assert!(admission.admit(ip("10.0.0.3")).is_none());
        drop(first);
        assert!(admission.admit(ip("10.0.0.3")).is_some());
    }

    #[test]
    fn one_address_over_its_share_leaves_room_for_others() {
        let admission = Admission::new(10, 1);
        let _first = admission.admit(ip("10.0.0.1")).expect("at the limit");
        assert!(admission.admit(ip("10.0.0.1")).is_none());
        assert!(admission.admit(ip("10.0.0.2")).is_some());
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_and_mapped_ipv4_is_ipv4() {
        let admission = Admission::new(10, 1);
        let _first = admission.admit(ip("2001:db8:1:2::1")).expect("at the limit");
        let _second = admission.admit(ip("10.0.0.1")).expect("at the limit");
        assert!(admission.admit(ip("2001:db8:1:2:ffff::9")).is_none());
        assert!(admission.admit(ip("::ffff:10.0.0.1")).is_none());
        assert!(admission.admit(ip("2001:db8:1:3::1")).is_some());
    }

    #[test]
    fn nothing_is_remembered_of_those_who_left() {
        let admission = Admission::new(10, 10);
        drop(admission.admit(ip("10.0.0.1")));
        assert!(admission.0.now.lock().by_address.is_empty());
    }
}
