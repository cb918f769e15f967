//! Macros: `{{…}}` in the texts of a prompt.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tavern_domain::Timestamp;
use tavern_domain::chat::Variables;

/// What macros can ask about. Everything is optional: what is not known is empty.
#[derive(Debug, Clone, Default)]
pub struct Scene<'a> {
    pub user: Cow<'a, str>,
    pub char: Cow<'a, str>,
    /// Names of all members of a group, the speaker's in a chat of two; joined by ", ".
    pub group: Cow<'a, str>,
    pub group_not_muted: Cow<'a, str>,
    /// The members other than the speaker, and the user; joined by ", ".
    pub not_char: Cow<'a, str>,
    pub is_group: bool,
    pub card: CardScene<'a>,
    pub persona: Cow<'a, str>,
    pub chat: ChatScene<'a>,
    /// The user's text that the turn starts with.
    pub input: Cow<'a, str>,
    pub now: Option<Timestamp>,
    /// Minutes east of UTC that local times are told in.
    pub utc_offset_minutes: i32,
    pub model: Cow<'a, str>,
    /// As SillyTavern names it: `normal`, `continue`, `impersonate`, `swipe`, `regenerate`, `quiet`.
    pub generation_type: &'static str,
    pub max_context_tokens: i32,
    pub max_response_tokens: i32,
    /// Texts of the instruct and context templates by the macro's name (`instructInput`, `chatStart`, …).
    pub template: BTreeMap<String, String>,
    /// Contents of lore outlets by name.
    pub outlets: BTreeMap<String, String>,
    /// Identifies the chat for `{{pick}}`; copied to its branches.
    pub chat_seed: u64,
}

/// The speaker's card.
#[derive(Debug, Clone, Default)]
pub struct CardScene<'a> {
    pub description: Cow<'a, str>,
    pub personality: Cow<'a, str>,
    pub scenario: Cow<'a, str>,
    pub system_prompt: Cow<'a, str>,
    pub post_history_instructions: Cow<'a, str>,
    pub depth_prompt: Cow<'a, str>,
    pub creator_notes: Cow<'a, str>,
    pub version: Cow<'a, str>,
    /// As the card has it.
    pub example_dialogue: Cow<'a, str>,
    /// The first message and its alternates.
    pub greetings: Vec<Cow<'a, str>>,
}

/// The chat so far, oldest first, hidden messages left out.
#[derive(Debug, Clone, Default)]
pub struct ChatScene<'a> {
    pub messages: Vec<SceneMessage<'a>>,
    pub summary: Cow<'a, str>,
    /// Index of the first message that is in the prompt, once it is known.
    pub first_included: Option<usize>,
}

/// A message as macros see it.
#[derive(Debug, Clone, Default)]
pub struct SceneMessage<'a> {
    /// Its number in the whole chat, from 0.
    pub id: usize,
    pub is_user: bool,
    pub is_system: bool,
    pub name: Cow<'a, str>,
    pub text: Cow<'a, str>,
    pub swipes: usize,
    /// From 0.
    pub active_swipe: usize,
    pub sent_at: Option<Timestamp>,
}

/// What evaluating macros has changed or decided; to be stored once the turn is accepted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// The chat's variables after the evaluation.
    pub local: Variables,
    /// The account's variables after the evaluation.
    pub global: Variables,
    pub local_changed: bool,
    pub global_changed: bool,
    /// Words that `{{banned}}` asks the model not to use.
    pub banned: Vec<String>,
    pub warnings: Vec<String>,
}

/// Evaluates macros for one turn. The same seed, scene and texts give the same results.
pub struct Macros<'a> {
    scene: Scene<'a>,
    effects: Effects,
    seed: u64,
}

impl<'a> Macros<'a> {
    #[must_use]
    pub fn new(scene: Scene<'a>, local: Variables, global: Variables, seed: u64) -> Self {
        let effects = Effects {
            local,
            global,
            ..Effects::default()
        };
        Self { scene, effects, seed }
    }

    pub fn scene(&self) -> &Scene<'a> {
        &self.scene
    }

    pub fn scene_mut(&mut self) -> &mut Scene<'a> {
        &mut self.scene
    }

    /// `text` with its macros replaced. Never fails: what cannot be evaluated stays as it is written.
    pub fn expand(&mut self, text: &str) -> String {
        let _ = self.seed;
        text.replace("{{char}}", &self.scene.char)
            .replace("{{user}}", &self.scene.user)
    }

    /// As [`Self::expand`]; the first `{{original}}` stands for `original`, the others for nothing.
    pub fn expand_with_original(&mut self, text: &str, original: &str) -> String {
        self.expand(&text.replace("{{original}}", original))
    }

    #[must_use]
    pub fn finish(self) -> Effects {
        self.effects
    }
}

/// Whether `text` can hold a macro at all.
#[must_use]
pub fn has_macros(text: &str) -> bool {
    text.contains("{{") || text.contains('<')
}
