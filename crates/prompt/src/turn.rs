//! A turn: from everything gathered for a reply to what is sent for it, with an account of it.
//!
//! [`Turn::build`] puts the parts of the engine together in one order: regex scripts over the history,
//! the cards of a group made one, lore found in what is seen, and the assembly of all that within the
//! budget. It is pure: the same turn gives the same prompt, and what macros and lore have changed is
//! in the result, to be stored if the reply is accepted.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;
use tavern_domain::Timestamp;
use tavern_domain::character::CharacterText;
use tavern_domain::chat::{AuthorsNote, ChatRole, GroupMode, GroupSettings, TurnEffects, Variables, merge};
use tavern_domain::generation::GenerationKind;
use tavern_domain::lore::trigger_name;
use tavern_domain::persona::PersonaText;
use tavern_domain::prompt::{LoreActivation, PromptBlock, PromptMessage, PromptPreview};

use crate::additions::Additions;
use crate::assembly::{
    BuiltPrompt, CardPrompt, DepthPrompt, HistoryCut, HistoryMessage, PromptContent, PromptMode, PromptTooLarge,
    TokenBudget, TurnPrompt, assemble,
};
use crate::card::extensions::{self, DepthPromptRole};
use crate::group::{JoinedField, MemberField, joined_field};
use crate::lore::{Activation, Candidate, LoreIndex, LoreScan, ScanMessage, TimedEffects};
use crate::macros::{CardScene, ChatScene, CustomMacros, Effects, Expansions, Macros, Scene, SceneMessage, has_macros};
use crate::preset::PresetConfig;
use crate::reply::{CleanOptions, ReasoningTemplate, StopOptions, stop_strings};
use crate::scripts::{Placement, Purpose, ScriptRun, Scripts};
use crate::tokens::Counter;

/// Entries of lore that a preview tells of; of more, only those that a key was found of.
const MAX_DECISIONS: usize = 2_000;

/// Everything a prompt is made of.
#[derive(Clone)]
pub struct Turn {
    pub kind: GenerationKind,
    pub mode: PromptMode,
    /// The configured name.
    pub model: String,
    pub counter: Counter,
    pub budget: TokenBudget,
    pub preset: Arc<PresetConfig>,
    /// The preset's, and the cards' as far as they may run.
    pub scripts: Scripts,
    pub lore: LoreIndex,
    /// All characters of the chat; never empty.
    pub cast: Vec<Member>,
    /// Index into `cast`.
    pub speaker: usize,
    pub group: GroupSettings,
    pub user_name: String,
    pub persona: Option<PersonaText>,
    pub note: Option<AuthorsNote>,
    /// Stands for that of the cards.
    pub scenario: Option<String>,
    /// What is seen of the chat, oldest first, without a reply that is to be replaced. A message that
    /// is to be continued is the last one.
    pub history: Vec<PastMessage>,
    /// The user's messages in the whole chat.
    pub user_messages: u32,
    /// Which greeting the chat began with, 0 = the first message.
    pub greeting: Option<u32>,
    pub guidance: Option<String>,
    /// The turn's own stop strings.
    pub stops: Vec<String>,
    /// Of the chat, before the turn.
    pub variables: Variables,
    /// Of the account, before the turn.
    pub account_variables: Variables,
    pub timed: TimedEffects,
    /// [`Built::anchor`] of the turn before.
    pub anchor: Option<String>,
    /// Of the chat: what stable picks are drawn from.
    pub chat_seed: u64,
    /// Of the turn: what all other chances are drawn from.
    pub seed: u64,
    pub now: Timestamp,
    pub utc_offset_minutes: i32,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// What extensions put in.
    pub additions: Additions,
    /// Macros that extensions expand.
    pub expansions: Option<Arc<Expansions>>,
}

/// A character of the chat.
#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    pub text: Arc<CharacterText>,
    /// As [`crate::card::Card::extensions`].
    pub extensions: Arc<Value>,
    pub tags: Vec<String>,
    pub muted: bool,
}

impl Member {
    /// What `{{char}}` stands for.
    #[must_use]
    pub fn called(&self) -> &str {
        let nickname = self.text.nickname.as_deref().map(str::trim);
        nickname.filter(|name| !name.is_empty()).unwrap_or(&self.name)
    }
}

/// A message of the chat so far.
#[derive(Debug, Clone)]
pub struct PastMessage {
    pub id: String,
    /// Its place in the chat, from 0.
    pub number: usize,
    pub role: ChatRole,
    pub name: String,
    pub content: String,
    pub reasoning: Option<String>,
    pub swipes: usize,
    pub active_swipe: usize,
    pub sent_at: Timestamp,
}

/// A prompt that fits, and everything that goes with it.
#[derive(Debug, Clone)]
pub struct Built {
    /// What is sent, and why.
    pub preview: PromptPreview,
    /// The prompt as one text, for [`PromptMode::Text`]; otherwise it is the preview's messages.
    pub text: Option<String>,
    /// For the provider.
    pub stop: Vec<String>,
    /// How the reply is to be cleaned.
    pub clean: CleanOptions,
    /// How reasoning is told from the reply.
    pub reasoning: ReasoningTemplate,
    /// Comes before what the model writes: the end of the prompt that is part of the reply.
    pub opening: String,
    pub effects: Effects,
    pub timed: TimedEffects,
    pub anchor: Option<String>,
}

impl Turn {
    /// # Errors
    /// [`PromptTooLarge`], if what must be in the prompt exceeds the budget.
    pub fn build(&self) -> Result<Built, PromptTooLarge> {
        let mut macros = Macros::new(
            self.scene(),
            self.variables.clone(),
            self.account_variables.clone(),
            self.seed,
        );
        let mut run = ScriptRun::default();
        let contents = self.contents(&mut macros, &mut run);
        let card = self.card(&mut macros);
        let mut lore = self.activate(&contents, &card, &mut macros);
        let added = self.additions.fit(self.budget, &self.counter);
        lore.entries.extend(added.entries());
        for entry in &mut lore.entries {
            let scripted = self.scripts.apply(
                &entry.content,
                Placement::WorldInfo,
                Purpose::Prompt,
                None,
                &mut macros,
                &mut run,
            );
            if let Cow::Owned(content) = scripted {
                entry.content = content;
            }
        }
        let history: Vec<_> = self
            .history
            .iter()
            .zip(&contents)
            .map(|(message, content)| HistoryMessage {
                id: &message.id,
                role: message.role,
                name: &message.name,
                content,
                reasoning: message.reasoning.as_deref(),
                tokens: None,
            })
            .collect();
        let others: Vec<_> = self.others().map(Member::called).collect();
        let notes = card.notes();
        let prompt = TurnPrompt {
            preset: &self.preset,
            mode: self.mode,
            kind: self.kind,
            budget: self.budget,
            card: card.prompt(&notes),
            persona: self.persona.as_ref(),
            note: self.note.as_ref(),
            user_messages: self.user_messages,
            lore: &lore,
            history: &history,
            guidance: self.guidance.as_deref(),
            injections: &added.injections(),
            others: &others,
            custom_stops: &self.stops,
            cut: HistoryCut::default(),
            anchor: self.anchor.as_deref(),
        };
        let built = assemble(&prompt, &mut macros, &self.counter)?;
        let effects = macros.finish();
        let warnings = self
            .preset
            .warnings
            .iter()
            .chain(&self.scripts.warnings)
            .chain(&lore.warnings)
            .chain(&run.warnings)
            .chain(&effects.warnings)
            .cloned()
            .collect();
        let mut built = self.finish(built, &lore, effects, warnings);
        built.preview.blocks.extend(added.left_out());
        Ok(built)
    }

    /// Entries of lore that could be in the prompt, and whether they would be: at most so many.
    #[must_use]
    pub fn candidates(&self, most: usize) -> Vec<Candidate> {
        let (local, global) = (self.variables.clone(), self.account_variables.clone());
        let mut macros = Macros::new(self.scene(), local, global, self.seed);
        let contents = self.contents(&mut macros, &mut ScriptRun::default());
        let card = self.card(&mut macros);
        let lore = self.activate(&contents, &card, &mut macros);
        lore.decisions.candidates(most)
    }

    /// A reply as it is to be stored, if regex scripts change it.
    #[must_use]
    pub fn stored(&self, reply: &str) -> Option<String> {
        let mut macros = Macros::new(self.scene(), Variables::new(), Variables::new(), self.seed);
        let run = &mut ScriptRun::default();
        let stored = self
            .scripts
            .apply(reply, Placement::AiOutput, Purpose::Store, Some(0), &mut macros, run);
        match stored {
            Cow::Owned(stored) if stored != reply => Some(stored),
            _ => None,
        }
    }

    /// What the user types as it is to be stored: regex scripts applied, then macros expanded; and what
    /// the macros have done.
    #[must_use]
    pub fn said(&self, content: &str) -> (String, Effects) {
        let (local, global) = (self.variables.clone(), self.account_variables.clone());
        let mut macros = Macros::new(self.scene(), local, global, self.seed);
        let run = &mut ScriptRun::default();
        let scripted = self
            .scripts
            .apply(content, Placement::UserInput, Purpose::Store, Some(0), &mut macros, run);
        let said = macros.expand(&scripted);
        (said, macros.finish())
    }

    /// Starts from what the user's own message has done to variables.
    pub fn hear(&mut self, said: &TurnEffects) {
        merge(&mut self.variables, &said.variables);
        merge(&mut self.account_variables, &said.account_variables);
    }

    fn finish(&self, built: BuiltPrompt<'_>, lore: &Activation, effects: Effects, mut warnings: Vec<String>) -> Built {
        warnings.extend(built.warnings);
        let blocks = built.blocks.into_iter().map(|block| PromptBlock {
            source: block.source.as_str().to_owned(),
            label: block.label.into_owned(),
            role: block.role,
            depth: block.depth,
            tokens: block.tokens,
            included: block.included,
            reason: (!block.reason.is_empty()).then(|| block.reason.to_owned()),
            text: block.text.into_owned(),
        });
        let blocks = blocks.collect();
        let (messages, text) = match built.content {
            PromptContent::Messages(messages) => (messages, None),
            PromptContent::Text(text) => (Vec::new(), Some(text)),
        };
        let mut messages: Vec<_> = messages
            .into_iter()
            .map(|message| PromptMessage {
                tokens: self.counter.count(&message.content),
                role: message.role,
                name: message.name,
                content: message.content,
            })
            .collect();
        if let Some(text) = &text {
            messages.push(PromptMessage {
                tokens: self.counter.count(text),
                role: ChatRole::User,
                name: None,
                content: text.clone(),
            });
        }
        let preview = PromptPreview {
            messages,
            token_count: built.tokens,
            budget: built.budget,
            model: self.model.clone(),
            tokenizer: self.counter.tokenizer().to_owned(),
            blocks,
            lore: decisions(lore),
            plugins: Vec::new(),
            warnings,
            seed: self.seed,
        };
        let opening = match (&built.prefill, self.kind) {
            // What a continued message begins with is in it already; only the postfix is new.
            (_, GenerationKind::Continue) => built.continue_postfix,
            (Some(prefill), _) => prefill.clone(),
            (None, _) => String::new(),
        };
        Built {
            clean: self.clean(&built.stop),
            preview,
            text,
            stop: built.stop,
            reasoning: self.preset.reasoning.clone(),
            opening,
            effects,
            timed: lore.timed.clone(),
            anchor: built.anchor.map(str::to_owned),
        }
    }

    fn clean(&self, stop: &[String]) -> CleanOptions {
        let impersonate = self.kind == GenerationKind::Impersonate;
        let speaker = self.speaker().called();
        let others: Vec<_> = self.others().map(Member::called).collect();
        let is_text = self.mode == PromptMode::Text;
        let names = StopOptions {
            user: &self.user_name,
            char: speaker,
            members: &others,
            impersonate,
            names: true,
            single_line: is_text && self.preset.context.single_line,
            custom: stop,
            ..StopOptions::default()
        };
        let (speaker, partner) = if impersonate {
            (self.user_name.clone(), speaker.to_owned())
        } else {
            (speaker.to_owned(), self.user_name.clone())
        };
        CleanOptions {
            stops: stop_strings(&names),
            speaker,
            partner,
            continues: self.kind == GenerationKind::Continue,
            trim_sentences: is_text && self.preset.context.trim_sentences,
            collapse_newlines: false,
        }
    }

    fn speaker(&self) -> &Member {
        let speaker = self.cast.get(self.speaker).or_else(|| self.cast.first());
        speaker.expect("a chat has characters")
    }

    fn others(&self) -> impl Iterator<Item = &Member> {
        let others = self.cast.iter().enumerate();
        others
            .filter(|(index, _)| *index != self.speaker)
            .map(|(_, member)| member)
    }

    fn scene(&self) -> Scene<'_> {
        let speaker = self.speaker();
        let card = &*speaker.text;
        let is_group = self.cast.len() > 1;
        let names = |members: &mut dyn Iterator<Item = &str>| Cow::Owned(members.collect::<Vec<_>>().join(", "));
        let depth_prompt = extensions::depth_prompt(&speaker.extensions).map_or_else(String::new, |note| note.prompt);
        let greetings = std::iter::once(&card.first_message).chain(&card.alternate_greetings);
        Scene {
            user: Cow::Borrowed(&self.user_name),
            char: Cow::Borrowed(speaker.called()),
            group: names(&mut self.cast.iter().map(Member::called)),
            group_not_muted: names(&mut self.cast.iter().filter(|member| !member.muted).map(Member::called)),
            not_char: names(&mut self.others().map(Member::called).chain([self.user_name.as_str()])),
            is_group,
            card: CardScene {
                description: Cow::Borrowed(&card.description),
                personality: Cow::Borrowed(&card.personality),
                scenario: Cow::Borrowed(self.scenario.as_deref().unwrap_or(&card.scenario)),
                system_prompt: Cow::Borrowed(&card.system_prompt),
                post_history_instructions: Cow::Borrowed(&card.post_history_instructions),
                depth_prompt: Cow::Owned(depth_prompt),
                creator_notes: Cow::Borrowed(&card.creator_notes),
                version: Cow::Borrowed(&card.character_version),
                example_dialogue: Cow::Borrowed(&card.example_dialogue),
                greetings: greetings.map(|greeting| Cow::Borrowed(greeting.as_str())).collect(),
            },
            persona: Cow::Borrowed(self.persona.as_ref().map_or("", |persona| &persona.description)),
            chat: ChatScene {
                messages: self.history.iter().map(PastMessage::scene).collect(),
                ..ChatScene::default()
            },
            now: Some(self.now),
            utc_offset_minutes: self.utc_offset_minutes,
            model: Cow::Borrowed(&self.model),
            generation_type: trigger_name(self.kind),
            max_context_tokens: i32::try_from(self.budget.context).unwrap_or(i32::MAX),
            max_response_tokens: i32::try_from(self.budget.response).unwrap_or(i32::MAX),
            chat_seed: self.chat_seed,
            custom: self
                .expansions
                .as_deref()
                .map(|expansions| expansions as &dyn CustomMacros),
            ..Scene::default()
        }
    }

    /// The history as prompts show it.
    fn contents<'a>(&'a self, macros: &mut Macros<'_>, run: &mut ScriptRun) -> Vec<Cow<'a, str>> {
        let mut contents: Vec<Cow<'a, str>> = Vec::with_capacity(self.history.len());
        for (depth, message) in (0..self.history.len()).rev().zip(&self.history) {
            let placement = match message.role {
                ChatRole::User => Placement::UserInput,
                ChatRole::Assistant => Placement::AiOutput,
                ChatRole::System | ChatRole::Tool => {
                    contents.push(Cow::Borrowed(&message.content));
                    continue;
                }
            };
            let depth = Some(u32::try_from(depth).unwrap_or(u32::MAX));
            let content = &message.content;
            contents.push(
                self.scripts
                    .apply(content, placement, Purpose::Prompt, depth, macros, run),
            );
        }
        contents
    }

    /// The card as the prompt has it: the speaker's, or those of the group made one.
    fn card<'a>(&'a self, macros: &mut Macros<'_>) -> Card<'a> {
        let speaker = self.speaker();
        let text = &*speaker.text;
        let is_joined = self.cast.len() > 1 && self.group.mode != GroupMode::Swap;
        let mut field = |field, of: fn(&CharacterText) -> &String| {
            if !is_joined {
                return Cow::Borrowed(of(text).as_str());
            }
            let members: Vec<_> = self
                .cast
                .iter()
                .map(|member| MemberField {
                    name: member.called(),
                    text: of(&member.text),
                    muted: member.muted,
                })
                .collect();
            Cow::Owned(joined_field(field, &members, self.speaker, &self.group, macros))
        };
        let shown = |(index, member): &(usize, &Member)| {
            *index == self.speaker || (is_joined && (!member.muted || self.group.mode == GroupMode::JoinMuted))
        };
        let notes = self.cast.iter().enumerate().filter(shown);
        Card {
            description: field(JoinedField::Description, |text| &text.description),
            personality: field(JoinedField::Personality, |text| &text.personality),
            scenario: match &self.scenario {
                Some(scenario) => Cow::Borrowed(scenario),
                None => field(JoinedField::Scenario, |text| &text.scenario),
            },
            example_dialogue: field(JoinedField::Examples, |text| &text.example_dialogue),
            text,
            notes: notes
                .filter_map(|(_, member)| extensions::depth_prompt(&member.extensions))
                .collect(),
        }
    }

    fn activate(&self, contents: &[Cow<'_, str>], card: &Card<'_>, macros: &mut Macros<'_>) -> Activation {
        // What is only looked at must not change variables.
        let mut scratch = None;
        let mut seen = |text: &str| {
            if !has_macros(text) {
                return text.to_owned();
            }
            let fresh = || {
                let (local, global) = (self.variables.clone(), self.account_variables.clone());
                Macros::new(self.scene(), local, global, self.seed)
            };
            scratch.get_or_insert_with(fresh).expand(text)
        };
        let persona = seen(self.persona.as_ref().map_or("", |persona| &persona.description));
        let description = seen(&card.description);
        let personality = seen(&card.personality);
        let scenario = seen(&card.scenario);
        let notes: Vec<_> = card.notes.iter().map(|note| seen(&note.prompt)).collect();
        let note = seen(self.note.as_ref().map_or("", |note| &note.content));
        let creator_notes = seen(&card.text.creator_notes);
        let messages = self.history.iter().zip(contents).rev();
        let guidance = self.guidance.as_deref();
        let injections = [note.as_str()].into_iter().chain(guidance);
        let speaker = self.speaker();
        let scan = LoreScan {
            messages: messages
                .map(|(message, content)| ScanMessage {
                    name: &message.name,
                    text: content,
                    is_user: message.role == ChatRole::User,
                })
                .collect(),
            persona_description: &persona,
            character_description: &description,
            character_personality: &personality,
            character_depth_prompt: &notes.join("\n"),
            scenario: &scenario,
            creator_notes: &creator_notes,
            injections: injections.filter(|text| !text.is_empty()).collect(),
            character_names: vec![&speaker.name, speaker.called()],
            character_tags: speaker.tags.iter().map(String::as_str).collect(),
            trigger: trigger_name(self.kind),
            greeting: self.greeting,
            instruct: self.mode == PromptMode::Text,
            prompt_budget: self.budget.context.saturating_sub(self.budget.response),
            timed: self.timed.clone(),
            forced: self.additions.force.clone(),
            silenced: self.additions.silence.clone(),
            seed: self.seed,
            dry_run: self.dry_run,
        };
        self.lore.activate(&scan, macros, &self.counter)
    }
}

impl PastMessage {
    fn scene(&self) -> SceneMessage<'_> {
        SceneMessage {
            id: self.number,
            is_user: self.role == ChatRole::User,
            is_system: matches!(self.role, ChatRole::System | ChatRole::Tool),
            name: Cow::Borrowed(&self.name),
            text: Cow::Borrowed(&self.content),
            swipes: self.swipes,
            active_swipe: self.active_swipe,
            sent_at: Some(self.sent_at),
        }
    }
}

/// The card of a prompt.
struct Card<'a> {
    description: Cow<'a, str>,
    personality: Cow<'a, str>,
    scenario: Cow<'a, str>,
    example_dialogue: Cow<'a, str>,
    /// The speaker's.
    text: &'a CharacterText,
    notes: Vec<extensions::DepthPrompt>,
}

impl Card<'_> {
    fn notes(&self) -> Vec<DepthPrompt<'_>> {
        let role = |role| match role {
            DepthPromptRole::System => ChatRole::System,
            DepthPromptRole::User => ChatRole::User,
            DepthPromptRole::Assistant => ChatRole::Assistant,
        };
        self.notes
            .iter()
            .map(|note| DepthPrompt {
                text: &note.prompt,
                depth: note.depth,
                role: role(note.role),
            })
            .collect()
    }

    fn prompt<'a>(&'a self, depth_prompts: &'a [DepthPrompt<'a>]) -> CardPrompt<'a> {
        CardPrompt {
            description: &self.description,
            personality: &self.personality,
            scenario: &self.scenario,
            system_prompt: &self.text.system_prompt,
            post_history_instructions: &self.text.post_history_instructions,
            example_dialogue: &self.example_dialogue,
            depth_prompts,
        }
    }
}

/// What came of each entry: all that activated or were near it, and as many of the others as a person reads.
fn decisions(lore: &Activation) -> Vec<LoreActivation> {
    let told = |decision: crate::lore::Decision| LoreActivation {
        entry: decision.key.to_string(),
        book: decision.book.to_string(),
        comment: decision.comment.to_string(),
        activated: decision.activated,
        matched_key: decision.matched_key,
        matched_in: decision.matched_in.map(|place| place.to_string()),
        pass: decision.pass,
        tokens: decision.tokens,
        reason: decision.reason.to_string(),
    };
    if lore.decisions.len() <= MAX_DECISIONS {
        lore.decisions.iter().map(told).collect()
    } else {
        lore.decisions.considered().take(MAX_DECISIONS).map(told).collect()
    }
}
