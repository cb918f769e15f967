//! What `{{instructInput}}`, `{{chatStart}}` and their like stand for.

use std::collections::BTreeMap;

use super::PresetConfig;

impl PresetConfig {
    /// The templates' texts by the names of their macros, for [`Scene::template`](crate::macros::Scene::template).
    #[must_use]
    pub fn macro_texts(&self) -> BTreeMap<String, String> {
        let mut texts = vec![
            ("exampleSeparator", &self.context.example_separator),
            ("chatStart", &self.context.chat_start),
        ];
        if let Some(system) = &self.system {
            texts.push(("instructSystemPrompt", &system.content));
        }
        if let Some(instruct) = &self.instruct {
            texts.extend([
                ("instructStoryStringPrefix", &instruct.story_string_prefix),
                ("instructStoryStringSuffix", &instruct.story_string_suffix),
                ("instructInput", &instruct.input_sequence),
                ("instructUserSuffix", &instruct.input_suffix),
                ("instructOutput", &instruct.output_sequence),
                ("instructSeparator", &instruct.output_suffix),
                ("instructSystemPrefix", &instruct.system_sequence),
                ("instructSystemSuffix", &instruct.system_suffix),
                ("instructFirstOutputPrefix", &instruct.first_output_sequence),
                ("instructLastOutputPrefix", &instruct.last_output_sequence),
                ("instructFirstInput", &instruct.first_input_sequence),
                ("instructLastInput", &instruct.last_input_sequence),
                ("instructStop", &instruct.stop_sequence),
                ("instructUserFiller", &instruct.user_alignment_message),
                ("instructSystemInstructionPrefix", &instruct.last_system_sequence),
            ]);
        }
        texts
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text.clone()))
            .collect()
    }
}
