//! Where a request wants to go, and whether it may: all that can be said before a name is resolved.

use url::{Host, Url};

use super::EgressError;
use crate::manifest::HostPattern;

/// Bytes of an address.
const MAX_URL: usize = 4096;

/// An address that a guest may send a request to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub url: Url,
    /// In ASCII and lower case.
    pub host: String,
    /// The machine the server runs on, which is tried out with.
    pub is_loopback: bool,
}

/// Where requests may go at all.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub allow_loopback: bool,
    /// Names that nobody may send requests to, nor to anything below them.
    pub denied: Vec<String>,
}

fn denied<T>(message: impl Into<String>) -> Result<T, EgressError> {
    Err(EgressError::Denied(message.into()))
}

/// Parses an address once; everything after works on what comes out of here, and on nothing else.
///
/// # Errors
/// [`EgressError::Denied`], with a sentence for the author.
pub fn admit(text: &str, granted: &[HostPattern], rules: &Rules) -> Result<Target, EgressError> {
    if text.len() > MAX_URL {
        return denied(format!("The address is longer than {MAX_URL} bytes."));
    }
    let Ok(mut url) = Url::parse(text) else {
        return denied("The address cannot be read.");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return denied("An address with a user or a password is not permitted.");
    }
    let host = match url.host() {
        Some(Host::Domain(host)) => host.to_owned(),
        // Only as the pattern has it, and only where a server is tried out.
        Some(Host::Ipv4(address)) if rules.allow_loopback && address.to_string() == "127.0.0.1" => address.to_string(),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => {
            return denied("Only names of hosts are permitted, not addresses of networks.");
        }
        None => return denied("The address has no host."),
    };
    if host.ends_with('.') {
        return denied("A host that ends with a dot is not permitted.");
    }
    let pattern = granted.iter().find(|pattern| pattern.matches(&host));
    let Some(pattern) = pattern else {
        return denied(format!("The host `{host}` is not among those that are permitted."));
    };
    let is_denied = |name: &String| host == *name || crate::manifest::is_below(&host, name);
    if rules.denied.iter().any(is_denied) {
        return denied(format!("The host `{host}` is denied on this server."));
    }
    let is_loopback = pattern.is_loopback();
    if is_loopback && !rules.allow_loopback {
        return denied("This server's own machine is not permitted.");
    }
    match (url.scheme(), is_loopback) {
        ("https", _) | ("http", true) => {}
        _ => return denied("Only `https` is permitted."),
    }
    if url.port().is_some() && !is_loopback {
        return denied("Only port 443 is permitted.");
    }
    url.set_fragment(None);
    Ok(Target { url, host, is_loopback })
}
