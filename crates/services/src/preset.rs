//! Presets: an account's own, seen and changed by nobody else.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tavern_domain::preset::{Preset, SECTIONS};
use tavern_domain::{Actor, Code, Error, Permission, PresetId, Problems, Result};
use tavern_prompt::preset::{export_preset, read_preset_file};

use crate::Shared;
use crate::check;

/// Fields of a preset as somebody writes them; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct PresetPatch {
    pub name: Option<String>,
    /// Replaces the former data as a whole.
    pub data: Option<Value>,
}

/// Where an imported preset comes from.
#[derive(Debug, Clone)]
pub enum PresetSource {
    /// A JSON file, and what it is called.
    File(Bytes, String),
    /// A preset's JSON.
    Json(Value),
}

/// An imported preset, and what was odd about it.
#[derive(Debug, Clone)]
pub struct ImportedPreset {
    pub preset: Preset,
    pub warnings: Vec<String>,
}

/// A preset as a file.
#[derive(Debug, Clone)]
pub struct ExportedPreset {
    pub json: Value,
    pub file_name: String,
}

/// The use cases of presets.
#[derive(Clone)]
pub struct Presets {
    shared: Arc<Shared>,
}

impl Presets {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Those of `ids` that are the caller's, in no order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn by_ids(&self, actor: &Actor, ids: &[PresetId]) -> Result<Vec<Preset>> {
        let mut found = self.shared.store.presets.by_ids(ids).await?;
        found.retain(|preset| actor.is(preset.owner));
        Ok(found)
    }

    /// The caller's presets, the oldest first; their data only if asked for.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub async fn own(&self, actor: &Actor, with_data: bool) -> Result<Vec<Preset>> {
        let owner = actor.require_user()?.user;
        self.shared.store.presets.owned_by(owner, with_data).await
    }

    /// Makes a preset (`id` is `None`), or changes one made of `expected_version`.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what is not the caller's; BAD_USER_INPUT for every field that
    /// is wrong; CONFLICT on `expectedVersion` if the preset has changed since; QUOTA_EXCEEDED.
    pub async fn save(
        &self,
        actor: &Actor,
        id: Option<PresetId>,
        expected_version: Option<i32>,
        patch: PresetPatch,
    ) -> Result<Preset> {
        actor.require(Permission::ChatUse)?;
        let mut problems = Problems::new();
        self.check(&mut problems, &patch);
        match id {
            Some(id) => {
                let mut preset = self.required(actor, id).await?;
                let expected = check::expected_version(&mut problems, expected_version);
                problems.finish()?;
                check::set(&mut preset.name, patch.name.map(|name| name.trim().to_owned()));
                check::set(&mut preset.data, patch.data);
                self.store(preset, expected).await
            }
            None => {
                if patch.name.is_none() {
                    problems.add("name", "A preset needs a name.");
                }
                problems.finish()?;
                self.insert(actor, patch).await
            }
        }
    }

    fn check(&self, problems: &mut Problems, patch: &PresetPatch) {
        let limits = &self.shared.limits;
        if let Some(name) = &patch.name {
            check::name(problems, "name", name, limits.title_chars);
        }
        let Some(data) = &patch.data else { return };
        check::object(problems, "data", data, limits.preset_bytes);
        for (section, value) in data.as_object().into_iter().flatten() {
            if !SECTIONS.contains(&section.as_str()) {
                let shown: String = section.chars().take(60).collect();
                problems.add(
                    "data",
                    format!(
                        "{shown:?} is no section of a preset. Its sections are {}; importPreset reads files of others.",
                        SECTIONS.join(", ")
                    ),
                );
                return;
            }
            let is_list = section == "regexScripts";
            if value.is_array() != is_list || value.is_object() == is_list {
                let kind = if is_list { "a list" } else { "an object" };
                problems.add(&format!("data.{section}"), format!("This section is {kind}."));
            }
        }
    }

    async fn insert(&self, actor: &Actor, patch: PresetPatch) -> Result<Preset> {
        let owner = actor.require_user()?.user;
        let Shared {
            store, limits, clock, ..
        } = &*self.shared;
        if store.presets.count_by_owner(owner).await? >= limits.presets_per_user {
            return Err(Error::of_field(
                Code::QuotaExceeded,
                "",
                format!("An account has at most {} presets.", limits.presets_per_user),
            ));
        }
        let now = clock.now();
        let preset = Preset {
            id: PresetId::new(),
            owner,
            name: patch.name.unwrap_or_default().trim().to_owned(),
            data: patch.data.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        store.presets.insert(&preset).await?;
        Ok(preset)
    }

    async fn store(&self, mut preset: Preset, expected_version: i32) -> Result<Preset> {
        let Shared { store, clock, .. } = &*self.shared;
        preset.version = expected_version.saturating_add(1);
        preset.updated_at = clock.now();
        if store.presets.update(&preset, expected_version).await? {
            Ok(preset)
        } else {
            Err(check::changed("preset"))
        }
    }

    async fn required(&self, actor: &Actor, id: PresetId) -> Result<Preset> {
        let found = self.by_ids(actor, &[id]).await?.pop();
        found.ok_or_else(|| Error::not_found("preset"))
    }

    /// Makes a preset of a file of SillyTavern's, whatever part of a preset it is.
    ///
    /// # Errors
    /// UNAUTHENTICATED, QUOTA_EXCEEDED; BAD_USER_INPUT on `name`, and on `source.file` or
    /// `source.json` for what is no preset, or too large a one.
    pub async fn import(&self, actor: &Actor, source: PresetSource, name: Option<String>) -> Result<ImportedPreset> {
        actor.require(Permission::ChatUse)?;
        let limits = &self.shared.limits;
        let (field, json, file_name) = match source {
            PresetSource::File(bytes, file_name) => {
                // Of a settings file only parts are taken, so the file may be larger than a preset.
                let most = limits.preset_bytes.saturating_mul(4);
                if bytes.len() > most {
                    return Err(Error::bad_input(
                        "source.file",
                        format!("A preset's file has at most {most} bytes, not {}.", bytes.len()),
                    ));
                }
                ("source.file", parse(&bytes), file_name)
            }
            PresetSource::Json(json) => ("source.json", Ok(json), String::new()),
        };
        let json = json.map_err(|message| Error::bad_input(field, message))?;
        let read = read_preset_file(json, &file_name);
        let (own_name, data, warnings) =
            read.map_err(|_| Error::bad_input(field, "This is of no known kind of preset."))?;
        let mut problems = Problems::new();
        if let Some(name) = &name {
            check::name(&mut problems, "name", name, limits.title_chars);
        }
        check::object(&mut problems, field, &data, limits.preset_bytes);
        problems.finish()?;
        let own_name: String = own_name
            .chars()
            .filter(|letter| *letter != '\0')
            .take(limits.title_chars)
            .collect();
        let own_name = if own_name.trim().is_empty() {
            "Preset".to_owned()
        } else {
            own_name
        };
        let patch = PresetPatch {
            name: Some(name.unwrap_or(own_name)),
            data: Some(data),
        };
        let preset = self.insert(actor, patch).await?;
        Ok(ImportedPreset { preset, warnings })
    }

    /// A preset as the file that SillyTavern reads.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what is not the caller's.
    pub async fn export(&self, actor: &Actor, id: PresetId) -> Result<ExportedPreset> {
        actor.require_user()?;
        let preset = self.required(actor, id).await?;
        Ok(ExportedPreset {
            json: export_preset(&preset.data),
            file_name: check::file_name(&preset.name, "json"),
        })
    }

    /// Deletes a preset. Chats with it go on without one.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what is not the caller's.
    pub async fn delete(&self, actor: &Actor, id: PresetId) -> Result<()> {
        actor.require(Permission::ChatUse)?;
        self.required(actor, id).await?;
        if self.shared.store.presets.delete(id).await? {
            Ok(())
        } else {
            Err(Error::not_found("preset"))
        }
    }
}

/// The JSON in a file, with or without a byte order mark.
fn parse(bytes: &[u8]) -> Result<Value, String> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|error| {
        format!(
            "The file is not valid JSON at line {}, column {}.",
            error.line(),
            error.column()
        )
    })
}
