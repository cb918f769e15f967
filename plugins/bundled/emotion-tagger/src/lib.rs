//! The emotion of a reply, one of the 28 that expressions of characters are usually named for, and how strong
//! it is. By words and rules: it costs nothing, and is the same every time.

mod lexicon;
mod score;

use std::collections::BTreeMap;

use lexicon::Lexicon;
use serde::Deserialize;
use tavern_extension::*;

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    labels: BTreeMap<String, String>,
    words: BTreeMap<String, Vec<String>>,
    minimum: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            labels: BTreeMap::new(),
            words: BTreeMap::new(),
            minimum: 0.2,
        }
    }
}

#[derive(Extension, Deserialize)]
#[hooks(Lifecycle, AfterReply)]
#[serde(try_from = "Settings")]
pub struct EmotionTagger {
    lexicon: Lexicon,
    labels: BTreeMap<String, String>,
    minimum: f32,
}

impl TryFrom<Settings> for EmotionTagger {
    type Error = String;

    fn try_from(settings: Settings) -> std::result::Result<Self, String> {
        let mut lexicon = Lexicon::english();
        for (emotion, words) in &settings.words {
            for word in words {
                lexicon.add(emotion, word)?;
            }
        }
        Ok(Self {
            lexicon,
            labels: settings.labels,
            minimum: settings.minimum,
        })
    }
}

/// What the schema cannot say is found out when the configuration is read.
impl Lifecycle for EmotionTagger {}

impl AfterReply for EmotionTagger {
    fn after_reply(
        &self,
        _turn: &Turn,
        _history: &[Message],
        _user: Option<&Message>,
        reply: &Message,
    ) -> Result<Vec<Effect>> {
        let (emotion, intensity) = score::strongest(&self.lexicon, &reply.text)
            .filter(|(_, intensity)| *intensity >= self.minimum)
            .unwrap_or((lexicon::NEUTRAL, 0.0));
        let label = self.labels.get(emotion).map_or(emotion, String::as_str);
        Ok(vec![
            Effect::annotation("emotion", label)?,
            // Two digits are more than words can tell.
            Effect::annotation("intensity", &((f64::from(intensity) * 100.0).round() / 100.0))?,
        ])
    }
}

#[cfg(test)]
mod tests;
