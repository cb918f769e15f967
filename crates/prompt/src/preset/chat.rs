//! Chat-completion presets: which prompts there are, in which order, and the phrases between them.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tavern_domain::chat::ChatRole;

use super::fields::{Fields, shortened};

const MAIN: &str = "You are {{char}}, in a role-play with {{user}} that has no fixed end. Write only what {{char}} says and does next, in {{char}}'s own voice, and leave {{user}}'s words and deeds to {{user}}. Put narration in *asterisks* and speech in quotation marks. Let things happen: be concrete, answer what was said, and bring in something new where the scene allows it.";
const ENHANCE: &str = "Where you know more of {{char}} than stands here, use it, as long as it contradicts none of it.";
const IMPERSONATE: &str = "[Write the next message of {{user}}, from {{user}}'s point of view and in {{user}}'s style so far. Do not write for {{char}}.]";
const CONTINUE: &str = "[Go on with your last message exactly where it stops. Repeat none of it.]";
const GROUP_NUDGE: &str = "[Now answer as {{char}} alone.]";
const NEW_CHAT: &str = "[The story begins here.]";
const NEW_GROUP_CHAT: &str = "[The story begins here. In it are {{group}}.]";
const EXAMPLE: &str = "[An example of how {{char}} speaks; it is no part of the story.]";
const PERSONALITY: &str = "[{{char}}'s personality: {{personality}}]";
const SCENARIO: &str = "[Scenario: {{scenario}}]";

/// The most prompts of a preset; the rest is left out with a warning.
const PROMPTS: usize = 1_000;
/// SillyTavern's id of the order that holds for every character, and the one before it.
const ORDERS: [i64; 2] = [100_001, 100_000];

/// How a chat-completion prompt is put together. Texts are unexpanded.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatPreset {
    /// Those that stand in the order, in it.
    pub prompts: Vec<PromptEntry>,
    /// Before the history.
    pub new_chat: String,
    pub new_group_chat: String,
    /// Before each block of examples.
    pub new_example: String,
    pub continue_nudge: String,
    pub group_nudge: String,
    pub impersonation: String,
    /// `{0}` stands for the lore.
    pub lore_format: String,
    pub scenario_format: String,
    pub personality_format: String,
    pub names: NamesBehaviour,
    /// Joins neighbouring system messages.
    pub squash_system: bool,
    /// What the user says where the last message is the character's; empty = nothing.
    pub send_if_empty: String,
    /// Continues by giving the model its message as a beginning, instead of asking it to go on.
    pub continue_prefill: bool,
    /// Put behind a message that is to be continued.
    pub continue_postfix: String,
    /// What every reply starts with; empty = nothing.
    pub assistant_prefill: String,
    pub impersonation_prefill: String,
    /// Keeps the examples and lets the history go first.
    pub pin_examples: bool,
    /// Tokens, the reply included.
    pub max_context: Option<u32>,
    /// Tokens of the reply.
    pub max_response: Option<u32>,
}

/// A prompt of a preset.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptEntry {
    pub identifier: String,
    /// For people.
    pub name: String,
    pub role: ChatRole,
    pub content: String,
    pub enabled: bool,
    pub slot: PromptSlot,
    /// Kinds of generation it is for, as SillyTavern names them; empty = all.
    pub triggers: Vec<String>,
    /// A card may not replace it.
    pub forbid_overrides: bool,
}

/// What a prompt stands for, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptSlot {
    /// In the place that the order gives it, with something known for its text.
    Marker(Marker),
    /// In the place that the order gives it.
    Relative,
    /// Among the messages of the chat: so many from the end, lower `order` first.
    InChat { depth: u32, order: i32 },
}

/// Prompts that the engine gives a text, or a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Marker {
    /// The card's `system_prompt` replaces it.
    Main,
    /// The card's `post_history_instructions` replace it.
    PostHistory,
    LoreBefore,
    LoreAfter,
    Persona,
    Description,
    Personality,
    Scenario,
    Examples,
    History,
}

impl Marker {
    const ALL: [(&'static str, Self); 10] = [
        ("main", Self::Main),
        ("worldInfoBefore", Self::LoreBefore),
        ("personaDescription", Self::Persona),
        ("charDescription", Self::Description),
        ("charPersonality", Self::Personality),
        ("scenario", Self::Scenario),
        ("worldInfoAfter", Self::LoreAfter),
        ("dialogueExamples", Self::Examples),
        ("chatHistory", Self::History),
        ("jailbreak", Self::PostHistory),
    ];

    fn of(identifier: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find_map(|(name, marker)| (*name == identifier).then_some(*marker))
    }

    /// Whether the preset's own text is used.
    const fn has_text(self) -> bool {
        matches!(self, Self::Main | Self::PostHistory)
    }
}

/// How the model learns who speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NamesBehaviour {
    None,
    /// Before the text, in groups, except for the user.
    #[default]
    Groups,
    /// In the message's `name`.
    Field,
    /// Before the text.
    Content,
}

/// The order of a preset that gives none.
const DEFAULT_ORDER: [(&str, &str); 12] = [
    ("main", "Main"),
    ("worldInfoBefore", "Lore before the character"),
    ("personaDescription", "Persona"),
    ("charDescription", "Description"),
    ("charPersonality", "Personality"),
    ("scenario", "Scenario"),
    ("enhanceDefinitions", "Enhance definitions"),
    ("nsfw", "Auxiliary"),
    ("worldInfoAfter", "Lore after the character"),
    ("dialogueExamples", "Examples"),
    ("chatHistory", "History"),
    ("jailbreak", "Post-history instructions"),
];

impl Default for ChatPreset {
    fn default() -> Self {
        let fields = Map::new();
        Self::read(&mut Fields::new("chat", &fields))
    }
}

impl ChatPreset {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut text = |name: &str, default: &str| fields.text(name).unwrap_or_else(|| default.to_owned());
        let new_chat = text("new_chat_prompt", NEW_CHAT);
        let new_group_chat = text("new_group_chat_prompt", NEW_GROUP_CHAT);
        let new_example = text("new_example_chat_prompt", EXAMPLE);
        let continue_nudge = text("continue_nudge_prompt", CONTINUE);
        let group_nudge = text("group_nudge_prompt", GROUP_NUDGE);
        let impersonation = text("impersonation_prompt", IMPERSONATE);
        let lore_format = text("wi_format", "{0}");
        let scenario_format = text("scenario_format", SCENARIO);
        let personality_format = text("personality_format", PERSONALITY);
        let send_if_empty = text("send_if_empty", "");
        let continue_postfix = text("continue_postfix", " ");
        let assistant_prefill = text("assistant_prefill", "");
        let impersonation_prefill = text("assistant_impersonation", "");
        let names = match fields.integer("names_behavior") {
            None | Some(0) => NamesBehaviour::Groups,
            Some(-1) => NamesBehaviour::None,
            Some(1) => NamesBehaviour::Field,
            Some(2) => NamesBehaviour::Content,
            Some(_) => {
                fields.warn("names_behavior is none of -1, 0, 1, 2 and was left out.");
                NamesBehaviour::Groups
            }
        };
        Self {
            prompts: prompts(fields),
            new_chat,
            new_group_chat,
            new_example,
            continue_nudge,
            group_nudge,
            impersonation,
            lore_format,
            scenario_format,
            personality_format,
            names,
            squash_system: fields.flag("squash_system_messages").unwrap_or(false),
            send_if_empty,
            continue_prefill: fields.flag("continue_prefill").unwrap_or(false),
            continue_postfix,
            assistant_prefill,
            impersonation_prefill,
            pin_examples: fields.flag("pin_examples").unwrap_or(false),
            max_context: fields.count("openai_max_context"),
            max_response: fields.count("openai_max_tokens"),
        }
    }
}

/// The preset's prompts in its order.
fn prompts(fields: &mut Fields<'_>) -> Vec<PromptEntry> {
    let mut defined: HashMap<&str, PromptEntry> = HashMap::new();
    let list = fields.value("prompts").and_then(Value::as_array);
    for prompt in list.into_iter().flatten() {
        if defined.len() == PROMPTS {
            fields.warn("there are too many prompts; the last ones were left out.");
            break;
        }
        let Some((identifier, prompt)) = prompt.as_object().and_then(|prompt| {
            let identifier = prompt.get("identifier")?.as_str()?;
            Some((identifier, prompt))
        }) else {
            fields.warn("a prompt without an identifier was left out.");
            continue;
        };
        if defined.contains_key(identifier) {
            fields.warn(&format!("the second prompt {} was left out.", shortened(identifier)));
            continue;
        }
        let mut inner = Fields::new("chat", prompt);
        defined.insert(identifier, entry(identifier, &mut inner));
        for warning in inner.warnings {
            let warning = warning.trim_start_matches("chat: ");
            fields.warn(&format!("prompt {}: {warning}", shortened(identifier)));
        }
    }

    let Some(order) = order(fields) else {
        return DEFAULT_ORDER
            .iter()
            .map(|(identifier, name)| {
                defined
                    .remove(identifier)
                    .unwrap_or_else(|| default_entry(identifier, name, fields))
            })
            .map(|entry| PromptEntry {
                enabled: entry.identifier != "enhanceDefinitions",
                ..entry
            })
            .collect();
    };
    let mut ordered = Vec::new();
    for (identifier, enabled) in order {
        let known = DEFAULT_ORDER.iter().find(|(known, _)| *known == identifier);
        let entry = match (defined.remove(identifier), known) {
            (Some(entry), _) => entry,
            // A second time in the order: the first place holds.
            (None, _) if ordered.iter().any(|other: &PromptEntry| other.identifier == identifier) => continue,
            (None, Some((identifier, name))) => default_entry(identifier, name, fields),
            (None, None) => {
                fields.warn(&format!(
                    "the order names a prompt that is not there: {}.",
                    shortened(identifier)
                ));
                continue;
            }
        };
        ordered.push(PromptEntry { enabled, ..entry });
        if ordered.len() == PROMPTS {
            break;
        }
    }
    ordered
}

fn entry(identifier: &str, fields: &mut Fields<'_>) -> PromptEntry {
    let in_chat = fields.integer("injection_position") == Some(1);
    let marker = Marker::of(identifier);
    let content = fields.text("content");
    let slot = match marker {
        Some(marker) if !marker.has_text() || !in_chat => PromptSlot::Marker(marker),
        _ if in_chat => PromptSlot::InChat {
            depth: fields.count("injection_depth").unwrap_or(4),
            order: fields
                .integer("injection_order")
                .and_then(|order| i32::try_from(order).ok())
                .unwrap_or(100),
        },
        _ => PromptSlot::Relative,
    };
    PromptEntry {
        identifier: identifier.to_owned(),
        name: fields.text("name").unwrap_or_else(|| identifier.to_owned()),
        role: fields.role("role").unwrap_or(ChatRole::System),
        content: content.unwrap_or_default(),
        enabled: true,
        slot,
        triggers: fields.texts("injection_trigger"),
        forbid_overrides: fields.flag("forbid_overrides").unwrap_or(false),
    }
}

/// A prompt that everybody has. Presets from before there were lists of prompts have its text in a field.
fn default_entry(identifier: &str, name: &str, fields: &mut Fields<'_>) -> PromptEntry {
    let content = match identifier {
        "main" => fields.text("main_prompt").unwrap_or_else(|| MAIN.to_owned()),
        "nsfw" => fields.text("nsfw_prompt").unwrap_or_default(),
        "jailbreak" => fields.text("jailbreak_prompt").unwrap_or_default(),
        "enhanceDefinitions" => ENHANCE.to_owned(),
        _ => String::new(),
    };
    PromptEntry {
        identifier: identifier.to_owned(),
        name: name.to_owned(),
        role: ChatRole::System,
        content,
        enabled: true,
        slot: Marker::of(identifier).map_or(PromptSlot::Relative, PromptSlot::Marker),
        triggers: Vec::new(),
        forbid_overrides: false,
    }
}

/// Identifiers and whether they are on: the order for all characters, else the first one there is;
/// one that is not wrapped in a list of characters is taken as well.
fn order<'a>(fields: &Fields<'a>) -> Option<Vec<(&'a str, bool)>> {
    let list = fields.value("prompt_order")?.as_array()?;
    let of_character = |id: i64| {
        list.iter()
            .find(|order| order.get("character_id").and_then(lenient_id) == Some(id))
    };
    let order = ORDERS
        .iter()
        .find_map(|id| of_character(*id))
        .or_else(|| list.iter().find(|order| order.get("order").is_some()));
    let items = match order {
        Some(order) => order.get("order")?.as_array()?,
        None => list,
    };
    let items: Vec<_> = items
        .iter()
        .filter_map(|item| {
            let identifier = item.get("identifier")?.as_str()?;
            Some((identifier, item.get("enabled").and_then(Value::as_bool).unwrap_or(true)))
        })
        .take(PROMPTS)
        .collect();
    (!items.is_empty()).then_some(items)
}

fn lenient_id(id: &Value) -> Option<i64> {
    id.as_i64().or_else(|| id.as_str()?.parse().ok())
}
