//! What extensions put into a turn: texts, and a word on which lore is in.
//!
//! All their texts together may take a quarter of the prompt's room, the more important ones first: an
//! extension cannot push the chat out of its own prompt.

use tavern_domain::chat::ChatRole;
use tavern_domain::lore::LorePosition;
use tavern_domain::prompt::PromptBlock;

use crate::assembly::{Injection, TokenBudget};
use crate::lore::{Activated, LorePlace};
use crate::tokens::Counter;

/// The part of a prompt that additions may take: one in so many.
pub const SHARE: u32 = 4;

/// What extensions put into a turn.
#[derive(Debug, Clone, Default)]
pub struct Additions {
    /// The most important first.
    pub texts: Vec<AddedText>,
    /// Keys of entries of lore that are to be in, and why.
    pub force: Vec<(String, String)>,
    /// Keys of entries that are to stay out, and why.
    pub silence: Vec<(String, String)>,
}

/// A text of an extension. It is taken as it is, without macros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedText {
    /// Who put it there.
    pub source: String,
    pub label: String,
    pub text: String,
    pub role: ChatRole,
    pub place: AddedPlace,
    /// Lower is earlier at the same place; 100 is usual.
    pub order: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddedPlace {
    BeforeCharacter,
    AfterCharacter,
    /// Messages behind it, 0 = behind the last one.
    InChat(u32),
    /// Behind everything.
    End,
}

/// Texts that found room, and those that did not.
pub(crate) struct Fitted<'a> {
    kept: Vec<(&'a AddedText, u32)>,
    dropped: Vec<(&'a AddedText, u32)>,
}

impl Additions {
    pub(crate) fn fit(&self, budget: TokenBudget, counter: &Counter) -> Fitted<'_> {
        let mut room = budget.context.saturating_sub(budget.response) / SHARE;
        let counted = self.texts.iter().map(|text| (text, counter.count(&text.text)));
        let (kept, dropped) = counted.partition(|(_, tokens)| {
            let fits = *tokens <= room;
            room -= if fits { *tokens } else { 0 };
            fits
        });
        Fitted { kept, dropped }
    }
}

impl<'a> Fitted<'a> {
    /// Those beside the character, as lore is.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Activated> {
        self.kept.iter().filter_map(|(text, tokens)| {
            let position = match text.place {
                AddedPlace::BeforeCharacter => LorePosition::BeforeCharacter,
                AddedPlace::AfterCharacter => LorePosition::AfterCharacter,
                AddedPlace::InChat(_) | AddedPlace::End => return None,
            };
            Some(Activated {
                key: String::new(),
                book: text.source.clone(),
                comment: text.label.clone(),
                content: text.text.clone(),
                place: LorePlace {
                    position,
                    depth: 0,
                    role: text.role,
                    outlet: String::new(),
                    from_start: false,
                    instruct_depth: None,
                    beside: None,
                },
                order: text.order,
                tokens: *tokens,
                ignore_on_max_context: false,
            })
        })
    }

    /// Those among the messages.
    pub(crate) fn injections(&self) -> Vec<Injection<'a>> {
        let placed = self.kept.iter().filter_map(|(text, _)| {
            let (depth, order) = match text.place {
                AddedPlace::InChat(depth) => (depth, text.order),
                AddedPlace::End => (0, i32::MAX),
                AddedPlace::BeforeCharacter | AddedPlace::AfterCharacter => return None,
            };
            Some(Injection {
                source: &text.source,
                label: &text.label,
                text: &text.text,
                depth,
                role: text.role,
                order,
            })
        });
        placed.collect()
    }

    /// The account of those that found no room.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = PromptBlock> {
        self.dropped.iter().map(|(text, tokens)| PromptBlock {
            source: "injections".into(),
            label: format!("{}: {}", text.source, text.label),
            role: text.role,
            depth: match text.place {
                AddedPlace::InChat(depth) => Some(depth),
                _ => None,
            },
            tokens: *tokens,
            included: false,
            reason: Some(format!("no room: extensions may take 1/{SHARE} of the prompt")),
            text: text.text.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str, text: &str, place: AddedPlace) -> AddedText {
        AddedText {
            source: source.into(),
            label: "note".into(),
            text: text.into(),
            role: ChatRole::System,
            place,
            order: 100,
        }
    }

    #[test]
    fn additions_take_a_quarter_of_the_prompt_and_no_more() {
        let counter = Counter::for_model("gpt-4o");
        let word = "lantern ".repeat(100);
        let one = counter.count(&word);
        let additions = Additions {
            texts: vec![
                text("a", &word, AddedPlace::End),
                text("b", &word, AddedPlace::InChat(3)),
                text("c", "short", AddedPlace::BeforeCharacter),
            ],
            ..Additions::default()
        };
        let budget = |prompt| TokenBudget {
            context: prompt + 50,
            response: 50,
        };
        let all = additions.fit(budget(SHARE * (2 * one + 10)), &counter);
        assert_eq!(
            (all.injections().len(), all.entries().count(), all.left_out().count()),
            (2, 1, 0)
        );
        let short = additions.fit(budget(SHARE * (2 * one - 1)), &counter);
        assert_eq!(
            (
                short.injections().len(),
                short.entries().count(),
                short.left_out().count()
            ),
            (1, 1, 1),
            "the second is too long, the third still fits"
        );
    }
}
