//! How often the doors may be tried: sign-in and registration, by address and by account; publishing, by account.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tavern_domain::{Error, Limits, Result, UserId};

const HOUR: Duration = Duration::from_secs(3600);
/// Keys remembered before those that have recovered are forgotten.
const MANY_KEYS: usize = 10_000;

/// A token bucket a key: `burst` at once, refilled evenly over `per`.
struct Doors<K: Hash + Eq + Clone>(DefaultKeyedRateLimiter<K>);

impl<K: Hash + Eq + Clone> Doors<K> {
    fn new(burst: u32, per: Duration) -> Self {
        let burst = NonZeroU32::new(burst.max(1)).expect("at least one");
        let quota = Quota::with_period(per / burst.get())
            .expect("a period above zero")
            .allow_burst(burst);
        Self(RateLimiter::dashmap(quota))
    }

    fn knock(&self, key: &K, what: &'static str) -> Result<()> {
        if self.0.len() > MANY_KEYS {
            self.0.retain_recent();
        }
        self.0.check_key(key).map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            Error::rate_limited(what, wait.max(Duration::from_millis(1)))
        })
    }
}

/// The limits of all doors.
pub struct Throttle {
    logins_by_address: Doors<IpAddr>,
    logins_by_account: Doors<(String, IpAddr)>,
    registrations: Doors<IpAddr>,
    publications: Doors<UserId>,
}

impl Throttle {
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let ten_minutes = Duration::from_secs(600);
        Self {
            logins_by_address: Doors::new(limits.logins_per_address, ten_minutes),
            logins_by_account: Doors::new(limits.logins_per_account, ten_minutes),
            registrations: Doors::new(limits.registrations_per_hour, HOUR),
            publications: Doors::new(limits.publications_per_hour, HOUR),
        }
    }

    /// One try to sign in. The account's own budget is kept per network, so that nobody can lock
    /// somebody else out from elsewhere.
    ///
    /// # Errors
    /// RATE_LIMITED with the time to wait.
    pub fn login(&self, address: IpAddr, account: &str) -> Result<()> {
        let network = network_of(address);
        const WHAT: &str = "Too many attempts to sign in. Wait a little.";
        self.logins_by_address.knock(&network, WHAT)?;
        self.logins_by_account.knock(&(account.to_owned(), network), WHAT)
    }

    /// One try to register.
    ///
    /// # Errors
    /// RATE_LIMITED with the time to wait.
    pub fn registration(&self, address: IpAddr) -> Result<()> {
        self.registrations.knock(
            &network_of(address),
            "Too many registrations from this address. Wait a little.",
        )
    }

    /// One package to publish: looking at it may take seconds of a processor.
    ///
    /// # Errors
    /// RATE_LIMITED with the time to wait.
    pub fn publication(&self, account: UserId) -> Result<()> {
        self.publications
            .knock(&account, "Too many packages from this account. Wait a little.")
    }
}

/// What one customer usually has: an IPv4 address, or an IPv6 /64.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => std::net::Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_limited_and_the_neighbour_is_not() {
        let limits = Limits {
            logins_per_account: 3,
            logins_per_address: 100,
            ..Limits::default()
        };
        let throttle = Throttle::new(&limits);
        let here = IpAddr::from([127, 0, 0, 1]);
        for _ in 0..3 {
            assert!(throttle.login(here, "ada").is_ok());
        }
        let refused = throttle.login(here, "ada").expect_err("the fourth is too many");
        assert!(refused.retry_after().is_some_and(|wait| wait > Duration::ZERO));
        assert!(throttle.login(here, "grace").is_ok());
        assert!(throttle.login(IpAddr::from([127, 0, 0, 2]), "ada").is_ok());
    }

    #[test]
    fn an_ipv6_customer_is_one_network() {
        let limits = Limits {
            registrations_per_hour: 1,
            ..Limits::default()
        };
        let throttle = Throttle::new(&limits);
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(throttle.registration(address("2001:db8::1")).is_ok());
        assert!(throttle.registration(address("2001:db8::2")).is_err());
        assert!(throttle.registration(address("2001:db8:0:1::1")).is_ok());
    }
}
