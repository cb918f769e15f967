//! What a scan comes to: the entries in their order and places.

use std::sync::Arc;

use tavern_domain::lore::LorePosition;

use super::{Active, Engine};
use crate::lore::decorators::Position;
use crate::lore::index::{Entry, Inner};
use crate::lore::report::{Decisions, Reason};
use crate::lore::{Activated, Activation, LorePlace};

impl Engine<'_, '_, '_> {
    pub(super) fn finish(mut self, index: Arc<Inner>) -> Activation {
        let instruct = self.scan.instruct;
        let timed = if self.scan.dry_run {
            self.scan.timed.clone()
        } else {
            let activated: Vec<u32> = self.active.iter().map(|active| active.rank).collect();
            self.timed.commit(&index, activated.into_iter())
        };
        let mut activation = Activation {
            timed,
            budget: self.budget,
            warnings: self.warnings,
            ..Activation::default()
        };
        let order = |active: &Active| index.entries.get(active.rank as usize).map_or(0, |entry| entry.order);
        // Ascending; of equals, the later one comes first.
        self.active.reverse();
        self.active.sort_by_key(order);
        for active in self.active {
            let Some(entry) = index.entries.get(active.rank as usize) else {
                continue;
            };
            let says = entry.says(instruct);
            if let Some(says) = says {
                activation.user_icon = activation.user_icon.or_else(|| says.is_user_icon.clone());
                activation.disabled_prompts.extend(says.disable_ui_prompt);
            }
            let place = place(entry, instruct);
            let nothing = if active.content.trim().is_empty() {
                Some(Reason::Empty)
            } else if place.position == LorePosition::Outlet && place.outlet.is_empty() {
                Some(Reason::UnnamedOutlet)
            } else {
                None
            };
            if let Some(reason) = nothing {
                if let Some(note) = self.notes.get_mut(active.note) {
                    note.activated = false;
                    note.reason = reason;
                }
                continue;
            }
            activation.tokens = activation.tokens.saturating_add(active.tokens);
            activation.entries.push(Activated {
                key: entry.key.to_string(),
                book: index.book(entry).map(|book| book.name.to_string()).unwrap_or_default(),
                comment: entry.comment.to_string(),
                content: active.content,
                place,
                order: entry.order,
                tokens: active.tokens,
                ignore_on_max_context: says.is_some_and(|says| says.ignore_on_max_context),
            });
        }
        activation.disabled_prompts.sort_unstable();
        activation.disabled_prompts.dedup();
        activation.decisions = Decisions::new(index, self.notes);
        activation
    }
}

/// Where an entry goes: as it says, unless its decorators say otherwise.
fn place(entry: &Entry, instruct: bool) -> LorePlace {
    let mut place = LorePlace {
        position: entry.position,
        depth: entry.depth,
        role: entry.role,
        outlet: entry.rare.as_ref().map(|rare| rare.outlet.clone()).unwrap_or_default(),
        from_start: false,
        instruct_depth: None,
        beside: None,
    };
    let Some(says) = entry.says(instruct) else {
        return place;
    };
    match says.position {
        Some(Position::Of(position)) => place.position = position,
        Some(Position::Beside(field)) => {
            place.position = LorePosition::AfterCharacter;
            place.beside = Some(field);
        }
        None => {}
    }
    if let Some(depth) = says.depth {
        place.position = LorePosition::AtDepth;
        place.depth = depth.count;
        place.from_start = depth.from_start;
        place.beside = None;
    }
    place.instruct_depth = says.instruct_depth;
    if let Some(role) = says.role {
        place.role = role;
    }
    place
}
