//! The messages of `graphql-transport-ws`, read and written.

use std::io::Write as _;

use async_graphql::{Response, ServerError};
use serde_json::{Map, Value};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

pub(super) const ACK: &str = r#"{"type":"connection_ack"}"#;
/// What fits into a close frame beside its code.
const MAX_REASON_BYTES: usize = 123;

/// A message from a client.
#[derive(Debug, PartialEq)]
pub(crate) enum ClientMessage {
    ConnectionInit { payload: Map<String, Value> },
    Ping { payload: Option<Value> },
    Pong,
    Subscribe { id: Box<str>, payload: SubscribePayload },
    Complete { id: Box<str> },
}

#[derive(Debug, PartialEq)]
pub(crate) struct SubscribePayload {
    pub(super) query: Option<String>,
    pub(super) operation_name: Option<String>,
    pub(super) variables: Map<String, Value>,
    pub(super) extensions: Map<String, Value>,
}

impl ClientMessage {
    /// # Errors
    /// What is wrong with the message, for the reason of a close frame.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Value::Object(mut message) = serde_json::from_str(text).map_err(|error| format!("Not JSON: {error}"))?
        else {
            return Err("A message must be an object".into());
        };
        let kind = match message.remove("type") {
            Some(Value::String(kind)) => kind,
            _ => return Err("`type` must be a string".into()),
        };
        match kind.as_str() {
            "connection_init" => Ok(Self::ConnectionInit {
                payload: object(&mut message, "payload")?.unwrap_or_default(),
            }),
            "ping" => Ok(Self::Ping {
                payload: object(&mut message, "payload")?.map(Value::Object),
            }),
            "pong" => object(&mut message, "payload").map(|_| Self::Pong),
            "subscribe" => {
                let id = id(&mut message)?;
                let mut payload = object(&mut message, "payload")?.ok_or("`payload` must be an object")?;
                let payload = SubscribePayload {
                    query: string(&mut payload, "query")?,
                    operation_name: string(&mut payload, "operationName")?,
                    variables: object(&mut payload, "variables")?.unwrap_or_default(),
                    extensions: object(&mut payload, "extensions")?.unwrap_or_default(),
                };
                Ok(Self::Subscribe { id, payload })
            }
            "complete" => Ok(Self::Complete { id: id(&mut message)? }),
            _ => Err("`type` is not a message a client sends".into()),
        }
    }
}

fn id(message: &mut Map<String, Value>) -> Result<Box<str>, String> {
    match message.remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Ok(id.into()),
        _ => Err("`id` must be a string that is not empty".into()),
    }
}

fn object(message: &mut Map<String, Value>, name: &str) -> Result<Option<Map<String, Value>>, String> {
    match message.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(value)) => Ok(Some(value)),
        Some(_) => Err(format!("`{name}` must be an object")),
    }
}

fn string(message: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match message.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(format!("`{name}` must be a string")),
    }
}

pub(super) fn pong(payload: Option<&Value>) -> Vec<u8> {
    match payload {
        None => br#"{"type":"pong"}"#.to_vec(),
        Some(payload) => with_payload(r#"{"type":"pong""#, payload),
    }
}

pub(super) fn next(id: &str, response: &Response) -> Vec<u8> {
    with_payload(&head("next", id), response)
}

/// `errors` are those of a request that was not executed. Nothing more may follow for `id`.
pub(super) fn error(id: &str, errors: &[ServerError]) -> Vec<u8> {
    with_payload(&head("error", id), &errors)
}

pub(super) fn complete(id: &str) -> Vec<u8> {
    let mut text = head("complete", id).into_bytes();
    text.push(b'}');
    text
}

/// A message up to its payload, unclosed.
fn head(kind: &str, id: &str) -> String {
    format!(r#"{{"type":"{kind}","id":{}"#, Value::from(id))
}

fn with_payload(head: &str, payload: &impl serde::Serialize) -> Vec<u8> {
    let mut text = Vec::with_capacity(head.len() + 128);
    // Nothing that is written to memory, and has strings for keys, can fail.
    let _ = write!(text, r#"{head},"payload":"#);
    serde_json::to_writer(&mut text, payload).expect("a response is JSON");
    text.push(b'}');
    text
}

/// A close frame; what is too long of `reason` is cut.
pub(crate) fn close(code: u16, reason: &str) -> CloseFrame {
    let reason = &reason[..reason.floor_char_boundary(MAX_REASON_BYTES)];
    CloseFrame {
        code: CloseCode::from(code),
        reason: Utf8Bytes::from(reason),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(message: &Value) -> Result<ClientMessage, String> {
        ClientMessage::parse(&message.to_string())
    }

    #[test]
    fn what_is_no_message_of_the_protocol_is_refused_with_the_field_named() {
        for (message, named) in [
            (json!([]), "object"),
            (json!({}), "`type`"),
            (json!({ "type": 1 }), "`type`"),
            (json!({ "type": "start", "id": "1" }), "`type`"),
            (json!({ "type": "next", "id": "1" }), "`type`"),
            (json!({ "type": "connection_init", "payload": [] }), "`payload`"),
            (json!({ "type": "ping", "payload": "x" }), "`payload`"),
            (json!({ "type": "subscribe", "payload": { "query": "{ a }" } }), "`id`"),
            (
                json!({ "type": "subscribe", "id": "", "payload": { "query": "{ a }" } }),
                "`id`",
            ),
            (
                json!({ "type": "subscribe", "id": 1, "payload": { "query": "{ a }" } }),
                "`id`",
            ),
            (json!({ "type": "subscribe", "id": "1" }), "`payload`"),
            (
                json!({ "type": "subscribe", "id": "1", "payload": { "query": {} } }),
                "`query`",
            ),
            (
                json!({ "type": "subscribe", "id": "1", "payload": { "query": "", "operationName": 1 } }),
                "`operationName`",
            ),
            (
                json!({ "type": "subscribe", "id": "1", "payload": { "query": "", "variables": "{}" } }),
                "`variables`",
            ),
            (
                json!({ "type": "subscribe", "id": "1", "payload": { "query": "", "extensions": [] } }),
                "`extensions`",
            ),
            (json!({ "type": "complete" }), "`id`"),
        ] {
            let reason = parse(&message).expect_err("an invalid message");
            assert!(reason.contains(named), "{message}: {reason}");
        }
        assert!(ClientMessage::parse("{").expect_err("no JSON").contains("JSON"));
    }

    #[test]
    fn absent_and_null_members_are_the_same() {
        let spare = parse(&json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ a }" } }));
        let full = parse(
            &json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ a }", "operationName": null, "variables": null, "extensions": null } }),
        );
        assert!(spare.is_ok());
        assert_eq!(spare, full);
    }

    #[test]
    fn an_id_comes_back_as_it_was_sent() {
        let id = "a\"\\\u{1}é😀";
        let message: Value = serde_json::from_slice(&complete(id)).expect("JSON");
        assert_eq!(message, json!({ "type": "complete", "id": id }));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = close(4400, &"é".repeat(100));
        assert_eq!(frame.reason.len(), 122);
    }
}
