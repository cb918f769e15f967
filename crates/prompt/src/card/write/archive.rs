//! CHARX out: the original archive with its card replaced, or a new one.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use tavern_domain::Limits;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::transfer::{self, Moved};
use super::{CardSpec, Document, SourceFiles, picture};
use crate::card::warnings::Warnings;
use crate::card::{CardError, PictureKind, assets, charx};

pub(super) fn write(
    document: &mut Document<'_>,
    modified: Option<i64>,
    files: &SourceFiles<'_>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, CardError> {
    let is_png = |bytes: &&[u8]| PictureKind::of(bytes) == Some(PictureKind::Png);
    let body = files.original.filter(|bytes| charx::has_end_mark(bytes));
    let archive = match body.map(|bytes| charx::Archive::open(bytes, limits)) {
        Some(Ok(archive)) => Some(archive),
        // A PNG may end in what looks like an archive; what was imported as one is one.
        Some(Err(_)) if files.original.is_some_and(|bytes| is_png(&bytes)) => None,
        Some(Err(error)) => return Err(error),
        None => None,
    };
    let mut entries = Moved::new();
    if archive.is_none() {
        transfer::tell_dangling(document, "embeded://", warnings);
        if let Some(original) = files.original.filter(is_png) {
            entries = transfer::chunks_to_entries(document, original, warnings);
        }
    }
    transfer::tell_dangling(document, "__asset:", warnings);
    // The face of an archive is in it already, unless it changed.
    let face = files.picture.or(files
        .original
        .filter(|bytes| archive.is_none() && PictureKind::of(bytes).is_some()));
    let icon = face.and_then(|face| put_icon(document, archive.as_ref(), face));
    entries.extend(icon);
    // A picture that an archive hides behind stays its face, unless there is another.
    let before = match (&archive, files) {
        (
            Some(archive),
            SourceFiles {
                original: Some(original),
                picture: None,
            },
        ) if PictureKind::of(original).is_some() => original.get(..archive.start()).unwrap_or_default(),
        _ => &[],
    };
    write_zip(before, &document.json(CardSpec::V3, modified), archive, &entries)
        .map_err(|error| CardError::Archive(error.to_string()))
}

/// Makes `face` the main icon of the card; returns it under its path. `None` if it is no picture.
fn put_icon(
    document: &mut Document<'_>,
    archive: Option<&charx::Archive<'_>>,
    face: &[u8],
) -> Option<(String, Vec<u8>)> {
    let kind = PictureKind::of(face)?;
    let mut listed = transfer::listed(document);
    let place = listed.iter().position(transfer::is_main_icon);
    let extension = kind.extension();
    // A picture of the same kind takes its predecessor's place.
    let old = place
        .and_then(|at| listed.get(at))
        .map(transfer::uri)
        .and_then(assets::embedded_path);
    let old = old
        .and_then(|path| archive?.path_of(path))
        .filter(|path| path.ends_with(&format!(".{extension}")));
    let path = match old {
        Some(path) => path.to_owned(),
        None => (0_u32..)
            .map(|number| match number {
                0 => format!("assets/icon/images/main.{extension}"),
                number => format!("assets/icon/images/main-{number}.{extension}"),
            })
            .find(|path| archive.is_none_or(|archive| archive.path_of(path).is_none()))?,
    };
    if old.is_none() {
        let uri = format!("embeded://{path}");
        match place.and_then(|at| listed.get_mut(at)).and_then(Value::as_object_mut) {
            Some(asset) => {
                asset.insert("uri".into(), uri.into());
                asset.insert("ext".into(), extension.into());
            }
            None => listed.insert(
                0,
                json!({ "type": "icon", "uri": uri, "name": "main", "ext": extension }),
            ),
        }
        document.set("assets", &Value::Array(listed));
    }
    // The card is in the archive; a second, older one in its icon would confuse readers.
    let bytes = match kind {
        PictureKind::Png => picture::without_texts(face),
        _ => face.to_vec(),
    };
    Some((path, bytes))
}

fn write_zip(
    before: &[u8],
    card: &str,
    archive: Option<charx::Archive<'_>>,
    entries: &[(String, Vec<u8>)],
) -> zip::result::ZipResult<Vec<u8>> {
    // The same card gives the same bytes on every day.
    let options = SimpleFileOptions::default().last_modified_time(DateTime::default());
    let mut start = Cursor::new(before.to_vec());
    start.set_position(u64::try_from(before.len()).unwrap_or_default());
    let mut out = ZipWriter::new(start);
    out.start_file(charx::CARD, options.compression_method(CompressionMethod::Deflated))?;
    out.write_all(card.as_bytes())?;
    if let Some(archive) = archive {
        let mut zip = archive.into_zip();
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index)?;
            let name = entry.name()?;
            let is_replaced = name.eq_ignore_ascii_case(charx::CARD)
                || entries.iter().any(|(path, _)| *path == name.replace('\\', "/"));
            if !is_replaced {
                out.raw_copy_file(entry)?;
            }
        }
    }
    for (path, bytes) in entries {
        out.start_file(path.as_str(), options.compression_method(CompressionMethod::Stored))?;
        out.write_all(bytes)?;
    }
    Ok(out.finish()?.into_inner())
}
