//! What a reply's prompt is made of: everything that [`tavern_prompt::turn::Turn`] wants, read for it.

use std::collections::HashMap;
use std::sync::Arc;

use moka::sync::Cache;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tavern_domain::character::Character;
use tavern_domain::chat::{Author, ChatRole, ChatSession, MessageBody, MessageRow};
use tavern_domain::generation::{GenerationKind, GenerationOptions};
use tavern_domain::lore::WorldEntry;
use tavern_domain::model::{Model, PromptForm};
use tavern_domain::{CharacterId, Error, MessageId, Result, UserId, WorldBookId};
use tavern_prompt::additions::Additions;
use tavern_prompt::assembly::{PromptMode, TokenBudget};
use tavern_prompt::card::extensions;
use tavern_prompt::lore::{BookKind, BookRef, EntryRef, LoreIndex};
use tavern_prompt::preset::PresetConfig;
use tavern_prompt::scripts::Scripts;
use tavern_prompt::tokens::Counter;
use tavern_prompt::turn::{Member, PastMessage, Turn};

use crate::chat::Chats;
use crate::fork::seed_of;

/// Messages read for a prompt at the most.
const HISTORY: usize = 10_000;
/// Messages read at once.
const BATCH: u32 = 200;
/// Bytes of world books kept ready to be scanned, of compiled scripts, and of cards' extensions.
const INDEX_BYTES: u64 = 256 << 20;
const SCRIPT_BYTES: u64 = 32 << 20;
const CARD_BYTES: u64 = 32 << 20;
/// Presets kept as read.
const PRESETS: u64 = 1_000;

/// A reply as it is to be written.
pub(crate) struct Wish<'a> {
    pub session: &'a ChatSession,
    pub kind: GenerationKind,
    /// Who speaks.
    pub character: Option<CharacterId>,
    /// What it is written into.
    pub target: Option<MessageId>,
    /// What the user would say first, for a look at a prompt.
    pub content: Option<&'a str>,
    pub guidance: Option<&'a str>,
    pub options: &'a GenerationOptions,
    /// The configured name.
    pub model: &'a str,
    pub seed: u64,
    /// Nothing will be stored.
    pub dry_run: bool,
}

/// What was made ready for prompts before. All of it can be made again.
pub(crate) struct Ready {
    presets: Cache<(tavern_domain::PresetId, i32), Arc<PresetConfig>>,
    plain: Arc<PresetConfig>,
    scripts: Cache<[u8; 32], Scripts>,
    indexes: Cache<[u8; 32], LoreIndex>,
    cards: Cache<(CharacterId, i32), Arc<Value>>,
}

impl Default for Ready {
    fn default() -> Self {
        fn weigh(bytes: usize) -> u32 {
            u32::try_from(bytes).unwrap_or(u32::MAX)
        }
        Self {
            presets: Cache::new(PRESETS),
            plain: Arc::default(),
            scripts: Cache::builder()
                .max_capacity(SCRIPT_BYTES)
                .weigher(|_, scripts: &Scripts| weigh(scripts.weight()))
                .build(),
            indexes: Cache::builder()
                .max_capacity(INDEX_BYTES)
                .weigher(|_, index: &LoreIndex| weigh(index.weight()))
                .build(),
            cards: Cache::builder()
                .max_capacity(CARD_BYTES)
                .weigher(|_, card: &Arc<Value>| weigh(weight_of(card)))
                .build(),
        }
    }
}

/// Bytes of a JSON value in memory, about.
fn weight_of(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weight_of).sum(),
            Value::Object(members) => members.iter().map(|(name, value)| name.len() + weight_of(value)).sum(),
            _ => 0,
        }
}

impl Chats {
    /// Everything that the prompt of a reply is made of.
    pub(crate) async fn gather(&self, wish: &Wish<'_>) -> Result<Turn> {
        let store = &self.0.shared.store;
        let session = wish.session;
        let (members, speaker) = self.members(session, wish.character).await?;
        let model = self
            .0
            .models
            .model(wish.model)
            .ok_or_else(|| Error::not_found("model"))?;
        let preset = self.preset(session).await?;
        let persona = match session.setup.persona {
            Some(id) => store.personas.by_ids(&[id]).await?.pop().map(|persona| persona.text),
            None => None,
        };
        let user_name = match &persona {
            Some(persona) => persona.name.clone(),
            None => self.user_name(session.owner, None).await?,
        };
        let budget = budget(&model, &preset, wish.options);
        let names: HashMap<_, _> = members
            .iter()
            .map(|character| (character.summary.id, character.summary.name.as_str()))
            .collect();
        let mut history = self.history(wish, budget, &names, &user_name).await?;
        let greeting = history.greeting;
        if let Some(content) = wish.content {
            history.messages.push(PastMessage {
                id: String::new(),
                number: usize::try_from(session.message_count).unwrap_or(0),
                role: ChatRole::User,
                name: user_name.clone(),
                content: content.to_owned(),
                reasoning: None,
                swipes: 1,
                active_swipe: 0,
                sent_at: self.0.shared.clock.now(),
            });
        }
        let user_messages = store.chats.count_user_messages(session.id).await? + u32::from(wish.content.is_some());
        let cards = self.cards(&members).await?;
        let scripts = self.scripts(session.owner, &preset, &members, &cards);
        let lore = self.lore(wish, &preset, persona.as_ref(), &members[speaker]).await?;
        let cast = members.into_iter().zip(cards).map(|(character, card)| Member {
            muted: session.setup.group.muted.contains(&character.summary.id),
            name: character.summary.name,
            tags: character.summary.tags,
            text: Arc::new(character.text),
            extensions: card,
        });
        let (variables, timed) = session.state.base(wish.target, replaces(wish.kind));
        Ok(Turn {
            kind: wish.kind,
            mode: match model.prompt {
                PromptForm::Chat => PromptMode::Chat,
                PromptForm::Text => PromptMode::Text,
            },
            counter: counter(&model),
            model: model.name,
            budget,
            preset,
            scripts,
            lore,
            cast: cast.collect(),
            speaker,
            group: session.setup.group.clone(),
            user_name,
            persona,
            note: session.setup.authors_note.clone(),
            scenario: session.setup.scenario.clone(),
            history: history.messages,
            user_messages,
            greeting,
            guidance: wish.guidance.map(str::to_owned),
            stops: wish.options.stop.clone(),
            variables: variables.clone(),
            account_variables: store.chats.account_variables(session.owner).await?,
            timed: serde_json::from_value(timed.clone()).unwrap_or_default(),
            anchor: session.state.anchor.map(|id| id.to_string()),
            chat_seed: seed_of(session.id, &session.state),
            seed: wish.seed,
            now: self.0.shared.clock.now(),
            utc_offset_minutes: 0,
            dry_run: wish.dry_run,
            additions: Additions::default(),
            expansions: None,
        })
    }

    /// Whether anything may rewrite what is said: the preset, or cards that the owner brought in.
    pub(crate) async fn has_scripts(&self, session: &ChatSession) -> Result<bool> {
        if !self.preset(session).await?.regex_scripts.is_empty() {
            return Ok(true);
        }
        let (members, _) = self.members(session, None).await?;
        let cards = self.cards(&members).await?;
        let mut own = members
            .iter()
            .zip(&cards)
            .filter(|(character, _)| character.summary.creator == Some(session.owner));
        Ok(own.any(|(_, card)| !extensions::regex_scripts(card).is_empty()))
    }

    /// The characters that are left in the chat, in its order, and which of them speaks.
    async fn members(&self, session: &ChatSession, speaker: Option<CharacterId>) -> Result<(Vec<Character>, usize)> {
        let mut found: HashMap<_, _> = self
            .0
            .shared
            .store
            .characters
            .by_ids(&session.characters)
            .await?
            .into_iter()
            .map(|character| (character.summary.id, character))
            .collect();
        let members: Vec<_> = session.characters.iter().filter_map(|id| found.remove(id)).collect();
        let index = match speaker {
            Some(id) => members.iter().position(|member| member.summary.id == id),
            None => (!members.is_empty()).then_some(0),
        };
        let index = index.ok_or_else(|| Error::not_found("character left in this chat"))?;
        Ok((members, index))
    }

    async fn preset(&self, session: &ChatSession) -> Result<Arc<PresetConfig>> {
        let ready = &self.0.ready;
        let preset = match session.setup.preset {
            Some(id) => self.0.shared.store.presets.by_ids(&[id]).await?.pop(),
            None => None,
        };
        Ok(preset.map_or_else(
            || Arc::clone(&ready.plain),
            |preset| {
                ready.presets.get_with((preset.id, preset.version), || {
                    Arc::new(PresetConfig::read(&preset.data))
                })
            },
        ))
    }

    /// The messages that can matter for the prompt: as many of the newest as fill its budget twice.
    async fn history(
        &self,
        wish: &Wish<'_>,
        budget: TokenBudget,
        names: &HashMap<CharacterId, &str>,
        user_name: &str,
    ) -> Result<History> {
        let store = &self.0.shared.store;
        let target = match wish.target {
            Some(id) => store.chats.message(id).await?,
            None => None,
        };
        // What is written into comes last if it is continued, and otherwise does not exist yet.
        let mut before = target.map(|target| target.sequence + i32::from(wish.kind == GenerationKind::Continue));
        let enough = i64::from(budget.context) * 2;
        let (mut tokens, mut read) = (0_i64, 0);
        let mut history = History::default();
        loop {
            let rows = store.chats.tail(wish.session.id, before, BATCH).await?;
            let Some(first) = rows.first() else { break };
            before = Some(first.sequence);
            read += rows.len();
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            let mut bodies: HashMap<_, _> = store.documents.messages(&ids).await?.into_iter().collect();
            for row in rows.into_iter().rev() {
                let Some(body) = bodies.remove(&row.id) else { continue };
                if row.sequence <= 1 && matches!(row.author, Some(Author::Character(_))) {
                    history.greeting = u32::try_from(body.active).ok();
                }
                let name = match row.author {
                    Some(Author::Character(id)) => names.get(&id).copied().unwrap_or_default(),
                    Some(Author::User(_)) => user_name,
                    None => "",
                };
                tokens += i64::from(body.active_swipe().tokens) + 4;
                history.messages.extend(past(&row, body, name));
            }
            if tokens > enough || read >= HISTORY {
                break;
            }
        }
        history.messages.reverse();
        Ok(history)
    }

    /// What the characters' cards hold besides their texts.
    pub(crate) async fn cards(&self, members: &[Character]) -> Result<Vec<Arc<Value>>> {
        let mut cards = Vec::with_capacity(members.len());
        for character in members {
            let key = (character.summary.id, character.summary.version);
            let card = match self.0.ready.cards.get(&key) {
                Some(card) => card,
                None => {
                    let card = Arc::new(self.0.characters.card_extensions(character.summary.id).await?);
                    self.0.ready.cards.insert(key, Arc::clone(&card));
                    card
                }
            };
            cards.push(card);
        }
        Ok(cards)
    }

    /// The preset's scripts, and those of the cards that the owner of the chat brought in: a stranger's
    /// card does not rewrite other people's chats.
    fn scripts(&self, owner: UserId, preset: &PresetConfig, members: &[Character], cards: &[Arc<Value>]) -> Scripts {
        let own = members
            .iter()
            .zip(cards)
            .filter(|(character, _)| character.summary.creator == Some(owner));
        let scripts: Vec<Value> = preset
            .regex_scripts
            .iter()
            .chain(own.flat_map(|(_, card)| extensions::regex_scripts(card)))
            .cloned()
            .collect();
        if scripts.is_empty() {
            return Scripts::default();
        }
        let key = Sha256::digest(Value::Array(scripts.clone()).to_string());
        self.0.ready.scripts.get_with(key.into(), || Scripts::compile(&scripts))
    }

    /// The world books of the chat, the persona and the speaker, ready to be scanned.
    async fn lore(
        &self,
        wish: &Wish<'_>,
        preset: &PresetConfig,
        persona: Option<&tavern_domain::persona::PersonaText>,
        speaker: &Character,
    ) -> Result<LoreIndex> {
        let owner = wish.session.owner;
        let mut wanted: Vec<(BookKind, WorldBookId)> = Vec::new();
        wanted.extend(wish.session.setup.world_books.iter().map(|id| (BookKind::Chat, *id)));
        wanted.extend(
            persona
                .and_then(|persona| persona.world_book)
                .map(|id| (BookKind::Persona, id)),
        );
        wanted.extend(speaker.world_book.map(|id| (BookKind::Character, id)));
        let ids: Vec<_> = wanted.iter().map(|(_, id)| *id).collect();
        let found = self.0.world_books.for_prompt(&ids).await?;
        let books: Vec<_> = wanted
            .iter()
            .filter_map(|(kind, id)| {
                let (book, entries) = found.iter().find(|(book, _)| book.id == *id)?;
                // A character brings its book along; others must still be the owner's to use.
                let usable = *kind == BookKind::Character || book.is_public || book.owner == owner;
                usable.then(|| (*kind, book.clone(), Arc::clone(entries)))
            })
            .collect();
        let settings = preset.lore.clone().unwrap_or_default();
        let mut key = Sha256::new();
        for (kind, book, _) in &books {
            key.update(format!("{kind:?} {} {};", book.id, book.version));
        }
        key.update(serde_json::to_vec(&settings).map_err(Error::internal)?);
        let key: [u8; 32] = key.finalize().into();
        if let Some(index) = self.0.ready.indexes.get(&key) {
            return Ok(index);
        }
        let index = tokio::task::spawn_blocking(move || {
            let keys: Vec<Vec<String>> = books.iter().map(|(_, _, entries)| keys(entries)).collect();
            let refs: Vec<_> = books
                .iter()
                .zip(&keys)
                .map(|((kind, book, entries), keys)| BookRef {
                    kind: *kind,
                    name: &book.text.name,
                    scan_depth: book.text.scan_depth,
                    token_budget: book.text.token_budget,
                    recursive: book.text.recursive,
                    entries: keys
                        .iter()
                        .zip(entries.iter())
                        .map(|(key, entry)| EntryRef {
                            key,
                            entry: &entry.entry,
                        })
                        .collect(),
                })
                .collect();
            LoreIndex::build(&refs, &settings)
        });
        let index = index.await.map_err(Error::internal)?;
        self.0.ready.indexes.insert(key, index.clone());
        Ok(index)
    }
}

#[derive(Default)]
struct History {
    messages: Vec<PastMessage>,
    /// Which greeting the chat began with, if its beginning was read.
    greeting: Option<u32>,
}

/// A message as prompts see it; hidden and empty ones they do not.
fn past(row: &MessageRow, mut body: MessageBody, name: &str) -> Option<PastMessage> {
    let active = body.active.min(body.swipes.len() - 1);
    let swipes = body.swipes.len();
    let swipe = body.swipes.swap_remove(active);
    if row.is_hidden || swipe.content.is_empty() {
        return None;
    }
    Some(PastMessage {
        id: row.id.to_string(),
        number: usize::try_from(row.sequence - 1).unwrap_or(0),
        role: row.role,
        name: name.to_owned(),
        content: swipe.content,
        reasoning: swipe.reasoning,
        swipes,
        active_swipe: active,
        sent_at: row.created_at,
    })
}

fn keys(entries: &[WorldEntry]) -> Vec<String> {
    entries.iter().map(|entry| entry.id.to_string()).collect()
}

/// Whether a reply takes the place of one there is.
pub(crate) const fn replaces(kind: GenerationKind) -> bool {
    matches!(kind, GenerationKind::Regenerate | GenerationKind::Swipe)
}

pub(crate) fn counter(model: &Model) -> Counter {
    let named = model.tokenizer.as_deref().and_then(Counter::named);
    named.unwrap_or_else(|| Counter::for_model(&model.served_as))
}

fn budget(model: &Model, preset: &PresetConfig, options: &GenerationOptions) -> TokenBudget {
    let tokens = |count: i32| u32::try_from(count).unwrap_or(0);
    let most = tokens(model.max_output_tokens);
    let wished = options.max_tokens.map(tokens).or(preset.chat.max_response);
    let context = tokens(model.context_tokens);
    TokenBudget {
        context: preset.chat.max_context.map_or(context, |wished| wished.min(context)),
        response: wished.map_or(most, |wished| wished.min(most)),
    }
}
