//! Which web pages of other origins may call us.
//!
//! Credentials are bearer tokens, never cookies, so a foreign page can do no more than a stranger;
//! the list decides whose scripts may read answers, and who may open a WebSocket from a browser.

use http::{HeaderMap, HeaderValue, Uri, header};

/// Exact origins, `scheme://host[:port]`. Empty by default: then only pages of our own origin.
#[derive(Debug, Clone, Default)]
pub struct Origins(Vec<HeaderValue>);

/// An entry that is not an exact origin.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnOrigin(pub String);

impl std::fmt::Display for NotAnOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`{}` is not an origin: write scheme://host or scheme://host:port, without a path and without wildcards",
            self.0
        )
    }
}

impl std::error::Error for NotAnOrigin {}

impl Origins {
    /// # Errors
    /// The first entry that is not an exact origin: wildcards, `null`, paths and user names are none.
    pub fn parse<T: AsRef<str>>(list: &[T]) -> Result<Self, NotAnOrigin> {
        list.iter()
            .map(|entry| parse_one(entry.as_ref()).ok_or_else(|| NotAnOrigin(entry.as_ref().to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn as_slice(&self) -> &[HeaderValue] {
        &self.0
    }

    /// Whether a request may be what these headers say: from no browser (no `Origin`), from a page
    /// of the host it is sent to, or from a page of the list.
    #[must_use]
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(header::ORIGIN).iter();
        match (given.next(), given.next()) {
            (None, _) => true,
            (Some(origin), None) => self.0.contains(origin) || is_of_host(origin, headers.get(header::HOST)),
            (Some(_), Some(_)) => false,
        }
    }
}

fn parse_one(entry: &str) -> Option<HeaderValue> {
    let uri: Uri = entry.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let is_exact = matches!(scheme, "http" | "https")
        && !authority.as_str().contains(['@', '*'])
        && entry == format!("{scheme}://{authority}");
    // Browsers send origins in lower case, and we compare bytes.
    (is_exact && entry == entry.to_ascii_lowercase())
        .then(|| HeaderValue::from_str(entry).ok())
        .flatten()
}

/// The scheme is left out of it: whoever ends TLS before us knows it, we do not.
fn is_of_host(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let authority = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, authority)| authority);
    let host = host.and_then(|host| host.to_str().ok());
    authority
        .zip(host)
        .is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_exact_origins_are_taken_into_the_list() {
        assert!(Origins::parse(&["https://app.example", "http://127.0.0.1:5173"]).is_ok());
        for wrong in [
            "*",
            "null",
            "https://*.example",
            "https://app.example/",
            "app.example",
            "ftp://app.example",
            "https://u@app.example",
            "https://App.example",
            "",
        ] {
            assert_eq!(Origins::parse(&[wrong]).err(), Some(NotAnOrigin(wrong.to_owned())));
        }
    }

    #[test]
    fn the_list_and_the_own_host_are_allowed_and_nothing_that_looks_like_them() {
        let origins = Origins::parse(&["https://app.example"]).expect("an origin");
        let allowed = |origin| {
            origins.allow(&headers(&[
                (header::HOST, "tavern.example:4000"),
                (header::ORIGIN, origin),
            ]))
        };
        assert!(allowed("https://app.example"));
        assert!(allowed("http://tavern.example:4000"));
        for foreign in [
            "https://app.example.evil",
            "http://app.example",
            "https://evil.app.example",
            "http://tavern.example",
            "http://tavern.example:4001",
            "null",
        ] {
            assert!(!allowed(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_client_that_is_no_browser_sends_no_origin_and_is_allowed() {
        assert!(Origins::default().allow(&headers(&[(header::HOST, "tavern.example")])));
    }

    #[test]
    fn two_origins_at_once_are_nobody() {
        let origins = Origins::parse(&["https://app.example"]).expect("an origin");
        let mut both = headers(&[(header::ORIGIN, "https://app.example")]);
        both.append(header::ORIGIN, HeaderValue::from_static("https://app.example"));
        assert!(!origins.allow(&both));
    }
}
