//! Prompts: what is sent for a reply, kept with it, and shown before it is sent.

use std::sync::Arc;

use tavern_domain::chat::{ChatSession, TurnEffects, Variables, changes};
use tavern_domain::extension::PluginTrace;
use tavern_domain::generation::{Generation, GenerationKind, GenerationOptions};
use tavern_domain::prompt::PromptPreview;
use tavern_domain::{Actor, CharacterId, Code, Error, GenerationId, Problems, Result, SessionId};
use tavern_models::{Cast, CharacterBrief, CompletionRequest, PromptMessage};
use tavern_plugins::filters::{Filtered, Filters};
use tavern_plugins::turn::TurnHooks;
use tavern_prompt::assembly::PromptMode;
use tavern_prompt::macros::has_macros;
use tavern_prompt::reply::{ReasoningSplitter, ReplyCleaner};
use tavern_prompt::turn::{Built, Turn as Material};
use tokio::time::Instant;

use crate::chat::Chats;
use crate::gather::{Wish, replaces};
use crate::hooks::{sample, stopped};
use crate::runtime::{Turn, place};
use crate::turn::check_swipes;

/// A reply as somebody would ask for it.
#[derive(Debug, Clone)]
pub struct PromptWish {
    pub session: SessionId,
    /// What the user would say first.
    pub content: Option<String>,
    pub kind: GenerationKind,
    pub character: Option<CharacterId>,
    pub guidance: Option<String>,
    pub options: GenerationOptions,
}

/// What is asked of a model, and what becomes of its answer.
pub(crate) struct Asked {
    pub models: Vec<String>,
    pub request: CompletionRequest,
    pub prompt_tokens: i32,
    pub reply: Reply,
}

/// A reply while it comes in: cleaned, and reasoning told from text.
pub(crate) struct Reply {
    /// Comes before what the model writes.
    opening: String,
    cleaner: Option<ReplyCleaner>,
    splitter: Option<ReasoningSplitter>,
    /// Behind the cleaner, so that extensions see what the user would.
    filters: Option<Filters>,
    /// A filter has ended the reply; with what the user is told, if it had to work and failed.
    ended: Option<Option<Error>>,
    material: Arc<Material>,
    /// What extensions still have to say of the turn.
    pub hooks: Option<TurnHooks>,
    /// What the turn does to the chat's memory, once it is accepted.
    pub effects: TurnEffects,
}

impl Reply {
    /// What is certain of the text and the reasoning now that `piece` has come.
    pub async fn push(&mut self, piece: &str) -> (String, String) {
        let split = self.splitter.as_mut().map(|splitter| splitter.push(piece));
        let split = split.unwrap_or_default();
        let text = self.clean(&split.text);
        (self.filter(text).await, split.reasoning)
    }

    /// Whether what comes yet is no part of the reply.
    pub fn is_over(&self) -> bool {
        self.ended.is_some() || self.cleaner.as_ref().is_some_and(ReplyCleaner::is_stopped)
    }

    /// Why a filter had to end the reply.
    pub fn take_failure(&mut self) -> Option<Error> {
        self.ended.as_mut().and_then(Option::take)
    }

    /// When [`Self::flush`] is to be called, if nothing comes before.
    pub fn deadline(&self) -> Option<Instant> {
        self.filters.as_ref().and_then(Filters::deadline)
    }

    /// What has waited long enough for filters.
    pub async fn flush(&mut self) -> String {
        match &mut self.filters {
            Some(filters) => {
                let filtered = filters.flush().await;
                self.take(filtered)
            }
            None => String::new(),
        }
    }

    /// What was held back.
    pub async fn finish(&mut self) -> (String, String) {
        let split = self.splitter.take().map(ReasoningSplitter::finish).unwrap_or_default();
        let mut text = self.clean(&split.text);
        if let Some(cleaner) = self.cleaner.take() {
            let rest = cleaner.finish().text;
            text.push_str(&self.opened(rest));
        }
        let mut text = self.filter(text).await;
        if let Some(mut filters) = self.filters.take() {
            if self.ended.is_none() {
                let filtered = filters.finish().await;
                text.push_str(&self.take(filtered));
            }
            if let Some(hooks) = &mut self.hooks {
                hooks.add_traces(filters.take_traces().await);
            }
        }
        (text, split.reasoning)
    }

    async fn filter(&mut self, text: String) -> String {
        match &mut self.filters {
            _ if self.ended.is_some() => String::new(),
            Some(filters) if !text.is_empty() => {
                let filtered = filters.push(&text).await;
                self.take(filtered)
            }
            _ => text,
        }
    }

    fn take(&mut self, filtered: Filtered) -> String {
        if filtered.stop || filtered.abort.is_some() {
            self.ended = Some(filtered.abort.as_ref().map(stopped));
        }
        filtered.text
    }

    fn clean(&mut self, text: &str) -> String {
        let cleaned = self.cleaner.as_mut().map(|cleaner| cleaner.push(text));
        self.opened(cleaned.unwrap_or_default())
    }

    fn opened(&mut self, text: String) -> String {
        if text.is_empty() || self.opening.is_empty() {
            return text;
        }
        let mut opened = std::mem::take(&mut self.opening);
        if opened.trim().is_empty() && text.starts_with(char::is_whitespace) {
            // The model has put something between by itself.
            return text;
        }
        opened.push_str(&text);
        opened
    }

    /// The text as it is to be stored, if regex scripts change it.
    pub async fn stored(&mut self, text: &str) -> Option<String> {
        if self.material.scripts.is_empty() {
            return None;
        }
        let (material, text) = (Arc::clone(&self.material), text.to_owned());
        let stored = tokio::task::spawn_blocking(move || material.stored(&text));
        stored.await.ok().flatten()
    }
}

/// What the user has typed.
pub(crate) struct Said {
    /// As it is stored: regex scripts applied, macros expanded.
    pub content: String,
    /// What the macros have done.
    pub effects: Option<TurnEffects>,
    /// Extensions that expanded macros.
    pub traces: Vec<PluginTrace>,
}

impl Chats {
    /// The prompt a turn would send, without sending it or changing anything.
    ///
    /// # Errors
    /// As access has it; BAD_USER_INPUT for every field that is wrong; QUOTA_EXCEEDED if what must be
    /// in the prompt does not fit.
    pub async fn preview(&self, actor: &Actor, wish: PromptWish) -> Result<PromptPreview> {
        let session = self.own_session(actor, wish.session).await?;
        let mut problems = Problems::new();
        if let Some(content) = &wish.content {
            problems.absorb(self.check_content(content))?;
        }
        let character = self.check_reply(
            &mut problems,
            &session,
            wish.character,
            wish.guidance.as_deref(),
            None,
            &wish.options,
        );
        problems.finish()?;
        let character = match wish.character {
            Some(_) => character,
            None => self
                .speakers(&session, wish.content.as_deref())
                .await?
                .first()
                .copied()
                .or(character),
        };
        let target = match wish.kind {
            GenerationKind::Continue | GenerationKind::Regenerate | GenerationKind::Swipe => {
                Some(self.target(&session, None).await?.id)
            }
            _ => None,
        };
        let model = self.model_of(&session, &wish.options);
        let said = match wish.content {
            Some(content) => Some(self.said(&session, character, content, true).await?),
            None => None,
        };
        let mut material = self
            .gather(&Wish {
                session: &session,
                kind: wish.kind,
                character,
                target,
                content: said.as_ref().map(|said| said.content.as_str()),
                guidance: wish.guidance.as_deref(),
                options: &wish.options,
                model: &model,
                seed: wish.options.seed.map_or_else(rand::random, |seed| seed as u64),
                dry_run: true,
            })
            .await?;
        if let Some(effects) = said.as_ref().and_then(|said| said.effects.as_ref()) {
            material.hear(effects);
        }
        let Some(mut hooks) = self.hooks(&session, "preview", &material).await? else {
            return Ok(build(material).await?.1.preview);
        };
        let (_, built, sampling) = self.build_with(material, &mut hooks).await?;
        let mut options = wish.options;
        sample(&mut options, &sampling, &self.0.shared.limits, &mut hooks);
        let mut plugins = said.map(|said| said.traces).unwrap_or_default();
        plugins.extend(hooks.take_traces());
        Ok(PromptPreview {
            plugins,
            ..built.preview
        })
    }

    /// What the user types as it is stored. Most messages have neither regex scripts nor macros, and cost nothing.
    pub(crate) async fn said(
        &self,
        session: &ChatSession,
        character: Option<CharacterId>,
        content: String,
        dry_run: bool,
    ) -> Result<Said> {
        let options = GenerationOptions::default();
        if !has_macros(&content) && !self.has_scripts(session).await? {
            return Ok(Said {
                content,
                effects: None,
                traces: Vec::new(),
            });
        }
        let model = self.model_of(session, &options);
        let material = self
            .gather(&Wish {
                session,
                kind: GenerationKind::Normal,
                character,
                target: None,
                content: None,
                guidance: None,
                options: &options,
                model: &model,
                seed: rand::random(),
                dry_run,
            })
            .await?;
        let mut hooks = self.hooks(session, "message", &material).await?;
        let done = self.with_macros(material, &mut hooks, Material::said, content);
        let (material, (content, effects)) = done.await?;
        let effects = TurnEffects {
            variables: changes(&material.variables, &effects.local),
            account_variables: changes(&material.account_variables, &effects.global),
            lore: serde_json::to_value(&material.timed).unwrap_or_default(),
            anchor: material.anchor.as_deref().and_then(|id| id.parse().ok()),
            ..TurnEffects::default()
        };
        Ok(Said {
            content,
            effects: Some(effects),
            traces: hooks.map(|mut hooks| hooks.take_traces()).unwrap_or_default(),
        })
    }

    /// The prompt of a generation as it was sent; `None` if there was none, or it is no longer kept.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn sent_prompt(&self, generation: GenerationId) -> Result<Option<PromptPreview>> {
        self.0.shared.store.documents.prompt(generation).await
    }

    /// Calls of extensions in the making of replies: those of one reply together, in order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn plugin_traces(&self, generations: &[GenerationId]) -> Result<Vec<(GenerationId, PluginTrace)>> {
        self.0.shared.store.extensions.traces(generations).await
    }

    /// Builds the prompt of a turn that is real, and keeps it; `None` if the turn is cancelled meanwhile.
    pub(crate) async fn ask(&self, turn: &Turn) -> Result<Option<Asked>> {
        let generation = &turn.generation;
        let store = &self.0.shared.store;
        if let (Some(target), GenerationKind::Continue | GenerationKind::Regenerate | GenerationKind::Swipe) =
            (generation.message, generation.kind)
        {
            let most = self.0.shared.limits.swipes;
            self.change_body(target, |body| {
                let is_new = body.swipe_of(generation.id).is_none();
                if generation.kind == GenerationKind::Swipe && is_new {
                    check_swipes(body, most)?;
                }
                place(body, generation);
                Ok(())
            })
            .await?;
        }
        let session = store
            .chats
            .get(turn.session.id)
            .await?
            .ok_or_else(|| Error::not_found("chat session"))?;
        let mut material = self
            .gather(&Wish {
                session: &session,
                kind: generation.kind,
                character: generation.character,
                target: generation.message,
                content: None,
                guidance: turn.guidance.as_deref(),
                options: &generation.options,
                model: &generation.model,
                // Recorded with the prompt, so that it can be told again.
                seed: generation.options.seed.map_or_else(rand::random, |seed| seed as u64),
                dry_run: false,
            })
            .await?;
        let before = (material.variables.clone(), material.account_variables.clone());
        if let Some(effects) = &turn.said {
            material.hear(effects);
        }
        store.extensions.add_traces(generation.id, &turn.traces).await?;
        let mut options = generation.options.clone();
        let mut hooks = self.hooks(&session, &generation.id.to_string(), &material).await?;
        let (material, mut built) = match &mut hooks {
            None => build(material).await?,
            Some(hooks) => {
                let built = tokio::select! {
                    built = self.build_with(material, hooks) => Some(built),
                    () = turn.live.cancel.cancelled() => None,
                };
                if let Some(Ok((_, _, sampling))) = &built {
                    sample(&mut options, sampling, &self.0.shared.limits, hooks);
                }
                let traces = hooks.take_traces();
                // Whatever comes of the turn, it can be told who did what.
                store.extensions.add_traces(generation.id, &traces).await?;
                let Some(built) = built else { return Ok(None) };
                let (material, mut built, _) = built?;
                built.preview.plugins = turn.traces.clone();
                built.preview.plugins.extend(traces);
                (material, built)
            }
        };
        built.stop.extend(
            options
                .stop
                .iter()
                .filter(|stop| !generation.options.stop.contains(stop))
                .cloned(),
        );
        store.documents.put_prompt(generation.id, &built.preview).await?;
        Ok(Some(asked(generation, options, &before, material, built, hooks)))
    }
}

/// Off the runtime's threads: a prompt takes milliseconds, and a hostile one longer.
async fn build(material: Material) -> Result<(Material, Built)> {
    let built = tokio::task::spawn_blocking(move || {
        let built = material.build();
        built.map(|built| (material, built))
    });
    built
        .await
        .map_err(Error::internal)?
        .map_err(|error| Error::new(Code::QuotaExceeded, error.to_string()))
}

fn asked(
    generation: &Generation,
    mut options: GenerationOptions,
    (variables, account_variables): &(Variables, Variables),
    material: Material,
    built: Built,
    hooks: Option<TurnHooks>,
) -> Asked {
    material.preset.samplers.fill(&mut options);
    if material.mode == PromptMode::Text && !material.preset.samplers.others.is_empty() {
        let extra = options.extra.get_or_insert_with(|| serde_json::json!({}));
        if let Some(extra) = extra.as_object_mut() {
            for (name, value) in &material.preset.samplers.others {
                extra.entry(name).or_insert_with(|| value.clone());
            }
        }
    }
    let speaker = &material.cast[material.speaker];
    let cast = Cast {
        character: CharacterBrief {
            name: speaker.name.clone(),
            description: speaker.text.description.clone(),
            personality: speaker.text.personality.clone(),
            scenario: speaker.text.scenario.clone(),
            first_message: speaker.text.first_message.clone(),
            example_dialogue: speaker.text.example_dialogue.clone(),
        },
        user_name: material.user_name.clone(),
    };
    let effects = TurnEffects {
        variables: changes(variables, &built.effects.local),
        account_variables: changes(account_variables, &built.effects.global),
        lore: serde_json::to_value(&built.timed).unwrap_or_default(),
        anchor: built.anchor.as_deref().and_then(|id| id.parse().ok()),
        message: generation
            .message
            .filter(|_| generation.kind != GenerationKind::Continue),
        replaces: replaces(generation.kind),
    };
    let messages = match built.text {
        Some(_) => Vec::new(),
        None => built.preview.messages.into_iter().map(message).collect(),
    };
    Asked {
        models: std::iter::once(generation.model.clone())
            .chain(options.fallback_models.iter().cloned())
            .collect(),
        prompt_tokens: i32::try_from(built.preview.token_count).unwrap_or(i32::MAX),
        request: CompletionRequest {
            messages,
            text: built.text,
            stop: built.stop,
            max_tokens: i32::try_from(material.budget.response)
                .ok()
                .map(|most| options.max_tokens.map_or(most, |wished| wished.min(most))),
            seed: options.seed,
            options,
            cast,
            kind: generation.kind,
            tools: Vec::new(),
            tools_closed: false,
        },
        reply: Reply {
            opening: built.opening,
            cleaner: Some(ReplyCleaner::new(built.clean)),
            splitter: Some(ReasoningSplitter::new(&built.reasoning)),
            filters: hooks.as_ref().and_then(TurnHooks::filters),
            ended: None,
            material: Arc::new(material),
            hooks,
            effects,
        },
    }
}

fn message(message: tavern_domain::prompt::PromptMessage) -> PromptMessage {
    PromptMessage {
        name: message.name,
        ..PromptMessage::new(message.role, message.content)
    }
}
