//! Extensions in a turn: what they are told of it, and what their edits become.
//!
//! The prompt engine is pure, and extensions are not: so a turn is built step by step. What
//! `before-prompt` and `world-info` hooks say goes into the material; macros that extensions expand are
//! found by building, asked for together, and answered by building again; `prompt-transform` gets what
//! came of it. A turn whose owner has no extensions takes none of these steps.

use std::collections::HashMap;
use std::sync::Arc;

use tavern_domain::chat::{ChatRole, ChatSession, Variables};
use tavern_domain::extension::Hook;
use tavern_domain::generation::{GenerationKind, GenerationOptions};
use tavern_domain::prompt::{PromptBlock, PromptMessage, PromptPreview};
use tavern_domain::{Code, Error, Limits, Problems, Result};
use tavern_plugins::turn::{
    Abort, Addition, Candidate, Character, MacroCall, Message, Note, Role, Setting, Transformed, TurnFacts, TurnHooks,
};
use tavern_prompt::additions::{AddedPlace, AddedText};
use tavern_prompt::assembly::{PromptMode, TOKENS_PER_MESSAGE};
use tavern_prompt::macros::{AskedMacro, Expansions, MAX_VALUE_BYTES, MAX_VARIABLE_BYTES, MAX_VARIABLES};
use tavern_prompt::turn::{Built, PastMessage, Turn};

use crate::chat::Chats;
use crate::tool;
use crate::turn::check_options;

/// How often a turn is built anew because macros asked for something; arguments of macros may be macros.
const MACRO_ROUNDS: usize = 4;
/// The last message of a prompt that the reply goes on from, which no extension may touch.
const PREFILL: &str = "platform:prefill";

impl Chats {
    /// The hooks of a turn in a chat; `None` if its owner has no extensions.
    pub(crate) async fn hooks(&self, session: &ChatSession, turn: &str, material: &Turn) -> Result<Option<TurnHooks>> {
        let extensions = &self.0.extensions;
        let chain = extensions.chain(session.owner).await?;
        if chain.is_empty() {
            return Ok(None);
        }
        let speaker = &material.cast[material.speaker];
        let counter = material.counter;
        let facts = TurnFacts {
            turn: turn.to_owned(),
            chat: session.id.to_string(),
            user: session.owner.to_string(),
            user_name: material.user_name.clone(),
            persona: material
                .persona
                .as_ref()
                .map_or_else(String::new, |persona| persona.description.clone()),
            character: Some(Character {
                name: speaker.called().to_owned(),
                description: speaker.text.description.clone(),
                personality: speaker.text.personality.clone(),
                scenario: speaker.text.scenario.clone(),
                tags: speaker.tags.clone(),
            }),
            kind: kind_name(material.kind).to_owned(),
            locale: String::new(),
            model: material.model.clone(),
            context_tokens: material.budget.context,
            reply_tokens: material.budget.response,
            variables: material
                .variables
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            seed: material.seed,
            now: material.now,
            dry_run: material.dry_run,
            count: Arc::new(move |text| counter.count(text)),
        };
        Ok(Some(extensions.host().turn(chain, facts)))
    }

    /// Builds a prompt with all that the hooks of its turn do to it.
    ///
    /// # Errors
    /// QUOTA_EXCEEDED if what must be in the prompt does not fit; PLUGIN_ERROR if an extension has stopped
    /// the turn, or one that must work has failed.
    pub(crate) async fn build_with(
        &self,
        mut material: Turn,
        hooks: &mut TurnHooks,
    ) -> Result<(Turn, Built, Vec<Setting>)> {
        tool::make_room(&mut material, hooks);
        let history: Vec<_> = material.history.iter().map(message).collect();
        let before = hooks.before_prompt(&history).await;
        stop_at(before.abort)?;
        for refused in set_variables(&mut material.variables, before.variables) {
            no_room(hooks, Hook::BeforePrompt, &refused);
        }
        material
            .additions
            .texts
            .extend(before.notes.into_iter().map(added_note));
        if hooks.has(Hook::MacroProvider) {
            material.expansions = Some(Arc::new(expansions(hooks)));
        }
        if hooks.has(Hook::WorldInfo) {
            let most = hooks.host().settings().limits.lore_candidates;
            let (same, candidates) = blocking(material, move |material| material.candidates(most)).await?;
            material = same;
            answer(&mut material, hooks).await;
            let candidates: Vec<_> = candidates.into_iter().map(|one| candidate(one, &material)).collect();
            let selection = hooks.select(&history, candidates).await;
            stop_at(selection.abort)?;
            let by = |id: String| (id, "by an extension".to_owned());
            material.additions.force.extend(selection.activate.into_iter().map(by));
            material.additions.silence.extend(selection.silence.into_iter().map(by));
            material
                .additions
                .texts
                .extend(selection.additions.into_iter().map(added_lore));
        }
        let (material, mut built) = self.build_answered(material, hooks).await?;
        if hooks.has(Hook::PromptTransform) && material.mode == PromptMode::Chat {
            transform(&material, &mut built, hooks).await?;
        }
        hooks.end_prompt();
        Ok((material, built, before.sampling))
    }

    /// Builds, and builds again while macros ask for something new.
    async fn build_answered(&self, mut material: Turn, hooks: &mut TurnHooks) -> Result<(Turn, Built)> {
        for _ in 0..MACRO_ROUNDS {
            let (same, built) = blocking(material, Turn::build).await?;
            material = same;
            let built = built.map_err(|error| Error::new(Code::QuotaExceeded, error.to_string()))?;
            if !answer(&mut material, hooks).await {
                return Ok((material, built));
            }
        }
        let (material, built) = blocking(material, Turn::build).await?;
        Ok((
            material,
            built.map_err(|error| Error::new(Code::QuotaExceeded, error.to_string()))?,
        ))
    }

    /// Runs `work` on the material until no macro in it asks for something new.
    pub(crate) async fn with_macros<T: Send + 'static>(
        &self,
        mut material: Turn,
        hooks: &mut Option<TurnHooks>,
        work: fn(&Turn, &str) -> T,
        text: String,
    ) -> Result<(Turn, T)> {
        if let Some(hooks) = hooks.as_ref().filter(|hooks| hooks.has(Hook::MacroProvider)) {
            material.expansions = Some(Arc::new(expansions(hooks)));
        }
        let text: Arc<str> = text.into();
        for _ in 0..MACRO_ROUNDS {
            let now = Arc::clone(&text);
            let (same, done) = blocking(material, move |material| work(material, &now)).await?;
            material = same;
            let asks_for_more = match hooks {
                Some(hooks) => answer(&mut material, hooks).await,
                None => false,
            };
            if !asks_for_more {
                return Ok((material, done));
            }
        }
        blocking(material, move |material| work(material, &text)).await
    }
}

/// Off the runtime's threads: a prompt takes milliseconds, and a hostile one longer.
async fn blocking<T: Send + 'static>(
    material: Turn,
    work: impl FnOnce(&Turn) -> T + Send + 'static,
) -> Result<(Turn, T)> {
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&material);
        (material, done)
    });
    done.await.map_err(Error::internal)
}

fn expansions(hooks: &TurnHooks) -> Expansions {
    let members = hooks.chain().members();
    let names = hooks
        .chain()
        .at(Hook::MacroProvider)
        .flat_map(|member| &member.manifest.macros);
    Expansions::new(
        names.map(|declared| declared.name.clone()),
        members.iter().map(|member| member.name.clone()),
    )
}

/// Answers what macros have asked for. Whether they had asked for anything.
async fn answer(material: &mut Turn, hooks: &mut TurnHooks) -> bool {
    let Some(expansions) = material.expansions.as_mut().and_then(Arc::get_mut) else {
        return false;
    };
    let asked = expansions.take_asked();
    if asked.is_empty() {
        return false;
    }
    let calls: Vec<_> = asked.iter().map(call).collect();
    let values = hooks.expand(&calls).await;
    for (asked, value) in asked.into_iter().zip(values) {
        expansions.tell(asked, value);
    }
    true
}

fn call(asked: &AskedMacro) -> MacroCall {
    MacroCall {
        name: asked.name.clone(),
        arguments: asked.arguments.clone(),
    }
}

fn stop_at(abort: Option<Abort>) -> Result<()> {
    match abort {
        None => Ok(()),
        Some(abort) => Err(stopped(&abort)),
    }
}

/// What the user is told of a turn that an extension has stopped.
pub(crate) fn stopped(abort: &Abort) -> Error {
    let message = match abort.is_failure {
        true => abort.message.clone(),
        false => format!("{}: {}", abort.extension, abort.message),
    };
    Error::new(Code::PluginError, message)
}

/// Shows the prompt to the extensions, and takes over what they made of it.
async fn transform(material: &Turn, built: &mut Built, hooks: &mut TurnHooks) -> Result<()> {
    let messages = std::mem::take(&mut built.preview.messages);
    let last = messages.len().saturating_sub(1);
    let is_opened = !built.opening.is_empty() || material.kind == GenerationKind::Continue;
    let ids: Vec<_> = (0..messages.len())
        .map(|index| match index == last && is_opened {
            true => PREFILL.to_owned(),
            false => format!("m{index}"),
        })
        .collect();
    let shown = messages.iter().zip(&ids).map(|(message, id)| Message {
        id: id.clone(),
        role: role(message.role),
        name: message.name.clone(),
        text: message.content.clone(),
    });
    let mut transformed = hooks.transform(shown.collect(), built.preview.budget).await;
    stop_at(transformed.abort.take())?;
    for stop in std::mem::take(&mut transformed.stops) {
        built.clean.stops.push(stop.clone());
        built.stop.push(stop);
    }
    if transformed.changed {
        take_over(material, built, ids.into_iter().zip(messages).collect(), transformed);
    } else {
        built.preview.messages = messages;
    }
    Ok(())
}

/// `before` are the messages with the ids that extensions were shown.
fn take_over(material: &Turn, built: &mut Built, before: HashMap<String, PromptMessage>, transformed: Transformed) {
    let preview = &mut built.preview;
    let cost = |message: &PromptMessage| message.tokens.saturating_add(TOKENS_PER_MESSAGE);
    let total = |messages: &mut dyn Iterator<Item = &PromptMessage>| messages.map(cost).fold(0, u32::saturating_add);
    preview.token_count = preview.token_count.saturating_sub(total(&mut before.values()));
    for (id, who) in &transformed.removed {
        if let Some(message) = before.get(id) {
            leave_out(preview, message, who, "removed");
        }
    }
    let mut after = transformed.messages;
    // The reply goes on from it: nothing stands behind it.
    if let Some(at) = after.iter().position(|one| one.message.id == PREFILL) {
        let prefill = after.remove(at);
        after.push(prefill);
    }
    for one in after {
        let message = PromptMessage {
            role: chat_role(one.message.role),
            name: one.message.name,
            tokens: material.counter.count(&one.message.text),
            content: one.message.text,
        };
        for (who, reason) in [(&one.inserted_by, "inserted"), (&one.replaced_by, "rewritten")] {
            let Some(who) = who else { continue };
            if let Some(was) = before.get(&one.message.id) {
                leave_out(preview, was, who, reason);
            }
            preview.blocks.push(block_of(&message, who, reason));
        }
        preview.messages.push(message);
    }
    let all = total(&mut preview.messages.iter());
    preview.token_count = preview.token_count.saturating_add(all);
}

/// Says in the account of a prompt that an extension has taken a message out of it. Where the message is not one
/// block but put together from several, none of them is at fault: it gets an entry of its own.
fn leave_out(preview: &mut PromptPreview, message: &PromptMessage, who: &str, how: &str) {
    let mut blocks = preview.blocks.iter_mut().rev();
    let is_it =
        |block: &&mut PromptBlock| block.included && block.role == message.role && block.text == message.content;
    match blocks.find(is_it) {
        Some(block) => {
            block.included = false;
            block.reason = Some(format!("{how} by {who}"));
        }
        None => preview.blocks.push(PromptBlock {
            included: false,
            ..block_of(message, who, how)
        }),
    }
}

fn block_of(message: &PromptMessage, who: &str, reason: &str) -> PromptBlock {
    PromptBlock {
        source: "extension".into(),
        label: who.to_owned(),
        role: message.role,
        depth: None,
        tokens: message.tokens,
        included: true,
        reason: Some(reason.to_owned()),
        text: message.content.clone(),
    }
}

/// Puts into the options what extensions want and nobody else has said. What is out of bounds is left out, and their
/// traces say so.
pub(crate) fn sample(options: &mut GenerationOptions, sampling: &[Setting], limits: &Limits, hooks: &mut TurnHooks) {
    for Setting { extension, key, value } in sampling {
        let mut wish = GenerationOptions::default();
        let number = value.parse::<f64>().ok();
        let whole = value.parse::<i32>().ok();
        let mut left_out = |why: &str| {
            let remark = format!("set-sampling: `{key}` was left out: {why}");
            hooks.remark(extension, Hook::BeforePrompt, &remark);
        };
        match key.as_str() {
            "temperature" if options.temperature.is_none() => wish.temperature = number,
            "top-p" if options.top_p.is_none() => wish.top_p = number,
            "top-k" if options.top_k.is_none() => wish.top_k = whole,
            "min-p" if options.min_p.is_none() => wish.min_p = number,
            "frequency-penalty" if options.frequency_penalty.is_none() => wish.frequency_penalty = number,
            "presence-penalty" if options.presence_penalty.is_none() => wish.presence_penalty = number,
            "repetition-penalty" if options.repetition_penalty.is_none() => wish.repetition_penalty = number,
            "max-tokens" if options.max_tokens.is_none() => wish.max_tokens = whole,
            "seed" if options.seed.is_none() => wish.seed = value.parse().ok(),
            "stop" if options.stop.len() < limits.stop_strings => wish.stop.push(value.clone()),
            "stop" => {
                left_out(&format!("there are {} already", limits.stop_strings));
                continue;
            }
            _ => {
                left_out("the user has set it");
                continue;
            }
        }
        if wish == GenerationOptions::default() {
            left_out("it is a whole number");
            continue;
        }
        let mut problems = Problems::new();
        check_options(&mut problems, &wish, limits);
        if let Err(error) = problems.finish() {
            left_out(&error.to_string());
            continue;
        }
        options.temperature = options.temperature.or(wish.temperature);
        options.top_p = options.top_p.or(wish.top_p);
        options.top_k = options.top_k.or(wish.top_k);
        options.min_p = options.min_p.or(wish.min_p);
        options.frequency_penalty = options.frequency_penalty.or(wish.frequency_penalty);
        options.presence_penalty = options.presence_penalty.or(wish.presence_penalty);
        options.repetition_penalty = options.repetition_penalty.or(wish.repetition_penalty);
        options.max_tokens = options.max_tokens.or(wish.max_tokens);
        options.seed = options.seed.or(wish.seed);
        options.stop.append(&mut wish.stop);
    }
}

/// Sets what there is room for, and gives back the rest.
pub(crate) fn set_variables(variables: &mut Variables, changes: Vec<Setting>) -> Vec<Setting> {
    let mut refused = Vec::new();
    let mut bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    for change in changes {
        let Setting { key, value, .. } = &change;
        let before = variables.get(key).map(|value| key.len() + value.len());
        let after = bytes - before.unwrap_or(0) + key.len() + value.len();
        let is_full = before.is_none() && variables.len() >= MAX_VARIABLES;
        if !is_full && after <= MAX_VARIABLE_BYTES && value.len() <= MAX_VALUE_BYTES {
            bytes = after;
            variables.insert(change.key, change.value);
        } else {
            refused.push(change);
        }
    }
    refused
}

/// Notes that a variable was not set.
pub(crate) fn no_room(hooks: &mut TurnHooks, hook: Hook, refused: &Setting) {
    let remark = format!("set-variable: the chat has no room for `{}`", refused.key);
    hooks.remark(&refused.extension, hook, &remark);
}

/// A message of the chat as extensions see it.
pub(crate) fn message(past: &PastMessage) -> Message {
    Message {
        id: past.id.clone(),
        role: role(past.role),
        name: (!past.name.is_empty()).then(|| past.name.clone()),
        text: past.content.clone(),
    }
}

fn added_note((source, note): (String, Note)) -> AddedText {
    AddedText {
        source,
        label: "note".into(),
        role: chat_role(note.role),
        place: place(&note.position, note.depth),
        text: note.text,
        order: 100,
    }
}

fn added_lore((source, addition): (String, Addition)) -> AddedText {
    AddedText {
        source,
        label: addition.title,
        text: addition.text,
        role: ChatRole::System,
        place: place(&addition.position, addition.depth),
        order: addition.order,
    }
}

/// The host lets no other positions through.
fn place(position: &str, depth: u32) -> AddedPlace {
    match position {
        "before-character" => AddedPlace::BeforeCharacter,
        "after-character" => AddedPlace::AfterCharacter,
        "end" => AddedPlace::End,
        _ => AddedPlace::InChat(depth),
    }
}

fn candidate(one: tavern_prompt::lore::Candidate, material: &Turn) -> Candidate {
    Candidate {
        id: one.key.to_string(),
        book: one.book.to_string(),
        title: one.comment.to_string(),
        keys: one.keys,
        tokens: material.counter.count(&one.content),
        active: one.active,
        text: one.content,
    }
}

pub(crate) const fn role(role: ChatRole) -> Role {
    match role {
        ChatRole::System => Role::System,
        ChatRole::User => Role::User,
        ChatRole::Assistant => Role::Assistant,
        ChatRole::Tool => Role::Tool,
    }
}

const fn chat_role(role: Role) -> ChatRole {
    match role {
        Role::System => ChatRole::System,
        Role::User => ChatRole::User,
        Role::Assistant => ChatRole::Assistant,
        Role::Tool => ChatRole::Tool,
    }
}

const fn kind_name(kind: GenerationKind) -> &'static str {
    match kind {
        GenerationKind::Normal => "normal",
        GenerationKind::Continue => "continue",
        GenerationKind::Regenerate => "regenerate",
        GenerationKind::Swipe => "swipe",
        GenerationKind::Impersonate => "impersonate",
        GenerationKind::Quiet => "quiet",
    }
}
