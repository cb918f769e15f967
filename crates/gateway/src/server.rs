//! The accept loop: HTTP/1.1 connections with the bounds that `axum::serve` does not set.
//!
//! A client that is slow to send the head of a request, or to take what it is sent, loses its
//! connection; connections are counted, in total and by address, from accept until the last byte,
//! sockets upgraded to WebSocket included; a shutdown lets what is under way finish, and ends in time.

mod admission;
mod connection;

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tavern_domain::Limits;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use admission::Admission;
use connection::Connection;

/// Connections the kernel keeps for us between two accepts. The usual 128 overrun when a node
/// comes back and all its clients with it.
const BACKLOG: u32 = 4096;
/// Head of a request: the query string of a GET, and as much again for the headers.
const HEAD_OVERHEAD_BYTES: usize = 16 * 1024;
/// Header fields of a request; more are answered with 431.
const MAX_HEADERS: usize = 64;
/// Clients over the cap that are being told so, and how long each may take to hear it.
const MAX_LINGERING: usize = 64;
const LINGER: Duration = Duration::from_secs(1);
/// Out of file descriptors: time for connections to end before the next accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on `address`. Port 0 takes a free one.
///
/// # Errors
/// What the operating system says.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A restarted server takes over the port while connections of the old one linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `app` until `shutdown` is cancelled, and then until every connection has ended, at most
/// `limits.shutdown_ms` longer. Handlers find the peer in the extension `ConnectInfo<SocketAddr>`.
///
/// WebSockets end by themselves: their sessions watch the same token.
pub async fn serve(listener: TcpListener, app: Router, limits: Arc<Limits>, shutdown: CancellationToken) {
    let admission = Admission::new(limits.connections, limits.connections_per_address);
    let told = Arc::new(Semaphore::new(MAX_LINGERING));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => match admission.admit(peer.ip()) {
                Some(permit) => {
                    let stall = Limits::ms(limits.write_stall_ms);
                    let connection = Connection::new(stream, permit, stall);
                    connections.spawn(converse(
                        connection,
                        peer,
                        app.clone(),
                        limits.clone(),
                        shutdown.clone(),
                    ));
                }
                None => refuse(stream, &told),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                tokio::select! {
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    () = shutdown.cancelled() => break,
                }
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(Limits::ms(limits.shutdown_ms), admission.emptied())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = admission.count(),
            "connections outlived the shutdown and are cut"
        );
    }
}

/// The client went before we took its connection; the next accept may be fine at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

async fn converse(
    connection: Connection,
    peer: SocketAddr,
    app: Router,
    limits: Arc<Limits>,
    shutdown: CancellationToken,
) {
    let left = Cell::new(limits.requests_per_connection);
    let service = service_fn(move |mut request: Request<Incoming>| {
        left.set(left.get().saturating_sub(1));
        let is_last = left.get() == 0;
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = app.clone().oneshot(request.map(Body::new));
        async move {
            let mut response: Response = answer.await?;
            if is_last {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Limits::ms(limits.header_timeout_ms))
        .max_buf_size(limits.query_string_bytes + HEAD_OVERHEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(connection), service)
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let end = tokio::select! {
        // The shutdown first: an answer given after it began says that the connection ends.
        biased;
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
        end = served.as_mut() => end,
    };
    if let Err(error) = end {
        tracing::debug!(%error, "connection broke");
    }
}

/// Tells a client over the cap to come back, and hears it out: closed at once, the connection
/// would be reset by the request still on its way, and the answer lost. Those who are told are few
/// at a time; in a flood the rest is dropped.
fn refuse(stream: TcpStream, told: &Arc<Semaphore>) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: 22\r\n\r\nToo many connections.\n";
    let Ok(permit) = told.clone().try_acquire_owned() else {
        return;
    };
    tokio::spawn(async move {
        let mut stream = stream;
        let hear_out = async {
            stream.write_all(ANSWER).await?;
            stream.shutdown().await?;
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        };
        // Whatever comes of it, the client was not served and the connection ends here.
        let _ = tokio::time::timeout(LINGER, hear_out).await;
        drop(permit);
    });
}
