//! Names are resolved once, here, and connections go to what was found and to nothing else: a name that
//! says something different a moment later changes nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::address::is_global;

/// Names that are looked up at once. The system's resolver holds a thread as long as it likes.
const LOOKUPS: usize = 16;
/// Addresses of a name that are tried at the most.
const MAX_ADDRESSES: usize = 8;

/// How a name becomes addresses.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The resolver of the system.
pub(super) fn system() -> Lookup {
    let permits = Arc::new(Semaphore::new(LOOKUPS));
    Arc::new(move |name| {
        let permits = Arc::clone(&permits);
        Box::pin(async move {
            let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
            let look_up = move || {
                // Kept by the thread: a caller that has given up does not make room for another one.
                let _permit = permit;
                let addresses = (name.as_str(), 0).to_socket_addrs()?;
                Ok(addresses.map(|address| address.ip()).collect())
            };
            tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
        })
    })
}

/// Lets nothing through but global addresses.
pub(super) struct Filtered {
    pub lookup: Lookup,
    pub allow_loopback: bool,
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
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let found = found.await.map_err(Unresolved)?;
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
