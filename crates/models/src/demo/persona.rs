//! Reads a card for what gives a character its voice: name, pronouns, traits, places, own words.

use crate::request::{Cast, CharacterBrief};

/// Bytes of a card's field that are read; a voice shows early.
const READ: usize = 16 * 1024;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Persona {
    pub name: String,
    pub user: String,
    /// "her", "his" or "their".
    pub their: &'static str,
    /// Single adjectives.
    pub traits: Vec<String>,
    /// Phrases such as "in the old forest".
    pub places: Vec<String>,
    /// Whole sentences that the character says.
    pub sayings: Vec<String>,
    /// Whole sentences that narrate what the character does.
    pub gestures: Vec<String>,
    /// Whole sentences about the character.
    pub facts: Vec<String>,
}

impl Persona {
    pub fn read(cast: &Cast) -> Self {
        let CharacterBrief {
            name,
            description,
            personality,
            scenario,
            first_message,
            example_dialogue,
        } = &cast.character;
        let or = |text: &str, default: &str| {
            if text.trim().is_empty() {
                default.to_owned()
            } else {
                text.trim().to_owned()
            }
        };
        let (name, user) = (or(name, "The stranger"), or(&cast.user_name, "friend"));
        let fill = |text: &str| fill_names(&text[..text.floor_char_boundary(READ)], &name, &user);
        let (description, personality, scenario) = (fill(description), fill(personality), fill(scenario));
        let first_message = fill(first_message);
        let mut dialogue = fill(example_dialogue);
        // Some cards keep their examples in the description.
        if let Some(at) = description.find("<START>") {
            dialogue.push('\n');
            dialogue.push_str(&description[at..]);
        }
        let spoken = own_lines(&dialogue, &name, &user);
        let mut sayings = sayings_of(&spoken);
        if sayings.is_empty() {
            // What is said at a first meeting fits later moments less well.
            sayings = sayings_of(&first_message);
        }
        let mut gestures = gestures_of(&spoken, &name);
        gestures.extend(gestures_of(&first_message, &name));
        let mut traits = traits_of(&personality);
        if traits.is_empty() {
            traits = traits_of(&description);
        }
        let mut places = places_of(&scenario);
        places.extend(places_of(&first_message));
        let their = pronoun(&[&description, &personality, &spoken, &first_message]);
        let facts = facts_of(&description, &name);
        Self {
            name,
            user,
            their,
            traits,
            places,
            sayings,
            gestures,
            facts,
        }
    }
}

fn fill_names(text: &str, name: &str, user: &str) -> String {
    let mut filled = text.to_owned();
    for (macros, value) in [
        (["{{char}}", "{{Char}}", "{{CHAR}}", "<BOT>"], name),
        (["{{user}}", "{{User}}", "{{USER}}", "<USER>"], user),
    ] {
        for spelling in macros {
            filled = filled.replace(spelling, value);
        }
    }
    filled
}

/// The character's own lines of an example dialogue.
fn own_lines(dialogue: &str, name: &str, user: &str) -> String {
    let mut own = String::new();
    let mut is_own = true;
    for line in dialogue.lines() {
        let line = line.trim();
        let speaker = |who: &str| line.strip_prefix(who).and_then(|rest| rest.strip_prefix(':'));
        let rest = if line.eq_ignore_ascii_case("<start>") {
            ""
        } else if let Some(rest) = speaker(name) {
            is_own = true;
            rest
        } else if let Some(rest) = speaker(user) {
            is_own = false;
            rest
        } else {
            line
        };
        if is_own {
            own.push_str(rest);
            own.push('\n');
        }
    }
    own
}

fn pronoun(texts: &[&String]) -> &'static str {
    let count = |list: &[&str]| {
        texts
            .iter()
            .flat_map(|text| text.split(|c: char| !c.is_alphabetic()))
            .filter(|word| list.iter().any(|other| other.eq_ignore_ascii_case(word)))
            .count()
    };
    let (she, he) = (count(&["she", "her", "hers"]), count(&["he", "his", "him"]));
    match she.cmp(&he) {
        std::cmp::Ordering::Greater => "her",
        std::cmp::Ordering::Less => "his",
        std::cmp::Ordering::Equal => "their",
    }
}

const ADJECTIVES: &[&str] = &[
    "kind", "calm", "brave", "shy", "proud", "quiet", "bold", "wise", "warm", "stern", "loyal", "gentle", "sweet",
    "clever", "cold", "soft", "wild", "honest", "humble", "blunt", "strict", "smart", "cruel", "strong", "modest",
    "polite", "patient", "serene", "tender", "sly", "cunning", "mature", "fierce", "cheerful", "sincere", "grumpy",
];
const ENDINGS: &[&str] = &[
    "ful", "ous", "ive", "less", "able", "ible", "ish", "cal", "tic", "ing", "ted", "ent", "ant", "astic", "ry", "dy",
    "ly",
];

fn traits_of(text: &str) -> Vec<String> {
    let mut traits = Vec::new();
    let pieces = text.split(|c: char| !(c.is_alphanumeric() || matches!(c, ' ' | '-' | '\'')));
    for piece in pieces.flat_map(|piece| piece.split(" and ")) {
        let word = piece.trim().to_lowercase();
        let is_word = (3..=14).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_adjective = ADJECTIVES.contains(&word.as_str())
            || word.len() > 5 && ENDINGS.iter().any(|ending| word.ends_with(ending));
        if is_word && is_adjective && !traits.contains(&word) {
            traits.push(word);
        }
    }
    traits.truncate(24);
    traits
}

const PREPOSITIONS: &[&str] = &[
    "in", "at", "inside", "on", "beneath", "under", "by", "beside", "within", "near",
];
const STOPS: &[&str] = &[
    "and", "or", "but", "where", "when", "with", "which", "that", "who", "whose", "to", "by", "from", "as", "is",
    "was", "are", "were", "has", "had", "while", "after", "before", "for", "in", "on", "at", "you", "he", "she", "it",
    "they", "her", "his", "your", "their", "its", "near", "under", "beside", "into", "between",
];
/// What follows the article when a phrase is about something else than a place.
const NO_PLACES: &[&str] = &[
    "middle", "morning", "evening", "night", "end", "same", "way", "midst", "moment", "distance", "air", "past",
    "future", "world", "back", "first", "other", "time", "meantime", "day", "face", "hand", "hands", "arms",
    "shoulder", "verge", "edge", "mercy", "sight", "thought", "few", "state", "form", "voice", "tone", "whisper",
];

fn places_of(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut places = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        let [preposition, article] = [pair[0].to_lowercase(), pair[1].to_lowercase()];
        if !PREPOSITIONS.contains(&preposition.as_str()) || !matches!(article.as_str(), "the" | "a" | "an") {
            continue;
        }
        let mut phrase = vec![preposition, article];
        let mut is_whole = false;
        for raw in words.iter().skip(at + 2).take(5) {
            let word = raw.trim_end_matches(|c: char| !c.is_alphanumeric());
            if STOPS.contains(&word.to_lowercase().as_str()) {
                is_whole = true;
                break;
            }
            if word.is_empty() || !word.chars().all(|c| c.is_alphabetic() || c == '-') {
                break;
            }
            phrase.push(word.to_owned());
            if word.len() < raw.len() {
                is_whole = true;
                break;
            }
        }
        let is_place = phrase
            .get(2)
            .is_some_and(|word| !NO_PLACES.contains(&word.to_lowercase().as_str()));
        if is_whole && is_place && phrase.last().is_some_and(|word| word != "of" && word != "the") {
            places.push(phrase.join(" "));
        }
    }
    places.truncate(8);
    places
}

/// Speech stands in quotation marks or, in texts without any, outside of asterisks.
fn sayings_of(text: &str) -> Vec<String> {
    let text = text.replace(['“', '”'], "\"");
    let pieces: Vec<&str> = if text.contains('"') {
        text.split('"').skip(1).step_by(2).collect()
    } else if text.contains('*') {
        text.split('*').step_by(2).collect()
    } else {
        Vec::new()
    };
    let mut sayings: Vec<String> = pieces
        .into_iter()
        .flat_map(sentences)
        .filter(|sentence| !sentence.ends_with('?') && is_plain(sentence, 4, 18))
        .collect();
    sayings.dedup();
    sayings.truncate(24);
    sayings
}

fn gestures_of(text: &str, name: &str) -> Vec<String> {
    let first_name = name.split(' ').next().unwrap_or(name);
    let told = text
        .split('*')
        .skip(1)
        .step_by(2)
        .flat_map(sentences)
        .filter_map(|sentence| {
            let first = sentence.split(' ').next()?;
            let sentence = if ["She", "He", "They", "Her", "His", "Their", name, first_name].contains(&first)
                || sentence.starts_with(name)
            {
                sentence
            } else if first.chars().all(|c| c.is_ascii_lowercase()) && first.ends_with('s') && first.len() > 3 {
                format!("{name} {sentence}")
            } else {
                return None;
            };
            is_plain(&sentence, 4, 18).then_some(sentence)
        });
    told.take(24).collect()
}

fn facts_of(description: &str, name: &str) -> Vec<String> {
    let first_name = name.split(' ').next().unwrap_or(name);
    let about = |sentence: &String| {
        ["She ", "He ", "They "].iter().any(|start| sentence.starts_with(start)) || sentence.starts_with(first_name)
    };
    sentences(description)
        .filter(|sentence| about(sentence) && is_plain(sentence, 5, 18))
        .take(16)
        .collect()
}

/// Sentences, each with its closing mark; the last one gets a full stop if it has none.
fn sentences(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split_inclusive(['.', '!', '?', '\n']).filter_map(|sentence| {
        let sentence = sentence.trim().trim_end_matches([',', '~', '-', '—']);
        let last = sentence.chars().next_back()?;
        let mark = if matches!(last, '.' | '!' | '?') { "" } else { "." };
        Some(format!("{sentence}{mark}"))
    })
}

fn is_plain(sentence: &str, least: usize, most: usize) -> bool {
    let words = sentence.split_whitespace().count();
    let starts_well = sentence.starts_with(char::is_uppercase);
    (least..=most).contains(&words)
        && starts_well
        && !sentence.contains([
            '[', ']', '{', '}', '=', '+', '<', '>', '"', '*', '|', '#', '`', ':', '(', ')',
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn persona() -> Persona {
        Persona::read(&Cast {
            character: CharacterBrief {
                name: "Mira".into(),
                description: "[Age= 30]\n{{char}} keeps the last lighthouse of the northern coast. She talks to gulls.".into(),
                personality: "[\"patient\", \"curious\", rather odd and stubborn, knife collector]".into(),
                scenario: "{{user}} seeks shelter from a storm in the old lighthouse, late in the evening.".into(),
                first_message: "*Mira opens the heavy door.* \"Come in before the wind does,\" *she says.*".into(),
                example_dialogue: "<START>\n{{user}}: \"I hate this weather so much.\"\n{{char}}: *smiles over the rim of a cup* \"Storms are only weather with ambition.\"".into(),
            },
            user_name: "Tom".into(),
        })
    }

    #[test]
    fn a_card_lends_its_words() {
        assert_eq!(
            persona(),
            Persona {
                name: "Mira".into(),
                user: "Tom".into(),
                their: "her",
                traits: vec!["patient".into(), "curious".into()],
                places: vec!["in the old lighthouse".into()],
                sayings: vec!["Storms are only weather with ambition.".into()],
                gestures: vec![
                    "Mira smiles over the rim of a cup.".into(),
                    "Mira opens the heavy door.".into()
                ],
                facts: vec!["Mira keeps the last lighthouse of the northern coast.".into()],
            }
        );
    }

    #[test]
    fn an_empty_card_still_has_a_name() {
        let persona = Persona::read(&Cast::default());
        assert_eq!(
            (persona.name.as_str(), persona.user.as_str(), persona.their),
            ("The stranger", "friend", "their")
        );
    }
}
