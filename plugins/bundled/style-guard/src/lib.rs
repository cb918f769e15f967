//! Words of a reply that are replaced, masked, or end it.
//!
//! Text that may be the beginning of a phrase is held until the rest has come. Text is held as a whole, so that
//! nothing is lost if the filter fails.

mod phrases;

use std::collections::BTreeMap;
use std::rc::Rc;

use phrases::{Action, Found, Phrases};
use serde::Deserialize;
use tavern_extension::*;

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    replace: BTreeMap<String, String>,
    mask: Vec<String>,
    stop: Vec<String>,
    stop_text: String,
    whole_words: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            replace: BTreeMap::new(),
            mask: Vec::new(),
            stop: Vec::new(),
            stop_text: String::new(),
            whole_words: true,
        }
    }
}

#[derive(Extension, Deserialize)]
#[hooks(Lifecycle, StreamFilter)]
#[serde(try_from = "Settings")]
pub struct StyleGuard {
    phrases: Rc<Phrases>,
}

impl TryFrom<Settings> for StyleGuard {
    type Error = String;

    fn try_from(settings: Settings) -> std::result::Result<Self, String> {
        let replace = settings
            .replace
            .into_iter()
            .map(|(words, with)| (words, Action::Replace(with)));
        let mask = settings.mask.into_iter().map(|words| (words, Action::Mask));
        let stop = settings
            .stop
            .into_iter()
            .map(|words| (words, Action::Stop(settings.stop_text.clone())));
        let phrases = Phrases::new(replace.chain(mask).chain(stop), settings.whole_words)?;
        Ok(Self {
            phrases: Rc::new(phrases),
        })
    }
}

/// What the schema cannot say, such as a phrase with two actions, is found out when it is read.
impl Lifecycle for StyleGuard {}

impl StreamFilter for StyleGuard {
    type Filter = Guard;

    fn filter(&self, _turn: &Turn) -> Result<Guard> {
        Ok(Guard(Rc::clone(&self.phrases)))
    }
}

/// The filter of a reply.
pub struct Guard(Rc<Phrases>);

impl ReplyFilter for Guard {
    fn push(&mut self, chunk: &str) -> Result<Verdict> {
        Ok(self.guard(chunk, false))
    }

    fn finish(&mut self, chunk: &str) -> Result<Verdict> {
        Ok(self.guard(chunk, true))
    }
}

impl Guard {
    fn guard(&self, chunk: &str, last: bool) -> Verdict {
        let mut guarded = String::new();
        let mut counts = [("replaced", 0), ("masked", 0), ("stopped", 0)];
        let mut at = 0;
        loop {
            let (start, end, action) = match self.0.find(chunk, at, last) {
                Found::Nothing => break,
                Found::Perhaps => return Verdict::Hold,
                Found::Phrase { start, end, action } => (start, end, action),
            };
            guarded += &chunk[at..start];
            at = end;
            match action {
                Action::Replace(with) => {
                    guarded += &phrases::with_case_of(&chunk[start..end], with);
                    counts[0].1 += 1;
                }
                Action::Mask => {
                    guarded += &phrases::masked(&chunk[start..end]);
                    counts[1].1 += 1;
                }
                Action::Stop(text) => {
                    guarded += text;
                    counts[2].1 += 1;
                    break;
                }
            }
        }
        // Not before: what is held comes again, and would be counted twice.
        let done: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        for (name, count) in &done {
            metrics::count(name, *count);
        }
        if counts[2].1 > 0 {
            return Verdict::Stop(guarded);
        }
        guarded += &chunk[at..];
        match (done.is_empty(), guarded.is_empty()) {
            (true, _) => Verdict::Pass,
            (false, true) => Verdict::Drop,
            (false, false) => Verdict::Replace(guarded),
        }
    }
}

#[cfg(test)]
mod tests;
