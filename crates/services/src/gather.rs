//! What a reply's prompt is made of: the card, the history, the wishes of the turn.

use tavern_domain::chat::Author;
use tavern_domain::generation::GenerationKind;
use tavern_domain::{Error, Result};
use tavern_models::{Cast, CharacterBrief, CompletionRequest, PromptMessage};
use tavern_prompt::{HistoryMessage, PromptInput, assemble};

use crate::chat::Chats;
use crate::runtime::{Turn, place};

/// Messages read for a prompt at the most; the budget takes what fits of them.
const HISTORY: u32 = 500;

impl Chats {
    /// The models to try, the request for them, and how many tokens the prompt is estimated at.
    pub(crate) async fn ask(&self, turn: &Turn) -> Result<(Vec<String>, CompletionRequest, i32)> {
        let store = &self.0.shared.store;
        let generation = &turn.generation;
        let kind = generation.kind;
        let character = match generation.character {
            Some(id) => store.characters.get(id).await?,
            None => None,
        };
        let character = character.ok_or_else(|| Error::not_found("character left in this chat"))?;
        let target = match generation.message {
            Some(id) => store.chats.message(id).await?,
            None => None,
        };
        if let (Some(target), GenerationKind::Continue | GenerationKind::Regenerate | GenerationKind::Swipe) =
            (&target, kind)
        {
            self.check_swipes(turn, target.id).await?;
        }
        // What is written into comes last if it is continued, and otherwise does not exist yet.
        let before = target.as_ref().map(|target| {
            if kind == GenerationKind::Continue {
                target.sequence + 1
            } else {
                target.sequence
            }
        });
        let rows = store.chats.tail(turn.session.id, before, HISTORY).await?;
        let rows: Vec<_> = rows.into_iter().filter(|row| !row.is_hidden).collect();
        let user_name = self.user_name(turn.session.owner, turn.session.setup.persona).await?;
        let names = self.names(&turn.session.characters).await?;
        let messages = {
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            let mut bodies: std::collections::HashMap<_, _> =
                store.documents.messages(&ids).await?.into_iter().collect();
            rows.into_iter()
                .filter_map(|row| bodies.remove(&row.id).map(|body| (row, body)))
                .collect::<Vec<_>>()
        };
        let history: Vec<_> = messages
            .iter()
            .filter(|(_, body)| !body.active_swipe().content.is_empty())
            .map(|(row, body)| HistoryMessage {
                role: row.role,
                name: match row.author {
                    Some(Author::Character(id)) => names
                        .iter()
                        .find(|(known, _)| *known == id)
                        .map(|(_, name)| name.as_str()),
                    Some(Author::User(_)) => Some(user_name.as_str()),
                    None => None,
                },
                content: &body.active_swipe().content,
            })
            .collect();
        let options = &generation.options;
        let model = self
            .0
            .models
            .model(&generation.model)
            .ok_or_else(|| Error::not_found("model"))?;
        let max_tokens = options
            .max_tokens
            .unwrap_or(model.max_output_tokens)
            .min(model.max_output_tokens);
        let prompt = assemble(&PromptInput {
            name: &character.summary.name,
            character: &character.text,
            user_name: &user_name,
            history: &history,
            kind,
            guidance: turn.guidance.as_deref(),
            context_tokens: model.context_tokens,
            max_output_tokens: max_tokens,
        })
        .map_err(|error| Error::new(tavern_domain::Code::QuotaExceeded, error.to_string()))?;
        let text = &character.text;
        let cast = Cast {
            character: CharacterBrief {
                name: character.summary.name.clone(),
                description: text.description.clone(),
                personality: text.personality.clone(),
                scenario: text.scenario.clone(),
                first_message: text.first_message.clone(),
                example_dialogue: text.example_dialogue.clone(),
            },
            user_name,
        };
        let messages = prompt
            .messages
            .into_iter()
            .map(|message| PromptMessage {
                role: message.role,
                name: message.name,
                content: message.content,
            })
            .collect();
        let request = CompletionRequest {
            messages,
            options: options.clone(),
            stop: options.stop.clone(),
            max_tokens: Some(max_tokens),
            seed: options.seed,
            cast,
            kind,
        };
        let models = std::iter::once(generation.model.clone())
            .chain(options.fallback_models.iter().cloned())
            .collect();
        Ok((models, request, i32::try_from(prompt.tokens).unwrap_or(i32::MAX)))
    }

    /// Makes room for what is written into an existing message.
    async fn check_swipes(&self, turn: &Turn, message: tavern_domain::MessageId) -> Result<()> {
        let most = self.0.shared.limits.swipes;
        self.change_body(message, |body| {
            if turn.generation.kind == GenerationKind::Swipe
                && body.swipe_of(turn.generation.id).is_none()
                && body.swipes.len() >= most
            {
                return Err(Error::bad_input(
                    "messageId",
                    format!("A message has at most {most} swipes."),
                ));
            }
            place(body, &turn.generation);
            Ok(())
        })
        .await?;
        Ok(())
    }

    async fn names(
        &self,
        characters: &[tavern_domain::CharacterId],
    ) -> Result<Vec<(tavern_domain::CharacterId, String)>> {
        let found = self.0.shared.store.characters.by_ids(characters).await?;
        Ok(found
            .into_iter()
            .map(|character| (character.summary.id, character.summary.name))
            .collect())
    }
}
