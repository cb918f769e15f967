//! What is asked of names, texts and tags wherever they stand.

use std::collections::HashSet;

use serde_json::Value;
use tavern_domain::character::tag_key;
use tavern_domain::{Error, Limits, Problems};

/// A name of 1 to `most` characters, spaces around it apart.
pub(crate) fn name(problems: &mut Problems, field: &str, name: &str, most: usize) {
    problems.refuse_nul(field, name);
    let count = name.trim().chars().count();
    if count == 0 || count > most {
        problems.add(field, format!("A name has 1 to {most} characters, not {count}."));
    }
}

/// A text of at most `most` bytes.
pub(crate) fn text(problems: &mut Problems, field: &str, text: &str, most: usize) {
    problems.refuse_nul(field, text);
    if text.len() > most {
        problems.add(field, format!("A text has at most {most} bytes, not {}.", text.len()));
    }
}

pub(crate) fn tags(problems: &mut Problems, field: &str, tags: &[String], limits: &Limits) {
    if tags.len() > limits.tags {
        problems.add(field, format!("At most {} tags, not {}.", limits.tags, tags.len()));
    }
    for (index, tag) in tags.iter().enumerate().take(limits.tags) {
        let field = format!("{field}.{index}");
        problems.refuse_nul(&field, tag);
        let count = tag.trim().chars().count();
        if count == 0 || count > limits.tag_chars {
            problems.add(
                &field,
                format!("A tag has 1 to {} characters, not {count}.", limits.tag_chars),
            );
        }
    }
}

/// Tags as written, each once.
pub(crate) fn tidy_tags(tags: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    tags.into_iter()
        .map(|tag| tag.trim().to_owned())
        .filter(|tag| seen.insert(tag_key(tag)))
        .collect()
}

/// A JSON object of at most `most` bytes.
pub(crate) fn object(problems: &mut Problems, field: &str, value: &Value, most: usize) {
    if !value.is_object() {
        problems.add(field, "This must be a JSON object.");
    }
    let size = value.to_string().len();
    if size > most {
        problems.add(field, format!("This has at most {most} bytes of JSON, not {size}."));
    }
}

/// A number that cannot be negative; 0 and a problem for one that is.
pub(crate) fn count(problems: &mut Problems, field: &str, value: i32) -> u32 {
    u32::try_from(value).unwrap_or_else(|_| {
        problems.add(field, format!("This cannot be negative, as {value} is."));
        0
    })
}

/// Puts `value` in its place, if there is one.
pub(crate) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// The version a change was made from, which it has to name; 0 and a problem without one.
pub(crate) fn expected_version(problems: &mut Problems, expected: Option<i32>) -> i32 {
    expected.unwrap_or_else(|| {
        problems.add("expectedVersion", "A change names the version it was made from.");
        0
    })
}

/// What is told to whoever changed an earlier version of `what`.
#[track_caller]
pub(crate) fn changed(what: &str) -> Error {
    Error::conflict(
        "expectedVersion",
        format!("The {what} has changed since. Read it again and repeat the change."),
    )
}

/// A file's name without its folder and its extension.
pub(crate) fn stem(file_name: &str) -> &str {
    let name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// What a thing of this name is called as a file on any system.
pub(crate) fn file_name(name: &str, extension: &str) -> String {
    let safe: String = name
        .chars()
        .map(|letter| match letter {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            letter if letter.is_control() => '_',
            letter => letter,
        })
        .take(80)
        .collect();
    let safe = safe.trim_matches([' ', '.']);
    let safe = if safe.is_empty() { "export" } else { safe };
    format!("{safe}.{extension}")
}

#[cfg(test)]
mod tests;
