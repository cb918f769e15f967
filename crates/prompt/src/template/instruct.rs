//! Instruct sequences: how messages become one text.

use std::borrow::Cow;
use std::collections::HashMap;

use tavern_domain::chat::ChatRole;
use tavern_domain::generation::GenerationKind;

use crate::macros::{Macros, has_macros};
use crate::preset::{InstructNames, InstructTemplate};

/// Writes messages as one template wants them; as lines `Name: text` without one.
#[derive(Debug, Clone)]
pub struct Formatter {
    /// Macros expanded, but for `{{name}}`.
    template: Option<InstructTemplate>,
    user: String,
    char: String,
    is_group: bool,
}

/// A message's voice, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line<'a> {
    pub role: ChatRole,
    /// Empty = nobody's.
    pub name: &'a str,
    pub place: Place,
}

/// Where templates have sequences of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Place {
    First,
    #[default]
    Middle,
    /// The user's last message, or the message that is continued.
    Last,
}

/// What stands before and behind a message's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affixes {
    pub prefix: String,
    pub suffix: String,
}

/// What the reply is written behind.
#[derive(Debug, Clone, Copy)]
pub struct LastLine<'a> {
    pub kind: GenerationKind,
    /// Whose reply it will be.
    pub name: &'a str,
    /// Whether a transcript ends in the name.
    pub force_name: bool,
    /// What the reply starts with.
    pub prefill: &'a str,
}

impl Formatter {
    /// `None`, or a template that is off: a transcript.
    #[must_use]
    pub fn new(template: Option<&InstructTemplate>, macros: &mut Macros<'_>) -> Self {
        let template = template
            .filter(|template| template.enabled)
            .cloned()
            .map(|mut template| {
                if template.macros {
                    for text in template.sequences_mut() {
                        if has_macros(text) {
                            *text = macros.expand(text);
                        }
                    }
                }
                template
            });
        Self {
            template,
            user: macros.scene().user.clone().into_owned(),
            char: macros.scene().char.clone().into_owned(),
            is_group: macros.scene().is_group,
        }
    }

    #[must_use]
    pub const fn is_instruct(&self) -> bool {
        self.template.is_some()
    }

    /// Said by the user before a history that starts with the character.
    #[must_use]
    pub fn user_alignment_message(&self) -> &str {
        self.template
            .as_ref()
            .map_or("", |template| &template.user_alignment_message)
    }

    #[must_use]
    pub fn skips_examples(&self) -> bool {
        self.template.as_ref().is_none_or(|template| template.skip_examples)
    }

    /// What goes around a message.
    #[must_use]
    pub fn affixes(&self, line: Line<'_>) -> Affixes {
        let Line { role, name, place } = line;
        let Some(template) = &self.template else {
            let prefix = match role {
                ChatRole::System | ChatRole::Tool => String::new(),
                _ if name.is_empty() => String::new(),
                _ => format!("{name}: "),
            };
            return Affixes {
                prefix,
                suffix: "\n".to_owned(),
            };
        };
        let (sequence, suffix) = template.around(role, place);
        let named = role_has_name(role)
            && !name.is_empty()
            && match template.names {
                InstructNames::None => false,
                InstructNames::Force => self.is_group && name != self.user,
                InstructNames::Always => true,
            };
        let separator = template.separator();
        let mut prefix = with_name(sequence, name).into_owned();
        if !prefix.is_empty() {
            prefix.push_str(separator);
        }
        if named {
            prefix.push_str(name);
            prefix.push_str(": ");
        }
        let suffix = if suffix.is_empty() { separator } else { suffix };
        Affixes {
            prefix,
            suffix: with_name(suffix, name).into_owned(),
        }
    }

    /// The story with the sequences around it.
    #[must_use]
    pub fn story(&self, story: &str) -> String {
        if story.is_empty() {
            return String::new();
        }
        let wraps = self.template.as_ref().is_none_or(|template| template.wrap);
        let mut text = String::with_capacity(story.len());
        if let Some(template) = &self.template
            && !template.story_string_prefix.is_empty()
        {
            text.push_str(&with_name(&template.story_string_prefix, "System"));
            text.push_str(template.separator());
        }
        text.push_str(story);
        if wraps && !text.ends_with('\n') {
            text.push('\n');
        }
        if let Some(template) = &self.template {
            text.push_str(&with_name(&template.story_string_suffix, "System"));
        }
        text
    }

    /// What the reply is written behind.
    #[must_use]
    pub fn last_line(&self, line: LastLine<'_>) -> String {
        let LastLine {
            kind,
            name,
            force_name,
            prefill,
        } = line;
        let Some(template) = &self.template else {
            return match kind {
                GenerationKind::Quiet => prefill.to_owned(),
                _ if name.is_empty() || !force_name && prefill.is_empty() => prefill.to_owned(),
                _ if prefill.is_empty() => format!("{name}:"),
                _ => format!("{name}: {prefill}"),
            };
        };
        let named = !name.is_empty()
            && kind != GenerationKind::Quiet
            && match template.names {
                InstructNames::None => false,
                InstructNames::Force => self.is_group,
                InstructNames::Always => true,
            };
        let or = |special: &str, otherwise: &str| if special.is_empty() { otherwise } else { special }.to_owned();
        let sequence = match kind {
            GenerationKind::Impersonate => template.input_sequence.clone(),
            GenerationKind::Quiet => or(&template.last_system_sequence, &template.output_sequence),
            _ => or(&template.last_output_sequence, &template.output_sequence),
        };
        let sequence = with_name(&sequence, name);
        let separator = template.separator();
        let sequence = if template.wrap { sequence.trim_end() } else { &sequence };
        let mut text = sequence.to_owned();
        if !sequence.is_empty() {
            text.push_str(separator);
        }
        if named {
            text.push_str(name);
            text.push(':');
            if !prefill.is_empty() {
                text.push(' ');
            }
        }
        text.push_str(prefill);
        text
    }

    /// Where the model has begun a message that is not its own: stop strings.
    #[must_use]
    pub fn stop_strings(&self) -> Vec<String> {
        let Some(template) = &self.template else {
            return Vec::new();
        };
        let mut stops = Vec::new();
        // The sequence that ends a message stands behind its text; the others begin a line.
        let mut add = |sequence: &str, name: &str, starts_line: bool| {
            let sequence = with_name(sequence, name);
            let sequence = sequence.trim();
            if !sequence.is_empty() {
                let line = if starts_line && template.wrap { "\n" } else { "" };
                stops.push(format!("{line}{sequence}"));
            }
        };
        add(&template.stop_sequence, &self.char, false);
        if template.sequences_as_stop_strings {
            add(&template.input_sequence, &self.user, true);
            add(&template.output_sequence, &self.char, true);
            add(&template.system_sequence, "", true);
            add(&template.first_input_sequence, &self.user, true);
            add(&template.last_input_sequence, &self.user, true);
            add(&template.first_output_sequence, &self.char, true);
            add(&template.last_output_sequence, &self.char, true);
            add(&template.last_system_sequence, "", true);
        }
        stops
    }

    /// Whether sequences stand on lines of their own.
    #[must_use]
    pub fn wraps(&self) -> bool {
        self.template.as_ref().is_some_and(|template| template.wrap)
    }
}

const fn role_has_name(role: ChatRole) -> bool {
    matches!(role, ChatRole::User | ChatRole::Assistant)
}

impl InstructTemplate {
    fn sequences_mut(&mut self) -> [&mut String; 15] {
        [
            &mut self.input_sequence,
            &mut self.input_suffix,
            &mut self.first_input_sequence,
            &mut self.last_input_sequence,
            &mut self.output_sequence,
            &mut self.output_suffix,
            &mut self.first_output_sequence,
            &mut self.last_output_sequence,
            &mut self.system_sequence,
            &mut self.system_suffix,
            &mut self.last_system_sequence,
            &mut self.story_string_prefix,
            &mut self.story_string_suffix,
            &mut self.stop_sequence,
            &mut self.user_alignment_message,
        ]
    }

    const fn separator(&self) -> &'static str {
        if self.wrap { "\n" } else { "" }
    }

    /// Sequence and suffix of a message.
    fn around(&self, role: ChatRole, place: Place) -> (&str, &str) {
        match role {
            ChatRole::System | ChatRole::Tool if self.system_same_as_user => (&self.input_sequence, &self.input_suffix),
            ChatRole::System | ChatRole::Tool => (&self.system_sequence, &self.system_suffix),
            ChatRole::User => (
                special(
                    place,
                    &self.first_input_sequence,
                    &self.last_input_sequence,
                    &self.input_sequence,
                ),
                &self.input_suffix,
            ),
            ChatRole::Assistant => (
                special(
                    place,
                    &self.first_output_sequence,
                    &self.last_output_sequence,
                    &self.output_sequence,
                ),
                &self.output_suffix,
            ),
        }
    }
}

fn special<'t>(place: Place, first: &'t str, last: &'t str, otherwise: &'t str) -> &'t str {
    let special = match place {
        Place::First => first,
        Place::Middle => "",
        Place::Last => last,
    };
    if special.is_empty() { otherwise } else { special }
}

/// `{{name}}`, in any case, replaced; nobody's name is `System`.
fn with_name<'t>(sequence: &'t str, name: &str) -> Cow<'t, str> {
    const NAME: &str = "{{name}}";
    if !sequence.contains("{{") {
        return Cow::Borrowed(sequence);
    }
    let name = if name.is_empty() { "System" } else { name };
    let lower = sequence.to_ascii_lowercase();
    let mut text = String::with_capacity(sequence.len());
    let mut from = 0;
    for (at, _) in lower.match_indices(NAME) {
        text.push_str(sequence.get(from..at).unwrap_or_default());
        text.push_str(name);
        from = at + NAME.len();
    }
    text.push_str(sequence.get(from..).unwrap_or_default());
    Cow::Owned(text)
}

/// Affixes of the lines of a history, which has few voices and many messages.
#[derive(Debug, Default)]
pub(crate) struct AffixCache<'a> {
    known: HashMap<Line<'a>, (Affixes, u32)>,
}

impl<'a> AffixCache<'a> {
    /// The affixes of `line`, and their tokens as `count` has them.
    pub(crate) fn get(
        &mut self,
        formatter: &Formatter,
        line: Line<'a>,
        count: impl Fn(&str) -> u32,
    ) -> &(Affixes, u32) {
        self.known.entry(line).or_insert_with(|| {
            let affixes = formatter.affixes(line);
            let tokens = count(&affixes.prefix).saturating_add(count(&affixes.suffix));
            (affixes, tokens)
        })
    }
}
