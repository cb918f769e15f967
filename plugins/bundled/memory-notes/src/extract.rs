//! What in a message is worth keeping: rules over its sentences.

/// Bytes of a note.
const MAX_NOTE: usize = 300;
/// Notes of one message, so that a long one does not push everything else out.
const MAX_NOTES: usize = 8;

/// What stands in `[[remember: …]]`.
pub fn marked(text: &str) -> Vec<String> {
    let marks = text.split("[[remember:").skip(1);
    marks
        .filter_map(|mark| mark.split_once("]]"))
        .map(|(note, _)| shortened(note))
        .filter(|note| !note.is_empty())
        .take(MAX_NOTES)
        .collect()
}

/// Sentences in which one of the beginnings starts, at the sentence's own start, where speech does, or after a comma or an `and`.
pub fn beginning(text: &str, beginnings: &[String]) -> Vec<String> {
    sentences(text)
        .filter(|sentence| !sentence.ends_with('?'))
        .filter_map(|sentence| {
            let lower = sentence.to_lowercase().replace('’', "'");
            let found = beginnings.iter().any(|beginning| begins(&lower, beginning));
            found.then(|| shortened(sentence))
        })
        .take(MAX_NOTES)
        .collect()
}

fn begins(sentence: &str, beginning: &str) -> bool {
    sentence.match_indices(beginning).any(|(at, _)| {
        let (before, after) = (&sentence[..at], &sentence[at + beginning.len()..]);
        let whole = !after.starts_with(|letter: char| letter.is_alphanumeric() || letter == '\'');
        let before = before.trim_end();
        let start = before.is_empty() || before.ends_with([',', ';', ':', '—']);
        whole && (start || before.ends_with(" and"))
    })
}

/// Sentences and lines, speech apart from what is done, without the marks around them.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['.', '!', '?', '\n', '…', '"', '“', '”', '*'])
        .filter(|sentence| !sentence.contains("[[") && !sentence.contains("]]"))
        .map(|sentence| sentence.trim_matches(|letter: char| letter.is_whitespace() || "*_\"“”()".contains(letter)))
        .filter(|sentence| !sentence.is_empty())
}

/// In one line, and no longer than a note may be.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.len() {
        0..=MAX_NOTE => line,
        _ => format!("{}…", &line[..line.floor_char_boundary(MAX_NOTE - 3)]),
    }
}

#[cfg(test)]
mod tests;
