//! One socket, from its upgrade to its close frame: a single task and a single timer.

use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use async_graphql::{Response, Variables};
use futures::stream::{self, BoxStream};
use futures::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tavern_domain::{Code, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::operations::{Emitted, Operations};
use super::outbox::Outbox;
use super::pace::Pace;
use super::protocol::{self, ClientMessage, SubscribePayload};
use super::{Slot, Sockets};
use crate::cache::PersistedQuery;
use crate::error::{ErrorCode, RequestError};
use crate::front::OperationKind;
use crate::house::{Caller, House};
use crate::outcome::is_request_error;
use crate::request_id::RequestId;

/// The library allocates this for every socket and keeps it.
const READ_BUFFER_BYTES: usize = 1024;
/// How much is gathered before it is written; a flush writes less.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// Steps of one poll, so that a busy socket lets the others of its thread run.
const STEPS: usize = 32;
/// How long a client may take to read its close frame and close its side.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// Frames over an upgraded connection.
pub(super) async fn stream(upgraded: Upgraded, limits: &Limits) -> Stream {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(Some(limits.socket_message_bytes))
        .max_frame_size(Some(limits.socket_message_bytes));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}

/// What the upgrade told of the client.
pub(super) struct Arrival {
    pub(super) address: IpAddr,
    pub(super) request_id: RequestId,
    /// For clients that can set headers; a token in `connection_init` goes before it.
    pub(super) authorization: Option<Box<str>>,
}

pub(super) struct Session<H: House> {
    sockets: Sockets<H>,
    stream: Stream,
    stage: Stage<H>,
    operations: Operations,
    outbox: Outbox,
    pace: Pace,
    next_ping: Instant,
    /// While a ping is unanswered. Any message counts as an answer.
    pong_until: Option<Instant>,
    /// A long message that was read. See [`Session::poll_read`].
    spent: Option<Utf8Bytes>,
}

enum Stage<H: House> {
    /// Nobody has said who they are yet; until when they may.
    Silent(Arrival, Instant),
    Acknowledged {
        caller: Caller,
        /// When the caller's token ends.
        expires: Option<Instant>,
        _slot: Option<Slot<H>>,
    },
}

/// How a session ends.
pub(super) enum Ending {
    /// We end it, and say why.
    Close(CloseFrame),
    /// The client closed it; the library has queued the answer.
    Closed,
    /// The connection is lost.
    Lost,
}

impl Ending {
    fn close(code: u16, reason: &str) -> Self {
        Self::Close(protocol::close(code, reason))
    }

    fn of_error(error: &Error, limits: &Limits) -> Self {
        match error {
            Error::Capacity(_) => Self::close(
                1009,
                &format!("A message may have {} bytes", limits.socket_message_bytes),
            ),
            Error::Utf8(_) => Self::close(1007, "Text must be UTF-8"),
            Error::Protocol(violation) => Self::close(1002, &violation.to_string()),
            _ => Self::Lost,
        }
    }
}

impl<H: House> Session<H> {
    pub(super) fn new(sockets: Sockets<H>, stream: Stream, arrival: Arrival) -> Self {
        let limits = sockets.0.front.limits();
        let now = Instant::now();
        Self {
            stage: Stage::Silent(arrival, now + Limits::ms(limits.socket_init_ms)),
            operations: Operations::default(),
            outbox: Outbox::new(limits.socket_queue_bytes),
            pace: Pace::new(limits.socket_messages_per_second, now),
            next_ping: now + Limits::ms(limits.socket_ping_ms),
            pong_until: None,
            spent: None,
            stream,
            sockets,
        }
    }

    /// Serves the socket until it ends, and says how it is to be closed.
    pub(super) async fn serve(&mut self) -> Ending {
        let shutdown = self.sockets.0.shutdown.clone();
        let mut shutdown = pin!(shutdown.cancelled());
        let mut alarm = pin!(tokio::time::sleep_until(self.next_deadline()));
        std::future::poll_fn(|cx| match shutdown.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ending::close(1012, "Service restart")),
            Poll::Pending => self.poll(cx, alarm.as_mut()),
        })
        .await
    }

    /// Closes the connection. The account's slot, the operations and the queue go at once, not when
    /// the client is done with closing.
    pub(super) fn end(self, ending: Ending) -> impl Future<Output = ()> + Send {
        let stream = self.stream;
        async move {
            // Whether the client takes part in it or not, the connection ends here.
            let _ = tokio::time::timeout(FAREWELL, say_farewell(stream, ending)).await;
        }
    }

    fn limits(&self) -> &Limits {
        self.sockets.0.front.limits()
    }

    fn poll(&mut self, cx: &mut Context<'_>, mut alarm: Pin<&mut Sleep>) -> Poll<Ending> {
        let mut busy = true;
        for _ in 0..STEPS {
            match self.step(cx, alarm.as_mut()) {
                Ok(moved) => busy = moved,
                Err(ending) => return Poll::Ready(ending),
            }
            if !busy {
                break;
            }
        }
        // One write carries all that the steps had to say.
        let (had_room, was_overfull) = (self.outbox.has_room(), self.outbox.is_overfull());
        if let Poll::Ready(Err(_)) = self.outbox.poll_send(Pin::new(&mut self.stream), cx) {
            return Poll::Ready(Ending::Lost);
        }
        // Whoever was not polled for want of room will not wake us.
        if busy || self.outbox.has_room() != had_room || self.outbox.is_overfull() != was_overfull {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Takes at most one message in and one result out, so that neither waits for the other to run dry.
    /// Returns whether there may be more to do at once.
    fn step(&mut self, cx: &mut Context<'_>, mut alarm: Pin<&mut Sleep>) -> Result<bool, Ending> {
        let mut moved = false;
        if alarm.as_mut().poll(cx).is_ready() {
            self.meet_deadlines(Instant::now())?;
            alarm.as_mut().reset(self.next_deadline());
            moved = true;
        }
        if !self.outbox.is_overfull()
            && let Poll::Ready(message) = self.poll_read(cx)
        {
            let earlier = self.next_deadline();
            self.receive(message?)?;
            // Sooner deadlines come only with `connection_init`; later ones can wait for the alarm.
            if self.next_deadline() < earlier {
                alarm.as_mut().reset(self.next_deadline());
            }
            moved = true;
        }
        if self.outbox.has_room()
            && let Poll::Ready(emitted) = self.operations.poll_next(cx)
        {
            self.emit(emitted);
            moved = true;
        }
        Ok(moved)
    }

    /// The next message.
    ///
    /// The library cuts messages out of its read buffer, and enlarges the buffer for long ones. While
    /// a long message is alive the buffer cannot be taken back and the next read allocates a small
    /// one; so it is kept for exactly that long, and the large buffer goes with it.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Ending>> {
        let read = self.stream.poll_next_unpin(cx);
        self.spent = None;
        read.map(|message| match message {
            Some(Ok(message)) => {
                if let Message::Text(text) = &message
                    && text.len() > READ_BUFFER_BYTES
                {
                    self.spent = Some(text.clone());
                }
                Ok(message)
            }
            Some(Err(error)) => Err(Ending::of_error(&error, self.limits())),
            None => Err(Ending::Lost),
        })
    }

    fn next_deadline(&self) -> Instant {
        let alive = self
            .pong_until
            .map_or(self.next_ping, |until| until.min(self.next_ping));
        match &self.stage {
            Stage::Silent(_, until) => alive.min(*until),
            Stage::Acknowledged { expires, .. } => expires.map_or(alive, |expires| alive.min(expires)),
        }
    }

    fn meet_deadlines(&mut self, now: Instant) -> Result<(), Ending> {
        match &self.stage {
            Stage::Silent(_, until) if now >= *until => {
                return Err(Ending::close(4408, "Connection initialisation timeout"));
            }
            Stage::Acknowledged {
                expires: Some(expires), ..
            } if now >= *expires => return Err(Ending::close(4403, "token expired")),
            _ => {}
        }
        if self.pong_until.is_some_and(|until| now >= until) {
            return Err(Ending::close(1001, "Pings were not answered"));
        }
        if now >= self.next_ping {
            self.outbox.push_ping();
            self.next_ping = now + Limits::ms(self.limits().socket_ping_ms);
            self.pong_until = self.pong_until.or(Some(now + Limits::ms(self.limits().socket_pong_ms)));
        }
        Ok(())
    }

    fn receive(&mut self, message: Message) -> Result<(), Ending> {
        self.pong_until = None;
        if !self.pace.admit(Instant::now()) {
            let most = self.limits().socket_messages_per_second;
            return Err(Ending::close(
                4429,
                &format!("Too many messages: {most} a second are allowed"),
            ));
        }
        match message {
            Message::Text(text) => {
                let message = ClientMessage::parse(&text).map_err(|reason| Ending::close(4400, &reason))?;
                self.handle(message)
            }
            Message::Binary(_) => Err(Ending::close(4400, "Messages must be text")),
            Message::Close(_) => Err(Ending::Closed),
            // The library answers pings itself, and a pong has done its work by arriving.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn handle(&mut self, message: ClientMessage) -> Result<(), Ending> {
        match message {
            ClientMessage::ConnectionInit { payload } => self.acknowledge(&payload),
            ClientMessage::Subscribe { id, payload } => self.subscribe(id, payload),
            ClientMessage::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
            ClientMessage::Ping { payload } => {
                self.outbox.push_text(protocol::pong(payload.as_ref()));
                Ok(())
            }
            ClientMessage::Pong => Ok(()),
        }
    }

    fn acknowledge(&mut self, payload: &Map<String, Value>) -> Result<(), Ending> {
        let Stage::Silent(arrival, _) = &self.stage else {
            return Err(Ending::close(4429, "Too many initialisation requests"));
        };
        let front = &self.sockets.0.front;
        let authorization = authorization(payload)?.or_else(|| arrival.authorization.as_deref().map(str::to_owned));
        let caller = front.caller(authorization.as_deref(), arrival.address, arrival.request_id.clone());
        let caller = caller.map_err(|_| Ending::close(4403, "Forbidden"))?;
        let slot = match caller.actor.user_id() {
            None => None,
            Some(user) => Some(self.sockets.claim(user).ok_or_else(|| {
                let most = front.limits().sockets_per_user;
                Ending::close(4429, &format!("Too many sockets: an account may have {most}"))
            })?),
        };
        // Too far away for the timer is as good as never.
        let expires = caller
            .expires_at
            .and_then(|at| Instant::now().checked_add(at.since(front.house().now())));
        self.stage = Stage::Acknowledged {
            caller,
            expires,
            _slot: slot,
        };
        self.outbox.push_text(protocol::ACK);
        Ok(())
    }

    fn subscribe(&mut self, id: Box<str>, payload: SubscribePayload) -> Result<(), Ending> {
        let Stage::Acknowledged { caller, .. } = &self.stage else {
            return Err(Ending::close(4401, "Unauthorized"));
        };
        let most = self.limits().socket_id_bytes;
        if id.len() > most {
            return Err(Ending::close(4400, &format!("`id` may have {most} bytes")));
        }
        if self.operations.contains(&id) {
            return Err(Ending::close(4409, &format!("Subscriber for {id} already exists")));
        }
        match self.start(payload, caller) {
            Ok(results) => self.operations.start(id, results),
            Err(refusal) => self
                .outbox
                .push_text(protocol::error(&id, &refusal.into_response().errors)),
        }
        Ok(())
    }

    fn start(&self, payload: SubscribePayload, caller: &Caller) -> Result<BoxStream<'static, Response>, RequestError> {
        let most = self.limits().socket_operations;
        if self.operations.len() >= most {
            let message = format!("A socket may run {most} operations at once.");
            return Err(RequestError::document(ErrorCode::House(Code::QuotaExceeded), message));
        }
        let SubscribePayload {
            query,
            operation_name,
            variables,
            mut extensions,
        } = payload;
        let persisted = extensions
            .remove("persistedQuery")
            .map(serde_json::from_value::<PersistedQuery>)
            .transpose();
        let persisted = persisted
            .map_err(|_| RequestError::bad_request("`persistedQuery` must have `version` and `sha256Hash`."))?;
        let front = &self.sockets.0.front;
        let prepared = front.prepare(query.as_deref(), operation_name.as_deref(), persisted.as_ref())?;
        let operation = prepared.bind(Variables::from_json(Value::Object(variables)))?;
        if operation.kind() == OperationKind::Subscription {
            return Ok(front.subscribe(operation, caller).boxed());
        }
        let (front, caller) = (front.clone(), caller.clone());
        Ok(stream::once(async move { front.execute(operation, &caller).await }).boxed())
    }

    fn emit(&mut self, Emitted { id, result }: Emitted) {
        let message = match result {
            None => protocol::complete(&id),
            Some(response) if is_request_error(&response) => {
                self.operations.stop(&id);
                protocol::error(&id, &response.errors)
            }
            Some(response) => protocol::next(&id, &response),
        };
        self.outbox.push_text(message);
    }
}

async fn say_farewell(mut stream: Stream, ending: Ending) -> Result<(), Error> {
    match ending {
        Ending::Close(frame) => stream.send(Message::Close(Some(frame))).await?,
        Ending::Closed => stream.flush().await?,
        Ending::Lost => return Ok(()),
    }
    // Dropping a connection with unread bytes resets it, and a reset can overtake our close frame.
    let connection = stream.get_mut();
    connection.shutdown().await?;
    let mut rest = [0; 512];
    while connection.read(&mut rest).await? > 0 {}
    Ok(())
}

/// The value of an `Authorization` header out of `connection_init`; a bare token is taken for a bearer's.
fn authorization(payload: &Map<String, Value>) -> Result<Option<String>, Ending> {
    match payload.get("authorization").or_else(|| payload.get("Authorization")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(token)) if token.contains(' ') => Ok(Some(token.clone())),
        Some(Value::String(token)) => Ok(Some(format!("Bearer {token}"))),
        Some(_) => Err(Ending::close(4403, "Forbidden")),
    }
}
