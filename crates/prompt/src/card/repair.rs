//! Mends what JSON's grammar refuses but real cards hold, in one pass over the text: halves of
//! surrogate pairs, raw control characters, trailing commas, NaN and Infinity, unknown escapes.

/// What was mended, as sentences for the card's owner.
const SURROGATES: &str = "The card holds halves of characters; they were replaced.";
const CONTROLS: &str = "The card's JSON has line breaks or control characters inside texts; they were kept as escapes.";
const COMMAS: &str = "The card's JSON has commas that nothing follows; they were left out.";
const NUMBERS: &str = "The card's JSON has NaN or Infinity, which are no numbers; they were read as null.";
const ESCAPES: &str = "The card's JSON has escapes that JSON does not know; their letters were kept as they stand.";

struct Mender<'a> {
    text: &'a str,
    mended: String,
    /// Up to here the text is in `mended`.
    copied: usize,
    repairs: Vec<&'static str>,
}

impl Mender<'_> {
    fn replace(&mut self, from: usize, to: usize, by: &str, why: &'static str) {
        self.mended
            .push_str(self.text.get(self.copied..from).unwrap_or_default());
        self.mended.push_str(by);
        self.copied = to;
        if !self.repairs.contains(&why) {
            self.repairs.push(why);
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn starts(&self, at: usize, word: &str) -> bool {
        self.text.get(at..).is_some_and(|rest| rest.starts_with(word))
    }

    /// The UTF-16 unit escaped at `at`.
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..at.checked_add(6)?)?.strip_prefix("\\u")?;
        // `from_str_radix` takes a sign as well.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        u16::from_str_radix(digits, 16).ok()
    }

    /// Past the escape at `at`, a backslash.
    fn escape(&mut self, at: usize) -> usize {
        let next = at + 1;
        match self.byte(next) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at + 2,
            Some(b'u') => match self.unit(at) {
                Some(0xd800..=0xdbff) if matches!(self.unit(at + 6), Some(0xdc00..=0xdfff)) => at + 12,
                Some(0xd800..=0xdfff) => {
                    self.replace(at, at + 6, "\\ufffd", SURROGATES);
                    at + 6
                }
                Some(_) => at + 6,
                None => self.literal_backslash(at),
            },
            Some(b'\'') => {
                self.replace(at, at + 2, "'", ESCAPES);
                at + 2
            }
            Some(_) => self.literal_backslash(at),
            None => next,
        }
    }

    fn literal_backslash(&mut self, at: usize) -> usize {
        self.replace(at, at + 1, "\\\\", ESCAPES);
        at + 1
    }

    /// Past the comma at `at`.
    fn comma(&mut self, at: usize) -> usize {
        let rest = self.text.get(at + 1..).unwrap_or_default();
        if rest.trim_start_matches([' ', '\t', '\r', '\n']).starts_with([']', '}']) {
            self.replace(at, at + 1, "", COMMAS);
        }
        at + 1
    }
}

/// The text as valid JSON, if these were its only faults, and what was mended.
pub(crate) fn repair(text: &str) -> (String, Vec<&'static str>) {
    let mut mender = Mender {
        text,
        mended: String::with_capacity(text.len()),
        copied: 0,
        repairs: Vec::new(),
    };
    let (mut at, mut in_string) = (0, false);
    while let Some(byte) = mender.byte(at) {
        at = match byte {
            b'"' => {
                in_string = !in_string;
                at + 1
            }
            b'\\' if in_string => mender.escape(at),
            0..0x20 if in_string => {
                mender.replace(at, at + 1, if byte < 0x10 { "\\u000" } else { "\\u001" }, CONTROLS);
                mender.mended.extend(char::from_digit(u32::from(byte % 0x10), 0x10));
                at + 1
            }
            _ if in_string => at + 1,
            b',' => mender.comma(at),
            b'N' | b'I' | b'-' => {
                let words = ["NaN", "Infinity", "-NaN", "-Infinity"];
                match words.into_iter().find(|word| mender.starts(at, word)) {
                    Some(word) => {
                        mender.replace(at, at + word.len(), "null", NUMBERS);
                        at + word.len()
                    }
                    None => at + 1,
                }
            }
            _ => at + 1,
        };
    }
    mender.mended.push_str(text.get(mender.copied..).unwrap_or_default());
    (mender.mended, mender.repairs)
}
