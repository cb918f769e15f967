//! Names are resolved once, here, and connections go to what was found and to nothing else: a name that
//! says something different a moment later changes nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::address::is_global;

/// Names that are looked up at once, for all and for one account. A name server answers as late as it likes, and the
/// system's resolver holds a thread until it does: one account's slow names must not be all there is.
const LOOKUPS: usize = 64;
pub(super) const OWN_LOOKUPS: usize = 2;
/// Addresses of a name that are tried at the most.
const MAX_ADDRESSES: usize = 8;

tokio::task_local! {
    /// The lookups of the account whose request is being sent. Without them nothing is looked up.
    pub(super) static OWN: Arc<Place>;
}

/// A request's place among those whose names are looked up.
pub(super) struct Place {
    own: Arc<Semaphore>,
    waits: AtomicBool,
}

impl Place {
    pub fn among(own: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self {
            own,
            waits: AtomicBool::new(false),
        })
    }

    /// Whether it waits for others: if it does so for too long, its host is not to blame.
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }
}

/// How a name becomes addresses; it may block.
pub(super) type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// The resolver of the system.
pub(super) fn system() -> Lookup {
    Arc::new(|name| {
        let addresses = (name, 0).to_socket_addrs()?;
        Ok(addresses.map(|address| address.ip()).collect())
    })
}

/// Lets nothing through but global addresses.
pub(super) struct Filtered {
    lookup: Lookup,
    permits: Arc<Semaphore>,
    allow_loopback: bool,
}

impl Filtered {
    pub fn new(lookup: Lookup, allow_loopback: bool) -> Self {
        Self {
            lookup,
            permits: Arc::new(Semaphore::new(LOOKUPS)),
            allow_loopback,
        }
    }
}

/// A name has addresses, none of which may be connected to.
#[derive(Debug)]
pub(super) struct NoneGlobal;

impl fmt::Display for NoneGlobal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address of the host is a public one")
    }
}

impl std::error::Error for NoneGlobal {}

/// A name could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the host cannot be resolved")]
pub(super) struct Unresolved(#[source] pub io::Error);

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        if self.allow_loopback && name.as_str() == "localhost" {
            let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            return Box::pin(async move { Ok(Box::new(std::iter::once(here)) as Addrs) });
        }
        let (lookup, all) = (Arc::clone(&self.lookup), Arc::clone(&self.permits));
        let own = OWN.try_with(Arc::clone);
        Box::pin(async move {
            let place = own?;
            place.waits.store(true, Ordering::Relaxed);
            let own = Arc::clone(&place.own).acquire_owned().await?;
            let all = all.acquire_owned().await?;
            place.waits.store(false, Ordering::Relaxed);
            let look_up = move || {
                // Kept by the thread: a caller that has given up does not make room for another one.
                let _permits = (own, all);
                lookup(name.as_str())
            };
            let found = tokio::task::spawn_blocking(look_up).await?.map_err(Unresolved)?;
            if found.is_empty() {
                return Err(Unresolved(io::ErrorKind::NotFound.into()).into());
            }
            let mut global: Vec<_> = found.into_iter().filter(|address| is_global(*address)).collect();
            global.truncate(MAX_ADDRESSES);
            if global.is_empty() {
                return Err(NoneGlobal.into());
            }
            Ok(Box::new(global.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
