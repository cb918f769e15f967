//! A model server that speaks the OpenAI wire format and writes, as each token, the microsecond at which it was written.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::stream;
use tokio::net::TcpListener;

/// What the time of a token counts from; provider and readers share it, being one process.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds since the process began to measure.
pub fn now() -> u64 {
    u64::try_from(START.elapsed().as_micros()).expect("a benchmark ends within 500,000 years")
}

/// The shape of every reply.
#[derive(Clone, Copy)]
pub struct Pace {
    pub tokens: u32,
    pub every: Duration,
}

/// Serves on an address of its own, until the runtime ends.
///
/// # Errors
/// When there is no port left.
pub async fn serve(pace: Pace) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let app = Router::new().route(
        "/v1/chat/completions",
        post(move |_: Bytes| async move { completion(pace) }),
    );
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(addr)
}

fn completion(pace: Pace) -> Response {
    let mut timer = tokio::time::interval(pace.every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let events = stream::unfold((timer, 0), move |(mut timer, sent)| async move {
        if sent > pace.tokens {
            return None;
        }
        timer.tick().await;
        let event = if sent < pace.tokens {
            format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{} \"}}}}]}}\n\n",
                now()
            )
        } else {
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n".to_owned()
        };
        Some((Ok::<_, Infallible>(event), (timer, sent + 1)))
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}
