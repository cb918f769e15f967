//! What happens to the content of scoped macros, and to text around `{{trim}}`.

/// Takes the blanks around `out[start..]` away, and from each of its lines the indentation that its first
/// line with text has.
pub(super) fn trim_content(out: &mut String, start: usize) {
    let content = out.get(start..).unwrap_or_default();
    let indentation = content
        .split('\n')
        .find(|line| !line.trim().is_empty())
        .map_or(0, indentation_of);
    if indentation == 0 || !content.trim().contains('\n') {
        let end = start + content.trim_end().len();
        let lead = content.len() - content.trim_start().len();
        out.truncate(end);
        out.drain(start..(start + lead).min(end));
        return;
    }
    let mut dedented = String::with_capacity(content.len());
    for (index, line) in content.split('\n').enumerate() {
        if index > 0 {
            dedented.push('\n');
        }
        let own = indentation_of(line).min(indentation);
        dedented.push_str(line.get(own..).unwrap_or_default());
    }
    out.truncate(start);
    out.push_str(dedented.trim());
}

/// Bytes of blanks and tabs that `line` begins with.
fn indentation_of(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

/// `text` without the line ends it begins with.
pub(super) fn without_first_newlines(mut text: &str) -> &str {
    while let Some(rest) = text.strip_prefix('\n').or_else(|| text.strip_prefix("\r\n")) {
        text = rest;
    }
    text
}

/// Takes the line ends at the end of `out` away, down to `floor`.
pub(super) fn cut_last_newlines(out: &mut String, floor: usize) {
    let text = out.get(floor..).unwrap_or_default();
    let mut kept = text;
    while let Some(rest) = kept.strip_suffix('\n') {
        kept = rest.strip_suffix('\r').unwrap_or(rest);
    }
    out.truncate(floor + kept.len());
}

/// Whether a condition with this value does not hold.
pub(super) fn is_falsy(value: &str) -> bool {
    let value = value.trim();
    value.is_empty()
        || ["false", "off", "no", "0"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
}
