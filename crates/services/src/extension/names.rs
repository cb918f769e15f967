//! Names that would be taken for somebody else's: words that are the house's own, and ids that look like those
//! of extensions that ship with the product or that many have.
//!
//! A name counts when an extension is published first; what is there keeps its name.

use unicode_security::skeleton;

/// Names that nobody else publishes under, nor under those of [`BUNDLED`], and nobody else gives to an extension.
const RESERVED: [&str; 18] = [
    "admin",
    "administrator",
    "anonymous",
    "api",
    "builtin",
    "bundled",
    "core",
    "extension",
    "extensions",
    "moderator",
    "nobody",
    "official",
    "platform",
    "root",
    "staff",
    "support",
    "system",
    "tavern",
];
/// Words that are in no name of another publisher.
const OWN: [&str; 3] = ["official", "tavern", "tavernai"];
/// Extensions that ship with the product, and their publisher.
const BUNDLED: [&str; 7] = [
    "dice",
    "emotion-tagger",
    "lore-librarian",
    "memory-notes",
    "name-keeper",
    "scene-clock",
    "style-guard",
];
const BUNDLER: &str = "tavern";

/// As many letters apart is as good as the same.
const REFUSED: usize = 1;
/// As many letters apart may be a mistake, or meant as one.
const WARNED: usize = 2;

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Likeness {
    /// To the eye, or but for a letter, the same as this id.
    Same(String),
    /// But for two letters the same, or, of what ships with the product, of the same name.
    Near(String),
}

/// The part of an id, `publisher/name`, that only the house may use.
pub(super) fn reserved(id: &str) -> Option<&str> {
    let (publisher, name) = id.split_once('/')?;
    let is_one_of = |words: &[&str], part: &str| words.iter().any(|word| looks(word) == looks(part));
    if is_one_of(&RESERVED, publisher)
        || is_one_of(&BUNDLED, publisher)
        || publisher.split('-').any(|part| is_one_of(&OWN, part))
    {
        Some(publisher)
    } else if is_one_of(&RESERVED, name) {
        Some(name)
    } else {
        None
    }
}

/// The id that this one is most like, among `popular` and what ships with the product. Other ids of the same
/// publisher do not count.
pub(super) fn likeness(id: &str, popular: &[String]) -> Option<Likeness> {
    let parts = |id: &str| {
        id.split_once('/')
            .map(|(publisher, name)| (publisher.to_owned(), looks(name)))
    };
    let (publisher, name) = parts(id)?;
    let looks_like = looks(id);
    let distance = |other: &str| match looks(other) == looks_like {
        true => 0,
        false => strsim::osa_distance(id, other),
    };
    let bundled = BUNDLED.iter().map(|name| format!("{BUNDLER}/{name}"));
    let bundled = bundled.map(|other| {
        let has_its_name = parts(&other).is_some_and(|(_, bundled)| bundled == name);
        let most = if has_its_name { WARNED } else { usize::MAX };
        (distance(&other).min(most), other)
    });
    let popular = popular.iter().map(|other| (distance(other), other.clone()));
    let others = popular.chain(bundled);
    let others = others.filter(|(_, other)| parts(other).is_some_and(|(other, _)| other != publisher));
    match others.min()? {
        (0..=REFUSED, other) => Some(Likeness::Same(other)),
        (..=WARNED, other) => Some(Likeness::Near(other)),
        _ => None,
    }
}

/// The same for names that look the same.
fn looks(text: &str) -> String {
    let bare: String = text.chars().filter(|letter| *letter != '-').collect();
    let skeleton: String = skeleton(&bare).collect();
    skeleton.to_lowercase().replace("vv", "w").replace('i', "l")
}

#[cfg(test)]
mod tests;
