//! What macros can ask about.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use tavern_domain::Timestamp;

/// What macros can ask about. Everything is optional: what is not known is empty.
///
/// Texts of the card, the persona and the template are written by people who may use macros: they are
/// expanded where they are put in. Everything else (names, messages, the input, the summary, outlets)
/// is put in as it is.
#[derive(Debug, Clone, Default)]
pub struct Scene<'a> {
    pub user: Cow<'a, str>,
    pub char: Cow<'a, str>,
    /// Names of all members of a group, joined by ", "; the speaker's in a chat of two, which may be left empty.
    pub group: Cow<'a, str>,
    /// As [`Self::group`].
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
    /// Texts of the instruct and context templates by the macro's name (`instructInput`, `chatStart`, …);
    /// where a macro has several names, any of them, in any case.
    pub template: BTreeMap<String, String>,
    /// Contents of lore outlets by name.
    pub outlets: BTreeMap<String, String>,
    /// Identifies the chat for `{{pick}}`; copied to its branches.
    pub chat_seed: u64,
    /// Macros of extensions; the built-in ones go first.
    pub custom: Option<&'a dyn CustomMacros>,
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
    /// Index into `messages` of the first one that is in the prompt, once it is known.
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

/// Macros that extensions bring. What they return is put in as it is, within the bounds of every macro.
pub trait CustomMacros: fmt::Debug + Send + Sync {
    /// The value of the macro `name` (in lower case) with these arguments, already expanded; content of a scoped
    /// macro is the last of them. `None` leaves it in the text as it is written.
    fn expand(&self, name: &str, args: &[String]) -> Option<String>;

    /// Whether an extension of that name is active, for `{{hasExtension}}`.
    fn has_extension(&self, _name: &str) -> bool {
        false
    }
}
