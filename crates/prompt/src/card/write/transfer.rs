//! Moves embedded assets between the forms that can hold them: chunks of a PNG, entries of a CHARX.

use std::collections::{BTreeMap, BTreeSet};

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
    let mut moved = BTreeMap::new();
    let is_other = |path: &&str| !path.ends_with('/') && !path.eq_ignore_ascii_case(charx::CARD);
    let mut left: BTreeSet<String> = archive.paths().filter(is_other).map(str::to_owned).collect();
    for asset in &mut listed {
        let path = assets::embedded_path(uri(asset)).and_then(|path| archive.path_of(path));
        let Some(path) = path.map(str::to_owned) else {
            continue;
        };
        left.remove(&path);
        let new = if is_main_icon(asset) {
            "ccdefault:".to_owned()
        } else {
            if !moved.contains_key(&path) {
                moved.insert(path.clone(), archive.read(&path, limits.upload_bytes)?);
            }
            format!("__asset:{path}")
        };
        if let Some(uri) = asset.get_mut("uri") {
            *uri = new.into();
        }
    }
    if !left.is_empty() {
        let some: Vec<_> = left
            .iter()
            .take(5)
            .map(|path| path.chars().take(80).collect::<String>())
            .collect();
        warnings.push(format!(
            "A PNG has no place for other files of the archive ({}): {}.",
            left.len(),
            some.join(", ")
        ));
    }
    if !listed.is_empty() {
        document.set("assets", &Value::Array(listed));
    }
    Ok(moved.into_iter().collect())
}

/// Makes the assets in the chunks of the PNG `original` entries.
pub(super) fn chunks_to_entries(document: &mut Document<'_>, original: &[u8], warnings: &mut Warnings) -> Moved {
    let mut chunks = png::assets(original);
    let mut listed = listed(document);
    let mut moved = Moved::new();
    let mut paths: BTreeMap<String, String> = BTreeMap::new();
    for (index, asset) in listed.iter_mut().enumerate() {
        let Some(old) = assets::chunk_path(uri(asset)).map(str::to_owned) else {
            continue;
        };
        // Assets that share a chunk share the entry.
        if let Some(bytes) = chunks.remove(&old) {
            let path = entry_path(asset, index);
            moved.push((path.clone(), bytes));
            paths.insert(old.clone(), path);
        }
        if let (Some(path), Some(uri)) = (paths.get(&old), asset.get_mut("uri")) {
            *uri = format!("embeded://{path}").into();
        }
    }
    if !chunks.is_empty() {
        warnings.push(format!(
            "Assets of the PNG that its card does not list stay in the original file: {}.",
            chunks.len()
        ));
    }
    if !moved.is_empty() {
        document.set("assets", &Value::Array(listed));
    }
    moved
}

/// Plain ASCII, as archives of cards want it, and told apart by the asset's place in the list.
fn entry_path(asset: &Value, index: usize) -> String {
    let word = |field: &str, otherwise: &str| {
        let text = asset.get(field).and_then(Value::as_str).unwrap_or_default();
        let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        let word: String = text.chars().filter(is_plain).take(40).collect();
        if word.is_empty() { otherwise.to_owned() } else { word }
    };
    format!("assets/{}/other/{index}.{}", word("type", "other"), word("ext", "bin"))
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
        warnings.push(format!("Assets of the card that stay in its original file: {count}."));
    }
}
