//! A server of a few plain routes, and a client that says exactly what a test wants said.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tavern_domain::Limits;
use tavern_gateway::layers::{Edge, dress};
use tavern_gateway::server;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes; what hangs fails instead of hanging the suite.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

pub struct Site {
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<()>,
    /// `/gate` answers once it gets a permit.
    pub gate: Arc<Semaphore>,
    /// Requests to `/gate` so far.
    pub waiting: watch::Sender<usize>,
}

impl Site {
    pub fn new() -> Self {
        Self::with(|_| {}, &Edge::default())
    }

    pub fn with(change: impl FnOnce(&mut Limits), edge: &Edge) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let (gate, waiting) = (Arc::new(Semaphore::new(0)), watch::Sender::new(0));
        let app = dress(routes(&gate, &waiting), edge);
        let listener = server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(server::serve(listener, app, Arc::new(limits), shutdown.clone()));
        Self {
            address,
            shutdown,
            served,
            gate,
            waiting,
        }
    }

    pub async fn until_waiting(&self, count: usize) {
        within(
            "requests at the gate",
            self.waiting.subscribe().wait_for(|waiting| *waiting >= count),
        )
        .await
        .expect("the sender lives");
    }

    pub async fn connect(&self) -> Client {
        Client(BufReader::new(
            TcpStream::connect(self.address).await.expect("the server listens"),
        ))
    }

    /// A connection from another address of this machine.
    pub async fn connect_from(&self, address: Ipv4Addr) -> Client {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((address, 0).into()).expect("an address of this machine");
        Client(BufReader::new(
            socket.connect(self.address).await.expect("the server listens"),
        ))
    }

    /// The answer to one request on its own connection.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.connect().await.get(path, headers).await
    }
}

fn routes(gate: &Arc<Semaphore>, waiting: &watch::Sender<usize>) -> Router {
    let (gate, waiting) = (gate.clone(), waiting.clone());
    let at_gate = move || {
        let (gate, waiting) = (gate.clone(), waiting.clone());
        async move {
            waiting.send_modify(|count| *count += 1);
            gate.acquire().await.expect("the gate stays").forget();
            "passed"
        }
    };
    let large = || {
        std::future::ready((
            [("content-type", "application/json")],
            format!("[{}0]", "0,".repeat(2_000)),
        ))
    };
    Router::new()
        .route("/", get(|| std::future::ready("hello")))
        .route(
            "/peer",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| std::future::ready(peer.to_string())),
        )
        .route("/gate", get(at_gate))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("a secret of the handler")
                }
            }),
        )
        .route("/large", get(large))
        .route("/huge", get(|| std::future::ready(vec![b'x'; 64 * 1024 * 1024])))
        .route("/playground", get(|| std::future::ready("hello")))
}

pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub struct Client(pub BufReader<TcpStream>);

impl Client {
    pub async fn write(&mut self, text: &str) {
        self.0
            .write_all(text.as_bytes())
            .await
            .expect("the server takes requests");
    }

    pub async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers).await;
        self.answer().await
    }

    pub async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        self.write(&format!(
            "{method} {path} HTTP/1.1\r\nhost: tavern.example\r\n{headers}\r\n"
        ))
        .await;
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        within("a line", self.0.read_line(&mut line)).await.expect("a line");
        line.trim_end().to_owned()
    }

    /// The next answer, its body read by its length or its chunks.
    pub async fn answer(&mut self) -> Answer {
        let status = self.line().await;
        let status = status
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {status:?}"));
        let mut headers = HashMap::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let mut body = Vec::new();
        if headers.contains_key("transfer-encoding") {
            loop {
                let size = usize::from_str_radix(&self.line().await, 16).expect("the size of a chunk");
                self.take(size, &mut body).await;
                self.line().await;
                if size == 0 {
                    break;
                }
            }
        } else {
            let size = headers
                .get("content-length")
                .map_or(0, |size| size.parse().expect("a length"));
            self.take(size, &mut body).await;
        }
        Answer { status, headers, body }
    }

    async fn take(&mut self, size: usize, body: &mut Vec<u8>) {
        let start = body.len();
        body.resize(start + size, 0);
        within("a body", self.0.read_exact(&mut body[start..]))
            .await
            .expect("a whole body");
    }

    /// Asserts that the server ends the connection, saying nothing more.
    pub async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = within("the end", self.0.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}
