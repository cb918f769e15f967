//! What happens in a session, as it happens.

use async_graphql::{ComplexObject, Context, ID, Interface, Result, SimpleObject, Subscription};
use futures::Stream;
use tavern_domain::event::{SessionEvent as Event, SessionEventKind};
use tavern_domain::{Error, GenerationId, MessageId, SessionId};
use tavern_schema::error::operation_error;
use tavern_schema::id::parse_id;
use tavern_schema::scalar::DateTime;

use crate::context::RequestContext;
use crate::generation::{Generation, generation_of_event};
use crate::message::{Message, message_of_event};

/// One event of a session. `cursor` resumes after it.
#[derive(Interface)]
#[graphql(
    field(name = "cursor", ty = "&String"),
    field(name = "session_id", ty = "&ID"),
    field(name = "at", ty = "&DateTime")
)]
pub enum SessionEvent {
    MessageCreated(MessageCreated),
    MessageUpdated(MessageUpdated),
    MessagesDeleted(MessagesDeleted),
    GenerationStarted(GenerationStarted),
    GenerationFinished(GenerationFinished),
    Resync(SessionResync),
}

macro_rules! event_about {
    ($(#[$doc:meta])* $name:ident, $field:ident: $object:ty = $load:ident($id:ty)) => {
        $(#[$doc])*
        #[derive(SimpleObject)]
        #[graphql(complex)]
        pub struct $name {
            cursor: String,
            session_id: ID,
            at: DateTime,
            #[graphql(skip)]
            about: $id,
        }

        #[ComplexObject]
        impl $name {
            async fn $field(&self, ctx: &Context<'_>) -> Result<$object> {
                $load(ctx, self.about).await
            }
        }
    };
}

event_about!(MessageCreated, message: Message = message_of_event(MessageId));
event_about!(/// Edited, hidden, swiped, or its reply has ended.
    MessageUpdated, message: Message = message_of_event(MessageId));
event_about!(GenerationStarted, generation: Generation = generation_of_event(GenerationId));
event_about!(GenerationFinished, generation: Generation = generation_of_event(GenerationId));

#[derive(SimpleObject)]
pub struct MessagesDeleted {
    cursor: String,
    session_id: ID,
    at: DateTime,
    ids: Vec<ID>,
}

/// Events were missed and cannot be replayed: read the session again, then go on from this cursor.
#[derive(SimpleObject)]
pub struct SessionResync {
    cursor: String,
    session_id: ID,
    at: DateTime,
}

impl SessionEvent {
    fn of(event: Event, session: SessionId) -> Self {
        let (cursor, session_id, at) = (event.cursor, session.to_string().into(), event.at.into());
        match event.kind {
            SessionEventKind::MessageCreated(about) => Self::MessageCreated(MessageCreated {
                cursor,
                session_id,
                at,
                about,
            }),
            SessionEventKind::MessageUpdated(about) => Self::MessageUpdated(MessageUpdated {
                cursor,
                session_id,
                at,
                about,
            }),
            SessionEventKind::MessagesDeleted(ids) => Self::MessagesDeleted(MessagesDeleted {
                cursor,
                session_id,
                at,
                ids: ids.into_iter().map(|id| id.to_string().into()).collect(),
            }),
            SessionEventKind::GenerationStarted(about) => Self::GenerationStarted(GenerationStarted {
                cursor,
                session_id,
                at,
                about,
            }),
            SessionEventKind::GenerationFinished(about) => Self::GenerationFinished(GenerationFinished {
                cursor,
                session_id,
                at,
                about,
            }),
            SessionEventKind::Resync => Self::Resync(SessionResync { cursor, session_id, at }),
        }
    }
}

#[derive(Default)]
pub struct SessionSubscription;

#[Subscription]
impl SessionSubscription {
    /// What happens in a session: messages, and generations starting and ending.
    async fn session_events(
        &self,
        ctx: &Context<'_>,
        session_id: ID,
        after: Option<String>,
    ) -> Result<impl Stream<Item = SessionEvent> + use<>> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let subscribed = async {
            let session: SessionId = parse_id("sessionId", &session_id)?;
            Ok::<_, Error>((services.chats.events(actor, session, after.as_deref()).await?, session))
        };
        let subscribed = subscribed.await.map_err(|error| operation_error(&error))?;
        Ok(futures::stream::unfold(subscribed, async |(mut events, session)| {
            let event = events.next().await?;
            Some((SessionEvent::of(event, session), (events, session)))
        }))
    }
}
