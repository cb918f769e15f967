//! World books as files of other programs, in and out.

use bytes::Bytes;
use serde_json::Value;
use tavern_domain::lore::{LoreFormat, WorldBook, WorldBookText, WorldEntry};
use tavern_domain::{Actor, Error, Problems, Result, UserId, WorldBookId, WorldEntryId};
use tavern_prompt::card::CardSpec;
use tavern_prompt::lore::formats::{
    ImportedBook, read_world_book, read_world_book_value, write_world_book, write_world_file,
};

use super::WorldBooks;
use crate::check;

/// Where an imported book comes from.
#[derive(Debug, Clone)]
pub enum WorldBookSource {
    /// A file, and what it is called: some formats name the book by it.
    File(Bytes, String),
    /// A book's JSON.
    Json(Value),
}

/// An imported book, and what was odd about it.
#[derive(Debug, Clone)]
pub struct ImportedWorldBook {
    pub book: WorldBook,
    pub warnings: Vec<String>,
}

/// A book as a file.
#[derive(Debug, Clone)]
pub struct ExportedWorldBook {
    pub json: Value,
    pub file_name: String,
}

impl WorldBooks {
    /// Makes a private book of a file of SillyTavern, of a card's book (V2, V3), of RisuAI, Agnai or
    /// NovelAI. It keeps what it was made of, so that an export gives back what was not changed.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN, QUOTA_EXCEEDED; BAD_USER_INPUT on `name`, and on `source.file` or
    /// `source.json` that says what the file is instead, or which limit it breaks and where.
    pub async fn import(
        &self,
        actor: &Actor,
        source: WorldBookSource,
        name: Option<String>,
    ) -> Result<ImportedWorldBook> {
        let owner = self.may_create(actor).await?;
        let limits = self.shared.limits.clone();
        let mut problems = Problems::new();
        if let Some(name) = &name {
            check::name(&mut problems, "name", name, limits.title_chars);
        }
        problems.finish()?;
        let (field, bytes, file_name) = match source {
            WorldBookSource::File(bytes, file_name) => ("source.file", bytes, file_name),
            WorldBookSource::Json(json) => {
                let bytes = serde_json::to_vec(&json).map_err(Error::internal)?;
                ("source.json", bytes.into(), String::new())
            }
        };
        let read = tokio::task::spawn_blocking(move || read_world_book(&bytes, &limits))
            .await
            .map_err(Error::internal)?;
        let read = read.map_err(|error| Error::bad_input(field, error.to_string()))?;
        let names = [name.as_deref().unwrap_or_default(), check::stem(&file_name)];
        self.keep(owner, read, field, names).await
    }

    /// Makes a private book of the book in a card; it is named after the character if by nothing else.
    ///
    /// # Errors
    /// As [`Self::import`], on `field`.
    pub(crate) async fn import_from_card(
        &self,
        actor: &Actor,
        book: Value,
        field: &str,
        character: &str,
    ) -> Result<ImportedWorldBook> {
        let owner = self.may_create(actor).await?;
        let read = read_world_book_value(book, &self.shared.limits);
        let read = read.map_err(|error| Error::bad_input(field, error.to_string()))?;
        self.keep(owner, read, field, ["", character]).await
    }

    /// `asked` comes before the name that the book has, `otherwise` behind it; each may be empty.
    async fn keep(
        &self,
        owner: UserId,
        read: ImportedBook,
        field: &str,
        [asked, otherwise]: [&str; 2],
    ) -> Result<ImportedWorldBook> {
        let limits = &self.shared.limits;
        let mut warnings = read.warnings;
        let mut book = self.blank(owner);
        book.text = read.text;
        let own = std::mem::take(&mut book.text.name);
        let name = [asked, &own, otherwise, "World book"]
            .into_iter()
            .map(str::trim)
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        book.text.name = name.chars().take(limits.title_chars).collect();
        if book.text.name.len() < name.len() {
            warnings.push(format!("The book's name was cut to {} characters.", limits.title_chars));
        }
        if own.is_empty()
            && let Some(source) = &mut book.text.source
        {
            source.key = Some(book.text.name.clone());
        }
        let mut problems = Problems::new();
        check::text(
            &mut problems,
            field,
            &book.text.description,
            limits.character_text_bytes,
        );
        check::tags(&mut problems, field, &book.text.tags, limits);
        problems.finish()?;
        let entries: Vec<_> = read
            .entries
            .into_iter()
            .map(|entry| WorldEntry {
                id: WorldEntryId::new(),
                book: book.id,
                version: 1,
                entry,
            })
            .collect();
        book.entry_count = i32::try_from(entries.len()).map_err(Error::internal)?;
        let bytes: usize = entries.iter().map(|entry| entry.entry.bytes()).sum();
        book.bytes = i64::try_from(bytes).map_err(Error::internal)?;
        self.shared.store.documents.insert_world_book(&book, &entries).await?;
        Ok(ImportedWorldBook { book, warnings })
    }

    /// A book as a file: in the format it came in, or SillyTavern's, unless another is asked for.
    ///
    /// # Errors
    /// UNAUTHENTICATED; NOT_FOUND for what the caller may not see.
    pub async fn export(
        &self,
        actor: &Actor,
        id: WorldBookId,
        format: Option<LoreFormat>,
    ) -> Result<ExportedWorldBook> {
        actor.require_user()?;
        let book = self
            .get(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("world book"))?;
        let entries = self.shared.store.documents.world_entries(id).await?;
        let mut text = book.text;
        let format = format.unwrap_or_else(|| {
            text.source
                .as_ref()
                .map_or(LoreFormat::SillyTavern, |source| source.format)
        });
        let extension = if format == LoreFormat::NovelAi {
            "lorebook"
        } else {
            "json"
        };
        let file_name = check::file_name(&text.name, extension);
        forget_given_name(&mut text, format);
        let json = tokio::task::spawn_blocking(move || {
            let entries: Vec<_> = entries.into_iter().map(|entry| entry.entry).collect();
            write_world_file(&text, &entries, format)
        })
        .await
        .map_err(Error::internal)?;
        Ok(ExportedWorldBook { json, file_name })
    }

    /// A book as a card carries it, in the format it came in if that is a card's; `None` if the caller
    /// may not see it.
    pub(crate) async fn for_card(&self, actor: &Actor, id: WorldBookId, spec: CardSpec) -> Result<Option<Value>> {
        let Some(book) = self.get(actor, id).await? else {
            return Ok(None);
        };
        let entries = self.shared.store.documents.world_entries(id).await?;
        let mut text = book.text;
        let format = match text.source.as_ref().map(|source| source.format) {
            Some(own @ (LoreFormat::CardV2 | LoreFormat::CardV3)) => own,
            _ if spec == CardSpec::V2 => LoreFormat::CardV2,
            _ => LoreFormat::CardV3,
        };
        forget_given_name(&mut text, format);
        let write = move || {
            let entries: Vec<_> = entries.into_iter().map(|entry| entry.entry).collect();
            write_world_book(&text, &entries, format)
        };
        tokio::task::spawn_blocking(write)
            .await
            .map(Some)
            .map_err(Error::internal)
    }
}

/// A book that came without a name stays without, as long as it is still called what it was then.
fn forget_given_name(text: &mut WorldBookText, format: LoreFormat) {
    if let Some(source) = &text.source
        && source.format == format
        && source.key.as_ref() == Some(&text.name)
    {
        text.name.clear();
    }
}
