//! Moves embedded assets between the forms that can hold them: chunks of a PNG, entries of a CHARX.

use serde_json::Value;
use tavern_domain::Limits;

use super::Document;
use crate::card::warnings::Warnings;
use crate::card::{CardError, assets, charx, png};

/// Bytes under the path they get in the new file.
pub(super) type Moved = Vec<(String, Vec<u8>)>;

pub(super) fn uri(asset: &Value) -> &str {
    asset.get("uri").and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn is_main_icon(asset: &Value) -> bool {
    let is = |field: &str, value: &str| asset.get(field).and_then(Value::as_str) == Some(value);
    is("type", "icon") && is("name", "main")
}

/// The assets of the card, if it lists any.
pub(super) fn listed(document: &Document<'_>) -> Vec<Value> {
    match document.field("assets") {
        Some(Value::Array(assets)) => assets,
        _ => Vec::new(),
    }
}

/// Makes the assets in the archive `original` chunks; the main icon is the picture itself.
pub(super) fn entries_to_chunks(
    document: &mut Document<'_>,
    original: &[u8],
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Moved, CardError> {
    let mut archive = charx::Archive::open(original, limits)?;
    let mut listed = listed(document);
    let mut moved = Moved::new();
    let mut left: Vec<String> = archive
        .paths()
        .filter(|path| !path.ends_with('/'))
        .map(str::to_owned)
        .collect();
    left.retain(|path| !path.eq_ignore_ascii_case(charx::CARD));
    for asset in &mut listed {
        let path = assets::embedded_path(uri(asset)).and_then(|path| archive.path_of(path));
        let Some(path) = path.map(str::to_owned) else {
            continue;
        };
        left.retain(|other| *other != path);
        let new = if is_main_icon(asset) {
            "ccdefault:".to_owned()
        } else {
            if !moved.iter().any(|(other, _)| *other == path) {
                moved.push((path.clone(), archive.read(&path, limits.upload_bytes)?));
            }
            format!("__asset:{path}")
        };
        if let Some(uri) = asset.get_mut("uri") {
            *uri = new.into();
        }
    }
    if !left.is_empty() {
        warnings.push(format!(
            "{} files of the archive have no place in a PNG: {}.",
            left.len(),
            left.iter()
                .take(5)
                .map(|path| format!("`{}`", path.chars().take(80).collect::<String>()))
                .collect::<Vec<_>>()
                .join(", ")
        ));
    }
    if !listed.is_empty() {
        document.set("assets", &Value::Array(listed));
    }
    Ok(moved)
}

/// Makes the assets in the chunks of the PNG `original` entries.
pub(super) fn chunks_to_entries(document: &mut Document<'_>, original: &[u8], warnings: &mut Warnings) -> Moved {
    let mut chunks = png::assets(original);
    if chunks.is_empty() {
        return Moved::new();
    }
    let mut listed = listed(document);
    let mut moved = Moved::new();
    for (index, asset) in listed.iter_mut().enumerate() {
        let Some(bytes) = assets::chunk_path(uri(asset))
            .and_then(|path| chunks.get(path))
            .cloned()
        else {
            continue;
        };
        let word = |field: &str, otherwise: &str| {
            let word: String = asset
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .chars()
                .filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'))
                .take(40)
                .collect();
            if word.is_empty() { otherwise.to_owned() } else { word }
        };
        let path = format!("assets/{}/other/{index}.{}", word("type", "other"), word("ext", "bin"));
        if let Some(uri) = asset.get_mut("uri") {
            *uri = format!("embeded://{path}").into();
        }
        moved.push((path, bytes));
    }
    let original_listed = self::listed(document);
    for asset in &original_listed {
        if let Some(path) = assets::chunk_path(uri(asset)) {
            chunks.remove(path);
        }
    }
    if !chunks.is_empty() {
        warnings.push(format!(
            "{} assets of the PNG are not in the card's list; they stay in the original file.",
            chunks.len()
        ));
    }
    if !moved.is_empty() {
        document.set("assets", &Value::Array(listed));
    }
    moved
}

/// Assets that the card names and JSON alone cannot carry.
pub(super) fn tell_left_behind(document: &Document<'_>, warnings: &mut Warnings) {
    let is_embedded =
        |asset: &&Value| assets::embedded_path(uri(asset)).is_some() || assets::chunk_path(uri(asset)).is_some();
    tell(listed(document).iter().filter(is_embedded).count(), warnings);
}

/// Assets that the card names by a scheme which the new form does not have.
pub(super) fn tell_dangling(document: &Document<'_>, scheme: &str, warnings: &mut Warnings) {
    tell(
        listed(document)
            .iter()
            .filter(|asset| uri(asset).starts_with(scheme))
            .count(),
        warnings,
    );
}

fn tell(count: usize, warnings: &mut Warnings) {
    if count > 0 {
        warnings.push(format!("{count} assets of the card stay in its original file."));
    }
}
