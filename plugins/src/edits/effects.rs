//! What `after-reply` gives back.

use serde_json::Value;
use tavern_domain::extension::Capability;

use super::Checker;
use crate::bindings::exports::tavern::extension::after_reply::Effect;
use crate::instance::Failure;

/// The effects of one extension that may be had.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Effects {
    pub annotations: Vec<(String, Value)>,
    pub suggestions: Vec<String>,
    pub variables: Vec<(String, String)>,
    pub events: Vec<(String, Value)>,
}

pub(crate) fn check_effects(checker: &mut Checker<'_>, effects: Vec<Effect>) -> Result<Effects, Failure> {
    let bytes = |effect: &Effect| match effect {
        Effect::Annotate(pair) | Effect::SetVariable(pair) | Effect::EmitEvent(pair) => {
            pair.key.len() + pair.value.len()
        }
        Effect::SuggestReply(text) => text.len(),
    };
    checker.size(effects.len(), effects.iter().map(bytes).sum())?;
    let mut checked = Effects::default();
    for effect in effects {
        let taken = match effect {
            Effect::Annotate(pair) => checker
                .may("annotate", Capability::Annotate)
                .and_then(|()| checker.value("annotate", pair))
                .map(|pair| checked.annotations.push(pair)),
            Effect::SuggestReply(text) => checker
                .may("suggest-reply", Capability::Suggest)
                .and_then(|()| checker.text("suggest-reply", text))
                .map(|text| checked.suggestions.push(text)),
            Effect::SetVariable(pair) => checker.variable(pair).map(|pair| checked.variables.push(pair)),
            Effect::EmitEvent(pair) => checker
                .may("emit-event", Capability::Events)
                .and_then(|()| checker.value("emit-event", pair))
                .map(|pair| checked.events.push(pair)),
        };
        checker.taken += u32::from(taken.is_some());
    }
    Ok(checked)
}
