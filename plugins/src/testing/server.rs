//! A server on this machine, for requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers every connection with these bytes, and counts requests.
pub(crate) struct Server {
    pub port: u16,
    pub requests: Arc<AtomicUsize>,
    /// The head of the last one, with what came with it.
    pub last: Arc<Mutex<String>>,
}

impl Server {
    pub async fn start(answer: Vec<u8>, hold: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (requests, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
        let (count, seen) = (Arc::clone(&requests), Arc::clone(&last));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (answer, count, seen) = (answer.clone(), Arc::clone(&count), Arc::clone(&seen));
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    // A head, or the beginning of a handshake.
                    while !request.starts_with(b"\x16") && !request.windows(4).any(|end| end == b"\r\n\r\n") {
                        if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    *seen.lock() = String::from_utf8_lossy(&request).into_owned();
                    let _ = socket.write_all(&answer).await;
                    if hold {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { port, requests, last }
    }

    pub async fn with_body(body: &[u8]) -> Self {
        let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend_from_slice(body);
        Self::start(answer, false).await
    }

    pub async fn with_head(head: &str) -> Self {
        Self::start(
            format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").into_bytes(),
            false,
        )
        .await
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}
