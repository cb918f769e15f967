//! The story before the chat.

use std::borrow::Cow;

use tavern_domain::chat::{ChatRole, NotePosition};
use tavern_domain::lore::LorePosition;
use tavern_domain::persona::PersonaPosition;

use super::examples::Examples;
use crate::assembly::input::TurnPrompt;
use crate::assembly::ledger::Ledger;
use crate::assembly::lore::{self, Lore};
use crate::assembly::output::Source;
use crate::assembly::parts::{Note, Part, expand, joined, overridden, persona_at};
use crate::lore::CardField;
use crate::macros::Macros;
use crate::preset::{Marker, PromptSlot, StoryPlace};
use crate::template::{Formatter, TemplateValue, render};

/// The main instructions, of the system prompt or the chat preset, or the card's instead.
fn system_prompt(turn: &TurnPrompt<'_>, lore: &Lore<'_>, macros: &mut Macros<'_>) -> (String, &'static str) {
    let main = || {
        let prompts = &turn.preset.chat.prompts;
        let main = prompts
            .iter()
            .find(|entry| entry.slot == PromptSlot::Marker(Marker::Main));
        main.filter(|entry| entry.enabled && !lore.disables(Source::Main))
            .map_or("", |entry| &entry.content)
    };
    match &turn.preset.system {
        Some(system) if system.enabled => {
            let own = if lore.disables(Source::Main) {
                ""
            } else {
                &system.content
            };
            overridden(macros, own, turn.card.system_prompt, false)
        }
        Some(_) => (String::new(), "off in the preset"),
        None => overridden(macros, main(), turn.card.system_prompt, false),
    }
}

/// The rendered story, and what is in it.
pub(super) struct Story<'a> {
    text: String,
    /// Whether they are in it.
    parts: Vec<(Part<'a>, bool)>,
    anchor_before: String,
    anchor_after: String,
}

impl<'a> Story<'a> {
    pub(super) fn of(
        turn: &TurnPrompt<'a>,
        lore: &Lore<'a>,
        note: &mut Note<'a>,
        examples: &Examples,
        macros: &mut Macros<'_>,
        ledger: &mut Ledger<'a, '_>,
    ) -> Self {
        let card = &turn.card;
        let (system, reason) = system_prompt(turn, lore, macros);
        let anchors = |position, note: &mut Note<'a>| {
            if note.position == position {
                std::mem::take(&mut note.parts)
            } else {
                Vec::new()
            }
        };
        let mut field = |source, label, text: &'a str| {
            let part = Part::new(source, label, expand(macros, text), "the card's");
            part.into_iter().collect::<Vec<_>>()
        };
        let description = field(Source::Description, "description", card.description);
        let mut personality = field(Source::Personality, "personality", card.personality);
        personality.extend(lore.beside(CardField::Personality).filter_map(lore::part));
        let mut scenario = field(Source::Scenario, "scenario", card.scenario);
        scenario.extend(lore.beside(CardField::Scenario).filter_map(lore::part));
        let system = Part::new(Source::Main, "system prompt", system, reason);
        let persona = persona_at(turn, PersonaPosition::InPrompt, macros);
        let values: [(&[&str], Vec<Part<'a>>); 9] = [
            (&["anchorBefore"], anchors(NotePosition::BeforePrompt, note)),
            (&["system"], system.into_iter().collect()),
            (&["wiBefore", "loreBefore"], lore.parts(LorePosition::BeforeCharacter)),
            (&["description"], description),
            (&["personality"], personality),
            (&["scenario"], scenario),
            (&["wiAfter", "loreAfter"], lore.parts(LorePosition::AfterCharacter)),
            (&["persona"], persona.into_iter().collect()),
            (&["anchorAfter"], anchors(NotePosition::AfterPrompt, note)),
        ];
        let texts: Vec<String> = values.iter().map(|(_, parts)| joined(parts)).collect();
        let mut template_values: Vec<TemplateValue<'_>> = values
            .iter()
            .zip(&texts)
            .map(|((names, _), text)| TemplateValue { names, text })
            .collect();
        let scene = macros.scene();
        let (char, user) = (scene.char.clone().into_owned(), scene.user.clone().into_owned());
        for (names, text) in [
            (&["char"] as &[&str], char.as_str()),
            (&["user"], &user),
            (&["mesExamples"], &examples.all),
            (&["mesExamplesRaw"], card.example_dialogue),
        ] {
            template_values.push(TemplateValue { names, text });
        }
        let template = &turn.preset.context.story_string;
        let (text, used) = render(template, &template_values, macros, &mut ledger.warnings);
        let text = if text.trim().is_empty() { String::new() } else { text };
        let mut story = Self {
            text,
            parts: Vec::new(),
            anchor_before: String::new(),
            anchor_after: String::new(),
        };
        for (((names, parts), used), text) in values.into_iter().zip(used).zip(texts) {
            // Anchors have a place without one in the story.
            let outside = match names {
                ["anchorBefore"] if !used => Some(&mut story.anchor_before),
                ["anchorAfter"] if !used => Some(&mut story.anchor_after),
                _ => None,
            };
            let is_in = used || outside.is_some();
            if let Some(anchor) = outside {
                *anchor = text;
            }
            story.parts.extend(parts.into_iter().map(|part| (part, is_in)));
        }
        story
    }

    /// The story and the anchors that have no place inside of it.
    pub(super) fn whole(&self, place: StoryPlace, formatter: &Formatter) -> String {
        let story = match place {
            StoryPlace::BeforeChat => formatter.story(&self.text),
            StoryPlace::AtDepth { .. } => self.text.clone(),
        };
        let mut whole = String::with_capacity(story.len());
        for text in [&self.anchor_before, &story, &self.anchor_after] {
            if !whole.is_empty() && !text.is_empty() && !whole.ends_with('\n') {
                whole.push('\n');
            }
            whole.push_str(text);
        }
        if !self.anchor_after.is_empty() {
            whole.push('\n');
        }
        whole
    }

    /// Charges the parts, and as the template's what the whole, and `around` it, has beyond them.
    pub(super) fn charge(&self, whole: &str, around: u32, ledger: &mut Ledger<'a, '_>) {
        let whole = ledger.count(whole).saturating_add(around);
        let before = ledger.used;
        for (part, is_in) in &self.parts {
            if *is_in {
                let tokens = ledger.count(&part.text);
                ledger.include(part.clone(), ChatRole::System, None, tokens);
            } else {
                ledger.leave_out(
                    part.clone(),
                    ChatRole::System,
                    None,
                    "the story string has no place for it",
                );
            }
        }
        let rest = whole.saturating_sub(ledger.used.saturating_sub(before));
        let part = Part {
            source: Source::Template,
            label: Cow::Borrowed("story string"),
            text: Cow::Borrowed(""),
            reason: "around the parts",
        };
        ledger.include(part, ChatRole::System, None, rest);
    }
}
