//! What hosts answer in a case: recorded there, so that an extension with requests can be tried without a network, and
//! does the same each time.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use reqwest::{Request, Url};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tavern_plugins::egress::{EgressError, Recorded};

use crate::matching::difference;

/// An answer of a host, or that there is none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    #[serde(default = "get")]
    pub method: String,
    /// Without a query, it answers any.
    pub url: String,
    /// What the request is to have, as far as it stands here: `headers`, with names in lower case and what secrets are
    /// put in, and `body`, which is JSON if the request's is.
    #[serde(default)]
    pub sent: Value,
    #[serde(default = "ok")]
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A text as it is; anything else as JSON.
    #[serde(default)]
    pub body: Value,
    /// In place of an answer.
    #[serde(default)]
    pub error: Option<Fault>,
}

/// Why a host gives no answer.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    Timeout,
    TooLarge,
    Dns,
    Connect,
    Tls,
    Protocol,
    Quota,
    BreakerOpen,
}

impl From<Fault> for EgressError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Timeout => Self::Timeout,
            Fault::TooLarge => Self::TooLarge,
            Fault::Dns => Self::Dns,
            Fault::Connect => Self::Connect,
            Fault::Tls => Self::Tls,
            Fault::Protocol => Self::Protocol("The host's answer is not HTTP, or ended early.".into()),
            Fault::Quota => Self::Quota,
            Fault::BreakerOpen => Self::BreakerOpen,
        }
    }
}

fn get() -> String {
    "GET".into()
}

fn ok() -> u16 {
    200
}

/// The answers of a case, and what became of them.
pub struct Recording {
    tracks: Vec<Track>,
    /// Whether what is not recorded is sent.
    sends: bool,
    told: Mutex<Told>,
}

/// An answer that holds.
struct Track {
    method: Method,
    url: Url,
    sent: Value,
    answer: Result<http::Response<Bytes>, Fault>,
}

#[derive(Default)]
struct Told {
    /// How often each answer was given.
    given: Vec<u32>,
    faults: Vec<String>,
}

impl Recording {
    /// # Errors
    /// When an answer can be none: which one, and why.
    pub fn new(answers: &[Answer], sends: bool) -> Result<Self> {
        let track = |(index, answer)| Track::new(answer).with_context(|| format!("http[{index}]"));
        let tracks = answers.iter().enumerate().map(track).collect::<Result<Vec<_>>>()?;
        let told = Told {
            given: vec![0; tracks.len()],
            ..Told::default()
        };
        Ok(Self {
            tracks,
            sends,
            told: Mutex::new(told),
        })
    }

    /// Requests that nobody answers, or that were not as they should be, and answers nobody has asked for.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let told = self.told.lock();
        let unused = self.tracks.iter().zip(&told.given).enumerate();
        let unused = unused
            .filter(|(_, (_, given))| **given == 0)
            .map(|(index, (track, _))| format!("http[{index}]: nobody has asked for {} {}", track.method, track.url));
        told.faults.iter().cloned().chain(unused).collect()
    }
}

impl Recorded for Recording {
    /// Answers to the same request are given one after the other, the last of them again and again.
    fn answer(&self, request: &Request) -> Option<Result<http::Response<Bytes>, EgressError>> {
        let mut told = self.told.lock();
        let mut fitting = (0..self.tracks.len()).filter(|index| self.tracks[*index].fits(request));
        let last = fitting.clone().next_back();
        let Some(index) = fitting.find(|index| told.given[*index] == 0).or(last) else {
            if self.sends {
                return None;
            }
            let missing = missing(request);
            told.faults.push(missing.clone());
            return Some(Err(EgressError::Protocol(missing)));
        };
        told.given[index] += 1;
        let track = &self.tracks[index];
        let differs = difference(&track.sent, &sent(request), &format!("http[{index}].sent"));
        told.faults.extend(differs.filter(|_| !track.sent.is_null()));
        Some(track.answer.clone().map_err(EgressError::from))
    }
}

impl Track {
    fn new(answer: &Answer) -> Result<Self> {
        let url = Url::parse(&answer.url).with_context(|| format!("url: {:?} is no address", answer.url))?;
        if url.scheme() != "https" {
            bail!("url: requests go over https, and {:?} does not", answer.url);
        }
        let method = answer.method.parse().ok();
        let known = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ];
        let method = method.filter(|method| known.contains(method)).with_context(|| {
            format!(
                "method: {:?} is none of GET, HEAD, POST, PUT, PATCH and DELETE",
                answer.method
            )
        })?;
        let mut response = http::Response::new(match &answer.body {
            Value::Null => Bytes::new(),
            Value::String(text) => Bytes::from(text.clone()),
            body => Bytes::from(body.to_string()),
        });
        *response.status_mut() = StatusCode::from_u16(answer.status)
            .ok()
            .filter(|status| status.as_u16() >= 200)
            .with_context(|| format!("status: {} is none of 200 to 999", answer.status))?;
        for (name, value) in &answer.headers {
            let wrong = || format!("headers: {name:?} cannot be a header, or not with this value");
            let value = HeaderValue::try_from(value).with_context(wrong)?;
            response
                .headers_mut()
                .append(HeaderName::try_from(name).with_context(wrong)?, value);
        }
        Ok(Self {
            method,
            url,
            sent: answer.sent.clone(),
            answer: answer.error.map_or(Ok(response), Err),
        })
    }

    fn fits(&self, request: &Request) -> bool {
        let mut url = request.url().clone();
        if self.url.query().is_none() {
            url.set_query(None);
        }
        self.method == *request.method() && self.url == url
    }
}

fn body(request: &Request) -> &[u8] {
    request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default()
}

/// A request as [`Answer::sent`] has it.
fn sent(request: &Request) -> Value {
    let text = |bytes: &[u8]| Value::String(String::from_utf8_lossy(bytes).into_owned());
    let headers: Map<_, _> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
        .collect();
    let body = body(request);
    let body = serde_json::from_slice(body).unwrap_or_else(|_| text(body));
    json!({ "headers": headers, "body": body })
}

/// What the author is told of a request that nobody answers.
fn missing(request: &Request) -> String {
    let (method, url) = (request.method(), request.url());
    let entry = json!({ "method": method.as_str(), "url": url.as_str(), "body": "…" });
    format!("no answer is recorded for {method} {url}: add {entry} to `http` of the case")
}

#[cfg(test)]
mod tests;
