//! What the kind of generation asks for.

use tavern_domain::chat::ChatRole;
use tavern_domain::generation::GenerationKind;

use super::Built;
use crate::assembly::TOKENS_PER_MESSAGE;
use crate::assembly::history::Item;
use crate::assembly::input::TurnPrompt;
use crate::assembly::ledger::Ledger;
use crate::assembly::output::Source;
use crate::assembly::parts::{Part, expand, framed, guidance};
use crate::macros::Macros;

/// Where a nudge quotes the message that is continued.
const QUOTE: &str = "lastChatMessage";

/// How a message is continued.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Continued {
    /// The reply begins with it.
    Prefill,
    /// The nudge quotes it.
    Quoted,
    /// It stands in the history.
    InHistory,
}

pub(super) fn continued(turn: &TurnPrompt<'_>) -> Option<Continued> {
    if turn.kind != GenerationKind::Continue {
        return None;
    }
    let last = turn.history.last()?;
    let preset = &turn.preset.chat;
    Some(if preset.continue_prefill && last.role == ChatRole::Assistant {
        Continued::Prefill
    } else if preset
        .continue_nudge
        .to_ascii_lowercase()
        .contains(&QUOTE.to_ascii_lowercase())
    {
        Continued::Quoted
    } else {
        Continued::InHistory
    })
}

/// What stands between a continued message and what is added to it.
pub(super) fn postfix<'a>(turn: &TurnPrompt<'a>) -> &'a str {
    let postfix = turn.preset.chat.continue_postfix.as_str();
    match turn.history.last() {
        Some(last) if turn.kind == GenerationKind::Continue && !last.content.ends_with(postfix) => postfix,
        _ => "",
    }
}

/// What the kind of generation asks for, last of all.
pub(super) struct Control {
    pub(super) messages: Vec<Built>,
    pub(super) prefill: Option<String>,
}

impl Control {
    pub(super) fn of<'a>(
        turn: &TurnPrompt<'a>,
        continued: Option<Continued>,
        last: Option<Item<'a>>,
        macros: &mut Macros<'_>,
        ledger: &mut Ledger<'a, '_>,
    ) -> Self {
        let preset = &turn.preset.chat;
        let mut messages = Vec::new();
        let mut add = |part: Option<Part<'a>>, role, ledger: &mut Ledger<'a, '_>| {
            if let Some(part) = part {
                let text = ledger.include_joined(vec![part], role, TOKENS_PER_MESSAGE);
                messages.push(Built::new(role, text));
            }
        };
        let guidance = guidance(turn, macros, &mut ledger.warnings);
        add(guidance, ChatRole::System, ledger);
        if turn.kind == GenerationKind::Impersonate {
            let text = expand(macros, &preset.impersonation);
            let part = Part::new(Source::Control, "impersonation", text, "for the user");
            add(part, ChatRole::System, ledger);
        }
        let nudge = match (continued, &last) {
            (Some(Continued::InHistory), _) => expand(macros, &preset.continue_nudge).into_owned(),
            (Some(Continued::Quoted), Some(last)) => {
                framed(&preset.continue_nudge, QUOTE, &last.text, macros, &mut ledger.warnings)
            }
            _ => String::new(),
        };
        let part = Part::new(Source::Control, "continue", nudge, "to go on");
        add(part, ChatRole::System, ledger);

        let prefill = match turn.kind {
            GenerationKind::Continue => last.filter(|_| continued == Some(Continued::Prefill)).map(|last| {
                let text = last.text.into_owned() + postfix(turn);
                (text, "the message that is continued")
            }),
            GenerationKind::Impersonate => Some((
                expand(macros, &preset.impersonation_prefill).into_owned(),
                "the preset's",
            )),
            GenerationKind::Quiet => None,
            _ => Some((expand(macros, &preset.assistant_prefill).into_owned(), "the preset's")),
        };
        let prefill = prefill.filter(|(text, _)| !text.trim().is_empty());
        if let Some((text, reason)) = &prefill {
            let part = Part {
                source: Source::Prefill,
                label: "prefill".into(),
                text: text.clone().into(),
                reason,
            };
            let tokens = ledger.count(text).saturating_add(TOKENS_PER_MESSAGE);
            ledger.include(part, ChatRole::Assistant, None, tokens);
            messages.push(Built {
                is_marker: true,
                ..Built::new(ChatRole::Assistant, text.clone())
            });
        }
        Self {
            messages,
            prefill: prefill.map(|(text, _)| text),
        }
    }
}
