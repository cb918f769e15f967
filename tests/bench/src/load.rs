//! The load: a fixed number of keep-alive connections, each sending its next request when the last one is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::future::try_join_all;

use crate::http::Connection;
use crate::process::Process;
use crate::statistics::percentile;

/// One request, repeated, and the answer that must come back.
#[derive(Clone)]
pub struct Request {
    pub bytes: Arc<[u8]>,
    pub answer: Arc<[u8]>,
}

/// What one round showed.
pub struct Round {
    pub requests_per_second: f64,
    /// Microseconds.
    pub p50: f64,
    pub p99: f64,
    /// Microseconds of the server's processor time for one request.
    pub cpu: f64,
}

/// Loads `server` for about `duration`.
///
/// # Errors
/// When a connection breaks, or an answer has another length than the one that was checked beforehand.
pub async fn round(server: &Process, request: &Request, connections: usize, duration: Duration) -> Result<Round> {
    let cpu = server.cpu()?;
    let start = Instant::now();
    let deadline = start + duration;
    let each = try_join_all((0..connections).map(|_| {
        let request = request.clone();
        let addr = server.addr;
        async move { tokio::spawn(one(addr, request, deadline)).await? }
    }))
    .await?;
    let elapsed = start.elapsed();
    let cpu = server.cpu()? - cpu;
    let mut latencies = each.concat();
    let requests = f64::from(u32::try_from(latencies.len())?);
    Ok(Round {
        requests_per_second: requests / elapsed.as_secs_f64(),
        p50: percentile(&mut latencies, 0.5).into(),
        p99: percentile(&mut latencies, 0.99).into(),
        cpu: cpu.as_secs_f64() * 1e6 / requests,
    })
}

async fn one(addr: std::net::SocketAddr, request: Request, deadline: Instant) -> Result<Vec<u32>> {
    let mut connection = Connection::open(addr).await?;
    let mut latencies = Vec::with_capacity(64 * 1024);
    loop {
        let sent = Instant::now();
        if sent >= deadline {
            return Ok(latencies);
        }
        let answer = connection.exchange(&request.bytes).await?;
        if answer.len() != request.answer.len() {
            bail!("another answer under load: {}", String::from_utf8_lossy(answer));
        }
        latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
}
