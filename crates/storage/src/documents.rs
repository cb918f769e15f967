//! Documents: bodies of messages, original cards, texts of generations; world books are in
//! `world_book.rs`. Found by id, written before the relational rows that make them real, and swept
//! by whoever finds that none did.

use std::io::Write as _;

use async_trait::async_trait;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tavern_domain::chat::MessageBody;
use tavern_domain::generation::GenerationText;
use tavern_domain::prompt::PromptPreview;
use tavern_domain::{CharacterId, Error, GenerationId, MessageId, Result, SessionId, Timestamp};
use uuid::Uuid;

use crate::db::{Db, DbResult, from_json, lists, only, to_json};
use crate::entity::{card_document, generation_prompt, generation_text, message_document};
use crate::world_book::WorldBookStore;

/// The text of a generation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GenerationRecord {
    pub text: GenerationText,
    /// How it ended, written with the final text before the relational settlement: what is settled
    /// can be settled again from here after a crash.
    pub ended: Option<serde_json::Value>,
}

/// Where documents are kept.
#[async_trait]
pub trait DocumentStore: WorldBookStore {
    /// A message that is there already is left as it is.
    async fn put_messages(&self, messages: &[(MessageId, SessionId, &MessageBody)]) -> Result<()>;
    /// Those that exist, in no particular order.
    async fn messages(&self, ids: &[MessageId]) -> Result<Vec<(MessageId, MessageBody)>>;
    /// False, and no change, if the stored version is no longer `expected_version` or the message is gone.
    async fn update_message(&self, id: MessageId, expected_version: i32, body: &MessageBody) -> Result<bool>;
    async fn delete_messages(&self, ids: &[MessageId]) -> Result<()>;
    /// Messages by the time in their ids, `from` included and `to` not, ascending, behind `after`.
    async fn message_ids_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<MessageId>>;
    /// The JSON text of an original card, kept byte for byte. Replaces an earlier one.
    async fn put_card(&self, id: CharacterId, json: &str) -> Result<()>;
    async fn card(&self, id: CharacterId) -> Result<Option<String>>;
    async fn delete_card(&self, id: CharacterId) -> Result<()>;
    /// Replaces an earlier one.
    async fn put_text(&self, id: GenerationId, record: &GenerationRecord) -> Result<()>;
    /// Partial texts of many generations, in one transaction. A record that says how it ended is left as it is.
    async fn checkpoint(&self, texts: &[(GenerationId, GenerationText)]) -> Result<()>;
    async fn text(&self, id: GenerationId) -> Result<Option<GenerationRecord>>;
    /// Those that exist, in no particular order.
    async fn texts(&self, ids: &[GenerationId]) -> Result<Vec<(GenerationId, GenerationRecord)>>;
    /// With their prompts.
    async fn delete_texts(&self, ids: &[GenerationId]) -> Result<()>;
    /// The prompt of a generation as it was sent. Replaces an earlier one.
    async fn put_prompt(&self, id: GenerationId, prompt: &PromptPreview) -> Result<()>;
    async fn prompt(&self, id: GenerationId) -> Result<Option<PromptPreview>>;
    /// Forgets prompts of generations made before `time`, at most `limit`; gives how many.
    async fn delete_prompts_before(&self, time: Timestamp, limit: u32) -> Result<u64>;
}

/// Documents in tables of the relational database.
pub struct SqlDocuments {
    pub(crate) db: Db,
}

impl SqlDocuments {
    /// The hot read: bodies by id, decoded by position.
    async fn bodies<T: DeserializeOwned>(
        &self,
        table: &str,
        ids: impl Iterator<Item = Uuid>,
    ) -> Result<Vec<(Uuid, T)>> {
        let mut found = Vec::new();
        for list in lists(ids) {
            let places: Vec<String> = (1..=list.len()).map(|number| format!("${number}")).collect();
            let sql = format!("SELECT id, body FROM {table} WHERE id IN ({})", places.join(", "));
            let rows = self.db.rows(sql, list.into_iter().map(Into::into).collect()).await?;
            for row in &rows {
                found.push(decode(row)?);
            }
        }
        Ok(found)
    }
}

fn decode<T: DeserializeOwned>(row: &QueryResult) -> Result<(Uuid, T)> {
    let (id, body): (Uuid, String) = (row.try_get_by_index(0).db()?, row.try_get_by_index(1).db()?);
    Ok((id, from_json(&body)?))
}

fn deflate(text: &str) -> Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).map_err(Error::internal)?;
    encoder.finish().map_err(Error::internal)
}

/// The smallest UUIDv7 of a millisecond.
pub(crate) fn first_of(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.0).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128(u128::from(millis) << 80)
}

#[async_trait]
impl DocumentStore for SqlDocuments {
    async fn put_messages(&self, messages: &[(MessageId, SessionId, &MessageBody)]) -> Result<()> {
        use message_document::{ActiveModel, Column, Entity};
        let mut rows = Vec::with_capacity(messages.len());
        for (id, session, body) in messages {
            rows.push(ActiveModel {
                id: Set(id.uuid()),
                session_id: Set(session.uuid()),
                version: Set(body.version),
                body: Set(to_json(body)?),
            });
        }
        Entity::insert_many(rows)
            .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
            .exec_without_returning(&self.db.write)
            .await
            .db()?;
        Ok(())
    }

    async fn messages(&self, ids: &[MessageId]) -> Result<Vec<(MessageId, MessageBody)>> {
        let found = self.bodies("message_documents", ids.iter().map(|id| id.uuid())).await?;
        Ok(found
            .into_iter()
            .map(|(id, body)| (MessageId::from_uuid(id), body))
            .collect())
    }

    async fn update_message(&self, id: MessageId, expected_version: i32, body: &MessageBody) -> Result<bool> {
        use message_document::{Column, Entity};
        let updated = Entity::update_many()
            .col_expr(Column::Version, Expr::value(body.version))
            .col_expr(Column::Body, Expr::value(to_json(body)?))
            .filter(Column::Id.eq(id.uuid()))
            .filter(Column::Version.eq(expected_version))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(updated.rows_affected > 0)
    }

    async fn delete_messages(&self, ids: &[MessageId]) -> Result<()> {
        for list in lists(ids.iter().map(|id| id.uuid())) {
            message_document::Entity::delete_many()
                .filter(message_document::Column::Id.is_in(list))
                .exec(&self.db.write)
                .await
                .db()?;
        }
        Ok(())
    }

    async fn message_ids_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<MessageId>> {
        use message_document::{Column, Entity};
        let mut select = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Id.gte(first_of(from)))
            .filter(Column::Id.lt(first_of(to)));
        if let Some(after) = after {
            select = select.filter(Column::Id.gt(after.uuid()));
        }
        let ids: Vec<Uuid> = select
            .order_by_asc(Column::Id)
            .limit(u64::from(limit))
            .into_tuple()
            .all(&self.db.read)
            .await
            .db()?;
        Ok(ids.into_iter().map(MessageId::from_uuid).collect())
    }

    async fn put_card(&self, id: CharacterId, json: &str) -> Result<()> {
        use card_document::{ActiveModel, Column, Entity};
        let row = ActiveModel {
            id: Set(id.uuid()),
            body: Set(json.to_owned()),
        };
        Entity::insert(row)
            .on_conflict(OnConflict::column(Column::Id).update_column(Column::Body).to_owned())
            .exec_without_returning(&self.db.write)
            .await
            .db()?;
        Ok(())
    }

    async fn card(&self, id: CharacterId) -> Result<Option<String>> {
        Ok(only(card_document::Entity::find_by_id(id.uuid()), &self.db.read)
            .await?
            .map(|row| row.body))
    }

    async fn delete_card(&self, id: CharacterId) -> Result<()> {
        card_document::Entity::delete_by_id(id.uuid())
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(())
    }

    async fn put_text(&self, id: GenerationId, record: &GenerationRecord) -> Result<()> {
        use generation_text::{ActiveModel, Column, Entity};
        let row = ActiveModel {
            id: Set(id.uuid()),
            is_final: Set(record.ended.is_some()),
            body: Set(to_json(record)?),
        };
        Entity::insert(row)
            .on_conflict(
                OnConflict::column(Column::Id)
                    .update_columns([Column::IsFinal, Column::Body])
                    .to_owned(),
            )
            .exec_without_returning(&self.db.write)
            .await
            .db()?;
        Ok(())
    }

    async fn checkpoint(&self, texts: &[(GenerationId, GenerationText)]) -> Result<()> {
        use generation_text::{ActiveModel, Column, Entity};
        let tx = self.db.begin().await?;
        for (id, text) in texts {
            let body = to_json(&GenerationRecord {
                text: text.clone(),
                ended: None,
            })?;
            let unless_final = OnConflict::column(Column::Id)
                .update_column(Column::Body)
                .action_and_where(Column::IsFinal.eq(false))
                .to_owned();
            let row = ActiveModel {
                id: Set(id.uuid()),
                is_final: Set(false),
                body: Set(body),
            };
            Entity::insert(row)
                .on_conflict(unless_final)
                .exec_without_returning(&tx)
                .await
                .db()?;
        }
        tx.commit().await.db()
    }

    async fn text(&self, id: GenerationId) -> Result<Option<GenerationRecord>> {
        Ok(self.texts(&[id]).await?.pop().map(|(_, record)| record))
    }

    async fn texts(&self, ids: &[GenerationId]) -> Result<Vec<(GenerationId, GenerationRecord)>> {
        let found = self.bodies("generation_texts", ids.iter().map(|id| id.uuid())).await?;
        Ok(found
            .into_iter()
            .map(|(id, record)| (GenerationId::from_uuid(id), record))
            .collect())
    }

    async fn delete_texts(&self, ids: &[GenerationId]) -> Result<()> {
        for list in lists(ids.iter().map(|id| id.uuid())) {
            generation_text::Entity::delete_many()
                .filter(generation_text::Column::Id.is_in(list.clone()))
                .exec(&self.db.write)
                .await
                .db()?;
            generation_prompt::Entity::delete_many()
                .filter(generation_prompt::Column::Id.is_in(list))
                .exec(&self.db.write)
                .await
                .db()?;
        }
        Ok(())
    }

    async fn put_prompt(&self, id: GenerationId, prompt: &PromptPreview) -> Result<()> {
        use generation_prompt::{ActiveModel, Column, Entity};
        let row = ActiveModel {
            id: Set(id.uuid()),
            body: Set(deflate(&to_json(prompt)?)?),
        };
        Entity::insert(row)
            .on_conflict(OnConflict::column(Column::Id).update_column(Column::Body).to_owned())
            .exec_without_returning(&self.db.write)
            .await
            .db()?;
        Ok(())
    }

    async fn prompt(&self, id: GenerationId) -> Result<Option<PromptPreview>> {
        let row = only(generation_prompt::Entity::find_by_id(id.uuid()), &self.db.read).await?;
        row.map(|row| serde_json::from_reader(DeflateDecoder::new(row.body.as_slice())).map_err(Error::internal))
            .transpose()
    }

    async fn delete_prompts_before(&self, time: Timestamp, limit: u32) -> Result<u64> {
        use generation_prompt::{Column, Entity};
        let ids: Vec<Uuid> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Id.lt(first_of(time)))
            .order_by_asc(Column::Id)
            .limit(u64::from(limit))
            .into_tuple()
            .all(&self.db.read)
            .await
            .db()?;
        let mut deleted = 0;
        for list in lists(ids) {
            let result = Entity::delete_many()
                .filter(Column::Id.is_in(list))
                .exec(&self.db.write)
                .await;
            deleted += result.db()?.rows_affected;
        }
        Ok(deleted)
    }
}
