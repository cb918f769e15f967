//! Personas.

use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use tavern_domain::persona as domain;
use tavern_domain::{Error, PersonaId, WorldBookId};
use tavern_schema::error::{DeletePersonaError, SavePersonaError, nullable, operation_error, user_errors};
use tavern_schema::id::parse_id;
use tavern_schema::input::given_id;
use tavern_schema::persona::{DeletePersonaInput, PersonaFields, SavePersonaInput};
use tavern_services::persona::PersonaPatch;

use crate::context::RequestContext;
use crate::loaders::shared;
use crate::world_book::{WorldBook, load_world_book};

/// Who the user is in a chat. Only its owner sees it.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct Persona {
    pub id: ID,
    #[graphql(flatten)]
    fields: PersonaFields,
    #[graphql(skip)]
    book: Option<WorldBookId>,
}

impl Persona {
    #[must_use]
    pub fn of(persona: domain::Persona) -> Self {
        Self {
            id: persona.id.to_string().into(),
            book: persona.text.world_book,
            fields: persona.into(),
        }
    }
}

#[ComplexObject]
impl Persona {
    /// Lore that the persona brings into its chats.
    async fn world_book(&self, ctx: &Context<'_>) -> Option<WorldBook> {
        nullable(ctx, load_world_book(ctx, self.book?).await)
    }
}

/// The caller's personas.
pub(crate) async fn own_personas(ctx: &Context<'_>) -> Result<Vec<Persona>> {
    let RequestContext { services, actor, .. } = RequestContext::of(ctx);
    let own = services.personas.own(actor).await;
    let own = own.map_err(|error| operation_error(&error))?;
    Ok(own.into_iter().map(Persona::of).collect())
}

/// A persona by id, for relations; `None` if it is not the caller's.
pub(crate) async fn load_persona(ctx: &Context<'_>, id: PersonaId) -> Result<Option<Persona>, Error> {
    let found = RequestContext::of(ctx).loaders().load_one(id).await.map_err(shared)?;
    Ok(found.map(Persona::of))
}

#[derive(SimpleObject, Default)]
pub struct SavePersonaPayload {
    persona: Option<Persona>,
    user_errors: Vec<SavePersonaError>,
}

#[derive(SimpleObject, Default)]
pub struct DeletePersonaPayload {
    /// What is gone.
    deleted_id: Option<ID>,
    user_errors: Vec<DeletePersonaError>,
}

#[derive(Default)]
pub struct PersonaMutation;

#[Object]
impl PersonaMutation {
    /// Makes a persona, or changes one; if it has changed since `expectedVersion`, nothing happens and the error is CONFLICT.
    async fn save_persona(&self, ctx: &Context<'_>, input: SavePersonaInput) -> Result<SavePersonaPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let saved = async {
            let id = input.id.map(|id| parse_id("id", &id)).transpose()?;
            let world_book = given_id("worldBookId", input.world_book_id)?;
            let patch = PersonaPatch {
                name: input.name,
                title: input.title,
                description: input.description,
                position: input.position.map(Into::into),
                depth: input.depth,
                role: input.role.map(Into::into),
                world_book,
                is_default: input.is_default,
            };
            services.personas.save(actor, id, input.expected_version, patch).await
        };
        match saved.await {
            Ok(persona) => Ok(SavePersonaPayload {
                persona: Some(Persona::of(persona)),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(SavePersonaPayload {
                persona: None,
                user_errors: user_errors(error)?,
            }),
        }
    }

    /// Chats with the persona go on without one.
    async fn delete_persona(&self, ctx: &Context<'_>, input: DeletePersonaInput) -> Result<DeletePersonaPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let deleted = async { services.personas.delete(actor, parse_id("id", &input.id)?).await };
        match deleted.await {
            Ok(()) => Ok(DeletePersonaPayload {
                deleted_id: Some(input.id),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(DeletePersonaPayload {
                deleted_id: None,
                user_errors: user_errors(error)?,
            }),
        }
    }
}
