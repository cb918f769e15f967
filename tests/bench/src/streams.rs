//! How long a token takes from the provider's write to the frame a client reads, with many replies streaming at once.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde::Deserialize;
use serde_json::json;

use crate::hold::{connect, next_text, subscribe};
use crate::http::Connection;
use crate::provider;
use crate::statistics::percentile;

const SUBSCRIPTION: &str = "subscription Reply($id: ID!) { generationStream(generationId: $id) { __typename length \
    ... on GenerationSnapshot { text } ... on GenerationDelta { text } ... on GenerationEnded { status } } }";

/// What one reader saw.
#[derive(Default)]
struct Reading {
    /// Microseconds on the way, for every token that was written after the reader had subscribed.
    latencies: Vec<u32>,
    tokens: u32,
    completed: bool,
    /// The beginning of a token whose end has not come yet.
    rest: String,
}

/// Starts one reply in each of `desks` (token and session), reads them all to their ends, prints.
///
/// # Errors
/// When the server refuses.
pub async fn run(addr: SocketAddr, desks: &[(String, String)], tokens: u32) -> Result<()> {
    let readings = try_join_all(
        desks
            .iter()
            .cloned()
            .map(|(token, session)| async move { tokio::spawn(read(addr, token, session)).await? }),
    )
    .await?;
    let completed = readings
        .iter()
        .filter(|reading| reading.completed && reading.tokens == tokens)
        .count();
    let mut latencies: Vec<u32> = readings.into_iter().flat_map(|reading| reading.latencies).collect();
    let mut ms = |share: f64| f64::from(percentile(&mut latencies, share)) / 1000.0;
    println!(
        "provider to client frame   p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, greatest {:.1} ms",
        ms(0.5),
        ms(0.9),
        ms(0.99),
        ms(1.0)
    );
    println!(
        "tokens timed               {} in {} replies; {completed} replies arrived whole",
        latencies.len(),
        desks.len()
    );
    Ok(())
}

async fn read(addr: SocketAddr, token: String, session: String) -> Result<Reading> {
    let mut socket = connect(addr, &token).await?;
    let sent = Connection::open(addr)
        .await?
        .graphql(
            Some(&token),
            "mutation Send($input: SendMessageInput!) { sendMessage(input: $input) { generation { id } userErrors { message } } }",
            json!({ "input": { "sessionId": session, "content": "Go on." } }),
        )
        .await?;
    let id = sent["sendMessage"]["generation"]["id"]
        .as_str()
        .context("no generation")?;
    let mut reading = Reading::default();
    subscribe(&mut socket, SUBSCRIPTION, &json!({ "id": id })).await?;
    while let Some(text) = next_text(&mut socket).await? {
        let arrived = provider::now();
        let message: Message = serde_json::from_str(&text).with_context(|| format!("an unknown message: {text}"))?;
        match message {
            Message::Next { payload } => reading.take(payload.data.event, arrived),
            Message::Complete => break,
        }
    }
    Ok(reading)
}

impl Reading {
    fn take(&mut self, event: Event, arrived: u64) {
        match event {
            Event::Delta { text } => {
                self.rest.push_str(&text);
                let Some(end) = self.rest.rfind(' ') else {
                    return;
                };
                let after = self.rest.split_off(end + 1);
                let whole = std::mem::replace(&mut self.rest, after);
                for written in whole.split_whitespace().filter_map(|token| token.parse::<u64>().ok()) {
                    self.tokens += 1;
                    self.latencies
                        .push(u32::try_from(arrived.saturating_sub(written)).unwrap_or(u32::MAX));
                }
            }
            Event::Snapshot { text } => {
                // A snapshot repeats what came before; its tokens count, but their way is not timed.
                let end = text.rfind(' ').map_or(0, |end| end + 1);
                self.tokens = u32::try_from(text[..end].split_whitespace().count()).unwrap_or(u32::MAX);
                self.rest = text[end..].to_owned();
            }
            Event::Ended { status } => self.completed = status == "COMPLETED",
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Message {
    Next { payload: Payload },
    Complete,
}

#[derive(Deserialize)]
struct Payload {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "generationStream")]
    event: Event,
}

#[derive(Deserialize)]
#[serde(tag = "__typename")]
enum Event {
    #[serde(rename = "GenerationDelta")]
    Delta { text: String },
    #[serde(rename = "GenerationSnapshot")]
    Snapshot { text: String },
    #[serde(rename = "GenerationEnded")]
    Ended { status: String },
}
