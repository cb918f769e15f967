//! Requests of extensions to the world: none is permitted.

use bytes::Bytes;
use tavern_domain::InstallationId;

use crate::ports::Secret;
use crate::settings::PluginSettings;

/// What an installation may.
#[derive(Debug, Clone, Default)]
pub struct EgressGrant {
    pub hosts: Vec<String>,
    /// The secret that this request names.
    pub secret: Option<InjectedSecret>,
}

/// A secret on its way into a request.
#[derive(Debug, Clone)]
pub struct InjectedSecret {
    pub header: String,
    pub value: Secret,
    pub hosts: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressRequest {
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

/// Why there is no response.
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

/// Sends requests for extensions. One for all of them.
pub struct Egress;

impl Egress {
    #[must_use]
    pub fn new(_settings: &PluginSettings) -> Self {
        Self
    }

    /// # Errors
    /// [`EgressError`].
    #[allow(clippy::unused_async, reason = "requests wait")]
    pub async fn send(
        &self,
        _installation: InstallationId,
        _grant: &EgressGrant,
        _request: EgressRequest,
    ) -> Result<EgressResponse, EgressError> {
        Err(EgressError::Denied("no host may be reached".into()))
    }
}
