//! Presets as people exchange them, read into what the engine needs.
//!
//! The JSON of a preset is kept whole elsewhere ([`tavern_domain::preset`]); this is a reading of it,
//! and the reading is lenient: a number written as text, a missing field or one of the wrong type is
//! taken as well as can be, with a warning, and never an error. Field names and their meanings are
//! SillyTavern's; every default text is our own.
//!
//! Fields of a chat preset without a meaning here: which provider, model, proxy and headers are used
//! (`chat_completion_source`, `*_model`, `reverse_proxy`, `proxy_password`, `custom_*`,
//! `openrouter_*`, `azure_*`, `vertexai_*`, `bypass_status_check`), how its window looks
//! (`max_context_unlocked`, `use_alt_scale`, `show_external_models`, `show_thoughts`), and what other
//! parts of the house decide (`stream_openai`, `image_inlining`, `video_inlining`, `function_calling`,
//! `enable_web_search`, `n`, `bias_preset_selected`, `wrap_in_quotes`, `use_sysprompt`,
//! `custom_prompt_post_processing`). Of text-completion samplers: `streaming`, `preset`,
//! `stopping_strings`, `rep_pen_size`. They are kept, and come out of an export as they went in.

mod chat;
mod fields;
mod file;
mod lore;
mod macro_texts;
mod samplers;
mod templates;

use serde_json::Value;
use tavern_domain::lore::LoreSettings;

pub use chat::{ChatPreset, Marker, NamesBehaviour, PromptEntry, PromptSlot};
pub use file::{PresetFileError, export_preset, read_preset_file};
pub use samplers::Samplers;
pub use templates::{ContextTemplate, InstructNames, InstructTemplate, StoryPlace, SystemPrompt};

use crate::reply::ReasoningTemplate;
use fields::Fields;

/// A preset, read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PresetConfig {
    pub chat: ChatPreset,
    /// `None` without such a section: a transcript of `Name: text` lines is written instead.
    pub instruct: Option<InstructTemplate>,
    pub context: ContextTemplate,
    /// The main instructions of text completion; those of `chat` if `None`.
    pub system: Option<SystemPrompt>,
    /// Of the section `samplers`, over those of `chat`.
    pub samplers: Samplers,
    pub reasoning: ReasoningTemplate,
    /// `None` if the preset says nothing of lore.
    pub lore: Option<LoreSettings>,
    /// SillyTavern's regex scripts: the section's own, then those inside the chat preset.
    pub regex_scripts: Vec<Value>,
    /// One sentence for each repair.
    pub warnings: Vec<String>,
}

impl PresetConfig {
    /// Reads an object of sections ([`tavern_domain::preset::SECTIONS`]); what is no object reads as
    /// an empty preset.
    #[must_use]
    pub fn read(sections: &Value) -> Self {
        let mut warnings = Vec::new();
        let mut section = |name: &'static str| match sections.get(name) {
            Some(Value::Object(fields)) => Some(Fields::new(name, fields)),
            None | Some(Value::Null) => None,
            Some(_) => {
                warnings.push(format!("The section {name} is no object and was left out."));
                None
            }
        };
        let [mut chat, mut instruct, mut context, mut system, mut samplers, mut lore] =
            ["chat", "instruct", "context", "sysprompt", "samplers", "lore"].map(&mut section);

        let mut regex_scripts: Vec<Value> = Vec::new();
        let scoped = sections.pointer("/chat/extensions/regex_scripts");
        for scripts in [sections.get("regexScripts"), scoped].into_iter().flatten() {
            regex_scripts.extend(scripts.as_array().into_iter().flatten().cloned());
        }
        let mut config = Self {
            chat: chat.as_mut().map(ChatPreset::read).unwrap_or_default(),
            instruct: instruct.as_mut().map(InstructTemplate::read),
            context: context.as_mut().map(ContextTemplate::read).unwrap_or_default(),
            system: system.as_mut().map(SystemPrompt::read),
            samplers: Samplers::default(),
            reasoning: sections
                .get("reasoning")
                .map(ReasoningTemplate::read)
                .unwrap_or_default(),
            lore: lore.as_mut().map(lore::read),
            regex_scripts,
            warnings: Vec::new(),
        };
        for fields in [&mut chat, &mut samplers].into_iter().flatten() {
            config.samplers = Samplers::read(fields).or(config.samplers);
        }
        for fields in [chat, instruct, context, system, samplers, lore].into_iter().flatten() {
            warnings.extend(fields.warnings);
        }
        config.warnings = warnings;
        config
    }
}

#[cfg(test)]
mod tests;
