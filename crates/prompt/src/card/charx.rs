//! Opens CHARX archives: a ZIP with `card.json` at its root, its assets beside it, and possibly a
//! picture or program before it.
//!
//! Before anything is unpacked, entries are counted, their sizes summed, their names checked; an
//! entry is unpacked up to the size that was checked and no further, so lies cost nothing.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use tavern_domain::Limits;
use zip::ZipArchive;

use super::warnings::Warnings;
use super::{Card, CardError, CardForm, Picture, PictureKind, assets, json, read_json};

pub(super) const CARD: &str = "card.json";
/// Smaller entries may be packed as tightly as they like.
const RATIO_FLOOR: u64 = 1024 * 1024;
/// The end mark is followed by a comment of up to 64 KiB.
const END_BYTES: usize = 22 + 0xffff;

/// Whether the end of the file is that of an archive.
pub(super) fn has_end_mark(bytes: &[u8]) -> bool {
    let end = bytes.get(bytes.len().saturating_sub(END_BYTES)..).unwrap_or_default();
    memchr::memmem::rfind(end, b"PK\x05\x06").is_some()
}

/// An archive within the limits.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Where an entry is, by its path with `/`.
    places: BTreeMap<String, usize>,
    /// Paths by themselves in lower case.
    folded: BTreeMap<String, String>,
    /// Where it starts; what is before is a picture or a program.
    start: usize,
}

impl<'a> Archive<'a> {
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, CardError> {
        // Each entry costs memory before its archive can be asked about it, so their marks are counted
        // first. A stored archive inside counts as well, which errs on the safe side.
        let headers = memchr::memmem::find_iter(bytes, b"PK\x01\x02");
        if headers.take(limits.charx_entries.saturating_add(1)).count() > limits.charx_entries {
            return Err(refused(format!("it has more than {} entries", limits.charx_entries)));
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| refused("it is damaged"))?;
        let (mut places, mut folded) = (BTreeMap::new(), BTreeMap::new());
        let mut total = 0_u64;
        let mut start = bytes.len();
        for index in 0..zip.len() {
            let entry = zip.by_index_data(index).map_err(|_| refused("it is damaged"))?;
            let name = entry.name().map_err(|_| refused("the name of an entry is damaged"))?;
            if entry.encrypted() {
                return Err(refused("it is encrypted"));
            }
            let path = name.replace('\\', "/");
            if !is_inside(&path) {
                return Err(refused(format!("its entry `{}` lies outside of it", shortened(&name))));
            }
            total = total.saturating_add(entry.size());
            if total > limits.charx_bytes {
                return Err(refused(format!("it unpacks to more than {} bytes", limits.charx_bytes)));
            }
            let most = entry.compressed_size().saturating_mul(limits.inflation_ratio);
            if entry.size() >= RATIO_FLOOR && entry.size() > most {
                return Err(refused(format!(
                    "its entry `{}` unpacks to more than {} times its size",
                    shortened(&name),
                    limits.inflation_ratio
                )));
            }
            start = start.min(usize::try_from(entry.header_start()).unwrap_or(usize::MAX));
            folded.insert(path.to_ascii_lowercase(), path.clone());
            places.insert(path, index);
        }
        Ok(Self {
            zip,
            places,
            folded,
            start,
        })
    }

    /// The entry's own path for `path`, which may differ from it in case.
    pub fn path_of(&self, path: &str) -> Option<&str> {
        let exact = self.places.get_key_value(path);
        exact
            .map(|(name, _)| name)
            .or_else(|| self.folded.get(&path.to_ascii_lowercase()))
            .map(String::as_str)
    }

    /// Unpacks the entry at `path`.
    pub fn read(&mut self, path: &str, limit: usize) -> Result<Vec<u8>, CardError> {
        let index = *self
            .places
            .get(path)
            .ok_or_else(|| refused(format!("it has no `{}`", shortened(path))))?;
        let damaged = || refused(format!("its entry `{}` is damaged", shortened(path)));
        let entry = self.zip.by_index(index).map_err(|_| damaged())?;
        let size = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        if size > limit {
            return Err(CardError::TooLarge { limit });
        }
        let mut bytes = Vec::new();
        entry
            .take(u64::try_from(size).unwrap_or(u64::MAX).saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|_| damaged())?;
        if bytes.len() == size { Ok(bytes) } else { Err(damaged()) }
    }

    /// Bytes before the archive itself.
    pub const fn start(&self) -> usize {
        self.start
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// In the archive's order.
    pub fn into_zip(self) -> ZipArchive<Cursor<&'a [u8]>> {
        self.zip
    }
}

fn refused(why: impl Into<String>) -> CardError {
    CardError::Archive(why.into())
}

fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

fn is_inside(path: &str) -> bool {
    let has_drive = path.as_bytes().get(1) == Some(&b':');
    !path.is_empty()
        && !path.starts_with('/')
        && !has_drive
        && !path.contains('\0')
        && path.split('/').all(|part| part != "..")
}

pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Card, CardError> {
    let mut archive = Archive::open(bytes, limits)?;
    let Some(card) = archive.path_of(CARD).map(str::to_owned) else {
        let is_backyard = archive.path_of("manifest.json").is_some();
        return Err(refused(if is_backyard {
            "it has no card.json at its root; archives of Backyard (BYAF) are not read"
        } else {
            "it has no card.json at its root"
        }));
    };
    let mut warnings = Warnings::default();
    if archive.zip.has_duplicate_names() {
        warnings.push("The archive has several entries of one name; the last of them is used.");
    }
    let text = archive.read(&card, limits.card_json_bytes)?;
    let text = json::text(&text, limits, &mut warnings)?;
    let parsed = json::parse(text, limits, &mut warnings)?;
    let mut card = read_json(parsed, CardForm::Charx, limits, warnings)?;
    let mut told = std::mem::take(&mut card.warnings);
    assets::locate_entries(&mut card, &archive, &mut told);
    card.warnings = told;
    card.picture = assets::main_icon(&card, bytes, limits);
    if card.picture.is_none() {
        // A picture that an archive hides behind is its face.
        card.picture = PictureKind::of(bytes).map(|kind| Picture { kind, bytes: None });
    }
    Ok(card)
}
