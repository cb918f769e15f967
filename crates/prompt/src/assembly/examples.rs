//! The blocks of example dialogue, those of the lore around those of the card.

use std::borrow::Cow;

use tavern_domain::lore::LorePosition;

use super::input::TurnPrompt;
use super::lore::{self, Lore};
use super::parts::expand;
use crate::examples::{self, ExampleNames, Speaker};
use crate::macros::Macros;

/// A block, dropped or kept as a whole.
pub(super) struct ExampleBlock<'a> {
    pub(super) label: Cow<'a, str>,
    pub(super) lines: Vec<ExampleLine>,
}

/// What somebody says in an example.
pub(super) struct ExampleLine {
    pub(super) is_user: bool,
    pub(super) name: String,
    pub(super) text: String,
}

impl ExampleLine {
    fn new((speaker, text): (Speaker<'_>, String), user: &str) -> Self {
        let (is_user, name) = match speaker {
            Speaker::User => (true, user),
            Speaker::Character(name) => (false, name),
        };
        Self {
            is_user,
            name: name.to_owned(),
            text,
        }
    }
}

impl ExampleBlock<'_> {
    /// As people write it.
    pub(super) fn transcript(&self) -> String {
        let lines = self.lines.iter().map(|line| format!("{}: {}", line.name, line.text));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// All blocks, in the order of the prompt.
pub(super) fn blocks<'a>(turn: &TurnPrompt<'a>, lore: &Lore<'a>, macros: &mut Macros<'_>) -> Vec<ExampleBlock<'a>> {
    let card = expand(macros, turn.card.example_dialogue);
    let user = macros.scene().user.clone();
    let char = macros.scene().char.clone();
    let names = ExampleNames {
        user: &user,
        char: &char,
        members: turn.others,
    };
    let mut blocks = Vec::new();
    let mut add = |text: &str, label: &Cow<'a, str>| {
        let parsed = examples::blocks(text, &names);
        blocks.extend(parsed.into_iter().map(|lines| ExampleBlock {
            label: label.clone(),
            lines: lines.into_iter().map(|line| ExampleLine::new(line, &user)).collect(),
        }));
    };
    for entry in lore.at(LorePosition::ExamplesTop) {
        add(&entry.content, &lore::label(entry));
    }
    add(&card, &Cow::Borrowed("the card's examples"));
    for entry in lore.at(LorePosition::ExamplesBottom) {
        add(&entry.content, &lore::label(entry));
    }
    blocks
}
