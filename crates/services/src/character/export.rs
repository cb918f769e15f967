//! Characters as cards, to be taken elsewhere: as they are now, over all that their card came with,
//! or the file as it came.

use bytes::Bytes;
use tavern_domain::{Actor, CharacterId, Code, Error, Result};
use tavern_prompt::PictureKind;
use tavern_prompt::card::{CardFormat, CardSpec, CardState, SourceFiles, extensions, write_card};
use tavern_prompt::safe_file_name;

use super::Characters;
use crate::avatar::Avatars;
use crate::export::ExportFile;

/// What a file made of a character without a usable name is called.
const NAMELESS: &str = "character";

impl Characters {
    /// A character as a card; in the specification it came in if `spec` is `None`.
    ///
    /// # Errors
    /// NOT_FOUND for what the caller may not see; BAD_USER_INPUT on `format` if it cannot be written so.
    pub(crate) async fn export(
        &self,
        actor: &Actor,
        id: CharacterId,
        format: CardFormat,
        spec: Option<CardSpec>,
    ) -> Result<ExportFile> {
        let character = self
            .get(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("character"))?;
        let payload = self.card_payload(id).await?;
        let (original, picture) = match format {
            CardFormat::Json => (None, None),
            CardFormat::Charx => (self.avatars.original(id).await?, None),
            CardFormat::Png => {
                let original = self.avatars.original(id).await?;
                let picture = self.png_face(id, original.as_ref()).await?;
                (original, picture)
            }
        };
        let spec = spec.unwrap_or(match character.text.spec_version.as_str() {
            "3.0" => CardSpec::V3,
            _ => CardSpec::V2,
        });
        let mut book = match character.world_book {
            Some(book) => self.world_books.for_card(actor, book, spec).await?,
            None => None,
        };
        // A book that is as it came is left as it is written in the card.
        if book.as_ref() == extensions::character_book(&self.card_extensions(id).await?) {
            book = None;
        }
        let limits = self.shared.limits.clone();
        let write = move || {
            let state = CardState {
                payload: payload.as_deref(),
                name: &character.summary.name,
                text: &character.text,
                tags: &character.summary.tags,
                character_book: book.as_ref(),
                modified: Some(character.summary.updated_at.seconds()),
            };
            let files = SourceFiles {
                original: original.as_deref(),
                picture: picture.as_deref(),
            };
            let written = write_card(&state, format, spec, &files, &limits)
                .map_err(|error| Error::bad_input("format", error.to_string()))?;
            let name = safe_file_name(&character.summary.name, NAMELESS);
            Ok(ExportFile {
                file_name: format!("{name}.{}", written.extension),
                bytes: written.bytes.into(),
                content_type: written.content_type,
                warnings: written.warnings,
            })
        };
        tokio::task::spawn_blocking(write).await.map_err(Error::internal)?
    }

    /// The picture to write a card into; `None` if the file the character came in is a PNG and its face.
    async fn png_face(&self, id: CharacterId, original: Option<&Bytes>) -> Result<Option<Bytes>> {
        let separate = self.avatars.separate_face(id).await?;
        let is_separate = separate.is_some();
        let face = separate.or_else(|| original.cloned());
        let kind = face.as_ref().and_then(|face| PictureKind::of(face));
        match (face, kind) {
            (Some(face), Some(PictureKind::Png)) => Ok(is_separate.then_some(face)),
            (Some(face), Some(_)) => {
                let png = self.avatars.as_png(face).await.map_err(|error| match error.code() {
                    Code::BadUserInput => Error::bad_input("format", error.message()),
                    _ => error,
                });
                png.map(Some)
            }
            _ => Avatars::plain_face().map(Some),
        }
    }

    /// The file that a character came in, byte for byte.
    ///
    /// # Errors
    /// NOT_FOUND for what the caller may not see; BAD_USER_INPUT on `original` if it was made here.
    pub(crate) async fn export_original(&self, actor: &Actor, id: CharacterId) -> Result<ExportFile> {
        let character = self
            .get(actor, id)
            .await?
            .ok_or_else(|| Error::not_found("character"))?;
        let bytes = self.avatars.original(id).await?.ok_or_else(|| {
            Error::bad_input(
                "original",
                "This character was made here: there is no file that it came in.",
            )
        })?;
        let (content_type, extension) = kind_of(&bytes);
        let name = safe_file_name(&character.summary.name, NAMELESS);
        Ok(ExportFile {
            bytes,
            file_name: format!("{name}.{extension}"),
            content_type,
            warnings: Vec::new(),
        })
    }
}

/// The media type and extension of a file that was read as a card.
fn kind_of(file: &[u8]) -> (&'static str, &'static str) {
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file).trim_ascii_start();
    match PictureKind::of(file) {
        Some(PictureKind::Png) => ("image/png", "png"),
        Some(PictureKind::Jpeg) => ("image/jpeg", "jpeg"),
        Some(PictureKind::Webp) => ("image/webp", "webp"),
        Some(PictureKind::Gif) => ("image/gif", "gif"),
        None if file.starts_with(b"PK") => ("application/zip", "charx"),
        None if text.starts_with(b"{") || text.starts_with(b"[") || text.starts_with(b"\"") => {
            ("application/json", "json")
        }
        None => ("application/yaml", "yaml"),
    }
}
