//! What the router does with time, on a clock that stands still unless everybody waits.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tavern_domain::generation::{GenerationKind, GenerationOptions};
use tokio::time::{Instant, sleep};

use super::*;
use crate::provider::{Chunk, ChunkStream, ProviderError};
use crate::request::Cast;

/// Plays one script per call: chunks, each after a silence in seconds.
struct Scripted(Mutex<Vec<Script>>);

type Script = Result<Vec<(u64, Chunk)>, ProviderError>;

#[async_trait]
impl Provider for Scripted {
    async fn open(&self, _model: &str, _request: &CompletionRequest) -> Result<ChunkStream, ProviderError> {
        let script = self.0.lock().expect("no test panics in here").remove(0)?;
        let chunks = stream::iter(script).then(|(silence, chunk)| async move {
            sleep(Duration::from_secs(silence)).await;
            Ok(chunk)
        });
        Ok(chunks.boxed())
    }
}

async fn play(scripts: Vec<Script>) -> Vec<ModelEvent> {
    let deployment = Deployment {
        provider_name: "scripted".into(),
        model: "m".into(),
        provider: Arc::new(Scripted(Mutex::new(scripts))),
        timeouts: Timeouts::default(),
        breaker: Breaker::default(),
        tools: true,
    };
    let route = Route {
        config: ModelConfig::demo(),
        deployments: vec![deployment],
    };
    let router = Router {
        routes: Arc::new(vec![Arc::new(route)]),
        reply_bytes: 1024,
    };
    let request = CompletionRequest {
        messages: Vec::new(),
        text: None,
        options: GenerationOptions::default(),
        stop: Vec::new(),
        max_tokens: None,
        seed: None,
        cast: Cast::default(),
        kind: GenerationKind::Normal,
        tools: Vec::new(),
        tools_closed: false,
    };
    router.stream(&[DEMO.to_owned()], request).collect().await
}

fn alive(times: usize) -> Vec<(u64, Chunk)> {
    vec![(20, Chunk::Alive); times]
}

fn text(silence: u64) -> (u64, Chunk) {
    (silence, Chunk::Text("a".into()))
}

fn is_complete(events: &[ModelEvent]) -> bool {
    matches!(events.last(), Some(ModelEvent::Finished { .. }))
}

#[tokio::test(start_paused = true)]
async fn keep_alives_hold_a_thinking_model_on_the_line() {
    let script = [alive(14), vec![text(5)]].concat();
    assert!(is_complete(&play(vec![Ok(script)]).await));
}

#[tokio::test(start_paused = true)]
async fn keep_alives_alone_do_not_hold_it_for_more_than_five_minutes() {
    let begun = [vec![text(0)], alive(14), vec![text(19)]].concat();
    assert!(is_complete(&play(vec![Ok(begun)]).await));
    let silent = [vec![text(0)], alive(15), vec![text(1)]].concat();
    assert!(!is_complete(&play(vec![Ok(silent)]).await));
}

#[tokio::test(start_paused = true)]
async fn a_reply_takes_at_most_ten_minutes() {
    assert!(is_complete(&play(vec![Ok(vec![text(25); 23])]).await));
    let events = play(vec![Ok(vec![text(25); 25])]).await;
    assert!(matches!(events.last(), Some(ModelEvent::Failed(error)) if error.code == "REQUEST_TIMEOUT"));
}

#[tokio::test(start_paused = true)]
async fn a_finished_reply_waits_two_seconds_for_its_usage() {
    let usage = || Chunk::Usage(crate::ProviderUsage::default());
    let with_usage = |silence| vec![text(0), (0, Chunk::Finished(None)), (silence, usage())];
    let has_usage = |events: &[ModelEvent]| events.iter().any(|event| matches!(event, ModelEvent::Usage(_)));
    let (soon, late) = (play(vec![Ok(with_usage(1))]).await, play(vec![Ok(with_usage(3))]).await);
    assert!(has_usage(&soon) && is_complete(&soon));
    assert!(!has_usage(&late) && is_complete(&late));
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_as_long_as_the_provider_asked() {
    let asked = Duration::from_secs(7);
    let busy = ProviderError {
        retry_after: Some(asked),
        ..ProviderError::transient("busy")
    };
    let start = Instant::now();
    assert!(is_complete(&play(vec![Err(busy), Ok(vec![text(0)])]).await));
    assert_eq!(start.elapsed().as_secs(), asked.as_secs());
}
