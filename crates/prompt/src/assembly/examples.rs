//! The blocks of example dialogue, those of the lore around those of the card.

use std::borrow::Cow;

use tavern_domain::lore::LorePosition;

use super::input::TurnPrompt;
use super::lore::{self, Lore};
use super::parts::expand;
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
    let mut names: Vec<&str> = vec![&char];
    names.extend(turn.others);
    let mut blocks = Vec::new();
    let mut add = |text: &str, label: &Cow<'a, str>| {
        for lines in parse(text, &user, &names) {
            blocks.push(ExampleBlock {
                label: label.clone(),
                lines,
            });
        }
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

fn parse(text: &str, user: &str, names: &[&str]) -> Vec<Vec<ExampleLine>> {
    let mut blocks: Vec<Vec<ExampleLine>> = vec![Vec::new()];
    for line in text.lines() {
        if line.trim().eq_ignore_ascii_case("<start>") {
            blocks.push(Vec::new());
            continue;
        }
        let Some(block) = blocks.last_mut() else { continue };
        let speaker = [user].iter().chain(names).enumerate().find_map(|(index, name)| {
            let said = line.strip_prefix(name)?.strip_prefix(':')?;
            Some((index == 0, *name, said.trim()))
        });
        match (speaker, block.last_mut()) {
            (Some((is_user, name, said)), _) => block.push(ExampleLine {
                is_user,
                name: name.to_owned(),
                text: said.to_owned(),
            }),
            (None, Some(last)) => {
                last.text.push('\n');
                last.text.push_str(line.trim_end());
            }
            (None, None) => {}
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}
