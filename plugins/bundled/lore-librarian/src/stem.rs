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
    for letter in text.chars().chain([' ']) {
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
            continue;
        }
        if word.chars().nth(2).is_some() && COMMON.binary_search(&word.as_str()).is_err() {
            each(stem(&mut word));
        }
        word.clear();
    }
}

/// Takes one ending off; what is left has three letters at least.
fn stem(word: &mut String) -> &str {
    const ENDINGS: [(&str, &str); 12] = [
        ("iness", "y"),
        ("ingly", ""),
        ("ness", ""),
        ("ies", "y"),
        ("ied", "y"),
        ("ily", "y"),
        ("sses", "ss"),
        ("ing", ""),
        ("ed", ""),
        ("es", ""),
        ("ly", ""),
        ("s", ""),
    ];
    for (ending, instead) in ENDINGS {
        let Some(begin) = word.strip_suffix(ending).map(str::len) else {
            continue;
        };
        if word[..begin].chars().count() + instead.len() >= 3 && !(ending == "s" && word.ends_with("ss")) {
            word.truncate(begin);
            word.push_str(instead);
            break;
        }
    }
    // `horse` and `horses`, `running` and `run`, are one.
    if word.chars().count() > 3 && word.ends_with('e') {
        word.pop();
    }
    let mut end = word.chars().rev();
    if let (Some(last), Some(before)) = (end.next(), end.next())
        && last == before
        && last.is_ascii_alphabetic()
        && word.chars().count() > 3
        && !"ls".contains(last)
    {
        word.pop();
    }
    word
}

#[cfg(test)]
mod tests;
