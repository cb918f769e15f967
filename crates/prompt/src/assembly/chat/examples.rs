//! Examples as a chat model reads them.

use tavern_domain::chat::ChatRole;

use super::Built;
use crate::assembly::TOKENS_PER_MESSAGE;
use crate::assembly::examples::ExampleBlock;
use crate::assembly::input::TurnPrompt;
use crate::assembly::ledger::Ledger;
use crate::assembly::output::Source;
use crate::assembly::parts::{Part, expand};
use crate::macros::Macros;

/// Examples that are in.
#[derive(Default)]
pub(super) struct Examples {
    pub(super) messages: Vec<Built>,
    pub(super) dropped: usize,
}

impl Examples {
    /// Takes blocks as long as they fit, first ones first.
    pub(super) fn fit<'a>(
        &mut self,
        turn: &TurnPrompt<'a>,
        blocks: &[ExampleBlock<'a>],
        reserved: u32,
        has_room: bool,
        macros: &mut Macros<'_>,
        ledger: &mut Ledger<'a, '_>,
    ) {
        let preset = &turn.preset.chat;
        let is_group = macros.scene().is_group;
        let heading = expand(macros, &preset.new_example);
        let heading = heading.trim();
        let names = [false, true].map(|is_user| ledger.count(example_name(is_user)));
        let mut is_full = !has_room;
        for block in blocks {
            let mut tokens = match heading {
                "" => 0,
                _ => ledger.count(heading).saturating_add(TOKENS_PER_MESSAGE),
            };
            let mut messages = Vec::with_capacity(block.lines.len().saturating_add(1));
            if !heading.is_empty() {
                messages.push(Built {
                    is_marker: true,
                    ..Built::new(ChatRole::System, heading.to_owned())
                });
            }
            for line in &block.lines {
                let content = if is_group {
                    format!("{}: {}", line.name, line.text)
                } else {
                    line.text.clone()
                };
                let [assistant, user] = names;
                let name = if line.is_user { user } else { assistant };
                tokens = tokens
                    .saturating_add(ledger.count(&content))
                    .saturating_add(name)
                    .saturating_add(TOKENS_PER_MESSAGE);
                let mut built = Built::new(ChatRole::System, content);
                built.message.name = Some(example_name(line.is_user).to_owned());
                messages.push(built);
            }
            let text = block.transcript();
            let Some(part) = Part::new(Source::Examples, block.label.clone(), text, "fits") else {
                continue;
            };
            is_full |= tokens > ledger.room().saturating_sub(reserved);
            if is_full {
                self.dropped = self.dropped.saturating_add(1);
                ledger.leave_out(part, ChatRole::System, None, "no room");
            } else {
                ledger.include(part, ChatRole::System, None, tokens);
                self.messages.append(&mut messages);
            }
        }
    }
}

const fn example_name(is_user: bool) -> &'static str {
    if is_user { "example_user" } else { "example_assistant" }
}
