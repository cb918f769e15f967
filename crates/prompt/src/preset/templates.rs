//! Sections of text completion: instruct and context templates, system prompt.

use tavern_domain::chat::ChatRole;

use super::fields::Fields;
use crate::js_regex::JsRegex;

/// Sequences around the messages of a text-completion prompt. Texts are unexpanded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstructTemplate {
    pub name: String,
    pub enabled: bool,
    pub input_sequence: String,
    pub input_suffix: String,
    pub first_input_sequence: String,
    pub last_input_sequence: String,
    pub output_sequence: String,
    pub output_suffix: String,
    pub first_output_sequence: String,
    pub last_output_sequence: String,
    pub system_sequence: String,
    pub system_suffix: String,
    pub last_system_sequence: String,
    pub story_string_prefix: String,
    pub story_string_suffix: String,
    pub stop_sequence: String,
    /// Sequences stand on lines of their own.
    pub wrap: bool,
    /// Sequences have macros.
    pub macros: bool,
    pub names: InstructNames,
    pub system_same_as_user: bool,
    /// Examples are left as they are written.
    pub skip_examples: bool,
    /// Stops at any sequence, not only at `stop_sequence`.
    pub sequences_as_stop_strings: bool,
    /// Said by the user before a history that starts with the character; empty = nothing.
    pub user_alignment_message: String,
    /// Names of models the template is for: a pattern, with or without slashes.
    pub activation_regex: String,
}

/// Which messages of an instruct prompt have their speaker's name before their text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InstructNames {
    None,
    /// Those of a group's characters.
    #[default]
    Force,
    Always,
}

impl InstructTemplate {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut text = |name: &str| fields.text(name).unwrap_or_default();
        let mut template = Self {
            name: text("name"),
            input_sequence: text("input_sequence"),
            input_suffix: text("input_suffix"),
            first_input_sequence: text("first_input_sequence"),
            last_input_sequence: text("last_input_sequence"),
            output_sequence: text("output_sequence"),
            output_suffix: text("output_suffix"),
            first_output_sequence: text("first_output_sequence"),
            last_output_sequence: text("last_output_sequence"),
            system_sequence: text("system_sequence"),
            system_suffix: text("system_suffix"),
            last_system_sequence: text("last_system_sequence"),
            story_string_prefix: text("story_string_prefix"),
            story_string_suffix: text("story_string_suffix"),
            stop_sequence: text("stop_sequence"),
            user_alignment_message: text("user_alignment_message"),
            activation_regex: text("activation_regex"),
            ..Self::default()
        };
        // Their older names.
        if template.story_string_prefix.is_empty() {
            template.story_string_prefix = text("system_sequence_prefix");
        }
        if template.story_string_suffix.is_empty() {
            template.story_string_suffix = text("system_sequence_suffix");
        }
        // Templates from before suffixes had one separator for all.
        if fields.value("separator_sequence").is_some() && fields.value("output_suffix").is_none() {
            template.output_suffix = fields.text("separator_sequence").unwrap_or_default();
        }
        let mut flag = |name: &str, default: bool| fields.flag(name).unwrap_or(default);
        template.enabled = flag("enabled", true);
        template.wrap = flag("wrap", true);
        template.macros = flag("macro", true);
        template.system_same_as_user = flag("system_same_as_user", false);
        template.skip_examples = flag("skip_examples", false);
        template.sequences_as_stop_strings = flag("sequences_as_stop_strings", true);
        let (names, force) = (flag("names", false), flag("names_force_groups", true));
        template.names = match fields.text("names_behavior").as_deref() {
            Some("none") => InstructNames::None,
            Some("force") => InstructNames::Force,
            Some("always") => InstructNames::Always,
            // Two flags, in older templates.
            _ if names => InstructNames::Always,
            _ if force => InstructNames::Force,
            _ => InstructNames::None,
        };
        template
    }

    /// Whether it says of itself that it is for `model`.
    #[must_use]
    pub fn is_for(&self, model: &str) -> bool {
        let pattern = self.activation_regex.trim();
        !pattern.is_empty()
            && JsRegex::parse(pattern)
                .or_else(|| JsRegex::new(pattern, "i"))
                .is_some_and(|regex| regex.is_match(model))
    }
}

/// Where a story string stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StoryPlace {
    #[default]
    BeforeChat,
    /// Among the messages of the chat.
    AtDepth { depth: u32, role: ChatRole },
}

/// What stands around the chat in a text-completion prompt. Texts are unexpanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextTemplate {
    pub name: String,
    pub story_string: String,
    pub story_place: StoryPlace,
    pub example_separator: String,
    pub chat_start: String,
    /// Stops at `example_separator` and `chat_start`.
    pub use_stop_strings: bool,
    /// Stops at the names of those who do not speak.
    pub names_as_stop_strings: bool,
    /// Post-history instructions are used.
    pub allow_post_history: bool,
    /// The prompt ends in the speaker's name.
    pub always_force_name: bool,
    /// An unfinished last sentence of a reply is cut off.
    pub trim_sentences: bool,
    /// A reply ends at the first line break.
    pub single_line: bool,
}

const STORY: &str = "{{#if anchorBefore}}{{anchorBefore}}\n{{/if}}{{#if system}}{{system}}\n{{/if}}{{#if wiBefore}}{{wiBefore}}\n{{/if}}{{#if description}}{{description}}\n{{/if}}{{#if personality}}Personality of {{char}}: {{personality}}\n{{/if}}{{#if scenario}}Scenario: {{scenario}}\n{{/if}}{{#if wiAfter}}{{wiAfter}}\n{{/if}}{{#if persona}}{{persona}}\n{{/if}}{{#if anchorAfter}}{{anchorAfter}}\n{{/if}}";

impl Default for ContextTemplate {
    fn default() -> Self {
        let fields = serde_json::Map::new();
        Self::read(&mut Fields::new("context", &fields))
    }
}

impl ContextTemplate {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let story_place = match fields.integer("story_string_position") {
            Some(1) => StoryPlace::AtDepth {
                depth: fields.count("story_string_depth").unwrap_or(1),
                role: fields.role("story_string_role").unwrap_or(ChatRole::System),
            },
            _ => StoryPlace::BeforeChat,
        };
        let mut flag = |name: &str, default: bool| fields.flag(name).unwrap_or(default);
        Self {
            story_place,
            use_stop_strings: flag("use_stop_strings", false),
            names_as_stop_strings: flag("names_as_stop_strings", true),
            allow_post_history: flag("allow_jailbreak", true),
            always_force_name: flag("always_force_name2", true),
            trim_sentences: flag("trim_sentences", false),
            single_line: flag("single_line", false),
            name: fields.text("name").unwrap_or_default(),
            story_string: fields.text("story_string").unwrap_or_else(|| STORY.to_owned()),
            example_separator: fields.text("example_separator").unwrap_or_else(|| "***".to_owned()),
            chat_start: fields.text("chat_start").unwrap_or_else(|| "***".to_owned()),
        }
    }
}

/// Instructions of text completion. Texts are unexpanded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemPrompt {
    pub name: String,
    pub enabled: bool,
    pub content: String,
    pub post_history: String,
}

impl SystemPrompt {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            enabled: fields.flag("enabled").unwrap_or(true),
            name: fields.text("name").unwrap_or_default(),
            content: fields.text("content").unwrap_or_default(),
            post_history: fields.text("post_history").unwrap_or_default(),
        }
    }
}
