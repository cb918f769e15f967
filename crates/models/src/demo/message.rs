//! Reads the user's last message: its mood, and words worth taking up.

use tavern_domain::chat::ChatRole;

use crate::request::PromptMessage;

/// What kind of message it is, as far as a list of words can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Greeting,
    Farewell,
    Thanks,
    AboutYou,
    Question,
    Sad,
    Glad,
    Action,
    Agreement,
    Refusal,
    Statement,
}

/// A message as the demo model understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    pub mood: Mood,
    /// The user wants to know what they are talking to.
    pub asks_about_machine: bool,
    /// A short clause of the message, fit to be quoted.
    pub snippet: Option<String>,
    /// Its most telling word.
    pub word: Option<String>,
}

const COMMON: &[&str] = &[
    "about",
    "after",
    "again",
    "always",
    "another",
    "because",
    "been",
    "before",
    "being",
    "could",
    "does",
    "doing",
    "even",
    "every",
    "from",
    "going",
    "have",
    "here",
    "into",
    "just",
    "know",
    "like",
    "little",
    "maybe",
    "might",
    "more",
    "much",
    "need",
    "never",
    "only",
    "other",
    "over",
    "please",
    "really",
    "said",
    "same",
    "should",
    "some",
    "something",
    "still",
    "such",
    "sure",
    "tell",
    "than",
    "that",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "thing",
    "think",
    "this",
    "those",
    "through",
    "under",
    "very",
    "want",
    "well",
    "were",
    "what",
    "when",
    "where",
    "which",
    "while",
    "will",
    "with",
    "without",
    "would",
    "your",
    "yours",
    "yourself",
    "you're",
    "don't",
    "can't",
];

/// Reads the newest message of the user; one without words if there is none.
pub(super) fn hear(messages: &[PromptMessage]) -> Heard {
    let newest = messages.iter().rev().find(|message| message.role == ChatRole::User);
    read(newest.map_or("", |message| &message.content))
}

fn read(text: &str) -> Heard {
    // A pasted novel is understood by its beginning.
    let text: String = text.chars().take(2_000).collect();
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .collect();
    let plain = quotable(&without_actions(&text));
    let is_action = plain.is_empty() && !words.is_empty();
    let plain = if is_action { quotable(&text) } else { plain };
    Heard {
        mood: mood(&lower, &words, is_action),
        asks_about_machine: asks_about_machine(&words),
        snippet: snippet(&plain),
        word: telling_word(&plain),
    }
}

fn mood(lower: &str, words: &[&str], is_action: bool) -> Mood {
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let starts = |list: &[&str]| words.first().is_some_and(|word| list.contains(word));
    let says = |list: &[&str]| list.iter().any(|phrase| lower.contains(phrase));
    let asks = lower.contains('?')
        || starts(&[
            "who", "what", "where", "when", "why", "how", "which", "can", "could", "do", "does", "is", "are", "will",
            "would", "should",
        ]);
    if is_action {
        Mood::Action
    } else if says(&[
        "who are you",
        "about yourself",
        "your name",
        "what are you",
        "about you",
    ]) {
        Mood::AboutYou
    } else if starts(&["bye", "goodbye", "farewell"]) || says(&["good night", "see you later", "have to go"]) {
        Mood::Farewell
    } else if has(&["thanks", "thank"]) {
        Mood::Thanks
    } else if has(&[
        "sad", "tired", "afraid", "scared", "lonely", "alone", "hurt", "hurts", "crying", "lost", "sorry", "worried",
        "miss",
    ]) {
        Mood::Sad
    } else if asks {
        Mood::Question
    } else if starts(&["hi", "hello", "hey", "greetings"]) || says(&["good morning", "good evening"]) {
        Mood::Greeting
    } else if has(&[
        "happy",
        "glad",
        "great",
        "wonderful",
        "love",
        "beautiful",
        "excited",
        "amazing",
    ]) {
        Mood::Glad
    } else if starts(&["yes", "yeah", "okay", "ok", "sure", "agreed"]) {
        Mood::Agreement
    } else if starts(&["no", "nope", "never"]) {
        Mood::Refusal
    } else {
        Mood::Statement
    }
}

fn asks_about_machine(words: &[&str]) -> bool {
    let pair = |first: &str, second: &str| words.windows(2).any(|pair| pair == [first, second]);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let names_it = has(&["chatgpt", "gpt", "llm", "claude", "gemini"])
        || pair("language", "model")
        || pair("artificial", "intelligence")
        || pair("demo", "model");
    let asks_model = pair("which", "model") || pair("what", "model");
    let asks_you = pair("are", "you") || pair("you", "are") || has(&["you're"]);
    asks_model
        || names_it
        || asks_you
            && has(&[
                "ai", "bot", "chatbot", "robot", "machine", "program", "computer", "human", "real", "person",
            ])
}

fn without_actions(text: &str) -> String {
    text.split('*').step_by(2).collect::<Vec<_>>().join(" ")
}

/// One line of plain words: nothing that could open or close markup.
fn quotable(text: &str) -> String {
    let clean = |c: char| {
        if c.is_control() || "*\"“”„`{}[]<>_#~|\\".contains(c) {
            ' '
        } else {
            c
        }
    };
    text.chars()
        .map(clean)
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn snippet(plain: &str) -> Option<String> {
    const MOST: usize = 8;
    let count = |clause: &str| clause.split(' ').count();
    let clauses = plain
        .split(['.', ',', ';', '!', '?', ':', '(', ')', '\n'])
        .map(|clause| clause.trim_matches([' ', '\'', '-']));
    let clauses: Vec<&str> = clauses
        .filter(|clause| clause.chars().any(char::is_alphanumeric))
        .collect();
    let best = clauses
        .iter()
        .filter(|clause| count(clause) <= MOST)
        .max_by_key(|clause| count(clause));
    let chosen = best.copied().map(str::to_owned).or_else(|| {
        let words: Vec<&str> = clauses.first()?.split(' ').take(MOST - 1).collect();
        Some(format!("{}...", words.join(" ")))
    })?;
    (chosen.chars().count() <= 80).then_some(chosen)
}

fn telling_word(plain: &str) -> Option<String> {
    let words = plain
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '-')
        .map(|word| word.trim_matches(['\'', '-']));
    let mut best: Option<&str> = None;
    for word in words {
        let length = word.chars().count();
        if (4..=24).contains(&length)
            && !COMMON.contains(&word.to_lowercase().as_str())
            && best.is_none_or(|best| length > best.chars().count())
        {
            best = Some(word);
        }
    }
    best.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moods_are_told_apart() {
        for (text, expected) in [
            ("Hello there!", Mood::Greeting),
            ("Where does this road lead?", Mood::Question),
            ("Thanks for the bread", Mood::Thanks),
            ("Tell me about yourself.", Mood::AboutYou),
            ("I am so tired.", Mood::Sad),
            ("*steps closer and draws a knife*", Mood::Action),
            ("Yes, let us go", Mood::Agreement),
            ("No way", Mood::Refusal),
            ("Goodbye, friend", Mood::Farewell),
            ("What a wonderful day, I love it", Mood::Question),
            ("I am glad", Mood::Glad),
            ("The dragon sleeps", Mood::Statement),
            ("", Mood::Statement),
        ] {
            assert_eq!(read(text).mood, expected, "{text}");
        }
    }

    #[test]
    fn asking_what_it_is_is_noticed_and_nothing_else_is() {
        for text in [
            "Are you an AI?",
            "are you real",
            "which model is this?",
            "You're a bot, right?",
            "Is this ChatGPT",
        ] {
            assert!(read(text).asks_about_machine, "{text}");
        }
        for text in [
            "Are you hungry?",
            "A real dragon!",
            "The machine hums.",
            "What are you?",
        ] {
            assert!(!read(text).asks_about_machine, "{text}");
        }
    }

    #[test]
    fn a_quoted_clause_is_short_and_free_of_markup() {
        assert_eq!(
            read("*bows* I seek the \"Old King\", my lord.").snippet.as_deref(),
            Some("I seek the Old King")
        );
        let long = read("I walked and walked and walked until my feet were sore and bleeding");
        assert_eq!(long.snippet.as_deref(), Some("I walked and walked and walked until..."));
        assert_eq!(read("?!").snippet, None);
        assert_eq!(read("What about the dragon over there").word.as_deref(), Some("dragon"));
    }
}
