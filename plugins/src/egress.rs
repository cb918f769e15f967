//! Requests of extensions to the world: only to hosts that were granted, only to public addresses, and never
//! more than is good for either side.
//!
//! The order of checks matters. An address is parsed once ([`target`]); its name is compared with the grant,
//! then resolved once, and the connection goes to what was found after the filter ([`address`]), with the
//! name in TLS and in `Host`. Redirects are answers like others, proxies and cookies there are none.

pub mod address;
mod breaker;
mod headers;
mod resolve;
pub mod target;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::Method;
use http::header::CONTENT_ENCODING;
use parking_lot::Mutex;
use tavern_domain::{InstallationId, UserId};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::manifest::HostPattern;
use crate::ports::Secret;
use crate::settings::{PluginLimits, PluginSettings};
use breaker::Breaker;
use resolve::{Filtered, Lookup, NoneGlobal, Place, Unresolved};
use target::{Rules, Target};

/// Installations, and hosts that failed, of which is remembered how they did. Who is forgotten starts anew.
const REMEMBERED: u64 = 100_000;
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// Idle connections to one host, and for how long.
const IDLE: usize = 2;
const IDLE_FOR: Duration = Duration::from_secs(30);

/// What an installation may.
#[derive(Debug, Clone, Default)]
pub struct EgressGrant {
    /// Of its `http:HOST` capabilities, as [`HostPattern`]s; what is none permits nothing.
    pub hosts: Vec<String>,
    /// The secret that this request names.
    pub secret: Option<InjectedSecret>,
}

/// A secret on its way into a request.
#[derive(Clone)]
pub struct InjectedSecret {
    pub header: String,
    /// What the header says: the declaration's format with the secret in it.
    pub value: Secret,
    /// The hosts it may go to, of those that were granted.
    pub hosts: Vec<String>,
}

impl fmt::Debug for InjectedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InjectedSecret")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressRequest {
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Milliseconds; 0 is the host's limit, which holds in any case.
    pub timeout_ms: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// Why there is no response. Texts are for the extension's author; secrets are in none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    #[error("{0}")]
    Denied(String),
    #[error("The host took too long.")]
    Timeout,
    #[error("The request or the response is too large.")]
    TooLarge,
    #[error("The host's name cannot be resolved.")]
    Dns,
    #[error("The host cannot be reached.")]
    Connect,
    #[error("There is no secure connection to the host.")]
    Tls,
    #[error("{0}")]
    Protocol(String),
    #[error("Too many requests in a minute, or at once.")]
    Quota,
    #[error("The host failed too often lately.")]
    BreakerOpen,
}

impl EgressError {
    /// Whether the host is at fault, rather than the request.
    fn is_hosts_fault(&self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::Dns | Self::Connect | Self::Tls | Self::Protocol(_)
        )
    }
}

/// Answers in place of hosts: so that extensions can be tried without a network. What is denied does not come here, and
/// an answer has the limits of any other.
pub trait Recorded: Send + Sync {
    /// The request is as it would be sent, with its secret. `None` sends it.
    fn answer(&self, request: &reqwest::Request) -> Option<Result<http::Response<Bytes>, EgressError>>;
}

/// Who sends a request.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    pub installation: InstallationId,
    /// Whose installation it is: accounts look names up side by side. One that is nobody's does so for itself.
    pub owner: Option<UserId>,
}

impl From<InstallationId> for Asker {
    fn from(installation: InstallationId) -> Self {
        Self {
            installation,
            owner: None,
        }
    }
}

/// What one installation has in use.
struct Use {
    parallel: Arc<Semaphore>,
    /// None where nothing is permitted.
    rate: Option<DefaultDirectRateLimiter>,
}

/// Sends requests for extensions. One for all of them.
pub struct Egress {
    client: reqwest::Client,
    limits: PluginLimits,
    rules: Rules,
    uses: moka::sync::Cache<InstallationId, Arc<Use>>,
    /// Of accounts, and of installations that are nobody's.
    lookups: moka::sync::Cache<Result<UserId, InstallationId>, Arc<Semaphore>>,
    breakers: moka::sync::Cache<(InstallationId, String), Arc<Mutex<Breaker>>>,
    recorded: Option<Arc<dyn Recorded>>,
}

impl Egress {
    /// On a machine without certificates, no connection will be secure enough; that is logged, once.
    #[must_use]
    pub fn new(settings: &PluginSettings) -> Self {
        Self::with(settings, resolve::system(), Vec::new())
    }

    /// `roots` sign the certificates of hosts, in place of those that the system knows, if there are any.
    fn with(settings: &PluginSettings, lookup: Lookup, roots: Vec<reqwest::Certificate>) -> Self {
        // Fails if another backend was installed before, which is then as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let resolver = Arc::new(Filtered::new(lookup, settings.allow_loopback));
        let builder = || {
            let builder = reqwest::Client::builder();
            let builder = match &roots[..] {
                [] => builder,
                roots => builder.tls_certs_only(roots.iter().cloned()),
            };
            builder
                .user_agent(concat!("tavern-extension/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Arc::clone(&resolver))
                // A redirect would go where nobody looked.
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_proxy()
                .https_only(!settings.allow_loopback)
                .http1_max_headers(headers::MAX_RESPONSE_HEADERS)
                .pool_max_idle_per_host(IDLE)
                .pool_idle_timeout(IDLE_FOR)
        };
        let client = builder().build().unwrap_or_else(|error| {
            tracing::warn!(%error, "extensions will reach no host: there are no certificates to check theirs with");
            let without = builder().tls_certs_only([]).build();
            without.expect("a client without certificates needs nothing of the system")
        });
        Self {
            client,
            limits: settings.limits.clone(),
            rules: Rules {
                allow_loopback: settings.allow_loopback,
                denied: settings.denied_hosts.clone(),
            },
            uses: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_idle(FORGOTTEN_AFTER)
                .build(),
            lookups: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_idle(FORGOTTEN_AFTER)
                .build(),
            breakers: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_idle(FORGOTTEN_AFTER)
                .build(),
            recorded: None,
        }
    }

    /// Asks these answers before the world.
    #[must_use]
    pub fn with_recorded(self, recorded: Option<Arc<dyn Recorded>>) -> Self {
        Self { recorded, ..self }
    }

    /// Sends a request and waits for all of its response, never longer than the limit. How many requests a
    /// single call of a hook may send is counted by the caller.
    ///
    /// # Errors
    /// [`EgressError`]. What was denied has sent nothing, and counts neither for the rate nor for the breaker.
    pub async fn send(
        &self,
        asker: impl Into<Asker>,
        grant: &EgressGrant,
        request: EgressRequest,
    ) -> Result<EgressResponse, EgressError> {
        let Asker { installation, owner } = asker.into();
        let (target, prepared) = self.prepare(grant, &request)?;
        let breaker = (installation, target.host.clone());
        if let Some(breaker) = self.breakers.get(&breaker)
            && !breaker.lock().admits(Instant::now())
        {
            return Err(EgressError::BreakerOpen);
        }
        let used = self.used(installation);
        if used.rate.as_ref().is_none_or(|rate| rate.check().is_err()) {
            return Err(EgressError::Quota);
        }
        let mut patience = Duration::from_millis(self.limits.http_ms);
        if request.timeout_ms > 0 {
            patience = patience.min(Duration::from_millis(request.timeout_ms.into()));
        }
        let deadline = Instant::now() + patience;
        // Others of the same installation are why there is no room, and not the host.
        let permit = tokio::time::timeout_at(deadline, used.parallel.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            return Err(EgressError::Quota);
        };
        let lookups = self.lookups.get_with(owner.ok_or(installation), || {
            Arc::new(Semaphore::new(resolve::OWN_LOOKUPS))
        });
        let place = Place::among(lookups);
        let exchange = resolve::OWN.scope(Arc::clone(&place), self.exchange(prepared));
        let result = tokio::time::timeout_at(deadline, exchange).await;
        let result = result.unwrap_or_else(|_| {
            Err(match place.waits() {
                true => EgressError::Quota,
                false => EgressError::Timeout,
            })
        });
        match &result {
            Err(error) if error.is_hosts_fault() => {
                let breaker = self.breakers.get_with(breaker, Arc::default);
                breaker.lock().failed(Instant::now());
            }
            _ => {
                if let Some(breaker) = self.breakers.get(&breaker) {
                    breaker.lock().succeeded();
                }
            }
        }
        result
    }

    /// Everything that can be refused without asking anybody.
    fn prepare(&self, grant: &EgressGrant, request: &EgressRequest) -> Result<(Target, reqwest::Request), EgressError> {
        let target = target::admit(&request.url, &patterns(&grant.hosts), &self.rules)?;
        let method = match request.method.as_str() {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => {
                return Err(EgressError::Denied(
                    "The method has to be GET, HEAD, POST, PUT, PATCH or DELETE.".into(),
                ));
            }
        };
        if request.body.len() > self.limits.http_request_bytes {
            return Err(EgressError::TooLarge);
        }
        if let Some(secret) = &grant.secret
            && !patterns(&secret.hosts)
                .iter()
                .any(|pattern| pattern.matches(&target.host))
        {
            return Err(EgressError::Denied(format!(
                "The secret may not go to `{}`.",
                target.host
            )));
        }
        let mut prepared = reqwest::Request::new(method, target.url.clone());
        *prepared.headers_mut() = headers::of_request(&request.headers, grant.secret.as_ref())?;
        if !request.body.is_empty() {
            *prepared.body_mut() = Some(request.body.clone().into());
        }
        Ok((target, prepared))
    }

    fn used(&self, installation: InstallationId) -> Arc<Use> {
        self.uses.get_with(installation, || {
            let rate = NonZeroU32::new(self.limits.http_requests_per_minute);
            Arc::new(Use {
                parallel: Arc::new(Semaphore::new(self.limits.http_parallel)),
                rate: rate.map(|rate| RateLimiter::direct(Quota::per_minute(rate))),
            })
        })
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<EgressResponse, EgressError> {
        let recorded = self.recorded.as_ref().and_then(|recorded| recorded.answer(&request));
        let mut response = match recorded {
            Some(answer) => reqwest::Response::from(answer?),
            None => self.client.execute(request).await.map_err(|error| classify(&error))?,
        };
        let headers = headers::of_response(response.headers())?;
        let encoding = response.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(EgressError::Protocol(
                "The host's answer is compressed, which was not asked for.".into(),
            ));
        }
        let most = self.limits.http_response_bytes;
        if response.content_length().is_some_and(|length| length > most as u64) {
            return Err(EgressError::TooLarge);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
            if body.len() + chunk.len() > most {
                return Err(EgressError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(EgressResponse {
            status: response.status().as_u16(),
            headers,
            body: body.freeze(),
        })
    }
}

fn patterns(hosts: &[String]) -> Vec<HostPattern> {
    hosts.iter().filter_map(|host| host.parse().ok()).collect()
}

/// What kind of failure is at the bottom of one of the client's. Its own text has the address in it, which
/// may be what a guest must not log.
fn classify(error: &reqwest::Error) -> EgressError {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<NoneGlobal>() {
            return EgressError::Denied("No address of the host is a public one.".into());
        }
        if error.is::<Unresolved>() {
            return EgressError::Dns;
        }
        if error.is::<rustls::Error>() {
            return EgressError::Tls;
        }
        // What an I/O error wraps is not its source, but its source's.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    if error.is_timeout() {
        EgressError::Timeout
    } else if error.is_connect() {
        EgressError::Connect
    } else {
        EgressError::Protocol("The host's answer is not HTTP, or ended early.".into())
    }
}
