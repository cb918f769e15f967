//! Examples as a completion model reads them.

use tavern_domain::chat::ChatRole;

use crate::assembly::examples::ExampleBlock;
use crate::assembly::input::TurnPrompt;
use crate::assembly::ledger::Ledger;
use crate::assembly::output::Source;
use crate::assembly::parts::{Part, expand};
use crate::macros::Macros;
use crate::template::{Formatter, Line, Place};

/// Examples as the template writes them.
pub(super) struct Examples {
    /// In the order of the blocks.
    texts: Vec<String>,
    /// All of them, for a story string that has them inside.
    pub(super) all: String,
}

impl Examples {
    pub(super) fn new(
        turn: &TurnPrompt<'_>,
        blocks: &[ExampleBlock<'_>],
        formatter: &Formatter,
        macros: &mut Macros<'_>,
    ) -> Self {
        let separator = expand(macros, &turn.preset.context.example_separator);
        let heading = match separator.trim() {
            "" => String::new(),
            separator => format!("{separator}\n"),
        };
        let texts: Vec<String> = blocks
            .iter()
            .map(|block| {
                if formatter.skips_examples() {
                    return format!("{heading}{}\n", block.transcript());
                }
                let mut text = heading.clone();
                for line in &block.lines {
                    let role = if line.is_user {
                        ChatRole::User
                    } else {
                        ChatRole::Assistant
                    };
                    let around = formatter.affixes(Line {
                        role,
                        name: &line.name,
                        place: Place::Middle,
                    });
                    for part in [around.prefix.as_str(), &line.text, &around.suffix] {
                        text.push_str(part);
                    }
                }
                text
            })
            .collect();
        Self {
            all: texts.concat(),
            texts,
        }
    }

    /// Takes blocks as long as they fit, first ones first: their text, and how many were dropped.
    pub(super) fn fit<'a>(
        &self,
        blocks: &[ExampleBlock<'a>],
        has_room: bool,
        reserved: u32,
        ledger: &mut Ledger<'a, '_>,
    ) -> (String, usize) {
        let mut shown = String::new();
        let mut dropped: usize = 0;
        let mut is_full = !has_room;
        for (block, text) in blocks.iter().zip(&self.texts) {
            let Some(part) = Part::new(Source::Examples, block.label.clone(), text.clone(), "fits") else {
                continue;
            };
            let tokens = ledger.count(text);
            is_full |= tokens > ledger.room().saturating_sub(reserved);
            if is_full {
                dropped = dropped.saturating_add(1);
                ledger.leave_out(part, ChatRole::System, None, "no room");
            } else {
                ledger.include(part, ChatRole::System, None, tokens);
                shown.push_str(text);
            }
        }
        (shown, dropped)
    }
}
