//! The strings a reply ends at.

use serde_json::Value;

use crate::macros::Macros;

/// Strings at the most.
const MAX_STOPS: usize = 100;
/// Bytes of one; longer ones are left out.
pub(super) const MAX_STOP_BYTES: usize = 256;

/// Where stop strings come from.
#[derive(Debug, Clone, Copy, Default)]
pub struct StopOptions<'a> {
    pub user: &'a str,
    /// The character that speaks.
    pub char: &'a str,
    /// Members of a group; the speaker among them does not matter.
    pub members: &'a [&'a str],
    /// The reply is the user's.
    pub impersonate: bool,
    /// Names at the start of a line stop.
    pub names: bool,
    pub single_line: bool,
    /// Of the instruct template, line ends as they are to be matched.
    pub sequences: &'a [&'a str],
    /// See [`custom_stop_strings`].
    pub custom: &'a [String],
}

/// The strings that end a reply, the most important first, each once: some providers take only four.
#[must_use]
pub fn stop_strings(options: &StopOptions<'_>) -> Vec<String> {
    let name = |name: &str| format!("\n{name}:");
    let (speaker, partner) = if options.impersonate {
        (options.user, options.char)
    } else {
        (options.char, options.user)
    };
    let mut stops: Vec<String> = Vec::new();
    if options.single_line {
        stops.push("\n".to_owned());
    }
    if options.names && !partner.trim().is_empty() {
        stops.push(name(partner));
    }
    stops.extend(options.custom.iter().cloned());
    stops.extend(options.sequences.iter().map(|&sequence| sequence.to_owned()));
    if options.names {
        let others = options.members.iter().filter(|member| **member != speaker);
        stops.extend(
            others
                .filter(|member| !member.trim().is_empty())
                .map(|&member| name(member)),
        );
    }
    let mut unique: Vec<String> = Vec::new();
    for stop in stops {
        // A blank stop string but a line end would end any reply.
        let is_usable = !stop.trim().is_empty() || stop == "\n";
        if is_usable && stop.len() <= MAX_STOP_BYTES && !unique.contains(&stop) && unique.len() < MAX_STOPS {
            unique.push(stop);
        }
    }
    unique
}

/// Custom stop strings, written as a JSON list of texts; macros are expanded if `macros` is given.
/// What is no list of texts gives none.
#[must_use]
pub fn custom_stop_strings(json: &str, macros: Option<&mut Macros<'_>>) -> Vec<String> {
    let list = match serde_json::from_str(json) {
        Ok(Value::Array(list)) => list,
        _ => return Vec::new(),
    };
    let mut texts: Vec<String> = list
        .into_iter()
        .filter_map(|item| match item {
            Value::String(text) => Some(text),
            _ => None,
        })
        .take(MAX_STOPS)
        .collect();
    if let Some(macros) = macros {
        for text in &mut texts {
            *text = macros.expand(text);
        }
    }
    texts.retain(|text| !text.is_empty());
    texts
}

#[cfg(test)]
#[path = "tests/stops.rs"]
mod tests;
