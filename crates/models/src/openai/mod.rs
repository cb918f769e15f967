//! The OpenAI formats, chat completions and text completions, as OpenAI and the many compatible servers speak it.

mod calls;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod wire;

use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use tavern_domain::{Clock, SystemClock};

use crate::backoff;
use crate::config::{ProviderConfig, Secret, is_good_key};
use crate::provider::{Chunk, ChunkStream, Provider, ProviderError};
use crate::request::CompletionRequest;
use crate::sse::{SseItem, SseReader};
use calls::Calls;
use wire::Decoder;

/// The most we read of an answer that is not a stream, and of an error.
const MAX_DOCUMENT: usize = 4 * 1024 * 1024;
const MAX_ERROR: usize = 64 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct OpenAi {
    client: reqwest::Client,
    chat_url: reqwest::Url,
    text_url: reqwest::Url,
    name: String,
    key: Option<Secret>,
    /// It gives reasoning in the field in which such servers demand it back with calls of functions;
    /// others refuse a request for that field.
    reasons: Arc<AtomicBool>,
}

impl OpenAi {
    /// # Errors
    /// What is wrong with the configuration, in words for the operator.
    pub fn new(config: &ProviderConfig) -> Result<Self, String> {
        let base = config.base_url.as_deref().ok_or("base_url: is missing")?;
        let base = base.trim_end_matches('/');
        let url = |path| reqwest::Url::parse(&format!("{base}/{path}")).map_err(|error| format!("base_url: {error}"));
        let (chat_url, text_url) = (url("chat/completions")?, url("completions")?);
        let key = read_key(config)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        if let Some(key) = &key {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))
                .map_err(|_| "api_key: does not fit into a header")?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // Fails if another backend was installed before, which is then as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tavern/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(config.timeouts.connect())
            // A redirect would carry the key and the prompt to a place nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            // The router is the only retry loop.
            .retry(reqwest::retry::never())
            .no_proxy();
        if chat_url.scheme() == "http" {
            // Machines without certificates can still reach a model next door.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .build()
            .map_err(|error| format!("cannot make a client: {error}"))?;
        Ok(Self {
            client,
            chat_url,
            text_url,
            name: config.name.clone(),
            key,
            reasons: Arc::default(),
        })
    }

    /// Reads what a refused call says about itself: for the verdict and the log, not for users.
    async fn refusal(&self, response: reqwest::Response) -> ProviderError {
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| backoff::parse_retry_after(value, SystemClock.now()));
        let body = tokio::time::timeout(ERROR_BODY_TIMEOUT, read_up_to(response, MAX_ERROR)).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        let detail = error::Detail::of_body(&body);
        self.log_refusal(&body, status);
        let mut error = error::of_status(&self.name, status, &detail);
        error.retry_after = retry_after;
        error
    }

    fn log_refusal(&self, body: &[u8], status: u16) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let mut body = String::from_utf8_lossy(body).into_owned();
        if let Some(key) = &self.key {
            body = body.replace(key.expose(), "[redacted]");
        }
        let body: String = body.chars().take(300).collect();
        tracing::debug!(provider = self.name, status, body, "the provider refused a call");
    }
}

fn read_key(config: &ProviderConfig) -> Result<Option<Secret>, String> {
    let Some(path) = &config.api_key_file else {
        return Ok(config.api_key.clone());
    };
    let text =
        fs::read_to_string(path).map_err(|error| format!("api_key_file: cannot read {}: {error}", path.display()))?;
    let key = text.trim();
    if !is_good_key(key) {
        return Err(format!("api_key_file: {} holds no key", path.display()));
    }
    Ok(Some(Secret::new(key)))
}

#[async_trait]
impl Provider for OpenAi {
    async fn open(&self, model: &str, request: &CompletionRequest) -> Result<ChunkStream, ProviderError> {
        let body = wire::request_body(model, request, self.reasons.load(Ordering::Relaxed));
        let url = if request.text.is_some() {
            &self.text_url
        } else {
            &self.chat_url
        };
        let sent = self.client.post(url.clone()).json(&body).send().await;
        let response = sent.map_err(|error| error::of_transport(&self.name, &error))?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let mut decoder = Decoder::new(self.name.clone(), Calls::after(&request.messages));
        let content_type = response.headers().get(CONTENT_TYPE);
        let is_document = content_type
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.trim_start().starts_with("application/json"));
        if is_document {
            let body = read_up_to(response, MAX_DOCUMENT).await;
            let body = body.map_err(|problem| problem.into_error(&self.name))?;
            let chunks = decoder.decode(&String::from_utf8_lossy(&body))?;
            self.reasons.fetch_or(decoder.has_reasoned(), Ordering::Relaxed);
            return Ok(stream::iter(chunks.into_iter().chain(decoder.finish()).map(Ok)).boxed());
        }
        let body = response.bytes_stream().boxed();
        Ok(EventStream::new(self.name.clone(), body, decoder, Arc::clone(&self.reasons)).into_chunks())
    }
}

/// A reply being read: bytes to events to chunks.
struct EventStream {
    provider: String,
    /// `None` once the end was read.
    body: Option<BoxStream<'static, reqwest::Result<Bytes>>>,
    reader: SseReader,
    decoder: Decoder,
    reasons: Arc<AtomicBool>,
    ready: VecDeque<Chunk>,
    /// Comes after what is ready.
    failure: Option<ProviderError>,
}

impl EventStream {
    fn new(
        provider: String,
        body: BoxStream<'static, reqwest::Result<Bytes>>,
        decoder: Decoder,
        reasons: Arc<AtomicBool>,
    ) -> Self {
        Self {
            decoder,
            reasons,
            provider,
            body: Some(body),
            reader: SseReader::default(),
            ready: VecDeque::new(),
            failure: None,
        }
    }

    fn into_chunks(self) -> ChunkStream {
        stream::unfold(self, |mut this| async move {
            let next = this.next().await?;
            Some((next, this))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<Chunk, ProviderError>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(Ok(chunk));
            }
            if let Some(failure) = self.failure.take() {
                self.body = None;
                return Some(Err(failure));
            }
            match self.body.as_mut()?.next().await {
                Some(Ok(bytes)) => self.take(&bytes),
                Some(Err(error)) => self.failure = Some(error::of_transport(&self.provider, &error)),
                None => self.end(),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut items = Vec::new();
        let read = self.reader.push(bytes, &mut |item| items.push(item));
        self.decode(items);
        if read.is_err() && self.failure.is_none() {
            self.failure = Some(error::malformed(&self.provider));
        }
        if self.decoder.is_done() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.body = None;
        let mut items = Vec::new();
        if std::mem::take(&mut self.reader)
            .finish(&mut |item| items.push(item))
            .is_err()
        {
            self.failure = Some(error::malformed(&self.provider));
        }
        self.decode(items);
        self.ready.extend(self.decoder.finish());
    }

    fn decode(&mut self, items: Vec<SseItem>) {
        for item in items {
            match item {
                SseItem::Comment => self.ready.push_back(Chunk::Alive),
                SseItem::Event { .. } if self.failure.is_some() || self.decoder.is_done() => {}
                SseItem::Event { event, data } => match self.decoder.decode_event(&event, &data) {
                    Ok(chunks) => self.ready.extend(chunks),
                    Err(error) => self.failure = Some(error),
                },
            }
        }
        self.reasons.fetch_or(self.decoder.has_reasoned(), Ordering::Relaxed);
    }
}

enum BodyProblem {
    Transport(reqwest::Error),
    TooLong,
}

impl BodyProblem {
    fn into_error(self, provider: &str) -> ProviderError {
        match self {
            Self::Transport(error) => error::of_transport(provider, &error),
            Self::TooLong => error::malformed(provider),
        }
    }
}

async fn read_up_to(response: reqwest::Response, limit: usize) -> Result<Vec<u8>, BodyProblem> {
    let mut body = response.bytes_stream().map_err(BodyProblem::Transport);
    let mut all = Vec::new();
    while let Some(bytes) = body.try_next().await? {
        if all.len() + bytes.len() > limit {
            return Err(BodyProblem::TooLong);
        }
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fuzzing::streamed;

    const RECORDED: &str = concat!(
        ": connected\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"Hm…\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße 🐉\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"roll\",\"arguments\":\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\r\r",
        "data: [DONE]\n\n",
    );

    proptest! {
        #[test]
        fn any_cutting_of_a_recorded_stream_gives_the_same_chunks(
            cuts in proptest::collection::vec(0..RECORDED.len(), 0..40)
        ) {
            let mut cuts = cuts;
            cuts.extend([0, RECORDED.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| &RECORDED.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(streamed(pieces), streamed([RECORDED.as_bytes()]));
        }
    }

    #[test]
    fn cutting_at_every_byte_loses_nothing() {
        let read = streamed(RECORDED.as_bytes().chunks(1));
        assert!(read.contains(&"Ok(Text(\"Grüße 🐉\"))".to_owned()), "{read:?}");
        assert!(read.iter().any(|chunk| chunk.contains("ToolCall")), "{read:?}");
        assert!(read.last().is_some_and(|last| last.contains("Usage")), "{read:?}");
    }
}
