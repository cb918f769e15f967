//! Names of files made of what people call their things.

/// The longest name that every file system takes, less its extension and a number.
const NAME_BYTES: usize = 200;

/// Names that mean devices to Windows, whatever follows a dot.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// `name` as every file system takes it, less an extension; `otherwise` if nothing is left of it.
#[must_use]
pub fn safe_file_name(name: &str, otherwise: &str) -> String {
    let letter = |letter: char| match letter {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
        // Marks of direction hide what a name ends in.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '_',
        _ if letter.is_control() => '_',
        _ => letter,
    };
    let replaced: String = name.chars().map(letter).collect();
    let cut = replaced
        .get(..replaced.floor_char_boundary(NAME_BYTES))
        .unwrap_or_default();
    let trimmed = cut.trim_matches(|letter: char| letter == '.' || letter.is_whitespace());
    let first = trimmed.split('.').next().unwrap_or_default().trim_end();
    if trimmed.is_empty() {
        otherwise.to_owned()
    } else if DEVICES.iter().any(|device| device.eq_ignore_ascii_case(first)) {
        format!("_{trimmed}")
    } else {
        trimmed.to_owned()
    }
}
