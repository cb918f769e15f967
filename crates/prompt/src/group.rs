//! Group chats: who answers, and the fields of all cards made one.
//!
//! Rules: SillyTavern's. Chance comes from a seed: the same turn always has the same answer. What
//! differs: words of names are Unicode words, and names in scripts without blanks between words are
//! found anywhere in a message.

use std::borrow::Cow;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use tavern_domain::chat::{GroupMode, GroupSettings, GroupStrategy};

use crate::macros::Macros;

/// Words of a message that are looked at for names.
const MAX_WORDS: usize = 10_000;

/// A member, as far as its turn to speak is concerned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member<'a> {
    pub name: &'a str,
    /// How likely it answers unasked: 0.0–1.0.
    pub talkativeness: f64,
    pub muted: bool,
}

/// What decides who answers; members are meant by their indices.
#[derive(Debug, Clone, Copy, Default)]
pub struct GroupTurn<'a> {
    pub strategy: GroupStrategy,
    /// Whether the last speaker may answer itself.
    pub self_responses: bool,
    /// The message to be answered, wherever it comes from.
    pub last_message: &'a str,
    /// `None` if it is the user's.
    pub last_speaker: Option<usize>,
    /// Who has spoken since the user's last message.
    pub spoken: &'a [usize],
    /// Asked for by name: answers in any case, muted or not.
    pub forced: Option<usize>,
    pub seed: u64,
}

/// Who answers, in this order, each once. Nobody, if all are muted, or if it is for the user to say:
/// with [`GroupStrategy::Manual`], when the user has just written.
#[must_use]
pub fn who_answers(members: &[Member<'_>], turn: &GroupTurn<'_>) -> Vec<usize> {
    if let Some(forced) = turn.forced {
        return if forced < members.len() {
            vec![forced]
        } else {
            Vec::new()
        };
    }
    let able: Vec<(usize, Member<'_>)> = members
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, member)| !member.muted)
        .collect();
    let indices: Vec<usize> = able.iter().map(|(index, _)| *index).collect();
    let mut random = StdRng::seed_from_u64(turn.seed);
    let one = |answers: Option<&usize>| answers.copied().into_iter().collect();
    match turn.strategy {
        GroupStrategy::List => indices,
        GroupStrategy::Manual if turn.last_speaker.is_none() => Vec::new(),
        GroupStrategy::Manual => one(indices.choose(&mut random)),
        GroupStrategy::Pooled => {
            let silent = without(&indices, turn.spoken);
            let pool = match turn.last_speaker {
                _ if !silent.is_empty() => silent,
                Some(last) if indices.len() > 1 => without(&indices, &[last]),
                _ => indices,
            };
            one(pool.choose(&mut random))
        }
        GroupStrategy::Natural => {
            let last = turn.last_speaker.filter(|_| !turn.self_responses);
            natural(able, turn.last_message, last, &mut random)
        }
    }
}

fn without(indices: &[usize], others: &[usize]) -> Vec<usize> {
    indices
        .iter()
        .copied()
        .filter(|index| !others.contains(index))
        .collect()
}

/// Those who are mentioned, in order of mention; then those who happen to speak; or else anyone.
fn natural(
    mut able: Vec<(usize, Member<'_>)>,
    message: &str,
    banned: Option<usize>,
    random: &mut StdRng,
) -> Vec<usize> {
    let everybody: Vec<usize> = able.iter().map(|(index, _)| *index).collect();
    able.retain(|(index, _)| Some(*index) != banned);
    let mut answers = mentioned(&able, message);
    able.shuffle(random);
    // Each draws, whatever the others have drawn.
    for (index, member) in &able {
        if random.random::<f64>() < member.talkativeness {
            answers.push(*index);
        }
    }
    if answers.is_empty() {
        let talkative = able.iter().filter(|(_, member)| member.talkativeness > 0.0);
        let mut pool: Vec<usize> = talkative.map(|(index, _)| *index).collect();
        if pool.is_empty() {
            pool = everybody;
        }
        answers.extend(pool.choose(random).copied());
    }
    let mut unique = Vec::new();
    for answer in answers {
        if !unique.contains(&answer) {
            unique.push(answer);
        }
    }
    unique
}

/// The first member for each word of the message that is a word of a name.
fn mentioned(members: &[(usize, Member<'_>)], message: &str) -> Vec<usize> {
    let names: Vec<(usize, Vec<String>)> = members
        .iter()
        .map(|(index, member)| (*index, words(member.name).collect()))
        .collect();
    let mut found = Vec::new();
    for word in words(message).take(MAX_WORDS) {
        let hit = names.iter().find(|(_, parts)| {
            let is_part = |part: &String| *part == word || (has_no_blanks(part) && word.contains(part.as_str()));
            parts.iter().any(is_part)
        });
        if let Some((index, _)) = hit
            && !found.contains(index)
        {
            found.push(*index);
        }
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Whether a name is in a script that puts no blanks between words.
fn has_no_blanks(name: &str) -> bool {
    name.chars().any(|c| {
        matches!(c, '\u{e00}'..='\u{eff}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..)
    })
}

/// A field of all cards that is made one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinedField {
    Description,
    Personality,
    Scenario,
    Examples,
}

impl JoinedField {
    const fn name(self) -> &'static str {
        match self {
            Self::Description => "Description",
            Self::Personality => "Personality",
            Self::Scenario => "Scenario",
            Self::Examples => "Example Messages",
        }
    }
}

/// A member's text in a field.
#[derive(Debug, Clone, Copy)]
pub struct MemberField<'a> {
    pub name: &'a str,
    pub text: &'a str,
    pub muted: bool,
}

/// The field as the prompt has it: the speaker's alone, or those of the members, each between prefix
/// and suffix, line by line. Macros are expanded with each member as `{{char}}`; blank texts are left
/// out, and so is their frame. The speaker's is there even if it is muted.
#[must_use]
pub fn joined_field(
    field: JoinedField,
    members: &[MemberField<'_>],
    speaker: usize,
    settings: &GroupSettings,
    macros: &mut Macros<'_>,
) -> String {
    let is_swap = settings.mode == GroupMode::Swap;
    let included = members.iter().enumerate().filter(|(index, member)| {
        *index == speaker || (!is_swap && (!member.muted || settings.mode == GroupMode::JoinMuted))
    });
    let mut texts = Vec::new();
    for (_, member) in included {
        let text = member.text.trim();
        if text.is_empty() {
            continue;
        }
        let before = std::mem::replace(&mut macros.scene_mut().char, Cow::Owned(member.name.to_owned()));
        let text = if is_swap {
            macros.expand(text)
        } else {
            // Each member's examples are blocks of their own.
            let starts = field == JoinedField::Examples && !starts_block(text);
            let mark = if starts { "<START>\n" } else { "" };
            let prefix = macros.expand(&named(&settings.join_prefix, field));
            let text = macros.expand(&named(text, field));
            let suffix = macros.expand(&named(&settings.join_suffix, field));
            format!("{prefix}{mark}{}{suffix}", text.trim())
        };
        macros.scene_mut().char = before;
        if !text.is_empty() {
            texts.push(text);
        }
    }
    texts.join("\n")
}

fn starts_block(text: &str) -> bool {
    text.get(..7).is_some_and(|mark| mark.eq_ignore_ascii_case("<START>"))
}

/// `text` with the field's name for `<FIELDNAME>`, in any case.
fn named(text: &str, field: JoinedField) -> Cow<'_, str> {
    const MARK: &str = "<FIELDNAME>";
    let mut named = String::new();
    let mut rest = text;
    let mut is_changed = false;
    while let Some((before, tail)) = rest.find('<').and_then(|at| rest.split_at_checked(at)) {
        named.push_str(before);
        if let Some((_, after)) = tail
            .split_at_checked(MARK.len())
            .filter(|(mark, _)| mark.eq_ignore_ascii_case(MARK))
        {
            named.push_str(field.name());
            rest = after;
            is_changed = true;
        } else {
            named.push('<');
            rest = tail.get(1..).unwrap_or_default();
        }
    }
    if !is_changed {
        return Cow::Borrowed(text);
    }
    named.push_str(rest);
    Cow::Owned(named)
}

#[cfg(test)]
mod tests;
