//! Headers of requests and responses.

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{EgressError, InjectedSecret};
use crate::manifest::is_framing;

const MAX_REQUEST_HEADERS: usize = 32;
const MAX_REQUEST_BYTES: usize = 8 << 10;
pub(super) const MAX_RESPONSE_HEADERS: usize = 64;
const MAX_RESPONSE_BYTES: usize = 16 << 10;

fn denied<T>(message: impl Into<String>) -> Result<T, EgressError> {
    Err(EgressError::Denied(message.into()))
}

/// Headers that a guest may not set: they frame the message, or say who sends it.
fn is_hosts_own(name: &HeaderName) -> bool {
    let text = name.as_str();
    is_framing(text)
        || [AUTHORIZATION, COOKIE].contains(name)
        || text.starts_with("x-forwarded")
        || matches!(
            text,
            "forwarded" | "via" | "x-real-ip" | "x-http-method-override" | "x-original-url"
        )
}

/// The headers of a request: the guest's, and the secret, if there is one.
///
/// # Errors
/// [`EgressError::Denied`]; the secret is in no message.
pub(super) fn of_request(
    headers: &[(String, String)],
    secret: Option<&InjectedSecret>,
) -> Result<HeaderMap, EgressError> {
    if headers.len() > MAX_REQUEST_HEADERS {
        return denied(format!(
            "There are {} headers, and {MAX_REQUEST_HEADERS} are the most.",
            headers.len()
        ));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_REQUEST_BYTES {
        return denied(format!(
            "The headers have {bytes} bytes, and {MAX_REQUEST_BYTES} are the most."
        ));
    }
    let mut map = HeaderMap::with_capacity(headers.len() + 2);
    for (name, value) in headers {
        let shown: String = name.chars().filter(|char| !char.is_control()).take(60).collect();
        let Ok(name) = HeaderName::try_from(name) else {
            return denied(format!("`{shown}` is no name of a header."));
        };
        let Ok(value) = HeaderValue::try_from(value) else {
            return denied(format!("The header `{name}` has a value that headers cannot have."));
        };
        if is_hosts_own(&name) {
            return denied(format!("The header `{name}` cannot be set by an extension."));
        }
        map.append(name, value);
    }
    if let Some(secret) = secret {
        let Ok(name) = HeaderName::try_from(&secret.header) else {
            return denied("The secret's header is none.");
        };
        if map.contains_key(&name) {
            return denied(format!(
                "The header `{name}` is the secret's, and cannot be set as well."
            ));
        }
        let Ok(mut value) = HeaderValue::try_from(&secret.value.0) else {
            return denied("The secret cannot stand in a header.");
        };
        value.set_sensitive(true);
        map.insert(name, value);
    }
    // What is unpacked here would have to be counted here; so nothing packed is asked for.
    map.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(map)
}

/// The headers of a response that a guest is shown: cookies and framing stay here, and so does what is not text.
///
/// # Errors
/// [`EgressError::TooLarge`], if there are too many.
pub(super) fn of_response(headers: &HeaderMap) -> Result<Vec<(String, String)>, EgressError> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > MAX_RESPONSE_HEADERS || bytes > MAX_RESPONSE_BYTES {
        return Err(EgressError::TooLarge);
    }
    let shown = headers
        .iter()
        .filter(|(name, _)| **name != SET_COOKIE && !is_framing(name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Ok(shown.collect())
}
