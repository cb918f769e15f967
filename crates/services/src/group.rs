//! Group chats: who answers, and that the next one follows.

use std::collections::HashMap;

use futures::future::BoxFuture;
use tavern_domain::chat::{Author, ChatRole, ChatSession};
use tavern_domain::generation::GenerationOptions;
use tavern_domain::{Actor, CharacterId, Result};
use tavern_prompt::card::extensions;
use tavern_prompt::group::{GroupTurn, Member, who_answers};

use crate::chat::Chats;

/// Messages that are looked at for who has spoken.
const SEEN: u32 = 100;
/// Of a card that does not say how readily its character speaks.
const TALKATIVENESS: f64 = 0.5;

impl Chats {
    /// Who answers, in this order: `content` if the user says it now, or otherwise what was said last.
    /// Nobody, if that is for the user to say.
    pub(crate) async fn speakers(&self, session: &ChatSession, content: Option<&str>) -> Result<Vec<CharacterId>> {
        if session.characters.len() <= 1 {
            return Ok(session.characters.clone());
        }
        let store = &self.0.shared.store;
        let mut found: HashMap<_, _> = store
            .characters
            .by_ids(&session.characters)
            .await?
            .into_iter()
            .map(|character| (character.summary.id, character))
            .collect();
        let cast: Vec<_> = session.characters.iter().filter_map(|id| found.remove(id)).collect();
        let cards = self.cards(&cast).await?;
        let group = &session.setup.group;
        let members: Vec<_> = cast
            .iter()
            .zip(&cards)
            .map(|(character, card)| Member {
                name: &character.summary.name,
                talkativeness: extensions::talkativeness(card).unwrap_or(TALKATIVENESS),
                muted: group.muted.contains(&character.summary.id),
            })
            .collect();
        let mut spoken = Vec::new();
        let mut last = None;
        if content.is_none() {
            let rows = store.chats.tail(session.id, None, SEEN).await?;
            let seen = rows.iter().rev().filter(|row| !row.is_hidden);
            for row in seen {
                if row.role == ChatRole::User {
                    break;
                }
                if let Some(Author::Character(id)) = row.author
                    && let Some(index) = cast.iter().position(|member| member.summary.id == id)
                {
                    spoken.push(index);
                }
            }
            last = match rows.iter().rev().find(|row| !row.is_hidden) {
                Some(row) => store.documents.messages(&[row.id]).await?.pop(),
                None => None,
            };
        }
        let last_message = match (content, &last) {
            (Some(content), _) => content,
            (None, Some((_, body))) => &body.active_swipe().content,
            (None, None) => "",
        };
        let answers = who_answers(
            &members,
            &GroupTurn {
                strategy: group.strategy,
                self_responses: group.self_responses,
                last_message,
                last_speaker: spoken.first().copied(),
                spoken: &spoken,
                forced: None,
                seed: rand::random(),
            },
        );
        Ok(answers.into_iter().map(|index| cast[index].summary.id).collect())
    }

    /// Starts the reply of the next one who answers to the same message. Boxed, because a writer awaits it
    /// and it starts a writer.
    pub(crate) fn follow(
        &self,
        session: ChatSession,
        options: GenerationOptions,
        next: Vec<CharacterId>,
    ) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut next = next.into_iter();
            let Some(speaker) = next.next() else { return };
            let id = session.id;
            let begun = self.begin_reply(&Actor::Anonymous, session, speaker, options, next.collect());
            if let Err(error) = begun.await {
                // Somebody may have written meanwhile; the group waits for its next turn.
                tracing::info!(session = %id, ?error, "the next of a group does not answer");
            }
        })
    }
}
