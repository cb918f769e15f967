//! How a chat model learns who speaks.

use std::collections::HashMap;

use tavern_domain::chat::ChatRole;

use crate::macros::Macros;
use crate::preset::NamesBehaviour;
use crate::tokens::Counter;

/// Bytes of a message's `name`.
const NAME_BYTES: usize = 64;

/// How the speakers of a chat are told to the model.
pub(super) struct Voices<'a> {
    behaviour: NamesBehaviour,
    is_group: bool,
    user: String,
    counter: Counter,
    known: HashMap<(ChatRole, &'a str), Voice>,
}

/// How one speaker is.
#[derive(Clone, Default)]
pub(super) struct Voice {
    pub(super) prefix: String,
    pub(super) field: Option<String>,
    tokens: u32,
}

impl<'a> Voices<'a> {
    pub(super) fn new(behaviour: NamesBehaviour, macros: &Macros<'_>, counter: &Counter) -> Self {
        Self {
            behaviour,
            is_group: macros.scene().is_group,
            user: macros.scene().user.clone().into_owned(),
            counter: *counter,
            known: HashMap::new(),
        }
    }

    pub(super) fn tokens(&mut self, role: ChatRole, name: &'a str) -> u32 {
        self.voice(role, name).tokens
    }

    pub(super) fn voice(&mut self, role: ChatRole, name: &'a str) -> &Voice {
        let Self {
            behaviour,
            is_group,
            user,
            counter,
            known,
        } = self;
        known.entry((role, name)).or_insert_with(|| {
            let mut voice = Voice::default();
            if name.is_empty() || !matches!(role, ChatRole::User | ChatRole::Assistant) {
                return voice;
            }
            match behaviour {
                NamesBehaviour::None => {}
                NamesBehaviour::Groups if !*is_group || name == user => {}
                NamesBehaviour::Field => {
                    voice.field = field_name(name);
                    // A name that the field cannot hold still tells who speaks.
                    if voice.field.is_none() {
                        voice.prefix = format!("{name}: ");
                    }
                }
                NamesBehaviour::Groups | NamesBehaviour::Content => voice.prefix = format!("{name}: "),
            }
            let field = voice.field.as_deref().unwrap_or_default();
            voice.tokens = counter.count(&voice.prefix).saturating_add(counter.count(field));
            voice
        })
    }
}

/// A name as providers take it; `None` if nothing is left of it.
fn field_name(name: &str) -> Option<String> {
    let mut field = String::new();
    for c in name.chars() {
        if field.len() == NAME_BYTES {
            break;
        }
        if c.is_ascii_alphanumeric() || c == '-' {
            field.push(c);
        } else if !field.ends_with('_') {
            field.push('_');
        }
    }
    field.contains(|c: char| c.is_ascii_alphanumeric()).then_some(field)
}
