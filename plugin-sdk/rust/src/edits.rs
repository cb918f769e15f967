//! Edits and effects, made in a line.

use serde::Serialize;

use crate::{Activation, Addition, Edit, Effect, Message, Note, Op, Pair, Placed, Replacement, Result, Role};

impl Pair {
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

impl Message {
    /// For tests and examples; the host's have ids of their own.
    #[must_use]
    pub fn new(id: impl Into<String>, role: Role, text: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            role,
            name: None,
            text: text.into(),
        }
    }
}

impl Note {
    /// As `system`, which needs the permission `prompt.system`, unless [`Self::role`] says otherwise.
    fn at(position: &str, text: impl Into<String>) -> Self {
        Self {
            position: position.into(),
            depth: 0,
            role: Role::System,
            text: text.into(),
            priority: 0,
        }
    }

    /// Among the messages of the chat, so many from its end. 0 is after the last one.
    #[must_use]
    pub fn in_chat(depth: u32, text: impl Into<String>) -> Self {
        Self {
            depth,
            ..Self::at("in-chat", text)
        }
    }

    #[must_use]
    pub fn before_character(text: impl Into<String>) -> Self {
        Self::at("before-character", text)
    }

    #[must_use]
    pub fn after_character(text: impl Into<String>) -> Self {
        Self::at("after-character", text)
    }

    #[must_use]
    pub fn at_end(text: impl Into<String>) -> Self {
        Self::at("end", text)
    }

    #[must_use]
    pub fn role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// Higher ones are kept if not all fit.
    #[must_use]
    pub fn priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }
}

impl From<Note> for Edit {
    fn from(note: Note) -> Self {
        Self::AddNote(note)
    }
}

impl Edit {
    #[must_use]
    pub fn variable(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::SetVariable(Pair::new(name, value))
    }

    #[must_use]
    pub fn sampling(name: impl Into<String>, value: impl ToString) -> Self {
        Self::SetSampling(Pair::new(name, value.to_string()))
    }
}

impl Op {
    /// In front of the message with this id.
    #[must_use]
    pub fn before(anchor: &str, role: Role, text: impl Into<String>) -> Self {
        Self::InsertBefore(Placed {
            anchor: anchor.into(),
            role,
            text: text.into(),
        })
    }

    /// Behind the message with this id.
    #[must_use]
    pub fn after(anchor: &str, role: Role, text: impl Into<String>) -> Self {
        Self::InsertAfter(Placed {
            anchor: anchor.into(),
            role,
            text: text.into(),
        })
    }

    #[must_use]
    pub fn replace(id: &str, text: impl Into<String>) -> Self {
        Self::ReplaceText(Replacement {
            id: id.into(),
            text: text.into(),
        })
    }
}

impl Effect {
    /// JSON under a key of the reply's annotations.
    ///
    /// # Errors
    /// When there is no JSON for it.
    pub fn annotation<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Self> {
        Ok(Self::Annotate(Pair::new(key, serde_json::to_string(value)?)))
    }

    /// JSON for those who watch the installation.
    ///
    /// # Errors
    /// As [`Self::annotation`].
    pub fn event<T: Serialize + ?Sized>(name: &str, payload: &T) -> Result<Self> {
        Ok(Self::EmitEvent(Pair::new(name, serde_json::to_string(payload)?)))
    }

    #[must_use]
    pub fn variable(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::SetVariable(Pair::new(name, value))
    }
}

impl Activation {
    /// Wants the entry in the prompt. Of several extensions, the highest score decides.
    #[must_use]
    pub fn activate(id: &str, score: f32) -> Self {
        Self {
            id: id.into(),
            active: true,
            score,
        }
    }

    /// Wants the entry out of the prompt.
    #[must_use]
    pub fn silence(id: &str, score: f32) -> Self {
        Self {
            id: id.into(),
            active: false,
            score,
        }
    }
}

impl Addition {
    /// An entry for this turn, before the character.
    #[must_use]
    pub fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            position: "before-character".into(),
            depth: 0,
            order: 100,
        }
    }
}
