//! Presets.

use async_graphql::{ID, InputObject, Json, OneofObject, SimpleObject, Upload};
use serde_json::Value;
use tavern_domain::preset as domain;

use crate::scalar::DateTime;

/// How prompts are put together and models are driven. Only its owner sees it.
#[derive(SimpleObject, Debug, Clone)]
pub struct Preset {
    pub id: ID,
    pub name: String,
    /// Sections of JSON as people exchange it: `chat`, `instruct`, `context`, `sysprompt`, `samplers`, `reasoning`,
    /// `lore`, and `regexScripts`, a list.
    pub data: Json<Value>,
    /// Grows by one with each change; a change names the version it was made from.
    pub version: i32,
    pub created_at: DateTime,
    pub updated_at: DateTime,
}

impl From<domain::Preset> for Preset {
    fn from(preset: domain::Preset) -> Self {
        Self {
            id: preset.id.to_string().into(),
            name: preset.name,
            data: Json(preset.data),
            version: preset.version,
            created_at: preset.created_at.into(),
            updated_at: preset.updated_at.into(),
        }
    }
}

/// What is not given stays.
#[derive(InputObject)]
pub struct SavePresetInput {
    /// The preset to be changed; without it, a new one is made.
    pub id: Option<ID>,
    /// The version the change was made from; needed with `id`. A lost update is refused.
    pub expected_version: Option<i32>,
    /// Needed for a new preset.
    pub name: Option<String>,
    /// All sections; those that are not in it are gone.
    pub data: Option<Json<Value>>,
}

#[derive(InputObject)]
pub struct DeletePresetInput {
    pub id: ID,
}

#[derive(InputObject)]
pub struct ImportPresetInput {
    pub source: PresetSource,
    /// What the preset is to be called; by default as it says, or as its file is called.
    pub name: Option<String>,
}

/// Where a preset comes from: exactly one of these.
#[derive(OneofObject)]
pub enum PresetSource {
    /// A JSON file of SillyTavern's, by the GraphQL multipart request specification.
    File(Upload),
    /// Such a file's JSON.
    Json(Json<Value>),
}

#[derive(InputObject)]
pub struct ExportPresetInput {
    pub id: ID,
}
