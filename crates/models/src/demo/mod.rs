//! The built-in model: needs no key and no network, and says what it is.
//!
//! It is no language model. It puts sentences together from the character's card and the user's
//! words, so that everything around a model can be tried, shown and measured. The same request
//! with the same seed gives the same text.

mod compose;
mod lines;
mod message;
mod persona;
mod tool;

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::Value;
use tavern_domain::Code;

use crate::provider::{Chunk, ChunkStream, Fault, Provider, ProviderError};
use crate::request::{CompletionRequest, ProviderUsage};

const MAX_WORDS: u64 = 5_000;
const MAX_DELAY_MS: u64 = 1_000;
/// About the pace of a hosted model.
const DELAY_MS: u64 = 20;

pub(crate) struct Demo;

/// `options.extra.demo`: shapes a reply for demonstrations, tests and measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// `words`: exactly so many.
    words: Option<usize>,
    /// `delayMs`: between two words.
    delay: Duration,
    /// `failAfter`: break off after so many words.
    fail_after: Option<usize>,
}

impl Shape {
    fn read(extra: Option<&Value>) -> Result<Self, ProviderError> {
        let demo = extra.and_then(|extra| extra.get("demo"));
        let number = |field: &str, least: u64, most: u64| {
            let Some(value) = demo.and_then(|demo| demo.get(field)) else {
                return Ok(None);
            };
            let number = value.as_u64().filter(|number| (least..=most).contains(number));
            number.map(Some).ok_or_else(|| ProviderError {
                code: Code::BadUserInput,
                ..ProviderError::new(
                    Fault::Refused,
                    format!("`options.extra.demo.{field}` is a whole number from {least} to {most}."),
                )
            })
        };
        let count = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
        Ok(Self {
            words: count(number("words", 1, MAX_WORDS)?),
            delay: Duration::from_millis(number("delayMs", 0, MAX_DELAY_MS)?.unwrap_or(DELAY_MS)),
            fail_after: count(number("failAfter", 0, MAX_WORDS)?),
        })
    }
}

#[async_trait]
impl Provider for Demo {
    async fn open(&self, _model: &str, request: &CompletionRequest) -> Result<ChunkStream, ProviderError> {
        let shape = Shape::read(request.options.extra.as_ref())?;
        if let Some(call) = tool::call(request) {
            let usage = ProviderUsage {
                prompt: prompt_words(request),
                completion: 1,
                ..ProviderUsage::default()
            };
            let chunks = [
                Chunk::ToolCall(call),
                Chunk::Finished(Some("tool_calls".into())),
                Chunk::Usage(usage),
            ];
            return Ok(stream::iter(chunks.map(Ok)).boxed());
        }
        let mut text = compose::reply(request, shape.words);
        if let Some(said) = tool::said(request) {
            text.insert_str(0, &said);
        }
        let most = request
            .max_tokens
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(usize::MAX);
        Ok(speak(&text, most, shape, prompt_words(request)))
    }
}

/// Says `text` word by word; a word counts as a token.
fn speak(text: &str, most: usize, shape: Shape, prompt: i32) -> ChunkStream {
    let words = words_with_space(text);
    let cut = words.len() > most;
    let words: Vec<String> = words.into_iter().take(most).map(str::to_owned).collect();
    let usage = ProviderUsage {
        prompt,
        completion: i32::try_from(words.len()).unwrap_or(i32::MAX),
        ..ProviderUsage::default()
    };
    let reason = if cut { "length" } else { "stop" };
    let failure = shape.fail_after.map(|_| {
        Err(ProviderError::transient(
            "The demo model broke off, as `options.extra.demo.failAfter` asked it to.",
        ))
    });
    let spoken = shape.fail_after.unwrap_or(usize::MAX);
    let ending = match failure {
        Some(failure) => vec![failure],
        None => vec![Ok(Chunk::Finished(Some(reason.to_owned()))), Ok(Chunk::Usage(usage))],
    };
    let words = stream::iter(words.into_iter().take(spoken).enumerate()).then(move |(index, word)| async move {
        if index > 0 && !shape.delay.is_zero() {
            tokio::time::sleep(shape.delay).await;
        }
        Ok(Chunk::Text(word))
    });
    words.chain(stream::iter(ending)).boxed()
}

/// The words of a text, each with the white space before it.
fn words_with_space(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && in_word {
            words.push(&text[start..at]);
            start = at;
        }
        in_word = !c.is_whitespace();
    }
    if in_word {
        words.push(&text[start..]);
    }
    words
}

fn prompt_words(request: &CompletionRequest) -> i32 {
    let words = request
        .messages
        .iter()
        .map(|message| message.content.split_whitespace().count())
        .sum::<usize>();
    i32::try_from(words).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_keep_their_white_space() {
        assert_eq!(words_with_space(" a\n\nbc d "), [" a", "\n\nbc", " d"]);
        assert!(words_with_space(" \n").is_empty());
    }

    #[test]
    fn the_shape_is_bounded_on_both_sides() {
        let read = |demo: Value| Shape::read(Some(&json!({ "demo": demo })));
        for good in [
            json!({"words": 1}),
            json!({"words": 5000}),
            json!({"delayMs": 0}),
            json!({"delayMs": 1000}),
            json!({"failAfter": 0}),
            json!({}),
        ] {
            assert!(read(good.clone()).is_ok(), "{good}");
        }
        for (field, bad) in [
            ("words", json!(0)),
            ("words", json!(5001)),
            ("delayMs", json!(1001)),
            ("delayMs", json!(-1)),
            ("failAfter", json!("x")),
        ] {
            let error = read(json!({ field: bad })).expect_err("out of bounds");
            assert_eq!((error.fault, error.code), (Fault::Refused, Code::BadUserInput));
            assert!(
                error.message.contains(&format!("`options.extra.demo.{field}`")),
                "{}",
                error.message
            );
        }
    }
}
