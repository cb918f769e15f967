//! Versions of extensions. Manifest, schema and report are JSON text.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "extension_versions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub extension_id: Uuid,
    pub version: String,
    pub api: String,
    pub package_sha256: String,
    pub component_sha256: String,
    pub package_bytes: i64,
    pub manifest: String,
    pub config_schema: Option<String>,
    pub readme: String,
    pub report: String,
    pub key_id: String,
    pub countersignature: String,
    pub yanked: Option<String>,
    pub killed: Option<String>,
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
