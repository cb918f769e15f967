//! Several chats in one ZIP archive.

use std::collections::HashMap;
use std::io::{self, Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The longest name that every file system takes, less its extension and a number.
const NAME_BYTES: usize = 200;

/// Names that mean devices to Windows, whatever follows a dot.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

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
    let stem = name.strip_suffix(".jsonl").unwrap_or(name);
    let letter = |letter: char| match letter {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
        // Marks of direction hide what a name ends in.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '_',
        _ if letter.is_control() => '_',
        _ => letter,
    };
    let replaced: String = stem.chars().map(letter).collect();
    let cut = replaced
        .get(..replaced.floor_char_boundary(NAME_BYTES))
        .unwrap_or_default();
    let trimmed = cut.trim_matches(|letter: char| letter == '.' || letter.is_whitespace());
    let first = trimmed.split('.').next().unwrap_or_default().trim_end();
    if trimmed.is_empty() {
        "chat".to_owned()
    } else if DEVICES.iter().any(|device| device.eq_ignore_ascii_case(first)) {
        format!("_{trimmed}")
    } else {
        trimmed.to_owned()
    }
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
