//! A client of graphql-transport-ws.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u64,
}

impl Socket {
    pub async fn connect(url: &str, token: Option<&str>) -> Self {
        let mut request = format!("{}/graphql", url.replacen("http", "ws", 1))
            .into_client_request()
            .expect("a request");
        request.headers_mut().insert(
            "sec-websocket-protocol",
            "graphql-transport-ws".parse().expect("a header"),
        );
        let (stream, _) = tokio_tungstenite::connect_async(request).await.expect("a socket");
        let mut socket = Self { stream, next_id: 0 };
        let payload = token.map(|token| json!({ "authorization": format!("Bearer {token}") }));
        socket
            .write(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(socket.read().await.expect("an answer")["type"], "connection_ack");
        socket
    }

    pub async fn write(&mut self, message: Value) {
        self.stream
            .send(Message::text(message.to_string()))
            .await
            .expect("the socket takes it");
    }

    /// The next message; `None` once the socket is closed.
    pub async fn read(&mut self) -> Option<Value> {
        loop {
            match self.stream.next().await?.ok()? {
                Message::Text(text) => return Some(serde_json::from_str(&text).expect("JSON")),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Starts an operation; its id.
    pub async fn subscribe(&mut self, query: &str, variables: Value) -> String {
        self.next_id += 1;
        let id = self.next_id.to_string();
        self.write(json!({ "id": id, "type": "subscribe", "payload": { "query": query, "variables": variables } }))
            .await;
        id
    }

    /// The data of the next event of any operation. An error, or the end, is not expected.
    pub async fn event(&mut self) -> Value {
        let message = self.read().await.expect("a message");
        assert_eq!(message["type"], "next", "{message:#}");
        assert!(message["payload"].get("errors").is_none(), "{message:#}");
        message["payload"]["data"].clone()
    }

    /// All events of an operation up to its end.
    pub async fn collect(&mut self, query: &str, variables: Value) -> Vec<Value> {
        let id = self.subscribe(query, variables).await;
        let mut events = Vec::new();
        loop {
            let message = self.read().await.expect("a message");
            assert_eq!(message["id"], id.as_str());
            match message["type"].as_str() {
                Some("next") => events.push(message["payload"]["data"].clone()),
                Some("complete") => return events,
                _ => panic!("{message:#}"),
            }
        }
    }

    /// The code of the error that an operation is refused with.
    pub async fn refused(&mut self, query: &str, variables: Value) -> String {
        self.subscribe(query, variables).await;
        let message = self.read().await.expect("a message");
        let errors = if message["type"] == "error" {
            &message["payload"]
        } else {
            &message["payload"]["errors"]
        };
        errors[0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error in {message:#}"))
            .to_owned()
    }
}
