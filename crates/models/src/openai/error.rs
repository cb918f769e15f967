//! What a failed call means, and what we say of it. Nothing of the provider's own words is shown:
//! they can hold prompts, keys and addresses.

use serde_json::Value;

use crate::provider::{Fault, ProviderError};

/// The machine-readable part of an `error` object: its `type`, `code` and status.
#[derive(Debug, Default)]
pub(super) struct Detail {
    words: String,
    status: Option<u16>,
    names_tools: bool,
}

impl Detail {
    /// Of the body of an HTTP error, which may be anything.
    pub fn of_body(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        Self::of_error(value.get("error").unwrap_or(&value))
    }

    /// Of an `error` object, or of the bare text that some servers put there.
    pub fn of_error(error: &Value) -> Self {
        let mut words = String::new();
        for field in ["type", "code", "status"] {
            if let Some(text) = error.get(field).and_then(Value::as_str) {
                words.push_str(&text.to_ascii_lowercase());
                words.push(' ');
            }
        }
        // The message is read for the two conditions that servers signal in no other way.
        let message = error.get("message").unwrap_or(error).as_str().unwrap_or_default();
        let message = message.to_ascii_lowercase();
        if message.contains("context length") || message.contains("context size") || message.contains("maximum context")
        {
            words.push_str("context_length");
        }
        let param = error.get("param").and_then(Value::as_str).unwrap_or_default();
        let names_tools = [message.as_str(), param]
            .iter()
            .any(|text| text.contains("tool") || text.contains("function"));
        let number = |field| {
            error
                .get(field)
                .and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
        };
        let status = number("code")
            .or_else(|| number("status"))
            .and_then(|code| u16::try_from(code).ok());
        Self {
            words,
            status: status.filter(|status| (400..600).contains(status)),
            names_tools,
        }
    }

    fn mentions(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.words.contains(word))
    }
}

/// A call that was answered with an HTTP error.
pub(super) fn of_status(provider: &str, status: u16, detail: &Detail) -> ProviderError {
    let fail = |fault, what: &str| ProviderError::new(fault, format!("The provider `{provider}` {what}."));
    if detail.mentions(&["context_length", "context_window", "exceed_context"]) {
        return fail(Fault::Refused, "says that the conversation is too long for the model");
    }
    if detail.mentions(&["content_filter", "content_policy", "moderation", "safety"]) {
        return fail(Fault::Refused, "refused the conversation because of its content rules");
    }
    if detail.mentions(&["insufficient_quota", "billing"]) || status == 402 {
        return fail(Fault::Misconfigured, "has no funds left for our account");
    }
    if detail.mentions(&["invalid_api_key", "authentication", "permission"]) || matches!(status, 401 | 403) {
        return fail(Fault::Misconfigured, "does not accept our key");
    }
    let mut error = match status {
        300..=399 => fail(Fault::Misconfigured, "answered with a redirect, which is not followed"),
        404 | 405 => fail(
            Fault::Misconfigured,
            "does not know the model or the address we asked for",
        ),
        408 | 409 | 425 => fail(
            Fault::Transient,
            &format!("could not take the request just now (status {status})"),
        ),
        429 => fail(Fault::Transient, "says that we ask too often (status 429)"),
        400..=499 => fail(Fault::Refused, &format!("did not accept the request (status {status})")),
        503 | 529 => fail(Fault::Transient, &format!("is overloaded (status {status})")),
        _ => fail(Fault::Transient, &format!("failed (status {status})")),
    };
    // The statuses with which servers say that they, or the model, cannot call functions.
    error.names_tools = detail.names_tools && matches!(status, 400 | 404 | 422 | 500 | 501);
    error
}

/// An error inside an answer that began as a success.
pub(super) fn in_band(provider: &str, error: &Value) -> ProviderError {
    let detail = Detail::of_error(error);
    let invalid = detail.mentions(&["invalid_request"]);
    let status = detail.status.unwrap_or(if invalid { 400 } else { 500 });
    match detail.status {
        None if !invalid => {
            let mut error = of_status(provider, status, &detail);
            if error.fault == Fault::Transient {
                error.message = format!("The provider `{provider}` reported an error inside its answer.");
            }
            error
        }
        _ => of_status(provider, status, &detail),
    }
}

pub(super) fn of_transport(provider: &str, error: &reqwest::Error) -> ProviderError {
    tracing::debug!(provider, error = %chain(error), "a call failed on the way");
    if error.is_connect() {
        let what = if error.is_timeout() {
            "did not take the connection in time"
        } else {
            "cannot be reached"
        };
        return ProviderError::transient(format!("The provider `{provider}` {what}."));
    }
    ProviderError::transient(format!("The connection to the provider `{provider}` broke off."))
}

pub(super) fn malformed(provider: &str) -> ProviderError {
    ProviderError::transient(format!("The provider `{provider}` sent something that is not a reply."))
}

/// An error with its causes. The URL is left out: the provider's name says enough.
fn chain(error: &reqwest::Error) -> String {
    use std::error::Error;
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&error.to_string());
        text.push_str("; ");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses_and_codes_are_sorted_into_faults() {
        let of = |status, body: Value| of_status("p", status, &Detail::of_body(body.to_string().as_bytes())).fault;
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 529] {
            assert_eq!(of(status, Value::Null), Fault::Transient, "{status}");
        }
        for status in [301, 307, 401, 402, 403, 404] {
            assert_eq!(of(status, Value::Null), Fault::Misconfigured, "{status}");
        }
        for status in [400, 413, 422] {
            assert_eq!(of(status, Value::Null), Fault::Refused, "{status}");
        }
        assert_eq!(
            of(429, json!({"error": {"code": "insufficient_quota"}})),
            Fault::Misconfigured
        );
        assert_eq!(
            of(
                500,
                json!({"error": {"message": "the request exceeds the available context size"}})
            ),
            Fault::Refused
        );
        assert_eq!(of(400, json!({"error": {"code": "content_filter"}})), Fault::Refused);
    }

    #[test]
    fn errors_inside_an_answer_are_sorted_by_their_code() {
        let of = |error: Value| in_band("p", &error).fault;
        assert_eq!(of(json!({"type": "overloaded_error"})), Fault::Transient);
        assert_eq!(of(json!({"code": 429, "message": "slow down"})), Fault::Transient);
        assert_eq!(of(json!({"code": "401"})), Fault::Misconfigured);
        assert_eq!(of(json!({"type": "invalid_request_error"})), Fault::Refused);
        assert_eq!(of(json!("boom")), Fault::Transient);
        assert_eq!(of(json!("maximum context length is 8192")), Fault::Refused);
    }

    #[test]
    fn refusals_of_functions_are_told_from_others() {
        let of = |status, error: Value| {
            of_status(
                "p",
                status,
                &Detail::of_body(json!({ "error": error }).to_string().as_bytes()),
            )
            .names_tools
        };
        for (status, message) in [
            (400, "gemma does not support tools"),
            (404, "No endpoints found that support tool use."),
            (500, "tools param requires --jinja flag"),
            (422, "Function calling is not available"),
        ] {
            assert!(of(status, json!({ "message": message })), "{message}");
            assert!(of(status, json!(message)), "{message}");
        }
        assert!(of(
            400,
            json!({ "message": "Invalid schema", "param": "tools[0].function.parameters" })
        ));
        assert!(!of(400, json!({ "message": "temperature is out of range" })));
        assert!(!of(429, json!({ "message": "too many tool calls a minute" })));
        assert!(!of(
            400,
            json!({ "message": "maximum context length: 9 tokens in functions" })
        ));
    }

    #[test]
    fn the_provider_is_never_quoted() {
        let body = json!({"error": {"message": "key sk-secret is wrong", "type": "sk-secret"}});
        for error in [
            of_status("p", 500, &Detail::of_body(body.to_string().as_bytes())),
            in_band("p", &body["error"]),
        ] {
            assert!(!error.message.contains("sk-secret"), "{}", error.message);
        }
    }
}
