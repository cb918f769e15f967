//! Server-sent events, in the "distinct connections mode" of the GraphQL over SSE protocol: a request
//! is answered with `next` events, one for each result, then `complete`. What is wrong with the
//! document or its variables is told in a `next` too, because an `EventSource` cannot read a status.
//!
//! The stream is polled only as fast as the client reads; what waits, waits at the source, which
//! merges. It ends when the client goes, and when the access token it was opened with expires.

use std::pin::Pin;
use std::time::Duration;

use async_graphql::Response;
use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use http::{HeaderValue, header};
use tavern_domain::Code;
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval_at, sleep};

use super::answer::encode;
use crate::error::{ErrorCode, RequestError};
use crate::front::{Front, Operation, OperationKind};
use crate::house::{Caller, House};

/// How often a comment is sent on a stream that is otherwise silent, so that proxies let it stand.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// The events of an operation of any kind, or of the error that kept it from being one.
pub fn answer<H: House>(
    front: &Front<H>,
    operation: Result<Operation, RequestError>,
    caller: Caller,
) -> http::Response<Body> {
    let expires_in = caller.expires_at.map(|end| end.since(front.house().now()));
    let results: BoxStream<'static, Response> = match operation {
        Err(error) => stream::iter([error.into_response()]).boxed(),
        Ok(operation) if operation.kind() == OperationKind::Subscription => front.subscribe(operation, &caller).boxed(),
        Ok(operation) => {
            let front = front.clone();
            stream::once(async move { front.execute(operation, &caller).await }).boxed()
        }
    };
    let mut answer = http::Response::new(Body::from_stream(
        events(results, expires_in).map(Ok::<_, std::convert::Infallible>),
    ));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    answer
        .headers_mut()
        .extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    // nginx would otherwise hold events back until its buffer is full.
    answer
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

struct Events {
    results: BoxStream<'static, Response>,
    keep_alive: Interval,
    expiry: Option<Pin<Box<Sleep>>>,
}

fn events(results: BoxStream<'static, Response>, expires_in: Option<Duration>) -> impl Stream<Item = Bytes> {
    let mut keep_alive = interval_at(tokio::time::Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(
        Some(Events {
            results,
            keep_alive,
            expiry: expires_in.map(|time| Box::pin(sleep(time))),
        }),
        |events| async {
            let mut events = events?;
            tokio::select! {
                biased;
                () = expired(&mut events.expiry) => {
                    let error = RequestError::document(ErrorCode::House(Code::Unauthenticated), "The access token has expired.");
                    let last = [next(&error.into_response()), complete()].concat();
                    Some((last.into(), None))
                }
                result = events.results.next() => match result {
                    Some(response) => {
                        events.keep_alive.reset();
                        Some((next(&response).into(), Some(events)))
                    }
                    None => Some((complete().into(), None)),
                },
                _ = events.keep_alive.tick() => Some((Bytes::from_static(b":\n\n"), Some(events))),
            }
        },
    )
}

async fn expired(expiry: &mut Option<Pin<Box<Sleep>>>) {
    match expiry {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

fn next(response: &Response) -> Vec<u8> {
    [&b"event: next\ndata: "[..], &encode(response), b"\n\n"].concat()
}

/// With an empty `data`: an `EventSource` passes over events without.
fn complete() -> Vec<u8> {
    b"event: complete\ndata: \n\n".to_vec()
}
