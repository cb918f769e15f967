//! Reasoning that a model writes into its reply, between a prefix and a suffix at its start.

use std::borrow::Cow;

use serde_json::Value;

use super::MAX_BLANKS;

/// Bytes of a prefix or suffix.
const MAX_MARK: usize = 256;

/// How reasoning is marked, and what is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasoningTemplate {
    pub prefix: String,
    pub suffix: String,
    /// Between the suffix and the reply, in prompts.
    pub separator: String,
    /// Whether replies are searched for it.
    pub auto_parse: bool,
    /// Whether prompts show it.
    pub add_to_prompts: bool,
    /// In how many messages of a prompt, the newest first.
    pub max_additions: usize,
}

impl Default for ReasoningTemplate {
    fn default() -> Self {
        Self {
            prefix: "<think>\n".to_owned(),
            suffix: "\n</think>".to_owned(),
            separator: "\n\n".to_owned(),
            auto_parse: false,
            add_to_prompts: false,
            max_additions: 1,
        }
    }
}

impl ReasoningTemplate {
    /// From the section `reasoning` of a preset; what is missing is as in the default.
    #[must_use]
    pub fn read(section: &Value) -> Self {
        let default = Self::default();
        let text = |key: &str, or: String| section.get(key).and_then(Value::as_str).map_or(or, str::to_owned);
        let flag = |key: &str| section.get(key).and_then(Value::as_bool).unwrap_or(false);
        let additions = section.get("max_additions").and_then(Value::as_u64);
        Self {
            prefix: text("prefix", default.prefix),
            suffix: text("suffix", default.suffix),
            separator: text("separator", default.separator),
            auto_parse: flag("auto_parse"),
            add_to_prompts: flag("add_to_prompts"),
            max_additions: additions.map_or(default.max_additions, |additions| {
                usize::try_from(additions).unwrap_or(usize::MAX)
            }),
        }
    }
}

/// Messages as a prompt shows them: with their reasoning, as far as the template says so.
///
/// Both lists are newest first: texts, and what reasoning they came with. Where `continues` is set,
/// the newest is to be gone on with: if it has reasoning only, that is shown in any case, and left
/// open.
#[must_use]
pub fn add_reasoning<'t>(
    template: &ReasoningTemplate,
    newest_first: &[(&'t str, Option<&str>)],
    continues: bool,
) -> Vec<Cow<'t, str>> {
    let ReasoningTemplate {
        prefix,
        suffix,
        separator,
        ..
    } = template;
    let mut left = if template.add_to_prompts {
        template.max_additions
    } else {
        0
    };
    let shown = newest_first.iter().enumerate().map(|(index, &(text, reasoning))| {
        let Some(reasoning) = reasoning.filter(|reasoning| !reasoning.is_empty()) else {
            return Cow::Borrowed(text);
        };
        if continues && index == 0 && text.is_empty() {
            left = left.saturating_sub(1);
            return Cow::Owned(format!("{prefix}{reasoning}"));
        }
        if left == 0 {
            return Cow::Borrowed(text);
        }
        left -= 1;
        Cow::Owned(format!("{prefix}{reasoning}{suffix}{separator}{text}"))
    });
    shown.collect()
}

/// A part of a text, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    pub reasoning: String,
    pub text: String,
}

/// Takes the reasoning off the start of a text while it comes in; holds back half a kilobyte at the most.
///
/// Prefix and suffix count without the blanks around them, and the blanks between them and what they
/// enclose are left out. A text that does not start with the prefix has no reasoning; one without the
/// suffix is nothing but reasoning.
#[derive(Debug, Clone)]
pub struct ReasoningSplitter {
    prefix: String,
    suffix: String,
    state: State,
    held: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Blanks and the prefix, perhaps.
    Start,
    /// Blanks behind the prefix.
    Opened,
    Reasoning,
    /// Blanks behind the suffix.
    Closed,
    Text,
}

impl ReasoningSplitter {
    /// Splits nothing if the template does not ask for it, or has a prefix or suffix that is blank
    /// or longer than 256 bytes.
    #[must_use]
    pub fn new(template: &ReasoningTemplate) -> Self {
        let (prefix, suffix) = (template.prefix.trim(), template.suffix.trim());
        let is_usable = |mark: &str| !mark.is_empty() && mark.len() <= MAX_MARK;
        let splits = template.auto_parse && is_usable(prefix) && is_usable(suffix);
        Self {
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
            state: if splits { State::Start } else { State::Text },
            held: String::new(),
        }
    }

    /// Takes the next piece, and gives out what is certain.
    #[must_use]
    pub fn push(&mut self, text: &str) -> Split {
        let mut out = Split::default();
        for c in text.chars() {
            self.read(c, &mut out);
        }
        out
    }

    #[must_use]
    pub fn finish(mut self) -> Split {
        let mut out = Split::default();
        match self.state {
            State::Start => out.text = self.held,
            State::Reasoning => {
                self.held.truncate(self.held.trim_end().len());
                out.reasoning = self.held;
            }
            State::Opened | State::Closed | State::Text => {}
        }
        out
    }

    fn read(&mut self, c: char, out: &mut Split) {
        match self.state {
            State::Opened | State::Closed if c.is_whitespace() => {}
            State::Closed => {
                self.state = State::Text;
                out.text.push(c);
            }
            State::Text => out.text.push(c),
            State::Start => {
                self.held.push(c);
                let start = self.held.trim_start();
                if start == self.prefix {
                    self.state = State::Opened;
                    self.held.clear();
                } else if !self.prefix.starts_with(start) || self.held.len() - start.len() > MAX_BLANKS {
                    self.state = State::Text;
                    out.text.push_str(&self.held);
                    self.held.clear();
                }
            }
            State::Opened | State::Reasoning => {
                self.state = State::Reasoning;
                self.held.push(c);
                if let Some(before) = self.held.strip_suffix(&self.suffix) {
                    out.reasoning.push_str(before.trim_end());
                    self.held.clear();
                    self.state = State::Closed;
                    return;
                }
                self.release(out);
            }
        }
    }

    /// Gives out the reasoning held, but for what can be the start of the suffix, and blanks before it.
    fn release(&mut self, out: &mut Split) {
        let is_start = |&at: &usize| self.held.get(at..).is_some_and(|end| self.suffix.starts_with(end));
        let from = self.held.len().saturating_sub(self.suffix.len());
        let start = (from..self.held.len()).find(is_start).unwrap_or(self.held.len());
        let before = self.held.get(..start).unwrap_or_default();
        let mut certain = before.trim_end().len();
        if before.len() - certain > MAX_BLANKS {
            certain = before.len();
        }
        let rest = self.held.split_off(certain);
        out.reasoning.push_str(&std::mem::replace(&mut self.held, rest));
    }
}

#[cfg(test)]
#[path = "tests/reasoning.rs"]
mod tests;
