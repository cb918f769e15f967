//! The API's behaviour: roots, relations and loaders. A resolver translates and stays short; services decide.

pub mod account;
pub mod character;
pub mod chat;
pub mod chat_file;
mod context;
pub mod export;
pub mod extension;
pub mod generation;
pub mod installation;
mod loaders;
pub mod message;
pub mod model;
pub mod node;
mod payload;
pub mod persona;
pub mod preset;
mod prompt;
pub mod session_event;
pub mod world_book;

use async_graphql::{MergedObject, MergedSubscription, SchemaBuilder};

pub use context::RequestContext;

/// The root of queries.
#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQuery,
    account::AccountQuery,
    character::CharacterQuery,
    chat::ChatQuery,
    generation::GenerationQuery,
    model::ModelQuery,
    prompt::PromptQuery,
    world_book::WorldBookQuery,
    extension::ExtensionQuery,
);

/// The root of mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(
    account::AccountMutation,
    character::CharacterMutation,
    chat::ChatMutation,
    chat_file::ChatFileMutation,
    export::ExportMutation,
    message::MessageMutation,
    generation::GenerationMutation,
    world_book::WorldBookMutation,
    preset::PresetMutation,
    persona::PersonaMutation,
    extension::ExtensionMutation,
    installation::InstallationMutation,
);

/// The root of subscriptions.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    generation::GenerationSubscription,
    session_event::SessionSubscription,
    installation::InstallationSubscription,
);

/// The executable schema.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The schema before limits are put on it. It has no extensions: a single one would put a boxed
/// future around every field of every list.
#[must_use]
pub fn schema() -> SchemaBuilder<Query, Mutation, Subscription> {
    async_graphql::Schema::build(Query::default(), Mutation::default(), Subscription::default()).disable_suggestions()
}

/// The schema's text, sorted, so that a difference is a change of the API.
#[must_use]
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    format!("{}\n", schema().finish().sdl_with_options(options).trim())
}
