//! A process that holds idle WebSockets, since one process may open only so many files.
//!
//! Reads one `TOKEN SESSION` a line until an empty line, opens a socket for each, says `ready`, and holds them until its
//! input ends.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use futures::stream::{self, StreamExt, TryStreamExt};
use futures::{SinkExt, Stream};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long)]
    addr: SocketAddr,
}

/// Sockets being opened at once: a ramp, not a storm.
const OPENING: usize = 64;
const SUBSCRIPTION: &str =
    "subscription Watch($session: ID!) { sessionEvents(sessionId: $session) { __typename cursor } }";

/// # Errors
/// When a socket cannot be opened, or breaks while it is held.
pub async fn hold(options: Options) -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut wanted = Vec::new();
    while let Some(line) = lines.next_line().await? {
        let Some((token, session)) = line.split_once(' ') else {
            break;
        };
        wanted.push((token.to_owned(), session.to_owned()));
    }
    let sockets: Vec<Socket> = stream::iter(wanted)
        .map(|(token, session)| async move {
            let mut socket = connect(options.addr, &token).await?;
            subscribe(&mut socket, SUBSCRIPTION, &json!({ "session": session })).await?;
            // The answer to a ping behind the subscription shows that the server has read both.
            send(&mut socket, &json!({ "type": "ping" })).await?;
            expect(&mut socket, "pong").await?;
            anyhow::Ok(socket)
        })
        .buffer_unordered(OPENING)
        .try_collect()
        .await?;
    let held: Vec<_> = sockets
        .into_iter()
        .map(|socket| tokio::spawn(answer_pings(socket)))
        .collect();
    println!("ready");
    while lines.next_line().await?.is_some() {}
    if let Some(broken) = held.iter().position(tokio::task::JoinHandle::is_finished) {
        bail!("socket {broken} broke while it was held");
    }
    Ok(())
}

pub type Socket = WebSocketStream<TcpStream>;

/// Opens a `graphql-transport-ws` socket and waits for its `connection_ack`.
///
/// # Errors
/// When the server refuses.
pub async fn connect(addr: SocketAddr, token: &str) -> Result<Socket> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://{addr}/graphql").into_client_request()?;
    request.headers_mut().insert(
        "sec-websocket-protocol",
        HeaderValue::from_static("graphql-transport-ws"),
    );
    let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
    let (mut socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    send(
        &mut socket,
        &json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } }),
    )
    .await?;
    expect(&mut socket, "connection_ack").await?;
    Ok(socket)
}

/// Subscribes under the id "1".
///
/// # Errors
/// When the connection breaks.
pub async fn subscribe(socket: &mut Socket, query: &str, variables: &Value) -> Result<()> {
    send(
        socket,
        &json!({ "id": "1", "type": "subscribe", "payload": { "query": query, "variables": variables } }),
    )
    .await
}

async fn send(socket: &mut Socket, message: &Value) -> Result<()> {
    Ok(socket.send(Message::text(message.to_string())).await?)
}

async fn expect(socket: &mut Socket, kind: &str) -> Result<()> {
    let text = next_text(socket).await?.context("the server closed the socket")?;
    let message: Value = serde_json::from_str(&text)?;
    if message["type"] != kind {
        bail!("{message} instead of {kind}");
    }
    Ok(())
}

/// The next text message; `None` at the end. Pings are answered underneath.
///
/// # Errors
/// When the connection breaks.
pub async fn next_text(
    socket: &mut (impl Stream<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
) -> Result<Option<String>> {
    while let Some(message) = socket.next().await {
        match message? {
            Message::Text(text) => return Ok(Some(text.as_str().to_owned())),
            Message::Close(frame) => bail!("the server closed the socket: {frame:?}"),
            _ => {}
        }
    }
    Ok(None)
}

async fn answer_pings(mut socket: Socket) {
    while let Ok(Some(_)) = next_text(&mut socket).await {}
}
