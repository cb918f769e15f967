//! Words as they are compared: in lower case, without the endings that English puts on them.

/// Words that are in every text, and say nothing of what it is about.
const COMMON: [&str; 66] = [
    "about", "after", "again", "all", "and", "any", "are", "because", "been", "before", "but", "can", "come", "could",
    "did", "does", "for", "from", "get", "had", "has", "have", "her", "here", "him", "his", "how", "into", "its",
    "just", "know", "like", "look", "make", "more", "not", "now", "one", "our", "out", "over", "say", "see", "she",
    "some", "take", "than", "that", "the", "their", "them", "then", "there", "they", "this", "was", "were", "what",
    "when", "where", "which", "who", "will", "with", "would", "you",
];

/// Calls `each` with the stem of every word that says something, in their order.
pub fn stems(text: &str, mut each: impl FnMut(&str)) {
    let mut word = String::new();
    for original in text.split(|letter: char| !letter.is_alphanumeric()) {
        // Most words are ASCII, and the tables of Unicode are slow.
        word.clear();
        if original.is_ascii() {
            word.push_str(original);
            word.make_ascii_lowercase();
        } else {
            word.extend(original.chars().flat_map(char::to_lowercase));
        }
        let says_something = word.len() >= 3 && (!word.is_ascii() || COMMON.binary_search(&word.as_str()).is_err());
        if says_something && word.chars().nth(2).is_some() {
            each(stem(&mut word));
        }
    }
}

/// Endings, and what stands in their place, by their last letter.
const fn endings(last: u8) -> &'static [(&'static str, &'static str)] {
    match last {
        b's' => &[
            ("iness", "y"),
            ("ness", ""),
            ("ies", "y"),
            ("sses", "ss"),
            ("es", ""),
            ("s", ""),
        ],
        b'y' => &[("ingly", ""), ("ily", "y"), ("ly", "")],
        b'd' => &[("ied", "y"), ("ed", "")],
        b'g' => &[("ing", "")],
        _ => &[],
    }
}

/// Takes one ending off; what is left has three letters at least.
fn stem(word: &mut String) -> &str {
    let last = word.as_bytes().last().copied().unwrap_or_default();
    for (ending, instead) in endings(last) {
        let Some(begin) = word.strip_suffix(ending).map(str::len) else {
            continue;
        };
        if begin + instead.len() >= 3 && !(*ending == "s" && word.ends_with("ss")) {
            word.truncate(begin);
            word.push_str(instead);
            break;
        }
    }
    // `horse` and `horses`, `running` and `run`, are one.
    if word.len() > 3 && word.ends_with('e') {
        word.pop();
    }
    if let [.., before, last] = word.as_bytes()
        && word.len() > 3
        && last == before
        && last.is_ascii_lowercase()
        && !b"ls".contains(last)
    {
        word.pop();
    }
    word
}

#[cfg(test)]
mod tests;
