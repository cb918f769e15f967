//! A server on a free port and clients that speak frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tavern_domain::Limits;
use tavern_gateway::layers::{Edge, dress};
use tavern_gateway::ws::Sockets;
use tavern_gateway::{Front, House, Origins, graphql_routes, server};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use crate::support::{TOKEN, ToyHouse};

/// Longer than anything here takes; what hangs fails instead of hanging the suite.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

pub struct Toy<H: House = ToyHouse> {
    pub house: Arc<H>,
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<()>,
}

impl Toy {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self::of(ToyHouse::new(limits))
    }
}

impl<H: House> Toy<H> {
    pub fn of(house: Arc<H>) -> Self {
        let limits = house.limits().clone();
        let (front, shutdown) = (Front::new(house.clone()), CancellationToken::new());
        let sockets = Sockets::new(front.clone(), Origins::default(), shutdown.clone());
        let app = dress(graphql_routes(front, sockets), &Edge::default());
        let listener = server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let served = tokio::spawn(server::serve(listener, app, Arc::new(limits), shutdown.clone()));
        Self {
            house,
            address,
            shutdown,
            served,
        }
    }

    pub async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }

    /// A socket that has said nothing yet.
    pub async fn connect(&self) -> Client {
        self.connect_over(self.tcp().await, &[]).await
    }

    pub async fn connect_over(&self, tcp: TcpStream, headers: &[(&'static str, &'static str)]) -> Client {
        let mut request = format!("ws://{}/graphql", self.address)
            .into_client_request()
            .expect("a URL");
        request.headers_mut().insert(
            "sec-websocket-protocol",
            "graphql-transport-ws".parse().expect("a header"),
        );
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let (socket, response) = within("the upgrade", tokio_tungstenite::client_async(request, tcp))
            .await
            .expect("an upgrade");
        assert_eq!(response.headers()["sec-websocket-protocol"], "graphql-transport-ws");
        Client { socket }
    }

    /// A socket whose anonymous connection is acknowledged.
    pub async fn ready(&self) -> Client {
        self.init(json!({})).await
    }

    /// A socket of the user.
    pub async fn signed_in(&self) -> Client {
        self.init(json!({ "authorization": format!("Bearer {TOKEN}") })).await
    }

    pub async fn init(&self, payload: Value) -> Client {
        let mut client = self.connect().await;
        client
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(client.next().await, json!({ "type": "connection_ack" }));
        client
    }
}

pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub async fn frame(&mut self, message: Message) {
        self.socket.send(message).await.expect("the socket takes messages");
    }

    pub async fn send(&mut self, message: Value) {
        self.frame(Message::text(message.to_string())).await;
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({ "type": "subscribe", "id": id, "payload": { "query": query } }))
            .await;
    }

    pub async fn complete(&mut self, id: &str) {
        self.send(json!({ "type": "complete", "id": id })).await;
    }

    async fn read(&mut self) -> Message {
        within("a message", self.socket.next())
            .await
            .expect("the socket is open")
            .expect("a frame")
    }

    /// The next message of the protocol.
    pub async fn next(&mut self) -> Value {
        loop {
            match self.read().await {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a message of the protocol: {other:?}"),
            }
        }
    }

    /// Asserts the next message: a result of `id`.
    pub async fn expect_data(&mut self, id: &str, data: Value) {
        assert_eq!(
            self.next().await,
            json!({ "type": "next", "id": id, "payload": { "data": data } })
        );
    }

    pub async fn expect_complete(&mut self, id: &str) {
        assert_eq!(self.next().await, json!({ "type": "complete", "id": id }));
    }

    /// Asserts the next message: `id` was not executed, because of one error of that code. Returns its message.
    pub async fn expect_error(&mut self, id: &str, code: &str) -> String {
        let message = self.next().await;
        assert_eq!(
            (
                &message["type"],
                &message["id"],
                &message["payload"][0]["extensions"]["code"]
            ),
            (&json!("error"), &json!(id), &json!(code)),
            "{message}"
        );
        message["payload"][0]["message"].as_str().expect("a message").to_owned()
    }

    /// Asserts that everything sent so far was handled, and that nothing more came of it.
    pub async fn expect_silence(&mut self) {
        self.send(json!({ "type": "ping", "payload": { "after": "all" } }))
            .await;
        assert_eq!(
            self.next().await,
            json!({ "type": "pong", "payload": { "after": "all" } })
        );
    }

    /// Waits for the server's ping.
    pub async fn pinged(&mut self) {
        assert!(matches!(self.read().await, Message::Ping(_)));
    }

    /// The code and the reason with which the server closes, whatever it says before.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match within("a close frame", self.socket.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Ok(_)) => {}
                other => panic!("no close frame: {other:?}"),
            }
        }
    }

    /// Asserts that the server answers our close frame.
    pub async fn expect_close_reply(&mut self) {
        loop {
            match within("the answer to a close frame", self.socket.next()).await {
                Some(Ok(Message::Close(_))) => return,
                Some(Ok(_)) => {}
                other => panic!("no close frame: {other:?}"),
            }
        }
    }

    /// Asserts that the server ends the connection after its close frame.
    pub async fn expect_end(&mut self) {
        match within("the end", self.socket.next()).await {
            None | Some(Err(Error::ConnectionClosed)) => {}
            other => panic!("the connection goes on: {other:?}"),
        }
    }
}
