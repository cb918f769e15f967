//! Presets.

use async_graphql::{Context, ID, Json, Object, Result, SimpleObject};
use serde_json::Value;
use tavern_domain::{Error, PresetId};
use tavern_schema::error::{
    DeletePresetError, ExportPresetError, ImportPresetError, SavePresetError, operation_error, user_errors,
};
use tavern_schema::id::parse_id;
use tavern_schema::preset::{
    DeletePresetInput, ExportPresetInput, ImportPresetInput, Preset, PresetSource, SavePresetInput,
};
use tavern_services::preset::{PresetPatch, PresetSource as Source};

use crate::context::RequestContext;
use crate::loaders::shared;

/// The caller's presets; their data, which is long, only if it is selected.
pub(crate) async fn own_presets(ctx: &Context<'_>) -> Result<Vec<Preset>> {
    let RequestContext { services, actor, .. } = RequestContext::of(ctx);
    let with_data = ctx.look_ahead().field("data").exists();
    let own = services.presets.own(actor, with_data).await;
    let own = own.map_err(|error| operation_error(&error))?;
    Ok(own.into_iter().map(Into::into).collect())
}

/// A preset by id, for relations; `None` if it is not the caller's.
pub(crate) async fn load_preset(ctx: &Context<'_>, id: PresetId) -> Result<Option<Preset>, Error> {
    let found = RequestContext::of(ctx).loaders().load_one(id).await.map_err(shared)?;
    Ok(found.map(Into::into))
}

#[derive(SimpleObject, Default)]
pub struct SavePresetPayload {
    preset: Option<Preset>,
    user_errors: Vec<SavePresetError>,
}

#[derive(SimpleObject, Default)]
pub struct DeletePresetPayload {
    /// What is gone.
    deleted_id: Option<ID>,
    user_errors: Vec<DeletePresetError>,
}

#[derive(SimpleObject, Default)]
pub struct ImportPresetPayload {
    preset: Option<Preset>,
    /// What was odd about the file, and how it was read.
    warnings: Vec<String>,
    user_errors: Vec<ImportPresetError>,
}

#[derive(SimpleObject, Default)]
pub struct ExportPresetPayload {
    /// What stands in the file.
    json: Option<Json<Value>>,
    file_name: Option<String>,
    user_errors: Vec<ExportPresetError>,
}

#[derive(Default)]
pub struct PresetMutation;

#[Object]
impl PresetMutation {
    /// Makes a preset, or changes one; if it has changed since `expectedVersion`, nothing happens and the error is CONFLICT.
    async fn save_preset(&self, ctx: &Context<'_>, input: SavePresetInput) -> Result<SavePresetPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let saved = async {
            let id = input.id.map(|id| parse_id("id", &id)).transpose()?;
            let patch = PresetPatch {
                name: input.name,
                data: input.data.map(|data| data.0),
            };
            services.presets.save(actor, id, input.expected_version, patch).await
        };
        match saved.await {
            Ok(preset) => Ok(SavePresetPayload {
                preset: Some(preset.into()),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(SavePresetPayload {
                preset: None,
                user_errors: user_errors(error)?,
            }),
        }
    }

    /// Chats with the preset go on without one.
    async fn delete_preset(&self, ctx: &Context<'_>, input: DeletePresetInput) -> Result<DeletePresetPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let deleted = async { services.presets.delete(actor, parse_id("id", &input.id)?).await };
        match deleted.await {
            Ok(()) => Ok(DeletePresetPayload {
                deleted_id: Some(input.id),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(DeletePresetPayload {
                deleted_id: None,
                user_errors: user_errors(error)?,
            }),
        }
    }

    /// Makes a preset of a file of SillyTavern's: a chat preset, a template, samplers, a regex script, a master file.
    async fn import_preset(&self, ctx: &Context<'_>, input: ImportPresetInput) -> Result<ImportPresetPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let source = match input.source {
            PresetSource::File(upload) => {
                let file = upload.value(ctx)?;
                Source::File(file.content, file.filename)
            }
            PresetSource::Json(Json(preset)) => Source::Json(preset),
        };
        match services.presets.import(actor, source, input.name).await {
            Ok(imported) => Ok(ImportPresetPayload {
                preset: Some(imported.preset.into()),
                warnings: imported.warnings,
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(ImportPresetPayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            }),
        }
    }

    /// A preset as the file it came from, or as one that holds all its sections.
    async fn export_preset(&self, ctx: &Context<'_>, input: ExportPresetInput) -> Result<ExportPresetPayload> {
        let RequestContext { services, actor, .. } = RequestContext::of(ctx);
        let exported = async { services.presets.export(actor, parse_id("id", &input.id)?).await };
        match exported.await {
            Ok(exported) => Ok(ExportPresetPayload {
                json: Some(Json(exported.json)),
                file_name: Some(exported.file_name),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(ExportPresetPayload {
                user_errors: user_errors(error)?,
                ..Default::default()
            }),
        }
    }
}
