//! Patterns of hosts: a name, or `*.` and a name for everything below it. Parsed once into what cannot be
//! wrong, and compared in the ASCII form of names, label by label.

use std::fmt;
use std::str::FromStr;

/// Longest name that DNS can carry.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Second levels under which countries let anybody register: `*.co.uk` is as wide as `*.com`.
const SHARED_SECOND_LEVELS: [&str; 9] = ["ac", "co", "com", "edu", "gov", "net", "or", "org", "sch"];

/// Hosts that requests may go to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// Everything below `name`, rather than `name` itself.
    below: bool,
    name: String,
}

impl HostPattern {
    /// `host` is in ASCII and lower case, as [`url::Host::Domain`] has it.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        if self.below {
            is_below(host, &self.name)
        } else {
            host == self.name
        }
    }

    /// Whether every host of `other` is one of this pattern.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self.below, other.below) {
            (false, true) => false,
            (true, true) => self.name == other.name || is_below(&other.name, &self.name),
            (_, false) => self.matches(&other.name),
        }
    }

    /// The machine the server runs on, which only servers for trying things out reach.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        matches!(self.name.as_str(), "localhost" | "127.0.0.1")
    }
}

/// Whether `host` has labels in front of `name`.
pub(crate) fn is_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name)
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|labels| !labels.is_empty())
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

impl FromStr for HostPattern {
    type Err = String;

    /// # Errors
    /// What is wrong with the pattern, as the end of a sentence.
    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text, "localhost" | "127.0.0.1") {
            return Ok(Self {
                below: false,
                name: text.to_owned(),
            });
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.contains('*') || name.is_empty() {
            return Err("has `*` elsewhere than alone in front, as in `*.example.org`".into());
        }
        if name.len() > MAX_NAME {
            return Err(format!("is longer than {MAX_NAME} bytes"));
        }
        if name.contains("//") || name.contains(['/', '?', '#', '@']) {
            return Err("is not only the name of a host".into());
        }
        // What `url` takes for an address is one, however it is spelled.
        let parsed = url::Host::parse(name);
        if matches!(parsed, Ok(url::Host::Ipv4(_) | url::Host::Ipv6(_))) || name.starts_with('[') {
            return Err("is an address, and only names are permitted".into());
        }
        if name.contains(':') {
            return Err("has a port, and only port 443 is permitted".into());
        }
        if name.ends_with('.') || name.starts_with('.') {
            return Err("begins or ends with a dot".into());
        }
        match parsed {
            Ok(url::Host::Domain(ascii)) if ascii == name => {}
            Ok(url::Host::Domain(ascii)) => return Err(format!("has to be written `{ascii}`")),
            _ => return Err("is no name of a host".into()),
        }
        let labels: Vec<_> = name.split('.').collect();
        let is_label = |label: &&str| {
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !labels.iter().all(is_label) {
            return Err("is no name of a host".into());
        }
        if labels.len() < 2 {
            return Err("is a single label, and names that are reached from everywhere have two or more".into());
        }
        let shared = labels.len() == 2 && labels[1].len() == 2 && SHARED_SECOND_LEVELS.contains(&labels[0]);
        if below && shared {
            return Err("is so wide that anybody may register a host of it".into());
        }
        Ok(Self {
            below,
            name: name.to_owned(),
        })
    }
}
