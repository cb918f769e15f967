//! Extensions: publishers and their keys, what they published, and, in the modules below, who has it
//! installed and what it keeps.

mod budget;
mod installation;
mod jobs;
mod list;
mod logs;
mod traces;
mod values;

use std::collections::BTreeMap;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, LockType, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use tavern_domain::extension::{Extension, ExtensionVersion, Hook, Publisher, PublisherKey};
use tavern_domain::{ExtensionId, ExtensionVersionId, Result, Timestamp, UserId};
use uuid::Uuid;

use crate::db::{Db, DbResult, from_json, lists, only, to_json};
use crate::entity::{extension, extension_version, publisher, publisher_key, user};

pub use installation::{InstallOutcome, InstallationStamp, SealedSecret, SecretChange, Switch, SwitchOutcome};
pub(crate) use jobs::add_job;
pub use list::{ExtensionQuery, ListedExtension};
pub use values::{StoredValue, ValueKey, ValueOutcome, ValueRoom, ValueWrite};
pub(crate) use values::{copy_chat, forget_chat, lock_installations};

/// Extensions. Cheap to clone.
#[derive(Clone)]
pub struct ExtensionStore {
    pub(crate) db: Db,
}

/// A version about to be published.
#[derive(Debug, Clone)]
pub struct Publication<'a> {
    pub publisher: &'a str,
    /// What it was signed with; registered if the publisher is new.
    pub key: &'a PublisherKey,
    /// As it is to be. One of this name that exists keeps its id and its age.
    pub extension: &'a Extension,
    pub version: &'a ExtensionVersion,
    /// The range of interfaces it works with.
    pub api: &'a str,
    pub hooks: &'a [Hook],
    /// What is searched, folded.
    pub words: &'a str,
    /// How many versions there were when this one was compared with them.
    pub versions: u64,
    /// How many names an account may publish under.
    pub max_publishers: u32,
}

/// What became of a publication; all but `Published` changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    Published(Extension),
    /// The publisher's name belongs to another account.
    NameTaken,
    TooManyPublishers,
    /// The publisher has no such key, or has revoked it.
    KeyUnknown,
    /// Another version was published meanwhile.
    Raced,
}

/// What the choice of a version needs to know of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionHead {
    pub id: ExtensionVersionId,
    pub version: String,
    pub api: String,
    /// Neither yanked nor killed.
    pub usable: bool,
}

/// Id, version, interface, and why it was yanked or killed.
type HeadRow = (Uuid, String, String, Option<String>, Option<String>);

impl ExtensionStore {
    pub async fn publish(&self, new: &Publication<'_>) -> Result<PublishOutcome> {
        let owner = new.extension.owner;
        let tx = self.db.begin().await?;
        // One publication of an account at a time: their number is looked at.
        only(user::Entity::find_by_id(owner.uuid()).lock(LockType::NoKeyUpdate), &tx).await?;
        if let Some(refused) = claim(&tx, new).await? {
            return Ok(refused);
        }
        let find = extension::Entity::find().filter(extension::Column::Name.eq(&new.extension.name));
        let extension = match only(find, &tx).await? {
            None => insert(&tx, new).await?,
            Some(row) => {
                let versions = extension_version::Entity::find()
                    .filter(extension_version::Column::ExtensionId.eq(row.id))
                    .count(&tx)
                    .await
                    .db()?;
                if versions != new.versions {
                    return Ok(PublishOutcome::Raced);
                }
                update(&tx, row, new).await?
            }
        };
        extension_version::Entity::insert(version_row(new, extension.id)?)
            .exec_without_returning(&tx)
            .await
            .db()?;
        tx.commit().await.db()?;
        Ok(PublishOutcome::Published(extension))
    }

    /// How many names an account publishes under.
    pub async fn publishers_of(&self, owner: UserId) -> Result<u64> {
        let of_account = publisher::Entity::find().filter(publisher::Column::OwnerId.eq(owner.uuid()));
        of_account.count(&self.db.read).await.db()
    }

    /// Whether some version is this package.
    pub async fn is_published(&self, package_sha256: &str) -> Result<bool> {
        let of_package =
            extension_version::Entity::find().filter(extension_version::Column::PackageSha256.eq(package_sha256));
        Ok(of_package.count(&self.db.read).await.db()? > 0)
    }

    /// What is stopped everywhere: `publisher/name` of extensions, `publisher/name@version` of versions.
    pub async fn killed(&self) -> Result<Vec<String>> {
        let sql = "SELECT name FROM extensions WHERE killed IS NOT NULL UNION ALL SELECT e.name || '@' || v.version FROM extension_versions v JOIN extensions e ON e.id = v.extension_id WHERE v.killed IS NOT NULL";
        let rows = self.db.rows(sql.to_owned(), Vec::new()).await?;
        rows.iter().map(|row| row.try_get_by_index(0).db()).collect()
    }

    pub async fn publisher(&self, name: &str) -> Result<Option<Publisher>> {
        let Some(row) = only(publisher::Entity::find_by_id(name.to_owned()), &self.db.read).await? else {
            return Ok(None);
        };
        let keys = publisher_key::Entity::find()
            .filter(publisher_key::Column::Publisher.eq(name))
            .order_by_asc(publisher_key::Column::CreatedAt)
            .order_by_asc(publisher_key::Column::KeyId)
            .all(&self.db.read)
            .await
            .db()?;
        Ok(Some(Publisher {
            name: row.name,
            owner: UserId::from_uuid(row.owner_id),
            keys: keys.into_iter().map(to_key).collect(),
        }))
    }

    /// False if the publisher has this key already, revoked or not, or as many as `most`.
    pub async fn add_key(&self, publisher: &str, key: &PublisherKey, most: u32) -> Result<bool> {
        let tx = self.db.begin().await?;
        let locked = publisher::Entity::find_by_id(publisher.to_owned()).lock(LockType::Update);
        only(locked, &tx).await?;
        let keys = publisher_key::Entity::find()
            .filter(publisher_key::Column::Publisher.eq(publisher))
            .count(&tx)
            .await
            .db()?;
        if keys >= u64::from(most) {
            return Ok(false);
        }
        let added = publisher_key::Entity::insert(key_row(publisher, key))
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&tx)
            .await
            .db()?;
        tx.commit().await.db()?;
        Ok(added > 0)
    }

    /// False if there is no such key, or it is revoked already.
    pub async fn revoke_key(&self, publisher: &str, key_id: &str, now: Timestamp) -> Result<bool> {
        use publisher_key::Column;
        let revoked = publisher_key::Entity::update_many()
            .col_expr(Column::RevokedAt, Expr::value(Some(now.0)))
            .filter(Column::Publisher.eq(publisher))
            .filter(Column::KeyId.eq(key_id))
            .filter(Column::RevokedAt.is_null())
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(revoked.rows_affected > 0)
    }

    pub async fn by_name(&self, name: &str) -> Result<Option<Extension>> {
        let find = extension::Entity::find().filter(extension::Column::Name.eq(name));
        Ok(only(find, &self.db.read).await?.map(to_extension))
    }

    /// Those that exist, in no particular order.
    pub async fn by_ids(&self, ids: &[ExtensionId]) -> Result<Vec<Extension>> {
        let mut found = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = extension::Entity::find()
                .filter(extension::Column::Id.is_in(list))
                .all(&self.db.read)
                .await
                .db()?;
            found.extend(rows.into_iter().map(to_extension));
        }
        Ok(found)
    }

    /// The versions of an extension in the order they were published, with little of each.
    pub async fn version_heads(&self, extension: ExtensionId) -> Result<Vec<VersionHead>> {
        use extension_version::Column::{Api, ExtensionId, Id, Killed, Version, Yanked};
        let rows: Vec<HeadRow> = extension_version::Entity::find()
            .select_only()
            .columns([Id, Version, Api, Yanked, Killed])
            .filter(ExtensionId.eq(extension.uuid()))
            .order_by_asc(Id)
            .into_tuple()
            .all(&self.db.read)
            .await
            .db()?;
        let head = |(id, version, api, yanked, killed): HeadRow| VersionHead {
            id: ExtensionVersionId::from_uuid(id),
            version,
            api,
            usable: yanked.is_none() && killed.is_none(),
        };
        Ok(rows.into_iter().map(head).collect())
    }

    /// Those that exist, in no particular order.
    pub async fn versions(&self, ids: &[ExtensionVersionId]) -> Result<Vec<ExtensionVersion>> {
        let mut found = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = extension_version::Entity::find()
                .filter(extension_version::Column::Id.is_in(list))
                .all(&self.db.read)
                .await
                .db()?;
            for row in rows {
                found.push(to_version(row)?);
            }
        }
        Ok(found)
    }

    /// Of each extension the newest version that can be installed; of one that has none, the newest.
    pub async fn newest(&self, extensions: &[ExtensionId]) -> Result<Vec<ExtensionVersion>> {
        use extension_version::Column::{ExtensionId as Of, Id, Killed, Yanked};
        let mut newest: BTreeMap<Uuid, (bool, Uuid)> = BTreeMap::new();
        for list in lists(extensions.iter().map(|id| id.uuid())) {
            let rows: Vec<(Uuid, Uuid, Option<String>, Option<String>)> = extension_version::Entity::find()
                .select_only()
                .columns([Of, Id, Yanked, Killed])
                .filter(Of.is_in(list))
                .into_tuple()
                .all(&self.db.read)
                .await
                .db()?;
            for (of, id, yanked, killed) in rows {
                // Ids of versions grow.
                let rank = (yanked.is_none() && killed.is_none(), id);
                let best = newest.entry(of).or_insert(rank);
                *best = rank.max(*best);
            }
        }
        let ids: Vec<_> = newest
            .into_values()
            .map(|(_, id)| ExtensionVersionId::from_uuid(id))
            .collect();
        self.versions(&ids).await
    }

    /// False if there is no such version. `None` takes it back.
    pub async fn yank(&self, version: ExtensionVersionId, reason: Option<String>) -> Result<bool> {
        use extension_version::Column::{Id, Yanked};
        let yanked = extension_version::Entity::update_many()
            .col_expr(Yanked, Expr::value(reason))
            .filter(Id.eq(version.uuid()))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(yanked.rows_affected > 0)
    }

    /// Stops a version, or all of an extension, or lets it run again (`None`).
    pub async fn kill(
        &self,
        extension: ExtensionId,
        version: Option<ExtensionVersionId>,
        reason: Option<String>,
    ) -> Result<()> {
        match version {
            Some(version) => extension_version::Entity::update_many()
                .col_expr(extension_version::Column::Killed, Expr::value(reason))
                .filter(extension_version::Column::Id.eq(version.uuid()))
                .exec(&self.db.write)
                .await
                .db()?,
            None => extension::Entity::update_many()
                .col_expr(extension::Column::Killed, Expr::value(reason))
                .filter(extension::Column::Id.eq(extension.uuid()))
                .exec(&self.db.write)
                .await
                .db()?,
        };
        Ok(())
    }
}

/// Takes the publisher's name for the account, if it is free, and looks at the key. Leaves the
/// publisher locked. Gives why not, if not.
async fn claim(tx: &impl ConnectionTrait, new: &Publication<'_>) -> Result<Option<PublishOutcome>> {
    let owner = new.extension.owner.uuid();
    let row = publisher::ActiveModel {
        name: Set(new.publisher.to_owned()),
        owner_id: Set(owner),
        created_at: Set(new.version.created_at.0),
    };
    let claimed = publisher::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(tx)
        .await
        .db()?;
    if claimed > 0 {
        let publishers = publisher::Entity::find()
            .filter(publisher::Column::OwnerId.eq(owner))
            .count(tx)
            .await
            .db()?;
        if publishers > u64::from(new.max_publishers) {
            return Ok(Some(PublishOutcome::TooManyPublishers));
        }
        publisher_key::Entity::insert(key_row(new.publisher, new.key))
            .exec_without_returning(tx)
            .await
            .db()?;
        return Ok(None);
    }
    let locked = publisher::Entity::find_by_id(new.publisher.to_owned()).lock(LockType::Update);
    if only(locked, tx).await?.is_none_or(|row| row.owner_id != owner) {
        return Ok(Some(PublishOutcome::NameTaken));
    }
    let key = publisher_key::Entity::find_by_id((new.publisher.to_owned(), new.key.id.clone()));
    let known = only(key, tx)
        .await?
        .is_some_and(|key| key.revoked_at.is_none() && key.public_key == new.key.public_key);
    Ok((!known).then_some(PublishOutcome::KeyUnknown))
}

async fn insert(tx: &impl ConnectionTrait, new: &Publication<'_>) -> Result<Extension> {
    let extension = new.extension;
    let row = extension::ActiveModel {
        id: Set(extension.id.uuid()),
        name: Set(extension.name.clone()),
        publisher: Set(new.publisher.to_owned()),
        owner_id: Set(extension.owner.uuid()),
        title: Set(extension.title.clone()),
        summary: Set(extension.summary.clone()),
        words: Set(new.words.to_owned()),
        hooks: Set(hooks(new.hooks)),
        installs: Set(0),
        killed: Set(None),
        created_at: Set(extension.created_at.0),
        updated_at: Set(extension.updated_at.0),
    };
    extension::Entity::insert(row).exec_without_returning(tx).await.db()?;
    Ok(extension.clone())
}

async fn update(tx: &impl ConnectionTrait, mut row: extension::Model, new: &Publication<'_>) -> Result<Extension> {
    use extension::Column::{Hooks, Id, Summary, Title, UpdatedAt, Words};
    row.title.clone_from(&new.extension.title);
    row.summary.clone_from(&new.extension.summary);
    row.updated_at = new.extension.updated_at.0;
    extension::Entity::update_many()
        .col_expr(Title, Expr::value(row.title.clone()))
        .col_expr(Summary, Expr::value(row.summary.clone()))
        .col_expr(Words, Expr::value(new.words))
        .col_expr(Hooks, Expr::value(hooks(new.hooks)))
        .col_expr(UpdatedAt, Expr::value(row.updated_at))
        .filter(Id.eq(row.id))
        .exec(tx)
        .await
        .db()?;
    Ok(to_extension(row))
}

/// Each name between spaces, so that one can be looked for.
fn hooks(hooks: &[Hook]) -> String {
    let names = hooks.iter().map(|hook| format!("{hook} "));
    format!(" {}", names.collect::<String>())
}

fn key_row(publisher: &str, key: &PublisherKey) -> publisher_key::ActiveModel {
    publisher_key::ActiveModel {
        publisher: Set(publisher.to_owned()),
        key_id: Set(key.id.clone()),
        public_key: Set(key.public_key.clone()),
        created_at: Set(key.created_at.0),
        revoked_at: Set(key.revoked_at.map(|at| at.0)),
    }
}

fn to_key(row: publisher_key::Model) -> PublisherKey {
    PublisherKey {
        id: row.key_id,
        public_key: row.public_key,
        created_at: Timestamp(row.created_at),
        revoked_at: row.revoked_at.map(Timestamp),
    }
}

fn to_extension(row: extension::Model) -> Extension {
    Extension {
        id: ExtensionId::from_uuid(row.id),
        name: row.name,
        owner: UserId::from_uuid(row.owner_id),
        title: row.title,
        summary: row.summary,
        installs: row.installs,
        killed: row.killed,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    }
}

fn version_row(new: &Publication<'_>, extension: ExtensionId) -> Result<extension_version::ActiveModel> {
    let version = new.version;
    Ok(extension_version::ActiveModel {
        id: Set(version.id.uuid()),
        extension_id: Set(extension.uuid()),
        version: Set(version.version.clone()),
        api: Set(new.api.to_owned()),
        package_sha256: Set(version.package_sha256.clone()),
        component_sha256: Set(version.component_sha256.clone()),
        package_bytes: Set(version.package_bytes),
        manifest: Set(to_json(&version.manifest)?),
        config_schema: Set(version.config_schema.as_ref().map(to_json).transpose()?),
        readme: Set(version.readme.clone()),
        report: Set(to_json(&version.report)?),
        key_id: Set(version.key_id.clone()),
        countersignature: Set(version.countersignature.clone()),
        yanked: Set(version.yanked.clone()),
        killed: Set(version.killed.clone()),
        created_at: Set(version.created_at.0),
    })
}

fn to_version(row: extension_version::Model) -> Result<ExtensionVersion> {
    Ok(ExtensionVersion {
        id: ExtensionVersionId::from_uuid(row.id),
        extension: ExtensionId::from_uuid(row.extension_id),
        version: row.version,
        package_sha256: row.package_sha256,
        component_sha256: row.component_sha256,
        package_bytes: row.package_bytes,
        manifest: from_json(&row.manifest)?,
        config_schema: row.config_schema.as_deref().map(from_json).transpose()?,
        readme: row.readme,
        report: from_json(&row.report)?,
        key_id: row.key_id,
        countersignature: row.countersignature,
        yanked: row.yanked,
        killed: row.killed,
        created_at: Timestamp(row.created_at),
    })
}
