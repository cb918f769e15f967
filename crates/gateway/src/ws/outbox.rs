//! What waits to be sent on one socket, bounded by bytes.
//!
//! The bound is on asking for more, not on a single message: one message of any size may go over it.
//! The WebSocket library keeps its write buffer as large as the largest frame it ever wrote, so long
//! messages leave in fragments, and one long answer does not weigh on the socket for the rest of its life.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Sink;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

const FRAGMENT_BYTES: usize = 16 * 1024;
/// A queue that was longer gives its memory back once it is empty.
const KEPT_MESSAGES: usize = 4;

pub(super) struct Outbox {
    waiting: VecDeque<Message>,
    bytes: usize,
    bound: usize,
}

impl Outbox {
    pub(super) const fn new(bound: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            bound,
        }
    }

    /// Whether operations may be asked for more.
    pub(super) const fn has_room(&self) -> bool {
        self.bytes < self.bound
    }

    /// Whether even the client's own messages must wait, since each may need an answer.
    pub(super) const fn is_overfull(&self) -> bool {
        self.bytes >= 2 * self.bound
    }

    pub(super) fn push_text(&mut self, text: impl Into<Bytes>) {
        let mut rest: Bytes = text.into();
        let mut code = Data::Text;
        while rest.len() > FRAGMENT_BYTES {
            let part = rest.split_to(FRAGMENT_BYTES);
            self.push(Frame::message(part, OpCode::Data(code), false));
            code = Data::Continue;
        }
        self.push(Frame::message(rest, OpCode::Data(code), true));
    }

    pub(super) fn push_ping(&mut self) {
        self.push(Frame::ping(Bytes::new()));
    }

    fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.waiting.push_back(Message::Frame(frame));
    }

    /// Hands everything to `socket` and flushes once; pending while the socket does not take it all.
    pub(super) fn poll_send<S>(&mut self, mut socket: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<Result<(), Error>>
    where
        S: Sink<Message, Error = Error>,
    {
        while !self.waiting.is_empty() {
            std::task::ready!(socket.as_mut().poll_ready(cx))?;
            if let Some(message) = self.waiting.pop_front() {
                if let Message::Frame(frame) = &message {
                    self.bytes -= frame.len();
                }
                socket.as_mut().start_send(message)?;
            }
        }
        if self.waiting.capacity() > KEPT_MESSAGES {
            self.waiting = VecDeque::new();
        }
        socket.poll_flush(cx)
    }
}
