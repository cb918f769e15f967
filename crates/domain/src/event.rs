//! What happens in a chat session, as told to its subscribers.

use crate::clock::Timestamp;
use crate::id::{GenerationId, MessageId};

/// One event of a session. Ids only: a subscriber reads the state it may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEventKind {
    MessageCreated(MessageId),
    MessageUpdated(MessageId),
    MessagesDeleted(Vec<MessageId>),
    GenerationStarted(GenerationId),
    GenerationFinished(GenerationId),
    /// Events were missed and cannot be replayed: read the session again, then go on from here.
    Resync,
}

/// An event with its place in the session's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEvent {
    /// Opaque: resumes after this event.
    pub cursor: String,
    pub at: Timestamp,
    pub kind: SessionEventKind,
}
