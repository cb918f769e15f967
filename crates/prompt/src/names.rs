//! Puts names into texts: `{{char}}`, `{{user}}` and their old spellings `<BOT>`, `<CHAR>`, `<USER>`.
//!
//! One pass, and what was put in is not read again, so a name can hold anything. Unknown macros stay.

/// Who is meant.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    pub char: &'a str,
    pub user: &'a str,
}

/// The longest thing between the braces that can be one of ours, blanks included.
const MAX_KEY: usize = 16;

/// `text` with its macros replaced; case and blanks inside the braces do not matter.
#[must_use]
pub fn expand(text: &str, names: Names<'_>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '<']) {
        let (before, tail) = rest.split_at(at);
        expanded.push_str(before);
        if let Some((value, length)) = macro_at(tail, names) {
            expanded.push_str(value);
            rest = &tail[length..];
        } else {
            // Both marks are one byte long.
            expanded.push_str(&tail[..1]);
            rest = &tail[1..];
        }
    }
    expanded.push_str(rest);
    expanded
}

/// The value of the macro that `text` starts with, and the macro's length.
fn macro_at<'a>(text: &str, names: Names<'a>) -> Option<(&'a str, usize)> {
    let key = |open: &str, close: &str| {
        let inner = text.strip_prefix(open)?;
        let near = &inner[..inner.floor_char_boundary(MAX_KEY + close.len())];
        let end = near.find(close)?;
        Some((&near[..end], open.len() + end + close.len()))
    };
    let is = |key: &str, name: &str| key.eq_ignore_ascii_case(name);
    if let Some((key, length)) = key("{{", "}}") {
        let key = key.trim();
        let value = if is(key, "char") {
            names.char
        } else if is(key, "user") {
            names.user
        } else {
            return None;
        };
        return Some((value, length));
    }
    let (key, length) = key("<", ">")?;
    if is(key, "user") {
        Some((names.user, length))
    } else if is(key, "bot") || is(key, "char") {
        Some((names.char, length))
    } else {
        None
    }
}

/// Puts `original` into the first `{{original}}` of `text`, and nothing into the others.
#[must_use]
pub fn expand_original(text: &str, original: &str) -> String {
    const MACRO: &str = "{{original}}";
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    let mut value = Some(original);
    while let Some(at) = rest.find("{{") {
        let (before, tail) = rest.split_at(at);
        expanded.push_str(before);
        if tail
            .get(..MACRO.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(MACRO))
        {
            expanded.push_str(value.take().unwrap_or_default());
            rest = &tail[MACRO.len()..];
        } else {
            expanded.push('{');
            rest = &tail[1..];
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: Names<'_> = Names {
        char: "Mira",
        user: "{{char}}",
    };

    #[test]
    fn every_spelling_is_replaced_and_nothing_else() {
        for (text, expected) in [
            (
                "{{char}} {{CHAR}} {{ Char }} <BOT> <bot> <char>",
                "Mira Mira Mira Mira Mira Mira",
            ),
            ("{{{char}}}", "{Mira}"),
            ("{{random:a,b}} {{char <b> {{}} <", "{{random:a,b}} {{char <b> {{}} <"),
            ("{{char\n}}", "Mira"),
            ("{{ｃhar}} {{é", "{{ｃhar}} {{é"),
        ] {
            assert_eq!(expand(text, NAMES), expected);
        }
    }

    #[test]
    fn what_was_put_in_is_not_read_again() {
        assert_eq!(expand("{{user}} and <USER>", NAMES), "{{char}} and {{char}}");
    }

    #[test]
    fn the_original_is_put_in_once() {
        assert_eq!(
            expand_original("a {{original}} b {{ORIGINAL}} {{x}} {{", "{{original}}"),
            "a {{original}} b  {{x}} {{"
        );
    }

    proptest! {
        #[test]
        fn texts_of_the_grammar_never_panic(text in "(\\{|\\}|<|>|char|user|original|é|🐉| ){0,40}") {
            let _ = expand(&text, NAMES);
            let _ = expand_original(&text, "x");
        }

        #[test]
        fn a_text_without_marks_stays_as_it_is(text in "[^{<]{0,60}") {
            prop_assert_eq!(expand(&text, NAMES), text);
        }
    }
}
