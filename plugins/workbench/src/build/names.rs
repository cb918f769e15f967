//! Names of hooks as languages write them.

/// `before-prompt` is `BeforePrompt`.
pub(crate) fn pascal(kebab: &str) -> String {
    kebab
        .split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            let initial = letters.next().map(|letter| letter.to_ascii_uppercase());
            initial.into_iter().chain(letters)
        })
        .collect()
}

/// `before-prompt` is `beforePrompt`.
pub(super) fn camel(kebab: &str) -> String {
    let name = pascal(kebab);
    let (initial, rest) = name.split_at(name.len().min(1));
    initial.to_ascii_lowercase() + rest
}

/// `before-prompt` is `before_prompt`.
pub(super) fn snake(kebab: &str) -> String {
    kebab.replace('-', "_")
}
