//! Several chats in one ZIP archive.

use std::collections::HashMap;
use std::io::{self, Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::file_name::safe_file_name;

/// A ZIP archive with a file `{name}.jsonl` for each chat. Names are made safe for every file system and
/// told apart by a number, case aside. The same chats give the same bytes.
///
/// # Errors
/// If the archive grows beyond what ZIP can hold.
pub fn write_archive(chats: &[(&str, &str)]) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut taken = HashMap::new();
    for (name, text) in chats {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::DEFAULT)
            .large_file(u32::try_from(text.len()).is_err());
        zip.start_file(unique(&safe(name), &mut taken), options)?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

fn safe(name: &str) -> String {
    let name = name.trim();
    safe_file_name(name.strip_suffix(".jsonl").unwrap_or(name), "chat")
}

/// `taken` holds, for each name given, the number to try next.
fn unique(stem: &str, taken: &mut HashMap<String, usize>) -> String {
    let key = stem.to_lowercase();
    let mut number = taken.get(&key).copied().unwrap_or(1);
    loop {
        let name = match number {
            1 => stem.to_owned(),
            _ => format!("{stem} ({number})"),
        };
        number += 1;
        let free = number == 2 || !taken.contains_key(&name.to_lowercase());
        if free {
            taken.entry(name.to_lowercase()).or_insert(2);
            taken.insert(key, number);
            return format!("{name}.jsonl");
        }
    }
}
