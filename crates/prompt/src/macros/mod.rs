//! Macros: `{{…}}` in the texts of a prompt.
//!
//! The grammar and the families are SillyTavern's (its newer engine), with what the V3 card
//! specification asks for. Macros nest and are evaluated inside out, from left to right. Nothing here
//! fails: what cannot be evaluated stays in the text as it is written, but for what is inside of it.
//!
//! What a macro puts in is not read again: a name, a message or a variable that looks like a macro
//! stays text. Texts that people wrote as prompts (card, persona, template, the original of an
//! override) are the exception: they are expanded where they are put in, each once at a time.
//!
//! All is bounded, for a text and for a turn (see the constants), and the same seed, scene and texts
//! give the same results: `{{random}}` and `{{roll}}` draw from one stream, `{{pick}}` hangs on the
//! chat, the text and the place alone. Changes of variables are collected as [`Effects`].

mod arguments;
mod condition;
mod dice;
mod evaluate;
mod expansions;
mod head;
mod moment;
mod scene;
mod syntax;
mod table;
mod text;
mod time;
mod values;
mod variables;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use tavern_domain::chat::Variables;

use evaluate::Evaluator;
use head::Call;
use syntax::{Document, Token};
use table::{Macro, Name, Signature};
use variables::Store;

pub use expansions::{AskedMacro, Expansions};
pub use scene::{CardScene, ChatScene, CustomMacros, Scene, SceneMessage};

/// Bytes that macros may put into one text; results inside of arguments count as well.
pub const MAX_BYTES: usize = 1 << 20;
/// As [`MAX_BYTES`], for all texts of a turn.
pub const MAX_TURN_BYTES: usize = 16 << 20;
/// Macros evaluated for one text.
pub const MAX_STEPS: usize = 10_000;
/// Macros evaluated for all texts of a turn.
pub const MAX_TURN_STEPS: usize = 50_000;
/// Macros inside of macros, and texts inside of texts.
pub const MAX_DEPTH: usize = 48;
/// Variables of a chat, and of an account.
pub const MAX_VARIABLES: usize = 1_000;
/// Bytes of the names and values of the variables of a chat, and of an account.
pub const MAX_VARIABLE_BYTES: usize = 256 << 10;
/// Bytes of the value of one variable.
pub const MAX_VALUE_BYTES: usize = 32 << 10;
/// Words that a turn may ban, and the bytes of each.
pub const MAX_BANNED: usize = 128;
pub const MAX_BANNED_BYTES: usize = 256;
/// Warnings that are kept; a turn that has more says the same things again.
const MAX_WARNINGS: usize = 32;

/// What evaluating macros has changed or decided; to be stored once the turn is accepted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// The chat's variables after the evaluation.
    pub local: Variables,
    /// The account's variables after the evaluation.
    pub global: Variables,
    pub local_changed: bool,
    pub global_changed: bool,
    /// Words that `{{banned}}` asks the model not to use.
    pub banned: Vec<String>,
    pub warnings: Vec<String>,
}

/// Evaluates macros for one turn. The same seed, scene and texts give the same results.
pub struct Macros<'a> {
    scene: Scene<'a>,
    state: State,
}

/// What a turn leaves behind and has used up.
struct State {
    local: Store,
    global: Store,
    banned: Vec<String>,
    warnings: Vec<String>,
    random: Xoshiro256PlusPlus,
    bytes: usize,
    steps: usize,
}

impl State {
    fn warn(&mut self, warning: impl FnOnce() -> String) {
        if self.warnings.len() < MAX_WARNINGS {
            let warning = warning();
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }
}

impl<'a> Macros<'a> {
    #[must_use]
    pub fn new(scene: Scene<'a>, local: Variables, global: Variables, seed: u64) -> Self {
        let state = State {
            local: Store::new(local),
            global: Store::new(global),
            banned: Vec::new(),
            warnings: Vec::new(),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            bytes: 0,
            steps: 0,
        };
        Self { scene, state }
    }

    pub fn scene(&self) -> &Scene<'a> {
        &self.scene
    }

    pub fn scene_mut(&mut self) -> &mut Scene<'a> {
        &mut self.scene
    }

    /// `text` with its macros replaced, with all their effects: for prompts, cards and lore, and for what the
    /// user types, at the time it is sent. Never fails: what cannot be evaluated stays as it is written.
    pub fn expand(&mut self, text: &str) -> String {
        self.evaluate(text, None)
    }

    /// As [`Self::expand`]; the first `{{original}}` stands for `original`, which is expanded, the others for nothing.
    pub fn expand_with_original(&mut self, text: &str, original: &str) -> String {
        self.evaluate(text, Some(original))
    }

    /// `text` with the macros for names replaced (`{{char}}`, `{{user}}`, `{{group}}`, … and `<USER>` and its like)
    /// and nothing else: for what models and other people wrote, which must not reach variables or the card.
    #[must_use]
    pub fn expand_names(&self, text: &str) -> String {
        if !has_macros(text) {
            return text.to_owned();
        }
        let document = Document::parse(text);
        let mut expanded = String::with_capacity(text.len());
        let mut budget = MAX_BYTES;
        let mut at = 0;
        while let Some(token) = document.tokens.get(at) {
            let (name, span, next) = match token {
                Token::Marker(name, span) => (Some(*name), *span, at + 1),
                Token::Open(open) => match name_of(open.call) {
                    Some(name) if open.close == Some(at + 1) => (Some(name), document.source(open), at + 2),
                    _ => (None, open.head, at + 1),
                },
                Token::Text(span) | Token::Escape(span) => (None, *span, at + 1),
                Token::Separator { start, .. } | Token::Close { start, .. } => (
                    None,
                    syntax::Span {
                        start: *start,
                        end: start + 2,
                    },
                    at + 1,
                ),
            };
            let value = name.map(|name| values::name(&self.scene, name));
            match value.filter(|value| value.len() <= budget) {
                Some(value) => {
                    budget -= value.len();
                    expanded.push_str(value);
                }
                None => expanded.push_str(span.of(text)),
            }
            at = next;
        }
        expanded
    }

    #[must_use]
    pub fn finish(self) -> Effects {
        let State {
            local,
            global,
            banned,
            warnings,
            ..
        } = self.state;
        let (local, local_changed) = local.finish();
        let (global, global_changed) = global.finish();
        Effects {
            local,
            global,
            local_changed,
            global_changed,
            banned,
            warnings,
        }
    }

    fn evaluate(&mut self, text: &str, original: Option<&str>) -> String {
        let mut expanded = String::with_capacity(text.len());
        Evaluator::new(&self.scene, &mut self.state, original).run(text, &mut expanded, 0);
        expanded
    }
}

/// The name that a call without arguments stands for.
fn name_of(call: Call) -> Option<Name> {
    match call {
        Call::Macro {
            signature: Some(Signature {
                what: Macro::Name(name),
                ..
            }),
            ..
        } => Some(*name),
        _ => None,
    }
}

/// Whether evaluating `text` can change it at all; fast where it cannot.
#[must_use]
pub fn has_macros(text: &str) -> bool {
    syntax::has_marks(text)
}

#[cfg(test)]
mod tests;
