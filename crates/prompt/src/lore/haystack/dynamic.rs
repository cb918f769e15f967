//! Keys with macros: other texts with each scan.

use crate::js_regex::JsRegex;
use crate::lore::index::{Inner, KeyKind, Parsed};
use crate::lore::matcher::{Builder, Matcher};
use crate::macros::Macros;

/// They are compiled with every scan.
const MAX_PATTERNS: usize = 100;

/// The keys with macros, as they are in this scan.
#[derive(Default)]
pub(super) struct Dynamic {
    pub matcher: Matcher,
    pub kinds: Vec<KeyKind>,
    /// Numbered behind those of the index.
    pub patterns: Vec<JsRegex>,
}

impl Dynamic {
    pub(super) fn new(index: &Inner, macros: &mut Macros<'_>) -> Self {
        let mut builder = Builder::default();
        let mut kinds = Vec::with_capacity(index.dynamic.len());
        let mut patterns: Vec<JsRegex> = Vec::new();
        for key in &index.dynamic {
            let text = macros.expand(&key.text);
            let literal = |builder: &mut Builder, text: &str, whole| {
                let id = key.style.add(builder, text, whole, None);
                id.map_or(KeyKind::Never, KeyKind::Literal)
            };
            kinds.push(match key.style.parse(&text) {
                Parsed::Empty => KeyKind::Never,
                Parsed::Literal { text, whole } => literal(&mut builder, text, whole),
                Parsed::Pattern { pattern, bare } => {
                    let room = patterns.len() < MAX_PATTERNS;
                    match room.then(|| key.style.compile(pattern, bare)).flatten() {
                        Some(regex) => {
                            let number = index.patterns.len() + patterns.len();
                            patterns.push(regex);
                            KeyKind::Pattern(u32::try_from(number).unwrap_or(u32::MAX))
                        }
                        None if bare => KeyKind::Never,
                        None => match key.style.literal(pattern) {
                            Parsed::Literal { text, whole } => literal(&mut builder, text, whole),
                            _ => KeyKind::Never,
                        },
                    }
                }
            });
        }
        let (matcher, slots) = builder.finish();
        let first = index.matcher.slots();
        for kind in &mut kinds {
            if let KeyKind::Literal(id) = kind {
                let slot = slots
                    .get(*id as usize)
                    .and_then(|slot| u32::try_from(first + *slot as usize).ok());
                *kind = slot.map_or(KeyKind::Never, KeyKind::Literal);
            }
        }
        Self {
            matcher,
            kinds,
            patterns,
        }
    }
}
