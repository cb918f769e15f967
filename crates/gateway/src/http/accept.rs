//! What a client can read, after RFC 9110 §12.5.1 and the GraphQL-over-HTTP specification.

use http::{HeaderMap, header};

/// How a single response is labelled. The two differ in status codes: see [`super::answer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`, for clients of old and those that do not care.
    Json,
    /// `application/graphql-response+json`.
    GraphqlResponse,
}

impl MediaType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }
}

/// What the `Accept` headers of a request allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The preferred type for a single response; `None` if neither is acceptable.
    pub single: Option<MediaType>,
    /// `text/event-stream` is named.
    pub events: bool,
    /// `text/event-stream` is liked better than a single response.
    pub prefers_events: bool,
    /// `text/html` is named: a person with a browser.
    pub html: bool,
}

impl Accepted {
    pub fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(header::ACCEPT) {
            return Self {
                single: Some(MediaType::Json),
                events: false,
                prefers_events: false,
                html: false,
            };
        }
        let (mut json, mut graphql, mut events, mut html, mut any_application, mut any) =
            (None, None, None, None, None, None);
        let ranges = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        for range in ranges {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let slots = [
                ("application/json", &mut json),
                ("application/graphql-response+json", &mut graphql),
                ("text/event-stream", &mut events),
                ("text/html", &mut html),
                ("application/*", &mut any_application),
                ("*/*", &mut any),
            ];
            if let Some((_, slot)) = slots.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)) {
                let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
                *slot = Some(quality.map_or(1.0, |text| {
                    text.parse::<f32>()
                        .ok()
                        .filter(|q| (0.0..=1.0).contains(q))
                        .unwrap_or(0.0)
                }));
            }
        }
        let range = any_application.or(any).unwrap_or(0.0);
        let graphql_is_named = graphql.is_some();
        let (json, graphql, events) = (json.unwrap_or(range), graphql.unwrap_or(range), events.unwrap_or(0.0));
        let single = if graphql > json || (graphql == json && graphql_is_named && graphql > 0.0) {
            Some(MediaType::GraphqlResponse)
        } else {
            (json > 0.0).then_some(MediaType::Json)
        };
        Self {
            single,
            events: events > 0.0,
            prefers_events: events > json.max(graphql),
            html: html.unwrap_or(0.0) > 0.0,
        }
    }
}
