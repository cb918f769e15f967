//! The texts that are scanned, made ready: letter case folded, and what a card writes for people or for
//! recursion only (`{{// …}}`, `{{comment:…}}`, `{{hidden_key:…}}`; Character Card V3) taken out.

use std::borrow::Cow;

/// Folds letter case as JavaScript's `toLowerCase` does, except that a final sigma is any sigma: what a
/// letter becomes must not depend on its neighbours, or a key would miss the word it begins.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Borrowed(text);
        }
        return Cow::Owned(text.to_ascii_lowercase());
    }
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            'ς' => folded.push('σ'),
            letter if letter.is_ascii() => folded.push(letter.to_ascii_lowercase()),
            letter => folded.extend(letter.to_lowercase()),
        }
    }
    Cow::Owned(folded)
}

/// What JavaScript's `\s` and `trim` take for a space.
pub(super) fn is_space(letter: char) -> bool {
    letter == '\u{feff}' || (letter.is_whitespace() && letter != '\u{85}')
}

/// JavaScript's `trim`.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// A macro that scanning knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aside<'a> {
    Note,
    /// `{{//}}` alone, which a `{{///}}` ends.
    NoteBegins,
    HiddenKey(&'a str),
}

/// `inner` is what stands between the braces.
fn aside(inner: &str) -> Option<Aside<'_>> {
    let inner = inner.trim_start();
    if let Some(note) = inner.strip_prefix("//") {
        return Some(if note.trim().is_empty() {
            Aside::NoteBegins
        } else {
            Aside::Note
        });
    }
    let named = |name: &str| {
        let rest = inner.get(name.len()..)?;
        let head = inner.get(..name.len())?;
        let ends = rest.is_empty() || rest.starts_with(':') || rest.starts_with(is_space);
        (ends && head.eq_ignore_ascii_case(name)).then_some(rest)
    };
    if named("comment").is_some() {
        return Some(Aside::Note);
    }
    let value = named("hidden_key")?;
    Some(Aside::HiddenKey(value.trim_start_matches(':').trim()))
}

/// Calls `found` for each outermost macro that scanning knows, with the bytes it takes, in order.
fn each_aside<'a>(text: &'a str, mut found: impl FnMut(usize, usize, Aside<'a>)) {
    let mut end_of_last = 0;
    let mut endless = false;
    for (start, end) in pairs_of_braces(text) {
        if start < end_of_last {
            continue;
        }
        let Some(mut kind) = text.get(start + 2..end - 2).and_then(aside) else {
            continue;
        };
        let mut end = end;
        if kind == Aside::NoteBegins {
            const CLOSE: &str = "{{///}}";
            let rest = if endless {
                ""
            } else {
                text.get(end..).unwrap_or_default()
            };
            match rest.find(CLOSE) {
                Some(at) => end += at + CLOSE.len(),
                None => endless = true,
            }
            kind = Aside::Note;
        }
        found(start, end, kind);
        end_of_last = end;
    }
}

/// Where each `{{` that has its `}}` begins and where that ends, in the order of the beginnings.
fn pairs_of_braces(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut open = Vec::new();
    let mut pairs = Vec::new();
    let mut at = 0;
    while let Some(two) = bytes.get(at..at + 2) {
        match two {
            b"{{" => open.push(at),
            b"}}" => {
                if let Some(start) = open.pop() {
                    pairs.push((start, at + 2));
                }
            }
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    pairs.sort_unstable();
    pairs
}

/// `text` without its notes and hidden keys.
pub(super) fn without_asides(text: &str) -> Cow<'_, str> {
    if !text.contains("{{") {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut from = 0;
    each_aside(text, |start, end, _| {
        kept.push_str(text.get(from..start).unwrap_or_default());
        from = end;
    });
    if from == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(kept)
}

/// The texts of `{{hidden_key:…}}`, which only other entries' recursion sees.
pub(super) fn hidden_keys(text: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    if text.contains("{{") {
        each_aside(text, |_, _, kind| {
            if let Aside::HiddenKey(key) = kind {
                keys.push(key);
            }
        });
    }
    keys
}
