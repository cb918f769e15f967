//! What a turn may ask for: who answers, into which message, with which options.

use tavern_domain::chat::{ChatRole, ChatSession, MessageBody, MessageRow};
use tavern_domain::generation::GenerationOptions;
use tavern_domain::{CharacterId, Error, Limits, MessageId, Problems, Result};

use crate::chat::Chats;

impl Chats {
    /// The reply that is to be continued, replaced or varied.
    pub(crate) async fn target(&self, session: &ChatSession, message: Option<MessageId>) -> Result<MessageRow> {
        let store = &self.0.shared.store;
        let row = match message {
            Some(id) => store
                .chats
                .message(id)
                .await?
                .filter(|row| row.session == session.id)
                .ok_or_else(|| Error::bad_input("messageId", "There is no such message in this chat."))?,
            None => store
                .chats
                .tail(session.id, None, 1)
                .await?
                .pop()
                .ok_or_else(|| Error::bad_input("messageId", "This chat has no message yet."))?,
        };
        if row.role == ChatRole::Assistant {
            Ok(row)
        } else {
            Err(Error::bad_input(
                "messageId",
                "Only a character's message can be continued, replaced or varied.",
            ))
        }
    }

    pub(crate) fn check_reply(
        &self,
        problems: &mut Problems,
        session: &ChatSession,
        character: Option<CharacterId>,
        guidance: Option<&str>,
        key: Option<&str>,
        options: &GenerationOptions,
    ) -> Option<CharacterId> {
        let limits = &self.0.shared.limits;
        if let Some(guidance) = guidance
            && guidance.len() > limits.guidance_bytes
        {
            problems.add(
                "guidance",
                format!(
                    "Guidance has at most {} bytes, not {}.",
                    limits.guidance_bytes,
                    guidance.len()
                ),
            );
        }
        if let Some(key) = key {
            problems.refuse_nul("idempotencyKey", key);
            let count = key.chars().count();
            if count == 0 || count > limits.idempotency_key_chars {
                problems.add(
                    "idempotencyKey",
                    format!(
                        "An idempotency key has 1 to {} characters, not {count}.",
                        limits.idempotency_key_chars
                    ),
                );
            }
        }
        if let Some(character) = character
            && !session.characters.contains(&character)
        {
            problems.add("characterId", "This character is not part of the chat.");
        }
        for (index, model) in options
            .model
            .iter()
            .map(|model| ("options.model".to_owned(), model))
            .chain(
                options
                    .fallback_models
                    .iter()
                    .enumerate()
                    .map(|(index, model)| (format!("options.fallbackModels.{index}"), model)),
            )
            .enumerate()
            .take(9)
            .map(|(_, pair)| pair)
        {
            if !self.0.models.has(model) {
                problems.add(
                    &index,
                    format!(
                        "There is no model called {:?}.",
                        model.chars().take(60).collect::<String>()
                    ),
                );
            }
        }
        check_options(problems, options, limits);
        character.or_else(|| session.characters.first().copied())
    }
}

/// Whether a message has room for another swipe.
pub(crate) fn check_swipes(body: &MessageBody, most: usize) -> Result<()> {
    if body.swipes.len() < most {
        return Ok(());
    }
    Err(Error::bad_input(
        "messageId",
        format!("A message has at most {most} swipes."),
    ))
}

pub(crate) fn check_options(problems: &mut Problems, options: &GenerationOptions, limits: &Limits) {
    let mut range = |field: &str, value: Option<f64>, low: f64, high: f64| {
        if let Some(value) = value
            && !(low..=high).contains(&value)
        {
            problems.add(
                &format!("options.{field}"),
                format!("`{field}` is between {low} and {high}, not {value}."),
            );
        }
    };
    range("temperature", options.temperature, 0.0, 5.0);
    range("topP", options.top_p, 0.0, 1.0);
    range("minP", options.min_p, 0.0, 1.0);
    range("frequencyPenalty", options.frequency_penalty, -2.0, 2.0);
    range("presencePenalty", options.presence_penalty, -2.0, 2.0);
    range("repetitionPenalty", options.repetition_penalty, 0.0, 5.0);
    range("topK", options.top_k.map(f64::from), 0.0, 1_000_000.0);
    range("maxTokens", options.max_tokens.map(f64::from), 1.0, 1_000_000.0);
    if options.fallback_models.len() > 8 {
        problems.add(
            "options.fallbackModels",
            format!("At most 8 fallback models, not {}.", options.fallback_models.len()),
        );
    }
    if options.stop.len() > limits.stop_strings {
        problems.add(
            "options.stop",
            format!(
                "At most {} stop strings, not {}.",
                limits.stop_strings,
                options.stop.len()
            ),
        );
    }
    if options.stop.iter().any(|stop| stop.is_empty() || stop.len() > 256) {
        problems.add("options.stop", "A stop string has 1 to 256 bytes.");
    }
    if let Some(extra) = &options.extra {
        if !extra.is_object() {
            problems.add("options.extra", "`extra` is an object.");
        } else if serde_json::to_vec(extra).map_or(usize::MAX, |bytes| bytes.len()) > limits.guidance_bytes {
            problems.add(
                "options.extra",
                format!("`extra` has at most {} bytes.", limits.guidance_bytes),
            );
        }
    }
}
