//! Relay's `Node`: anything by its id.

use async_graphql::{Context, ID, Interface, Object, Result};
use tavern_domain::{
    CharacterId, Error, ExtensionId, ExtensionVersionId, GenerationId, InstallationId, MessageId, PersonaId, PresetId,
    SessionId, UserId, ViewerId, WorldBookId,
};
use tavern_schema::error::{nullable, operation_error};
use tavern_schema::extension::ExtensionVersion;
use tavern_schema::id::parse_id;
use tavern_schema::preset::Preset;

use crate::account::{User, Viewer, load_user};
use crate::character::Character;
use crate::chat::ChatSession;
use crate::context::RequestContext;
use crate::extension::{Extension, load_extension};
use crate::generation::Generation;
use crate::installation::{Installation, load_installation};
use crate::loaders::shared;
use crate::message::{Message, load_message};
use crate::persona::{Persona, load_persona};
use crate::preset::load_preset;
use crate::world_book::{WorldBook, load_world_book};

/// Anything with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID"))]
pub enum Node {
    User(User),
    Viewer(Box<Viewer>),
    Character(Box<Character>),
    ChatSession(Box<ChatSession>),
    Message(Box<Message>),
    Generation(Box<Generation>),
    WorldBook(Box<WorldBook>),
    Preset(Box<Preset>),
    Persona(Box<Persona>),
    Extension(Box<Extension>),
    ExtensionVersion(Box<ExtensionVersion>),
    Installation(Box<Installation>),
}

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Null for what does not exist and for what the caller may not see.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Option<Node> {
        nullable(ctx, load(ctx, "id", &id).await)
    }

    /// In the order of the ids.
    #[graphql(complexity = "ids.len().saturating_mul(child_complexity).saturating_add(1)")]
    async fn nodes(&self, ctx: &Context<'_>, ids: Vec<ID>) -> Result<Vec<Option<Node>>> {
        let most = RequestContext::of(ctx).services.limits().max_page_size;
        if ids.len() > most as usize {
            return Err(operation_error(&Error::bad_input(
                "ids",
                format!("At most {most} ids, not {}.", ids.len()),
            )));
        }
        let loads = ids.iter().enumerate().map(|(index, id)| async move {
            let field = format!("ids.{index}");
            load(ctx, &field, id).await
        });
        let found = futures::future::join_all(loads).await;
        Ok(found.into_iter().map(|node| nullable(ctx, node)).collect())
    }
}

async fn load(ctx: &Context<'_>, field: &str, id: &ID) -> Result<Option<Node>, Error> {
    let RequestContext { services, actor, .. } = RequestContext::of(ctx);
    let loaders = RequestContext::of(ctx).loaders();
    let prefix = id.split_inclusive('_').next().unwrap_or_default();
    Ok(match prefix {
        UserId::PREFIX => load_user(ctx, parse_id(field, id)?).await?.map(Node::User),
        ViewerId::PREFIX => {
            let id: ViewerId = parse_id(field, id)?;
            if !actor.is(UserId::from_uuid(id.uuid())) {
                return Ok(None);
            }
            services
                .accounts
                .viewer(actor)
                .await?
                .map(|account| Node::Viewer(Box::new(Viewer::of(&account))))
        }
        CharacterId::PREFIX => loaders
            .load_one(parse_id::<CharacterId>(field, id)?)
            .await
            .map_err(shared)?
            .map(|found| Node::Character(Box::new(Character::of(found)))),
        SessionId::PREFIX => loaders
            .load_one(parse_id::<SessionId>(field, id)?)
            .await
            .map_err(shared)?
            .map(|found| Node::ChatSession(Box::new(ChatSession::of(found)))),
        MessageId::PREFIX => load_message(ctx, parse_id(field, id)?)
            .await?
            .map(|found| Node::Message(Box::new(found))),
        GenerationId::PREFIX => loaders
            .load_one(parse_id::<GenerationId>(field, id)?)
            .await
            .map_err(shared)?
            .map(|found| Node::Generation(Box::new(Generation::of(found)))),
        WorldBookId::PREFIX => load_world_book(ctx, parse_id(field, id)?)
            .await?
            .map(|found| Node::WorldBook(Box::new(found))),
        PresetId::PREFIX => load_preset(ctx, parse_id(field, id)?)
            .await?
            .map(|found| Node::Preset(Box::new(found))),
        PersonaId::PREFIX => load_persona(ctx, parse_id(field, id)?)
            .await?
            .map(|found| Node::Persona(Box::new(found))),
        ExtensionId::PREFIX => load_extension(ctx, parse_id(field, id)?)
            .await?
            .map(|found| Node::Extension(Box::new(found))),
        ExtensionVersionId::PREFIX => loaders
            .load_one(parse_id::<ExtensionVersionId>(field, id)?)
            .await
            .map_err(shared)?
            .map(|found| Node::ExtensionVersion(Box::new(found.into()))),
        InstallationId::PREFIX => load_installation(ctx, parse_id(field, id)?)
            .await?
            .map(|found| Node::Installation(Box::new(found))),
        _ => return Err(Error::bad_input(field, "This is not an id.")),
    })
}
