//! Reads scripts from JSON as people exchange it: numbers can be texts, and anything can be missing.

use parking_lot::Mutex;
use serde_json::Value;

use super::{Find, Piece, Placement, Script};
use crate::js_regex::JsRegex;
use crate::macros::has_macros;

/// Characters of a name in a warning.
const NAME_CHARS: usize = 80;
/// What is taken out of matches.
const MAX_TRIMS: usize = 100;

/// The script, unless it is disabled or can find nothing.
pub(super) fn script(json: &Value, warnings: &mut Vec<String>) -> Option<Script> {
    let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default();
    let flag = |key: &str| json.get(key).is_some_and(truthy);
    let find = text("findRegex");
    if flag("disabled") || find.is_empty() {
        return None;
    }
    let name: String = text("scriptName").chars().take(NAME_CHARS).collect();
    let mode = json.get("substituteRegex").and_then(number).unwrap_or(0.0);
    let find = if mode >= 1.0 && find.contains("{{") {
        Find::Macros {
            text: find.to_owned(),
            escaped: mode >= 2.0,
            last: Mutex::new(None),
        }
    } else if let Some(regex) = pattern(find) {
        Find::Fixed(regex)
    } else {
        warnings.push(format!("The pattern of the regex script “{name}” cannot be used."));
        return None;
    };
    let (placements, shown_only) = placements(json.get("placement"));
    let replacement = text("replaceString");
    let list = json.get("trimStrings").and_then(Value::as_array);
    let trim = list.into_iter().flatten().filter_map(Value::as_str).take(MAX_TRIMS);
    Some(Script {
        name,
        find,
        has_macros: has_macros(replacement),
        replacement: pieces(replacement),
        trim: trim.map(str::to_owned).collect(),
        placements,
        markdown_only: flag("markdownOnly") || shown_only,
        prompt_only: flag("promptOnly") || shown_only,
        run_on_edit: flag("runOnEdit"),
        min_depth: json.get("minDepth").and_then(depth),
        max_depth: json.get("maxDepth").and_then(depth),
    })
}

/// `/pattern/flags`, where slashes need no escape, or a bare pattern.
pub(super) fn pattern(text: &str) -> Option<JsRegex> {
    let literal = text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    match literal {
        Some((pattern, flags)) if !pattern.is_empty() && flags.chars().all(|c| c.is_ascii_alphabetic()) => {
            JsRegex::new(pattern, flags)
        }
        _ => JsRegex::new(text, ""),
    }
}

/// The places, and whether the script is of the time when "only shown" was one (0): then it is for
/// all other places or those it names. "Sent as" (4) has become slash commands.
fn placements(json: Option<&Value>) -> (Vec<u64>, bool) {
    const SHOWN: u64 = 0;
    const SENT_AS: u64 = 4;
    let single = std::slice::from_ref;
    let list = json.map_or(Default::default(), |json| {
        json.as_array().map_or(single(json), Vec::as_slice)
    });
    let mut places: Vec<u64> = list
        .iter()
        .filter_map(number)
        .filter(|place| (0.0..=6.0).contains(place))
        .map(|place| place as u64)
        .collect();
    let shown_only = places.contains(&SHOWN);
    places.retain(|place| *place != SHOWN);
    if shown_only && places.is_empty() {
        places = vec![
            Placement::UserInput as u64,
            Placement::AiOutput as u64,
            Placement::SlashCommand as u64,
        ];
    }
    for place in &mut places {
        if *place == SENT_AS {
            *place = Placement::SlashCommand as u64;
        }
    }
    (places, shown_only)
}

/// The replacement, split at `$1`, `$<name>`, `$&` and `{{match}}`.
fn pieces(replacement: &str) -> Vec<Piece> {
    const MATCH: &str = "{{match}}";
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = replacement;
    while let Some(c) = rest.chars().next() {
        let found = match c {
            '$' => dollar(rest),
            '{' => rest
                .split_at_checked(MATCH.len())
                .filter(|(head, _)| head.eq_ignore_ascii_case(MATCH))
                .map(|(_, tail)| (Piece::Group("0".to_owned()), tail)),
            _ => None,
        };
        if let Some((piece, tail)) = found {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(piece);
            rest = tail;
        } else {
            text.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// What a text that starts with a dollar refers to, and what follows.
fn dollar(text: &str) -> Option<(Piece, &str)> {
    let rest = text.strip_prefix('$')?;
    if let Some(tail) = rest.strip_prefix('&') {
        return Some((Piece::Group("0".to_owned()), tail));
    }
    if let Some((name, tail)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        return (!name.is_empty()).then(|| (Piece::Named(name.to_owned()), tail));
    }
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, tail) = rest.split_at_checked(end)?;
    (!digits.is_empty()).then(|| (Piece::Group(digits.to_owned()), tail))
}

fn truthy(json: &Value) -> bool {
    match json {
        Value::Bool(value) => *value,
        Value::String(text) => matches!(text.trim(), "true" | "1"),
        json => json.as_f64().is_some_and(|number| number != 0.0),
    }
}

fn number(json: &Value) -> Option<f64> {
    match json {
        Value::String(text) => text.trim().parse().ok(),
        json => json.as_f64(),
    }
}

/// Below 0, there is no limit.
fn depth(json: &Value) -> Option<u32> {
    let depth = number(json)?;
    (depth >= 0.0).then_some(depth as u32)
}
