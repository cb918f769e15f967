//! `/health` says that the process lives; `/ready` says whether to send it traffic.
//!
//! The two differ on purpose: a database that is down must take a node out of rotation, not get it
//! restarted. Neither tells a stranger what is wrong; that is in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use http::{StatusCode, header};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A store that does not answer in this time is down.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// Probes within this time of the last one share its outcome, so that probing is no load.
const CHECK_AGE: Duration = Duration::from_secs(1);

type Check = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// Whether this node should get traffic. Cheap to clone.
#[derive(Clone)]
pub struct Readiness(Arc<Inner>);

struct Inner {
    started: AtomicBool,
    draining: CancellationToken,
    check: Box<Check>,
    last: Mutex<Option<(Instant, bool)>>,
}

impl Readiness {
    /// Not ready until [`Self::start`], and no more once `draining` is cancelled. In between `check`
    /// decides; what it says of a failure goes to the log.
    #[must_use]
    pub fn new(
        draining: CancellationToken,
        check: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            started: AtomicBool::new(false),
            draining,
            check: Box::new(check),
            last: Mutex::new(None),
        }))
    }

    /// Migrations are done, keys are loaded, the model router stands.
    pub fn start(&self) {
        self.0.started.store(true, Ordering::Release);
    }

    async fn status(&self) -> &'static str {
        if self.0.draining.is_cancelled() {
            "draining"
        } else if !self.0.started.load(Ordering::Acquire) {
            "starting"
        } else if self.stores_answer().await {
            "ready"
        } else {
            "unavailable"
        }
    }

    async fn stores_answer(&self) -> bool {
        // Held across the check: probes that arrive meanwhile wait for its outcome.
        let mut last = self.0.last.lock().await;
        if let Some((at, outcome)) = *last
            && at.elapsed() < CHECK_AGE
        {
            return outcome;
        }
        let outcome = match tokio::time::timeout(CHECK_TIMEOUT, (self.0.check)()).await {
            Ok(Ok(())) => true,
            Ok(Err(reason)) => {
                tracing::warn!(reason, "not ready");
                false
            }
            Err(_) => {
                tracing::warn!("not ready: the stores did not answer in {CHECK_TIMEOUT:?}");
                false
            }
        };
        *last = Some((Instant::now(), outcome));
        outcome
    }
}

pub fn routes(readiness: Readiness) -> Router {
    Router::new()
        .route("/health", get(|| std::future::ready(answer(StatusCode::OK, "ok"))))
        .route("/ready", get(ready))
        .with_state(readiness)
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness.status().await {
        status @ "ready" => answer(StatusCode::OK, status),
        status => answer(StatusCode::SERVICE_UNAVAILABLE, status),
    }
}

fn answer(code: StatusCode, status: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (code, headers, format!("{{\"status\":\"{status}\"}}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn readiness(
        check: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> (Readiness, CancellationToken) {
        let draining = CancellationToken::new();
        (Readiness::new(draining.clone(), check), draining)
    }

    #[tokio::test]
    async fn a_node_is_ready_between_its_start_and_its_drain() {
        let (readiness, draining) = readiness(|| async { Ok(()) }.boxed());
        assert_eq!(readiness.status().await, "starting");
        readiness.start();
        assert_eq!(readiness.status().await, "ready");
        draining.cancel();
        assert_eq!(readiness.status().await, "draining");
    }

    #[tokio::test]
    async fn a_store_that_fails_makes_the_node_unavailable() {
        let (readiness, _draining) = readiness(|| async { Err("no database".to_owned()) }.boxed());
        readiness.start();
        assert_eq!(readiness.status().await, "unavailable");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_makes_the_node_unavailable() {
        let (readiness, _draining) = readiness(|| std::future::pending().boxed());
        readiness.start();
        assert_eq!(readiness.status().await, "unavailable");
    }

    #[tokio::test(start_paused = true)]
    async fn probes_share_a_check_for_a_second() {
        let checks = Arc::new(AtomicUsize::new(0));
        let counted = checks.clone();
        let (readiness, _draining) = readiness(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }.boxed()
        });
        readiness.start();
        readiness.status().await;
        readiness.status().await;
        assert_eq!(checks.load(Ordering::Relaxed), 1);
        tokio::time::advance(CHECK_AGE).await;
        readiness.status().await;
        assert_eq!(checks.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn health_and_readiness_are_two_answers() {
        use tower::ServiceExt as _;
        let (readiness, _draining) = readiness(|| async { Ok(()) }.boxed());
        let code = |path: &'static str| {
            let app = routes(readiness.clone());
            async move {
                app.oneshot(
                    http::Request::get(path)
                        .body(axum::body::Body::empty())
                        .expect("a request"),
                )
                .await
                .expect("an answer")
                .status()
            }
        };
        assert_eq!(code("/health").await, StatusCode::OK);
        assert_eq!(code("/ready").await, StatusCode::SERVICE_UNAVAILABLE);
        readiness.start();
        assert_eq!(code("/ready").await, StatusCode::OK);
    }
}
