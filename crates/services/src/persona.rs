//! Personas: an account's own, seen and changed by nobody else.

use std::sync::Arc;

use tavern_domain::chat::ChatRole;
use tavern_domain::persona::{Persona, PersonaPosition, PersonaRole, PersonaText};
use tavern_domain::{Actor, Code, Error, Permission, PersonaId, Problems, Result, UserId, WorldBookId};

use crate::Shared;
use crate::check::{self, set};
use crate::world_book::WorldBooks;

/// Fields of a persona as somebody writes them; `None` is the default, or leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct PersonaPatch {
    pub name: Option<String>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub position: Option<PersonaPosition>,
    pub depth: Option<i32>,
    pub role: Option<ChatRole>,
    pub world_book: Option<Option<WorldBookId>>,
    pub is_default: Option<bool>,
}

/// The use cases of personas.
#[derive(Clone)]
pub struct Personas {
    shared: Arc<Shared>,
    world_books: WorldBooks,
}

impl Personas {
    pub(crate) fn new(shared: Arc<Shared>, world_books: WorldBooks) -> Self {
        Self { shared, world_books }
    }

    /// Those of `ids` that are the caller's, in no order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn by_ids(&self, actor: &Actor, ids: &[PersonaId]) -> Result<Vec<Persona>> {
        let mut found = self.shared.store.personas.by_ids(ids).await?;
        found.retain(|persona| actor.is(persona.owner));
        Ok(found)
    }

    /// The caller's personas, the oldest first.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub async fn own(&self, actor: &Actor) -> Result<Vec<Persona>> {
        let owner = actor.require_user()?.user;
        self.shared.store.personas.owned_by(owner).await
    }

    /// Makes a persona (`id` is `None`), or changes one made of `expected_version`. A new default
    /// takes the place of the former one.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what is not the caller's; BAD_USER_INPUT for every field that
    /// is wrong; CONFLICT on `expectedVersion` if the persona has changed since; QUOTA_EXCEEDED.
    pub async fn save(
        &self,
        actor: &Actor,
        id: Option<PersonaId>,
        expected_version: Option<i32>,
        patch: PersonaPatch,
    ) -> Result<Persona> {
        actor.require(Permission::ChatUse)?;
        let mut problems = Problems::new();
        let limits = &self.shared.limits;
        if let Some(name) = &patch.name {
            check::name(&mut problems, "name", name, limits.title_chars);
        }
        if let Some(title) = &patch.title
            && !title.trim().is_empty()
        {
            check::name(&mut problems, "title", title, limits.title_chars);
        }
        if let Some(description) = &patch.description {
            check::text(&mut problems, "description", description, limits.character_text_bytes);
        }
        if let Some(Some(book)) = patch.world_book
            && self.world_books.get(actor, book).await?.is_none()
        {
            problems.add("worldBookId", "There is no such world book.");
        }
        match id {
            Some(id) => {
                let mut persona = self.required(actor, id).await?;
                let expected = check::expected_version(&mut problems, expected_version);
                apply(&mut persona, patch, &mut problems);
                problems.finish()?;
                self.store(persona, expected).await
            }
            None => {
                if patch.name.is_none() {
                    problems.add("name", "A persona needs a name.");
                }
                let mut persona = self.blank(actor.require_user()?.user);
                apply(&mut persona, patch, &mut problems);
                problems.finish()?;
                self.insert(persona).await
            }
        }
    }

    fn blank(&self, owner: UserId) -> Persona {
        let now = self.shared.clock.now();
        Persona {
            id: PersonaId::new(),
            owner,
            text: PersonaText::default(),
            is_default: false,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    async fn insert(&self, persona: Persona) -> Result<Persona> {
        let Shared { store, limits, .. } = &*self.shared;
        if store.personas.count_by_owner(persona.owner).await? >= limits.personas_per_user {
            return Err(Error::of_field(
                Code::QuotaExceeded,
                "",
                format!("An account has at most {} personas.", limits.personas_per_user),
            ));
        }
        store.personas.insert(&persona).await?;
        Ok(persona)
    }

    async fn store(&self, mut persona: Persona, expected_version: i32) -> Result<Persona> {
        let Shared { store, clock, .. } = &*self.shared;
        persona.version = expected_version.saturating_add(1);
        persona.updated_at = clock.now();
        if store.personas.update(&persona, expected_version).await? {
            Ok(persona)
        } else {
            Err(check::changed("persona"))
        }
    }

    async fn required(&self, actor: &Actor, id: PersonaId) -> Result<Persona> {
        let found = self.by_ids(actor, &[id]).await?.pop();
        found.ok_or_else(|| Error::not_found("persona"))
    }

    /// Deletes a persona. Chats with it go on without one.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what is not the caller's.
    pub async fn delete(&self, actor: &Actor, id: PersonaId) -> Result<()> {
        actor.require(Permission::ChatUse)?;
        self.required(actor, id).await?;
        if self.shared.store.personas.delete(id).await? {
            Ok(())
        } else {
            Err(Error::not_found("persona"))
        }
    }
}

fn apply(persona: &mut Persona, patch: PersonaPatch, problems: &mut Problems) {
    let text = &mut persona.text;
    set(
        &mut text.depth,
        patch.depth.map(|depth| check::count(problems, "depth", depth)),
    );
    set(&mut text.name, patch.name.map(|name| name.trim().to_owned()));
    set(&mut text.title, patch.title.map(|title| title.trim().to_owned()));
    set(&mut text.description, patch.description);
    set(&mut text.position, patch.position);
    set(&mut text.role, patch.role.map(PersonaRole));
    set(&mut text.world_book, patch.world_book);
    set(&mut persona.is_default, patch.is_default);
}
