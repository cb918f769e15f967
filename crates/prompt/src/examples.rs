//! Example dialogue of a card: blocks of who says what.
//!
//! Rules: SillyTavern's. Where a name that starts a line always starts a message here, there it does
//! so only if somebody else spoke before.

/// Starts a block, in any case, anywhere.
const START: &str = "<START>";

/// Who can speak; macros in names and dialogue are expanded already.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExampleNames<'a> {
    pub user: &'a str,
    pub char: &'a str,
    /// Of a group; empty in a chat of two.
    pub members: &'a [&'a str],
}

/// Who speaks in an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker<'a> {
    User,
    /// With the name: the card's character or, in a group, a member.
    Character(&'a str),
}

/// The blocks as they are written, trimmed, none of them blank; what stands before the first
/// `<START>` is one, too.
#[must_use]
pub fn raw_blocks(dialogue: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut rest = dialogue;
    loop {
        let start = rest.char_indices().map(|(at, _)| at).find(|&at| {
            let mark = rest.get(at..at + START.len());
            mark.is_some_and(|mark| mark.eq_ignore_ascii_case(START))
        });
        let (block, tail) = match start {
            Some(at) => (rest.get(..at), rest.get(at + START.len()..)),
            None => (Some(rest), None),
        };
        blocks.extend(block.map(str::trim).filter(|block| !block.is_empty()));
        match tail {
            Some(tail) => rest = tail,
            None => return blocks,
        }
    }
}

/// The messages of each block. A line that starts with a name and a colon starts a message; what
/// stands before the first one belongs to it. A block in which nobody speaks is left out.
#[must_use]
pub fn blocks<'n>(dialogue: &str, names: &ExampleNames<'n>) -> Vec<Vec<(Speaker<'n>, String)>> {
    raw_blocks(dialogue)
        .into_iter()
        .map(|block| messages(block, names))
        .filter(|messages| !messages.is_empty())
        .collect()
}

fn messages<'n>(block: &str, names: &ExampleNames<'n>) -> Vec<(Speaker<'n>, String)> {
    let mut messages: Vec<(Speaker<'n>, String)> = Vec::new();
    let mut before = String::new();
    for line in block.lines() {
        let text = match speaker(line, names) {
            Some((speaker, text)) => {
                messages.push((speaker, std::mem::take(&mut before)));
                text.trim_start()
            }
            None => line,
        };
        let message = messages.last_mut().map_or(&mut before, |(_, message)| message);
        message.push_str(text);
        message.push('\n');
    }
    for (_, message) in &mut messages {
        *message = message.trim().to_owned();
    }
    messages
}

/// Who starts the line, and what follows the colon.
fn speaker<'n, 'l>(line: &'l str, names: &ExampleNames<'n>) -> Option<(Speaker<'n>, &'l str)> {
    let after = |name: &str| {
        let rest = line.strip_prefix(name).filter(|_| !name.is_empty())?;
        rest.strip_prefix(':')
    };
    if let Some(text) = after(names.user) {
        return Some((Speaker::User, text));
    }
    let characters = std::iter::once(&names.char).chain(names.members);
    characters
        .into_iter()
        .find_map(|name| Some((Speaker::Character(name), after(name)?)))
}

#[cfg(test)]
mod tests;
