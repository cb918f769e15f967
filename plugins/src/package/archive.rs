//! Files into packages and out of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use bytes::Bytes;

use super::{Report, checksums};
use crate::manifest::MAX_BYTES as MAX_MANIFEST_BYTES;
use crate::settings::PluginLimits;

/// The files of a package by name.
pub type Files = BTreeMap<String, Bytes>;

const BLOCK: u64 = 512;
/// Tars end in two empty blocks, and some writers fill up to twenty.
const END: std::ops::RangeInclusive<u64> = 2 * BLOCK..=20 * BLOCK;
/// Bytes that come out for one that goes in, beyond [`RATIO_FREE`]. Components come to three or four.
const RATIO: u64 = 100;
const RATIO_FREE: u64 = 1 << 20;
/// Logarithm of the memory that unpacking looks back on: 16 MiB.
const WINDOW_LOG: u32 = 24;
/// Strong enough that a component with an interpreter fits, and done in a second or two.
const LEVEL: i32 = 12;

/// The most a file may have, or nothing where the name is none of a package's.
fn most(name: &str, limits: &PluginLimits) -> Option<u64> {
    let most = match name {
        "extension.toml" => MAX_MANIFEST_BYTES,
        "extension.wasm" => limits.large_component_bytes,
        "README.md" | "icon.png" => 1 << 20,
        "LICENSE" => 256 << 10,
        "config.schema.json" => crate::checks::schema::MAX_SCHEMA_BYTES,
        "checksums" => 16 << 10,
        "signature" => 4 << 10,
        name if locale(name).is_some() => 64 << 10,
        _ => return None,
    };
    Some(most as u64)
}

/// The locale of `i18n/<locale>.json`: a language, and subtags.
pub(super) fn locale(name: &str) -> Option<&str> {
    let locale = name.strip_prefix("i18n/")?.strip_suffix(".json")?;
    let mut tags = locale.split('-');
    let language = tags.next()?;
    let is_language = (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_tag = |tag: &str| (2..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_language && locale.len() <= 20 && tags.all(is_tag)).then_some(locale)
}

/// Makes a package: `checksums` is computed, whatever stands there. The same files give the same bytes.
///
/// # Errors
/// What no package may have, for the author.
pub fn write(files: &Files) -> Result<Bytes, String> {
    let mut files = files.clone();
    files.remove("checksums");
    files.insert("checksums".into(), checksums(&files).into());
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in &files {
        if most(name, &PluginLimits::default()).is_none() {
            return Err(format!("A package has no file `{}`.", shorten(name)));
        }
        let mut header = tar::Header::new_ustar();
        header.set_path(name).map_err(|error| error.to_string())?;
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        tar.append(&header, &content[..]).map_err(|error| error.to_string())?;
    }
    let tar = tar.into_inner().map_err(|error| error.to_string())?;
    let package = zstd::encode_all(&tar[..], LEVEL).map_err(|error| error.to_string())?;
    Ok(package.into())
}

/// The files of a package, with names, sizes and counts checked, and nothing else.
///
/// # Errors
/// The report, whose last check says what is wrong.
pub fn unpack(bytes: &[u8], limits: &PluginLimits) -> Result<Files, Report> {
    let mut report = Report::default();
    unpack_into(bytes, limits, &mut report).ok_or(report)
}

/// Why a package cannot be unpacked: the check, and a sentence.
struct Refusal(&'static str, String);

fn refuse<T>(check: &'static str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(check, message.into()))
}

pub(super) fn unpack_into(bytes: &[u8], limits: &PluginLimits, report: &mut Report) -> Option<Files> {
    if bytes.len() > limits.package_bytes {
        report.fail(
            "package.size",
            format!(
                "The package has {} bytes, and {} are the most.",
                bytes.len(),
                limits.package_bytes
            ),
        );
        return None;
    }
    report.pass("package.size", format!("{} bytes.", bytes.len()));
    match files(bytes, limits) {
        Ok(files) => {
            report.pass("package.archive", format!("{} files.", files.len()));
            Some(files)
        }
        Err(Refusal(check, message)) => {
            report.fail(check, message);
            None
        }
    }
}

fn files(bytes: &[u8], limits: &PluginLimits) -> Result<Files, Refusal> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)
        .map_err(|error| damaged(&error))?
        .single_frame();
    decoder.window_log_max(WINDOW_LOG).map_err(|error| damaged(&error))?;
    let total = limits.large_component_bytes as u64 + (8 << 20);
    let ratio = RATIO_FREE + bytes.len() as u64 * RATIO;
    let mut unpacked = Bounded {
        inner: decoder,
        read: 0,
        most: total.min(ratio),
        fault: None,
    };
    let files = entries(&mut unpacked, limits);
    // What is wrong below a tar shows as one of its own errors, which say less.
    if let Some(fault) = unpacked.fault {
        return Err(fault);
    }
    if files.is_ok() && !unpacked.inner.finish().is_empty() {
        return refuse("package.trailing", "There are bytes after the end of the package.");
    }
    files
}

fn entries(unpacked: &mut Bounded<impl Read>, limits: &PluginLimits) -> Result<Files, Refusal> {
    let mut found = Files::new();
    let mut folded = BTreeSet::new();
    let mut consumed = 0;
    let mut archive = tar::Archive::new(&mut *unpacked);
    // Raw: extended headers, which could give a file another name or size, are entries like others, and refused.
    for entry in archive.entries().map_err(|error| unreadable(&error))?.raw(true) {
        let mut entry = entry.map_err(|error| unreadable(&error))?;
        let (name, size) = admit(entry.header(), limits)?;
        if found.len() >= limits.package_files {
            return refuse(
                "package.files",
                format!("There are more than {} files.", limits.package_files),
            );
        }
        if !folded.insert(name.to_ascii_lowercase()) {
            return refuse(
                "package.names",
                format!("`{name}` stands there twice, or with another one that differs in letters' case alone."),
            );
        }
        // Grown as bytes come, not as the header claims.
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|error| unreadable(&error))?;
        if content.len() as u64 != size {
            return refuse("package.tar", format!("The package ends within `{name}`."));
        }
        found.insert(name, content.into());
        consumed += BLOCK + size.next_multiple_of(BLOCK);
    }
    end(unpacked, consumed)?;
    Ok(found)
}

/// Name and size of a file, if it is one that a package may have.
fn admit(header: &tar::Header, limits: &PluginLimits) -> Result<(String, u64), Refusal> {
    let path = header.path_bytes();
    let shown = shorten(&String::from_utf8_lossy(&path));
    if header.entry_type() != tar::EntryType::Regular {
        return refuse(
            "package.names",
            format!("`{shown}` is no plain file: a package has no folders, links or devices."),
        );
    }
    let known = std::str::from_utf8(&path)
        .ok()
        .and_then(|name| Some((name, most(name, limits)?)));
    let Some((name, most)) = known else {
        return refuse(
            "package.names",
            format!(
                "`{shown}` is no file of a package: they are extension.toml, extension.wasm, README.md, LICENSE, icon.png, \
                 config.schema.json, i18n/<locale>.json, checksums and signature."
            ),
        );
    };
    let size = header.entry_size().map_err(|error| unreadable(&error))?;
    if size > most {
        return refuse(
            "package.size",
            format!("`{name}` has {size} bytes, and {most} are the most."),
        );
    }
    Ok((name.to_owned(), size))
}

/// What comes after the last file: empty blocks, and nothing else.
fn end(unpacked: &mut Bounded<impl Read>, consumed: u64) -> Result<(), Refusal> {
    let mut block = [0; 4096];
    loop {
        let count = unpacked.read(&mut block).map_err(|error| unreadable(&error))?;
        if block[..count].iter().any(|byte| *byte != 0) || unpacked.read > consumed + *END.end() {
            return refuse("package.trailing", "There is something after the last file.");
        }
        if count == 0 {
            break;
        }
    }
    if unpacked.read < consumed + *END.start() {
        return refuse("package.tar", "The package has no end: it was cut off.");
    }
    Ok(())
}

fn unreadable(error: &io::Error) -> Refusal {
    Refusal(
        "package.tar",
        format!("The package cannot be read: {}.", shorten(&error.to_string())),
    )
}

fn damaged(error: &io::Error) -> Refusal {
    Refusal(
        "package.zstd",
        format!("The package cannot be unpacked: {}.", shorten(&error.to_string())),
    )
}

fn shorten(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(200).collect()
}

/// Reads so far and no further, and remembers why it could not.
struct Bounded<R> {
    inner: R,
    read: u64,
    most: u64,
    fault: Option<Refusal>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self
            .inner
            .read(buffer)
            .inspect_err(|error| self.fault = Some(damaged(error)))?;
        self.read += count as u64;
        if self.read > self.most {
            let message = format!(
                "The package unpacks to more than {} bytes, which is too much for its size.",
                self.most
            );
            self.fault = Some(Refusal("package.ratio", message));
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(count)
    }
}
