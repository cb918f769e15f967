//! The assets of a card: what it names, and where their bytes lie. Kinds that nobody here shows are
//! listed like all others (V3 wants them kept for export).

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use tavern_domain::Limits;

use super::warnings::Warnings;
use super::{Card, CardError, Object, Picture, PictureKind, charx, encoding};

/// A picture, sound or other file that belongs to a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// `icon`, `background`, `user_icon`, `emotion`, an application's own `x_…`, or whatever the card says.
    pub kind: String,
    pub name: String,
    /// As the card spells it; may be a whole file as a data URL.
    pub uri: String,
    /// Without a dot; as the card spells it.
    pub ext: String,
    pub place: AssetPlace,
}

/// Where the bytes of an asset are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetPlace {
    /// In the URI itself.
    Inline,
    /// Base64 in these bytes of the PNG.
    Chunk(Range<usize>),
    /// Under this path in the archive.
    Entry(String),
    /// The application's own picture, or the one that the card came in (`ccdefault:`).
    Default,
    /// Behind a URL of the web, or of a scheme unknown here. Nothing here follows it.
    Elsewhere,
    /// The file should carry it, and does not.
    Missing,
}

/// The kind under which what a file carries and its card does not name is listed.
const UNNAMED: &str = "other";

/// What `data` lists; where bytes lie in a file is not known yet, see [`locate`].
pub(super) fn list(data: &Object, limits: &Limits, warnings: &mut Warnings) -> Vec<Asset> {
    let mut assets = Vec::new();
    match data.get("assets") {
        None | Some(Value::Null) => {}
        Some(Value::Array(items)) => {
            let field =
                |item: &Value, name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            assets.extend(items.iter().filter(|item| item.is_object()).map(|item| {
                let uri = field(item, "uri");
                Asset {
                    kind: field(item, "type"),
                    name: field(item, "name"),
                    ext: field(item, "ext"),
                    place: place(&uri),
                    uri,
                }
            }));
        }
        Some(_) => warnings.push("`assets` is no list; it was kept, and not read."),
    }
    risu_lists(data, &mut assets);
    if assets.len() > limits.card_assets {
        warnings.push(format!(
            "The card has {} assets; the first {} are listed.",
            assets.len(),
            limits.card_assets
        ));
        assets.truncate(limits.card_assets);
    }
    assets
}

/// Before V3 had assets, RisuAI kept lists of `[name, uri, ext?]` in its extension.
fn risu_lists(data: &Object, assets: &mut Vec<Asset>) {
    let risu = data.get("extensions").and_then(|extensions| extensions.get("risuai"));
    for (list, kind) in [("emotions", "emotion"), ("additionalAssets", "x-risu-asset")] {
        let items = risu.and_then(|risu| risu.get(list)).and_then(Value::as_array);
        for item in items.into_iter().flatten() {
            let text = |at: usize| item.get(at).and_then(Value::as_str).unwrap_or_default().to_owned();
            let uri = text(1);
            if !uri.is_empty() {
                assets.push(Asset {
                    kind: kind.to_owned(),
                    name: text(0),
                    ext: text(2),
                    place: place(&uri),
                    uri,
                });
            }
        }
    }
}

fn place(uri: &str) -> AssetPlace {
    match uri {
        _ if uri.starts_with("data:") => AssetPlace::Inline,
        _ if uri.starts_with("ccdefault:") => AssetPlace::Default,
        _ if embedded_path(uri).is_some() || chunk_path(uri).is_some() => AssetPlace::Missing,
        _ => AssetPlace::Elsewhere,
    }
}

/// The path in an archive. The specification spells the scheme with one `d`; people do not.
pub(super) fn embedded_path(uri: &str) -> Option<&str> {
    uri.strip_prefix("embeded://")
        .or_else(|| uri.strip_prefix("embedded://"))
}

/// The name of a PNG's chunk, less its prefix.
pub(super) fn chunk_path(uri: &str) -> Option<&str> {
    uri.strip_prefix("__asset:")
}

/// Fills in where assets lie in a PNG; what the card does not name is listed besides.
pub(super) fn locate_chunks(
    card: &mut Card,
    mut chunks: BTreeMap<String, Range<usize>>,
    limits: &Limits,
    warnings: &mut Vec<String>,
) {
    let mut used = Vec::new();
    for asset in &mut card.assets {
        if let Some(path) = chunk_path(&asset.uri)
            && let Some(range) = chunks.get(path)
        {
            asset.place = AssetPlace::Chunk(range.clone());
            used.push(path.to_owned());
        }
    }
    for path in used {
        chunks.remove(&path);
    }
    for (path, range) in chunks {
        if card.assets.len() >= limits.card_assets {
            break;
        }
        card.assets.push(Asset {
            kind: UNNAMED.to_owned(),
            uri: format!("__asset:{path}"),
            name: path,
            ext: String::new(),
            place: AssetPlace::Chunk(range),
        });
    }
    tell_missing(card, warnings);
}

pub(super) fn locate_entries(card: &mut Card, archive: &charx::Archive<'_>, warnings: &mut Vec<String>) {
    for asset in &mut card.assets {
        if let Some(path) = embedded_path(&asset.uri).and_then(|path| archive.path_of(path)) {
            asset.place = AssetPlace::Entry(path.to_owned());
        }
    }
    tell_missing(card, warnings);
}

pub(super) fn tell_missing(card: &Card, warnings: &mut Vec<String>) {
    let missing = card
        .assets
        .iter()
        .filter(|asset| asset.place == AssetPlace::Missing)
        .count();
    if missing > 0 {
        warnings.push(format!("{missing} of the card's assets are not in its file."));
    }
}

/// The card's face, as its file carries it beside the JSON. `None` if it carries none that is a picture.
pub(super) fn main_icon(card: &Card, file: &[u8], limits: &Limits) -> Option<Picture> {
    let icons = || card.assets.iter().filter(|asset| asset.kind == "icon");
    let icon = icons().find(|asset| asset.name == "main").or_else(|| icons().next())?;
    let bytes = asset_bytes(file, icon, limits).ok()??;
    let kind = PictureKind::of(&bytes)?;
    Some(Picture {
        kind,
        bytes: Some(bytes),
    })
}

/// The bytes of an asset of the card in `file`; `None` if they are not in the file.
///
/// # Errors
/// If the file is damaged there, or the asset has more than `Limits::upload_bytes`.
pub fn asset_bytes(file: &[u8], asset: &Asset, limits: &Limits) -> Result<Option<Vec<u8>>, CardError> {
    let damaged = || {
        CardError::Broken(format!(
            "its asset `{}` is damaged",
            asset.name.chars().take(80).collect::<String>()
        ))
    };
    let limit = limits.upload_bytes;
    let encoded = match &asset.place {
        AssetPlace::Inline => {
            let (head, body) = asset.uri.split_once(',').ok_or_else(damaged)?;
            if !head.ends_with(";base64") {
                return Err(damaged());
            }
            body.as_bytes()
        }
        AssetPlace::Chunk(range) => file.get(range.clone()).ok_or_else(damaged)?,
        AssetPlace::Entry(path) => return charx::Archive::open(file, limits)?.read(path, limit).map(Some),
        AssetPlace::Default | AssetPlace::Elsewhere | AssetPlace::Missing => return Ok(None),
    };
    let bytes = encoding::decode_base64(encoded).ok_or_else(damaged)?;
    if bytes.len() > limit {
        return Err(CardError::TooLarge { limit });
    }
    Ok(Some(bytes))
}
