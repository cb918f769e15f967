//! What a chat is set up with: preset, persona, world books, author's note, variables.

use serde_json::Value;
use tavern_domain::chat::{
    AuthorsNote, ChatRole, ChatSession, GroupMode, GroupSettings, GroupStrategy, NotePosition, Variables,
};
use tavern_domain::{Actor, CharacterId, PersonaId, PresetId, Problems, Result, WorldBookId};
use tavern_storage::SetupChange;

use crate::chat::Chats;
use crate::check;

/// A change of a chat's setup as somebody asks for it; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct SetupPatch {
    pub preset: Option<Option<PresetId>>,
    pub persona: Option<Option<PersonaId>>,
    pub world_books: Option<Vec<WorldBookId>>,
    pub authors_note: Option<Option<AuthorsNotePatch>>,
    pub group: Option<GroupPatch>,
    pub scenario: Option<Option<String>>,
    /// An object of texts, numbers and booleans; replaces all variables.
    pub variables: Option<Value>,
}

/// A change of a group's settings; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct GroupPatch {
    pub strategy: Option<GroupStrategy>,
    pub mode: Option<GroupMode>,
    pub muted: Option<Vec<CharacterId>>,
    pub self_responses: Option<bool>,
    pub join_prefix: Option<String>,
    pub join_suffix: Option<String>,
}

impl GroupPatch {
    fn apply(self, group: &mut GroupSettings) {
        group.strategy = self.strategy.unwrap_or(group.strategy);
        group.mode = self.mode.unwrap_or(group.mode);
        group.self_responses = self.self_responses.unwrap_or(group.self_responses);
        if let Some(muted) = self.muted {
            group.muted = muted;
        }
        if let Some(prefix) = self.join_prefix {
            group.join_prefix = prefix;
        }
        if let Some(suffix) = self.join_suffix {
            group.join_suffix = suffix;
        }
    }
}

/// An author's note as somebody writes it; `None` is the default.
#[derive(Debug, Clone, Default)]
pub struct AuthorsNotePatch {
    pub content: String,
    pub position: Option<NotePosition>,
    pub depth: Option<i32>,
    pub role: Option<ChatRole>,
    pub interval: Option<i32>,
}

impl Chats {
    /// The change, which is of no use if there are problems. Presets and personas must be the
    /// caller's own, world books such as the caller may see.
    pub(crate) async fn check_setup(
        &self,
        actor: &Actor,
        patch: SetupPatch,
        session: Option<&ChatSession>,
        problems: &mut Problems,
    ) -> Result<SetupChange> {
        let inner = &self.0;
        let most = inner.shared.limits.guidance_bytes;
        let group = patch.group.map(|patch| {
            let mut group = session.map(|session| session.setup.group.clone()).unwrap_or_default();
            patch.apply(&mut group);
            check::text(problems, "group.joinPrefix", &group.join_prefix, most);
            check::text(problems, "group.joinSuffix", &group.join_suffix, most);
            let cast = session.map_or(&[][..], |session| &session.characters);
            for (index, id) in group.muted.iter().enumerate() {
                if !cast.contains(id) {
                    problems.add(
                        &format!("group.mutedCharacterIds.{index}"),
                        "This character is not part of the chat.",
                    );
                }
            }
            group
        });
        if let Some(Some(scenario)) = &patch.scenario {
            check::text(problems, "scenario", scenario, inner.shared.limits.character_text_bytes);
        }
        if let Some(Some(id)) = patch.preset
            && inner.presets.by_ids(actor, &[id]).await?.is_empty()
        {
            problems.add("presetId", "There is no such preset.");
        }
        if let Some(Some(id)) = patch.persona
            && inner.personas.by_ids(actor, &[id]).await?.is_empty()
        {
            problems.add("personaId", "There is no such persona.");
        }
        if let Some(ids) = &patch.world_books {
            self.check_world_books(actor, ids, problems).await?;
        }
        Ok(SetupChange {
            preset: patch.preset,
            persona: patch.persona,
            world_books: patch.world_books,
            group,
            scenario: patch.scenario,
            authors_note: patch
                .authors_note
                .map(|note| note.map(|note| self.check_note(note, problems))),
            variables: patch
                .variables
                .map(|variables| self.check_variables(&variables, problems)),
        })
    }

    async fn check_world_books(&self, actor: &Actor, ids: &[WorldBookId], problems: &mut Problems) -> Result<()> {
        let most = self.0.shared.limits.world_books_per_session;
        if ids.len() > most {
            problems.add(
                "worldBookIds",
                format!("A chat has at most {most} world books, not {}.", ids.len()),
            );
            return Ok(());
        }
        let found = self.0.world_books.by_ids(actor, ids).await?;
        for (index, id) in ids.iter().enumerate() {
            if ids[..index].contains(id) {
                problems.add(&format!("worldBookIds.{index}"), "This world book is named twice.");
            } else if !found.iter().any(|book| book.id == *id) {
                problems.add(&format!("worldBookIds.{index}"), "There is no such world book.");
            }
        }
        Ok(())
    }

    fn check_note(&self, note: AuthorsNotePatch, problems: &mut Problems) -> AuthorsNote {
        let most = self.0.shared.limits.guidance_bytes;
        check::text(problems, "authorsNote.content", &note.content, most);
        let mut count = |field: &str, value: Option<i32>| value.map(|value| check::count(problems, field, value));
        let default = AuthorsNote::default();
        AuthorsNote {
            content: note.content,
            position: note.position.unwrap_or(default.position),
            depth: count("authorsNote.depth", note.depth).unwrap_or(default.depth),
            role: note.role.unwrap_or(default.role),
            interval: count("authorsNote.interval", note.interval).unwrap_or(default.interval),
        }
    }

    fn check_variables(&self, variables: &Value, problems: &mut Problems) -> Variables {
        let most = self.0.shared.limits.variables_bytes;
        check::object(problems, "variables", variables, most);
        let mut read = Variables::new();
        for (name, value) in variables.as_object().into_iter().flatten() {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => {
                    let shown: String = name.chars().take(60).collect();
                    problems.add(
                        "variables",
                        format!("A variable is a text, a number or a boolean; {shown:?} is not."),
                    );
                    break;
                }
            };
            read.insert(name.clone(), text);
        }
        read
    }
}
